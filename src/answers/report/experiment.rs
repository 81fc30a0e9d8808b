//! The report of an experiment: its runs best first, what they differ in, and the best of them in detail.

use super::one;
use crate::answers;
use crate::answers::compare::params_of;
use crate::error::{Cause, Result};
use crate::impact::study::Finding;
use crate::metrics::Direction;
use crate::report::document::{Align, Block, Document, Figure, Line, Table, Tone, cells};
use crate::report::numbers::{count, estimate_with_interval, plural};
use crate::report::plots::comparison::{self, Comparison, Entry};
use crate::report::plots::impact::{Bar, Impact, impact as draw_impact};
use crate::runs::stored::Stored;
use crate::runs::tags::tested_elsewhere;
use crate::runs::timestamp::timestamp;
use crate::tracking::Run;
use crate::workflows::Session;
use crate::workflows::compare::{differing, direction};
use crate::workflows::impact;

/// Rows of the leaderboard; the others are counted.
const SHOWN: usize = 100;
/// Params that differ, in a table of the same runs.
const PARAMS: usize = 8;

/// The report of an experiment's finished training runs; there is at least one.
pub fn of_experiment(session: &Session<'_>, name: &str, mut runs: Vec<Run>) -> Result<Document> {
    let project = session.project;
    let metric = runs[0].tags.get("primary").cloned().unwrap_or_else(|| "f1".into());
    runs.sort_by(by_metric(&metric));
    let left_out = runs.len().saturating_sub(SHOWN);
    let total = runs.len();
    let elsewhere = tested_elsewhere(&runs).is_some();
    let params = differing(&runs);
    runs.truncate(SHOWN);
    let stored = runs.into_iter().map(|run| Stored::of(project, run)).collect::<Result<Vec<_>>>()?;

    let mut document = Document::new(format!("Experiment {name}"));
    document.push(Block::Verdict(Tone::Neutral, verdict(&stored, &metric, total).into()));
    if let Ok(experiment) = project.reader()?.experiment(name)
        && !experiment.description.trim().is_empty()
    {
        document.text(&experiment.description);
    }
    if elsewhere {
        document.note("The runs were tested on different rows: their values cannot be compared.");
    }
    document.section("Leaderboard");
    document.table(leaderboard(&stored, &metric));
    if left_out > 0 {
        document.note(format!("… and {} with a lower place.", plural(left_out, "run")));
    }
    if stored.len() > 1 {
        document.push(Block::Figure(plot(&stored, name, &metric)?));
    }
    differences(&mut document, &stored, &params);
    if stored.len() > 1 {
        parameters(&mut document, session, name)?;
    }
    document.section(format!("The best run: {}", label(&stored[0])));
    one::details(&mut document, &stored[0])?;
    Ok(document)
}

