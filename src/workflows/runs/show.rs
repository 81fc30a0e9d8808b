//! `runs show`, `runs best`: one run with its files and the data sets that it read.

use serde::Serialize;

use crate::error::Result;
use crate::metrics::Direction;
use crate::project::Project;
use crate::report::numbers::plural;
use crate::tracking::{Artifact, Input, Run};
use crate::workflows::Session;
use crate::workflows::compare::{direction, find_run};

/// One run with everything that is recorded of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunDetails {
    /// The run.
    pub run: Run,
    /// The files that it left behind.
    pub artifacts: Vec<Artifact>,
    /// The data sets that it read.
    pub inputs: Vec<Input>,
}

/// Which run is the best.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BestRequest {
    /// The metric.
    pub metric: String,
    /// Among the runs of this experiment (name or id); absent means among all runs.
    pub experiment: Option<String>,
    /// Whether higher is better; absent means the metric's own direction.
    pub maximize: Option<bool>,
}

/// The run with this id or unique prefix, `@latest` or `@best:METRIC`.
///
/// # Errors
/// `NotFound` when there is none.
pub fn show(session: &Session<'_>, selector: &str) -> Result<RunDetails> {
    let project = session.project;
    details(project, find_run(session, selector)?)
}

/// The run with the best value of a metric. How many runs have no number there becomes a note.
///
/// # Errors
/// `NotFound` when there is none, `Invalid` when the direction is not given and the metric is not known.
pub fn best(session: &Session<'_>, request: &BestRequest) -> Result<RunDetails> {
    let project = session.project;
    let (tracker, metric) = (project.reader()?, &request.metric);
    let experiment = request.experiment.as_ref().map(|name| tracker.experiment(name)).transpose()?.map(|one| one.id);
    let maximize = match request.maximize {
        Some(maximize) => maximize,
        None => direction(metric)? == Direction::Maximize,
    };
    let (run, skipped) = tracker.best_run(metric, maximize, experiment)?;
    if skipped > 0 {
        session.note(format!("{} without a number skipped", plural(skipped, "run")));
    }
    details(project, run)
}

fn details(project: &Project, run: Run) -> Result<RunDetails> {
    let tracker = project.reader()?;
    let (artifacts, inputs) = (tracker.artifacts(&run.id)?, tracker.inputs(&run.id)?);
    Ok(RunDetails { run, artifacts, inputs })
}
