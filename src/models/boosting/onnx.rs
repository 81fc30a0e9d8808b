//! A boosted model in an ONNX graph, nearly as exact as it is in f64.
//!
//! The operator for trees adds up in f32, and wants two columns at least. So a leaf's value goes there in two parts: a
//! multiple of a quantum that is so large that all sums of the first parts are exact in f32, and the small rest. With a
//! sum of trees below 2^e the quantum is 2^(e − 23), and what f32 rounds away of the rests is about 2^−46 of it.

use super::ensemble::Boosted;
use super::tree::{Node, Tree};
use crate::onnx::{Graph, Split, TreeNode, Trees, Value};

impl Boosted {
    /// Adds what `predict` computes to a graph: from f32 features, `N × n_features`, to scores, `N × 1`, f64.
    pub fn onnx(&self, graph: &mut Graph, features: &Value) -> Value {
        if self.trees().is_empty() {
            return graph.same_row(&[self.start()]);
        }
        let quantum = quantum(self.trees());
        let nodes = self.trees().iter().map(|tree| nodes(tree, quantum)).collect();
        let sums = graph.trees(features, &Trees::new(2, nodes));
        graph.affine(&sums, &[1.0, 1.0], &[self.start()])
    }
}

/// The quantum of the first parts.
fn quantum(trees: &[Tree]) -> f64 {
    let largest = |tree: &Tree| tree.values.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    let bound: f64 = trees.iter().map(largest).sum();
    if bound > 0.0 { 2.0_f64.powi(bound.log2().ceil() as i32 - 23) } else { 1.0 }
}

fn nodes(tree: &Tree, quantum: f64) -> Vec<TreeNode> {
    let n_splits = tree.nodes.len();
    let place = |child: i32| usize::try_from(child).unwrap_or_else(|_| n_splits + !child as usize);
    let split = |node: &Node| {
        let (feature, threshold) = (node.feature as usize, node.threshold);
        TreeNode::Split(Split { feature, threshold, yes: place(node.left), no: place(node.right) })
    };
    let leaf = |value: &f64| {
        let first = (value / quantum).round() * quantum;
        TreeNode::Leaf(vec![first, value - first])
    };
    tree.nodes.iter().map(split).chain(tree.values.iter().map(leaf)).collect()
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use ndarray::Array2;

    use super::super::{Logistic, Plan};
    use super::*;
    use crate::data::dataset::Features;
    use crate::onnx::{Facts, Kind, Runtime};

    fn exported(model: &Boosted, rows: &Array2<f32>) -> Vec<f32> {
        let mut graph = Graph::new("features", model.n_features());
        let input = graph.input();
        let scores = model.onnx(&mut graph, &input);
        graph.output("score", &scores, Kind::Float32, Some(1));
        let facts = Facts { name: "boosted".into(), version: 1, about: "a test".into(), metadata: [].into() };
        let outputs = Runtime::new(&graph.bytes(&facts)).unwrap().run(rows).unwrap();
        outputs["score"].floats().unwrap().iter().copied().collect()
    }

    #[test]
    fn the_graph_says_what_the_model_says() {
        let rows =
            Array2::from_shape_fn((400, 4), |(i, j)| ((i * 37 + j * 101 + i * i * (j + 3)) % 997) as f32 / 997.0);
        let objective = Logistic::new((0..400).map(|i| rows[[i, 0]] + rows[[i, 1]] * rows[[i, 2]] > 0.7).collect());
        let plan = Plan { n_trees: 40, ..Plan::default() };
        let features = Features::Dense(rows.clone());
        let go = &mut |_: &super::super::Round<'_>| Ok(ControlFlow::Continue(()));
        let mut model = plan.fit(&features, &objective.unwrap(), 1, go).unwrap();
        for n_trees in [40, 1, 0] {
            model.truncate(n_trees);
            let expected = model.predict(&features).unwrap();
            for (found, expected) in exported(&model, &rows).into_iter().zip(expected) {
                // The last step, from f64 to f32, is the only rounding that can be seen.
                assert!((f64::from(found) - expected).abs() <= expected.abs() * 6.1e-8, "{found} {expected}");
            }
        }
    }
}
