//! The report of one run, or of a model version and the run that made it.

use super::{figures, ranking};
use crate::answers::evaluation::{self, Intervals, by_part};
use crate::answers::ledger::decisions;
use crate::answers::promote;
use crate::comparison::Options;
use crate::error::{ErrorKind, Result};
use crate::metrics::{Detail, Direction, Evaluation};
use crate::names::Version;
use crate::project::{Located, Project};
use crate::report::document::{Align, Block, Document, Table, Tone, cells};
use crate::report::numbers::{count, estimate_with_interval, percent, value};
use crate::report::sections::{self, ComparisonRow, ComparisonSection};
use crate::runs::paired::{Overlap, Paired, answers, pair};
use crate::runs::stored::Stored;
use crate::runs::stored_config::stored_config;
use crate::runs::tags::tested_elsewhere;
use crate::runs::timestamp::timestamp;
use crate::tracking::{LedgerEntry, ModelVersion, Run, Stage, Status};
use crate::workflows::compare::direction;
use crate::workflows::gate::{Check, Evidence, Kind, Verdict, overall, refusal, require};

/// A model version, with its place in the registry.
struct Versioned {
    located: Located,
    row: Option<ModelVersion>,
    /// The ledger's lines about this version, oldest first.
    ledger: Vec<LedgerEntry>,
    checks: Vec<Check>,
    /// Whether the lines are those of a decision in the ledger, or the bounds of the config held against the metrics now.
    decided: bool,
    description: String,
}

/// The report of a run; a training run's is that of the version it made, where that is still there.
pub fn of_run(project: &Project, run: Run) -> Result<Document> {
    let made = run.command == "train" && run.tags.contains_key("version");
    let located =
        if made { project.locate(&format!("runs:/{}", run.id), crate::project::Prefer::Latest).ok() } else { None };
    if let Some(located) = located {
        return of_version(project, located, run);
    }
    let stored = Stored::of(project, run)?;
    let run = &stored.run;
    let mut document = Document::new(format!("Run {} of {}", run.id.short(), run.experiment));
    let (tone, verdict) = run_verdict(&stored);
    document.push(Block::Verdict(tone, verdict.into()));
    identity(&mut document, &stored, None);
    details(&mut document, &stored)?;
    Ok(document)
}

/// The report of a model version.
pub fn of_version(project: &Project, located: Located, run: Run) -> Result<Document> {
    let stored = Stored::of(project, run)?;
    let tracker = project.reader()?;
    let config = stored_config(&located)?;
    let history = match tracker.history(located.model.as_str()) {
        Err(error) if error.kind == ErrorKind::NotFound => Vec::new(),
        history => history?,
    };
    let held = |rule| require(rule, stored.estimate(&rule.metric).as_ref());
    let lines: Vec<LedgerEntry> = history.into_iter().filter(|entry| entry.version == located.version).collect();
    // The last decision with its evidence says more than the config's bounds: it looked at production, too.
    let decided = lines.iter().rev().filter_map(Evidence::of).map(|found| found.checks).find(|one| !one.is_empty());
    let versioned = Versioned {
        row: tracker.version(located.model.as_str(), located.version).ok(),
        ledger: lines,
        decided: decided.is_some(),
        checks: decided.unwrap_or_else(|| config.promotion.require.iter().map(held).collect()),
        description: config.experiment.description,
        located,
    };
    let mut document = Document::new(format!("{} {}", versioned.located.model, versioned.located.version));
    let (tone, verdict) = version_verdict(&versioned, &stored);
    document.push(Block::Verdict(tone, verdict.into()));
    if !versioned.description.trim().is_empty() {
        document.text(&versioned.description);
    }
    identity(&mut document, &stored, Some(&versioned));
    gate(&mut document, &versioned);
    if let Some(section) = against_production(project, &versioned, &stored)? {
        sections::comparison(&mut document, &section);
    }
    details(&mut document, &stored)?;
    ledger(&mut document, &versioned.ledger);
    Ok(document)
}

/// What a report tells of any run: data, metrics, plots, params, environment.
pub fn details(document: &mut Document, stored: &Stored) -> Result<()> {
    data_window(document, stored);
    metrics(document, stored);
    subgroups(document, stored);
    if ranking::is_ranking(stored) {
        ranking::queries(document, stored)?;
    } else {
        figures::predictions(document, stored)?;
    }
    figures::history(document, stored)?;
    figures::importance(document, stored)?;
    truncation(document, stored);
    add_facts(document, "Parameters", stored.run.params.iter());
    let long = ["data_fingerprint", "test_ids"];
    add_facts(document, "Environment", stored.environment.iter().filter(|(name, _)| !long.contains(&name.as_str())));
    for name in &stored.damaged {
        document.note(format!("{name} of the run is damaged and was left out."));
    }
    Ok(())
}

