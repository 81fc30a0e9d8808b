//! The kinds of neural rankers: one family for each loss, with the parameters of the network and those of the loss side by side.
//!
//! `model.params` are the network's (`hidden_dims`, `activation`, `dropout`, `batch_norm`) and the loss's own (`sigma`, `truncation`,
//! …: each loss's file says what they mean); `training` is the loop. Features are standardized unless the config says otherwise: a
//! network wants numbers of one size.

use std::path::Path;

use super::estimator::NeuralEstimator;
use super::ranker::NeuralRanker;
use crate::catalog::{Named, Param, ParamKind, ParamProblem, Params};
use crate::data::task::Task;
use crate::error::Result;
use crate::models::early_stopping;
use crate::models::family::{Estimator, Family, Model};
use crate::models::nn::losses::{
    LossKind, approxndcg, lambdaloss, lambdarank, listmle, listnet, mse, neuralndcg, ranknet,
};

const fn choice(
    name: &'static str,
    words: &'static [&'static str],
    default: &'static str,
    about: &'static str,
) -> Param {
    Param { name, kind: ParamKind::Choice(words), default, about }
}

/// The parameters of the network.
const NETWORK: &[Param] = &[
    Param {
        name: "hidden_dims",
        kind: ParamKind::Custom(
            "a list of whole numbers",
            r#"{"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 65536}}"#,
        ),
        default: "[64, 32]",
        about: "width of each hidden layer; [] for a linear model",
    },
    choice("activation", &["relu", "gelu"], "\"relu\"", "the function after each hidden layer"),
    Param {
        name: "dropout",
        kind: ParamKind::Custom(
            "a number of 0 to below 1",
            r#"{"type": "number", "minimum": 0, "exclusiveMaximum": 1}"#,
        ),
        default: "0.0",
        about: "share of hidden outputs that are dropped in training, below 1",
    },
    Param {
        name: "batch_norm",
        kind: ParamKind::Bool,
        default: "false",
        about: "whether hidden layers are normalised over the documents of a batch",
    },
];

/// The parameters of the training loop.
const TRAINING: &[Param] = &[
    Param::integer("epochs", 1, "100", "epochs at most"),
    Param::integer("batch_size", 1, "16", "queries of a step"),
    choice("optimizer", &["adam", "adamw", "sgd"], "\"adam\"", "how a gradient moves the weights"),
    Param::float("learning_rate", 0.0, false, "0.001", "the step size"),
    Param::float("momentum", 0.0, true, "0.0", "of sgd"),
    Param::float("weight_decay", 0.0, true, "0.0", "pull of all weights towards 0"),
    Param {
        name: "clip_norm",
        kind: ParamKind::Float { min: 0.0, inclusive: false },
        default: "null",
        about: "the largest norm of a gradient; null: no limit",
    },
    choice("scheduler", &["constant", "cosine", "plateau"], "\"constant\"", "how the learning rate changes"),
    Param::integer("warmup_epochs", 0, "0", "epochs over which the learning rate rises to its full size"),
    Param::float("plateau_factor", 0.0, false, "0.5", "what a plateau makes of the learning rate, at most 1"),
    Param::integer("plateau_patience", 0, "5", "epochs without a better validation metric that make a plateau"),
    Param::float("min_learning_rate", 0.0, true, "0.0", "where cosine and plateau end"),
    early_stopping::param(r#"{"metric": "ndcg@10", "patience": 10}"#),
    Param::integer(
        "checkpoint_every",
        1,
        "5",
        "epochs between two checkpoints; an interruption writes one at any time",
    ),
];

/// Two lists as one, of `N` parameters.
const fn joined<const N: usize>(first: &[Param], second: &[Param]) -> [Param; N] {
    let mut all = [first[0]; N];
    let mut at = 0;
    while at < N {
        all[at] = if at < first.len() { first[at] } else { second[at - first.len()] };
        at += 1;
    }
    all
}

/// A family: a network trained by one loss.
#[derive(Clone, Copy)]
pub struct NeuralKind {
    name: &'static str,
    about: &'static str,
    loss: &'static dyn LossKind,
    params: &'static [Param],
}

macro_rules! kind {
    ($(#[$doc:meta])* $const:ident, $name:literal, $loss:ident, $kind:ident, $about:literal) => {
        $(#[$doc])*
        pub const $const: NeuralKind = NeuralKind {
            name: $name,
            about: $about,
            loss: &$loss::$kind,
            params: &joined::<{ NETWORK.len() + $loss::PARAMS.len() }>(NETWORK, $loss::PARAMS),
        };
    };
}

kind!(
    /// By `RankNet`'s loss.
    RANK_NET, "ranknet", ranknet, RankNetKind,
    "neural network, trained on pairs: the probability that a pair is in the right order"
);
kind!(
    /// By `LambdaRank`'s loss.
    LAMBDA_RANK, "lambdarank", lambdarank, LambdaRankKind,
    "neural network, trained on pairs weighted by what exchanging them would change in NDCG"
);
kind!(
    /// By NDCG-Loss2++.
    LAMBDA_LOSS, "lambdaloss", lambdaloss, LambdaLossKind,
    "neural network, trained by NDCG-Loss2++: pairs weighted so that the loss bounds NDCG"
);
kind!(
    /// By `ListNet`'s loss.
    LIST_NET, "listnet", listnet, ListNetKind,
    "neural network, trained on lists: cross entropy between the probabilities to be first"
);
kind!(
    /// By `ListMLE`'s loss.
    LIST_MLE, "listmle", listmle, ListMleKind,
    "neural network, trained on lists: the likelihood of the order by grades"
);
kind!(
    /// By `ApproxNDCG`.
    APPROX_NDCG, "approxndcg", approxndcg, ApproxNdcgKind,
    "neural network, trained on NDCG itself with ranks made smooth"
);
kind!(
    /// By `NeuralNDCG`.
    NEURAL_NDCG, "neuralndcg", neuralndcg, NeuralNdcgKind,
    "neural network, trained on NDCG itself with the sorting made smooth; slow on long lists"
);
kind!(
    /// By the squared error.
    POINTWISE_MSE, "pointwise_mse", mse, Mse,
    "neural network, trained on grades as numbers: what the ranking losses are to beat"
);

impl Named for NeuralKind {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }
}

impl Family for NeuralKind {
    fn task(&self) -> Task {
        Task::Ranking
    }

    fn params(&self) -> &'static [Param] {
        self.params
    }

    fn training(&self) -> &'static [Param] {
        TRAINING
    }

    fn keeps_checkpoints(&self) -> bool {
        true
    }

    fn default_steps(&self) -> &'static [&'static str] {
        &["standardize"]
    }

    fn configure(&self, params: &Params) -> Result<Box<dyn Estimator>, ParamProblem> {
        Ok(Box::new(NeuralEstimator::new(self.name, self.loss, params)?))
    }

    fn exports(&self) -> bool {
        true
    }

    fn load(&self, folder: &Path) -> Result<Box<dyn Model>> {
        Ok(Box::new(NeuralRanker::load(folder)?))
    }
}
