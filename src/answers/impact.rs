//! What the parameters of an experiment did to a metric.

use super::format::{plural, value};
use crate::impact::Group;
use crate::impact::study::{Finding, Weight};
use crate::report::document::{Align, Document, Line, Table, cells, dim, emphasis};
use crate::workflows::impact::Outcome;

/// The answer.
#[must_use]
pub fn document(outcome: &Outcome) -> Document {
    let mut document =
        Document::new(format!("Impact of the parameters of {} on {}", outcome.experiment, outcome.metric));
    let better = if outcome.maximize { "higher is better" } else { "lower is better" };
    let runs = plural(outcome.runs, "finished training run");
    document.text(emphasis(&outcome.experiment) + "  " + dim(format!("{runs} by {} ({better})", outcome.metric)));
    for (count, what) in
        [(outcome.skipped_without_value, "without a value"), (outcome.skipped_not_finite, "with NaN or infinity")]
    {
        if count > 0 {
            document.fact("skipped", format!("{} {what}", plural(count, "run")));
        }
    }
    if outcome.test_sets > 1 {
        document.fact("note", format!("the runs were tested on {} different sets of rows", outcome.test_sets));
    }
    let best = format!("{} {}  ", outcome.metric, value(outcome.best.value));
    document.fact("best", Line::from(best) + dim(outcome.best.run_id.short()));
    if let Some(reason) = &outcome.importance_reason {
        document.fact("importance", format!("none: {reason}"));
    }
    if outcome.parameters.is_empty() {
        return document;
    }
    document.gap();
    parameters(&mut document, outcome);
    for finding in &outcome.parameters {
        document.section(Line::from(&finding.name) + "  " + dim(&outcome.metric));
        document.table(groups(finding));
    }
    document
}

/// The parameters, the most important first, and how their importance was measured.
pub fn parameters(document: &mut Document, outcome: &Outcome) {
    let weighed = outcome.importance.is_some();
    let mut columns = vec![("parameter", Align::Left)];
    if weighed {
        columns.extend([("importance", Align::Right), ("95 %", Align::Right)]);
    }
    columns.extend([
        ("kind", Align::Left),
        ("runs", Align::Right),
        ("values", Align::Right),
        ("Spearman", Align::Right),
        ("Pearson", Align::Right),
        ("best on average", Align::Left),
    ]);
    let row = |finding: &Finding| {
        let statistics = &finding.statistics;
        let mut row = cells![&finding.name];
        if weighed {
            let weight = finding.importance;
            row.push(weight.map_or_else(String::new, |weight| format!("{:.3}", weight.value)).into());
            row.push(weight.map_or_else(String::new, interval).into());
        }
        let correlation = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:+.2}"));
        row.extend(cells![
            finding.kind.name(),
            statistics.runs.to_string(),
            statistics.distinct.to_string(),
            correlation(statistics.spearman),
            correlation(statistics.pearson),
            &statistics.best_value,
        ]);
        row
    };
    document.table(Table::of(&columns).with(outcome.parameters.iter().map(row)));
    if let Some(importance) = &outcome.importance {
        document.note(format!(
            "importance: PED-ANOVA of the best {} of {} runs, 95 % over {} resamplings of the runs",
            importance.best_runs, outcome.runs, importance.replicates
        ));
        // The method's authors ask for five.
        if importance.best_runs < 5 && outcome.runs > 5 {
            let part = (500.0 / outcome.runs as f64).floor() / 100.0;
            document.note(format!("fewer than 5 best runs are few: `--best-part {part}` takes 5"));
        }
    }
    if outcome.left_out > 0 {
        document.note(format!("{} more: without `--top` all are shown", plural(outcome.left_out, "parameter")));
    }
}

fn interval(weight: Weight) -> String {
    weight.low.zip(weight.high).map_or_else(String::new, |(low, high)| format!("{low:.2}–{high:.2}"))
}

/// The metric at each value of one parameter.
fn groups(finding: &Finding) -> Table {
    let columns = [
        ("value", Align::Left),
        ("runs", Align::Right),
        ("mean", Align::Right),
        ("median", Align::Right),
        ("best", Align::Right),
    ];
    let row = |group: &Group| {
        let mark = if group.value == finding.statistics.best_value { " *" } else { "" };
        let [mean, median, best] = [group.mean, group.median, group.best].map(value);
        cells![format!("{}{mark}", group.value), group.runs.to_string(), mean, median, best]
    };
    Table::of(&columns).with(finding.statistics.groups.iter().map(row))
}