fn run_verdict(stored: &Stored) -> (Tone, String) {
    let run = &stored.run;
    if run.status != Status::Finished {
        let why = stored.tag("error").map_or_else(String::new, |error| format!(": {error}"));
        let tone = if run.status == Status::Running { Tone::Neutral } else { Tone::Bad };
        return (tone, format!("Run {} is {}{why}", run.id.short(), run.status.as_str()));
    }
    let what = match (stored.tag("model"), stored.tag("version")) {
        (Some(model), Some(version)) => format!("{} of {model} v{version}", run.command),
        _ => run.command.clone(),
    };
    (Tone::Neutral, format!("Run {} ({what}) finished{}", run.id.short(), primary(stored, ": ")))
}

/// The primary metric in words, after `before`; empty where there is none.
fn primary(stored: &Stored, before: &str) -> String {
    let Some(estimate) = stored.estimate(&stored.primary) else { return String::new() };
    let rows = stored.judged().map_or_else(String::new, |(part, one)| match one.queries() {
        None => format!(" on {} {part} rows", count(one.rows)),
        Some(queries) => format!(" {} ({part})", queries.facts.behind(&stored.primary)),
    });
    format!("{before}{} {}{rows}", stored.primary, estimate_with_interval(&estimate))
}

fn version_verdict(versioned: &Versioned, stored: &Stored) -> (Tone, String) {
    let name = format!("{} {}", versioned.located.model, versioned.located.version);
    let standing = standing(versioned);
    if versioned.checks.is_empty() {
        return (Tone::Neutral, format!("{name} has no gate{}; {standing}", primary(stored, "; ")));
    }
    if versioned.checks.iter().all(|check| check.passed) {
        let bounds = versioned.checks.iter().filter(|check| check.kind == Kind::Require);
        let held = bounds.map(|check| {
            let told =
                stored.estimate(&check.metric).map_or_else(String::new, |estimate| estimate_with_interval(&estimate));
            format!("{} {told} {}", check.metric, check.rule)
        });
        let held: Vec<String> = held.collect();
        let queries = stored.judged().and_then(|(_, judged)| judged.queries());
        let over = queries.map_or_else(String::new, |queries| format!(", {}", queries.facts.behind(&stored.primary)));
        let held = if held.is_empty() { primary(stored, ": ") } else { format!(": {}{over}", held.join(", ")) };
        let gate = if versioned.decided { "meets its gate" } else { "meets the bounds of its config" };
        return (Tone::Good, format!("{name} {gate}{held}; {standing}"));
    }
    let (tone, word) = match overall(&versioned.checks) {
        Verdict::Inconclusive => (Tone::Neutral, "may or may not meet"),
        _ => (Tone::Bad, "does not meet"),
    };
    (tone, format!("{name} {word} its gate: {}; {standing}", refusal(&versioned.checks)))
}

/// Where a version stands, and since when.
fn standing(versioned: &Versioned) -> String {
    let Some(row) = &versioned.row else { return "not registered here".into() };
    let entered = versioned.ledger.iter().rev().find(|entry| entry.to == Some(row.stage));
    let since = entered.map_or_else(String::new, |entry| format!(" since {}", timestamp(entry.at_ms)));
    let forced = entered.filter(|entry| entry.forced);
    let forced = forced.map_or_else(String::new, |entry| format!(", forced by {}: {}", entry.actor, entry.reason));
    match row.stage {
        Stage::Production => format!("in production{since}{forced}"),
        Stage::Staging => format!("in staging{since}{forced}"),
        Stage::Archived => format!("archived{since}"),
        Stage::None => match versioned.ledger.iter().rev().find(|entry| entry.action == "refused") {
            Some(refused) => format!("not promoted: refused {} ({})", timestamp(refused.at_ms), refused.reason),
            None => "not promoted".into(),
        },
    }
}

fn identity(document: &mut Document, stored: &Stored, versioned: Option<&Versioned>) {
    let run = &stored.run;
    let mut fact = |name: &str, fact: String| document.fact(name, fact);
    if let Some(versioned) = versioned {
        fact("version", format!("{} {}", versioned.located.model, versioned.located.version));
        if let Some(row) = &versioned.row {
            fact("stage", row.stage.as_str().to_owned());
            if !row.aliases.is_empty() {
                fact("aliases", row.aliases.join(", "));
            }
        }
    }
    fact("experiment", run.experiment.clone());
    fact("run", format!("{} ({})", run.id, run.name));
    fact("command", run.command.clone());
    if let Some(kind) = run.params.get("model.kind") {
        fact("kind", kind.clone());
    }
    fact("started", timestamp(run.start_ms));
    if let Some(end_ms) = run.end_ms {
        fact("took", format!("{:.1} s", (end_ms - run.start_ms) as f64 / 1000.0));
    }
}

