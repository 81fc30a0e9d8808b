//! What the world learns of a check: numbers for Prometheus at each one, a notice for people when something new drifts.
//! Neither can fail the check.

use std::path::PathBuf;

use super::super::notices::notify;
use super::super::session::Session;
use super::outcome::Outcome;
use crate::config::{NotifyChannel, NotifyEvent};
use crate::notify::Notice;
use crate::report::prometheus::{DriftFacts, drift_metrics, write_textfile};
use crate::text::thousands;

/// Who is told, and where the numbers go.
#[derive(Debug, Clone, Default)]
pub struct Tell {
    /// The folder of `node_exporter`'s textfile collector.
    pub textfile_dir: Option<PathBuf>,
    /// The channels.
    pub channels: Vec<NotifyChannel>,
}

/// Tells of a check of a model. `news` says whether its drift was not known before.
pub fn tell(session: &Session<'_>, outcome: &Outcome, to: &Tell, news: bool) {
    let Some(model) = outcome.model.as_ref().map(ToString::to_string) else { return };
    if outcome.state != "checked" {
        return;
    }
    if let Some(folder) = &to.textfile_dir {
        let value =
            |column: &crate::drift::Checked| Some((column.name.clone(), column.statistic.to_owned(), column.value?));
        let facts = DriftFacts {
            model: model.clone(),
            checked_ms: session.project.now_ms(),
            severity: outcome.severity.rank(),
            detected: outcome.drift_detected,
            should_retrain: outcome.should_retrain,
            window_rows: outcome.window.rows,
            statistics: outcome.columns.iter().filter_map(value).collect(),
        };
        if let Err(error) = write_textfile(folder, &format!("mlops_drift_{model}"), &drift_metrics(&facts)) {
            session.note(format!("no metrics were written: {}", error.message));
        }
    }
    if outcome.drift_detected && news && !to.channels.is_empty() {
        notify(session, &to.channels, &notice(session, outcome, model));
    }
}

fn notice(session: &Session<'_>, outcome: &Outcome, model: String) -> Notice {
    let named = outcome.version.map_or_else(|| model.clone(), |version| format!("{model} {version}"));
    let columns: Vec<&str> =
        outcome.columns.iter().filter(|column| column.drift).map(|column| column.name.as_str()).collect();
    let findings = outcome.findings.iter().filter(|finding| finding.drift);
    let mut facts: Vec<(String, String)> = vec![
        ("rows".into(), format!("{} of {}", thousands(outcome.window.rows), outcome.window.source)),
        ("severity".into(), outcome.severity.as_str().into()),
    ];
    for column in outcome.columns.iter().filter(|column| column.drift) {
        let number = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.4}"));
        let (value, threshold) = (number(column.value), number(column.threshold));
        facts.push((column.name.clone(), format!("{} {value}, threshold {threshold}", column.statistic)));
    }
    facts.extend(findings.map(|finding| (finding.column.clone(), finding.message.clone())));
    let advice = if outcome.should_retrain { "A retrain is advised" } else { "No retrain is advised yet" };
    let reasons = outcome.reasons.join("; ");
    let what = if columns.is_empty() { String::new() } else { format!(" in {}", columns.join(", ")) };
    Notice {
        event: NotifyEvent::Drift,
        title: format!("{named}: drift, {}", outcome.severity.as_str()),
        summary: format!("{named} drifts{what}. {advice}: {reasons}."),
        facts,
        model,
        at_ms: session.project.now_ms(),
    }
}
