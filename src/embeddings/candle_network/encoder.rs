//! The encoder's weights on the device, and the way of a padded batch through them.
//!
//! As in `encoder::layer`, x ← norm(x + A·attention(Q·x, K·x, V·x)); x ← norm(x + D·activation(U·x)), where attention is
//! softmax(Q·Kᵀ / √d + mask)·V for each head and 1/√d is part of the query's weights. Matrices are multiplied in the
//! network's dtype (sums in f32); x itself, the normalisations and what is added to x are always f32. f32 is not TF32.

use candle_core::{D, DType, Device, Result, Tensor};
use candle_nn::ops::{layer_norm, sigmoid, softmax_last_dim};

use super::batching::Padded;
use super::device::failed;
use crate::embeddings::encoder::{Tensors, WeightAndBias};
use crate::embeddings::folder::{EncoderConfig, Table, Weights};
use crate::error;
use crate::kernels::Activation;

/// Rows of the word embeddings that go to the device together.
const ROWS: usize = 8192;

/// An encoder on a device.
pub struct Encoder {
    device: Device,
    dtype: DType,
    words: Tensor,
    /// What is added to a word at each position.
    positions: Tensor,
    norm: Norm,
    layers: Vec<Layer>,
    n_heads: usize,
    activation: Activation,
}

struct Layer {
    /// Query, key and value, side by side.
    projection: Linear,
    attended: Linear,
    attended_norm: Norm,
    up: Linear,
    down: Linear,
    down_norm: Norm,
}

struct Linear {
    /// `n_out` × `n_in`.
    weight: Tensor,
    bias: Tensor,
}

struct Norm {
    weight: Tensor,
    bias: Tensor,
    epsilon: f32,
}

impl Encoder {
    /// Brings the weights to the device, tensor by tensor.
    ///
    /// # Errors
    /// `Failed` when a tensor is missing or has another shape, or when the device's memory is full.
    pub fn load(config: &EncoderConfig, weights: &Weights, dtype: DType, device: Device) -> error::Result<Self> {
        let EncoderConfig { hidden_size: hidden, intermediate_size: between, .. } = *config;
        let upload = Upload { device: &device, epsilon: config.layer_norm_eps };
        let tensors = Tensors::of(weights, config.architecture)?;
        let names = tensors.names;
        let scale = (1.0 / ((hidden / config.n_heads) as f64).sqrt()) as f32;
        let layer = |layer: usize| -> error::Result<Layer> {
            let dense = |name, n_out, n_in| tensors.dense(layer, name, (n_out, n_in));
            let norm = |name| upload.norm(tensors.layer_norm(layer, name, hidden)?);
            Ok(Layer {
                projection: upload.linear(tensors.projection(layer, hidden, scale)?, dtype, dtype)?,
                attended: upload.linear(dense(names.attended, hidden, hidden)?, dtype, DType::F32)?,
                attended_norm: norm(names.attended_norm)?,
                up: upload.linear(dense(names.up, between, hidden)?, dtype, dtype)?,
                down: upload.linear(dense(names.down, hidden, between)?, dtype, DType::F32)?,
                down_norm: norm(names.down_norm)?,
            })
        };
        let positions = tensors.positions(config.max_positions, config.type_vocab_size, hidden)?;
        Ok(Self {
            words: upload.table(&tensors.words(config.vocab_size, hidden)?)?,
            positions: upload.matrix(positions, hidden, DType::F32)?,
            norm: upload.norm(tensors.embedding_norm(hidden)?)?,
            layers: (0..config.n_layers).map(layer).collect::<error::Result<_>>()?,
            n_heads: config.n_heads,
            activation: config.activation,
            dtype,
            device,
        })
    }

    /// Where the weights are.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The vectors of a batch's tokens, n × width × hidden in f32; those of padding mean nothing.
    ///
    /// # Errors
    /// Those of the device.
    pub fn encode(&self, batch: Padded) -> Result<Tensor> {
        let Padded { n, width, ids, positions, mask } = batch;
        let ids = Tensor::from_vec(ids, n * width, &self.device)?;
        let positions = Tensor::from_vec(positions, n * width, &self.device)?;
        let mask = match mask {
            Some(mask) => Some(Tensor::from_vec(mask, (n, 1, 1, width), &self.device)?.to_dtype(self.dtype)?),
            None => None,
        };
        let words = self.words.index_select(&ids, 0)?;
        let mut x = self.norm.apply(&(words + self.positions.index_select(&positions, 0)?)?)?;
        for layer in &self.layers {
            let projected = layer.projection.apply(&x)?;
            let attended = self.attend(&projected, (n, width), mask.as_ref())?;
            x = layer.attended_norm.apply(&layer.attended.add_to(&x, &attended)?)?;
            let between = activate(self.activation, &layer.up.apply(&x)?)?;
            x = layer.down_norm.apply(&layer.down.add_to(&x, &between)?)?;
        }
        x.reshape((n, width, ()))
    }

