//! `recommend`: the items that are most like a query, with the model's probability of success for each.
//!
//! Likeness is the exact cosine between vectors of one embedder. The probability is what the model says of the item's own
//! vector, class weights undone. `combined_score` = (1 − weight) · similarity + weight · probability.

use std::collections::BTreeMap;
use std::time::Instant;

use ndarray::{Array2, Axis};
use serde::Serialize;

use super::light::{Light, light};
use super::reading::batch;
use super::session::Session;
use crate::bundle::{Bundle, Output};
use crate::data::letor::Settings;
use crate::data::rows::{Blank, Inputs, Labels, prepare, request};
use crate::data::sources::{column_names, read, resolve};
use crate::data::{Columns, Input, parquet_file};
use crate::embeddings::Identity;
use crate::error::{Error, Result};
use crate::features::{Batch, QueryBounds, Signal};
use crate::names::{ModelName, Version};
use crate::project::Prefer;
use crate::retrieval::{Flat, Hit};
use crate::runs::opened::Opened;
use crate::runs::tags::{pairs, version_tags};

/// What the hits are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum By {
    /// The cosine.
    #[default]
    Similarity,
    /// The probability of success.
    Probability,
    /// Both, weighted.
    Combined,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// One of the items, by its id.
    Item(String),
    /// The rows of a file.
    File(String),
    /// A text.
    Text(String),
}

/// Whether items with the same vector are shown more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twins {
    /// Only the first of each, and none that equals the query.
    Leave,
    /// All.
    Keep,
}

/// What to recommend, from what.
#[derive(Debug, Clone)]
pub struct Request {
    /// The model.
    pub model: String,
    /// The items.
    pub items: String,
    /// The query of the items, when they are in a database.
    pub items_query: Option<String>,
    /// The column that holds vectors made before, in items and query file alike.
    pub embedding: Option<String>,
    /// Columns of the items that are repeated in the answer.
    pub show: Vec<String>,
    /// What is looked for.
    pub query: Query,
    /// At most so many items a query.
    pub top: usize,
    /// The share of the probability in the combined score.
    pub weight: f64,
    /// What decides the order.
    pub by: By,
    /// Items that are the same.
    pub twins: Twins,
}

/// One item.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recommendation {
    /// From 1.
    pub rank: usize,
    /// The item's id.
    pub id: String,
    /// Cosine of query and item, −1 to 1.
    pub similarity_score: f64,
    /// The model's probability of the positive class for the item; none for a model of more than two classes.
    pub success_probability: Option<f64>,
    /// Both, weighted; the cosine where there is no probability.
    pub combined_score: f64,
    /// The item's other columns that were asked for.
    #[serde(rename = "columns", skip_serializing_if = "BTreeMap::is_empty")]
    pub shown: BTreeMap<String, Option<String>>,
}

/// The items for one query.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// The query's id: an item's, a row's, or none for a text.
    pub query: Option<String>,
    /// The model's probability for the query itself.
    pub success_probability: Option<f64>,
    /// Best first.
    pub recommendations: Vec<Recommendation>,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The model.
    pub model: ModelName,
    /// The version.
    pub version: Version,
    /// The embedder's identity, where the model embeds texts.
    pub embedder: Option<String>,
    /// Items that were looked through.
    pub items: usize,
    /// Items without a text or vector.
    pub items_without_input: usize,
    /// Items left out because an earlier one has the same vector.
    pub duplicates: usize,
    /// One answer a query.
    pub answers: Vec<Answer>,
    /// Seconds of each stage.
    pub seconds: BTreeMap<&'static str, f64>,
}

/// Rows with their vectors.
struct Placed {
    ids: Vec<String>,
    vectors: Array2<f32>,
    shown: Vec<BTreeMap<String, Option<String>>>,
    without_input: usize,
}

