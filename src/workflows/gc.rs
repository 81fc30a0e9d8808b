//! `gc`: gives the disk back what nothing refers to: deleted runs for good, what processes that died left behind, vectors
//! that were not used for long, and, when asked, old months of the prediction log and old model versions (`prune`). A run that a model version came from is
//! never among them.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::doctor::leftovers;
use super::model_folders::{models, remove_dir};
use super::prune::{KeptVersion, OldVersion, Policy, departed, prune, size};
use super::session::Session;
use crate::embeddings::{Cache, Prune, Pruned};
use crate::error::{Context, ErrorKind, Result};
use crate::fs::{is_temporary, remove_left_over};
use crate::names::{ExperimentName, RunId};
use crate::project::Project;
use crate::tracking::prediction_log::{OldMonth, old_months, remove_month};

/// What to remove.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Vectors that were not used for so many days.
    pub cache_unused_days: u32,
    /// Vectors beyond so many bytes, those first that were not used for longest.
    pub cache_max_bytes: Option<u64>,
    /// Months of the prediction log that ended so many milliseconds ago; none go when absent.
    pub predictions_older_than_ms: Option<i64>,
    /// Which model versions are old; none go when absent.
    pub versions: Option<Policy>,
}

/// A deleted run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeletedRun {
    /// The run.
    pub run_id: RunId,
    /// Its experiment.
    pub experiment: String,
    /// The bytes of its folder.
    pub bytes: u64,
}

/// What there is to remove, or what was removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Deleted runs: rows and folders.
    pub runs: Vec<DeletedRun>,
    /// Model versions: rows and folders.
    pub versions: Vec<OldVersion>,
    /// Model versions that stay, with all reasons.
    pub versions_kept: Vec<KeptVersion>,
    /// Months of the prediction log.
    pub predictions: Vec<OldMonth>,
    /// Files and folders that processes left behind when they died.
    pub leftovers: Vec<PathBuf>,
    /// Vectors of the cache.
    pub cache: Pruned,
    /// Vectors that stay.
    pub cache_kept: u64,
    /// The bytes of all of these together.
    pub bytes: u64,
}

impl Outcome {
    /// True when there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let found = [self.runs.len(), self.versions.len(), self.predictions.len(), self.leftovers.len()];
        found == [0; 4] && self.cache.vectors == 0
    }
}

/// What would be removed.
///
/// # Errors
/// `Failed` when database or cache cannot be read.
pub fn plan(session: &Session<'_>, request: &Request) -> Result<Outcome> {
    let project = session.project;
    session.stage("looking")?;
    let mut outcome = Outcome { leftovers: leftovers(project.layout.root()), ..Outcome::default() };
    for model in models(project)? {
        outcome.leftovers.extend(departed(project, &model)?.into_iter().map(|(folder, _)| folder));
    }
    if let Some(tracker) = project.tracker_for_reading() {
        for (run_id, experiment) in tracker.deleted_runs()? {
            let bytes = run_folder(project, &run_id, &experiment).map_or(0, |folder| size(&folder));
            outcome.runs.push(DeletedRun { run_id, experiment, bytes });
        }
    }
    if let Some(age_ms) = request.predictions_older_than_ms {
        outcome.predictions = old_months(&project.layout, project.now_ms().saturating_sub(age_ms))?;
    }
    if let Some(policy) = request.versions {
        let found = super::prune::plan(project, policy)?;
        (outcome.versions, outcome.versions_kept) = (found.old, found.kept);
    }
    if let Some(cache) = cache(session)? {
        for policy in policies(request) {
            let pruned = cache.would_prune(&policy)?;
            // The second policy would prune some of the same vectors: the larger number is the lower bound.
            if pruned.vectors > outcome.cache.vectors {
                outcome.cache = pruned;
            }
        }
        let held: u64 = cache.stats()?.iter().map(|held| held.vectors).sum();
        outcome.cache_kept = held.saturating_sub(outcome.cache.vectors);
    }
    let left = outcome.leftovers.iter().map(|path| if is_folder(path) { size(path) } else { length(path) }).sum();
    outcome.bytes = total(&outcome, left);
    Ok(outcome)
}

