//! `runs history`: every step of a metric.

use serde::Serialize;

use crate::catalog::known_hint;
use crate::error::{Error, Result};
use crate::names::RunId;
use crate::tracking::{Metric, MetricSummary};
use crate::workflows::Session;
use crate::workflows::compare::find_run;

/// A metric of one run over its steps.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricHistory {
    /// The run.
    pub run_id: RunId,
    /// The metric.
    pub metric: String,
    /// Its points, by step.
    pub points: Vec<Metric>,
    /// The first and the last point, the smallest and the largest value.
    pub summary: Option<MetricSummary>,
}

/// Every step of a metric of the run that the selector names.
///
/// # Errors
/// `NotFound` when there is no such run or it has no such metric.
pub fn history(session: &Session<'_>, selector: &str, metric: &str) -> Result<MetricHistory> {
    let tracker = session.project.reader()?;
    let run = find_run(session, selector)?;
    let points = tracker.metric_history(&run.id, metric)?;
    if points.is_empty() {
        return Err(Error::not_found(format!("run {} has no metric `{metric}`", run.id.short()))
            .hint(known_hint(metric, run.metrics.keys().map(String::as_str).collect::<Vec<_>>())));
    }
    let summary = tracker.metric_summaries(&run.id)?.remove(metric);
    Ok(MetricHistory { run_id: run.id, metric: metric.to_owned(), points, summary })
}
