//! The training loop: epochs of batches of lists, validation, early stopping, checkpoints.
//!
//! An epoch draws the order of the lists, takes them in batches of `batch_lists`, and makes one step for each: the loss of a batch
//! is the mean over its lists. Batches are cut into groups that run in parallel (`passes`); gradients are added in the order of the
//! groups: the same seed gives the same bytes, whatever the number of threads.
//!
//! After each epoch the validation lists are scored and measured; the first metric decides. Its best weights are kept, and are the
//! network's at the end (unless `Keep::Last`). Nothing walks from epoch to epoch but what a checkpoint holds, so a resumed run gives the bytes of an
//! uninterrupted one. Where the loss is not a finite number, or the user interrupts within an epoch, the steps of that epoch are
//! undone and the checkpoint is that of the epoch before; the network has its best weights again (those of the start, if there were
//! none).

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use super::batch_norm::{Moments, Spread};
use super::groups::{divided, shuffled};
use super::history::{EpochRow, Outcome, Stop};
use super::lists::Lists;
use super::losses::Loss;
use super::network::{Network, Running};
use super::optimizer::{Optimizer, Settings as OptimizerSettings};
use super::passes::{Batch, Pass};
use super::scheduler::{Schedule, Scheduler};
use crate::error::{Error, Result};
use crate::kernels::Real;

/// Which weights the network has at the end of training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// Those of the best epoch by the validation metric; of the last where there is none.
    Best,
    /// Those of the last epoch.
    Last,
}

/// How to train.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Settings {
    /// Epochs at most.
    pub epochs: usize,
    /// Lists of a batch.
    pub batch_lists: usize,
    /// The rule, weight decay and clipping.
    pub optimizer: OptimizerSettings,
    /// The learning rate.
    pub learning_rate: f64,
    /// How it changes.
    pub schedule: Schedule,
    /// Epochs of warm-up.
    pub warm_up: usize,
    /// Epochs without a better validation metric after which training ends; none: never.
    pub patience: Option<usize>,
    /// Which weights the network has at the end.
    pub keep: Keep,
    /// What else a checkpoint must agree in, as text: the loss with its parameters.
    pub identity: String,
    /// The rows that a checkpoint is of: any number that other rows would not have.
    pub rows: u64,
    /// What all random choices are made from.
    pub seed: u64,
}

/// Metrics of the validation lists' scores, by name; the first decides, higher is better.
pub type Measure<'a> = &'a (dyn Fn(&[f64]) -> Result<Vec<(String, f64)>> + Sync);

/// What training needs from outside.
pub struct Context<'a> {
    /// Told of each epoch.
    pub observe: &'a (dyn Fn(&EpochRow) + Sync),
    /// Set when the user interrupts.
    pub interrupted: &'a AtomicBool,
    /// Seconds since any fixed moment.
    pub clock: &'a (dyn Fn() -> f64 + Sync),
    /// A file, and after how many epochs it is written again.
    pub checkpoint: Option<(PathBuf, usize)>,
}

/// Weights worth keeping.
#[derive(Debug, Clone)]
pub(super) struct Kept<T> {
    pub parameters: Vec<T>,
    pub running: Vec<Running<T>>,
}

/// What the steps of an epoch change.
struct Before<T> {
    parameters: Vec<T>,
    running: Vec<Running<T>>,
    first: Vec<T>,
    second: Vec<T>,
    steps: u64,
}

/// Where training stands, apart from the numbers of network and optimizer.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct State {
    /// Epochs that are over.
    pub epoch: usize,
    pub best_metric: Option<f64>,
    pub best_epoch: usize,
    pub history: Vec<EpochRow>,
    pub scheduler: Scheduler,
}

/// A network in training.
pub struct Trainer<T: Real> {
    pub(super) settings: Settings,
    pub(super) network: Network<T>,
    pub(super) optimizer: Optimizer<T>,
    pub(super) best: Kept<T>,
    pub(super) state: State,
    passes: Vec<Pass<T>>,
}

impl<T: Real> Trainer<T> {
    /// Before the first epoch.
    #[must_use]
    pub fn new(network: Network<T>, settings: Settings) -> Self {
        let scheduler = Scheduler::new(settings.learning_rate, settings.schedule, settings.warm_up, settings.epochs);
        Self {
            optimizer: Optimizer::new(settings.optimizer, network.parameters().len()),
            best: Kept { parameters: network.parameters().to_vec(), running: network.running.clone() },
            state: State { epoch: 0, best_metric: None, best_epoch: 0, history: Vec::new(), scheduler },
            passes: Vec::new(),
            network,
            settings,
        }
    }

