//! `experiments impact`: what the parameters of an experiment's training runs did to a metric. Reads only.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::compare::direction;
use super::session::Session;
use crate::catalog::known_hint;
use crate::error::{Cause, Error, Result};
use crate::impact::study::{Finding, Importance, Settings, study};
use crate::metrics::Direction;
use crate::names::RunId;
use crate::tracking::{Filter, Run, Search, Status, View};

/// Replicates behind an interval of importance.
const REPLICATES: usize = 200;
/// The part of the runs that counts as the best, as Optuna has it.
pub const QUANTILE: f64 = 0.1;

/// What to look at.
#[derive(Debug, Clone)]
pub struct Request {
    /// The experiment's name or number.
    pub experiment: String,
    /// The metric; the newest run's primary one when absent, on validation rows where all runs have them.
    pub metric: Option<String>,
    /// How many parameters at most; 0 for all.
    pub top: usize,
    /// The part of the runs that counts as the best.
    pub quantile: f64,
}

/// The best run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Best {
    /// Its id.
    pub run_id: RunId,
    /// Its name.
    pub name: String,
    /// Its value of the metric.
    pub value: f64,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// The experiment.
    pub experiment: String,
    /// The metric.
    pub metric: String,
    /// Whether more is better.
    pub maximize: bool,
    /// Finished training runs that have a value of the metric.
    pub runs: usize,
    /// Finished training runs without one.
    pub skipped_without_value: usize,
    /// Finished training runs whose value is NaN or infinite.
    pub skipped_not_finite: usize,
    /// Different sets of test rows among the runs; with more than one their values are of different rows.
    pub test_sets: usize,
    /// The best run.
    pub best: Best,
    /// How the importances were made; none when they were refused.
    pub importance: Option<Importance>,
    /// Why they were refused.
    pub importance_reason: Option<String>,
    /// The parameters that differ, the most important first.
    pub parameters: Vec<Finding>,
    /// Parameters left out by `top`.
    pub left_out: usize,
}

/// Studies the parameters of an experiment's finished training runs.
///
/// # Errors
/// `NotFound` without such an experiment or without a finished training run, `Invalid` when no run has the metric or
/// the quantile is not between 0 and 1.
pub fn impact(session: &Session<'_>, request: &Request) -> Result<Outcome> {
    if !(request.quantile > 0.0 && request.quantile < 1.0) {
        return Err(Error::invalid(format!(
            "the part of the best runs lies between 0 and 1, got {}",
            request.quantile
        )));
    }
    let tracker = session.project.reader()?;
    let experiment = tracker.experiment(&request.experiment)?;
    let filter = Filter::command("train").and(Filter::status(Status::Finished));
    let search = Search {
        experiments: &[experiment.id],
        filter: Some(&filter),
        order: &[],
        limit: usize::MAX,
        offset: 0,
        view: View::Active,
    };
    let runs = tracker.search_runs(&search)?;
    let Some(newest) = runs.first() else {
        return Err(Error::not_found(format!("experiment `{}` has no finished training run", experiment.name)));
    };
    // Parameters are chosen on validation rows; where every run has them, they are what is looked at.
    let primary = || {
        let primary = newest.tags.get("primary").cloned().unwrap_or_else(|| "f1".into());
        let validation = format!("validation_{primary}");
        if runs.iter().all(|run| run.metrics.contains_key(&validation)) { validation } else { primary }
    };
    let metric = request.metric.clone().unwrap_or_else(primary);
    let (finite, others): (Vec<&Run>, Vec<&Run>) =
        runs.iter().partition(|run| run.metrics.get(&metric).is_some_and(|value| value.is_finite()));
    let not_finite = others.iter().filter(|run| run.metrics.contains_key(&metric)).count();
    if finite.is_empty() {
        let known: BTreeSet<&str> = runs.iter().flat_map(|run| run.metrics.keys().map(String::as_str)).collect();
        let told = if not_finite > 0 { "a finite value of" } else { "the metric" };
        return Err(Error::invalid(format!("no finished training run of `{}` has {told} `{metric}`", experiment.name))
            .hint(known_hint(&metric, known))
            .because(Cause::NoValue));
    }
    let maximize = direction(&metric)? == Direction::Maximize;
    // The oldest first: of equal runs the first one is the best.
    let finite: Vec<&Run> = finite.into_iter().rev().collect();
    let values: Vec<f64> = finite.iter().map(|run| run.metrics[&metric]).collect();
    let names: BTreeSet<&str> = finite.iter().flat_map(|run| run.params.keys().map(String::as_str)).collect();
    let column = |name: &str| finite.iter().map(|run| run.params.get(name).map(String::as_str)).collect();
    let params: BTreeMap<&str, Vec<Option<&str>>> = names.into_iter().map(|name| (name, column(name))).collect();
    let settings = Settings { maximize, quantile: request.quantile, replicates: REPLICATES, seed: 0 };
    let mut found = study(&values, &params, &settings);
    let best = (1..values.len()).fold(0, |best, run| {
        let better = if maximize { values[run] > values[best] } else { values[run] < values[best] };
        if better { run } else { best }
    });
    let kept = if request.top == 0 { found.parameters.len() } else { request.top.min(found.parameters.len()) };
    let left_out = found.parameters.len() - kept;
    found.parameters.truncate(kept);
    let tested: BTreeSet<Option<&String>> = finite.iter().map(|run| run.tags.get("test_ids")).collect();
    Ok(Outcome {
        experiment: experiment.name,
        metric,
        maximize,
        runs: finite.len(),
        skipped_without_value: others.len() - not_finite,
        skipped_not_finite: not_finite,
        test_sets: tested.len(),
        best: Best { run_id: finite[best].id.clone(), name: finite[best].name.clone(), value: values[best] },
        importance: found.importance,
        importance_reason: found.importance_reason,
        parameters: found.parameters,
        left_out,
    })
}
