//! A fitted neural ranker: the network, and how it came about.
//!
//! Saved as `network.safetensors` (the weights by name, as `PyTorch` keeps them) and `ranker.json` (the shape, the epochs). Nothing
//! in it depends on time: same data, parameters and seed, same bytes.

use std::f32::consts::FRAC_1_SQRT_2;
use std::path::Path;

use ndarray::Array2;

use crate::data::dataset::Features;
use crate::error::{Error, Result};
use crate::fs::read_document;
use crate::models::family::Model;
use crate::models::head::write_head;
use crate::models::nn::activation::Activation;
use crate::models::nn::matrix::Matrix;
use crate::models::nn::{Network, Scorer, Shape};
use crate::models::relevance::check_scored;
use crate::onnx::{Graph, Kind, Value};
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
        let head: Head = read_document(&folder.join(HEAD), FORMAT_VERSION)?;
        let mut tensors = Tensors::load(&folder.join(WEIGHTS))?;
        let mut network = Network::zeros(&head.shape);
        if !network.set_named(|name| tensors.take_f32(name).ok().map(|(_, values)| values)) {
            return Err(Error::failed(format!("`{}` does not fit `{HEAD}`", folder.join(WEIGHTS).display())));
        }
        Ok(Self::new(network, head.trained))
    }
}

/// max(x, 0), or ½·x·(1 + erf(x / √2)).
fn activated(graph: &mut Graph, value: &Value, activation: Activation) -> Value {
    if activation == Activation::Relu {
        return graph.unary("Relu", value);
    }
    let (root, one, half) =
        (graph.singles(&[], &[FRAC_1_SQRT_2]), graph.singles(&[], &[1.0]), graph.singles(&[], &[0.5]));
    let scaled = graph.binary("Mul", value, &root);
    let erf = graph.unary("Erf", &scaled);
    let above = graph.binary("Add", &erf, &one);
    let share = graph.binary("Mul", &above, &half);
    graph.binary("Mul", value, &share)
}

impl Model for NeuralRanker {
    fn predict(&self, features: &Features) -> Result<Array2<f64>> {
        let width = self.network.shape.n_features;
        check_scored(features, width)?;
        let scores = self.scorer.score(&Matrix::of_rows(&features.dense_rows(), width));
        if let Some(row) = scores.iter().position(|score| !score.is_finite()) {
            return Err(Error::invalid_rows(format!("the score of row {} is not a finite number", row + 1))
                .hint("its features are far outside those of training"));
        }
        Ok(Array2::from_shape_vec((scores.len(), 1), scores).expect("one score a row"))
    }

    fn onnx(&self, graph: &mut Graph, features: &Value) -> Option<Value> {
        let layers = self.network.linear_layers();
        let mut value = features.clone();
        for (at, layer) in layers.iter().enumerate() {
            let weight = graph.singles(&[layer.n_in, layer.n_out], &layer.weight);
            let bias = graph.singles(&[layer.n_out], &layer.bias);
            let products = graph.binary("MatMul", &value, &weight);
            value = graph.binary("Add", &products, &bias);
            if at + 1 < layers.len() {
                value = activated(graph, &value, self.network.shape.activation);
            }
        }
        Some(graph.cast(&value, Kind::Float64))
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
        write_head(&folder.join(HEAD), &head)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::models::neural_ranker::{LIST_NET, RANK_NET};
    use crate::models::ranked_samples::{fit, queries};
    use crate::onnx::{Facts, Runtime};

    #[test]
    fn the_graph_says_what_the_network_says() {
        let rows = queries(500, 70).features;
        let Features::Dense(matrix) = &rows else { unreachable!("made dense") };
        for (given, tolerance) in [
            (json!({"epochs": 3}), 1e-5),
            (json!({"epochs": 3, "activation": "gelu", "hidden_dims": [40, 17, 5]}), 1e-5),
            (json!({"epochs": 3, "batch_norm": true, "dropout": 0.1}), 1e-5),
            (json!({"epochs": 3, "hidden_dims": []}), 1e-6),
        ] {
            let model = fit(&RANK_NET, given.clone(), &|_| ()).unwrap();
            let mut graph = Graph::new("features", 3);
            let input = graph.input();
            let scores = model.onnx(&mut graph, &input).unwrap();
            graph.output("score", &scores, Kind::Float32, Some(1));
            let outputs = Runtime::new(&graph.bytes(&Facts::default())).unwrap().run(matrix).unwrap();
            let expected = model.predict(&rows).unwrap();
            for (got, expected) in outputs["score"].floats().unwrap().iter().zip(&expected) {
                let off = (f64::from(*got) - expected).abs();
                assert!(off <= tolerance * expected.abs().max(1.0), "{given}: {got} is not {expected}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_and_damage_is_seen() {
        let model = fit(&LIST_NET, json!({"epochs": 1}), &|_| ()).unwrap();
        let message = |rows: Array2<f32>| model.predict(&Features::Dense(rows)).unwrap_err().message;
        assert_eq!(message(Array2::zeros((2, 2))), "expected 3 features, got 2");
        assert_eq!(message(Array2::from_elem((2, 3), f32::NAN)), "feature 1 of row 1 is NaN or infinite");
        assert_eq!(message(Array2::from_elem((2, 3), f32::MAX)), "the score of row 1 is not a finite number");
        assert_eq!(model.predict(&Features::Dense(Array2::zeros((0, 3)))).unwrap().dim(), (0, 1));
        let folder = tempfile::tempdir().unwrap();
        model.save(folder.path()).unwrap();
        let head = std::fs::read_to_string(folder.path().join(HEAD)).unwrap();
        std::fs::write(folder.path().join(HEAD), head.replace("\"format_version\": 1", "\"format_version\": 2"))
            .unwrap();
        let newer = NeuralRanker::load(folder.path()).unwrap_err();
        assert!(newer.message.ends_with("has format 2, this build reads 1"), "{newer}");
        assert_eq!(newer.hint.as_deref(), Some("use a newer mlops"));
        std::fs::write(folder.path().join(HEAD), head.replace("64", "63")).unwrap();
        assert!(NeuralRanker::load(folder.path()).unwrap_err().message.ends_with("does not fit `ranker.json`"));
    }
}
