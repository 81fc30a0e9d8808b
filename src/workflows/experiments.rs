//! The verbs of `experiments`: list, show, create, delete and restore.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::error::Result;
use crate::names::ExperimentName;
use crate::project::Project;
use crate::tracking::{Experiment, ExperimentStatistics, View};

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
pub fn list(project: &Project, view: View) -> Result<Vec<Experiment>> {
    project.reader()?.experiments(view)
}

/// The experiment of this name or id.
///
/// # Errors
/// `NotFound`.
pub fn show(project: &Project, name_or_id: &str) -> Result<ExperimentDetails> {
    let tracker = project.reader()?;
    let experiment = tracker.experiment(name_or_id)?;
    let statistics = tracker.experiment_statistics(experiment.id)?;
    Ok(ExperimentDetails { experiment, statistics })
}

/// Creates an experiment.
///
/// # Errors
/// `Invalid` when there is one of this name already.
pub fn create(project: &Project, request: &NewExperiment) -> Result<Experiment> {
    project.tracker()?.create_experiment(&request.name, &request.description, &request.tags, project.now_ms())
}

/// Deletes an experiment and its runs. [`restore`] brings them back.
///
/// # Errors
/// `NotFound`, `Refused` when a model version refers to one of its runs.
pub fn delete(project: &Project, name_or_id: &str) -> Result<Experiment> {
    let tracker = project.tracker()?;
    let experiment = tracker.experiment(name_or_id)?;
    tracker.delete_experiment(experiment.id, project.now_ms())?;
    tracker.experiment(name_or_id)
}

/// Brings a deleted experiment and its runs back.
///
/// # Errors
/// `NotFound`.
pub fn restore(project: &Project, name_or_id: &str) -> Result<Experiment> {
    let tracker = project.tracker()?;
    let experiment = tracker.experiment(name_or_id)?;
    tracker.restore_experiment(experiment.id, project.now_ms())?;
    tracker.experiment(name_or_id)
}
