//! A multilayer perceptron that gives a document one score: linear → (batch norm) → activation → (dropout), …, linear to 1.
//!
//! All parameters lie in one row of numbers, which the optimizer walks: for each hidden layer the weights (input × output, rows
//! with padding), the bias, and with batch norm scale and shift; at the end the weights and the bias of the score. Padding
//! is 0 and stays 0. Without hidden layers it is a linear model.
//!
//! The first weights are drawn as `PyTorch`'s `Linear` draws them: uniform within ±1/√inputs, bias too.

use std::ops::Range;

use rand::Rng as _;

use super::activation::Activation;
use super::matrix::{Matrix, UNIT, padded, pitch};
use crate::kernels::{Aligned, Real, pack_rows};
use crate::stats::generator::generator;

/// How a network is built.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Shape {
    /// Numbers that describe a document.
    pub n_features: usize,
    /// Width of each hidden layer; none for a linear model.
    pub hidden: Vec<usize>,
    /// The function after each hidden layer.
    pub activation: Activation,
    /// The share of a hidden layer's outputs that is dropped in training, 0 to below 1.
    pub dropout: f64,
    /// Whether each hidden layer is normalised over the batch.
    pub batch_norm: bool,
}

/// Where the parameters of a hidden layer lie.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    pub n_in: usize,
    pub n_out: usize,
    /// `n_in` rows of `pitch(n_out)`.
    pub weight: Range<usize>,
    pub bias: Range<usize>,
    /// Scale and shift of batch norm.
    pub norm: Option<(Range<usize>, Range<usize>)>,
}

/// The mean and variance of a layer's outputs over the training batches, for scoring.
#[derive(Debug, Clone, PartialEq)]
pub struct Running<T> {
    /// Mean of each output.
    pub mean: Vec<T>,
    /// Variance of each output.
    pub variance: Vec<T>,
}

/// The network with its weights.
#[derive(Debug, Clone)]
pub struct Network<T: Real> {
    /// How it is built.
    pub shape: Shape,
    pub(super) layers: Vec<Layer>,
    /// Weights and bias of the score.
    pub(super) head: (Range<usize>, Range<usize>),
    pub(super) parameters: Aligned<T>,
    /// The weights of each layer in panels, for the way forward.
    pub(super) forward: Vec<Aligned<T>>,
    /// The weights of the second and later layers the other way round, output × input, in panels: for the way back.
    pub(super) back: Vec<Aligned<T>>,
    /// Room for weights the other way round.
    turned: Vec<Matrix<T>>,
    /// One for each layer with batch norm.
    pub running: Vec<Running<T>>,
}

impl<T: Real> Network<T> {
    /// A network with weights drawn from the seed.
    #[must_use]
    pub fn new(shape: &Shape, seed: u64) -> Self {
        let mut network = Self::zeros(shape);
        for at in 0..network.layers.len() {
            let Layer { n_in, n_out, weight, bias, norm } = network.layers[at].clone();
            let parameters = network.parameters.as_mut_slice();
            let weight = parameters[weight].chunks_exact_mut(pitch(n_out)).map(|row| &mut row[..n_out]);
            draw(weight, n_in, seed, 2 * at as u64);
            draw(std::iter::once(&mut parameters[bias][..n_out]), n_in, seed, 2 * at as u64 + 1);
            if let Some((scale, _)) = norm {
                parameters[scale][..n_out].fill(T::of(1.0));
            }
        }
        let (last, at) = (network.last_width(), 2 * network.layers.len() as u64);
        let (weight, bias) = network.head.clone();
        let parameters = network.parameters.as_mut_slice();
        draw(std::iter::once(&mut parameters[weight][..last]), last, seed, at);
        draw(std::iter::once(&mut parameters[bias][..1]), last, seed, at + 1);
        network.pack();
        network
    }