/// Finds the items.
///
/// # Errors
/// `NotFound` without such a model or item, `Invalid` when rows or vectors do not fit the model.
pub fn recommend(session: &Session<'_>, request: &Request) -> Result<Outcome> {
    let started_ms = session.project.now_ms();
    if request.top == 0 || !(0.0..=1.0).contains(&request.weight) {
        return Err(Error::invalid(format!("`--top {}` and `--weight {}` do not fit", request.top, request.weight))
            .hint("at least one item, and a weight of 0 to 1"));
    }
    let located = session.locate(&request.model, Prefer::ProductionElseLatest)?;
    session.stage(&format!("loading {} {}", located.model, located.version))?;
    let opened = Opened::open(located)?;
    let Opened { located, bundle, .. } = &opened;
    if let Output::Ranks { .. } = bundle.schema.output {
        let (model, version) = (&located.model, located.version);
        return Err(Error::invalid(format!(
            "{model} {version} ranks the documents of queries: it has no vectors of items"
        ))
        .hint(format!("`mlops predict {model}/{} --input FILE` ranks documents", version.0)));
    }
    let mut seconds = BTreeMap::new();
    let clock = Instant::now();
    let items = placed(session, bundle, request, (&request.items, request.items_query.as_deref()), &request.show)?;
    seconds.insert("items", clock.elapsed().as_secs_f64());
    let queries = queries(session, bundle, request, &items)?;
    session.stage("searching")?;
    let probabilities = success(session, bundle, &items.vectors)?;
    if probabilities.is_none() && request.by == By::Probability && !items.ids.is_empty() {
        return Err(Error::invalid(format!("{} {} has no probability of success", located.model, located.version))
            .hint("only a model of two classes has one; `--by similarity` needs none"));
    }
    let own = success(session, bundle, &queries.vectors)?;
    let Placed { ids, vectors, shown, without_input } = items;
    let flat = Flat::new(vectors)?;
    let unique: Vec<bool> = match request.twins {
        Twins::Leave => flat.first_identical().into_iter().enumerate().map(|(item, first)| item == first).collect(),
        Twins::Keep => vec![true; ids.len()],
    };
    let clock = Instant::now();
    let (shown, probabilities, unique) = (&shown, probabilities.as_deref(), &unique);
    let found = Search { request, flat: &flat, ids: &ids, shown, probabilities, unique }.answer(&queries)?;
    seconds.insert("search", clock.elapsed().as_secs_f64());
    let answers = found.into_iter().enumerate().map(|(at, recommendations)| Answer {
        query: queries.ids[at].clone(),
        success_probability: own.as_ref().map(|own| own[at]),
        recommendations,
    });
    let answers = answers.collect();
    let outcome = Outcome {
        model: located.model.clone(),
        version: located.version,
        embedder: bundle.features.embedder(),
        items: ids.len(),
        items_without_input: without_input,
        duplicates: unique.iter().filter(|unique| !**unique).count(),
        answers,
        seconds,
    };
    light(session, &recorded(request, &opened, &outcome, started_ms)?);
    Ok(outcome)
}

/// The recommendation as a finished run of the model's experiment.
fn recorded(request: &Request, opened: &Opened, outcome: &Outcome, started_ms: i64) -> Result<Light> {
    let (located, config) = (&opened.located, opened.config()?);
    Ok(Light {
        experiment: config.experiment.name.to_string(),
        command: "recommend",
        name: format!("recommend {} {}", located.model, located.version),
        started_ms,
        params: pairs([("items", request.items.clone()), ("top", request.top.to_string())]),
        metrics: vec![("items", outcome.items as f64), ("queries", outcome.answers.len() as f64)],
        tags: version_tags(located, config),
        artifacts: Vec::new(),
    })
}

