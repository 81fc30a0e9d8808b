//! A drift check: every column against the reference, what is plainly wrong, the verdict; and the bins that moved.

use super::format::{count, plural, time};
use crate::drift::explain::Moved;
use crate::drift::findings::p as probability;
use crate::drift::pair::number;
use crate::drift::statistic::FEW;
use crate::drift::{Checked, Finding, Rule};
use crate::report::document::{Align, Document, Line, Table, cells, dim, emphasis, good, warning};
use crate::tracking::Severity;
use crate::workflows::drift_check::Outcome;

/// The answer.
#[must_use]
pub fn document(outcome: &Outcome) -> Document {
    let mut document = Document::new("Drift check");
    if outcome.state != "checked" && !outcome.is_undecided() {
        document.text(format!("{}: {}", head(outcome), outcome.state));
        outcome.notes.iter().for_each(|note| document.note(note));
        return document;
    }
    document.text(Line::from(head(outcome) + " ") + dim(decided_by(outcome)));
    document.table(columns(&outcome.columns));
    outcome.columns.iter().filter_map(not_compared).for_each(|line| document.note(line));
    if !outcome.findings.is_empty() {
        document.gap();
    }
    outcome.findings.iter().for_each(|found| document.text(finding(found)));
    document.gap();
    document.text(verdict(outcome));
    if !outcome.reasons.is_empty() {
        document.text(advice(outcome.should_retrain, &outcome.reasons));
    }
    outcome.notes.iter().for_each(|note| document.note(note));
    document
}

/// Who was checked on what.
fn head(outcome: &Outcome) -> String {
    let model = match (&outcome.model, outcome.version) {
        (Some(model), Some(version)) => format!("{model} {version}: "),
        _ => String::new(),
    };
    format!("{model}{} of {}", plural(outcome.window.rows as usize, "row"), outcome.window.source)
}

/// By which rule columns were decided, and of which time the rows are.
fn decided_by(outcome: &Outcome) -> String {
    let settings = &outcome.settings;
    let rule = match settings.rule {
        Rule::Significant => format!("α {}, Holm over the columns", number(settings.alpha)),
        Rule::Bands => "rule: bands".to_owned(),
    };
    let (from, to) = (outcome.window.from_ms, outcome.window.to_ms);
    let span = if from < to { format!("; {} to {} UTC", time(from), time(to)) } else { String::new() };
    format!("({rule}{span})")
}

fn columns(checked: &[Checked]) -> Table {
    let columns = [
        ("column", Align::Left),
        ("kind", Align::Left),
        ("n", Align::Right),
        ("statistic", Align::Left),
        ("value", Align::Right),
        ("threshold", Align::Right),
        ("p (Holm)", Align::Right),
        ("severity", Align::Left),
        ("reference → current", Align::Left),
    ];
    let number = |value: Option<f64>| value.map_or_else(|| "–".into(), |value| format!("{value:.4}"));
    let row = |column: &Checked| {
        cells![
            &column.name,
            column.kind.name(),
            count(column.n as usize),
            column.statistic,
            number(column.value),
            number(column.threshold),
            column.p_holm.map_or_else(|| "–".into(), probability),
            if column.drift { severity(column.severity) } else { dim("–") },
            bars(column),
        ]
    };
    Table::of(&columns).with(checked.iter().map(row))
}

/// The severity of drift in a word.
fn severity(severity: Severity) -> Line {
    match severity {
        Severity::Normal | Severity::Slight => emphasis(severity.as_str()),
        Severity::Significant | Severity::Severe => warning(severity.as_str()),
    }
}

fn not_compared(column: &Checked) -> Option<String> {
    // A finding says it already.
    let reason = column.reason.as_ref().filter(|reason| reason.contains(' '))?;
    Some(format!("{}: not compared: {reason}", column.name))
}

fn finding(finding: &Finding) -> Line {
    let name = if finding.drift { warning(finding.finding) } else { dim(finding.finding) };
    name + " " + emphasis(&finding.column) + format!(": {}", finding.message)
}

