//! `embed`: texts → vectors in a file, or back into the table that the texts came from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ndarray::Array2;
use serde::Serialize;

use super::light::{COMMANDS, Light, light};
use super::reading::{From, batch, read_rows, read_training_rows};
use super::session::Session;
use crate::catalog::{ParamProblem, Params, find};
use crate::config::{Experiment, ExperimentConfig};
use crate::data::letor::Settings;
use crate::data::reading::Reading;
use crate::data::rows::{Blank, Labels, Rows};
use crate::data::sources::sqlite_column::{self, Target};
use crate::data::sources::{Location, resolve};
use crate::data::vector_files::{self, Format};
use crate::data::{Columns, Features, Input, Part};
use crate::embeddings::TextReport;
use crate::error::{Error, Result};
use crate::features::{Chain, FittedChain, STEPS, StepKind};
use crate::fs::is_written_to;
use crate::names::RunId;
use crate::runs::record::{What, recorded};
use crate::runs::seed::stream;
use crate::runs::tags::{code_tags, pairs};
use crate::tracking::Batch;

/// What becomes of a row whose text is missing or blank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Empty {
    /// It is embedded as an empty text: the vectors keep step with the rows.
    #[default]
    Embed,
    /// Its vector is zero.
    Zero,
    /// It is left out and counted.
    Skip,
    /// It is an error.
    Refuse,
}

/// Texts of one file, without a config.
#[derive(Debug, Clone, Default)]
pub struct FileRequest {
    /// The rows.
    pub input: String,
    /// The query, for a database.
    pub query: Option<String>,
    /// How a text file of rows is read.
    pub reading: Reading,
    /// The text columns, joined by a line break.
    pub text_columns: Vec<String>,
    /// Fields of a JSON text, in this order.
    pub json_fields: Vec<String>,
    /// The id column, where there is one.
    pub id_column: Option<String>,
    /// Parameters of the `embedding` step: model, dimensions, ….
    pub params: BTreeMap<String, serde_json::Value>,
    /// Rows without a text.
    pub empty: Empty,
    /// The file to write.
    pub output: Option<PathBuf>,
    /// The column of the input's own table to write, for a SQLite database.
    pub write_back: Option<Target>,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The run, when a config was embedded.
    pub run_id: Option<RunId>,
    /// The file; the database when the vectors went back into it.
    pub output: PathBuf,
    /// The embedder's identity.
    pub embedder: String,
    /// The identity, field by field.
    pub identity: serde_json::Value,
    /// SHA-256 of the rows.
    pub data_fingerprint: String,
    /// Rows in the file.
    pub rows: usize,
    /// Rows skipped for want of a text.
    pub skipped_without_input: usize,
    /// Rows skipped for want of a label.
    pub skipped_without_label: usize,
    /// Rows whose text is missing or blank.
    pub empty: usize,
    /// Length of a vector.
    pub dimensions: usize,
    /// What the embedder says of the texts.
    #[serde(flatten)]
    pub report: TextReport,
    /// Texts that were computed, not looked up, per second of tokenising and encoding.
    pub texts_per_second: Option<f64>,
}

/// What is written of the rows.
struct Embedded<'a> {
    rows: &'a Rows,
    chain: &'a FittedChain,
    vectors: &'a Array2<f32>,
    /// What came of the texts.
    report: TextReport,
    /// SHA-256 of the rows.
    fingerprint: String,
    empty: usize,
}

