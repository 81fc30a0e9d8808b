//! The gate line by line, the decision, and the way back.

use super::format::{optional, plural, value};
use crate::report::document::{Align, Document, Line, Table, bad, cells, dim, emphasis, good};
use crate::tracking::Stage;
use crate::workflows::gate::{Check, Kind, Verdict, refusal};
use crate::workflows::promote::{Candidate, Outcome};
use crate::workflows::rollback;

/// What a line of the gate says.
fn verdict(verdict: Verdict) -> Line {
    match verdict {
        Verdict::Pass => good("yes"),
        Verdict::Fail => bad("no"),
        Verdict::Inconclusive => emphasis("inconclusive"),
        Verdict::NotApplicable => dim("not applicable"),
    }
}

/// The value that a line of the gate looked at: a gain with its sign, a difference of numbers by its size.
fn looked_at(check: &Check) -> String {
    check.value.map_or_else(
        || "–".into(),
        |number| match check.kind {
            Kind::VersusProduction => format!("{number:+.4}"),
            Kind::Parity => format!("{number:.0e}"),
            _ => value(number),
        },
    )
}

/// The gate: metric, rule, value, whether it holds, the numbers behind it.
#[must_use]
pub fn checks(checks: &[Check]) -> Table {
    let columns = [
        ("metric", Align::Left),
        ("rule", Align::Left),
        ("value", Align::Right),
        ("holds", Align::Left),
        ("detail", Align::Cut),
    ];
    let row = |check: &Check| {
        cells![&check.metric, &check.rule, looked_at(check), verdict(check.verdict), dim(&check.detail)]
    };
    Table::of(&columns).with(checks.iter().map(row))
}

/// The gate below other facts: each line begins with the word `gate` where other facts have their name.
pub fn gate(document: &mut Document, of: &[Check]) {
    if of.is_empty() {
        return;
    }
    let mut table = checks(of);
    table.columns.insert(0, (String::new(), Align::Left));
    table.columns.iter_mut().for_each(|(name, _)| name.clear());
    table.rows.iter_mut().for_each(|row| row.insert(0, "gate".into()));
    document.table(table);
}

/// True when the gate said no and nobody forced it.
fn refused(outcome: &Outcome) -> bool {
    !outcome.passed && !outcome.forced
}

/// 0 promoted, 3 refused, 5 refused because the answer is inconclusive.
#[must_use]
pub fn exit_code(outcome: &Outcome) -> u8 {
    match (refused(outcome), outcome.verdict) {
        (false, _) => 0,
        (true, Verdict::Inconclusive) => 5,
        (true, _) => 3,
    }
}

/// The decision.
#[must_use]
pub fn document(outcome: &Outcome) -> Document {
    let mut document = Document::new(format!("Promotion of {} {}", outcome.model, outcome.version));
    if !outcome.candidates.is_empty() {
        document.table(candidates(&outcome.candidates));
        document.gap();
    }
    gate(&mut document, &outcome.gate.checks);
    if outcome.gate.checks.is_empty() && outcome.to == Stage::Production {
        document.fact("gate", "no rules");
    }
    document.text(decision(outcome));
    if outcome.to == Stage::Production && !outcome.dry_run && outcome.from != outcome.to {
        document.fact("active", active(outcome.model.as_str(), &outcome.version.to_string(), outcome.golden_rows));
        if outcome.release.is_some() {
            document.fact("release", "model.onnx, preprocessor.json, model_metadata.json, model_card.md");
        }
        if let Some(previous) = outcome.previous {
            document.fact("archived", format!("{previous}; `mlops rollback {}` puts it back", outcome.model));
        }
    }
    document
}

/// Where a version came from and went to, or why it did not go there.
fn decision(outcome: &Outcome) -> Line {
    let name = emphasis(format!("{} {}", outcome.model, outcome.version)) + " ";
    if refused(outcome) && outcome.to == Stage::Staging && outcome.from != outcome.to {
        let verb = if outcome.dry_run { "would be held in" } else { "is held in" };
        return name + verb + " " + emphasis("Staging") + format!(": {}", refusal(&outcome.gate.checks));
    }
    let verb = match (outcome.dry_run, outcome.from == outcome.to) {
        (true, true) => "would stay",
        (true, false) => "would go",
        (false, true) => "stays",
        (false, false) => "went",
    };
    let name = name + verb;
    let way = if outcome.from == outcome.to {
        name + format!(" in {}", outcome.to.as_str())
    } else {
        name + format!(" from {} to ", outcome.from.as_str()) + emphasis(outcome.to.as_str())
    };
    if outcome.forced {
        way + ", forced against the gate"
    } else if !refused(outcome) {
        way
    } else if outcome.verdict == Verdict::Inconclusive {
        way + ": the gate is inconclusive, which its rules refuse"
    } else {
        way + ": the gate refused production"
    }
}

fn candidates(candidates: &[Candidate]) -> Table {
    let columns = [
        ("candidate", Align::Left),
        ("version", Align::Left),
        ("validation", Align::Right),
        ("test", Align::Right),
        ("", Align::Left),
    ];
    let row = |one: &Candidate| {
        let mark = if one.chosen { good("best") } else { Line::default() };
        let version = format!("{} {}", one.model, one.version);
        cells![&one.named, version, optional(one.validation), optional(one.value), mark]
    };
    Table::of(&columns).with(candidates.iter().map(row))
}

/// What the link `active` of a model points at, and how that was checked.
fn active(model: &str, version: &str, golden_rows: usize) -> Line {
    let link = Line::from(format!("production/{model}/active -> {version}"));
    if golden_rows == 0 {
        return link;
    }
    link + dim(format!("  ({} answered as in training)", plural(golden_rows, "golden row")))
}

/// The way back.
#[must_use]
pub fn rolled_back(outcome: &rollback::Outcome) -> Document {
    let name = format!("{} {}", outcome.model, outcome.version);
    let mut document = Document::new(format!("Rollback to {name}"));
    document.text(emphasis(name) + format!(" is in production again, {} is archived", outcome.from));
    document.fact("active", active(outcome.model.as_str(), &outcome.version.to_string(), outcome.golden_rows));
    document
}
