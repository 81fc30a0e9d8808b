//! From what a person names to runs.

use super::super::session::Session;
use super::column::direction;
use crate::error::{Error, Result};
use crate::metrics::Direction;
use crate::names::ExperimentName;
use crate::project::{Prefer, Project};
use crate::registry::Selector;
use crate::tracking::{Filter, Run, Search, Status, View};

/// Finds a run: an id or a unique prefix, `@latest`, `@best:f1`, or the run that made a model's version (`reviews/3`,
/// `reviews@production`, a folder).
///
/// # Errors
/// `NotFound` when there is none.
pub fn find_run(session: &Session<'_>, named: &str) -> Result<Run> {
    let tracker = session.project.reader()?;
    if named == "@latest" {
        return tracker.latest_run(None, None);
    }
    if let Some(metric) = named.strip_prefix("@best:") {
        let direction = direction(metric).map_err(|unknown| match tracker.best_run(metric, true, None) {
            Ok(_) => unknown,
            Err(none) => none,
        })?;
        let (run, skipped) = tracker.best_run(metric, direction == Direction::Maximize, None)?;
        if skipped > 0 {
            session.note(format!("@best:{metric}: {skipped} run(s) without a number were skipped"));
        }
        return Ok(run);
    }
    let not_a_run = match tracker.run(named) {
        Err(error) if error.is_unknown_name() => error,
        answer => return answer,
    };
    match Selector::parse(named) {
        // Of a version only the row is asked: its folders may be gone.
        Ok(Selector::Version(model, version)) => {
            let row = tracker.version(model.as_str(), version)?;
            let run = row.run_id.ok_or_else(|| {
                Error::not_found(format!("{model} {version} has no run: its row was rebuilt from its folder"))
            })?;
            tracker.run(run.as_str())
        }
        Ok(Selector::At(..) | Selector::Folder(_)) => {
            tracker.run(session.locate(named, Prefer::ProductionElseLatest)?.run_id.as_str())
        }
        _ => Err(not_a_run),
    }
}

/// What runs are judged by when nobody says it: the first run's primary metric, an evaluation's being that of the training
/// behind it; of runs that were logged by hand `f1`, or `ndcg@10` where that is what they have.
pub(super) fn primary_of(project: &Project, runs: &[Run]) -> String {
    if let Some(primary) = runs.first().and_then(|run| run.tags.get("primary")) {
        return primary.clone();
    }
    let trained = runs.first().and_then(|run| run.tags.get("trained_by"));
    let trained = trained.map(|id| project.reader()?.run(id)).transpose();
    // The run behind an evaluation may be deleted: the metrics that the evaluation has still stand.
    let primary = trained.ok().flatten().and_then(|run| run.tags.get("primary").cloned());
    let has = |name: &str| runs.iter().any(|run| run.metrics.contains_key(name));
    let usual = if has("f1") || !has("ndcg@10") { "f1" } else { "ndcg@10" };
    primary.filter(|name| has(name)).unwrap_or_else(|| usual.to_owned())
}

/// The runs that an item names: a run, all training runs of an experiment, the run of a model version.
///
/// # Errors
/// `NotFound` when it names nothing.
pub fn runs_of(session: &Session<'_>, item: &str) -> Result<Vec<Run>> {
    let project = session.project;
    let tracker = project.reader()?;
    let not_a_run = match find_run(session, item) {
        Ok(run) => return Ok(vec![run]),
        Err(error) if error.is_unknown_name() && !item.starts_with('@') => error,
        Err(error) => return Err(error),
    };
    if ExperimentName::parse(item).is_ok()
        && let Ok(experiment) = tracker.experiment(item)
    {
        let filter = Filter::command("train").and(Filter::status(Status::Finished));
        let (experiments, limit) = (&[experiment.id], usize::MAX >> 1);
        let search = Search { experiments, filter: Some(&filter), order: &[], limit, offset: 0, view: View::Active };
        let runs = tracker.search_runs(&search)?;
        return if runs.is_empty() {
            Err(Error::not_found(format!("experiment `{item}` has no finished training run")))
        } else {
            Ok(runs)
        };
    }
    match session.locate(item, Prefer::ProductionElseLatest) {
        Ok(located) => Ok(vec![tracker.run(located.run_id.as_str())?]),
        Err(error) if !error.is_unknown_name() => Err(error),
        Err(_) if item.len() >= 4 && item.bytes().all(|byte| byte.is_ascii_hexdigit()) => Err(not_a_run),
        Err(_) => Err(Error::not_found(format!("`{item}` is no run, experiment or model"))
            .hint("`mlops runs list`, `mlops experiments list` and `mlops models list` show what there is")),
    }
}