    /// The network with its present weights: after `run`, the best.
    #[must_use]
    pub fn network(&self) -> &Network<T> {
        &self.network
    }

    /// A row for each epoch that is over, those before a resumption included.
    #[must_use]
    pub fn history(&self) -> &[EpochRow] {
        &self.state.history
    }

    /// One step on a batch of lists; the mean of their losses before it.
    pub fn step(&mut self, lists: &Lists<T>, loss: &dyn Loss, batch: &[usize], rate: f64) -> f64 {
        let groups = divided(batch, |list| lists.documents(list).len());
        while self.passes.len() < groups.len() {
            self.passes.push(Pass::new(&self.network));
        }
        let passes = &mut self.passes[..groups.len()];
        for (pass, group) in passes.iter_mut().zip(&groups) {
            pass.lists.clear();
            pass.lists.extend_from_slice(group);
        }
        let running = std::mem::take(&mut self.network.running);
        let n_lists = batch.len();
        let (epoch, step) = (self.state.epoch as u64, self.optimizer.steps);
        let network = &self.network;
        let batch = Batch { network, lists, loss, seed: self.settings.seed, epoch, n_lists, step };
        let running = if running.is_empty() {
            passes.par_iter_mut().enumerate().for_each(|(group, pass)| pass.whole(&batch, group));
            running
        } else {
            with_batch_norm(passes, &batch, running)
        };
        self.network.running = running;
        let loss = passes.iter().map(|pass| pass.loss).sum::<f64>() / n_lists as f64;
        if loss.is_finite() {
            let gradients: Vec<&[T]> = passes.iter().map(|pass| pass.gradient.as_slice()).collect();
            self.optimizer.step(self.network.parameters.as_mut_slice(), &gradients, rate);
            self.network.pack();
        }
        loss
    }