fn gate(document: &mut Document, versioned: &Versioned) {
    document.section("Gate");
    if versioned.checks.is_empty() {
        document.text("The config has no rules for promotion.");
        return;
    }
    document.table(promote::checks(&versioned.checks));
    document.text(if versioned.decided {
        "As it was decided last; the ledger keeps the evidence."
    } else {
        "The bounds of the config, held against the metrics above; nothing has been decided yet."
    });
}

/// The stored values beside those of the version that serves, when another one does.
fn against_production(project: &Project, versioned: &Versioned, stored: &Stored) -> Result<Option<ComparisonSection>> {
    let model = &versioned.located.model;
    let Some(serving) = project.production_version(model)?.filter(|version| *version != versioned.located.version)
    else {
        return Ok(None);
    };
    let tracker = project.reader()?;
    let Some(run_id) = tracker.version(model.as_str(), serving)?.run_id else { return Ok(None) };
    let other = Stored::of(project, tracker.run(run_id.as_str())?)?;
    let paired = both(project, &other.run, &stored.run);
    let mut rows = Vec::new();
    for metric in metric_names(stored) {
        let value = |stored: &Stored| stored.estimate(&metric).and_then(|estimate| estimate.value);
        let (baseline, candidate) = (value(&other), value(stored));
        let sign = if direction(&metric).is_ok_and(|direction| direction == Direction::Minimize) { -1.0 } else { 1.0 };
        let effect = baseline.zip(candidate).map(|(baseline, candidate)| sign * (candidate - baseline));
        let row = ComparisonRow { metric, baseline, candidate, effect, ..ComparisonRow::default() };
        // The tests of these take milliseconds however many rows there are.
        let quick = ["f1", "accuracy", "roc_auc", "ndcg@10", "map", "mrr"].contains(&row.metric.as_str());
        let quick = quick || row.metric == stored.primary;
        rows.push(match &paired {
            Ok(paired) if quick => tested(paired, row),
            _ => row,
        });
    }
    let mut notes = Vec::new();
    if tested_elsewhere(&[other.run.clone(), stored.run.clone()]).is_some() {
        notes.push("The two were tested on different rows: their values cannot be compared.".to_owned());
    }
    match &paired {
        Err(why) => notes.push(format!("No paired test: {why}.")),
        Ok(paired) => notes.extend(paired.other_convention().map(|what| format!("In what was tested, {what}."))),
    }
    let version = |version: Version| version.to_string();
    Ok(Some(ComparisonSection {
        baseline: format!("{} (in production)", version(serving)),
        candidate: version(versioned.located.version),
        rows,
        notes,
    }))
}

/// The answers of both, or why they cannot be laid side by side.
fn both(project: &Project, baseline: &Run, candidate: &Run) -> std::result::Result<Paired, String> {
    let read = |run| answers(project, run).map_err(|error| error.message);
    let (old, new) = (read(baseline)?, read(candidate)?);
    pair((baseline, &old), (candidate, &new), Overlap::All).map_err(|error| error.message)
}

/// The seed of what is drawn; that of `compare`, so that both say the same.
const SEED: u64 = 42;

/// A line with what the paired test says, where the metric has one.
fn tested(paired: &Paired, row: ComparisonRow) -> ComparisonRow {
    let options = Options { seed: SEED, ..Options::default() };
    let Ok(found) = paired.difference(&row.metric, &options) else { return row };
    let verdict = serde_json::to_value(found.verdict).ok().and_then(|word| word.as_str().map(str::to_owned));
    ComparisonRow {
        effect: found.effect,
        low: found.low,
        high: found.high,
        p: found.p,
        test: Some(found.test),
        n: Some(found.n as usize),
        verdict,
        ..row
    }
}

/// The metrics of a run, the primary one first.
fn metric_names(stored: &Stored) -> Vec<String> {
    let mut names: Vec<String> =
        stored.judged().map_or_else(Vec::new, |(_, evaluation)| evaluation.metrics.keys().cloned().collect());
    names.sort_by_key(|name| *name != stored.primary);
    names
}

