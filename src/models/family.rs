//! The small house of models: a family makes estimators; an estimator, fitted, is a model.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use ndarray::Array2;

use crate::catalog::{Named, Param, ParamProblem, Params};
use crate::data::dataset::{Dataset, Features, Targets};
use crate::data::task::Task;
use crate::error::{Error, Result};
use crate::metrics::ranking::Convention;
use crate::onnx::{Graph, Value};

/// A kind of model: it knows its parameters, makes estimators, and reads fitted models back.
pub trait Family: Named + Sync {
    /// What its models learn.
    fn task(&self) -> Task {
        Task::Classification
    }

    /// The parameters with their defaults.
    fn params(&self) -> &'static [Param];

    /// The parameters of the training loop, `training:` in configs; no name is also one of `params`.
    fn training(&self) -> &'static [Param] {
        &[]
    }

    /// Whether its trainings leave checkpoints to go on from.
    fn keeps_checkpoints(&self) -> bool {
        false
    }

    /// The feature steps that its models need where a config says nothing of features.
    fn default_steps(&self) -> &'static [&'static str] {
        &[]
    }

    /// Makes an estimator from checked parameters: those of `params` and of `training`.
    ///
    /// # Errors
    /// What the parameter list alone cannot say (`Custom` kinds, combinations).
    fn configure(&self, params: &Params) -> Result<Box<dyn Estimator>, ParamProblem>;

    /// Whether its models can be exported: whether `Model::onnx` gives something.
    fn exports(&self) -> bool {
        false
    }

    /// Reads a model that `Model::save` wrote into this folder.
    ///
    /// # Errors
    /// `Failed` when a file is missing or damaged.
    fn load(&self, folder: &Path) -> Result<Box<dyn Model>>;
}

/// Parameters, checked; not yet fitted.
pub trait Estimator: Send + Sync {
    /// Fits on the training rows. Same data, seed and parameters give the same bytes, whatever the thread count.
    ///
    /// # Errors
    /// `Invalid` for data that cannot be learned from, `Interrupted` when the context says so.
    fn fit(&self, train: &Dataset, context: &FitContext<'_>) -> Result<Box<dyn Model>>;

    /// The weight that each class has in training, where weights shift the predicted probabilities away from the base
    /// rate, so that `predict` must undo them (statistics: the closed form of the prior shift).
    ///
    /// # Errors
    /// `Invalid` when an explicit weight names no class.
    fn class_weights(&self, _targets: &Targets) -> Result<Option<Vec<f64>>> {
        Ok(None)
    }
}

/// A fitted model.
pub trait Model: Send + Sync {
    /// Class probabilities, `n_rows × n_classes`; each row adds up to 1. For ranking a score per document, `n_rows × 1`:
    /// higher is better, comparable within a query.
    ///
    /// # Errors
    /// `Invalid` when the number of features differs from training.
    fn predict(&self, features: &Features) -> Result<Array2<f64>>;

    /// One non-negative weight per feature, or none where the family has no such notion.
    fn importance(&self) -> Option<Vec<f64>> {
        None
    }

    /// Adds what `predict` computes to a graph: from f32 features, `N × n_features`, to probabilities, `N × n_classes`, f64 (for ranking scores, `N × 1`).
    /// None for a model that ONNX cannot hold.
    fn onnx(&self, _graph: &mut Graph, _features: &Value) -> Option<Value> {
        None
    }

    /// Facts about the fit for the run record, such as `n_iter` and `converged`.
    fn facts(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }

    /// Writes the model's files into an existing folder.
    ///
    /// # Errors
    /// `Failed` when the disk refuses.
    fn save(&self, folder: &Path) -> Result<()>;
}

/// Something that happened during a fit; progress bar, history file and tracker listen to the same stream.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<'a> {
    /// `done` of `total` units (iterations, trees) are finished.
    Progress {
        /// Units finished.
        done: usize,
        /// Units in all, at most.
        total: usize,
        /// What a unit is: `iteration`, `tree`.
        unit: &'a str,
    },
    /// A value at a step: the loss of an iteration.
    Metric {
        /// The metric's name, such as `train_loss`.
        key: &'a str,
        /// Its value.
        value: f64,
        /// The step, from 1.
        step: usize,
    },
    /// An epoch (or a tree of boosting) is over: a row of the training history.
    Epoch(&'a Epoch<'a>),
    /// Something the user should know: `did not converge`.
    Warning(&'a str),
}

/// A row of the training history.
#[derive(Debug, Clone, PartialEq)]
pub struct Epoch<'a> {
    /// From 1.
    pub epoch: usize,
    /// Epochs at most.
    pub epochs: usize,
    /// What a person watches: `Epoch 45/100: loss=0.298 val_ndcg@10=0.525 ★`. Empty for an epoch of before a resumption, which is
    /// told again for the history.
    pub line: &'a str,
    /// The values by name: `loss`, `val_ndcg@10`, `learning_rate`, `seconds`.
    pub values: &'a [(String, f64)],
    /// Whether the metric that decides is the best so far.
    pub best: bool,
}

/// What a fit needs from outside: the seed, the ear, and the wish to stop.
pub struct FitContext<'a> {
    /// The experiment's seed.
    pub seed: u64,
    /// Who listens; called from one thread at a time, so it must be `Sync`.
    pub observe: &'a (dyn Fn(&Event<'_>) + Sync),
    /// Set from outside when the user interrupts.
    pub interrupted: &'a AtomicBool,
    /// The validation rows, for early stopping.
    pub valid: Option<&'a Dataset>,
    /// Seconds since any fixed moment.
    pub clock: &'a (dyn Fn() -> f64 + Sync),
    /// Where an estimator that can go on later keeps what it needs for that.
    pub checkpoint: Option<&'a Path>,
    /// Whether the fit goes on from that file.
    pub resume: bool,
    /// How ranking metrics of the validation rows are counted; none: the defaults, with the highest grade of the training rows.
    pub convention: Option<Convention>,
}

impl<'a> FitContext<'a> {
    /// Without validation rows, clock and checkpoint.
    #[must_use]
    pub fn new(seed: u64, observe: &'a (dyn Fn(&Event<'_>) + Sync), interrupted: &'a AtomicBool) -> Self {
        Self {
            seed,
            observe,
            interrupted,
            valid: None,
            clock: &|| 0.0,
            checkpoint: None,
            resume: false,
            convention: None,
        }
    }

    /// The same with validation rows.
    #[must_use]
    pub fn valid(self, valid: Option<&'a Dataset>) -> Self {
        Self { valid, ..self }
    }

    /// Tells the listeners.
    pub fn tell(&self, event: &Event<'_>) {
        (self.observe)(event);
    }

    /// Fails when the user has interrupted.
    ///
    /// # Errors
    /// `Interrupted`.
    pub fn check(&self) -> Result<()> {
        if self.interrupted.load(Ordering::Relaxed) { Err(Error::interrupted()) } else { Ok(()) }
    }
}