/// The bytes of everything that goes, with those of the leftovers.
fn total(outcome: &Outcome, leftovers: u64) -> u64 {
    let runs: u64 = outcome.runs.iter().map(|run| run.bytes).sum();
    let versions: u64 = outcome.versions.iter().map(|version| version.bytes).sum();
    let predictions: u64 = outcome.predictions.iter().map(|month| month.bytes).sum();
    runs + versions + predictions + leftovers + outcome.cache.bytes
}

/// Whether it is a folder itself, not a link to one: what a link points to stays, and is not counted.
fn is_folder(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|facts| facts.is_dir())
}

fn length(path: &Path) -> u64 {
    std::fs::symlink_metadata(path).map_or(0, |facts| facts.len())
}

/// Removes what `plan` found. Folders go before their rows: what a crash leaves half done is found again.
///
/// # Errors
/// `Failed` when the disk refuses.
pub fn gc(session: &Session<'_>, request: &Request) -> Result<Outcome> {
    let project = session.project;
    let mut outcome = plan(session, request)?;
    let left = outcome.bytes - total(&outcome, 0);
    session.stage("removing")?;
    for run in &outcome.runs {
        if let Some(folder) = run_folder(project, &run.run_id, &run.experiment).filter(|folder| folder.is_dir()) {
            remove_dir(&folder)?;
        }
        match project.tracker()?.purge_run(&run.run_id) {
            // Another `gc` was here meanwhile.
            Err(error) if error.kind == ErrorKind::NotFound => {}
            purged => purged?,
        }
    }
    for month in &outcome.predictions {
        remove_month(&project.layout, month)?;
    }
    for path in &outcome.leftovers {
        let removed = remove_left_over(path).context(|| format!("cannot remove `{}`", path.display()))?;
        // The folder of a version that the ledger calls gone has no temporary name.
        if !removed && is_folder(path) && !is_temporary(path) {
            remove_dir(path)?;
        }
    }
    if let Some(policy) = request.versions {
        session.stage("pruning model versions")?;
        let done = prune(session, policy)?;
        (outcome.versions, outcome.versions_kept) = (done.old, done.kept);
    }
    if let Some(cache) = cache(session)? {
        outcome.cache = Pruned::default();
        for policy in policies(request) {
            let pruned = cache.prune(&policy)?;
            outcome.cache.vectors += pruned.vectors;
            outcome.cache.bytes += pruned.bytes;
        }
        if outcome.cache.vectors > 0 {
            // The vectors are gone; their room comes back when nobody else uses the file.
            if let Err(error) = cache.compact() {
                session.note(format!("the cache keeps its size for now: {}", error.message));
            }
        }
        outcome.cache_kept = cache.stats()?.iter().map(|held| held.vectors).sum();
    }
    outcome.bytes = total(&outcome, left);
    Ok(outcome)
}

fn policies(request: &Request) -> Vec<Prune> {
    let unused = Prune::UnusedFor { days: request.cache_unused_days };
    let large = request.cache_max_bytes.map(|bytes| Prune::Above { bytes });
    std::iter::once(unused).chain(large).collect()
}

/// The cache, where there is one already.
fn cache(session: &Session<'_>) -> Result<Option<Cache>> {
    let path = session.project.layout.vector_cache();
    if !path.is_file() {
        return Ok(None);
    }
    Ok(Some(Cache::open(&path, session.project.now_ms())?.0))
}

fn run_folder(project: &Project, run: &RunId, experiment: &str) -> Option<PathBuf> {
    Some(project.layout.run(&ExperimentName::parse(experiment).ok()?, run))
}