fn data_window(document: &mut Document, stored: &Stored) {
    document.section("Data window");
    let known = |text: Option<&str>| text.unwrap_or("not recorded").to_owned();
    let source = stored.window.as_ref().map(|window| window.source.as_str());
    let source = source.or(stored.inputs.first().map(|input| input.source.as_str()));
    document.fact("source", known(source.or(stored.run.params.get("data.source").map(String::as_str))));
    let rows: Vec<String> = match &stored.window {
        Some(window) => {
            let rows = &window.rows;
            let parts = [("train", rows.train), ("validation", rows.validation), ("test", rows.test)];
            parts.iter().map(|(part, rows)| format!("{part} {}", count(*rows))).collect()
        }
        None => stored.inputs.iter().map(|one| format!("{} {}", one.context, count(one.rows as usize))).collect(),
    };
    document.fact("rows", if rows.is_empty() { known(None) } else { rows.join(", ") });
    if let Some(window) = &stored.window {
        let rows = &window.rows;
        let skipped =
            format!("{} without a label, {} without an input", rows.skipped_without_label, rows.skipped_without_input);
        document.fact("skipped", format!("{skipped}, of {} read", count(rows.read)));
        if let Some(time) = &window.time {
            document.fact("time", format!("{} to {} ({})", time.from, time.to, time.column));
        }
    }
    document.fact("SHA-256 of the rows", known(stored.tag("data_fingerprint")));
    document.fact("SHA-256 of the test rows' ids", known(stored.tag("test_ids")));
}

fn metrics<'a>(document: &mut Document, stored: &'a Stored) {
    document.section("Metrics");
    let Some((_, judged)) = stored.judged() else {
        let rows = stored.run.metrics.iter().map(|(name, number)| cells![name, value(*number)]);
        document.note("The run's metrics.json is not stored: these are the values of the database, without intervals.");
        document.table(Table::of(&[("metric", Align::Left), ("value", Align::Right)]).with(rows));
        return;
    };
    let part = |(part, evaluation): &'a (String, Evaluation)| {
        let sure = evaluation.metrics.values().any(|estimate| estimate.low.is_some());
        let n = match evaluation.queries() {
            None => format!("n = {}", count(evaluation.rows)),
            Some(queries) => format!("{} queries", count(queries.facts.queries)),
        };
        (format!("{part}{}, {n}", if sure { " [95 % interval]" } else { "" }), evaluation)
    };
    let parts: Vec<_> = stored.parts.iter().map(part).collect();
    document.table(by_part(&parts, &metric_names(stored), Intervals::InCells));
    let classes = match &judged.detail {
        Detail::Classes(classes) => classes,
        Detail::Queries(queries) => return ranking::conventions(document, stored, queries),
    };
    let positive = classes.positive.as_ref().map_or_else(String::new, |label| format!("; positive class {label}"));
    let support = classes.labels.iter().zip(&classes.support).take(20);
    let support = support.map(|(label, rows)| format!("{label}: {}", count(*rows))).collect::<Vec<_>>().join(", ");
    document.text(format!("Average: {}{positive}. Rows by class: {support}.", classes.average));
}

/// The metrics in each subgroup of each column, the primary one first.
fn subgroups(document: &mut Document, stored: &Stored) {
    let classes = stored.judged().and_then(|(_, judged)| judged.classes());
    let Some(classes) = classes.filter(|classes| !classes.subgroups.is_empty()) else { return };
    document.section("Subgroups");
    evaluation::subgroups(document, classes, &metric_names(stored));
}

fn truncation(document: &mut Document, stored: &Stored) {
    let metric = |name: &str| stored.run.metrics.get(name).copied();
    let Some(cut) = metric("texts_truncated") else { return };
    let texts: u64 = stored.inputs.iter().map(|input| input.rows).sum();
    document.section("Truncation");
    let of = format!("{} of {} texts ({})", count(cut as usize), count(texts as usize), percent(cut, texts as f64));
    let unknown = metric("unknown_token_rate")
        .map_or_else(String::new, |rate| format!("; {} of all tokens are unknown to the encoder", percent(rate, 1.0)));
    document.text(format!("{of} were longer than the encoder reads{unknown}."));
}

fn add_facts<'a>(document: &mut Document, heading: &str, facts: impl Iterator<Item = (&'a String, &'a String)>) {
    document.section(heading);
    let mut facts = facts.peekable();
    if facts.peek().is_none() {
        document.note("Not stored.");
    }
    facts.for_each(|(name, fact)| document.fact(name, fact));
}

fn ledger(document: &mut Document, entries: &[LedgerEntry]) {
    if entries.is_empty() {
        return;
    }
    document.section("History");
    document.table(decisions(entries));
}
