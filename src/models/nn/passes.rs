//! One group of lists through the network and back: what a thread does without waiting for the others.
//!
//! The documents of all its lists lie one under the other, without padding between lists. Forward keeps what backward
//! needs: the outputs of each layer, with batch norm or GELU also what went into the activation. Each loss gives the slope of its
//! list's scores; then one pass backward adds up the gradient of the group. The gradient of a batch is the sum over its
//! groups, in order; how lists are cut into groups depends on the batch alone, so the number of threads changes nothing.

use pulp::Arch;

use super::activation::Activation;
use super::batch_norm::{Moments, Spread};
use super::dropout;
use super::lists::Lists;
use super::losses::{List, Loss, Scratch};
use super::matrix::{Matrix, UNIT, padded};
use super::network::{Layer, Network};
use crate::kernels::{Aligned, Columns, Product, Real, Right, Rows, Then};

/// What a layer keeps between forward and backward.
#[derive(Debug)]
struct Kept<T: Real> {
    /// What goes into the activation (with batch norm: the normalised numbers); empty where only the outputs are needed.
    inner: Matrix<T>,
    /// The outputs.
    out: Matrix<T>,
    /// The derivative with respect to the outputs, then to the linear layer's result.
    slope: Matrix<T>,
    /// What dropout multiplied the outputs by; empty without.
    mask: Matrix<T>,
}

/// The state of one group of lists.
#[derive(Debug)]
pub(super) struct Pass<T: Real> {
    /// The lists of the group.
    pub lists: Vec<usize>,
    n_rows: usize,
    input: Matrix<T>,
    kept: Vec<Kept<T>>,
    scores: Vec<f64>,
    slopes: Vec<f64>,
    /// Σ of the losses of its lists.
    pub loss: f64,
    /// The gradient, laid out as the parameters.
    pub gradient: Aligned<T>,
    panel: Aligned<T>,
    scratch: Scratch,
}

/// What all groups of a batch are given.
#[derive(Clone, Copy)]
pub(super) struct Batch<'a, T: Real> {
    pub network: &'a Network<T>,
    pub lists: &'a Lists<T>,
    pub loss: &'a dyn Loss,
    pub seed: u64,
    pub epoch: u64,
    /// Lists of the batch: the loss is their mean.
    pub n_lists: usize,
    /// Steps before this one, in all epochs.
    pub step: u64,
}

impl<T: Real> Pass<T> {
    pub fn new(network: &Network<T>) -> Self {
        let keeps_inner = network.shape.batch_norm || network.shape.activation == Activation::Gelu;
        let kept = |layer: &Layer| Kept {
            inner: if keeps_inner { Matrix::zeros(0, layer.n_out) } else { Matrix::default() },
            out: Matrix::zeros(0, layer.n_out),
            slope: Matrix::zeros(0, layer.n_out),
            mask: if network.shape.dropout > 0.0 { Matrix::zeros(0, layer.n_out) } else { Matrix::default() },
        };
        Self {
            lists: Vec::new(),
            n_rows: 0,
            input: Matrix::zeros(0, network.shape.n_features),
            kept: network.layers.iter().map(kept).collect(),
            scores: Vec::new(),
            slopes: Vec::new(),
            loss: 0.0,
            gradient: Aligned::zeroed(network.parameters().len()),
            panel: Aligned::default(),
            scratch: Scratch::default(),
        }
    }

    /// Forward, losses and backward, for networks without batch norm.
    pub fn whole(&mut self, batch: &Batch<'_, T>, group: usize) {
        self.gather(batch);
        for layer in 0..self.kept.len() {
            self.linear(batch, layer);
            self.activate(batch, layer, group);
        }
        self.losses(batch);
        for layer in (0..self.kept.len()).rev() {
            self.through_activation(batch, layer);
            self.through_linear(batch, layer);
        }
    }