impl Embedded<'_> {
    /// Writes a file.
    fn write(&self, output: &Path) -> Result<()> {
        let rows = self.rows;
        let labels: Vec<String> = rows.truth.words();
        let parts: Vec<String> = rows.parts.iter().map(|part| part.name().to_owned()).collect();
        let columns = [("id", &rows.ids), ("label", &labels), ("split", &parts)];
        let columns: Vec<(&str, &[String])> = columns
            .into_iter()
            .filter(|(name, cells)| *name == "id" || !cells.is_empty())
            .map(|(name, cells)| (name, cells.as_slice()))
            .collect();
        let identity = self.chain.embedder_identity().unwrap_or_default();
        let facts = [
            ("mlops.embedder", self.chain.embedder().unwrap_or_default()),
            ("mlops.embedder_identity", identity.to_string()),
            ("mlops.dimensions", self.vectors.ncols().to_string()),
            ("mlops.data_fingerprint", self.fingerprint.clone()),
        ];
        vector_files::write(output, &columns, self.vectors.view(), &facts)
    }

    fn outcome(self, output: &Path) -> Outcome {
        let report = self.report;
        let computed = report.computed as f64;
        let took: f64 = ["tokenize", "encode"].iter().filter_map(|stage| report.seconds.get(stage)).sum();
        Outcome {
            run_id: None,
            output: output.to_path_buf(),
            embedder: self.chain.embedder().unwrap_or_default(),
            identity: self.chain.embedder_identity().unwrap_or_default(),
            data_fingerprint: self.fingerprint,
            rows: self.rows.ids.len(),
            skipped_without_input: self.rows.skipped_input,
            skipped_without_label: self.rows.skipped_label,
            empty: self.empty,
            dimensions: self.vectors.ncols(),
            texts_per_second: (computed > 0.0 && took > 0.0).then(|| computed / took),
            report,
        }
    }
}

fn dense(features: Features) -> Result<Array2<f32>> {
    match features {
        Features::Dense(matrix) => Ok(matrix),
        Features::Sparse(_) => Err(Error::failed("an embedding is dense")),
    }
}

