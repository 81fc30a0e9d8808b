//! Scores of documents: the forward pass alone, in blocks of rows, in parallel.
//!
//! Batch norm is folded into the weights with the running mean and variance: W·s and (b − mean)·s + shift,
//! s = scale / √(variance + 1e-5). Dropout does nothing here. A document's score depends on that document alone, bit for bit.

use rayon::prelude::*;

use super::activation::Activation;
use super::batch_norm::EPSILON;
use super::matrix::{Matrix, padded, pitch};
use super::network::Network;
use super::passes::dot;
use crate::kernels::{Aligned, Product, Real, Right, Rows, Then, pack_rows};

/// Documents of a block.
const BLOCK: usize = 240;

/// A network that is ready to score.
#[derive(Debug)]
pub struct Scorer<T: Real> {
    layers: Vec<Folded<T>>,
    head: (Aligned<T>, T),
    activation: Activation,
    n_features: usize,
}

#[derive(Debug)]
struct Folded<T: Real> {
    n_in: usize,
    n_out: usize,
    /// In panels.
    weight: Aligned<T>,
    bias: Aligned<T>,
}

/// A linear layer as it scores, without padding: batch norm is in the weights.
#[derive(Debug)]
pub struct Linear<T> {
    /// Numbers that go in.
    pub n_in: usize,
    /// Numbers that come out.
    pub n_out: usize,
    /// `n_in × n_out`, row-major.
    pub weight: Vec<T>,
    /// `n_out`.
    pub bias: Vec<T>,
}

impl<T: Real> Network<T> {
    /// Weights and bias of a hidden layer with its batch norm, padded.
    fn folded(&self, at: usize) -> (Aligned<T>, Aligned<T>) {
        let (parameters, layer) = (self.parameters.as_slice(), &self.layers[at]);
        let mut weight = Aligned::of(&parameters[layer.weight.clone()]);
        let mut bias = Aligned::of(&parameters[layer.bias.clone()]);
        if let Some((scale, shift)) = &layer.norm {
            let (scale, shift, running) = (&parameters[scale.clone()], &parameters[shift.clone()], &self.running[at]);
            let factor = |o: usize| scale[o] / (running.variance[o] + T::of(EPSILON)).sqrt();
            let factors: Vec<T> = (0..pitch(layer.n_out)).map(factor).collect();
            for row in weight.as_mut_slice().chunks_exact_mut(pitch(layer.n_out)) {
                row.iter_mut().zip(&factors).for_each(|(weight, factor)| *weight *= *factor);
            }
            for (o, bias) in bias.as_mut_slice().iter_mut().enumerate() {
                *bias = (*bias - running.mean[o]) * factors[o] + shift[o];
            }
        }
        (weight, bias)
    }

    /// All layers as they score, the last of them to one number: the activation stands between each two.
    #[must_use]
    pub fn linear_layers(&self) -> Vec<Linear<T>> {
        let hidden = |at: usize| {
            let (n_in, n_out) = (self.layers[at].n_in, self.layers[at].n_out);
            let (weight, bias) = self.folded(at);
            let rows = weight.as_slice().chunks_exact(pitch(n_out));
            let weight = rows.flat_map(|row| row[..n_out].iter().copied()).collect();
            Linear { n_in, n_out, weight, bias: bias.as_slice()[..n_out].to_vec() }
        };
        let mut layers: Vec<Linear<T>> = (0..self.layers.len()).map(hidden).collect();
        let n_in = layers.last().map_or(self.shape.n_features, |layer| layer.n_out);
        let parameters = self.parameters.as_slice();
        let (weight, bias) = (&parameters[self.head.0.clone()], parameters[self.head.1.start]);
        layers.push(Linear { n_in, n_out: 1, weight: weight[..n_in].to_vec(), bias: vec![bias] });
        layers
    }

    /// The network as it is now, ready to score.
    #[must_use]
    pub fn scorer(&self) -> Scorer<T> {
        let parameters = self.parameters.as_slice();
        let fold = |(at, layer): (usize, &super::network::Layer)| {
            let (weight, bias) = self.folded(at);
            let size = (layer.n_in, padded(layer.n_out));
            let mut packed = Aligned::zeroed(size.0 * size.1);
            pack_rows(weight.as_slice(), pitch(layer.n_out), size, packed.as_mut_slice());
            Folded { n_in: layer.n_in, n_out: layer.n_out, weight: packed, bias }
        };
        Scorer {
            layers: self.layers.iter().enumerate().map(fold).collect(),
            head: (Aligned::of(&parameters[self.head.0.clone()]), parameters[self.head.1.start]),
            activation: self.shape.activation,
            n_features: self.shape.n_features,
        }
    }
}

impl<T: Real> Scorer<T> {
    /// The score of each row.
    #[must_use]
    pub fn score(&self, features: &Matrix<T>) -> Vec<f64> {
        assert_eq!(features.width, self.n_features, "rows are as wide as in training");
        let mut scores = vec![0.0; features.n_rows()];
        let blocks = scores.par_chunks_mut(BLOCK).enumerate();
        blocks.for_each_init(
            || {
                let buffers = self.layers.iter().map(|layer| Matrix::zeros(BLOCK, layer.n_out));
                buffers.collect::<Vec<_>>()
            },
            |buffers, (block, scores)| {
                let first = block * BLOCK;
                self.block(features.rows(first..first + scores.len()), features.pitch, buffers, scores);
            },
        );
        scores
    }

    fn block(&self, rows: &[T], row_pitch: usize, buffers: &mut [Matrix<T>], scores: &mut [f64]) {
        let (mut input, mut input_pitch) = (rows, row_pitch);
        for (layer, buffer) in self.layers.iter().zip(buffers) {
            let pitch = buffer.pitch;
            let relu = self.activation == Activation::Relu;
            Product {
                left: Rows(input, input_pitch),
                right: Right::Packed(layer.weight.as_slice()),
                target: (buffer.as_mut_slice(), pitch),
                shape: (scores.len(), layer.n_in, padded(layer.n_out)),
                start: Some(layer.bias.as_slice()),
                finish: if relu { Then::Relu } else { Then::Nothing },
            }
            .compute();
            if !relu {
                self.activation.apply_here(&mut buffer.as_mut_slice()[..scores.len() * pitch]);
            }
            (input, input_pitch) = (buffer.as_slice(), pitch);
        }
        let (weight, bias) = (self.head.0.as_slice(), self.head.1);
        for (score, row) in scores.iter_mut().zip(input.chunks_exact(input_pitch)) {
            *score = (dot(row, weight) + bias).wide();
        }
    }
}