    /// Copies the features of its lists, one under the other.
    pub fn gather(&mut self, batch: &Batch<'_, T>) {
        self.n_rows = self.lists.iter().map(|list| batch.lists.documents(*list).len()).sum();
        self.input.reserve(self.n_rows);
        let mut rest = self.input.as_mut_slice();
        for list in &self.lists {
            let rows = batch.lists.features.rows(batch.lists.documents(*list));
            rest[..rows.len()].copy_from_slice(rows);
            rest = &mut rest[rows.len()..];
        }
        for kept in &mut self.kept {
            for matrix in [&mut kept.inner, &mut kept.out, &mut kept.slope, &mut kept.mask] {
                if matrix.width > 0 {
                    matrix.reserve(self.n_rows);
                }
            }
        }
    }

    /// x·W + b of a layer; `ReLU` too where nothing comes between.
    pub fn linear(&mut self, batch: &Batch<'_, T>, at: usize) {
        let (before, here) = self.kept.split_at_mut(at);
        let input = before.last().map_or(&self.input, |kept| &kept.out);
        let (layer, parameters) = (&batch.network.layers[at], batch.network.parameters());
        let fused = here[0].inner.width == 0;
        let target = if fused { &mut here[0].out } else { &mut here[0].inner };
        let pitch = target.pitch;
        Product {
            left: Rows(input.as_slice(), input.pitch),
            right: Right::Packed(batch.network.forward[at].as_slice()),
            target: (target.as_mut_slice(), pitch),
            shape: (self.n_rows, layer.n_in, padded(layer.n_out)),
            start: Some(&parameters[layer.bias.clone()]),
            finish: if fused { Then::Relu } else { Then::Nothing },
        }
        .compute();
    }

    /// Σ and Σ² of the linear layer's results.
    pub fn moments(&self, at: usize) -> Moments {
        let inner = &self.kept[at].inner;
        Moments::of(&inner.as_slice()[..self.n_rows * inner.pitch], inner.pitch)
    }

    /// Makes the linear layer's results have mean 0 and variance 1 over the batch.
    pub fn normalise(&mut self, at: usize, spread: &Spread<T>) {
        let inner = &mut self.kept[at].inner;
        let end = self.n_rows * inner.pitch;
        spread.normalise(&mut inner.as_mut_slice()[..end]);
    }

    /// Scale and shift, activation, dropout.
    pub fn activate(&mut self, batch: &Batch<'_, T>, at: usize, group: usize) {
        let (network, layer) = (batch.network, &batch.network.layers[at]);
        let Kept { inner, out, mask, .. } = &mut self.kept[at];
        let end = self.n_rows * out.pitch;
        let outputs = &mut out.as_mut_slice()[..end];
        if let Some((scale, shift)) = &layer.norm {
            let (scale, shift) = (&network.parameters()[scale.clone()], &network.parameters()[shift.clone()]);
            scaled(&inner.as_slice()[..end], (scale, shift), outputs);
            network.shape.activation.apply_here(outputs);
        } else if inner.width > 0 {
            network.shape.activation.apply(&inner.as_slice()[..end], outputs);
        }
        if mask.width > 0 {
            let mask = &mut mask.as_mut_slice()[..end];
            dropout::draw(network.shape.dropout, [batch.seed, batch.step, group as u64, at as u64], mask);
            multiply(outputs, mask);
        }
    }

