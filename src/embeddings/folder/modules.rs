//! The steps behind the network: what a folder's modules are, and their weights.

use std::path::PathBuf;

use crate::embeddings::folder::weights::Weights;
use crate::error::Result;
use crate::kernels::Activation;

/// A step behind the network, with its weights.
#[derive(Debug, Clone, PartialEq)]
pub enum Module {
    /// The vectors of a text's tokens become one.
    Pooling(Pooling),
    /// y = activation(x·Wᵀ + b).
    Dense {
        /// `n_out × n_in`, row-major.
        weight: Vec<f32>,
        /// `n_out` numbers.
        bias: Option<Vec<f32>>,
        /// Width of the vectors that come in.
        n_in: usize,
        /// Width of those that go out.
        n_out: usize,
        /// Applied to each number.
        activation: Activation,
    },
    /// (x − mean) / √(variance + eps) · weight + bias, over each vector.
    LayerNorm {
        /// One number a dimension.
        weight: Vec<f32>,
        /// One number a dimension.
        bias: Vec<f32>,
        /// `PyTorch`'s default, 1e-5.
        eps: f32,
    },
    /// Each vector is scaled to length 1: x / max(‖x‖, 1e-12).
    Normalize,
}

/// How the vectors of a text's tokens become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolingMode {
    /// The first token's.
    Cls,
    /// The largest value of each dimension.
    Max,
    /// The mean.
    Mean,
    /// The sum, divided by the root of the number of tokens.
    MeanSqrtLen,
    /// The mean with weights 1, 2, 3, … by place; tokens left out keep their places.
    WeightedMean,
    /// The last token's.
    LastToken,
}

/// The modes in the order in which the flags of the older format are concatenated: new name, flag, mode.
pub(super) const MODES: [(&str, &str, PoolingMode); 6] = [
    ("cls", "pooling_mode_cls_token", PoolingMode::Cls),
    ("max", "pooling_mode_max_tokens", PoolingMode::Max),
    ("mean", "pooling_mode_mean_tokens", PoolingMode::Mean),
    ("mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens", PoolingMode::MeanSqrtLen),
    ("weightedmean", "pooling_mode_weightedmean_tokens", PoolingMode::WeightedMean),
    ("lasttoken", "pooling_mode_lasttoken", PoolingMode::LastToken),
];

impl PoolingMode {
    /// The name in a folder of today.
    #[must_use]
    pub fn name(self) -> &'static str {
        MODES.iter().find(|(.., mode)| *mode == self).expect("every mode has a name").0
    }

    /// The mode of a name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        MODES.iter().find(|(known, ..)| *known == name).map(|(.., mode)| *mode)
    }
}

/// The pooling of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pooling {
    /// What is computed, one behind the other.
    pub modes: Vec<PoolingMode>,
    /// Whether the tokens of the prompt count.
    pub include_prompt: bool,
}

/// A step behind the network as `modules.json` names it, its weights not read yet.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// See `Module::Pooling`.
    Pooling(Pooling),
    /// See `Module::Dense`.
    Dense {
        /// The module's folder.
        folder: PathBuf,
        /// Width of the vectors that come in.
        n_in: usize,
        /// Width of those that go out.
        n_out: usize,
        /// Whether there is a bias.
        bias: bool,
        /// Applied to each number.
        activation: Activation,
    },
    /// See `Module::LayerNorm`.
    LayerNorm {
        /// The module's folder.
        folder: PathBuf,
        /// Width of the vectors.
        width: usize,
    },
    /// See `Module::Normalize`.
    Normalize,
}

impl Step {
    /// Reads the weights of a step, if it has any.
    ///
    /// # Errors
    /// Those of `Weights`.
    pub fn load(&self) -> Result<Module> {
        Ok(match self {
            Self::Pooling(pooling) => Module::Pooling(pooling.clone()),
            Self::Dense { folder, n_in, n_out, bias, activation } => {
                let weights = Weights::open(folder)?;
                let bias = bias.then(|| weights.read("linear.bias", &[*n_out])).transpose()?;
                let weight = weights.read("linear.weight", &[*n_out, *n_in])?;
                Module::Dense { weight, bias, n_in: *n_in, n_out: *n_out, activation: *activation }
            }
            Self::LayerNorm { folder, width } => {
                let weights = Weights::open(folder)?;
                let (weight, bias) = (weights.read("norm.weight", &[*width])?, weights.read("norm.bias", &[*width])?);
                Module::LayerNorm { weight, bias, eps: 1e-5 }
            }
            Self::Normalize => Module::Normalize,
        })
    }
}