    /// All weights 0.
    #[must_use]
    pub fn zeros(shape: &Shape) -> Self {
        let mut end = 0;
        let mut take = |len: usize| {
            end += len;
            end - len..end
        };
        let mut layers = Vec::new();
        let mut n_in = shape.n_features;
        for n_out in &shape.hidden {
            let weight = take(n_in * pitch(*n_out));
            let bias = take(pitch(*n_out));
            let norm = shape.batch_norm.then(|| (take(pitch(*n_out)), take(pitch(*n_out))));
            layers.push(Layer { n_in, n_out: *n_out, weight, bias, norm });
            n_in = *n_out;
        }
        let head = (take(pitch(n_in)), take(UNIT));
        let turned = layers.iter().skip(1).map(|layer| Matrix::zeros(layer.n_out, layer.n_in)).collect();
        let forward = layers.iter().map(|layer| Aligned::zeroed(layer.n_in * padded(layer.n_out))).collect();
        let back = layers.iter().skip(1).map(|layer| Aligned::zeroed(layer.n_out * padded(layer.n_in))).collect();
        let fresh = |n_out: &usize| Running {
            mean: vec![T::of(0.0); pitch(*n_out)],
            variance: vec![T::of(1.0); pitch(*n_out)],
        };
        let running = if shape.batch_norm { shape.hidden.iter().map(fresh).collect() } else { Vec::new() };
        Self { shape: shape.clone(), layers, head, parameters: Aligned::zeroed(end), forward, back, turned, running }
    }

    /// Outputs of the last hidden layer, or the features.
    fn last_width(&self) -> usize {
        self.layers.last().map_or(self.shape.n_features, |layer| layer.n_out)
    }

    /// All parameters, padding included, in the order of the module's description.
    #[must_use]
    pub fn parameters(&self) -> &[T] {
        self.parameters.as_slice()
    }

    /// Replaces all parameters.
    pub fn set_parameters(&mut self, parameters: &[T]) {
        self.parameters.as_mut_slice().copy_from_slice(parameters);
        self.pack();
    }

    /// Number of parameters, padding not counted.
    #[must_use]
    pub fn n_parameters(&self) -> usize {
        let hidden = |layer: &Layer| (layer.n_in + if layer.norm.is_some() { 3 } else { 1 }) * layer.n_out;
        self.layers.iter().map(hidden).sum::<usize>() + self.last_width() + 1
    }

    /// Packs the weights, after they have changed.
    pub(super) fn pack(&mut self) {
        let parameters = self.parameters.as_slice();
        for (layer, packed) in self.layers.iter().zip(&mut self.forward) {
            let size = (layer.n_in, padded(layer.n_out));
            pack_rows(&parameters[layer.weight.clone()], pitch(layer.n_out), size, packed.as_mut_slice());
        }
        let later = self.layers[1.min(self.layers.len())..].iter();
        for (layer, (turned, packed)) in later.zip(self.turned.iter_mut().zip(&mut self.back)) {
            transpose(&parameters[layer.weight.clone()], (layer.n_in, layer.n_out), turned);
            let size = (layer.n_out, padded(layer.n_in));
            pack_rows(turned.as_slice(), turned.pitch, size, packed.as_mut_slice());
        }
    }

