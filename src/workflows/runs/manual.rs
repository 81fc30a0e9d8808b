//! `runs create`, `runs log`, `runs finish`: a run that a script records step by step.

use serde::Serialize;

use crate::error::Result;
use crate::names::{ExperimentName, RunId};
use crate::runs::record::artifact;
use crate::tracking::{Batch, Metric, NewRun, Status};
use crate::workflows::Session;
use crate::workflows::compare::find_run;

/// The run that was created, written to or finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ManualRun {
    /// Its id.
    pub run_id: RunId,
}

/// A run to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewManualRun {
    /// The experiment, which is created when there is none of this name.
    pub experiment: String,
    /// The run's name; empty means `manual-` and the short id.
    pub name: String,
}

/// A value of a metric at a step.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The metric.
    pub metric: String,
    /// The value.
    pub value: f64,
    /// The step.
    pub step: i64,
}

/// What is added to a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Entries {
    /// Params, each written once.
    pub params: Vec<(String, String)>,
    /// Values of metrics.
    pub metrics: Vec<Point>,
    /// Tags.
    pub tags: Vec<(String, String)>,
    /// Files, whose size and hash are recorded.
    pub artifacts: Vec<String>,
}

/// Begins a run. No process is recorded with it: the run outlives this one, until [`finish`] ends it.
///
/// # Errors
/// `Invalid` when the experiment's name is not one, `Failed` when the database refuses.
pub fn create(session: &Session<'_>, request: &NewManualRun) -> Result<ManualRun> {
    let project = session.project;
    let tracker = project.tracker()?;
    let name = ExperimentName::parse(&request.experiment)?;
    let experiment = tracker.ensure_experiment(&name, "", project.now_ms())?;
    let run_id = project.new_run_id();
    let name = if request.name.is_empty() { format!("manual-{}", run_id.short()) } else { request.name.clone() };
    tracker.start_run(&NewRun {
        id: &run_id,
        experiment_id: experiment.id,
        name: &name,
        command: "manual",
        process: None,
        start_ms: project.now_ms(),
    })?;
    Ok(ManualRun { run_id })
}

/// Adds params, metrics, tags and artifacts to the run that the selector names: all of them or none.
///
/// # Errors
/// `NotFound` (run), `Invalid` when a param has another value already, `Failed` when a file cannot be read.
pub fn log(session: &Session<'_>, selector: &str, entries: &Entries) -> Result<ManualRun> {
    let project = session.project;
    let run_id = find_run(session, selector)?.id;
    let timestamp_ms = project.now_ms();
    let metric =
        |point: &Point| Metric { key: point.metric.clone(), value: point.value, timestamp_ms, step: point.step };
    let metrics: Vec<Metric> = entries.metrics.iter().map(metric).collect();
    let artifacts =
        entries.artifacts.iter().map(|path| artifact(project, path.as_ref())).collect::<Result<Vec<_>>>()?;
    let batch =
        Batch { params: &entries.params, metrics: &metrics, tags: &entries.tags, artifacts: &artifacts, inputs: &[] };
    project.tracker()?.log_batch(&run_id, &batch)?;
    Ok(ManualRun { run_id })
}

/// Ends the run that the selector names.
///
/// # Errors
/// `NotFound` (run), `Invalid` when it has ended already.
pub fn finish(session: &Session<'_>, selector: &str, status: Status) -> Result<ManualRun> {
    let project = session.project;
    let run_id = find_run(session, selector)?.id;
    project.tracker()?.finish_run(&run_id, status, project.now_ms())?;
    Ok(ManualRun { run_id })
}