fn verdict(outcome: &Outcome) -> Line {
    let columns = plural(outcome.columns.len(), "column");
    let verdict = if outcome.drift_detected {
        let drifting = outcome.columns.iter().filter(|column| column.drift).count();
        warning("drift") + format!(" in {drifting} of {columns}, worst severity: ") + severity(outcome.severity)
    } else if outcome.is_undecided() {
        warning("too few rows to decide") + format!(": {} of the {FEW} that are needed", outcome.window.rows)
    } else {
        good("no drift") + format!(" in {columns}")
    };
    match outcome.events_recorded {
        _ if outcome.reasons.is_empty() => verdict,
        0 => verdict,
        1 => verdict + "; 1 new event",
        events => verdict + format!("; {events} new events"),
    }
}

/// Whether to retrain, and why.
#[must_use]
pub fn advice(should_retrain: bool, reasons: &[String]) -> Line {
    let advice = if should_retrain { warning("retrain needed") } else { "retrain not needed".into() };
    advice + format!(": {}", reasons.join("; "))
}

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Both sides as small bars on one scale; what is empty is a dot.
fn bars(column: &Checked) -> String {
    let (left, right) = (&column.histogram.reference, &column.histogram.current);
    if left.is_empty() {
        return String::new();
    }
    let most = left.iter().chain(right).copied().fold(f64::MIN_POSITIVE, f64::max);
    let bar = |share: &f64| {
        let step = (share / most * 8.0).ceil() as usize;
        if step == 0 { '·' } else { BARS[step.min(8) - 1] }
    };
    let side = |shares: &[f64]| shares.iter().map(bar).collect::<String>();
    format!("{} → {}", side(left), side(right))
}

/// The bins that moved, at most `top` of a column.
#[must_use]
pub fn explanation(outcome: &Outcome, top: usize) -> Document {
    let mut document = Document::new("Drift by bins");
    if outcome.state != "checked" && !outcome.is_undecided() {
        document.text(format!("{}: {}", head(outcome), outcome.state));
        return document;
    }
    document.text(head(outcome));
    if !outcome.columns.iter().any(|column| column.drift) {
        document.note("no drift in what follows");
    }
    outcome.columns.iter().for_each(|column| moved_bins(&mut document, column, outcome, top));
    document
}

fn moved_bins(document: &mut Document, column: &Checked, outcome: &Outcome, top: usize) {
    let value = column.value.map_or_else(String::new, |value| {
        let threshold = column.threshold.map_or_else(String::new, |threshold| format!(", threshold {threshold:.4}"));
        format!(" {} {value:.4}{threshold}", column.statistic)
    });
    document.gap();
    document.text(emphasis(&column.name) + format!("{value}  {}", bars(column)));
    let moments = (column.reference_mean, column.reference_std, column.mean, column.std);
    if let (Some(before), Some(spread), Some(after), Some(now)) = moments {
        let [before, after, spread, now] = [before, after, spread, now].map(number);
        document.note(format!("mean {before} → {after}, deviation {spread} → {now}"));
    }
    for finding in outcome.findings.iter().filter(|finding| finding.column == column.name) {
        document.text(format!("{}: {}", finding.finding, finding.message));
    }
    if column.bins.is_empty() {
        return;
    }
    let columns =
        [("bin", Align::Left), ("reference", Align::Right), ("current", Align::Right), ("adds", Align::Right)];
    let share = |share: f64| format!("{:.1} %", 100.0 * share);
    let row =
        |bin: &Moved| cells![&bin.bin, share(bin.reference), share(bin.current), format!("{:+.4}", bin.contribution)];
    document.table(Table::of(&columns).with(column.bins.iter().take(top).map(row)));
    let more = column.bins.len().saturating_sub(top);
    if more > 0 {
        document.note(format!("… and {more} more (`--top`)"));
    }
}
