//! The verbs of `experiments`: list, show, create, delete and restore.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::error::Result;
use crate::names::ExperimentName;
use crate::tracking::{Experiment, ExperimentStatistics, View};
use crate::workflows::Session;

/// One experiment, with statistics over its runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExperimentDetails {
    /// The experiment.
    pub experiment: Experiment,
    /// Its runs in numbers.
    pub statistics: ExperimentStatistics,
}

/// An experiment to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewExperiment {
    /// The name.
    pub name: ExperimentName,
    /// One line about it; may be empty.
    pub description: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// All experiments of a view.
///
/// # Errors
/// `Failed` when the database cannot be read.
pub fn list(session: &Session<'_>, view: View) -> Result<Vec<Experiment>> {
    session.project.reader()?.experiments(view)
}

/// The experiment of this name or id.
///
/// # Errors
/// `NotFound`.
pub fn show(session: &Session<'_>, name_or_id: &str) -> Result<ExperimentDetails> {
    let tracker = session.project.reader()?;
    let experiment = tracker.experiment(name_or_id)?;
    let statistics = tracker.experiment_statistics(experiment.id)?;
    Ok(ExperimentDetails { experiment, statistics })
}

/// Creates an experiment.
///
/// # Errors
/// `Invalid` when there is one of this name already.
pub fn create(session: &Session<'_>, request: &NewExperiment) -> Result<Experiment> {
    let project = session.project;
    project.tracker()?.create_experiment(&request.name, &request.description, &request.tags, project.now_ms())
}

/// Deletes an experiment and its runs. [`restore`] brings them back.
///
/// # Errors
/// `NotFound`, `Refused` when a model version refers to one of its runs.
pub fn delete(session: &Session<'_>, name_or_id: &str) -> Result<Experiment> {
    let project = session.project;
    let tracker = project.tracker()?;
    let experiment = tracker.experiment(name_or_id)?;
    tracker.delete_experiment(experiment.id, project.now_ms())?;
    tracker.experiment(name_or_id)
}

/// Brings a deleted experiment and its runs back.
///
/// # Errors
/// `NotFound`.
pub fn restore(session: &Session<'_>, name_or_id: &str) -> Result<Experiment> {
    let project = session.project;
    let tracker = project.tracker()?;
    let experiment = tracker.experiment(name_or_id)?;
    tracker.restore_experiment(experiment.id, project.now_ms())?;
    tracker.experiment(name_or_id)
}
