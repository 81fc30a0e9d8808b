//! A layer of the encoder: self-attention, then two linear layers, each followed by the residual addition and the
//! normalisation (the original transformer's order, as in all BERT kinds).
//!
//! x ← norm(x + A·attention(Q·x, K·x, V·x)); x ← norm(x + D·activation(U·x)).

use std::ops::Range;

use crate::embeddings::folder::EncoderConfig;
use crate::error::Result;
use crate::kernels::{Activation, Attention, Buffers, Dtype, LayerNorm, Linear, Scratch, query_scale};

use super::tensors::{Tensors, WeightAndBias};

/// Tokens that go through everything after the attention together: the wide numbers between the two linear layers stay
/// in the cache.
const BLOCK_TOKENS: usize = 128;

/// A layer of the encoder.
#[derive(Debug)]
pub struct Layer {
    /// Query, key and value, side by side.
    projection: Linear,
    attention: Attention,
    attended: Linear,
    attended_norm: LayerNorm,
    up: Linear,
    activation: Activation,
    down: Linear,
    down_norm: LayerNorm,
}

/// Buffers that a thread keeps between calls.
#[derive(Debug, Default)]
pub struct Workspace {
    scratch: Scratch,
    attention: Buffers,
    attended: Vec<f32>,
    between: Vec<f32>,
    addend: Vec<f32>,
}

impl Workspace {
    /// The linear layers' buffers.
    pub fn scratch(&mut self) -> &mut Scratch {
        &mut self.scratch
    }
}

/// The tokens of a group, one sequence behind the other.
#[derive(Debug, Clone, Copy)]
pub struct Packed<'a> {
    /// Query, key and value of every token, n × 3·hidden.
    pub projected: &'a [f32],
    /// The tokens of each sequence.
    pub sequences: &'a [Range<usize>],
}

impl Layer {
    /// Reads and packs a layer; what was read is gone when this returns.
    ///
    /// # Errors
    /// Those of the tensors.
    pub fn load(config: &EncoderConfig, tensors: &Tensors<'_>, layer: usize, dtype: Dtype) -> Result<Self> {
        let (hidden, between, epsilon) = (config.hidden_size, config.intermediate_size, config.layer_norm_eps);
        let head_dim = hidden / config.n_heads;
        let names = tensors.names;
        let norm = |(weight, bias): WeightAndBias| LayerNorm::new(weight, bias, epsilon);
        let linear = |(weight, bias): WeightAndBias| {
            let n_out = bias.len();
            Linear::pack(&weight, Some(&bias), n_out, weight.len() / n_out, dtype)
        };
        Ok(Self {
            projection: linear(tensors.projection(layer, hidden, query_scale(head_dim))?),
            attention: Attention::new(config.n_heads, head_dim),
            attended: linear(tensors.dense(layer, names.attended, (hidden, hidden))?),
            attended_norm: norm(tensors.layer_norm(layer, names.attended_norm, hidden)?),
            up: linear(tensors.dense(layer, names.up, (between, hidden))?),
            activation: config.activation,
            down: linear(tensors.dense(layer, names.down, (hidden, between))?),
            down_norm: norm(tensors.layer_norm(layer, names.down_norm, hidden)?),
        })
    }

    /// Query, key and value of some tokens: n × hidden → n × 3·hidden.
    pub fn project(&self, x: &[f32], projected: &mut [f32], workspace: &mut Workspace) {
        let n_rows = x.len() / self.projection.n_in();
        self.projection.apply(x, n_rows, projected, Activation::Identity, &mut workspace.scratch);
    }

    /// Everything else, for the tokens from `first` on, whose vectors `x` become the layer's result.
    pub fn finish(&self, packed: Packed<'_>, first: usize, x: &mut [f32], workspace: &mut Workspace) {
        let hidden = self.attended.n_in();
        let Workspace { scratch, attention, attended, between, addend } = workspace;
        let rows = first..first + x.len() / hidden;
        let attended = sized(attended, x.len());
        for sequence in packed.sequences {
            let queries = rows.start.max(sequence.start)..rows.end.min(sequence.end);
            if queries.is_empty() {
                continue;
            }
            let projected = &packed.projected[3 * hidden * sequence.start..3 * hidden * sequence.end];
            let into = &mut attended[hidden * (queries.start - first)..hidden * (queries.end - first)];
            let queries = queries.start - sequence.start..queries.end - sequence.start;
            self.attention.apply(projected, queries, into, attention);
        }
        for (x, attended) in x.chunks_mut(BLOCK_TOKENS * hidden).zip(attended.chunks(BLOCK_TOKENS * hidden)) {
            let n_rows = x.len() / hidden;
            let addend = sized(addend, x.len());
            self.attended.apply(attended, n_rows, addend, Activation::Identity, scratch);
            self.attended_norm.add(x, addend);
            let between = sized(between, n_rows * self.up.n_out());
            self.up.apply(x, n_rows, between, self.activation, scratch);
            self.down.apply(between, n_rows, addend, Activation::Identity, scratch);
            self.down_norm.add(x, addend);
        }
    }
}

/// The first `len` numbers of the buffer, whatever they are.
pub fn sized(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    &mut buffer[..len]
}
