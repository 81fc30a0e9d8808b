//! `predict`: class and calibrated probability for each row, in the order of the input; with a ranking model the documents
//! of each query by rank (`predict_ranking`).

use serde::Serialize;

use super::light::{Light, light};
use super::predict_ranking::{self, ranked};
use super::prediction_facts::{Facts, Logged, check_place, log, predict_with_facts};
use super::reading::{From, batch, read_rows};
use super::session::Session;
use crate::bundle::{Bundle, Output, Prediction};
use crate::data::reading::Reading;
use crate::data::rows::{Blank, Inputs, Labels, Rows};
use crate::data::sources::{Location, Memory, column_names};
use crate::data::{Columns, Task};
use crate::error::{Error, Result};
use crate::names::{ModelName, Version};
use crate::project::{Located, Prefer};
use crate::runs::opened::Opened;
use crate::runs::tags::{pairs, version_tags};
use crate::tasks::kind_of;

/// What to predict with, on what.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The model.
    pub model: String,
    /// Where the rows are.
    pub input: String,
    /// The rows themselves, where they are in memory; `input` is then how the record calls them.
    pub rows: Option<Memory>,
    /// The query, for a database.
    pub query: Option<String>,
    /// How a text file of rows is read.
    pub reading: Reading,
    /// Whether a run is recorded.
    pub record: bool,
    /// Whether the predictions are appended to the version's log.
    pub log: bool,
    /// The task that the answer's form is made for, where it is made for one.
    pub task: Option<Task>,
}

/// What a model answers, by its task.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// The class of each row.
    Classes(Outcome),
    /// The documents of each query, by rank.
    Ranking(predict_ranking::Outcome),
}

/// One row of the answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The row's id, or its number.
    pub id: String,
    /// The predicted class; none when the row has no input.
    pub prediction: Option<String>,
    /// The calibrated probability of each class, in the order of `labels`; empty when the row has no input.
    pub probabilities: Vec<f64>,
    /// The model's own scores, from which the class was decided, where they differ from the probabilities: class weights
    /// shifted them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scores: Vec<f64>,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The model.
    pub model: ModelName,
    /// The version.
    pub version: Version,
    /// The class names; with two, the second is the positive one.
    pub labels: Vec<String>,
    /// True when the class weights of training were undone.
    pub calibrated: bool,
    /// The rows, in the order of the input.
    pub rows: Vec<Row>,
    /// Rows without an input.
    pub without_input: usize,
    /// What is missing in such a row.
    #[serde(skip)]
    pub input_missing: &'static str,
    /// What was logged, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logged: Option<Logged>,
}

/// Predicts rows.
///
/// # Errors
/// `NotFound` without such a model, `Invalid` when the rows do not fit it or there is nowhere to log.
pub fn predict(session: &Session<'_>, request: &Request) -> Result<Answer> {
    let started = session.project.now_ms();
    if request.log {
        check_place(session.project)?;
    }
    let located = session.locate(&request.model, Prefer::Production)?;
    session.stage(&format!("loading {} {}", located.model, located.version))?;
    let opened = Opened::open(located)?;
    let Opened { located, bundle, .. } = &opened;
    check_task(request, bundle, located)?;
    if request.record {
        // What the record needs is read before anything is logged: rows in the log are rows that are answered.
        opened.config()?;
    }
    session.stage("reading rows")?;
    let (columns, mut rows) = read(session, request, bundle)?;
    rows.warnings.iter().for_each(|warning| session.note(warning.clone()));
    let fingerprint = if request.record { rows.fingerprint() } else { String::new() };
    session.stage("predicting")?;
    let positions: Vec<usize> = (0..rows.ids.len()).collect();
    let input = batch(&rows, &positions);
    let asked = (started, fingerprint);
    if let Output::Ranks { .. } = bundle.schema.output {
        let outcome = ranked(session, bundle, located, &mut rows, input)?;
        let metrics = vec![("rows", outcome.rows.len() as f64), ("queries", outcome.queries as f64)];
        record(session, request, &opened, metrics, asked)?;
        return Ok(Answer::Ranking(outcome));
    }
    let mut facts = request.log.then(|| Facts::of_rows(&columns, &input.signal, &located.folder));
    // The inputs have been copied out: one copy is enough.
    rows.inputs = Inputs::Texts(Vec::new());
    let prediction = match &mut facts {
        _ if positions.is_empty() => None,
        None => Some(opened.predict(input, &session.embedding)?),
        Some(facts) => Some(predict_with_facts(bundle, input, facts, &located.folder, &session.embedding)?),
    };
    let prediction = prediction.map(|(prediction, report)| {
        session.note_texts(report);
        prediction
    });
    session.check()?;
    let logged = facts.zip(prediction.as_ref());
    let logged = logged.map(|(facts, said)| log(session, located, bundle, (&rows.ids, said), &facts));
    let answers = prediction.map_or_else(Vec::new, |said| answer(bundle, &said));
    let outcome = Outcome {
        model: located.model.clone(),
        version: located.version,
        labels: bundle.schema.labels().to_vec(),
        calibrated: bundle.schema.class_weights().is_some(),
        rows: in_order(&rows, answers),
        without_input: rows.skipped_input,
        input_missing: columns.input.missing(),
        logged,
    };
    let mut metrics = vec![("rows", outcome.rows.len() as f64), ("rows_without_input", outcome.without_input as f64)];
    metrics.extend(outcome.logged.iter().map(|logged| ("rows_logged", logged.rows as f64)));
    record(session, request, &opened, metrics, asked)?;
    Ok(Answer::Classes(outcome))
}