    /// Scores, losses, and the derivative of the mean loss with respect to the last outputs and the score's weights.
    pub fn losses(&mut self, batch: &Batch<'_, T>) {
        let (weight, bias) = batch.network.head.clone();
        let parameters = batch.network.parameters();
        let (weights, first) = (&parameters[weight.clone()], parameters[bias.start]);
        let (before, last) = match self.kept.split_last_mut() {
            None => (&self.input, None),
            Some((Kept { out, slope, .. }, _)) => (&*out, Some(slope)),
        };
        let rows = before.as_slice()[..self.n_rows * before.pitch].chunks_exact(before.pitch);
        self.scores.clear();
        self.scores.extend(rows.clone().map(|row| (dot(row, weights) + first).wide()));
        self.slopes.resize(self.n_rows, 0.0);
        self.loss = 0.0;
        let mut start = 0;
        for list in &self.lists {
            let documents = batch.lists.documents(*list);
            let here = start..start + documents.len();
            start = here.end;
            // Odd multiples keep the keys of neighbouring lists and seeds apart; the generator mixes them.
            let key = batch.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(*list as u64);
            let scores = &self.scores[here.clone()];
            let given = List { scores, grades: &batch.lists.grades[documents], key, epoch: batch.epoch };
            self.loss += batch.loss.of_list(&given, &mut self.slopes[here], &mut self.scratch);
        }
        self.slopes.iter_mut().for_each(|slope| *slope /= batch.n_lists as f64);
        let gradient = self.gradient.as_mut_slice();
        gradient[bias.clone()].fill(T::default());
        gradient[bias.start] = T::of(self.slopes.iter().sum());
        weighted_sum(rows, &self.slopes, &mut gradient[weight]);
        if let Some(slope) = last {
            let relu = batch.network.shape.activation == Activation::Relu;
            let pitch = slope.pitch;
            let targets = slope.as_mut_slice().chunks_exact_mut(pitch).zip(before.as_slice().chunks_exact(pitch));
            outer(targets, &self.slopes, weights, relu);
        }
    }

    /// From the derivative with respect to a layer's outputs to that with respect to what went into the activation.
    pub fn through_activation(&mut self, batch: &Batch<'_, T>, at: usize) {
        let (network, layer) = (batch.network, &batch.network.layers[at]);
        let Kept { inner, out, slope, mask } = &mut self.kept[at];
        let end = self.n_rows * slope.pitch;
        let slopes = &mut slope.as_mut_slice()[..end];
        if mask.width > 0 {
            multiply(slopes, &mask.as_slice()[..end]);
        }
        // ReLU's gate was part of the product that gave the slopes.
        if network.shape.activation == Activation::Gelu {
            let inner = &inner.as_slice()[..end];
            if let Some((scale, shift)) = &layer.norm {
                let (scale, shift) = (&network.parameters()[scale.clone()], &network.parameters()[shift.clone()]);
                // The outputs are no longer needed by this layer, but are by the next one's weights, which have had them.
                let outputs = &mut out.as_mut_slice()[..end];
                scaled(inner, (scale, shift), outputs);
                network.shape.activation.back(outputs, slopes);
            } else {
                network.shape.activation.back(inner, slopes);
            }
        }
    }

    /// Σ dy and Σ dy·x̂ of a layer with batch norm.
    pub fn slope_moments(&self, at: usize) -> Moments {
        let Kept { inner, slope, .. } = &self.kept[at];
        let end = self.n_rows * slope.pitch;
        Moments::of_pairs(&slope.as_slice()[..end], &inner.as_slice()[..end], slope.pitch)
    }

    /// Back through batch norm. The gradient of scale and shift is written by the group that is told to: it is the batch's.
    pub fn through_norm(&mut self, batch: &Batch<'_, T>, at: usize, spread: &Spread<T>, sums: &Moments, writes: bool) {
        let Some((scale, shift)) = batch.network.layers[at].norm.clone() else { return };
        let Kept { inner, slope, .. } = &mut self.kept[at];
        let end = self.n_rows * slope.pitch;
        let scales = &batch.network.parameters()[scale.clone()];
        spread.back(sums, scales, &inner.as_slice()[..end], &mut slope.as_mut_slice()[..end]);
        let gradient = self.gradient.as_mut_slice();
        for (range, sums) in [(shift, &sums.first), (scale, &sums.second)] {
            for (gradient, sum) in gradient[range].iter_mut().zip(sums) {
                *gradient = if writes { T::of(*sum) } else { T::default() };
            }
        }
    }

