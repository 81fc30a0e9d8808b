//! A fit of a neural ranker: parameters → lists → training loop → `NeuralRanker`.
//!
//! The network trains on the lists of the training queries; validation queries, where there are some, are scored after each epoch:
//! early stopping, plateaus of the learning rate and the best weights look at their metric. Each epoch is told as a row of the
//! training history. Same data, parameters and seed give the same bytes for any number of threads, and after a resumption.

use std::path::PathBuf;

use super::ranker::{Best, NeuralRanker, Trained};
use crate::catalog::{ParamProblem, Params};
use crate::data::dataset::Dataset;
use crate::error::Result;
use crate::models::early_stopping::{EarlyStopping, Judge, NAME as EARLY_STOPPING};
use crate::models::family::{Epoch, Estimator, Event, FitContext, Model};
use crate::models::nn::activation::Activation;
use crate::models::nn::losses::{Loss, LossKind};
use crate::models::nn::optimizer::{Rule, Settings as OptimizerSettings};
use crate::models::nn::scheduler::Schedule;
use crate::models::nn::{Context, EpochRow, Keep, Lists, Measure, Network, Outcome, Settings, Shape, Stop, Trainer};
use crate::models::relevance::Relevance;

/// Parameters, checked; not yet fitted.
pub struct NeuralEstimator {
    loss: Box<dyn Loss>,
    hidden: Vec<usize>,
    activation: Activation,
    dropout: f64,
    batch_norm: bool,
    settings: Settings,
    stopping: Option<EarlyStopping>,
    checkpoint_every: usize,
}

/// Weights between two layers, at most: 256 MiB, and three times as much while they are trained.
const LARGEST: usize = 1 << 26;

fn problem(name: &str, message: String, hint: &str) -> ParamProblem {
    ParamProblem { name: name.into(), message, hint: Some(hint.into()) }
}

