//! `neural_ranker`: a multilayer perceptron that scores documents, trained by a ranking loss (`nn/losses`).
//!
//! Features are scaled (fitted on the training rows, saved with the model), the network trains on lists with early stopping on a
//! metric of the validation queries (NDCG@10; without validation queries all epochs run), the best weights stay. The highest grade
//! of the training labels is kept for ERR. Same data, parameters and seed give the same bytes for any number of threads.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use serde_json::Value;

use super::nn::activation::Activation;
use super::nn::losses::{LOSSES, Loss};
use super::nn::matrix::Matrix;
use super::nn::optimizer::{Rule, Settings as OptimizerSettings};
use super::nn::scheduler::Schedule;
use super::nn::{Context, EpochRow, Lists, Network, Outcome, Settings, Shape, Trainer};
use crate::catalog::{Param, ParamKind, ParamProblem, Params, find};
use crate::data::dataset::Features;
use crate::error::{Context as _, Error, Result};
use crate::features::ranking_scale::{Method, RankingScale};
use crate::fs::write_atomic;
use crate::metrics::ranking::{Convention, Draws, Queries, Wanted, evaluate};
use crate::tensors::Tensors;

const WEIGHTS: &str = "network.safetensors";
const HEAD: &str = "ranker.json";

/// Documents of several queries, as a source gives them.
#[derive(Debug, Clone, Copy)]
pub struct RankingRows<'a> {
    /// Features, row-major `n × n_features`.
    pub features: &'a [f32],
    /// Width of a row.
    pub n_features: usize,
    /// Grade of each row.
    pub grades: &'a [u8],
    /// Query `i` holds the rows `starts[i]..starts[i + 1]`.
    pub starts: &'a [usize],
}

/// The rows of a feature matrix, row-major without gaps, as `RankingRows` takes them; sparse rows are filled up with zeros.
#[must_use]
pub fn dense_rows(features: &Features) -> Cow<'_, [f32]> {
    match features {
        Features::Dense(matrix) => matrix.as_slice().map_or_else(|| matrix.iter().copied().collect(), Cow::Borrowed),
        Features::Sparse(matrix) => {
            let mut rows = vec![0.0; matrix.n_rows() * matrix.n_cols];
            for (row, target) in rows.chunks_exact_mut(matrix.n_cols.max(1)).enumerate() {
                let (columns, values) = matrix.row(row);
                columns.iter().zip(values).for_each(|(column, value)| target[*column as usize] = *value);
            }
            Cow::Owned(rows)
        }
    }
}

const fn float(name: &'static str, min: f64, inclusive: bool, default: &'static str, about: &'static str) -> Param {
    Param { name, kind: ParamKind::Float { min, inclusive }, default, about }
}

const fn integer(name: &'static str, min: i64, default: &'static str, about: &'static str) -> Param {
    Param { name, kind: ParamKind::Integer { min }, default, about }
}

const fn choice(
    name: &'static str,
    words: &'static [&'static str],
    default: &'static str,
    about: &'static str,
) -> Param {
    Param { name, kind: ParamKind::Choice(words), default, about }
}