    /// The parameters by name, without padding, row-major: `layers.0.weight` (output × input, as `PyTorch` keeps it), `…bias`,
    /// `…scale`, `…shift`, `…mean`, `…variance`, and `score.weight`, `score.bias`.
    #[must_use]
    pub fn named(&self) -> Vec<(String, Vec<usize>, Vec<T>)> {
        let parameters = self.parameters.as_slice();
        let mut named = Vec::new();
        for (at, layer) in self.layers.iter().enumerate() {
            let Layer { n_in, n_out, weight, bias, norm } = layer;
            let rows = &parameters[weight.clone()];
            let weight = (0..*n_out).flat_map(|o| (0..*n_in).map(move |i| rows[i * pitch(*n_out) + o])).collect();
            let first = |range: &Range<usize>| parameters[range.clone()][..*n_out].to_vec();
            named.push((format!("layers.{at}.weight"), vec![*n_out, *n_in], weight));
            named.push((format!("layers.{at}.bias"), vec![*n_out], first(bias)));
            if let (Some((scale, shift)), Some(running)) = (norm, self.running.get(at)) {
                named.push((format!("layers.{at}.scale"), vec![*n_out], first(scale)));
                named.push((format!("layers.{at}.shift"), vec![*n_out], first(shift)));
                named.push((format!("layers.{at}.mean"), vec![*n_out], running.mean[..*n_out].to_vec()));
                named.push((format!("layers.{at}.variance"), vec![*n_out], running.variance[..*n_out].to_vec()));
            }
        }
        let last = self.last_width();
        named.push(("score.weight".into(), vec![last], parameters[self.head.0.clone()][..last].to_vec()));
        named.push(("score.bias".into(), vec![1], parameters[self.head.1.clone()][..1].to_vec()));
        named
    }

    /// Sets what `named` gave; false when the values do not fit the shape.
    pub fn set_named(&mut self, mut take: impl FnMut(&str) -> Option<Vec<T>>) -> bool {
        let mut all = true;
        let names: Vec<(String, Vec<usize>)> = self.named().into_iter().map(|(name, shape, _)| (name, shape)).collect();
        for (name, shape) in names {
            match take(&name) {
                Some(values) if values.len() == shape.iter().product::<usize>() => self.set_one(&name, &values),
                _ => all = false,
            }
        }
        self.pack();
        all
    }

    fn set_one(&mut self, name: &str, values: &[T]) {
        let parameters = self.parameters.as_mut_slice();
        let place = match name.split('.').collect::<Vec<_>>()[..] {
            ["layers", at, what] => {
                let at: usize = at.parse().expect("`named` numbers the layers");
                let layer = &self.layers[at];
                match what {
                    "weight" => {
                        let rows = &mut parameters[layer.weight.clone()];
                        for (o, row) in values.chunks_exact(layer.n_in).enumerate() {
                            row.iter().enumerate().for_each(|(i, value)| rows[i * pitch(layer.n_out) + o] = *value);
                        }
                        return;
                    }
                    "mean" => return self.running[at].mean[..values.len()].copy_from_slice(values),
                    "variance" => return self.running[at].variance[..values.len()].copy_from_slice(values),
                    "bias" => layer.bias.clone(),
                    "scale" => layer.norm.clone().expect("`named` gave a scale").0,
                    _ => layer.norm.clone().expect("`named` gave a shift").1,
                }
            }
            ["score", "weight"] => self.head.0.clone(),
            _ => self.head.1.clone(),
        };
        parameters[place][..values.len()].copy_from_slice(values);
    }
}

/// Fills rows with numbers within ±1/√n, evenly spread.
fn draw<'a, T: Real>(rows: impl Iterator<Item = &'a mut [T]>, n: usize, seed: u64, index: u64) {
    let mut random = generator(*b"nnweight", seed, index);
    let most = 1.0 / (n as f64).sqrt();
    for value in rows.flatten() {
        let share = (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        *value = T::of(most * (2.0 * share - 1.0));
    }
}

/// `n_in` rows of outputs → `n_out` rows of inputs.
fn transpose<T: Real>(weight: &[T], (n_in, n_out): (usize, usize), turned: &mut Matrix<T>) {
    let (from, to) = (pitch(n_out), turned.pitch);
    let target = turned.as_mut_slice();
    for first in (0..n_in).step_by(UNIT) {
        let inputs = UNIT.min(n_in - first);
        for o in 0..n_out {
            let row = &mut target[o * to + first..][..inputs];
            for (i, value) in row.iter_mut().enumerate() {
                *value = weight[(first + i) * from + o];
            }
        }
    }
}