    /// The gradient of a layer's weights and bias, and the derivative with respect to the outputs of the layer before.
    pub fn through_linear(&mut self, batch: &Batch<'_, T>, at: usize) {
        let network = batch.network;
        let layer = &network.layers[at];
        let (before, here) = self.kept.split_at_mut(at);
        let slope = &here[0].slope;
        let slopes = (slope.as_slice(), slope.pitch);
        let input = before.last().map_or(&self.input, |kept| &kept.out);
        let gradient = self.gradient.as_mut_slice();
        Product {
            left: Columns(input.as_slice(), input.pitch),
            right: Right::Rows(slopes.0, slopes.1, &mut self.panel),
            target: (&mut gradient[layer.weight.clone()], slope.pitch),
            shape: (layer.n_in, self.n_rows, padded(layer.n_out)),
            start: None,
            finish: Then::Nothing,
        }
        .compute();
        column_sums(&slopes.0[..self.n_rows * slopes.1], &mut gradient[layer.bias.clone()]);
        let Some(Kept { out, slope, .. }) = before.last_mut() else { return };
        let relu = network.shape.activation == Activation::Relu;
        let pitch = slope.pitch;
        Product {
            left: Rows(slopes.0, slopes.1),
            right: Right::Packed(network.back[at - 1].as_slice()),
            target: (slope.as_mut_slice(), pitch),
            shape: (self.n_rows, layer.n_out, padded(layer.n_in)),
            start: None,
            finish: if relu { Then::Gate(out.as_slice()) } else { Then::Nothing },
        }
        .compute();
    }
}

/// Σ left·right, in 16 sums that are joined in order.
pub(super) fn dot<T: Real>(left: &[T], right: &[T]) -> T {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let mut sums = [T::default(); UNIT];
            for (left, right) in left.as_chunks::<UNIT>().0.iter().zip(right.as_chunks::<UNIT>().0) {
                for lane in 0..UNIT {
                    sums[lane] += left[lane] * right[lane];
                }
            }
            sums.into_iter().fold(T::default(), |sum, value| sum + value)
        },
    )
}

/// Σ over rows of factor · row.
fn weighted_sum<'a, T: Real>(rows: impl Iterator<Item = &'a [T]>, factors: &[f64], sum: &mut [T]) {
    sum.fill(T::default());
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for (row, factor) in rows.zip(factors) {
                let factor = T::of(*factor);
                sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += factor * *value);
            }
        },
    );
}

/// factor · weights in each row; where `gated`, only where the outputs beside it are above 0.
fn outer<'a, T: Real>(rows: impl Iterator<Item = (&'a mut [T], &'a [T])>, factors: &[f64], weights: &[T], gated: bool) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for ((row, outputs), factor) in rows.zip(factors) {
                let factor = T::of(*factor);
                for ((slope, weight), output) in row.iter_mut().zip(weights).zip(outputs) {
                    *slope = if !gated || *output > T::default() { factor * *weight } else { T::default() };
                }
            }
        },
    );
}

fn column_sums<T: Real>(rows: &[T], sums: &mut [T]) {
    let width = sums.len();
    sums.fill(T::default());
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for row in rows.chunks_exact(width) {
                sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += *value);
            }
        },
    );
}

fn multiply<T: Real>(values: &mut [T], factors: &[T]) {
    values.iter_mut().zip(factors).for_each(|(value, factor)| *value *= *factor);
}

/// x·scale + shift, column by column.
fn scaled<T: Real>(rows: &[T], (scale, shift): (&[T], &[T]), out: &mut [T]) {
    for (row, out) in rows.chunks_exact(scale.len()).zip(out.chunks_exact_mut(scale.len())) {
        for (((out, x), scale), shift) in out.iter_mut().zip(row).zip(scale).zip(shift) {
            *out = *x * *scale + *shift;
        }
    }
}