/// The parameters with their defaults.
pub const PARAMS: &[Param] = &[
    choice(
        "loss",
        &["ranknet", "lambdarank", "lambdaloss", "listnet", "listmle", "approxndcg", "neuralndcg", "mse"],
        "\"lambdarank\"",
        "what is minimised",
    ),
    Param {
        name: "loss_params",
        kind: ParamKind::Custom("parameters of the loss, by name", r#"{"type": "object"}"#),
        default: "{}",
        about: "parameters of the loss, such as {sigma: 1.0}",
    },
    Param {
        name: "hidden_dims",
        kind: ParamKind::Custom(
            "a list of whole numbers",
            r#"{"type": "array", "items": {"type": "integer", "minimum": 1}}"#,
        ),
        default: "[64, 32]",
        about: "width of each hidden layer; [] for a linear model",
    },
    choice("activation", &["relu", "gelu"], "\"relu\"", "the function after each hidden layer"),
    float("dropout", 0.0, true, "0.0", "share of hidden outputs that are dropped in training, below 1"),
    Param {
        name: "batch_norm",
        kind: ParamKind::Bool,
        default: "false",
        about: "whether hidden layers are normalised over the documents of a batch",
    },
    choice(
        "scaling",
        &["none", "standard", "min_max", "log1p", "per_query"],
        "\"standard\"",
        "how features are scaled",
    ),
    Param {
        name: "clip",
        kind: ParamKind::Float { min: 0.0, inclusive: false },
        default: "null",
        about: "with standard scaling, the largest size of a value; null: not cut",
    },
    integer("epochs", 1, "100", "epochs at most"),
    integer("batch_queries", 1, "16", "queries of a step"),
    choice("optimizer", &["adam", "adamw", "sgd"], "\"adam\"", "how a gradient moves the weights"),
    float("learning_rate", 0.0, false, "0.001", "the step size"),
    float("momentum", 0.0, true, "0.0", "of sgd"),
    float("weight_decay", 0.0, true, "0.0", "pull of all weights towards 0"),
    Param {
        name: "clip_norm",
        kind: ParamKind::Float { min: 0.0, inclusive: false },
        default: "null",
        about: "the largest norm of a gradient; null: no limit",
    },
    choice("schedule", &["constant", "cosine", "plateau"], "\"constant\"", "how the learning rate changes"),
    integer("warm_up_epochs", 0, "0", "epochs over which the learning rate rises to its full size"),
    float("plateau_factor", 0.0, false, "0.5", "what a plateau makes of the learning rate"),
    integer("plateau_patience", 0, "5", "epochs without a better metric that make a plateau"),
    float("min_learning_rate", 0.0, true, "0.0", "where cosine and plateau end"),
    Param {
        name: "patience",
        kind: ParamKind::Integer { min: 1 },
        default: "10",
        about: "epochs without a better metric after which training ends; null: never",
    },
    Param { name: "early_stopping", kind: ParamKind::Text, default: "\"ndcg@10\"", about: "the metric that decides" },
];

/// Parameters, checked; not yet fitted.
pub struct NeuralRankerEstimator {
    loss: Box<dyn Loss>,
    hidden: Vec<usize>,
    activation: Activation,
    dropout: f64,
    batch_norm: bool,
    scaling: Method,
    settings: Settings,
    decides: Wanted,
}

/// A fitted ranker.
#[derive(Debug)]
pub struct NeuralRanker {
    scale: RankingScale,
    network: Network<f32>,
    /// The highest grade of the training labels: what ERR reckons with.
    pub highest_grade: u8,
    /// How training went.
    pub outcome: Outcome,
}

/// What a fit needs from outside.
pub struct FitContext<'a> {
    /// The experiment's seed.
    pub seed: u64,
    /// Told of each epoch.
    pub observe: &'a (dyn Fn(&EpochRow) + Sync),
    /// Set when the user interrupts.
    pub interrupted: &'a AtomicBool,
    /// Seconds since any fixed moment.
    pub clock: &'a (dyn Fn() -> f64 + Sync),
    /// Where the checkpoint goes, and after how many epochs it is written again.
    pub checkpoint: Option<(PathBuf, usize)>,
    /// Whether training goes on from that file where there is one.
    pub resume: bool,
}

/// Makes an estimator from checked parameters.
///
/// # Errors
/// What the list alone cannot say: the loss's own parameters, `hidden_dims`, `dropout`, `early_stopping`.
pub fn configure(params: &Params) -> Result<NeuralRankerEstimator, ParamProblem> {
    let problem = |name: &str, message: String| ParamProblem { name: name.into(), message, hint: None };
    let hidden: Vec<usize> = serde_json::from_value(params.get("hidden_dims").clone())
        .ok()
        .filter(|hidden: &Vec<usize>| hidden.iter().all(|width| (1..=65_536).contains(width)))
        .ok_or_else(|| problem("hidden_dims", "`hidden_dims` expects a list of whole numbers of 1 to 65536".into()))?;
    let dropout = params.f64("dropout");
    if dropout >= 1.0 {
        return Err(problem("dropout", format!("`dropout` expects a number of 0 to below 1, got `{dropout}`")));
    }
    let decides = Wanted::parse(params.str("early_stopping")).map_err(|error| ParamProblem {
        name: "early_stopping".into(),
        message: error.message,
        hint: error.hint,
    })?;
    let (beta1, beta2, epsilon) = (0.9, 0.999, 1e-8);
    let rule = match params.str("optimizer") {
        "sgd" => Rule::Sgd { momentum: params.f64("momentum") },
        "adamw" => Rule::AdamW { beta1, beta2, epsilon },
        _ => Rule::Adam { beta1, beta2, epsilon },
    };
    let least = params.f64("min_learning_rate");
    let schedule = match params.str("schedule") {
        "cosine" => Schedule::Cosine { least },
        "plateau" => Schedule::Plateau {
            factor: params.f64("plateau_factor"),
            patience: params.usize("plateau_patience"),
            least,
        },
        _ => Schedule::Constant,
    };
    let optional = |name: &str| params.get(name).as_f64();
    Ok(NeuralRankerEstimator {
        loss: configure_loss(params)?,
        hidden,
        activation: if params.str("activation") == "gelu" { Activation::Gelu } else { Activation::Relu },
        dropout,
        batch_norm: params.bool("batch_norm"),
        scaling: match params.str("scaling") {
            "none" => Method::None,
            "min_max" => Method::MinMax,
            "log1p" => Method::Log1p,
            "per_query" => Method::PerQuery,
            _ => Method::Standard { clip: optional("clip") },
        },
        settings: Settings {
            epochs: params.usize("epochs"),
            batch_lists: params.usize("batch_queries"),
            optimizer: OptimizerSettings {
                rule,
                weight_decay: params.f64("weight_decay"),
                clip: optional("clip_norm"),
            },
            learning_rate: params.f64("learning_rate"),
            schedule,
            warm_up: params.usize("warm_up_epochs"),
            patience: params.usize_opt("patience"),
            seed: 0,
        },
        decides,
    })
}