/// What the parameters did to the metric, or why nobody can say.
fn parameters(document: &mut Document, session: &Session<'_>, name: &str) -> Result<()> {
    let request = impact::Request { experiment: name.to_owned(), metric: None, top: 0, quantile: impact::QUANTILE };
    document.section("Parameter impact");
    let found = match impact::impact(session, &request) {
        Ok(found) => found,
        Err(error) if matches!(error.cause(), Some(Cause::NoValue | Cause::NoDirection)) => {
            document.note(error.message);
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    if let Some(refusal) = &found.importance_reason {
        document.note(refusal);
        return Ok(());
    }
    answers::impact::parameters(document, &found);
    let bar = |one: &Finding| {
        let weight = one.importance?;
        let interval = weight.low.zip(weight.high);
        Some(Bar { parameter: one.name.clone(), importance: weight.value, interval })
    };
    let bars: Vec<Bar> = found.parameters.iter().filter_map(bar).collect();
    let title = format!("Parameter impact on {}", found.metric);
    let subtitle = format!("{} runs · PED-ANOVA · whiskers: stability interval", count(found.runs));
    let svg = draw_impact(&Impact { title: &title, subtitle: &subtitle, bars: &bars })?;
    document.push(Block::Figure(Figure { name: "impact".into(), caption: format!("{title}; {subtitle}"), svg }));
    Ok(())
}

/// A run in a few words: its id, and the version it made.
fn label(stored: &Stored) -> String {
    let version = stored.tag("model").zip(stored.tag("version"));
    let version = version.map_or_else(String::new, |(model, version)| format!(" {model} v{version}"));
    format!("{}{version}", stored.run.id.short())
}

fn verdict(stored: &[Stored], metric: &str, total: usize) -> String {
    let value = |stored: &Stored| stored.estimate(metric).map(|estimate| estimate_with_interval(&estimate));
    match value(&stored[0]) {
        None => format!("None of {} has a value of {metric}", plural(total, "finished run")),
        Some(best) => {
            let next = stored.get(1).and_then(value).map_or_else(String::new, |next| format!("; the next has {next}"));
            format!("Best of {} by {metric}: {} with {best}{next}", plural(total, "finished run"), label(&stored[0]))
        }
    }
}

fn leaderboard(stored: &[Stored], metric: &str) -> Table {
    let order = ["f1", "accuracy", "roc_auc", "average_precision", "log_loss", "ndcg@10", "map", "mrr"];
    let present = |name: &&&str| **name != metric && stored.iter().any(|one| one.run.metrics.contains_key(**name));
    let others: Vec<&str> = order.iter().filter(present).copied().collect();
    let head = format!("{metric} [95 % interval]");
    let mut columns = vec![("", Align::Right), ("run", Align::Left), (head.as_str(), Align::Right)];
    columns.extend(others.iter().map(|name| (*name, Align::Right)));
    columns.push(("started", Align::Left));
    let mut table = Table::of(&columns);
    for (place, one) in stored.iter().enumerate() {
        let cell =
            |metric: &str| one.estimate(metric).map_or("–".into(), |estimate| estimate_with_interval(&estimate));
        let short = |metric: &&str| {
            one.run.metrics.get(*metric).map_or("–".into(), |value| crate::report::numbers::value(*value))
        };
        let mut cells = cells![count(place + 1), label(one), cell(metric)];
        cells.extend(others.iter().map(short).map(Line::from));
        cells.push(timestamp(one.run.start_ms).into());
        table.rows.push(cells);
    }
    table
}

fn plot(stored: &[Stored], name: &str, metric: &str) -> Result<Figure> {
    let entry = |one: &Stored| {
        let estimate = one.estimate(metric)?;
        Some(Entry { name: label(one), value: estimate.value?, interval: estimate.low.zip(estimate.high) })
    };
    let entries: Vec<Entry> = stored.iter().filter_map(entry).collect();
    let shown = entries.len().min(comparison::MOST);
    let rows = stored[0].judged().map_or_else(String::new, |(part, one)| match one.queries() {
        None => format!(", {part} rows, n = {}", count(one.rows)),
        Some(queries) => format!(", {} {part} queries", count(queries.facts.queries)),
    });
    let title = format!("{metric} of the runs of {name}");
    let subtitle = format!("{} best first{rows}, whiskers: 95 % interval", plural(shown, "run"));
    let given = Comparison { title: &title, subtitle: &subtitle, metric, entries: &entries };
    let svg = comparison::comparison(&given)?;
    Ok(Figure { name: "comparison".into(), caption: format!("{title}; {subtitle}"), svg })
}

fn differences(document: &mut Document, stored: &[Stored], params: &[String]) {
    if params.is_empty() {
        return;
    }
    document.section("Params that differ");
    let shown = &params[..params.len().min(PARAMS)];
    document.table(params_of(stored.iter().map(|one| (label(one), &one.run)), shown));
    if params.len() > shown.len() {
        document.note(format!("… and {} more: {}", params.len() - shown.len(), params[shown.len()..].join(", ")));
    }
}

/// The value of a metric in a run, as it can be ordered: best first, numbers before none, then the earlier run.
fn by_metric(metric: &str) -> impl Fn(&Run, &Run) -> std::cmp::Ordering + '_ {
    let sign = if direction(metric).is_ok_and(|direction| direction == Direction::Minimize) { 1.0 } else { -1.0 };
    let key = move |run: &Run| {
        run.metrics.get(metric).filter(|value| !value.is_nan()).map_or(f64::INFINITY, |value| sign * value)
    };
    move |left, right| {
        key(left).total_cmp(&key(right)).then(left.start_ms.cmp(&right.start_ms)).then(left.id.cmp(&right.id))
    }
}