/// How many rows a checkpoint of other rows would have to agree in: a number made from all of them.
fn fingerprint(parts: &[&Relevance<'_>]) -> u64 {
    let mut number = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |word: u64| number = (number ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    for part in parts {
        part.starts.iter().for_each(|start| add(*start as u64));
        part.grades.iter().for_each(|grade| add(u64::from(*grade)));
        part.features.dense_rows().iter().for_each(|value| add(u64::from(value.to_bits())));
    }
    number
}

impl NeuralEstimator {
    /// From checked parameters: those of the network, of the loss and of the training loop.
    ///
    /// # Errors
    /// What the lists alone cannot say: `hidden_dims`, `dropout`, `plateau_factor`, `early_stopping`.
    pub fn new(kind: &str, loss: &dyn LossKind, params: &Params) -> Result<Self, ParamProblem> {
        let written = params.get("hidden_dims");
        let hidden: Vec<usize> = serde_json::from_value(written.clone())
            .ok()
            .filter(|hidden: &Vec<usize>| hidden.iter().all(|width| (1..=65_536).contains(width)))
            .ok_or_else(|| {
                let message = format!("`hidden_dims` expects a list of whole numbers of 1 to 65536, got `{written}`");
                problem("hidden_dims", message, "hidden_dims: [64, 32]")
            })?;
        let mut layers = hidden.iter().zip(hidden.iter().skip(1));
        if let Some((left, right)) = layers.find(|(left, right)| **left * **right > LARGEST) {
            let message = format!("layers of {left} and {right} have more than {LARGEST} weights between them");
            return Err(problem("hidden_dims", message, "hidden_dims: [256, 128, 64]"));
        }
        let dropout = params.f64("dropout");
        if !(0.0..1.0).contains(&dropout) {
            let message = format!("`dropout` expects a number of 0 to below 1, got `{}`", params.get("dropout"));
            return Err(problem("dropout", message, "0 drops nothing"));
        }
        let factor = params.f64("plateau_factor");
        if factor > 1.0 {
            let message = format!("`plateau_factor` expects a number above 0 and at most 1, got `{factor}`");
            return Err(problem("plateau_factor", message, "0.5 halves the learning rate"));
        }
        let (rate, least) = (params.f64("learning_rate"), params.f64("min_learning_rate"));
        if least > rate {
            let message = format!("`min_learning_rate` {least} is above `learning_rate` {rate}");
            return Err(problem("min_learning_rate", message, "schedulers lower the rate down to it"));
        }
        let stopping = EarlyStopping::parse(params.get(EARLY_STOPPING))?;
        // What a checkpoint does not depend on; all else must be as it was.
        let free = ["epochs", "checkpoint_every"];
        let fixed: std::collections::BTreeMap<_, _> = params.iter().filter(|(name, _)| !free.contains(name)).collect();
        Ok(Self {
            loss: loss.configure(params)?,
            hidden,
            activation: if params.str("activation") == "gelu" { Activation::Gelu } else { Activation::Relu },
            dropout,
            batch_norm: params.bool("batch_norm"),
            settings: Settings {
                epochs: params.usize("epochs"),
                batch_lists: params.usize("batch_size"),
                optimizer: optimizer(params),
                learning_rate: params.f64("learning_rate"),
                schedule: schedule(params),
                warm_up: params.usize("warmup_epochs"),
                patience: stopping.and_then(|stopping| stopping.patience),
                keep: if stopping.is_some() { Keep::Best } else { Keep::Last },
                identity: serde_json::to_string(&(kind, fixed)).unwrap_or_default(),
                rows: 0,
                seed: 0,
            },
            stopping,
            checkpoint_every: params.usize("checkpoint_every"),
        })
    }

    fn trainer(
        &self,
        rows: &Relevance<'_>,
        judge: Option<&Judge<'_>>,
        context: &FitContext<'_>,
    ) -> Result<Trainer<f32>> {
        let shape = Shape {
            n_features: rows.features.n_features(),
            hidden: self.hidden.clone(),
            activation: self.activation,
            dropout: self.dropout,
            batch_norm: self.batch_norm,
        };
        let network = Network::new(&shape, context.seed);
        let mut settings = Settings { seed: context.seed, ..self.settings.clone() };
        let Some(path) = context.checkpoint else { return Ok(Trainer::new(network, settings)) };
        settings.rows = match judge {
            Some(judge) => fingerprint(&[rows, &judge.rows]),
            None => fingerprint(&[rows]),
        };
        if context.resume && path.exists() {
            return Trainer::resume(path, network, settings);
        }
        if context.resume {
            context.tell(&Event::Warning("there is no checkpoint to go on from: training begins anew"));
        }
        Ok(Trainer::new(network, settings))
    }

    fn fit_network(&self, train: &Dataset, context: &FitContext<'_>) -> Result<NeuralRanker> {
        context.check()?;
        let rows = Relevance::of(train, "training")?;
        rows.check_order(context)?;
        let all = format!("{} epochs", self.settings.epochs);
        let judge = Judge::new(&rows, self.stopping.as_ref(), context, &all)?;
        if judge.is_none() && matches!(self.settings.schedule, Schedule::Plateau { .. }) {
            context.tell(&Event::Warning("`scheduler: plateau` has no validation metric to look at: the rate stays"));
        }
        let mut trainer = self.trainer(&rows, judge.as_ref(), context)?;
        for row in trainer.history() {
            self.tell(row, "", context);
        }
        let lists = lists_of(&rows)?;
        let valid = judge.as_ref().map(|judge| lists_of(&judge.rows)).transpose()?;
        let measure = |scores: &[f64]| judge.as_ref().map_or_else(|| Ok(Vec::new()), |judge| judge.measure(scores));
        let pair: Option<(&Lists<f32>, Measure<'_>)> = valid.as_ref().map(|valid| (valid, &measure as _));
        let outside = Context {
            observe: &|row| self.tell(row, &row.line(self.settings.epochs), context),
            interrupted: context.interrupted,
            clock: context.clock,
            checkpoint: context.checkpoint.map(|path| (PathBuf::from(path), self.checkpoint_every)),
        };
        let outcome = trainer.run(&lists, pair, &*self.loss, &outside)?;
        let trained = self.trained(&outcome, judge.as_ref());
        Ok(NeuralRanker::new(trainer.network().clone(), trained))
    }

    fn trained(&self, outcome: &Outcome, judge: Option<&Judge<'_>>) -> Trained {
        let best = judge.filter(|_| self.stopping.is_some()).and_then(|judge| {
            let (metric, epoch) = (judge.decides(), outcome.best_epoch);
            let score = *outcome.history.get(epoch.checked_sub(1)?)?.metrics.get(&metric)?;
            Some(Best { epoch, metric, score })
        });
        Trained { epochs: outcome.history.len(), stopped_early: outcome.stop == Stop::Patience, best }
    }

    fn tell(&self, row: &EpochRow, line: &str, context: &FitContext<'_>) {
        let (epoch, epochs, values) = (row.epoch, self.settings.epochs, row.values());
        context.tell(&Event::Epoch(&Epoch { epoch, epochs, line, values: &values, best: row.best }));
    }
}

fn optimizer(params: &Params) -> OptimizerSettings {
    let rule = match params.str("optimizer") {
        "sgd" => Rule::Sgd { momentum: params.f64("momentum") },
        "adamw" => Rule::ADAM_W,
        _ => Rule::ADAM,
    };
    let clip = params.get("clip_norm").as_f64();
    OptimizerSettings { rule, weight_decay: params.f64("weight_decay"), clip }
}

fn schedule(params: &Params) -> Schedule {
    let least = params.f64("min_learning_rate");
    match params.str("scheduler") {
        "cosine" => Schedule::Cosine { least },
        "plateau" => Schedule::Plateau {
            factor: params.f64("plateau_factor"),
            patience: params.usize("plateau_patience"),
            least,
        },
        _ => Schedule::Constant,
    }
}

fn lists_of(rows: &Relevance<'_>) -> Result<Lists<f32>> {
    Lists::new(&rows.features.dense_rows(), rows.features.n_features(), rows.grades, rows.starts)
}

impl Estimator for NeuralEstimator {
    fn fit(&self, train: &Dataset, context: &FitContext<'_>) -> Result<Box<dyn Model>> {
        Ok(Box::new(self.fit_network(train, context)?))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};

    use serde_json::{Value, json};

    use super::*;
    use crate::models::FAMILIES;
    use crate::models::family::Family;
    use crate::models::neural_ranker::{LAMBDA_RANK, LIST_MLE, POINTWISE_MSE};
    use crate::models::ranked_samples::{fit, ndcg, params, problem, queries};

    #[test]
    fn every_loss_learns_and_keeps_its_best_epoch() {
        let kinds = FAMILIES.iter().filter(|family| family.training().len() > 10);
        let mut seen = 0;
        for family in kinds {
            let rows = Mutex::new(Vec::new());
            let observe = |event: &Event<'_>| {
                if let Event::Epoch(row) = event {
                    rows.lock().unwrap().push((row.line.to_owned(), row.values.to_vec(), row.best));
                }
            };
            let model = fit(*family, json!({"epochs": 12, "learning_rate": 0.01}), &observe).unwrap();
            assert!(ndcg(&*model) > 0.9, "{}: {}", family.name(), ndcg(&*model));
            let rows = rows.into_inner().unwrap();
            let facts: std::collections::BTreeMap<_, _> = model.facts().into_iter().collect();
            assert_eq!((rows.len(), facts["n_parameters"]), (12, (3.0 + 1.0) * 64.0 + 65.0 * 32.0 + 33.0));
            let (line, values, best) = &rows[facts["best_epoch"] as usize - 1];
            assert!(*best && line.starts_with("Epoch ") && line.ends_with(" ★"), "{line}");
            assert_eq!((values[1].0.as_str(), values[1].1), ("val_ndcg@10", facts["best_score"]));
            let names: Vec<&str> = values.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["loss", "val_ndcg@10", "learning_rate", "seconds"]);
            seen += 1;
        }
        assert_eq!(seen, 8);
    }

    #[test]
    fn everything_else_can_be_asked_for() {
        let given = json!({"activation": "gelu", "dropout": 0.1, "batch_norm": true, "optimizer": "adamw",
            "scheduler": "plateau", "warmup_epochs": 2, "clip_norm": 1.0, "epochs": 30, "hidden_dims": [16],
            "learning_rate": 0.01, "weight_decay": 0.01, "early_stopping": {"metric": "map", "patience": 4}});
        let model = fit(&LIST_MLE, given, &|event| {
            if let Event::Epoch(row) = event {
                // NDCG@10 beside the metric that decides.
                assert!(row.values[1].0 == "val_map" && row.values[2].0 == "val_ndcg@10", "{}", row.line);
            }
        });
        let model = model.unwrap();
        assert!(ndcg(&*model) > 0.8 && model.facts()[0] == ("n_parameters", (3.0 * 16.0) + (3.0 * 16.0) + 17.0));
        assert_eq!(model.facts().last().unwrap().0, "stopped_early");
    }

    #[test]
    fn without_early_stopping_the_last_epoch_counts() {
        let run = |stopping: Value| {
            let given = json!({"epochs": 40, "learning_rate": 0.05, "early_stopping": stopping});
            fit(&LAMBDA_RANK, given, &|_| ()).unwrap()
        };
        let (off, best, early) = (run(json!(null)), run(json!({"patience": null})), run(json!({"patience": 2})));
        assert_eq!(off.facts().iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["n_parameters", "epochs"]);
        assert_eq!((off.facts()[1].1, best.facts()[1].1), (40.0, 40.0));
        assert!(early.facts()[1].1 < 40.0 && early.facts()[4] == ("stopped_early", 1.0));
        assert!(best.facts()[3].1 >= early.facts()[3].1);
    }

    #[test]
    fn wrong_parameters_are_named() {
        for (given, name, message) in [
            (json!({"dropout": 1.0}), "dropout", "`dropout` expects a number of 0 to below 1, got `1.0`"),
            (json!({"dropout": "x"}), "dropout", "`dropout` expects a number of 0 to below 1, got `\"x\"`"),
            (
                json!({"hidden_dims": [0]}),
                "hidden_dims",
                "`hidden_dims` expects a list of whole numbers of 1 to 65536, got `[0]`",
            ),
            (
                json!({"plateau_factor": 2}),
                "plateau_factor",
                "`plateau_factor` expects a number above 0 and at most 1, got `2`",
            ),
            (
                json!({"early_stopping": {"metric": "ndgc"}}),
                "early_stopping",
                "`early_stopping.metric`: unknown ranking metric `ndgc`",
            ),
        ] {
            let problem = problem(&LAMBDA_RANK, given);
            assert_eq!((problem.name.as_str(), problem.message.as_str()), (name, message));
        }
    }

    /// Fits with a checkpoint; interrupted after `stop` epochs.
    fn with_checkpoint(
        path: &Path,
        given: Value,
        resume: bool,
        stop: usize,
    ) -> (Option<Vec<u8>>, Vec<(usize, bool)>, String) {
        let (train, valid) = (queries(0, 80), queries(200, 30));
        let (interrupted, rows) = (AtomicBool::new(false), Mutex::new(Vec::new()));
        let observe = |event: &Event<'_>| {
            if let Event::Epoch(row) = event {
                rows.lock().unwrap().push((row.epoch, row.line.is_empty()));
                interrupted.store(row.epoch == stop, Ordering::Relaxed);
            }
        };
        // A clock that never stands still: it must not be in the model.
        let ticks = std::sync::atomic::AtomicU64::new(stop as u64);
        let clock = || ticks.fetch_add(1, Ordering::Relaxed) as f64;
        let context = FitContext {
            checkpoint: Some(path),
            resume,
            clock: &clock,
            ..FitContext::new(1, &observe, &interrupted).valid(Some(&valid))
        };
        let fitted = LAMBDA_RANK.configure(&params(&LAMBDA_RANK, given)).ok().unwrap().fit(&train, &context);
        let message = fitted.as_ref().err().map(|error| error.message.clone()).unwrap_or_default();
        let bytes = fitted.ok().map(|model| {
            let folder = tempfile::tempdir().unwrap();
            model.save(folder.path()).unwrap();
            let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
            [read("network.safetensors"), read("ranker.json")].concat()
        });
        (bytes, rows.into_inner().unwrap(), message)
    }

    #[test]
    fn a_resumed_fit_gives_the_bytes_of_a_whole_one_and_tells_all_epochs() {
        let folder = tempfile::tempdir().unwrap();
        let given =
            || json!({"epochs": 9, "dropout": 0.2, "batch_norm": true, "scheduler": "plateau", "learning_rate": 0.01});
        let (whole, rows, _) = with_checkpoint(&folder.path().join("whole"), given(), false, 99);
        assert_eq!(rows.len(), 9);
        let path = folder.path().join("checkpoint");
        let (nothing, rows, message) = with_checkpoint(&path, given(), false, 4);
        assert!(nothing.is_none() && rows.len() == 4, "{message}");
        let (resumed, rows, _) = with_checkpoint(&path, given(), true, 99);
        assert_eq!(rows, (1..=9).map(|epoch| (epoch, epoch <= 4)).collect::<Vec<_>>());
        assert!(resumed.is_some() && resumed == whole);
        // Finished: it comes back as it is.
        assert_eq!(with_checkpoint(&path, given(), true, 99).0, whole);
        let mut other = given();
        other["sigma"] = json!(2.0);
        assert!(with_checkpoint(&path, other, true, 99).2.ends_with("is of other settings"));
    }

    #[test]
    fn a_loss_that_is_no_number_leaves_the_last_good_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        let (train, never) = (queries(0, 80), AtomicBool::new(false));
        let context = FitContext { checkpoint: Some(&path), ..FitContext::new(1, &|_| (), &never) };
        let given = json!({"epochs": 50, "learning_rate": 1e6, "optimizer": "sgd", "hidden_dims": [],
            "warmup_epochs": 50, "early_stopping": null});
        let estimator = POINTWISE_MSE.configure(&params(&POINTWISE_MSE, given)).ok().unwrap();
        let error = estimator.fit(&train, &context).err().unwrap();
        assert!(error.message.starts_with("the loss is ") && error.message.contains(" in epoch "), "{}", error.message);
        assert!(error.hint.unwrap().starts_with("lower `learning_rate`"));
    }

    #[test]
    fn what_is_missing_is_told() {
        let told = |valid: Option<&Dataset>, given: Value| {
            let (train, never, warnings) = (queries(0, 20), AtomicBool::new(false), Mutex::new(Vec::new()));
            let observe = |event: &Event<'_>| {
                if let Event::Warning(text) = event {
                    warnings.lock().unwrap().push((*text).to_owned());
                }
            };
            let context = FitContext::new(1, &observe, &never).valid(valid);
            let estimator = LAMBDA_RANK.configure(&params(&LAMBDA_RANK, given)).ok().unwrap();
            let fitted = estimator.fit(&train, &context).map(|model| model.facts()[1].1);
            (fitted.map_err(|error| error.message), warnings.into_inner().unwrap())
        };
        let (epochs, warnings) = told(None, json!({"epochs": 3}));
        assert_eq!(epochs, Ok(3.0));
        assert_eq!(warnings, ["there are no validation rows: early stopping is off, all 3 epochs run"]);
        assert_eq!(told(None, json!({"epochs": 1, "early_stopping": null})).1, [""; 0]);
        let plateau = told(None, json!({"epochs": 1, "early_stopping": null, "scheduler": "plateau"})).1;
        assert!(plateau[0].starts_with("`scheduler: plateau` has no validation metric"));
        let mut valid = queries(100, 5);
        if let crate::data::dataset::Targets::Relevance { grades, .. } = &mut valid.targets {
            grades.fill(0);
        }
        let warnings = told(Some(&valid), json!({"epochs": 1})).1;
        assert_eq!(warnings, ["no validation query has a relevant document: early stopping is off, all 1 epochs run"]);
        valid.features = crate::data::dataset::Features::Dense(ndarray::Array2::zeros((30, 2)));
        assert_eq!(told(Some(&valid), json!({})).0.unwrap_err(), "expected 3 features in the validation rows, got 2");
    }
}