fn configure_loss(params: &Params) -> Result<Box<dyn Loss>, ParamProblem> {
    let problem = |message: String, hint: Option<String>| ParamProblem { name: "loss_params".into(), message, hint };
    let kind = find("loss", LOSSES, params.str("loss")).map_err(|error| problem(error.message, error.hint))?;
    let Value::Object(given) = params.get("loss_params") else {
        return Err(problem("`loss_params` expects parameters by name".into(), None));
    };
    let given = given.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let checked = Params::checked(kind.params(), &given).map_err(|problems| {
        let first = problems.into_iter().next().expect("there is a problem");
        problem(format!("loss `{}`: {}", kind.name(), first.message), first.hint)
    })?;
    kind.configure(&checked)
}

impl NeuralRankerEstimator {
    /// Fits on the training queries; early stopping looks at the validation queries, where there are some.
    ///
    /// # Errors
    /// `Invalid` for data that cannot be learned from or a validation part of another width; `Failed` when the loss is no finite
    /// number or the disk refuses; `Interrupted`.
    pub fn fit(
        &self,
        train: RankingRows<'_>,
        valid: Option<RankingRows<'_>>,
        context: &FitContext<'_>,
    ) -> Result<NeuralRanker> {
        let scale = RankingScale::fit(self.scaling, train.features, train.n_features);
        let lists = scaled(&scale, train)?;
        let valid_lists = valid.map(|valid| scaled(&scale, valid)).transpose()?;
        let highest_grade = train.grades.iter().copied().max().unwrap_or(0);
        let shape = Shape {
            n_features: train.n_features,
            hidden: self.hidden.clone(),
            activation: self.activation,
            dropout: self.dropout,
            batch_norm: self.batch_norm,
        };
        let settings = Settings { seed: context.seed, ..self.settings.clone() };
        let network = Network::new(&shape, context.seed);
        let mut trainer = match &context.checkpoint {
            Some((path, _)) if context.resume && path.exists() => Trainer::resume(path, network, settings)?,
            _ => Trainer::new(network, settings),
        };
        let convention = Convention::new(highest_grade);
        let measure = |scores: &[f64]| {
            let Some(valid) = &valid_lists else { return Ok(Vec::new()) };
            let queries = Queries { scores, grades: &valid.grades, starts: &valid.starts };
            let draws = Draws { replicates: 0, seed: 0, level: 0.95 };
            let estimates = evaluate(&queries, &[self.decides], &convention, draws)?;
            Ok(estimates.into_iter().map(|one| (one.name, one.value.unwrap_or(0.0))).collect())
        };
        let outside = Context {
            observe: context.observe,
            interrupted: context.interrupted,
            clock: context.clock,
            checkpoint: context.checkpoint.clone(),
        };
        let pair: Option<(&Lists<f32>, super::nn::Measure<'_>)> =
            valid_lists.as_ref().map(|valid| (valid, &measure as _));
        let outcome = trainer.run(&lists, pair, &*self.loss, &outside)?;
        Ok(NeuralRanker { scale, network: trainer.network().clone(), highest_grade, outcome })
    }
}

fn scaled(scale: &RankingScale, rows: RankingRows<'_>) -> Result<Lists<f32>> {
    let mut features = rows.features.to_vec();
    scale.apply(&mut features, rows.n_features, rows.starts)?;
    Lists::new(&features, rows.n_features, rows.grades, rows.starts)
}

/// The part of a saved model that is no array.
#[derive(serde::Serialize, serde::Deserialize)]
struct Head {
    format_version: u32,
    shape: Shape,
    scale: RankingScale,
    highest_grade: u8,
    outcome: Outcome,
}

impl NeuralRanker {
    /// The score of each row; higher is better, comparable within a query. `starts` matters to `per_query` scaling alone.
    ///
    /// # Errors
    /// `Invalid` when rows are not as wide as in training, or a feature is NaN or infinite.
    pub fn score(&self, features: &[f32], n_features: usize, starts: &[usize]) -> Result<Vec<f64>> {
        let mut features = features.to_vec();
        self.scale.apply(&mut features, n_features, starts)?;
        if let Some(at) = features.iter().position(|value| !value.is_finite()) {
            let (row, column) = (at / n_features + 1, at % n_features + 1);
            return Err(Error::invalid(format!("feature {column} of document {row} is NaN or infinite")));
        }
        Ok(self.network.scorer().score(&Matrix::of_rows(&features, n_features)))
    }

