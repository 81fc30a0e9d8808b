//! What has drifted of late, whether to retrain, and the reset after a retrain.

use std::collections::BTreeMap;

use serde::Serialize;

use super::light::{COMMANDS, Light, light};
use super::session::Session;
use crate::drift::retrain_rule::{
    Advice, LONGEST_DAYS, RetrainRule, Situation, Standing, advise, distinct_windows, standing,
};
use crate::error::{Error, Result};
use crate::names::ModelName;
use crate::project::{Prefer, Project};
use crate::runs::stored_config::stored_config;
use crate::runs::tags::pairs;
use crate::text::DAY_MS;
use crate::tracking::{DriftEvent, DriftReset, Severity};

/// The statistic whose largest value and average are told where there is a choice.
const USUAL: &str = "kl";

/// The values of one statistic.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Spread {
    /// Events that count.
    pub count: usize,
    /// Their largest value; none when no value is finite.
    pub max: Option<f64>,
    /// Their average over the finite values.
    pub average: Option<f64>,
}

/// An event of the summary.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Told {
    /// The event.
    #[serde(flatten)]
    pub event: DriftEvent,
    /// Whether it counts, or why not.
    pub standing: Standing,
}

/// The drift of a model in the last days.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The model.
    pub model: ModelName,
    /// The days that the events are of.
    pub days: u32,
    /// Events that count: of the version that serves, after the last reset.
    pub count: usize,
    /// The windows that they are of: several columns of one window are one, windows that overlap are not two.
    pub windows: usize,
    /// The statistic that `max` and `average` are of: `kl` where there is one, else the one that most events are of.
    pub statistic: Option<String>,
    /// Its largest value.
    pub max: Option<f64>,
    /// Its average.
    pub average: Option<f64>,
    /// Every statistic by name.
    pub statistics: BTreeMap<String, Spread>,
    /// Events that count, by severity.
    pub severities: BTreeMap<Severity, usize>,
    /// Whether to retrain, by the rule.
    pub should_retrain: bool,
    /// Why, or why not.
    pub reasons: Vec<String>,
    /// The rule.
    pub rule: RetrainRule,
    /// Until when no retrain is advised.
    pub cooling_down_until_ms: Option<i64>,
    /// The last reset.
    pub last_reset: Option<DriftReset>,
    /// Events of these days that do not count.
    pub set_aside: usize,
    /// The events of these days, oldest first.
    pub events: Vec<Told>,
}

/// What a reset did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reset {
    /// The model.
    pub model: ModelName,
    /// When, in milliseconds since the epoch.
    pub at_ms: i64,
    /// Who did it.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// Events that counted until now and do no longer.
    pub set_aside: usize,
    /// Until when no retrain is advised, by the usual rule.
    pub cooling_down_until_ms: Option<i64>,
}

/// Whether drift asks for a retrain of a model, by the usual rule: 5 windows in 7 days or one severe, 7 days of cool-down.
///
/// # Errors
/// `Failed` when the database cannot be read.
pub fn advice(project: &Project, model: &ModelName) -> Result<Advice> {
    advice_by(project, model, &RetrainRule::default())
}

/// Whether drift asks for a retrain of a model, by this rule.
///
/// # Errors
/// `Invalid` when the rule's numbers are out of bounds, `Failed` when the database cannot be read.
pub fn advice_by(project: &Project, model: &ModelName, rule: &RetrainRule) -> Result<Advice> {
    rule.check()?;
    let (reset, serving, now_ms) = situation(project, model)?;
    let since_ms = now_ms.saturating_sub(i64::from(rule.days) * DAY_MS);
    let events = project.reader()?.drift_events(model.as_str(), since_ms)?;
    Ok(advise(rule, &events, &Situation { reset: reset.as_ref(), serving, now_ms }))
}

type Known = (Option<DriftReset>, Option<crate::names::Version>, i64);

fn situation(project: &Project, model: &ModelName) -> Result<Known> {
    let reset = project.reader()?.last_drift_reset(model.as_str())?;
    Ok((reset, project.production_version(model)?, project.now_ms()))
}

