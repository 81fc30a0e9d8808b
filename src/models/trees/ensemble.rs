//! The fitted model of random forest and decision tree: the mean of its trees' class probabilities.
//!
//! Saved as `model.safetensors`: the nodes of all trees one after the other, the number of nodes of each tree, the
//! probabilities of all leaves (`n_leaves × n_classes`) and the importances (`n_features`).

use std::path::Path;

use ndarray::Array2;
use rayon::prelude::*;

use super::tree::{Node, Tree};
use crate::data::dataset::{Csr, Features};
use crate::error::{Error, Result};
use crate::models::family::Model;
use crate::onnx::{Graph, Split, TreeNode, Trees, Value};
use crate::tensors::Tensors;

const FILE: &str = "model.safetensors";

/// Rows that visit a tree together, while it is in the cache.
const ROWS: usize = 64;

/// One tree or many.
#[derive(Debug, Clone, PartialEq)]
pub struct Ensemble {
    trees: Vec<Tree>,
    n_classes: usize,
    importance: Vec<f64>,
}

impl Ensemble {
    /// Averages the importances of trees that have a split and puts the model together.
    #[must_use]
    pub fn new(grown: Vec<(Tree, Vec<f64>)>, n_classes: usize, n_features: usize) -> Self {
        let mut importance = vec![0.0; n_features];
        for (_, of_tree) in &grown {
            importance.iter_mut().zip(of_tree).for_each(|(sum, value)| *sum += value);
        }
        let sum: f64 = importance.iter().sum();
        if sum > 0.0 {
            for value in &mut importance {
                *value /= sum;
            }
        }
        Self { trees: grown.into_iter().map(|(tree, _)| tree).collect(), n_classes, importance }
    }

    /// Reads what `save` wrote.
    ///
    /// # Errors
    /// `Failed` when the file is missing or damaged.
    pub fn load(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let mut tensors = Tensors::load(&path)?;
        let (_, features) = tensors.take_u32("feature")?;
        let (_, thresholds) = tensors.take_f32("threshold")?;
        let (_, nexts) = tensors.take_u32("next")?;
        let (_, sizes) = tensors.take_u32("tree_nodes")?;
        let (shape, values) = tensors.take_f64("value")?;
        let (_, importance) = tensors.take_f64("importance")?;
        let damaged = || Error::failed(format!("`{}` is damaged: its trees do not fit together", path.display()));
        let n_classes = shape.get(1).copied().filter(|n_classes| *n_classes > 0).ok_or_else(damaged)?;
        let mut nodes = features.iter().zip(&thresholds).zip(&nexts);
        let (mut leaves, mut trees) = (values.chunks_exact(n_classes), Vec::with_capacity(sizes.len()));
        for size in &sizes {
            let nodes = nodes.by_ref().take(*size as usize);
            let nodes = nodes.map(|((feature, threshold), next)| Node {
                feature: *feature,
                threshold: *threshold,
                next: *next,
            });
            let nodes: Vec<_> = nodes.collect();
            let n_leaves = nodes.iter().filter(|node| node.is_leaf()).count();
            let tree = Tree { nodes, values: leaves.by_ref().take(n_leaves).flatten().copied().collect() };
            if tree.nodes.len() != *size as usize || !tree.is_sound(importance.len(), n_classes) {
                return Err(damaged());
            }
            trees.push(tree);
        }
        if trees.is_empty() || nodes.next().is_some() || leaves.next().is_some() {
            return Err(damaged());
        }
        Ok(Self { trees, n_classes, importance })
    }

    /// Adds every tree's probabilities for consecutive dense rows.
    fn add(&self, rows: &[f32], sums: &mut [f64]) {
        for tree in &self.trees {
            for (row, sums) in rows.chunks_exact(self.importance.len()).zip(sums.chunks_exact_mut(self.n_classes)) {
                let leaf = tree.leaf_of(row) * self.n_classes;
                let values = &tree.values[leaf..leaf + self.n_classes];
                sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            }
        }
        let n_trees = self.trees.len() as f64;
        for sum in sums {
            *sum /= n_trees;
        }
    }

