//! `--dry-run`: what a retrain would do now, step by step. Nothing is written, no row is read.

use serde::Serialize;

use super::super::session::Session;
use super::extract::{origin, snapshot_path};
use super::finish::would_go;
use super::request::Request;
use super::state::{STEPS, State};
use super::trigger::{Answer, ask};
use crate::config::Experiment;
use crate::error::Result;
use crate::names::ModelName;

/// What would be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The steps in order.
    pub steps: Vec<PlannedStep>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedStep {
    /// Its name.
    pub step: String,
    /// It is done already.
    pub done: bool,
    /// What it does, in words.
    pub what: String,
}

/// Lays out the steps.
///
/// # Errors
/// `Failed` when the database cannot be read.
pub(super) fn plan(
    session: &Session<'_>,
    request: &Request,
    experiments: &[Experiment],
    (model, period): (&ModelName, &str),
    known: Option<&State>,
) -> Result<Plan> {
    let (project, config) = (session.project, &request.retrain.config);
    let trigger = match ask(project, config, model, request.force)? {
        Answer::Begin(found) => found.reasons.join("; "),
        Answer::IfNewRows(least, _) => format!("begins when at least {least} rows are new"),
        Answer::Nothing(reasons) => format!("nothing to do: {}", reasons.join("; ")),
    };
    let (source, query) = origin(config, experiments)?;
    let order = match (&config.data.latest_by, config.data.limit) {
        (Some(column), Some(limit)) => format!("the latest {limit} rows by `{column}` of "),
        (Some(column), None) => format!("all rows, by `{column}`, of "),
        (None, Some(limit)) => format!("the first {limit} rows of the query on "),
        (None, None) => "all rows of ".to_owned(),
    };
    let asked = if query.is_some() { " (by its query)" } else { "" };
    let rules = &config.validate;
    let trained: Vec<String> =
        experiments.iter().map(|one| format!("{} ({})", one.config.experiment.name, one.config.model.kind)).collect();
    let production = project.production_version(model)?;
    let against = production.map_or_else(
        || "nothing is in production: absolute rules only".to_owned(),
        |version| format!("against {model} {version} on the same new rows"),
    );
    let gate = config
        .policy
        .as_ref()
        .map_or_else(|| "the candidate's own gate".to_owned(), |file| format!("the gate of {file}"));
    let probe = if config.verify.is_empty() { String::new() } else { format!(", then `{}`", config.verify.join(" ")) };
    let going = match config.prune {
        None => "nothing".to_owned(),
        Some(section) => {
            let versions = would_go(project, section, model)?;
            let names: Vec<String> = versions.iter().map(ToString::to_string).collect();
            let named = if names.is_empty() { "none now".to_owned() } else { names.join(", ") };
            format!(
                "versions older than {} days beyond the last {}: {named}",
                section.older_than_ms / crate::text::DAY_MS,
                section.keep_last
            )
        }
    };
    let what = [
        trigger,
        format!("{order}{source}{asked} -> {}", snapshot_path(config, period)),
        format!("at least {} rows, {} of each class", rules.min_rows, rules.min_per_class),
        trained.join(", "),
        format!("{gate}, {against}"),
        format!("golden rows through production/{model}/active{probe}; else roll back"),
        going,
    ];
    let steps = match known {
        Some(state) => state.steps(experiments.len()),
        None => STEPS.map(|step| (step, false)),
    };
    let steps =
        steps.into_iter().zip(what).map(|((step, done), what)| PlannedStep { step: step.to_owned(), done, what });
    Ok(Plan { steps: steps.collect() })
}
