//! A model version against its reference: the rows of a file, or the last full window of its prediction log.
//!
//! What drifts becomes an event, one for each (model, column, statistic, window): a check that is repeated over the same
//! rows adds nothing. A file's window is known by the version and the hash of its content, the log's by the version and its
//! first and last record. Windows that are not full make no event. Rows without times count as of the hour of the check:
//! several files that are checked one after the other are one window.

use super::columns::{self, From};
use super::outcome::{Outcome, WindowFacts, Wishes};
use super::rows::said;
use crate::bundle::Schema;
use crate::data::sources::{column_names, resolve};
use crate::drift::statistic::FEW;
use crate::drift::{Checked, Column, Finding, Kind, Reference, Role, Seen, Settings, check};
use crate::error::{Error, Result};
use crate::fs::{sha256, sha256_file};
use crate::project::{Located, Prefer};
use crate::runs::opened::Opened;
use crate::runs::stored_config::stored_config;
use crate::runs::tags::{pairs, version_tags};
use crate::tasks::kind_of;
use crate::text::{DAY_MS, thousands};
use crate::tracking::{DriftEvent, Severity, prediction_log};
use crate::workflows::drift_events::advice;
use crate::workflows::light::{Light, light};
use crate::workflows::session::Session;

/// The current rows.
#[derive(Debug, Clone)]
pub enum Current {
    /// Of a file.
    File {
        /// A path, a glob, or `format:path`.
        source: String,
        /// The query, for databases.
        query: Option<String>,
        /// The column of event times.
        time: Option<String>,
    },
    /// The last full window of the prediction log.
    Log,
}

/// What to check.
#[derive(Debug, Clone)]
pub struct Request {
    /// The model.
    pub model: String,
    /// The current rows.
    pub current: Current,
    /// Wishes in place of the frozen settings.
    pub wishes: Wishes,
    /// Whether drift becomes events.
    pub events: bool,
}

/// The seed of everything that is drawn: a check that is repeated says the same.
pub(super) const SEED: u64 = 42;
/// Current values that are kept for statistics that read the values themselves.
const SAMPLE: usize = 20_000;
/// Predictions of the log that are looked at, at most: a window is held in memory.
const LONGEST_WINDOW: u64 = 1_000_000;

/// Checks a model version for drift.
///
/// # Errors
/// `NotFound` without such a model or without a reference, `Invalid` when the file cannot be read or is empty.
pub fn drift_check(session: &Session<'_>, request: &Request) -> Result<Outcome> {
    let started_ms = session.project.now_ms();
    let located = session.locate(&request.model, Prefer::ProductionElseLatest)?;
    let (mut outcome, left_out) = match &request.current {
        Current::File { source, query, time } => {
            session.stage(&format!("loading {} {}", located.model, located.version))?;
            let opened = Opened::open(located.clone())?;
            let (reference, settings) = frozen(&located, &opened.bundle.schema, &request.wishes)?;
            let source = session.project.expand(source)?;
            let from = From { source: &source, query: query.as_deref(), time: time.as_deref() };
            let outcome = of_file(session, (&opened, &reference), (from, settings, request.events))?;
            (outcome, reference.left_out.len())
        }
        // The log has the model's answers: of the version no more than its schema is needed.
        Current::Log => {
            let (reference, settings) = frozen(&located, &Schema::read(&located.folder)?, &request.wishes)?;
            (of_log(session, &located, &reference, settings)?, reference.left_out.len())
        }
    };
    session.check()?;
    outcome.model = Some(located.model.clone());
    outcome.version = Some(located.version);
    if left_out > 0 {
        outcome.notes.push(format!("{left_out} features had no room in the reference and are not checked"));
    }
    if request.events && outcome.state == "checked" {
        outcome.events_recorded = record(session, &located, &outcome);
    }
    advise(session, &located, &mut outcome)?;
    if request.events {
        light(session, &run(request, &located, &outcome, started_ms)?);
    }
    Ok(outcome)
}

/// What was frozen with the version, and how it is checked today. A ranker's scores mean something within a query only:
/// their distribution over all rows says nothing about drift.
fn frozen(located: &Located, schema: &Schema, wishes: &Wishes) -> Result<(Reference, Settings)> {
    if !kind_of(schema.task()).is_monitored() {
        return Err(Error::invalid(format!(
            "{} {} ranks: drift of a ranker is not checked",
            located.model, located.version
        ))
        .hint("`mlops drift-check --reference OLD --current NEW` compares the features of two files"));
    }
    let reference = Reference::read(&located.folder)?;
    let settings = wishes.over(&reference.settings)?;
    Ok((reference, settings))
}

/// How many current values are kept: none for statistics that read bins only.
pub(super) fn sample_for(settings: &Settings, most: usize) -> usize {
    if settings.statistic.reads_values() { most } else { 0 }
}

