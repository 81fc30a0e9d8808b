//! `compare`: runs side by side on the same test rows.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::record::{Light, light, pairs};
use super::session::Session;
use crate::catalog::find;
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::{Direction, METRICS};
use crate::names::ExperimentName;
use crate::project::{Prefer, Project};
use crate::tracking::{Run, Search, Status, View};

/// What to compare.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Runs, experiments or model versions.
    pub items: Vec<String>,
    /// The metric to sort by; the first run's primary one when absent.
    pub metric: Option<String>,
    /// The item that the others are held against.
    pub baseline: Option<String>,
    /// How many rows of the table at most.
    pub top: usize,
    /// Compare runs that were tested on different rows.
    pub allow_different_data: bool,
}

/// One run in the table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The run.
    #[serde(flatten)]
    pub run: Run,
    /// The value of the metric, with its 95 % interval on the test rows where one was made.
    pub value: Option<f64>,
    /// How much better (positive) or worse it is than the baseline.
    pub gain: Option<f64>,
    /// Whether it is the best.
    pub best: bool,
    /// Whether it is the baseline.
    pub baseline: bool,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The metric that the rows are sorted by.
    pub metric: String,
    /// Whether more is better.
    pub maximize: bool,
    /// The metrics that any run has and that are shown, the sorting one first.
    pub metrics: Vec<String>,
    /// The params that differ.
    pub params: Vec<String>,
    /// The runs, best first.
    pub rows: Vec<Row>,
    /// Rows left out by `top`.
    pub left_out: usize,
}

/// Words in the name of a metric that nobody has told us about, for which lower is better.
const LOWER_IS_BETTER: [&str; 8] = ["loss", "error", "rmse", "mse", "mae", "mape", "latency", "seconds"];

/// The direction of a metric: its own where the catalog knows it (also with `validation_` or `train_` before it), else
/// guessed from its name.
#[must_use]
pub fn direction(metric: &str) -> Direction {
    let base = metric.trim_start_matches("validation_").trim_start_matches("train_");
    match find("metric", METRICS, base) {
        Ok(metric) => metric.direction(),
        Err(_) if LOWER_IS_BETTER.iter().any(|word| metric.to_lowercase().contains(word)) => Direction::Minimize,
        Err(_) => Direction::Maximize,
    }
}

/// Finds a run: an id or a unique prefix, `@latest`, `@best:f1`.
///
/// # Errors
/// `NotFound` when there is none.
pub fn find_run(project: &Project, named: &str) -> Result<Run> {
    let tracker = project.reader()?;
    if named == "@latest" {
        return tracker.latest_run(None, None);
    }
    if let Some(metric) = named.strip_prefix("@best:") {
        let (run, skipped) = tracker.best_run(metric, direction(metric) == Direction::Maximize, None)?;
        if skipped > 0 {
            project.note(format!("@best:{metric}: {skipped} run(s) without a number were skipped"));
        }
        return Ok(run);
    }
    tracker.run(named)
}

/// The runs that an item names: a run, all training runs of an experiment, the run of a model version.
///
/// # Errors
/// `NotFound` when it names none.
pub fn runs_of(project: &Project, item: &str) -> Result<Vec<Run>> {
    let tracker = project.reader()?;
    let not_a_run = match find_run(project, item) {
        Ok(run) => return Ok(vec![run]),
        Err(error) if error.kind == ErrorKind::Failed || item.starts_with('@') => return Err(error),
        Err(error) => error,
    };
    if ExperimentName::parse(item).is_ok()
        && let Ok(experiment) = tracker.experiment(item)
    {
        let filter = "command = 'train' AND status = 'FINISHED'";
        let search =
            Search { experiments: &[experiment.id], filter, order: &[], limit: 1000, offset: 0, view: View::Active };
        let runs = tracker.search_runs(&search)?;
        return if runs.is_empty() {
            Err(Error::not_found(format!("experiment `{item}` has no finished training run")))
        } else {
            Ok(runs)
        };
    }
    match project.locate(item, Prefer::ProductionElseLatest) {
        Ok(located) => Ok(vec![tracker.run(located.run_id.as_str())?]),
        Err(error) if error.kind == ErrorKind::Failed => Err(error),
        Err(_) if item.len() >= 4 && item.bytes().all(|byte| byte.is_ascii_hexdigit()) => Err(not_a_run),
        Err(_) => Err(Error::not_found(format!("`{item}` is no run, experiment or model"))
            .hint("`mlops runs list`, `mlops experiments list` and `mlops models list` show what there is")),
    }
}