    /// As `add`, for sparse rows: one row at a time is filled up.
    fn add_sparse(&self, matrix: &Csr, first: usize, sums: &mut [f64]) {
        let mut full = vec![0.0; self.importance.len()];
        for (row, sums) in (first..).zip(sums.chunks_exact_mut(self.n_classes)) {
            let (indices, values) = matrix.row(row);
            indices.iter().zip(values).for_each(|(column, value)| full[*column as usize] = *value);
            self.add(&full, sums);
            for column in indices {
                full[*column as usize] = 0.0;
            }
        }
    }
}

impl Model for Ensemble {
    fn predict(&self, features: &Features) -> Result<Array2<f64>> {
        let (expected, got) = (self.importance.len(), features.n_features());
        if expected != got {
            return Err(Error::invalid_rows(format!("expected {expected} features, got {got}"))
                .hint("predict with the features that the model was trained on"));
        }
        let mut sums = vec![0.0; features.n_rows() * self.n_classes];
        let chunks = sums.par_chunks_mut(ROWS * self.n_classes);
        match features {
            Features::Dense(matrix) => {
                let matrix = matrix.as_standard_layout();
                let cells = matrix.as_slice().expect("the standard layout is one slice");
                chunks.zip(cells.par_chunks(ROWS * expected)).for_each(|(sums, rows)| self.add(rows, sums));
            }
            Features::Sparse(matrix) => {
                chunks.enumerate().for_each(|(chunk, sums)| self.add_sparse(matrix, chunk * ROWS, sums));
            }
        }
        Ok(Array2::from_shape_vec((features.n_rows(), self.n_classes), sums).expect("one value per row and class"))
    }

    fn importance(&self) -> Option<Vec<f64>> {
        Some(self.importance.clone())
    }

    fn onnx(&self, graph: &mut Graph, features: &Value) -> Option<Value> {
        if self.n_classes == 1 {
            return Some(graph.same_row(&[1.0]));
        }
        let node = |tree: &Tree, (at, node): (usize, &Node)| {
            if node.is_leaf() {
                let leaf = node.next as usize * self.n_classes;
                return TreeNode::Leaf(tree.values[leaf..leaf + self.n_classes].to_vec());
            }
            let (feature, no) = (node.feature as usize, node.next as usize);
            TreeNode::Split(Split { feature, threshold: node.threshold, yes: at + 1, no })
        };
        let nodes = |tree: &Tree| tree.nodes.iter().enumerate().map(|one| node(tree, one)).collect();
        let trees = Trees::new(self.n_classes, self.trees.iter().map(nodes).collect());
        let sums = graph.trees(features, &trees);
        let count = graph.number(self.trees.len() as f64);
        Some(graph.binary("Div", &sums, &count))
    }

    fn facts(&self) -> Vec<(&'static str, f64)> {
        let leaves: usize = self.trees.iter().map(Tree::n_leaves).sum();
        let depth = self.trees.iter().map(Tree::depth).max().unwrap_or_default();
        vec![("n_trees", self.trees.len() as f64), ("n_leaves", leaves as f64), ("depth", depth as f64)]
    }

    fn save(&self, folder: &Path) -> Result<()> {
        let nodes: Vec<Node> = self.trees.iter().flat_map(|tree| tree.nodes.iter().copied()).collect();
        let values: Vec<f64> = self.trees.iter().flat_map(|tree| tree.values.iter().copied()).collect();
        let sizes = self.trees.iter().map(|tree| tree.nodes.len() as u32).collect();
        Tensors::new()
            .u32("feature", &[nodes.len()], nodes.iter().map(|node| node.feature).collect())
            .f32("threshold", &[nodes.len()], nodes.iter().map(|node| node.threshold).collect())
            .u32("next", &[nodes.len()], nodes.iter().map(|node| node.next).collect())
            .u32("tree_nodes", &[self.trees.len()], sizes)
            .f64("value", &[values.len() / self.n_classes, self.n_classes], values)
            .f64("importance", &[self.importance.len()], self.importance.clone())
            .save(&folder.join(FILE))
    }
}
