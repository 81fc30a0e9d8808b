//! Runs: a list, one of them with everything, the steps of a metric, what was done to them.

use super::format::{bytes, optional, seconds, time, value};
use crate::report::document::{Align, Document, Line, Table, cells, dim, emphasis};
use crate::tracking::{Metric, Run};
use crate::workflows::runs::{MetricHistory, RunDetails};

/// The metrics that a list shows when there are any.
const LISTED: [&str; 4] = ["f1", "accuracy", "roc_auc", "log_loss"];

/// A list of runs, at most `limit` of them; `none` stands for an empty one.
#[must_use]
pub fn list(runs: &[Run], none: &str, limit: usize) -> Document {
    let mut document = Document::new("Runs");
    if runs.is_empty() {
        document.text(none);
        return document;
    }
    let metrics: Vec<&str> =
        LISTED.into_iter().filter(|name| runs.iter().any(|run| run.metrics.contains_key(*name))).collect();
    let mut columns = vec![
        ("run", Align::Left),
        ("started (UTC)", Align::Left),
        ("experiment", Align::Cut),
        ("command", Align::Left),
        ("status", Align::Left),
    ];
    columns.extend(metrics.iter().map(|name| (*name, Align::Right)));
    columns.push(("took", Align::Right));
    let row = |run: &Run| {
        let minute: String = time(run.start_ms).chars().take("2026-01-01 00:00".len()).collect();
        let mut row = cells![run.id.short(), minute, &run.experiment, &run.command, run.status.as_str()];
        row.extend(metrics.iter().map(|name| Line::from(optional(run.metrics.get(*name).copied()))));
        row.push(took(run).unwrap_or_default().into());
        row
    };
    document.table(Table::of(&columns).with(runs.iter().map(row)));
    if runs.len() == limit {
        document.note(format!("the first {limit}; `--limit` shows more"));
    }
    document
}

fn took(run: &Run) -> Option<String> {
    run.end_ms.map(|end| seconds((end - run.start_ms) as f64 / 1000.0))
}

/// One run with everything.
#[must_use]
pub fn details(details: &RunDetails) -> Document {
    let RunDetails { run, artifacts, inputs } = details;
    let mut document = Document::new(format!("Run {}", run.id.short()));
    document.text(emphasis(run.id.as_str()) + "  " + dim(&run.name));
    document.fact("experiment", &run.experiment);
    document.fact("command", &run.command);
    let deleted = if run.lifecycle == "deleted" { ", deleted" } else { "" };
    document.fact("status", format!("{}{deleted}", run.status.as_str()));
    let end = took(run).unwrap_or_else(|| "still open".to_owned());
    document.fact("started", format!("{} UTC, {end}", time(run.start_ms)));
    part(&mut document, "metrics", run.metrics.iter().map(|(key, number)| (key, value(*number))));
    part(&mut document, "params", run.params.iter().map(|(key, text)| (key, text.clone())));
    part(&mut document, "tags", run.tags.iter().map(|(key, text)| (key, text.clone())));
    part(
        &mut document,
        "inputs",
        inputs.iter().map(|one| (&one.context, format!("{} rows of {}", one.rows, one.source))),
    );
    let artifacts = artifacts.iter().map(|one| (&one.path, format!("{}, sha256 {:.12}…", bytes(one.size), one.sha256)));
    part(&mut document, "artifacts", artifacts);
    document
}

/// Names and what is known of them, under a heading; nothing where there are none.
fn part<'a>(document: &mut Document, heading: &str, facts: impl Iterator<Item = (&'a String, String)>) {
    let mut facts = facts.peekable();
    if facts.peek().is_some() {
        document.part(heading);
    }
    facts.for_each(|(name, fact)| document.fact(name, fact));
}

/// Every step of a metric.
#[must_use]
pub fn history(found: &MetricHistory) -> Document {
    let row = |point: &Metric| cells![point.step.to_string(), value(point.value), time(point.timestamp_ms)];
    let columns = [("step", Align::Right), (found.metric.as_str(), Align::Right), ("time (UTC)", Align::Left)];
    let title = format!("{} of run {}", found.metric, found.run_id.short());
    Document::of_table(title, Table::of(&columns).with(found.points.iter().map(row)))
}

/// What was done to each run.
#[must_use]
pub fn changed(verb: &str, runs: &[Run]) -> Document {
    let mut document = Document::new("Runs");
    runs.iter().for_each(|run| document.text(format!("{verb} run {} of {}", run.id.short(), run.experiment)));
    document
}