    /// Trains until the epochs or the patience are over; then the network has its best weights.
    ///
    /// # Errors
    /// `Invalid` when there is nothing to learn from; `Failed` when the loss or a score is no finite number (the network then has
    /// its best weights) or a checkpoint cannot be written; `Interrupted`; what `measure` says.
    pub fn run(
        &mut self,
        train: &Lists<T>,
        valid: Option<(&Lists<T>, Measure<'_>)>,
        loss: &dyn Loss,
        context: &Context<'_>,
    ) -> Result<Outcome> {
        if train.is_empty() || train.n_uniform() == train.len() {
            return Err(Error::invalid("no training query has documents of different grades")
                .hint("there is no order to learn; check the labels"));
        }
        while self.state.epoch < self.settings.epochs && !self.out_of_patience() {
            let before = self.before();
            if let Err(error) = self.epoch(train, valid, loss, context) {
                self.undo(&before);
                // What happened is the error to tell, also where the disk is full.
                drop(self.write_last(context));
                self.restore();
                return Err(error);
            }
            self.write_checkpoint(context)?;
        }
        let stop = if self.out_of_patience() { Stop::Patience } else { Stop::Epochs };
        let mut kept = self.state.epoch;
        if valid.is_some() && self.settings.keep == Keep::Best {
            self.restore();
            kept = self.state.best_epoch;
        }
        Ok(Outcome { history: self.state.history.clone(), best_epoch: kept, stop })
    }

    fn out_of_patience(&self) -> bool {
        let waited = self.state.epoch - self.state.best_epoch;
        self.settings.patience.is_some_and(|patience| self.state.best_metric.is_some() && waited >= patience)
    }

    fn restore(&mut self) {
        self.network.set_parameters(&self.best.parameters);
        self.network.running.clone_from(&self.best.running);
    }

    fn before(&self) -> Before<T> {
        Before {
            parameters: self.network.parameters().to_vec(),
            running: self.network.running.clone(),
            first: self.optimizer.first.as_slice().to_vec(),
            second: self.optimizer.second.as_slice().to_vec(),
            steps: self.optimizer.steps,
        }
    }

    /// Back to the end of the epoch before.
    fn undo(&mut self, before: &Before<T>) {
        self.network.set_parameters(&before.parameters);
        self.network.running.clone_from(&before.running);
        self.optimizer.first.as_mut_slice().copy_from_slice(&before.first);
        self.optimizer.second.as_mut_slice().copy_from_slice(&before.second);
        self.optimizer.steps = before.steps;
    }

    /// Keeps the end of the last whole epoch, when training ends within one.
    fn write_last(&self, context: &Context<'_>) -> Result<()> {
        match &context.checkpoint {
            Some((path, _)) if self.state.epoch > 0 => self.save(path),
            _ => Ok(()),
        }
    }

    fn write_checkpoint(&self, context: &Context<'_>) -> Result<()> {
        let interrupted = context.interrupted.load(Ordering::Relaxed);
        if let Some((path, every)) = &context.checkpoint {
            let last = self.state.epoch == self.settings.epochs || self.out_of_patience();
            if interrupted || last || self.state.epoch.is_multiple_of((*every).max(1)) {
                self.save(path)?;
            }
        }
        if interrupted { Err(Error::interrupted()) } else { Ok(()) }
    }

    fn epoch(
        &mut self,
        train: &Lists<T>,
        valid: Option<(&Lists<T>, Measure<'_>)>,
        loss: &dyn Loss,
        context: &Context<'_>,
    ) -> Result<()> {
        let (start, number) = ((context.clock)(), self.state.epoch + 1);
        let rate = self.state.scheduler.rate(self.state.epoch);
        let order = shuffled(train.len(), self.settings.seed, self.state.epoch as u64);
        let mut sum = 0.0;
        let n_batches = order.len().div_ceil(self.settings.batch_lists.max(1));
        for (at, batch) in order.chunks(self.settings.batch_lists.max(1)).enumerate() {
            if context.interrupted.load(Ordering::Relaxed) {
                return Err(Error::interrupted());
            }
            let mean = self.step(train, loss, batch, rate);
            if !mean.is_finite() {
                return Err(self.diverged(&format!("the loss is {mean} in epoch {number}, batch {}", at + 1), context));
            }
            sum += mean * batch.len() as f64;
        }
        let mut metrics = Vec::new();
        if let Some((lists, measure)) = valid {
            let scores = self.network.scorer().score(&lists.features);
            if scores.iter().any(|score| !score.is_finite()) {
                return Err(self.diverged(
                    &format!("a validation score is not a finite number after epoch {number}, batch {n_batches}"),
                    context,
                ));
            }
            metrics = measure(&scores)?;
        }
        let decides = metrics.first().map(|(_, value)| *value);
        let best = match (decides, self.state.best_metric) {
            (Some(value), Some(best)) => value > best,
            _ => true,
        };
        self.state.epoch = number;
        if best {
            self.best = Kept { parameters: self.network.parameters().to_vec(), running: self.network.running.clone() };
            (self.state.best_metric, self.state.best_epoch) = (decides, number);
        }
        if let Some(value) = decides {
            self.state.scheduler.saw(number - 1, value);
        }
        self.state.history.push(EpochRow {
            epoch: number,
            loss: sum / train.len() as f64,
            learning_rate: rate,
            seconds: (context.clock)() - start,
            metrics: metrics.into_iter().collect(),
            best: best && decides.is_some(),
        });
        (context.observe)(&self.state.history[number - 1]);
        Ok(())
    }

    fn diverged(&self, what: &str, context: &Context<'_>) -> Error {
        let remedy = "lower `learning_rate`, set `clip_norm`, or scale the features, and train anew";
        match &context.checkpoint {
            Some((path, _)) if self.state.epoch > 0 => Error::failed(what).hint(format!(
                "{remedy}; the checkpoint of epoch {} is kept: {}",
                self.state.epoch,
                path.display()
            )),
            _ => Error::failed(what).hint(remedy),
        }
    }
}

/// Forward, losses and backward with batch norm: after each linear layer the groups wait for the sums of all.
fn with_batch_norm<T: Real>(
    passes: &mut [Pass<T>],
    batch: &Batch<'_, T>,
    mut running: Vec<Running<T>>,
) -> Vec<Running<T>> {
    let n_layers = running.len();
    let mut spreads = Vec::with_capacity(n_layers);
    passes.par_iter_mut().for_each(|pass| pass.gather(batch));
    for (at, running) in running.iter_mut().enumerate() {
        let moments = |pass: &mut Pass<T>| {
            pass.linear(batch, at);
            pass.moments(at)
        };
        let sums = Moments::join(&passes.par_iter_mut().map(moments).collect::<Vec<_>>());
        let spread = Spread::of(&sums, running);
        passes.par_iter_mut().enumerate().for_each(|(group, pass)| {
            pass.normalise(at, &spread);
            pass.activate(batch, at, group);
        });
        spreads.push(spread);
    }
    passes.par_iter_mut().for_each(|pass| pass.losses(batch));
    for (at, spread) in spreads.iter().enumerate().rev() {
        let moments = |pass: &mut Pass<T>| {
            pass.through_activation(batch, at);
            pass.slope_moments(at)
        };
        let sums = Moments::join(&passes.par_iter_mut().map(moments).collect::<Vec<_>>());
        passes.par_iter_mut().enumerate().for_each(|(group, pass)| {
            pass.through_norm(batch, at, spread, &sums, group == 0);
            pass.through_linear(batch, at);
        });
    }
    running
}