/// Rows of a file with the model's vectors: computed, or read from a column that holds them.
fn placed(
    session: &Session<'_>,
    bundle: &Bundle,
    asked: &Request,
    from: (&str, Option<&str>),
    show: &[String],
) -> Result<Placed> {
    let (location, query) = from;
    session.stage(&format!("reading {location}"))?;
    let source = session.project.expand(location)?;
    let root = session.project.layout.root();
    let known = column_names(&source, query, root)?;
    let input = match &asked.embedding {
        Some(column) => {
            check_embedder(session, &source, bundle)?;
            Input::Embedding(column.clone())
        }
        None => bundle.schema.columns.input.clone(),
    };
    // Items need no label, and no id of their own.
    let id = bundle.schema.columns.id.clone().filter(|id| known.contains(id));
    let columns = Columns {
        id: id.or_else(|| known.iter().find(|name| *name == "id").cloned()),
        label: None,
        query: None,
        input,
        letor: Settings::default(),
    };
    let mut wanted = request(&columns, None, Labels::Ignore, query);
    for name in show {
        if !wanted.columns.contains(name) {
            wanted.columns.push(name.clone());
        }
    }
    let table = read(&source, &wanted, root)?;
    let mut cells: BTreeMap<&str, Vec<Option<String>>> = BTreeMap::new();
    for name in show {
        cells.insert(name, table.cells(name)?.map(|cell| cell.map(str::to_owned)).collect());
    }
    let mut rows = prepare(table, &columns, None, Labels::Ignore, 0, Blank::Skip)?;
    session.stage(&format!("embedding {location}"))?;
    let positions: Vec<usize> = (0..rows.ids.len()).collect();
    let input = batch(&rows, &positions);
    // The inputs have been copied out: one copy is enough.
    rows.inputs = Inputs::Texts(Vec::new());
    let (vectors, report) = bundle.features.vectors(input, &session.embedding)?;
    session.note_texts(report);
    session.check()?;
    let shown =
        |number: &usize| cells.iter().map(|(name, cells)| ((*name).to_owned(), cells[number - 1].clone())).collect();
    Ok(Placed {
        shown: rows.numbers.iter().map(shown).collect(),
        ids: rows.ids,
        vectors,
        without_input: rows.skipped_input,
    })
}

/// Vectors that were made before must come from the model's own embedder, where the files say which one made them.
fn check_embedder(session: &Session<'_>, source: &str, bundle: &Bundle) -> Result<()> {
    let Some(own) = bundle.features.embedder() else { return Ok(()) };
    let (format, files) = resolve(source, session.project.layout.root())?;
    for file in &files {
        let facts = if format == "parquet" { parquet_file::facts(file)? } else { BTreeMap::new() };
        match facts.get("mlops.embedder") {
            Some(made_by) if *made_by == own => {}
            Some(made_by) => {
                let message = format!("`{}` was made by another embedder than the model's", file.display());
                let identity = bundle.features.embedder_identity().unwrap_or_default();
                let both: [Option<Identity>; 2] = [
                    serde_json::from_value(identity).ok(),
                    facts.get("mlops.embedder_identity").and_then(|text| serde_json::from_str(text).ok()),
                ];
                return Err(Error::invalid(message).hint(match both {
                    [Some(own), Some(other)] => own.differences(&other).join("; "),
                    _ => format!("the file: {made_by}; the model: {own}"),
                }));
            }
            None => session.note(format!(
                "`{}` does not say who made its vectors: they are taken as those of {own}",
                file.display()
            )),
        }
    }
    Ok(())
}

/// The query's vectors, with an id where it has one.
struct Queries {
    ids: Vec<Option<String>>,
    vectors: Array2<f32>,
}

fn queries(session: &Session<'_>, bundle: &Bundle, request: &Request, items: &Placed) -> Result<Queries> {
    match &request.query {
        Query::Item(id) => {
            let at = items.ids.iter().position(|known| known == id).ok_or_else(|| {
                Error::not_found(format!("`{}` has no item `{id}`", request.items))
                    .hint("`--query` takes an item's id or a file, `--text` a text")
            })?;
            if items.ids[at + 1..].contains(id) {
                return Err(Error::invalid(format!("`{}` has several items `{id}`: which one?", request.items)));
            }
            let vector = items.vectors.row(at).to_owned().insert_axis(Axis(0));
            Ok(Queries { ids: vec![Some(id.clone())], vectors: vector })
        }
        Query::File(path) => {
            let rows = placed(session, bundle, request, (path, None), &[])?;
            if rows.ids.is_empty() {
                return Err(Error::invalid(format!("`{path}` has no row with a text or vector")));
            }
            Ok(Queries { ids: rows.ids.into_iter().map(Some).collect(), vectors: rows.vectors })
        }
        Query::Text(text) if text.trim().is_empty() => Err(Error::invalid("the text is empty")),
        Query::Text(text) => {
            let texts = Batch::new(Signal::Texts(vec![text.clone()]), QueryBounds::Absent, None);
            let (vectors, report) = bundle.features.vectors(texts, &session.embedding)?;
            session.note_texts(report);
            Ok(Queries { ids: vec![None], vectors })
        }
    }
}