    /// (n·width) × 3·hidden → (n·width) × hidden.
    fn attend(&self, projected: &Tensor, (n, width): (usize, usize), mask: Option<&Tensor>) -> Result<Tensor> {
        let parts = projected.reshape((n, width, 3, self.n_heads, ()))?.permute((2, 0, 3, 1, 4))?.contiguous()?;
        let mut scores = product(&parts.get(0)?, &parts.get(1)?.t()?)?;
        if let Some(mask) = mask {
            scores = scores.broadcast_add(mask)?;
        }
        let weights = softmax_last_dim(&computable(&scores)?)?.to_dtype(self.dtype)?;
        let attended = product(&weights, &parts.get(2)?)?;
        attended.transpose(1, 2)?.reshape((n * width, ()))
    }
}

impl Linear {
    /// x·Wᵀ + b in the weight's dtype.
    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        product(&x.to_dtype(self.weight.dtype())?, &self.weight.t()?)?.broadcast_add(&self.bias)
    }

    /// x + y·Wᵀ + b in f32.
    fn add_to(&self, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        let product = product(y, &self.weight.t()?)?.to_dtype(DType::F32)?;
        (x + product)?.broadcast_add(&self.bias)
    }
}

impl Norm {
    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        layer_norm(x, &self.weight, &self.bias, self.epsilon)
    }
}

/// a·b in their dtype.
fn product(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    computable(a)?.matmul(&computable(b)?)?.to_dtype(a.dtype())
}

/// On the CPU, candle 0.11 has no product of bf16, and its softmax sums in bf16: there, the rounded numbers are computed
/// with in f32, as a GPU does it.
fn computable(x: &Tensor) -> Result<Tensor> {
    if x.device().is_cpu() { x.to_dtype(DType::F32) } else { Ok(x.clone()) }
}

/// candle's `gelu` is the one by tanh.
fn activate(activation: Activation, x: &Tensor) -> Result<Tensor> {
    match activation {
        Activation::Gelu => x.gelu_erf(),
        Activation::GeluTanh => x.gelu(),
        Activation::Relu => x.relu(),
        Activation::Silu => x.silu(),
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => sigmoid(x),
        Activation::Identity => Ok(x.clone()),
    }
}

/// Brings numbers to a device.
struct Upload<'a> {
    device: &'a Device,
    epsilon: f32,
}

impl Upload<'_> {
    fn linear(&self, (weight, bias): WeightAndBias, dtype: DType, bias_dtype: DType) -> error::Result<Linear> {
        let n_in = weight.len() / bias.len();
        Ok(Linear { weight: self.matrix(weight, n_in, dtype)?, bias: self.row(bias, bias_dtype)? })
    }

    fn norm(&self, (weight, bias): WeightAndBias) -> error::Result<Norm> {
        let (weight, bias) = (self.row(weight, DType::F32)?, self.row(bias, DType::F32)?);
        Ok(Norm { weight, bias, epsilon: self.epsilon })
    }

    /// Piece by piece: a vocabulary of 250,000 words is a gigabyte that need not be in memory at once.
    fn table(&self, table: &Table) -> error::Result<Tensor> {
        let (n_rows, width) = (table.n_rows(), table.width());
        let whole = Tensor::zeros((n_rows, width), DType::F32, self.device).map_err(|cause| failed(LOADING, cause))?;
        for first in (0..n_rows).step_by(ROWS) {
            let rows = first..n_rows.min(first + ROWS);
            let mut numbers = vec![0.0; rows.len() * width];
            for (row, into) in rows.zip(numbers.chunks_exact_mut(width)) {
                table.add_row(row, into);
            }
            let piece = self.matrix(numbers, width, DType::F32)?;
            whole.slice_set(&piece, 0, first).map_err(|cause| failed(LOADING, cause))?;
        }
        Ok(whole)
    }

    fn matrix(&self, numbers: Vec<f32>, width: usize, dtype: DType) -> error::Result<Tensor> {
        let tensor = Tensor::from_vec(numbers, ((), width), self.device).and_then(|tensor| tensor.to_dtype(dtype));
        tensor.map_err(|cause| failed(LOADING, cause))
    }

    fn row(&self, numbers: Vec<f32>, dtype: DType) -> error::Result<Tensor> {
        self.matrix(numbers, 1, dtype)?.flatten(D::Minus2, D::Minus1).map_err(|cause| failed(LOADING, cause))
    }
}

const LOADING: &str = "the weights were loaded";
