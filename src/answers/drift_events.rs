//! What has drifted in the last days, and the reset after which older drift no longer counts.

use super::drift_check::advice;
use super::format::{plural, time};
use crate::drift::retrain_rule::Standing;
use crate::report::document::{Align, Document, Table, cells};
use crate::workflows::drift_events::{Reset, Summary, Told};

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "–".into(), |value| format!("{value:.3}"))
}

/// All models, a line each.
#[must_use]
pub fn all(summaries: &[Summary]) -> Document {
    let mut document = Document::new("Drift of all models");
    if summaries.is_empty() {
        document.note("no models yet");
        return document;
    }
    let columns = [
        ("model", Align::Left),
        ("events", Align::Right),
        ("windows", Align::Right),
        ("statistic", Align::Left),
        ("max", Align::Right),
        ("average", Align::Right),
        ("retrain", Align::Left),
        ("why", Align::Cut),
    ];
    let row = |one: &Summary| {
        cells![
            one.model.to_string(),
            one.count.to_string(),
            one.windows.to_string(),
            one.statistic.as_deref().unwrap_or("–"),
            number(one.max),
            number(one.average),
            if one.should_retrain { "yes" } else { "no" },
            one.reasons.join("; "),
        ]
    };
    document.table(Table::of(&columns).with(summaries.iter().map(row)));
    document
}

/// One model: the numbers, the advice, the events.
#[must_use]
pub fn summary(found: &Summary) -> Document {
    let mut document = Document::new(format!("Drift of {}", found.model));
    let (events, windows) = (plural(found.count, "drift event"), plural(found.windows, "window"));
    let days = plural(found.days as usize, "day");
    let statistic = found.statistic.as_ref().map_or_else(String::new, |statistic| {
        format!("; {statistic}: max {}, average {}", number(found.max), number(found.average))
    });
    document.text(format!("{}: {events} in {windows} in the last {days}{statistic}", found.model));
    let severities = found.severities.iter().rev().filter(|(_, count)| **count > 0);
    let severities: Vec<String> = severities.map(|(severity, count)| format!("{count} {severity}")).collect();
    if !severities.is_empty() {
        document.text(format!("severity: {}", severities.join(", ")));
    }
    document.text(advice(found.should_retrain, &found.reasons));
    if let Some(reset) = &found.last_reset {
        document.text(format!("last reset: {} UTC by {} ({})", time(reset.at_ms), reset.actor, reset.reason));
    }
    if !found.events.is_empty() {
        document.gap();
        document.table(self::events(&found.events));
    }
    document
}

fn events(events: &[Told]) -> Table {
    let columns = [
        ("window from (UTC)", Align::Left),
        ("to", Align::Left),
        ("version", Align::Left),
        ("feature", Align::Cut),
        ("statistic", Align::Left),
        ("value", Align::Right),
        ("threshold", Align::Right),
        ("severity", Align::Left),
        ("rows", Align::Right),
        ("counts", Align::Left),
    ];
    let row = |one: &Told| {
        let event = &one.event;
        cells![
            time(event.window_from_ms),
            time(event.window_to_ms),
            event.version.to_string(),
            &event.feature,
            &event.statistic,
            format!("{:.3}", event.value),
            format!("{:.3}", event.threshold),
            event.severity.to_string(),
            if event.full_window { event.n.to_string() } else { format!("{} (partial)", event.n) },
            standing(one.standing),
        ]
    };
    Table::of(&columns).with(events.iter().map(row))
}

fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Counts => "yes",
        Standing::TooOld => "no: too old",
        Standing::Future => "no: of the future",
        Standing::BeforeReset => "no: before the reset",
        Standing::OtherVersion => "no: another version",
    }
}

/// The reset.
#[must_use]
pub fn reset(done: &Reset) -> Document {
    let until = done
        .cooling_down_until_ms
        .map_or_else(String::new, |until| format!("; no retrain is advised before {} UTC", time(until)));
    let events = plural(done.set_aside, "drift event");
    Document::of_line("Drift reset", format!("{}: {events} set aside ({}){until}", done.model, done.reason))
}