/// Compares runs.
///
/// # Errors
/// `NotFound` for an unknown item, `Invalid` when they were tested on different rows.
pub fn compare(session: &Session<'_>, request: &Request) -> Result<Outcome> {
    let project = session.project;
    let started_ms = project.now_ms();
    let mut runs: Vec<Run> = Vec::new();
    let baseline = match &request.baseline {
        None => None,
        Some(item) => runs_of(project, item)?.into_iter().next(),
    };
    for run in request.items.iter().map(|item| runs_of(project, item)).collect::<Result<Vec<_>>>()?.concat() {
        if !runs.iter().any(|known| known.id == run.id) {
            runs.push(run);
        }
    }
    if let Some(baseline) = &baseline
        && !runs.iter().any(|run| run.id == baseline.id)
    {
        runs.push(baseline.clone());
    }
    if runs.len() < 2 {
        return Err(Error::invalid("there is only one run to compare").hint("name two runs, or an experiment with two"));
    }
    if let Some(open) = runs.iter().find(|run| run.status != Status::Finished) {
        return Err(Error::invalid(format!("run {} is {}", open.id.short(), open.status.as_str()))
            .hint("only finished runs are compared"));
    }
    if !request.allow_different_data {
        check_same_rows(&runs)?;
    }
    let primary = runs[0].tags.get("primary").cloned().unwrap_or_else(|| "f1".into());
    let metric = request.metric.clone().unwrap_or(primary);
    if !runs.iter().any(|run| run.metrics.contains_key(&metric)) {
        let known: BTreeSet<&str> = runs.iter().flat_map(|run| run.metrics.keys().map(String::as_str)).collect();
        return Err(Error::invalid(format!("none of the runs has the metric `{metric}`"))
            .hint(crate::catalog::known_hint(&metric, known)));
    }
    let outcome = table(request, runs, metric, baseline.as_ref());
    light(session, &recorded(request, &outcome, started_ms));
    Ok(outcome)
}

/// The comparison as a finished run of the best run's experiment.
fn recorded(request: &Request, outcome: &Outcome, started_ms: i64) -> Light {
    let best = &outcome.rows[0];
    let ids: Vec<&str> = outcome.rows.iter().map(|row| row.run.id.short()).collect();
    let tag = |key: &str| best.run.tags.get(key).cloned().unwrap_or_default();
    Light {
        experiment: best.run.experiment.clone(),
        command: "compare",
        name: format!("compare {}", request.items.join(" ")).chars().take(100).collect(),
        started_ms,
        params: pairs([("items", request.items.join(" ")), ("metric", outcome.metric.clone())]),
        metrics: best.value.map(|value| ("best", value)).into_iter().collect(),
        tags: pairs([("runs", ids.join(" ")), ("best_run", best.run.id.to_string()), ("test_ids", tag("test_ids"))]),
        artifacts: Vec::new(),
    }
}

/// The first run that was tested on other rows than the first of them.
#[must_use]
pub fn tested_elsewhere(runs: &[Run]) -> Option<&Run> {
    let tested_on = |run: &Run| run.tags.get("test_ids").cloned();
    runs.iter().find(|run| tested_on(run) != tested_on(&runs[0]))
}

/// Refuses runs whose test rows differ.
fn check_same_rows(runs: &[Run]) -> Result<()> {
    match tested_elsewhere(runs) {
        None => Ok(()),
        Some(other) => Err(Error::invalid(format!(
            "runs {} and {} were tested on different rows: their metrics cannot be compared",
            runs[0].id.short(),
            other.id.short()
        ))
        .hint(
            "`mlops evaluate MODEL --data …` gives both the same rows; `--allow-different-data` compares all the same",
        )),
    }
}

fn table(request: &Request, mut runs: Vec<Run>, metric: String, baseline: Option<&Run>) -> Outcome {
    let direction = direction(&metric);
    let value = |run: &Run| run.metrics.get(&metric).copied().filter(|value| !value.is_nan());
    runs.sort_by(|left, right| {
        let key = |run: &Run| value(run).unwrap_or(f64::NAN);
        match (value(left).is_some(), value(right).is_some()) {
            (true, true) if direction == Direction::Maximize => key(right).total_cmp(&key(left)),
            (true, true) => key(left).total_cmp(&key(right)),
            (left, right) => right.cmp(&left),
        }
        .then(left.start_ms.cmp(&right.start_ms))
        .then(left.id.cmp(&right.id))
    });
    let mut params: BTreeMap<&str, BTreeSet<Option<&str>>> = BTreeMap::new();
    for key in runs.iter().flat_map(|run| run.params.keys()).collect::<BTreeSet<_>>() {
        params.insert(key, runs.iter().map(|run| run.params.get(key).map(String::as_str)).collect());
    }
    let mut params: Vec<String> =
        params.into_iter().filter(|(_, values)| values.len() > 1).map(|(key, _)| key.to_owned()).collect();
    // The model's own first: they are what is most often compared.
    params.sort_by_key(|key| !key.starts_with("model."));
    let order = ["f1", "accuracy", "precision", "recall", "roc_auc", "average_precision", "log_loss"];
    let mut metrics = vec![metric.clone()];
    let present = order.iter().filter(|name| runs.iter().any(|run| run.metrics.contains_key(**name)));
    metrics.extend(present.map(|name| (*name).to_owned()).filter(|name| *name != metric));
    let reference = baseline.and_then(value);
    let best = value(&runs[0]);
    let count = runs.len();
    let top = if request.top == 0 { count } else { request.top };
    let rows =
        runs.into_iter().enumerate().filter(|(at, run)| *at < top || baseline.is_some_and(|one| one.id == run.id));
    let mut found = false;
    let rows: Vec<Row> = rows
        .map(|(_, run)| {
            let value = value(&run);
            let difference = value.zip(reference).map(|(value, reference)| value - reference);
            let is_baseline = baseline.is_some_and(|baseline| baseline.id == run.id);
            Row {
                value,
                gain: difference.map(|gain| if direction == Direction::Maximize { gain } else { -gain }),
                // Of equal runs the first one is the best: it was there before the others.
                best: value.is_some() && value == best && !std::mem::replace(&mut found, true),
                baseline: is_baseline,
                run,
            }
        })
        .collect();
    let left_out = count - rows.len();
    Outcome { metric, maximize: direction == Direction::Maximize, metrics, params, rows, left_out }
}