    /// Number of parameters of the network.
    #[must_use]
    pub fn n_parameters(&self) -> usize {
        self.network.n_parameters()
    }

    /// Writes the model's files into an existing folder.
    ///
    /// # Errors
    /// `Failed` when the disk refuses.
    pub fn save(&self, folder: &Path) -> Result<()> {
        let mut tensors = Tensors::new();
        for (name, shape, values) in self.network.named() {
            tensors = tensors.f32(&name, &shape, values);
        }
        tensors.save(&folder.join(WEIGHTS))?;
        let head = Head {
            format_version: 1,
            shape: self.network.shape.clone(),
            scale: self.scale.clone(),
            highest_grade: self.highest_grade,
            outcome: self.outcome.clone(),
        };
        let text = serde_json::to_vec_pretty(&head).context(|| format!("cannot write `{HEAD}`"))?;
        write_atomic(&folder.join(HEAD), &text)
    }

    /// Reads what `save` wrote.
    ///
    /// # Errors
    /// `Failed` when a file is missing or damaged.
    pub fn load(folder: &Path) -> Result<Self> {
        let path = folder.join(HEAD);
        let text = std::fs::read(&path).context(|| format!("cannot read `{}`", path.display()))?;
        let head: Head = serde_json::from_slice(&text).context(|| format!("`{}` is damaged", path.display()))?;
        let mut tensors = Tensors::load(&folder.join(WEIGHTS))?;
        let mut network = Network::zeros(&head.shape);
        if !network.set_named(|name| tensors.take_f32(name).ok().map(|(_, values)| values)) {
            return Err(Error::failed(format!("`{}` does not fit `{HEAD}`", folder.join(WEIGHTS).display())));
        }
        Ok(Self { scale: head.scale, network, highest_grade: head.highest_grade, outcome: head.outcome })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::data::dataset::Csr;

    fn params(given: Value) -> Params {
        let given: BTreeMap<String, Value> = serde_json::from_value(given).unwrap();
        Params::checked(PARAMS, &given).unwrap()
    }

    /// Queries of 6 documents, whose grade is in the first feature among noise.
    fn rows(n_queries: usize, features: &mut Vec<f32>) -> (Vec<u8>, Vec<usize>) {
        let n = n_queries * 6;
        let grades: Vec<u8> = (0..n).map(|row| (row * 7 % 13 % 3) as u8).collect();
        for (row, grade) in grades.iter().enumerate() {
            let noise = |at: f32| (row as f32 * at).sin();
            features.extend([f32::from(*grade) + 0.6 * noise(1.7), noise(2.3), 100.0 + noise(0.9)]);
        }
        (grades, (0..=n_queries).map(|query| query * 6).collect())
    }

    fn fit(given: Value, observe: &(dyn Fn(&EpochRow) + Sync)) -> (NeuralRanker, f64) {
        let (mut train, mut valid) = (Vec::new(), Vec::new());
        let ((grades, starts), (valid_grades, valid_starts)) = (rows(80, &mut train), rows(30, &mut valid));
        let estimator = configure(&params(given)).unwrap();
        let never = AtomicBool::new(false);
        let context =
            FitContext { seed: 1, observe, interrupted: &never, clock: &|| 0.0, checkpoint: None, resume: false };
        let train = RankingRows { features: &train, n_features: 3, grades: &grades, starts: &starts };
        let rows = RankingRows { features: &valid, n_features: 3, grades: &valid_grades, starts: &valid_starts };
        let ranker = estimator.fit(train, Some(rows), &context).unwrap();
        let scores = ranker.score(&valid, 3, &valid_starts).unwrap();
        let queries = Queries { scores: &scores, grades: &valid_grades, starts: &valid_starts };
        let draws = Draws { replicates: 0, seed: 0, level: 0.95 };
        let wanted = [Wanted::parse("ndcg@10").unwrap()];
        let value = evaluate(&queries, &wanted, &Convention::new(2), draws).unwrap()[0].value.unwrap();
        (ranker, value)
    }

    #[test]
    fn every_loss_learns_and_a_saved_ranker_is_the_same() {
        let folder = tempfile::tempdir().unwrap();
        for kind in LOSSES {
            let (ranker, value) = fit(json!({"loss": kind.name(), "epochs": 15, "learning_rate": 0.01}), &|_| ());
            assert!(value > 0.93, "{}: {value}", kind.name());
            let best = &ranker.outcome.history[ranker.outcome.best_epoch - 1];
            assert_eq!(best.metrics["ndcg@10"], value, "the best weights are kept");
            ranker.save(folder.path()).unwrap();
            let loaded = NeuralRanker::load(folder.path()).unwrap();
            let mut features = Vec::new();
            let (_, starts) = rows(10, &mut features);
            assert_eq!(loaded.score(&features, 3, &starts).unwrap(), ranker.score(&features, 3, &starts).unwrap());
            assert_eq!((loaded.outcome, loaded.highest_grade), (ranker.outcome, 2));
        }
        std::fs::write(folder.path().join(WEIGHTS), "no").unwrap();
        assert!(NeuralRanker::load(folder.path()).is_err());
    }

    #[test]
    fn everything_else_can_be_asked_for() {
        let given = json!({"loss": "listmle", "activation": "gelu", "dropout": 0.1, "batch_norm": true, "optimizer": "adamw",
            "schedule": "plateau", "warm_up_epochs": 2, "clip_norm": 1.0, "scaling": "per_query", "epochs": 30, "patience": 4,
            "hidden_dims": [16], "learning_rate": 0.01, "weight_decay": 0.01, "early_stopping": "map"});
        let (ranker, value) = fit(given, &|row| assert!(row.metrics.contains_key("map")));
        assert!(value > 0.8 && ranker.n_parameters() == 3 * 16 + 3 * 16 + 17, "{value}");
        let mut features = Vec::new();
        let (_, starts) = rows(1, &mut features);
        assert_eq!(ranker.score(&features, 2, &starts).unwrap_err().message, "expected 3 features, got 2");
    }

    #[test]
    fn sparse_rows_are_filled_up() {
        let sparse = Csr { n_cols: 3, indptr: vec![0, 1, 1, 3], indices: vec![1, 0, 2], values: vec![5.0, 6.0, 7.0] };
        let rows = [0.0, 5.0, 0.0, 0.0, 0.0, 0.0, 6.0, 0.0, 7.0];
        assert_eq!(*dense_rows(&Features::Sparse(sparse)), rows);
        let dense = Features::Dense(ndarray::Array2::from_shape_vec((3, 3), rows.to_vec()).unwrap());
        assert!(matches!(dense_rows(&dense), Cow::Borrowed(values) if *values == rows));
    }

    #[test]
    fn wrong_parameters_are_named() {
        let problem = |given: Value| configure(&params(given)).err().unwrap();
        let wrong = problem(json!({"loss": "ranknet", "loss_params": {"sigmma": 2.0}}));
        assert_eq!((&*wrong.name, wrong.message.contains("sigmma")), ("loss_params", true));
        assert_eq!(problem(json!({"dropout": 1.0})).name, "dropout");
        assert_eq!(problem(json!({"hidden_dims": [0]})).name, "hidden_dims");
        assert_eq!(problem(json!({"early_stopping": "ndgc"})).message, "unknown ranking metric `ndgc`");
    }
}
