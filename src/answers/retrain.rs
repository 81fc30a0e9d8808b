//! A retrain: the plan, or a line for each step that was done and the one line that matters.

use super::format::{count, optional, plural, value};
use crate::report::document::{Align, Document, Line, Table, bad, cells, dim, emphasis, good};
use crate::text::thousands;
use crate::workflows::gate::Check;
use crate::workflows::retrain::{Conclusion, Decided, End, Outcome, Plan, PlannedStep, State, Trained, Verified};

/// The answer; with `brief` the last line only.
#[must_use]
pub fn document(outcome: &Outcome, brief: bool) -> Document {
    let mut document = Document::new(format!("Retrain {} {}", outcome.name, outcome.period));
    if let Some(plan) = &outcome.plan {
        planned(&mut document, outcome, plan);
        return document;
    }
    if let Some(state) = &outcome.state
        && !brief
        && !outcome.already_done
        && state.triggered.is_some()
    {
        document.table(steps(state));
    }
    // Those whose notice did not arrive are named on stderr.
    let sent: Vec<&str> = outcome.notices.iter().filter(|one| one.sent).map(|one| one.channel.as_str()).collect();
    if !brief && !sent.is_empty() {
        document.fact("notify", sent.join(", "));
    }
    document.text(conclusion(outcome));
    document
}

fn name(outcome: &Outcome) -> Line {
    emphasis(format!("{} {}", outcome.name, outcome.period))
}

fn planned(document: &mut Document, outcome: &Outcome, plan: &Plan) {
    let ended = outcome.state.as_ref().and_then(|state| state.ended);
    let end = ended.map_or_else(String::new, |ended| format!(": already done ({})", ended.how.word()));
    document.text(name(outcome) + end);
    let row = |one: &PlannedStep| cells![&one.step, if one.done { good("done") } else { Line::default() }, &one.what];
    let table = Table::without_heads(&[Align::Left, Align::Left, Align::Cut]);
    document.table(table.with(plan.steps.iter().map(row)));
    document.text("nothing was changed");
}

/// A line for each step that was done.
fn steps(state: &State) -> Table {
    let mut table = Table::without_heads(&[Align::Left, Align::Cut]);
    let mut add = |step: &str, line: Line| table.rows.push(cells![step, line]);
    if let Some(triggered) = &state.triggered {
        add("trigger", triggered.reasons.join("; ").into());
    }
    if let Some(found) = &state.extracted {
        let time = found.time.as_ref().map_or(String::new(), |time| format!(", {} … {}", time.from, time.to));
        let new = found.new_rows.map_or(String::new(), |rows| format!(", {} new", thousands(rows)));
        let rows = thousands(found.facts.written);
        add("extract", format!("{rows} rows of {}{time}{new} -> {}", found.source, found.snapshot).into());
    }
    if let Some(found) = &state.validated {
        let classes = found.classes.iter().map(|(label, rows)| format!("{label}: {}", thousands(*rows)));
        add("validate", format!("classes {}", classes.collect::<Vec<_>>().join(", ")).into());
    }
    state.trained.iter().for_each(|one| add("train", trained(one)));
    if let Some(decided) = &state.decided {
        add("decide", decision(decided).into());
        if decided.decision != End::Promoted {
            add("", dim(&decided.reason));
        }
        if let Some(line) = state.verified.as_ref().and_then(|verified| verification(verified, decided)) {
            add("verify", line);
        }
    }
    if let Some(pruned) = &state.pruned
        && !(pruned.versions.is_empty() && pruned.snapshots.is_empty())
    {
        let versions: Vec<String> = pruned.versions.iter().map(ToString::to_string).collect();
        add("prune", [versions, pruned.snapshots.clone()].concat().join(", ").into());
    }
    table
}

