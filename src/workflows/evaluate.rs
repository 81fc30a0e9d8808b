//! `evaluate`: a model version on rows, with intervals; recorded as a run. Rankings are judged in `evaluate_ranking`.

use std::path::PathBuf;

use serde::Serialize;

pub use super::evaluate_request::Request;
use super::gate::{Check, minimum, require};
use super::known_overlap::leave_known_rows_out;
use super::reading::{From, batch, read_rows, read_rows_as};
use super::session::Session;
use crate::bundle::Bundle;
use crate::config::{Experiment, Threshold, resolve};
use crate::data::rows::{Blank, Inputs, Rows};
use crate::data::sources::{Location, column_names};
use crate::data::{Columns, Part};
use crate::error::{Cause, Error, Result};
use crate::metrics::ranking::LetorScript;
use crate::metrics::{Evaluation, View};
use crate::names::{ModelName, RunId, Version};
use crate::project::{Located, Prefer};
use crate::runs::metrics_file::{self, OfEvaluation};
use crate::runs::opened::Opened;
use crate::runs::record::{Recorder, What, recorded};
use crate::runs::stored_config::stored_config;
use crate::runs::tags::code_tags;
use crate::tasks::{Answered, JudgedPart, Judgement, PartRows, kind_of};
use crate::tracking::{self, Input};

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
    /// What is missing in a row that was skipped for want of an input.
    #[serde(skip)]
    pub input_missing: &'static str,
    /// Rows left out because the model has learned from them.
    pub skipped_known: usize,
    /// The metrics.
    pub metrics: Evaluation,
    /// The metrics to show, the primary one first.
    pub shown: Vec<String>,
    /// The metric that the threshold was chosen for in training, on its validation rows.
    pub threshold_chosen_for: Option<String>,
    /// The config's gate on these rows; empty with another average, positive label or convention than the config's.
    pub gate: Vec<Check>,
    /// The numbers of LETOR 4.0's script, where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub letor_script: Option<LetorScript>,
}

/// Evaluates a model version.
///
/// # Errors
/// `NotFound` without such a model, `Invalid` when the rows do not fit it.
pub fn evaluate(session: &Session<'_>, request: &Request) -> Result<Outcome> {
    let located = session.locate(&request.model, Prefer::ProductionElseLatest)?;
    let experiment = resolve(stored_config(&located)?)?;
    let name = format!("evaluate {} {}", located.model, located.version);
    let what = What {
        experiment: &experiment.config.experiment.name,
        description: &experiment.config.experiment.description,
        command: "evaluate",
        name: &name,
    };
    recorded(session.project, what, |recorder| {
        let opened = Opened::open(located)?;
        let Opened { located, bundle, .. } = &opened;
        let kind = kind_of(bundle.schema.task());
        let (view, remark) = kind.view(&request.options(), &bundle.schema)?;
        remark.into_iter().for_each(|remark| session.note(remark));
        let (mut rows, mut positions) = rows_of(session, request, &experiment, bundle)?;
        rows.warnings.iter().for_each(|warning| session.note(warning.clone()));
        let fingerprint = rows.fingerprint();
        check_split(request, &experiment, located, &fingerprint)?;
        let part = request.part.or(request.data.is_none().then_some(Part::Test));
        let part_name = part.map_or("all", Part::name);
        session.stage("evaluating")?;
        let digests = rows.digests();
        let learned_part = matches!(request.part, Some(Part::Train | Part::Validation));
        let skipped_known = if request.data.is_none() || request.include_known || learned_part {
            0
        } else {
            leave_known_rows_out(session, located, (&rows, &digests), &mut positions)?
        };
        let input = batch(&rows, &positions);
        // The inputs have been copied out: one copy is enough.
        rows.inputs = Inputs::Texts(Vec::new());
        // Whatever part they are of: what is evaluated is judged as test rows are.
        let answered_part = PartRows::of(&rows, Part::Test, positions);
        let positions = &answered_part.positions;
        let parts = vec![part_name.to_owned(); positions.len()];
        let digests: Vec<u64> = positions.iter().map(|position| digests[*position]).collect();
        recorder.rows(&answered_part.queries(&rows), &answered_part.ids(&rows), &parts, &digests)?;
        let (prediction, report) = opened.predict(input, &session.embedding)?;
        session.note_texts(report);
        let answered = Answered { rows: &rows, part: &answered_part, prediction: &prediction };
        let remark = kind.remark(&experiment, &bundle.schema, &[&answered_part.truth]);
        remark.into_iter().for_each(|remark| session.note(remark));
        let judgement = kind.judge(&request.judging(&experiment, &bundle.schema, view), &answered)?;
        session.check()?;
        kind.record(recorder, &[JudgedPart { name: part_name, answered, judgement: &judgement }])?;
        let Judgement { evaluation, letor_script, .. } = judgement;
        let source = request.data.clone().unwrap_or_else(|| source_of(&experiment, part));
        let viewed = view != View::default() || request.empty.is_some();
        let outcome = Outcome {
            run_id: recorder.id.clone(),
            run_folder: recorder.folder.clone(),
            model: located.model.clone(),
            version: located.version,
            source,
            part,
            skipped_without_label: rows.skipped_label,
            skipped_without_input: rows.skipped_input,
            input_missing: bundle.schema.columns.input.missing(),
            skipped_known,
            shown: super::train::shown(&experiment),
            threshold_chosen_for: chosen_for(&experiment),
            gate: if viewed { Vec::new() } else { gate(&experiment, &evaluation) },
            metrics: evaluation,
            letor_script,
        };
        recorder.config(&experiment.config)?;
        recorder.json(metrics_file::FILE, &OfEvaluation::new(&outcome))?;
        let environment = recorder.environment(&[("data_fingerprint", fingerprint.clone())])?;
        let tested = rows.ids_digest(positions);
        let mut data = vec![("data_fingerprint", fingerprint.clone()), ("test_ids", tested)];
        data.extend(request.tags.iter().map(|(key, value)| (key.as_str(), value.clone())));
        // Only a view of its own is noted: runs without these tags were judged as the model is.
        if view != View::default() {
            let classes = outcome.metrics.classes();
            data.extend(classes.map(|classes| ("average", classes.average.clone())));
            data.extend(classes.and_then(|classes| Some(("positive", classes.positive.clone()?))));
        }
        log(session, recorder, &experiment, located, &outcome, &data, &environment)?;
        Ok(outcome)
    })
}

