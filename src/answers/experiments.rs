//! Experiments: a list, one of them with statistics over its runs, what was done to them.

use super::format::{optional, seconds, time};
use crate::report::document::{Align, Document, Line, Table, cells, dim, emphasis};
use crate::tracking::Experiment;
use crate::workflows::experiments::ExperimentDetails;

/// All experiments.
#[must_use]
pub fn list(experiments: &[Experiment]) -> Document {
    let mut document = Document::new("Experiments");
    if experiments.is_empty() {
        document.text("no experiments yet: `mlops train CONFIG` makes one");
        return document;
    }
    let columns = [
        ("id", Align::Right),
        ("experiment", Align::Left),
        ("runs", Align::Right),
        ("state", Align::Left),
        ("updated (UTC)", Align::Left),
        ("description", Align::Cut),
    ];
    let row = |one: &Experiment| {
        let (id, runs) = (one.id.to_string(), one.runs.to_string());
        cells![id, &one.name, runs, &one.lifecycle, time(one.updated_ms), &one.description]
    };
    document.table(Table::of(&columns).with(experiments.iter().map(row)));
    document
}

/// One experiment with statistics over its runs.
#[must_use]
pub fn details(details: &ExperimentDetails) -> Document {
    let ExperimentDetails { experiment, statistics } = details;
    let mut document = Document::new(format!("Experiment {}", experiment.name));
    document.text(emphasis(&experiment.name) + "  " + dim(&experiment.description));
    let runs = statistics.runs.iter().map(|(status, count)| format!("{count} {}", status.as_str().to_lowercase()));
    let runs: Vec<String> = runs.collect();
    document.fact("runs", if runs.is_empty() { "none".into() } else { runs.join(", ") });
    if let Some(durations) = &statistics.durations {
        let [mean, median, total] = [durations.mean_ms, durations.median_ms, durations.total_ms as f64];
        let [mean, median, total] = [mean, median, total].map(|ms| seconds(ms / 1000.0));
        document.fact("duration", format!("mean {mean}, median {median}, total {total}"));
    }
    let columns = [
        ("metric", Align::Left),
        ("runs", Align::Right),
        ("min", Align::Right),
        ("mean", Align::Right),
        ("max", Align::Right),
        ("sd", Align::Right),
    ];
    let rows = statistics.metrics.iter().map(|(name, one)| {
        let mut row = cells![name, one.count.to_string()];
        row.extend([one.min, one.mean, one.max, one.sd].map(|number| Line::from(optional(number))));
        row
    });
    let table = Table::of(&columns).with(rows);
    if !table.rows.is_empty() {
        document.gap();
        document.table(table);
    }
    document
}

/// An experiment that was made.
#[must_use]
pub fn created(experiment: &Experiment) -> Document {
    Document::of_line("Experiment", format!("made experiment {}", experiment.name))
}

/// An experiment that was deleted.
#[must_use]
pub fn deleted(experiment: &Experiment) -> Document {
    let name = &experiment.name;
    let back = format!("`mlops experiments restore {name}` brings them back");
    Document::of_line("Experiment", format!("deleted experiment {name} and its runs; {back}"))
}

/// An experiment that is back.
#[must_use]
pub fn restored(experiment: &Experiment) -> Document {
    Document::of_line("Experiment", format!("restored experiment {}", experiment.name))
}