/// A candidate with its values, or why there is none.
fn trained(one: &Trained) -> Line {
    match (&one.error, one.version) {
        (Some(error), _) => Line::from(format!("{} ", one.experiment)) + bad(format!("failed: {error}")),
        (None, Some(version)) => {
            let values = [("validation", one.validation), ("test", one.test)];
            let values = values.into_iter().filter(|(_, value)| value.is_some());
            let values: Vec<String> = values.map(|(part, value)| format!("{part} {}", optional(value))).collect();
            format!("{} {version}: {} {}", one.experiment, one.metric, values.join(", ")).into()
        }
        (None, None) => Line::from(&one.experiment),
    }
}

/// Both versions on the rows that neither was trained on, and what became of the new one.
fn decision(decided: &Decided) -> String {
    let Decided { version, metric, .. } = decided;
    let word = decided.decision.word();
    let Some(production) = decided.production else {
        return format!("{version}, nothing was in production: {word}");
    };
    let checks: Vec<Check> = serde_json::from_value(decided.checks.clone()).unwrap_or_default();
    let mut tested = checks.iter().filter(|check| &check.metric == metric);
    let difference = tested.find_map(|check| check.difference.as_ref());
    let candidate = difference.and_then(|difference| difference.candidate);
    let candidate = candidate.map_or_else(String::new, |number| format!(" {metric} {}", value(number)));
    let holder = decided.production_value.map_or_else(String::new, |number| format!(" {}", value(number)));
    let rows =
        decided.compared_rows.map_or_else(String::new, |rows| format!(" on {} rows unseen by both", count(rows)));
    let ends = difference.and_then(|difference| difference.low.zip(difference.high));
    let interval = ends.map_or_else(String::new, |(low, high)| format!("; difference [{low:+.4}, {high:+.4}]"));
    format!("{version}{candidate}, {production}{holder}{rows}{interval}: {word}")
}

/// Whether the new version answers.
fn verification(verified: &Verified, decided: &Decided) -> Option<Line> {
    match &verified.rolled_back {
        Some(why) => Some(bad(why)),
        None if decided.decision == End::Promoted => {
            Some(format!("{} answered as in training", plural(verified.golden_rows, "golden row")).into())
        }
        None => None,
    }
}

/// The one line that matters.
fn conclusion(outcome: &Outcome) -> Line {
    let name = name(outcome) + ": ";
    let decided = outcome.state.as_ref().and_then(|state| state.decided.as_ref());
    let version = decided.map_or(String::new(), |decided| format!("{} {}", outcome.model, decided.version));
    let holder = decided.and_then(|decided| decided.production);
    if outcome.already_done {
        let how = outcome.outcome.word();
        let version = decided.map_or(String::new(), |decided| format!("{}, ", decided.version));
        let why = outcome.reasons.iter().map(|reason| format!("; {reason}")).collect::<String>();
        return name + format!("already done ({version}{how}); `--force` does it once more{why}");
    }
    let resumed = outcome.resumed_at.as_ref().map_or(String::new(), |step| format!(", resumed at {step}"));
    let time = dim(format!(" in {:.1} s{resumed}", outcome.seconds));
    match outcome.outcome {
        Conclusion::Ended(End::Promoted) => {
            let before = holder.map_or(String::new(), |version| format!(" (was {version})"));
            name + good("promoted") + format!(": {version} is in production{before}") + time
        }
        Conclusion::Ended(End::Staged) => name + format!("staged: {version} waits in Staging") + time,
        Conclusion::Ended(End::RolledBack) => {
            let back = holder.map_or_else(
                || "nothing is in production".to_owned(),
                |before| format!("{before} is in production again"),
            );
            name + bad("rolled back") + format!(": verification of {version} failed, {back}") + time
        }
        Conclusion::Planned | Conclusion::Skipped => name + format!("nothing to do: {}", outcome.reasons.join("; ")),
        Conclusion::Ended(how @ (End::Refused | End::Inconclusive | End::Abandoned)) => {
            let why = if how == End::Inconclusive { "the gate is inconclusive about" } else { "the gate refused" };
            let stays = holder.map_or_else(
                || "nothing is in production".to_owned(),
                |holder| format!("{holder} stays in production"),
            );
            name + bad(how.word()) + format!(": {why} {version}; {stays}") + time
        }
    }
}
