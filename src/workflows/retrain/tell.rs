//! What the world learns of a retrain: numbers for Prometheus, a notice for people. Neither can fail the retrain.

use super::super::notices::notify;
use super::super::session::Session;
use super::outcome::Outcome;
use super::request::Request;
use super::state::{Conclusion, End, State};
use crate::config::NotifyEvent;
use crate::error::{Error, ErrorKind};
use crate::notify::{Delivery, Notice};
use crate::report::prometheus::{RetrainFacts, last_success_ms, retrain_metrics, write_textfile};
use crate::text::thousands;

/// The folder of the numbers: the flag's, else the config's.
fn folder(session: &Session<'_>, request: &Request) -> Option<std::path::PathBuf> {
    let config = request.retrain.config.textfile_dir.as_ref();
    request.textfile_dir.clone().or_else(|| config.map(|folder| session.project.layout.root().join(folder)))
}

/// Writes the numbers; what goes wrong is a note.
pub(super) fn metrics(session: &Session<'_>, request: &Request, outcome: &Outcome, exit_code: u8) {
    let project = session.project;
    let Some(folder) = folder(session, request) else { return };
    let (stem, model) = (format!("mlops_retrain_{}", outcome.model), outcome.model.to_string());
    let completed_ms = project.now_ms();
    let state = outcome.state.as_ref();
    let well = (exit_code == 0).then_some(completed_ms);
    let facts = RetrainFacts {
        last_success_ms: well.or_else(|| last_success_ms(&folder, &stem, &model)),
        model,
        completed_ms,
        steps: state.map(steps).unwrap_or_default(),
        rows: state.and_then(|state| state.extracted.as_ref()).map(|found| found.facts.written),
        promoted: outcome.outcome == Conclusion::Ended(End::Promoted),
        rolled_back: outcome.outcome == Conclusion::Ended(End::RolledBack),
        exit_code,
    };
    if let Err(error) = write_textfile(&folder, &stem, &retrain_metrics(&facts)) {
        session.note(format!("no metrics were written: {}", error.message));
    }
}

/// The seconds of each step that was done, in order.
fn steps(state: &State) -> Vec<(String, f64)> {
    let order = state.steps(0).map(|(step, _)| step);
    let known = order.into_iter().filter_map(|step| Some((step.to_owned(), *state.seconds.get(step)?)));
    known.collect()
}

/// Tells people how a period's retrain ended.
pub(super) fn end(session: &Session<'_>, request: &Request, outcome: &Outcome) -> Vec<Delivery> {
    let config = &request.retrain.config;
    let Some(state) = outcome.state.as_ref().filter(|_| !config.notify.is_empty()) else { return Vec::new() };
    let Some(decided) = &state.decided else { return Vec::new() };
    let version = format!("{} {}", outcome.model, decided.version);
    let before = decided.production.map_or_else(|| "nothing".to_owned(), |version| version.to_string());
    let (event, summary) = match outcome.outcome {
        Conclusion::Ended(End::Promoted) => {
            (NotifyEvent::Success, format!("{version} is in production (before: {before})."))
        }
        Conclusion::Ended(End::Staged) => {
            (NotifyEvent::Success, format!("{version} waits in Staging. In production: {before}."))
        }
        Conclusion::Ended(End::RolledBack) => {
            let why = state.verified.as_ref().and_then(|verified| verified.rolled_back.clone()).unwrap_or_default();
            (NotifyEvent::Failure, format!("{why}. {before} is in production again."))
        }
        _ => {
            (NotifyEvent::Refusal, format!("{version} was not promoted: {}. In production: {before}.", decided.reason))
        }
    };
    let mut facts = vec![("period".to_owned(), state.period.clone())];
    let mut fact = |name: &str, value: Option<String>| facts.extend(value.map(|value| (name.to_owned(), value)));
    fact("why now", state.triggered.as_ref().map(|found| found.reasons.join("; ")));
    fact("rows", state.extracted.as_ref().map(|found| thousands(found.facts.written)));
    let trained = state.trained.iter().find(|one| one.version == Some(decided.version));
    fact("metric", trained.and_then(|one| Some(format!("{} {:.4} on test", one.metric, one.test?))));
    fact("production, same rows", decided.production_value.map(|value| format!("{value:.4}")));
    fact("compared on", decided.compared_rows.map(|rows| format!("{} rows new to both", thousands(rows as u64))));
    let failed: Vec<&str> =
        state.trained.iter().filter(|one| one.error.is_some()).map(|one| one.experiment.as_str()).collect();
    fact("candidates that failed", (!failed.is_empty()).then(|| failed.join(", ")));
    let notice = Notice {
        event,
        title: format!("{} {}: {}", outcome.name, state.period, outcome.outcome.word()),
        summary,
        facts,
        model: outcome.model.to_string(),
        at_ms: session.project.now_ms(),
    };
    notify(session, &config.notify, &notice)
}

/// Tells people that a retrain came to no end.
pub(super) fn failure(session: &Session<'_>, request: &Request, outcome: &Outcome, error: &Error) {
    let event = if error.kind == ErrorKind::Refused { NotifyEvent::Refusal } else { NotifyEvent::Failure };
    let hint = error.hint.as_ref().map_or(String::new(), |hint| format!(" ({hint})"));
    let promoted = outcome.state.as_ref().and_then(|state| state.decided.as_ref());
    let stands = match promoted.filter(|decided| decided.decision == End::Promoted) {
        Some(decided) => {
            format!("{} {} is in production; the retrain did not come to its end.", outcome.model, decided.version)
        }
        None => "Production is as it was.".to_owned(),
    };
    let notice = Notice {
        event,
        title: format!("{} {}: {}", outcome.name, outcome.period, error.kind.code()),
        summary: format!("{}{hint}. {stands}", error.with_causes()),
        facts: vec![("period".to_owned(), outcome.period.clone())],
        model: outcome.model.to_string(),
        at_ms: session.project.now_ms(),
    };
    notify(session, &request.retrain.config.notify, &notice);
}

/// Tells people that a retrain could not begin: its config, or one that it names, is wrong.
pub(super) fn no_beginning(session: &Session<'_>, request: &Request, error: &Error) {
    let config = &request.retrain.config;
    let problems: Vec<String> =
        error.problems.iter().map(|one| format!("{}:{} {}", one.file, one.line, one.message)).collect();
    let told = if problems.is_empty() { String::new() } else { format!(": {}", problems.join("; ")) };
    let notice = Notice {
        event: NotifyEvent::Failure,
        title: format!("{}: {}", config.name, error.kind.code()),
        summary: format!("{}{told}. Nothing was begun; production is as it was.", error.message),
        facts: vec![("config".to_owned(), request.retrain.file.clone())],
        model: "unknown".to_owned(),
        at_ms: session.project.now_ms(),
    };
    notify(session, &config.notify, &notice);
}