/// Refuses what a model of its task has no answer to.
fn check_task(request: &Request, bundle: &Bundle, located: &Located) -> Result<()> {
    let task = bundle.schema.task();
    if request.log && !kind_of(task).is_monitored() {
        return Err(predict_ranking::not_logged(located));
    }
    match request.task {
        Some(wanted) if wanted != task => {
            let (model, version) = (&located.model, located.version);
            Err(Error::invalid(format!("a TREC run is a ranking, and {model} {version} is a model of {}", task.name()))
                .hint("csv, ndjson and parquet hold its answers"))
        }
        _ => Ok(()),
    }
}

/// The rows to be predicted: they need no label and no id of their own.
fn read(session: &Session<'_>, request: &Request, bundle: &Bundle) -> Result<(Columns, Rows)> {
    let written = session.project.expand(&request.input)?;
    let source = match &request.rows {
        Some(rows) => Location::MemoryAs(rows, request.reading),
        None => Location::ReadAs(&written, request.reading),
    };
    let known = column_names(source, request.query.as_deref(), session.project.layout.root())?;
    let columns = &bundle.schema.columns;
    let id = kind_of(bundle.schema.task()).id_column(&source.to_string(), columns, &known)?;
    let columns = Columns { id, ..columns.clone() };
    let (query, labels) = (request.query.as_deref(), Labels::Ignore);
    let from = From { source, query, columns: &columns, split: None, labels, seed: 0, blank: Blank::Skip, by: &[] };
    let rows = read_rows(session, from)?;
    Ok((columns, rows))
}

/// The class, the probabilities and (where class weights were undone) the scores of each row.
fn answer(bundle: &Bundle, prediction: &Prediction) -> Vec<(String, Vec<f64>, Vec<f64>)> {
    let calibrated = bundle.schema.class_weights().is_some();
    let row = |(row, class): (usize, &usize)| {
        let scores = if calibrated { prediction.scores.row(row).to_vec() } else { Vec::new() };
        (bundle.schema.labels()[*class].clone(), prediction.probabilities.row(row).to_vec(), scores)
    };
    prediction.classes.iter().enumerate().map(row).collect()
}

fn in_order(rows: &Rows, answers: Vec<(String, Vec<f64>, Vec<f64>)>) -> Vec<Row> {
    let kept = rows.numbers.iter().zip(&rows.ids).zip(answers).map(|((number, id), (class, probabilities, scores))| {
        (*number, Row { id: id.clone(), prediction: Some(class), probabilities, scores })
    });
    let skipped = rows.skipped.iter().map(|(number, id)| {
        let id = id.clone().unwrap_or_else(|| number.to_string());
        (*number, Row { id, prediction: None, probabilities: Vec::new(), scores: Vec::new() })
    });
    let mut all: Vec<(usize, Row)> = kept.chain(skipped).collect();
    all.sort_by_key(|(number, _)| *number);
    all.into_iter().map(|(_, row)| row).collect()
}

/// Records the prediction as a finished run of the model's experiment, where that is wanted; `asked` is when, and of what.
fn record(
    session: &Session<'_>,
    request: &Request,
    opened: &Opened,
    metrics: Vec<(&'static str, f64)>,
    asked: (i64, String),
) -> Result<()> {
    if !request.record {
        return Ok(());
    }
    let (located, config) = (&opened.located, opened.config()?);
    let run = Light {
        experiment: config.experiment.name.to_string(),
        command: "predict",
        name: format!("predict {} {}", located.model, located.version),
        started_ms: asked.0,
        params: pairs([("input", request.input.clone())]),
        metrics,
        tags: [version_tags(located, config), pairs([("data_fingerprint", asked.1)])].concat(),
        artifacts: Vec::new(),
    };
    light(session, &run);
    Ok(())
}