/// The probability of the positive class for each vector; none for a model of more than two classes.
fn success(session: &Session<'_>, bundle: &Bundle, vectors: &Array2<f32>) -> Result<Option<Vec<f64>>> {
    if bundle.schema.labels().len() != 2 || vectors.nrows() == 0 {
        return Ok(None);
    }
    let mut probabilities = Vec::with_capacity(vectors.nrows());
    // A block at a time: the vectors of many items are not held twice.
    for block in vectors.axis_chunks_iter(Axis(0), 8192) {
        let features = bundle.features.of_vectors(block.to_owned(), QueryBounds::Absent, &session.embedding)?;
        let prediction = bundle.schema.predict(bundle.model.predict(&features)?);
        probabilities.extend(prediction.probabilities.column(1));
        session.check()?;
    }
    Ok(Some(probabilities))
}

/// What one query is answered from.
struct Search<'a> {
    request: &'a Request,
    flat: &'a Flat,
    ids: &'a [String],
    shown: &'a [BTreeMap<String, Option<String>>],
    probabilities: Option<&'a [f64]>,
    unique: &'a [bool],
}

/// Queries that are answered in one pass over the items.
const AT_A_TIME: usize = 16;

impl Search<'_> {
    fn answer(&self, queries: &Queries) -> Result<Vec<Vec<Recommendation>>> {
        let own = matches!(self.request.query, Query::Item(_));
        // Another order than that of the cosine needs the cosine of every item.
        let wanted = if self.request.by == By::Similarity { self.request.top } else { self.ids.len() };
        let mut answers = Vec::with_capacity(queries.ids.len());
        for block in queries.vectors.axis_chunks_iter(Axis(0), AT_A_TIME) {
            let first = answers.len();
            let twins = match self.request.twins {
                Twins::Leave => block.outer_iter().map(|one| self.flat.identical_to(&one.to_vec())).collect(),
                Twins::Keep => Ok(vec![Vec::new(); block.nrows()]),
            };
            let twins: Vec<Vec<usize>> = twins?;
            let excluded = |query: usize, item: usize| {
                let itself = own && queries.ids[first + query].as_ref() == Some(&self.ids[item]);
                itself || !self.unique[item] || twins[query].binary_search(&item).is_ok()
            };
            let found = self.flat.top_k(block, wanted, &excluded)?;
            answers.extend(found.into_iter().map(|hits| self.ranked(hits)));
        }
        Ok(answers)
    }

    /// The best items in the order that was asked for.
    fn ranked(&self, mut hits: Vec<Hit>) -> Vec<Recommendation> {
        let key = |hit: &Hit| match self.request.by {
            By::Similarity => f64::from(hit.similarity),
            By::Probability => self.probabilities.map_or(f64::NEG_INFINITY, |all| all[hit.item]),
            By::Combined => self.combined(hit),
        };
        // Stable: equal ones stay in the order of the cosine, then of the items.
        hits.sort_by(|left, right| key(right).total_cmp(&key(left)));
        hits.truncate(self.request.top);
        let ranked = hits.iter().enumerate();
        ranked.map(|(at, hit)| Recommendation { rank: at + 1, ..self.recommendation(hit) }).collect()
    }

    fn combined(&self, hit: &Hit) -> f64 {
        let (similarity, weight) = (f64::from(hit.similarity), self.request.weight);
        let success = self.probabilities.map(|all| all[hit.item]);
        success.map_or(similarity, |success| (1.0 - weight) * similarity + weight * success)
    }

    fn recommendation(&self, hit: &Hit) -> Recommendation {
        Recommendation {
            rank: 0,
            id: self.ids[hit.item].clone(),
            similarity_score: f64::from(hit.similarity),
            success_probability: self.probabilities.map(|probabilities| probabilities[hit.item]),
            combined_score: self.combined(hit),
            shown: self.shown[hit.item].clone(),
        }
    }
}