/// The first problem with a parameter, as an error.
fn refused(problem: ParamProblem) -> Error {
    let error = Error::invalid(problem.message);
    match problem.hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// The `embedding` step and its parameters, with defaults.
///
/// # Errors
/// `Invalid` for the first parameter that is wrong.
pub(super) fn checked_params(given: &BTreeMap<String, serde_json::Value>) -> Result<(&'static dyn StepKind, Params)> {
    let kind = find("feature step", STEPS, "embedding")?;
    let params = Params::checked(kind.params_for(given), given)
        .map_err(|problems| refused(problems.into_iter().next().expect("a refusal has a problem")))?;
    Ok((kind, params))
}

/// The positions of rows without a text, and what is to be done about them.
fn blank_rows(rows: &Rows, empty: Empty) -> Result<Vec<usize>> {
    let texts = rows.texts();
    let blank: Vec<usize> = (0..texts.len()).filter(|row| texts[*row].trim().is_empty()).collect();
    match blank.first() {
        Some(first) if empty == Empty::Refuse => {
            Err(Error::invalid(format!("row {} has no text ({} such rows)", rows.numbers[*first], blank.len()))
                .hint("`--empty embed`, `zero` or `skip` lets such rows pass"))
        }
        _ => Ok(blank),
    }
}

/// Embeds the texts of one file; an idf is learned from all of them.
///
/// # Errors
/// `Invalid` when the file or the parameters do not fit.
pub fn embed_file(session: &Session<'_>, request: &FileRequest) -> Result<Outcome> {
    let output = request.output.as_deref();
    output.map(Format::of).transpose()?;
    let chain = Chain::configure(&[checked_params(&request.params)?]).map_err(|(_, problem)| refused(problem))?;
    chain.prepare(&session.embedding)?;
    let started_ms = session.project.now_ms();
    let rows = read_texts(session, request)?;
    let blank = blank_rows(&rows, request.empty)?;
    let back = match &request.write_back {
        Some(target) => Some((target, database(session, &request.input)?)),
        None => None,
    };
    let id_column = request.id_column.as_deref().unwrap_or_default();
    if let Some((target, path)) = &back {
        if request.text_columns.iter().chain(&request.id_column).any(|name| name.eq_ignore_ascii_case(&target.column)) {
            return Err(Error::invalid(format!(
                "`{}` is what the vectors are made from: it is not written over",
                target.column
            ))
            .hint("letters.embedding_array"));
        }
        sqlite_column::check(path, target, id_column, &rows.ids)?;
    }
    session.stage("embedding")?;
    let positions: Vec<usize> = (0..rows.ids.len()).collect();
    let (chain, vectors, report) = chain.fit_transform(batch(&rows, &positions), &session.embedding)?;
    session.note_texts(report.clone());
    let mut vectors = dense(vectors)?;
    if request.empty == Empty::Zero {
        blank.iter().for_each(|row| vectors.row_mut(*row).fill(0.0));
    }
    session.check()?;
    session.stage("writing")?;
    let embedded = Embedded {
        rows: &rows,
        chain: &chain,
        vectors: &vectors,
        report,
        fingerprint: rows.fingerprint(),
        empty: blank.len(),
    };
    if let Some((target, path)) = &back {
        sqlite_column::write_vectors(path, target, id_column, &rows.ids, vectors.view())?;
    }
    if let Some(output) = output {
        embedded.write(output)?;
    }
    let output = output.map_or_else(|| PathBuf::from(&request.input), Path::to_path_buf);
    let outcome = embedded.outcome(&output);
    light(session, &recorded_file(request, &outcome, started_ms));
    Ok(outcome)
}

/// The rows of a file.
///
/// # Errors
/// `Invalid` when the file does not fit the request.
pub(super) fn read_texts(session: &Session<'_>, request: &FileRequest) -> Result<Rows> {
    session.stage(&format!("reading {}", request.input))?;
    let input = Input::Text { columns: request.text_columns.clone(), json_fields: request.json_fields.clone() };
    let columns =
        Columns { id: request.id_column.clone(), label: None, query: None, input, letor: Settings::default() };
    let (query, labels) = (request.query.as_deref(), Labels::Ignore);
    let blank = if request.empty == Empty::Skip { Blank::Skip } else { Blank::Keep };
    read_rows(
        session,
        From {
            source: Location::ReadAs(&request.input, request.reading),
            query,
            columns: &columns,
            split: None,
            labels,
            seed: 0,
            blank,
            by: &[],
        },
    )
}

/// The database that the rows came from.
fn database(session: &Session<'_>, input: &str) -> Result<PathBuf> {
    let (format, mut files) = resolve(&session.project.expand(input)?, session.project.layout.root())?;
    match (format, files.pop()) {
        ("sqlite", Some(file)) if files.is_empty() => Ok(file),
        _ => Err(Error::invalid(format!("`{input}` is no SQLite database: nothing can be written back"))
            .hint("`--output FILE` writes a file")),
    }
}

/// The vectors of a file as a finished run.
fn recorded_file(request: &FileRequest, outcome: &Outcome, started_ms: i64) -> Light {
    let given = request.params.iter().map(|(key, value)| (key.clone(), value.to_string()));
    Light {
        experiment: COMMANDS.to_owned(),
        command: "embed",
        name: format!("embed {}", request.input),
        started_ms,
        params: pairs([("input", request.input.clone())]).into_iter().chain(given).collect(),
        metrics: vec![("rows", outcome.rows as f64), ("dimensions", outcome.dimensions as f64)],
        tags: pairs([("embedder", outcome.embedder.clone()), ("data_fingerprint", outcome.data_fingerprint.clone())]),
        artifacts: request.output.iter().cloned().collect(),
    }
}

/// Embeds the rows of a config with its own `embedding` step, fitted on its training rows; recorded as a run.
///
/// # Errors
/// `Invalid` when the config has no `embedding` step or the data do not fit.
pub fn embed_config(session: &Session<'_>, experiment: &Experiment, output: Option<PathBuf>) -> Result<Outcome> {
    let config = &experiment.config;
    let Some(step) = config.features.iter().find(|step| step.kind == "embedding") else {
        return Err(Error::invalid(format!("experiment `{}` has no embedding step", config.experiment.name))
            .hint("features: [{embedding: {model: hashing}}]"));
    };
    let chain = Chain::configure(&[(find("feature step", STEPS, "embedding")?, step.params.clone())])
        .map_err(|(_, problem)| refused(problem))?;
    chain.prepare(&session.embedding)?;
    let folder = session.project.layout.experiment(&config.experiment.name);
    let output = output.unwrap_or_else(|| folder.join("embeddings.parquet"));
    let description = &config.experiment.description;
    let what = What { experiment: &config.experiment.name, description, command: "embed", name: "" };
    recorded(session.project, what, |recorder| {
        recorder.config(config)?;
        session.stage(&format!("reading {}", config.data.place()))?;
        let rows =
            read_training_rows(session, config, Labels::Learn { positive: config.data.positive.as_deref() }, &[])?;
        session.stage("embedding")?;
        let (chain, vectors, report) = fit_and_transform(session, &chain, &rows)?;
        session.check()?;
        let embedded = Embedded {
            rows: &rows,
            chain: &chain,
            vectors: &vectors,
            report,
            fingerprint: rows.fingerprint(),
            empty: 0,
        };
        embedded.write(&output)?;
        let mut outcome = embedded.outcome(&output);
        outcome.run_id = Some(recorder.id.clone());
        let environment = recorder.environment(&[("data_fingerprint", outcome.data_fingerprint.clone())])?;
        log(session, recorder, config, &outcome, &environment)?;
        Ok(outcome)
    })
}

/// The vectors of all rows, in their order, from an embedder fitted on the training rows.
fn fit_and_transform(
    session: &Session<'_>,
    chain: &Chain,
    rows: &Rows,
) -> Result<(FittedChain, Array2<f32>, TextReport)> {
    let [train, others @ ..] = Part::ALL.map(|part| rows.of_part(part));
    let (fitted, features, mut report) = chain.fit_transform(batch(rows, &train), &session.embedding)?;
    session.note_texts(report.clone());
    let mut vectors = Array2::zeros((rows.ids.len(), fitted.n_features()));
    let mut place = |positions: &[usize], features: Features| -> Result<()> {
        for (vector, position) in dense(features)?.outer_iter().zip(positions) {
            vectors.row_mut(*position).assign(&vector);
        }
        Ok(())
    };
    place(&train, features)?;
    for positions in others.iter().filter(|positions| !positions.is_empty()) {
        let (features, of_part) = fitted.transform(batch(rows, positions), &session.embedding)?;
        session.note_texts(of_part.clone());
        report.merge(of_part);
        place(positions, features)?;
    }
    Ok((fitted, vectors, report))
}

fn log(
    session: &Session<'_>,
    recorder: &crate::runs::record::Recorder<'_>,
    config: &ExperimentConfig,
    outcome: &Outcome,
    environment: &BTreeMap<String, String>,
) -> Result<()> {
    let mut artifacts = recorder.artifacts()?;
    if !is_written_to(&outcome.output) {
        artifacts.push(recorder.artifact(&outcome.output)?);
    }
    let mut tags = vec![
        ("embedder".to_owned(), outcome.embedder.clone()),
        ("data_fingerprint".to_owned(), outcome.data_fingerprint.clone()),
        ("split_seed".to_owned(), stream(config.seed, "split").to_string()),
    ];
    tags.extend(code_tags(environment));
    let batch = Batch {
        params: &config.flat_params(),
        metrics: &[
            recorder.metric("rows", outcome.rows as f64),
            recorder.metric("dimensions", outcome.dimensions as f64),
            recorder.metric("empty", outcome.empty as f64),
        ],
        tags: &tags,
        artifacts: &artifacts,
        inputs: &[],
    };
    session.project.tracker()?.log_batch(&recorder.id, &batch)
}