/// The drift of a model in the last `days` days, and what the rule says of it.
///
/// # Errors
/// `NotFound` when there is no such model, `Invalid` when the days are out of bounds, `Failed` when the database cannot
/// be read.
pub fn summary(session: &Session<'_>, model: &ModelName, days: u32, rule: &RetrainRule) -> Result<Summary> {
    let project = session.project;
    if !(1..=LONGEST_DAYS).contains(&days) {
        return Err(Error::invalid(format!("a summary of {days} days: expected 1 to {LONGEST_DAYS}")));
    }
    let advice = advice_by(project, model, rule)?;
    let tracker = project.reader()?;
    let (reset, serving, now_ms) = situation(project, model)?;
    let since_ms = now_ms.saturating_sub(i64::from(days) * DAY_MS);
    let events = tracker.drift_events(model.as_str(), since_ms)?;
    if events.is_empty() && !tracker.models_with_drift()?.iter().any(|known| known == model.as_str()) {
        // A model that nobody has heard of is a slip of the finger, not a model without drift.
        tracker.model(model.as_str())?;
    }
    let known = Situation { reset: reset.as_ref(), serving, now_ms };
    // Over these days, not over the rule's: only the span differs.
    let span = RetrainRule { days, ..*rule };
    let events: Vec<Told> =
        events.into_iter().map(|event| Told { standing: standing(&span, &event, &known), event }).collect();
    let counted: Vec<&DriftEvent> =
        events.iter().filter(|told| told.standing == Standing::Counts).map(|told| &told.event).collect();
    let statistics = spreads(&counted);
    // Values of two statistics have no common largest one: the usual statistic's where there is one.
    let told = statistics.iter().max_by_key(|(name, spread)| (*name == USUAL, spread.count));
    let told = told.map(|(name, spread)| (name.clone(), spread.clone()));
    Ok(Summary {
        model: model.clone(),
        days,
        count: counted.len(),
        windows: distinct_windows(&counted),
        statistic: told.as_ref().map(|(name, _)| name.clone()),
        max: told.as_ref().and_then(|(_, spread)| spread.max),
        average: told.as_ref().and_then(|(_, spread)| spread.average),
        statistics,
        severities: severities(&counted),
        should_retrain: advice.should_retrain,
        reasons: advice.reasons,
        rule: *rule,
        cooling_down_until_ms: advice.cooling_down_until_ms,
        last_reset: reset,
        set_aside: events.len() - counted.len(),
        events,
    })
}

/// The summaries of all models that are registered or have events, by name.
///
/// # Errors
/// As `summary`.
pub fn summaries(session: &Session<'_>, days: u32, rule: &RetrainRule) -> Result<Vec<Summary>> {
    let tracker = session.project.reader()?;
    let mut names: Vec<String> = tracker.models()?.into_iter().map(|model| model.name).collect();
    names.extend(tracker.models_with_drift()?);
    names.sort_unstable();
    names.dedup();
    names.iter().map(|name| summary(session, &ModelName::parse(name)?, days, rule)).collect()
}

fn spreads(events: &[&DriftEvent]) -> BTreeMap<String, Spread> {
    let mut values: BTreeMap<String, (usize, Vec<f64>)> = BTreeMap::new();
    for event in events {
        let (count, finite) = values.entry(event.statistic.clone()).or_default();
        *count += 1;
        finite.extend(Some(event.value).filter(|value| value.is_finite()));
    }
    let spread = |(name, (count, finite)): (String, (usize, Vec<f64>))| {
        let max = finite.iter().copied().max_by(f64::total_cmp);
        let average = (!finite.is_empty()).then(|| finite.iter().sum::<f64>() / finite.len() as f64);
        (name, Spread { count, max, average })
    };
    values.into_iter().map(spread).collect()
}

fn severities(events: &[&DriftEvent]) -> BTreeMap<Severity, usize> {
    let count = |severity: Severity| events.iter().filter(|event| event.severity == severity).count();
    Severity::ALL.into_iter().map(|severity| (severity, count(severity))).collect()
}

/// Says that the events so far no longer call for a retrain, and begins the cool-down. Events stay; the reset stands in
/// the model's ledger with who and why.
///
/// # Errors
/// `NotFound` when there is no such model, `Failed` when the database cannot be written.
pub fn reset(session: &Session<'_>, model: &ModelName, reason: &str) -> Result<Reset> {
    let project = session.project;
    let (started_ms, actor) = (project.now_ms(), &project.surroundings.actor);
    let tracker = project.tracker()?;
    tracker.model(model.as_str())?;
    let (before, serving, _) = situation(project, model)?;
    let rule = RetrainRule::default();
    let known = Situation { reset: before.as_ref(), serving, now_ms: started_ms };
    let since_ms = started_ms.saturating_sub(i64::from(rule.days) * DAY_MS);
    let events = tracker.drift_events(model.as_str(), since_ms)?;
    let set_aside = events.iter().filter(|event| standing(&rule, event, &known) == Standing::Counts).count();
    let reason = if reason.trim().is_empty() { "reset by hand" } else { reason.trim() };
    let at_ms = project.now_ms();
    tracker.add_drift_reset(model.as_str(), actor, reason, at_ms)?;
    record(session, model, reason, (started_ms, set_aside));
    let cooling_down_until_ms = advice(project, model)?.cooling_down_until_ms;
    Ok(Reset {
        model: model.clone(),
        at_ms,
        actor: actor.clone(),
        reason: reason.into(),
        set_aside,
        cooling_down_until_ms,
    })
}

/// The reset as a finished run of the model's experiment.
fn record(session: &Session<'_>, model: &ModelName, reason: &str, done: (i64, usize)) {
    let located = session.project.locate(model.as_str(), Prefer::ProductionElseLatest);
    let config = located.as_ref().ok().and_then(|located| stored_config(located).ok());
    let experiment = config.map_or_else(|| COMMANDS.to_owned(), |config| config.experiment.name.to_string());
    let version = located.map(|located| located.version.0.to_string()).unwrap_or_default();
    light(
        session,
        &Light {
            experiment,
            command: "drift-check",
            name: format!("drift reset {model}"),
            started_ms: done.0,
            params: pairs([("reason", reason.chars().take(500).collect())]),
            metrics: vec![("events_set_aside", done.1 as f64)],
            tags: pairs([("model", model.to_string()), ("version", version)]),
            artifacts: Vec::new(),
        },
    );
}
