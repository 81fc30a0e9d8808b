//! `evaluate`: a model version on rows, with intervals; recorded as a run.

use std::path::PathBuf;

use serde::Serialize;

use super::gate::{Check, require};
use super::promote::stored_config;
use super::reading::{From, number_texts, read_rows, read_training_rows, signal};
use super::record::{PredictionColumns, What, code_tags, recorded};
use super::session::Session;
use super::train::judge;
use crate::bundle::Bundle;
use crate::config::{Experiment, resolve};
use crate::data::rows::{Blank, Inputs, Labels, Rows};
use crate::data::{Columns, Part};
use crate::error::{Error, Result};
use crate::metrics::Evaluation;
use crate::names::{ModelName, RunId, Version};
use crate::project::{Located, Prefer};
use crate::tracking::{Batch, Input};

/// What to evaluate, on what.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The model.
    pub model: String,
    /// Other data than those of its config.
    pub data: Option<String>,
    /// The query, for a database in `data`.
    pub query: Option<String>,
    /// The part of the config's split; all rows of `data` when absent.
    pub part: Option<Part>,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// The run that recorded it.
    pub run_id: RunId,
    /// The run's folder.
    pub run_folder: PathBuf,
    /// The model.
    pub model: ModelName,
    /// The version.
    pub version: Version,
    /// Where the rows came from.
    pub source: String,
    /// The part, when it is one of the config's split.
    pub part: Option<Part>,
    /// Rows skipped for want of a label.
    pub skipped_without_label: usize,
    /// Rows skipped for want of an input.
    pub skipped_without_input: usize,
    /// The metrics.
    pub metrics: Evaluation,
    /// The metrics to show, the primary one first.
    pub shown: Vec<String>,
    /// The config's gate on these rows.
    pub gate: Vec<Check>,
}

/// Evaluates a model version.
///
/// # Errors
/// `NotFound` without such a model, `Invalid` when the rows do not fit it.
pub fn evaluate(session: &Session<'_>, request: &Request) -> Result<Outcome> {
    let located = session.project.locate(&request.model, Prefer::ProductionElseLatest)?;
    let experiment = resolve(stored_config(&located)?)?;
    let name = format!("evaluate {} {}", located.model, located.version);
    let what = What {
        experiment: &experiment.config.experiment.name,
        description: &experiment.config.experiment.description,
        command: "evaluate",
        name: &name,
    };
    recorded(session, what, |recorder| {
        let bundle = Bundle::load(&located.folder)?;
        let (mut rows, positions) = rows_of(session, request, &experiment, &bundle)?;
        let fingerprint = rows.fingerprint();
        check_split(request, &experiment, &located, &fingerprint)?;
        let part = request.part.or(request.data.is_none().then_some(Part::Test));
        session.stage("evaluating")?;
        let input = signal(&rows, &positions);
        number_texts(session, &rows, &positions);
        // The inputs have been copied out: one copy is enough.
        rows.inputs = Inputs::Texts(Vec::new());
        let prediction = bundle.predict(input, &session.setting)?;
        let truth: Vec<usize> = positions.iter().map(|position| rows.classes[*position]).collect();
        let evaluation = judge(&experiment, &bundle.schema, Part::Test, &truth, &prediction)?;
        session.check()?;
        let part_name = part.map_or("all", Part::name);
        let label = |class: &usize| rows.labels[*class].clone();
        recorder.predictions(&PredictionColumns {
            ids: &positions.iter().map(|position| rows.ids[*position].clone()).collect::<Vec<_>>(),
            parts: &vec![part_name.to_owned(); positions.len()],
            labels: &truth.iter().map(label).collect::<Vec<_>>(),
            predicted: &prediction.classes.iter().map(label).collect::<Vec<_>>(),
            classes: &rows.labels,
            scores: &prediction.scores.rows().into_iter().map(|row| row.to_vec()).collect::<Vec<_>>(),
            probabilities: &prediction.probabilities.rows().into_iter().map(|row| row.to_vec()).collect::<Vec<_>>(),
        })?;
        let source = request.data.clone().unwrap_or_else(|| experiment.config.data.source.clone());
        let outcome = Outcome {
            run_id: recorder.id.clone(),
            run_folder: recorder.folder.clone(),
            model: located.model.clone(),
            version: located.version,
            source,
            part,
            skipped_without_label: rows.skipped_label,
            skipped_without_input: rows.skipped_input,
            shown: super::train::shown(&experiment),
            gate: gate(&experiment, &evaluation),
            metrics: evaluation,
        };
        recorder.config(&experiment.config)?;
        recorder.json("metrics.json", &outcome)?;
        let environment = recorder.environment(&[("data_fingerprint", fingerprint.clone())])?;
        let tested = rows.ids_digest(&positions);
        log(
            session,
            recorder,
            &experiment,
            &located,
            &outcome,
            &[("data_fingerprint", fingerprint.clone()), ("test_ids", tested)],
            &environment,
        )?;
        Ok(outcome)
    })
}

