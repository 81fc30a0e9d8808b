//! A fitted neural ranker: the network, and how it came about.
//!
//! Saved as `network.safetensors` (the weights by name, as `PyTorch` keeps them) and `ranker.json` (the shape, the epochs). Nothing
//! in it depends on time: same data, parameters and seed, same bytes.

use std::path::Path;

use ndarray::Array2;

use crate::data::dataset::Features;
use crate::error::{Context as _, Error, Result};
use crate::fs::write_atomic;
use crate::models::family::Model;
use crate::models::nn::matrix::Matrix;
use crate::models::nn::{Network, Scorer, Shape};
use crate::models::relevance::{check_scored, dense_rows};
use crate::tensors::Tensors;

const WEIGHTS: &str = "network.safetensors";
const HEAD: &str = "ranker.json";
const FORMAT_VERSION: u32 = 1;

/// The epoch whose weights were kept.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// From 1.
    pub epoch: usize,
    /// The metric that decided.
    pub metric: String,
    /// Its value on the validation queries.
    pub score: f64,
}

/// How training went.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trained {
    /// Epochs that ran.
    pub epochs: usize,
    /// Whether the patience ended it.
    pub stopped_early: bool,
    /// The best epoch, where a metric has chosen it.
    pub best: Option<Best>,
}

/// The part of a saved model that is no array.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    format_version: u32,
    shape: Shape,
    trained: Trained,
}

/// A fitted ranker.
#[derive(Debug)]
pub struct NeuralRanker {
    network: Network<f32>,
    scorer: Scorer<f32>,
    trained: Trained,
}

impl NeuralRanker {
    /// A network that is done with training.
    #[must_use]
    pub fn new(network: Network<f32>, trained: Trained) -> Self {
        Self { scorer: network.scorer(), network, trained }
    }

    /// Reads what `save` wrote.
    ///
    /// # Errors
    /// `Failed` when a file is missing, damaged, or of a newer format.
    pub fn load(folder: &Path) -> Result<Self> {
        let path = folder.join(HEAD);
        let text = std::fs::read(&path).context(|| format!("cannot read `{}`", path.display()))?;
        let head: Head = serde_json::from_slice(&text).context(|| format!("`{}` is damaged", path.display()))?;
        if head.format_version > FORMAT_VERSION {
            let message = format!("`{}` has format version {}", path.display(), head.format_version);
            return Err(Error::failed(message).hint("it was written by a newer `mlops`"));
        }
        let mut tensors = Tensors::load(&folder.join(WEIGHTS))?;
        let mut network = Network::zeros(&head.shape);
        if !network.set_named(|name| tensors.take_f32(name).ok().map(|(_, values)| values)) {
            return Err(Error::failed(format!("`{}` does not fit `{HEAD}`", folder.join(WEIGHTS).display())));
        }
        Ok(Self::new(network, head.trained))
    }
}

impl Model for NeuralRanker {
    fn predict(&self, features: &Features) -> Result<Array2<f64>> {
        let width = self.network.shape.n_features;
        check_scored(features, width)?;
        let scores = self.scorer.score(&Matrix::of_rows(&dense_rows(features), width));
        if let Some(row) = scores.iter().position(|score| !score.is_finite()) {
            return Err(Error::invalid(format!("the score of row {} is not a finite number", row + 1))
                .hint("its features are far outside those of training"));
        }
        Ok(Array2::from_shape_vec((scores.len(), 1), scores).expect("one score a row"))
    }

    fn facts(&self) -> Vec<(&'static str, f64)> {
        let Trained { epochs, stopped_early, best } = &self.trained;
        let mut facts = vec![("n_parameters", self.network.n_parameters() as f64), ("epochs", *epochs as f64)];
        if let Some(best) = best {
            facts.push(("best_epoch", best.epoch as f64));
            facts.push(("best_score", best.score));
            facts.push(("stopped_early", f64::from(u8::from(*stopped_early))));
        }
        facts
    }

    fn save(&self, folder: &Path) -> Result<()> {
        let mut tensors = Tensors::new();
        for (name, shape, values) in self.network.named() {
            tensors = tensors.f32(&name, &shape, values);
        }
        tensors.save(&folder.join(WEIGHTS))?;
        let shape = self.network.shape.clone();
        let head = Head { format_version: FORMAT_VERSION, shape, trained: self.trained.clone() };
        let text = serde_json::to_vec_pretty(&head).context(|| format!("cannot write `{HEAD}`"))?;
        write_atomic(&folder.join(HEAD), &text)
    }
}
