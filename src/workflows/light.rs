//! What a command that trains nothing leaves behind: a run without a folder.

use std::path::PathBuf;

use super::session::Session;
use crate::error::Result;
use crate::names::ExperimentName;
use crate::runs::record::artifact;
use crate::runs::tags::code_tags;
use crate::tracking::{Batch, Metric, NewRun, Status};

/// The experiment of commands that belong to none: `init`, `embed --input`.
pub const COMMANDS: &str = "commands";

/// What a command that trains nothing leaves behind: a run without a folder.
#[derive(Debug, Default)]
pub struct Light {
    /// The experiment, made when it is new.
    pub experiment: String,
    /// The verb; [`crate::tracking::BOOKKEEPING`] holds it.
    pub command: &'static str,
    /// The run's name.
    pub name: String,
    /// When the work began.
    pub started_ms: i64,
    /// What was asked.
    pub params: Vec<(String, String)>,
    /// What was counted.
    pub metrics: Vec<(&'static str, f64)>,
    /// What was decided, on which model, with which seed and rows.
    pub tags: Vec<(String, String)>,
    /// What was written.
    pub artifacts: Vec<PathBuf>,
}

/// Records a command that trains nothing, as finished. The work is done and must not fail for its record: where the
/// database cannot be written a note says so, and a folder that was deployed without a database stays without one.
pub fn light(session: &Session<'_>, run: &Light) {
    let project = session.project;
    if project.tracker_for_reading().is_some() && write_light(session, run).is_err() {
        session.note(format!("this {} was not recorded: the tracking database cannot be written", run.command));
    }
}

/// Records a command that trains nothing.
///
/// # Errors
/// `Failed` when the database refuses.
pub fn write_light(session: &Session<'_>, run: &Light) -> Result<()> {
    let project = session.project;
    let tracker = project.tracker()?;
    // Before the run begins: what cannot be read must not leave it running. A device or a pipe has no content to record.
    let files = run.artifacts.iter().filter(|path| path.is_file());
    let artifacts = files.map(|path| artifact(project, path)).collect::<Result<Vec<_>>>()?;
    let about = if run.experiment == COMMANDS { "commands that belong to no experiment" } else { "" };
    let experiment = tracker.ensure_experiment(&ExperimentName::parse(&run.experiment)?, about, run.started_ms)?;
    let (id, now_ms) = (project.new_run_id(), project.now_ms());
    tracker.start_run(&NewRun {
        id: &id,
        experiment_id: experiment.id,
        name: &run.name,
        command: run.command,
        process: Some(&project.surroundings.process),
        start_ms: run.started_ms,
    })?;
    let metric =
        |(key, value): &(&str, f64)| Metric { key: (*key).into(), value: *value, timestamp_ms: now_ms, step: 0 };
    let environment = (project.surroundings.environment)();
    let tags: Vec<_> = run.tags.iter().cloned().chain(code_tags(&environment)).collect();
    let metrics: Vec<_> = run.metrics.iter().map(metric).collect();
    let batch = Batch { params: &run.params, metrics: &metrics, tags: &tags, artifacts: &artifacts, inputs: &[] };
    tracker.log_batch(&id, &batch)?;
    tracker.finish_run(&id, Status::Finished, now_ms)
}