fn of_file(
    session: &Session<'_>,
    (opened, reference): (&Opened, &Reference),
    (from, settings, keyed): (From<'_>, Settings, bool),
) -> Result<Outcome> {
    let (project, located) = (session.project, &opened.located);
    let redactor = project.redactor();
    let known = column_names(from.source, from.query, project.layout.root())?;
    session.stage(&format!("reading {}", redactor.text(from.source)))?;
    let of_data = |column: &&Column| column.role.own_name().is_none();
    // Rows without a label are current rows too: nobody knows the labels yet.
    let asked = |column: &&Column| column.role != Role::Label || known.contains(&column.name);
    let columns: Vec<&Column> = reference.columns.iter().filter(of_data).filter(asked).collect();
    let sample = sample_for(&settings, SAMPLE);
    let (seen, rows, span) = columns::seen(project, from, &columns, &known, sample)?;
    session.stage(&format!("predicting with {} {}", located.model, located.version))?;
    let said = said(session, &opened.bundle, reference, (from, &known, sample))?;
    session.stage("comparing")?;
    let mut observed: Vec<(&Column, Option<&Seen>)> = Vec::new();
    for column in &reference.columns {
        if let Some((_, seen)) = said.columns.iter().find(|(role, _)| *role == column.role) {
            observed.push((column, Some(seen)));
        } else if let Some(at) = columns.iter().position(|known| known.name == column.name) {
            observed.push((column, seen[at].as_ref()));
        }
    }
    let vectors = reference.vectors.as_ref().zip(said.vectors.as_ref());
    let mut report = check(&observed, vectors, &settings, SEED);
    if let Some(finding) = said.finding {
        (report.drift, report.severity) = (true, Severity::Severe);
        report.findings.insert(0, Finding { message: redactor.text(&finding.message), ..finding });
    }
    let now_ms = project.now_ms();
    let (from_ms, to_ms) = span.unwrap_or((now_ms, now_ms));
    let window = WindowFacts {
        source: redactor.text(from.source),
        rows,
        size: settings.window,
        full: rows >= settings.window,
        from_ms,
        to_ms,
        timed: span.is_some(),
        key: if keyed { content_key(project.layout.root(), located, from)? } else { String::new() },
    };
    let mut outcome = Outcome::of(report, settings, window);
    if from.time.is_some() && span.is_none() {
        outcome.notes.push("no row has a time: the window counts as of now".to_owned());
    }
    if !outcome.window.full {
        let (rows, size) = (thousands(rows), thousands(outcome.window.size));
        outcome.notes.push(format!("only {rows} rows (a window has {size}): shown, not recorded as an event"));
    }
    Ok(outcome)
}

/// What the rows of a file are known by: the version that sees them, the hash of its bytes and of the query.
fn content_key(root: &std::path::Path, located: &Located, from: From<'_>) -> Result<String> {
    let (_, files) = resolve(from.source, root)?;
    let hashes = files.iter().map(|file| Ok(sha256_file(file)?.1)).collect::<Result<Vec<String>>>()?;
    let text = format!("{}|{}", hashes.join("|"), from.query.unwrap_or_default());
    Ok(format!("file {} {}", located.version, sha256(text.as_bytes())))
}

fn of_log(session: &Session<'_>, located: &Located, reference: &Reference, settings: Settings) -> Result<Outcome> {
    let project = session.project;
    if settings.window > LONGEST_WINDOW {
        let (size, most) = (thousands(settings.window), thousands(LONGEST_WINDOW));
        return Err(Error::invalid(format!("a window of {size} predictions: {most} of the log at most"))
            .hint("`--window N`, or `drift: {window: N}` in the config"));
    }
    session.stage("reading the prediction log")?;
    let (size, now_ms) = (settings.window as usize, project.now_ms());
    let window = prediction_log::last_window(&project.layout, &located.model, located.version, size, now_ms)?;
    let (from_ms, to_ms) = window.span().unwrap_or((now_ms, now_ms));
    let facts = WindowFacts {
        source: "prediction log".to_owned(),
        rows: window.entries.len() as u64,
        size: settings.window,
        full: window.is_full(),
        from_ms,
        to_ms,
        timed: true,
        key: window.key(),
    };
    if !window.is_full() {
        let mut outcome = Outcome::of(check(&[], None, &settings, SEED), settings, facts);
        outcome.state = window.state();
        outcome.buffer_size = window.entries.len() as u64;
        outcome.notes.extend(window.notes());
        return Ok(outcome);
    }
    let sample = sample_for(&settings, SAMPLE);
    let mut counted: Vec<(&Column, Seen)> = Vec::new();
    let mut unlogged = Vec::new();
    for column in &reference.columns {
        let numeric = column.kind() == Kind::Numeric;
        let of = |entry: &prediction_log::Entry| match column.role {
            Role::Score => Some(entry.score),
            _ if numeric => entry.facts.get(&column.name).copied(),
            _ => None,
        };
        if window.entries.iter().all(|entry| of(entry).is_none()) {
            unlogged.push(column.name.clone());
            continue;
        }
        let values: Vec<f64> = window.entries.iter().map(|entry| of(entry).unwrap_or(f64::NAN)).collect();
        let mut seen = Seen::new(column, sample);
        seen.add_numbers(0, &values);
        counted.push((column, seen));
    }
    let observed: Vec<(&Column, Option<&Seen>)> = counted.iter().map(|(column, seen)| (*column, Some(seen))).collect();
    let mut outcome = Outcome::of(check(&observed, None, &settings, SEED), settings, facts);
    outcome.notes.extend(window.notes());
    if !unlogged.is_empty() {
        outcome.notes.push(format!("not in the log, not checked: {}", unlogged.join(", ")));
    }
    Ok(outcome)
}

/// The events of what drifts; gives how many are new. A window that is not full and a handful of rows make none.
fn record(session: &Session<'_>, located: &Located, outcome: &Outcome) -> usize {
    let project = session.project;
    if !outcome.window.full || outcome.window.rows < FEW {
        return 0;
    }
    if project.tracker_for_reading().is_none() {
        session.note("there is no tracking database: no drift event was recorded".to_owned());
        return 0;
    }
    let hour_ms = DAY_MS / 24;
    let hour = |ms: i64| ms.div_euclid(hour_ms) * hour_ms;
    let from_ms = if outcome.window.timed { outcome.window.from_ms } else { hour(outcome.window.from_ms) };
    let event = |feature: &str, statistic: &str, (value, threshold): (f64, f64), severity: Severity| DriftEvent {
        id: DriftEvent::identify(&located.model, feature, statistic, &outcome.window.key),
        model: located.model.clone(),
        version: located.version,
        feature: feature.to_owned(),
        statistic: statistic.to_owned(),
        value,
        threshold,
        severity,
        window_from_ms: from_ms,
        window_to_ms: outcome.window.to_ms,
        n: outcome.window.rows as usize,
        full_window: outcome.window.full,
        recorded_ms: project.now_ms(),
    };
    let above =
        |column: &&Checked| column.value.zip(column.threshold).is_some_and(|(value, threshold)| value > threshold);
    let columns = outcome.columns.iter().filter(|column| column.drift).filter(above);
    let mut events: Vec<DriftEvent> = columns
        .map(|column| {
            let values = (column.value.unwrap_or(f64::NAN), column.threshold.unwrap_or(f64::NAN));
            event(&column.name, column.statistic, values, column.severity)
        })
        .collect();
    // What is plainly wrong has no value: 1 against 0 says that it is so.
    // Unseen categories are in their column's value. A column that is gone, empty or of another type is a fault of the
    // data: it must be told, but no retrain mends it.
    let no_events = ["unseen_categories", "not_predicted", "missing_column", "type_change", "all_null"];
    let told = |finding: &&Finding| finding.drift && !no_events.contains(&finding.finding);
    let findings = outcome.findings.iter().filter(told);
    events.extend(findings.map(|finding| event(&finding.column, finding.finding, (1.0, 0.0), finding.severity)));
    if events.is_empty() {
        return 0;
    }
    // What was found is told, also where it cannot be kept.
    match project.tracker().and_then(|tracker| tracker.add_drift_events(&events)) {
        Ok(new) => new,
        Err(error) => {
            session.note(format!("no drift event was recorded: {}", error.message));
            0
        }
    }
}

fn advise(session: &Session<'_>, located: &Located, outcome: &mut Outcome) -> Result<()> {
    if session.project.tracker_for_reading().is_none() {
        return Ok(());
    }
    let advice = advice(session.project, &located.model)?;
    outcome.should_retrain = advice.should_retrain;
    outcome.reasons = advice.reasons;
    Ok(())
}

/// The check as a finished run of the model's experiment.
fn run(request: &Request, located: &Located, outcome: &Outcome, started_ms: i64) -> Result<Light> {
    let config = stored_config(located)?;
    let settings = &outcome.settings;
    let mut metrics = vec![
        ("rows", outcome.window.rows as f64),
        ("drift_detected", f64::from(u8::from(outcome.drift_detected))),
        ("drifting_columns", outcome.columns.iter().filter(|column| column.drift).count() as f64),
        ("events_recorded", outcome.events_recorded as f64),
    ];
    metrics.extend(outcome.kl_divergence.map(|value| ("kl_divergence", value)));
    metrics.extend(outcome.threshold.map(|value| ("threshold", value)));
    let decided = pairs([("severity", outcome.severity.to_string()), ("state", outcome.state.clone())]);
    Ok(Light {
        experiment: config.experiment.name.to_string(),
        command: "drift-check",
        name: format!("drift-check {} {}", located.model, located.version),
        started_ms,
        params: pairs([
            (
                "current",
                if matches!(request.current, Current::Log) { "log".into() } else { outcome.window.source.clone() },
            ),
            ("statistic", settings.statistic.name().to_owned()),
            ("alpha", settings.alpha.to_string()),
            ("rule", settings.rule.name().to_owned()),
        ]),
        metrics,
        tags: [version_tags(located, &config), decided].concat(),
        artifacts: Vec::new(),
    })
}

/// The error for a check that names nothing to check.
#[must_use]
pub fn nothing_to_check(model: &str) -> Error {
    Error::invalid(format!("what is `{model}` to be checked on?"))
        .hint("`--current FILE` for rows of a file, `--from-log` for the last predictions")
}