/// Where the rows of a part of the config's data come from.
fn source_of(experiment: &Experiment, part: Option<Part>) -> String {
    let data = &experiment.config.data;
    let of_part = data.files.as_ref().and_then(|files| files.parts().find(|(known, _)| Some(*known) == part));
    of_part.map_or_else(|| data.place(), |(_, file)| file.to_owned())
}

/// The metric that a stored config chose its threshold for.
fn chosen_for(experiment: &Experiment) -> Option<String> {
    match &experiment.config.evaluation.threshold {
        Threshold::Fixed(_) | Threshold::None => None,
        Threshold::Chosen(by) => Some(by.choose.clone()),
    }
}

/// The columns that make groups: those that were asked for, and those of the config that the data have.
fn groups_of(session: &Session<'_>, request: &Request, experiment: &Experiment) -> Result<Vec<String>> {
    let mut columns: Vec<String> = Vec::new();
    for column in &request.by {
        if !columns.contains(column) {
            columns.push(column.clone());
        }
    }
    let of_config = experiment.config.evaluation.subgroups.iter().filter(|column| !request.by.contains(column));
    let of_config: Vec<String> = of_config.cloned().collect();
    match &request.data {
        Some(data) if !of_config.is_empty() => {
            let known = known_columns(session, data, request)?;
            columns.extend(of_config.into_iter().filter(|column| known.contains(column)));
        }
        _ => columns.extend(of_config),
    }
    Ok(columns)
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
    let kind = kind_of(bundle.schema.task());
    let labels = kind.labels_to_judge(&bundle.schema);
    let by = groups_of(session, request, experiment)?;
    let Some(data) = &request.data else {
        session.stage(&format!("reading {}", config.data.place()))?;
        let rows = read_rows_as(session, config, &bundle.schema.columns, labels, &by)?;
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
        (Some(part), crate::data::Split::Made { .. } | crate::data::Split::Files) => {
            return Err(Error::invalid(format!("`--split {}` needs a split column in `{data}`", part.name()))
                .hint("the config makes its split from its own data; leave `--split` out to use all rows"));
        }
    };
    let columns = &bundle.schema.columns;
    let id = kind.id_column(data, columns, &known_columns(session, data, request)?)?;
    let columns = Columns { id, ..columns.clone() };
    let from = From {
        source: Location::ReadAs(data, request.reading),
        query: request.query.as_deref(),
        columns: &columns,
        split,
        labels,
        seed: 0,
        blank: Blank::Skip,
        by: &by,
    };
    let rows = read_rows(session, from)?;
    let mut positions = match request.part {
        None => (0..rows.ids.len()).collect(),
        Some(part) => rows.of_part(part),
    };
    if let Some(ids) = &request.ids {
        positions.retain(|position| ids.contains(&rows.ids[*position]));
    }
    if positions.is_empty() {
        return Err(Error::invalid(format!("no row of `{data}` is in that split")).because(Cause::NoRows));
    }
    Ok((rows, positions))
}

/// The columns that the data have.
fn known_columns(session: &Session<'_>, data: &str, request: &Request) -> Result<Vec<String>> {
    let root = session.project.layout.root();
    let location = session.project.expand(data)?;
    column_names(Location::ReadAs(&location, request.reading), request.query.as_deref(), root)
}

fn gate(experiment: &Experiment, evaluation: &Evaluation) -> Vec<Check> {
    let promotion = &experiment.config.promotion;
    let required = promotion.require.iter().map(|rule| require(rule, evaluation.metrics.get(&rule.metric)));
    required.chain(minimum(&promotion.minimum, Some(evaluation))).collect()
}

fn log(
    session: &Session<'_>,
    recorder: &Recorder<'_>,
    experiment: &Experiment,
    located: &Located,
    outcome: &Outcome,
    data: &[(&str, String)],
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
        &tracking::Batch {
            params: &params,
            metrics: &recorder.metrics_of(Part::Test, &outcome.metrics),
            tags: &tags,
            artifacts: &recorder.artifacts()?,
            inputs: &[input],
        },
    )
}