/// A made split is drawn over the rows that are there: other rows than those of training would mix training rows into
/// the test.
fn check_split(request: &Request, experiment: &Experiment, located: &Located, fingerprint: &str) -> Result<()> {
    let config = &experiment.config;
    let made = request.data.is_none() && matches!(config.split(), crate::data::Split::Made { .. });
    if !made || fingerprint == located.data_fingerprint {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "`{}` is not what {} {} was trained on: its split cannot be made again",
        config.data.source, located.model, located.version
    ))
    .hint("`--data` evaluates all rows of a file; a split column keeps the test rows apart"))
}

/// The rows to evaluate on, and the positions among them.
fn rows_of(
    session: &Session<'_>,
    request: &Request,
    experiment: &Experiment,
    bundle: &Bundle,
) -> Result<(Rows, Vec<usize>)> {
    let config = &experiment.config;
    let labels = Labels::Known(&bundle.schema.labels);
    let Some(data) = &request.data else {
        session.stage(&format!("reading {}", config.data.source))?;
        let rows = read_training_rows(session, config, labels)?;
        let part = request.part.unwrap_or(Part::Test);
        let positions = rows.of_part(part);
        if positions.is_empty() {
            return Err(Error::invalid(format!("the {} split is empty", part.name())));
        }
        return Ok((rows, positions));
    };
    session.stage(&format!("reading {data}"))?;
    let split = config.split();
    let split = match (request.part, &split) {
        (None, _) => None,
        (Some(_), crate::data::Split::Column(_)) => Some(&split),
        (Some(part), crate::data::Split::Made { .. }) => {
            return Err(Error::invalid(format!("`--split {}` needs a split column in `{data}`", part.name()))
                .hint("the config makes its split from its own data; leave `--split` out to use all rows"));
        }
    };
    let columns =
        Columns { id: known_id(session, data, request, &bundle.schema.columns)?, ..bundle.schema.columns.clone() };
    let from = From {
        source: data,
        query: request.query.as_deref(),
        columns: &columns,
        split,
        labels,
        seed: 0,
        blank: Blank::Skip,
    };
    let rows = read_rows(session, from)?;
    let positions = match request.part {
        None => (0..rows.ids.len()).collect(),
        Some(part) => rows.of_part(part),
    };
    if positions.is_empty() {
        return Err(Error::invalid(format!("no row of `{data}` is in that split")));
    }
    Ok((rows, positions))
}

/// The id column, when the data have it: other data need not.
pub(super) fn known_id(
    session: &Session<'_>,
    data: &str,
    request: &Request,
    columns: &Columns,
) -> Result<Option<String>> {
    let root = session.project.layout.root();
    let known = crate::data::sources::column_names(&session.project.expand(data)?, request.query.as_deref(), root)?;
    Ok(columns.id.clone().filter(|id| known.contains(id)))
}

fn gate(experiment: &Experiment, evaluation: &Evaluation) -> Vec<Check> {
    let rules = experiment.config.promotion.require.iter();
    rules.map(|rule| require(rule, evaluation.metrics.get(&rule.metric))).collect()
}

fn log(
    session: &Session<'_>,
    recorder: &super::record::Recorder<'_>,
    experiment: &Experiment,
    located: &Located,
    outcome: &Outcome,
    data: &[(&str, String); 2],
    environment: &std::collections::BTreeMap<String, String>,
) -> Result<()> {
    let mut tags = vec![
        ("model".to_owned(), located.model.to_string()),
        ("version".to_owned(), located.version.0.to_string()),
        ("trained_by".to_owned(), located.run_id.to_string()),
    ];
    tags.extend(data.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    tags.extend(code_tags(environment));
    let mut params = experiment.config.flat_params();
    params.retain(|(key, _)| key != "data.source");
    params.push(("data.source".to_owned(), outcome.source.clone()));
    let input = Input {
        name: outcome.source.clone(),
        digest: data[0].1.clone(),
        source: outcome.source.clone(),
        rows: outcome.metrics.rows as u64,
        context: outcome.part.map_or("all", Part::name).to_owned(),
    };
    session.project.tracker()?.log_batch(
        &recorder.id,
        &Batch {
            params: &params,
            metrics: &recorder.metrics_of(Part::Test, &outcome.metrics),
            tags: &tags,
            artifacts: &recorder.artifacts()?,
            inputs: &[input],
        },
    )
}
