//! Where everything lies: the only place that spells a path of the project.

use std::path::{Path, PathBuf};

use crate::names::{ExperimentName, ModelName, RunId, Version};

/// The paths below a project's root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// The layout of a root.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        // A root that is here is not written out: `checkpoints/…`, not `./checkpoints/…`.
        Self { root: if root == Path::new(".") { PathBuf::new() } else { root } }
    }

    /// The nearest folder at or above `start` that is a project: it has `experiments/`, and is not itself the
    /// `checkpoints/` of one; else the nearest that has `production/`.
    #[must_use]
    pub fn find(start: &Path) -> Option<Self> {
        let is_project = |folder: &&Path| {
            folder.join("experiments").is_dir() && folder.file_name().is_none_or(|name| name != "checkpoints")
        };
        // A folder that was deployed with nothing but its models has only `production/`.
        let is_deployed = |folder: &&Path| folder.join("production").is_dir();
        let root = start.ancestors().find(is_project).or_else(|| start.ancestors().find(is_deployed));
        root.map(|root| Self::new(root.to_path_buf()))
    }

    /// Whether the root is a project, or a deployed one: it has `experiments/` or `production/`.
    #[must_use]
    pub fn is_project(&self) -> bool {
        ["experiments", "production"].iter().any(|name| self.root.join(name).is_dir())
    }

    /// The project's root.
    #[must_use]
    pub fn root(&self) -> &Path {
        if self.root.as_os_str().is_empty() { Path::new(".") } else { &self.root }
    }

    /// The tracking database.
    #[must_use]
    pub fn tracking_db(&self) -> PathBuf {
        self.root.join("experiments/tracking.db")
    }

    /// The vectors that were made before, by embedder and text.
    #[must_use]
    pub fn vector_cache(&self) -> PathBuf {
        self.root.join("data/cache/embeddings.db")
    }

    /// The folder of all logged predictions.
    #[must_use]
    pub fn predictions(&self) -> PathBuf {
        self.root.join("data/predictions")
    }

    /// The folder of a version's logged predictions, one file a month.
    #[must_use]
    pub fn predictions_of(&self, model: &ModelName, version: Version) -> PathBuf {
        self.predictions().join(model.as_str()).join(version.to_string())
    }

    /// The folder of all experiments.
    #[must_use]
    pub fn experiments(&self) -> PathBuf {
        self.root.join("experiments")
    }

    /// An experiment's folder.
    #[must_use]
    pub fn experiment(&self, name: &ExperimentName) -> PathBuf {
        self.experiments().join(name.as_str())
    }

    /// A run's folder.
    #[must_use]
    pub fn run(&self, experiment: &ExperimentName, run: &RunId) -> PathBuf {
        self.experiment(experiment).join("runs").join(run.as_str())
    }

    /// The file that the process of a run keeps locked while it works.
    #[must_use]
    pub fn working(&self, run: &RunId) -> PathBuf {
        self.experiments().join(".running").join(run.as_str())
    }

    /// The folder of all models' versions, as they were trained.
    #[must_use]
    pub fn checkpoints(&self) -> PathBuf {
        self.root.join("checkpoints/experiments")
    }

    /// The folder of a model's versions, as they were trained.
    #[must_use]
    pub fn checkpoints_of(&self, model: &ModelName) -> PathBuf {
        self.checkpoints().join(model.as_str())
    }

    /// A version, as it was trained.
    #[must_use]
    pub fn checkpoint(&self, model: &ModelName, version: Version) -> PathBuf {
        self.checkpoints_of(model).join(version.to_string())
    }

    /// The folder of all models' versions that reached Staging.
    #[must_use]
    pub fn all_validated(&self) -> PathBuf {
        self.root.join("checkpoints/validated")
    }

    /// The folder of a model's versions that reached Staging.
    #[must_use]
    pub fn validated_of(&self, model: &ModelName) -> PathBuf {
        self.all_validated().join(model.as_str())
    }

    /// A version that reached Staging.
    #[must_use]
    pub fn validated(&self, model: &ModelName, version: Version) -> PathBuf {
        self.validated_of(model).join(version.to_string())
    }

    /// A model's folder in production.
    #[must_use]
    pub fn production_of(&self, model: &ModelName) -> PathBuf {
        self.root.join("production").join(model.as_str())
    }

    /// A version in production.
    #[must_use]
    pub fn production(&self, model: &ModelName, version: Version) -> PathBuf {
        self.production_of(model).join(version.to_string())
    }

    /// The link to the version that serves.
    #[must_use]
    pub fn active(&self, model: &ModelName) -> PathBuf {
        self.production_of(model).join("active")
    }

    /// The link to the version that served before.
    #[must_use]
    pub fn previous(&self, model: &ModelName) -> PathBuf {
        self.production_of(model).join("previous")
    }

    /// The lock that publishing and promoting a model take.
    #[must_use]
    pub fn lock(&self, model: &ModelName) -> PathBuf {
        self.root.join("checkpoints/.locks").join(format!("{model}.lock"))
    }

    /// The lock that a retrain of a model takes.
    #[must_use]
    pub fn retrain_lock(&self, model: &ModelName) -> PathBuf {
        self.root.join("checkpoints/.locks/retrain").join(format!("{model}.lock"))
    }

    /// The folder of a retrain's states, one folder a period.
    #[must_use]
    pub fn retrains(&self, name: &ExperimentName) -> PathBuf {
        self.experiment(name).join("retrain")
    }
}
