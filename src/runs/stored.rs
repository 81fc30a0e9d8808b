//! What the store knows of a run: its rows in the database, the documents in its folder.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::data_window::DataWindow;
use super::metrics_file::{self, MetricsFile};
use super::predictions::{self, Predictions};
use super::recorded::recorded_file;
use super::seed::stream;
use super::stored_config::read_config;
use crate::config::ExperimentConfig;
use crate::error::{ErrorKind, Result};
use crate::metrics::ranking::Draws;
use crate::metrics::{Estimate, Evaluation, Intervals};
use crate::names::ExperimentName;
use crate::project::Project;
use crate::tracking::{Input, Run};

/// Everything that is stored of a run.
pub struct Stored {
    /// The row of the run in the database.
    pub run: Run,
    /// The metrics of each part, test first.
    pub parts: Vec<(String, Evaluation)>,
    /// The metric that decides.
    pub primary: String,
    /// What the run ran on and with.
    pub environment: BTreeMap<String, String>,
    /// The rows of the training history, one an epoch or a step.
    pub history: Vec<BTreeMap<String, f64>>,
    /// Which rows it was trained and tested on.
    pub window: Option<DataWindow>,
    /// The features that weigh most, heaviest first; empty where the model does not say so.
    pub importance: Vec<Feature>,
    /// The inputs that were logged.
    pub inputs: Vec<Input>,
    /// What was said of each row, or why that is not known.
    pub predictions: std::result::Result<Predictions, String>,
    /// The run's folder.
    folder: PathBuf,
    /// The config of the run, where it is the recorded one.
    config: Option<ExperimentConfig>,
    /// Files that could not be read.
    pub damaged: Vec<String>,
}

/// A feature and how much it weighs.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Feature {
    /// The name of the feature.
    pub feature: String,
    /// How much it weighs.
    pub importance: f64,
}

impl Stored {
    /// Reads what there is.
    ///
    /// # Errors
    /// `Failed` when the database cannot be read.
    pub fn of(project: &Project, run: Run) -> Result<Self> {
        let folder = project.layout.run(&ExperimentName::parse(&run.experiment)?, &run.id);
        let inputs = project.reader()?.inputs(&run.id)?;
        let mut stored = Self {
            parts: Vec::new(),
            primary: run.tags.get("primary").cloned().unwrap_or_default(),
            environment: BTreeMap::new(),
            history: Vec::new(),
            window: None,
            importance: Vec::new(),
            inputs,
            predictions: Err(String::new()),
            damaged: Vec::new(),
            config: None,
            folder,
            run,
        };
        let config = recorded_file(project, &stored.run, "config.yaml");
        stored.config = config.ok().and_then(|_| read_config(&stored.folder).ok());
        // Numbers that the run did not record are none of it.
        stored.read_metrics(recorded_file(project, &stored.run, metrics_file::FILE).is_ok());
        stored.environment = stored.document("environment.json").unwrap_or_default();
        stored.history = stored.document("training_history.json").unwrap_or_default();
        stored.window = stored.document("data.json");
        stored.importance = stored.document("importance.json").unwrap_or_default();
        let answers = recorded_file(project, &stored.run, predictions::FILE).and_then(|path| predictions::read(&path));
        stored.predictions = answers.map_err(|error| match error.kind {
            ErrorKind::NotFound => {
                "its predictions are not stored: the folder was deleted, or the run made none".into()
            }
            _ => error.message,
        });
        Ok(stored)
    }

    /// The metrics by part, and the metric that decides: as the file says, else by the run's tag, else `f1`.
    fn read_metrics(&mut self, as_recorded: bool) {
        match MetricsFile::read(&self.folder) {
            Ok(file) if as_recorded => {
                let MetricsFile { primary, parts } = file.unwrap_or_default();
                self.parts = parts;
                self.primary = primary.unwrap_or_else(|| std::mem::take(&mut self.primary));
            }
            _ => self.damaged.push(metrics_file::FILE.to_owned()),
        }
        if self.primary.is_empty() {
            "f1".clone_into(&mut self.primary);
        }
    }

    fn document<T: serde::de::DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let text = std::fs::read_to_string(self.folder.join(name)).ok()?;
        let read = serde_json::from_str(&text);
        if read.is_err() {
            self.damaged.push(name.to_owned());
        }
        read.ok()
    }

    /// How the intervals of the run were drawn: by its config, else as is usual.
    #[must_use]
    pub fn draws(&self) -> Draws {
        let usual = Intervals::default();
        let (replicates, seed) = self.config.as_ref().map_or((usual.replicates, usual.seed), |config| {
            (config.evaluation.bootstrap, stream(config.seed, "bootstrap"))
        });
        Draws::of(replicates, seed)
    }

    /// The part that decides: the test rows, or the one part of an evaluation.
    #[must_use]
    pub fn judged(&self) -> Option<&(String, Evaluation)> {
        self.parts.first()
    }

    /// A metric of the deciding part, with its interval; from the database where the folder is gone.
    #[must_use]
    pub fn estimate(&self, metric: &str) -> Option<Estimate> {
        let stored = self.judged().and_then(|(_, evaluation)| evaluation.metrics.get(metric).cloned());
        let value = self.run.metrics.get(metric).copied().filter(|value| value.is_finite());
        stored.or(value.map(|value| Estimate { value: Some(value), reason: None, low: None, high: None }))
    }

    /// A tag of the run.
    #[must_use]
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.run.tags.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }
}
