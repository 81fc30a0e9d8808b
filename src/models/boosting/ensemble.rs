//! The fitted model: a start value and trees whose values are added up.
//!
//! Saved as `model.safetensors`: the splits of all trees one after the other (`feature`, `threshold`, `left`, `right`,
//! `gain`), the number of splits of each tree (`tree_splits`), the values of all leaves (`value`), and `start`.

use std::path::Path;

use rayon::prelude::*;

use super::packed::Packed;
use super::tree::{Node, Tree};
use crate::data::dataset::{Csr, Features};
use crate::error::{Error, Result};
use crate::tensors::Tensors;

const FILE: &str = "model.safetensors";

/// Rows that visit a tree together, while it is in the cache.
const ROWS: usize = 64;

/// What a feature brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Importance {
    /// The sum of its splits' gains.
    Gain,
    /// The number of its splits.
    Splits,
}

/// A boosted model.
#[derive(Debug, Clone, PartialEq)]
pub struct Boosted {
    start: f64,
    n_features: usize,
    trees: Vec<Tree>,
    packed: Vec<Packed>,
}

impl Boosted {
    /// A model of no trees yet.
    #[must_use]
    pub fn new(start: f64, n_features: usize) -> Self {
        Self { start, n_features, trees: Vec::new(), packed: Vec::new() }
    }

    /// Adds a tree.
    pub fn push(&mut self, tree: Tree) {
        self.packed.push(Packed::new(&tree));
        self.trees.push(tree);
    }

    /// Keeps the first trees.
    pub fn truncate(&mut self, n_trees: usize) {
        self.trees.truncate(n_trees);
        self.packed.truncate(n_trees);
    }

    /// The trees.
    #[must_use]
    pub fn trees(&self) -> &[Tree] {
        &self.trees
    }

    /// The score before the first tree.
    #[must_use]
    pub fn start(&self) -> f64 {
        self.start
    }

    /// Number of features.
    #[must_use]
    pub fn n_features(&self) -> usize {
        self.n_features
    }

    /// The scores of rows.
    ///
    /// # Errors
    /// `Invalid` when the number of features differs from training.
    pub fn predict(&self, features: &Features) -> Result<Vec<f64>> {
        let mut scores = vec![self.start; features.n_rows()];
        self.add(features, 0, &mut scores)?;
        Ok(scores)
    }

    /// Adds the values of the trees from number `first` on, counted from 0.
    ///
    /// # Errors
    /// `Invalid` when the number of features differs from training.
    pub fn add(&self, features: &Features, first: usize, scores: &mut [f64]) -> Result<()> {
        let (expected, got) = (self.n_features, features.n_features());
        if expected != got {
            return Err(Error::invalid_rows(format!("expected {expected} features, got {got}"))
                .hint("predict with the features that the model was trained on"));
        }
        let trees = &self.packed[first.min(self.packed.len())..];
        if expected == 0 || trees.is_empty() {
            return Ok(());
        }
        let chunks = scores.par_chunks_mut(ROWS);
        match features {
            Features::Dense(matrix) => {
                let matrix = matrix.as_standard_layout();
                let cells = matrix.as_slice().expect("the standard layout is one slice");
                chunks.zip(cells.par_chunks(ROWS * expected)).for_each(|(scores, rows)| {
                    trees.iter().for_each(|tree| tree.add(rows, expected, scores));
                });
            }
            Features::Sparse(matrix) => chunks.enumerate().for_each(|(chunk, scores)| {
                add_sparse(trees, matrix, chunk * ROWS, scores);
            }),
        }
        Ok(())
    }

    /// What each feature brought; not normalised.
    #[must_use]
    pub fn importance(&self, kind: Importance) -> Vec<f64> {
        let mut sums = vec![0.0; self.n_features];
        for node in self.trees.iter().flat_map(|tree| &tree.nodes) {
            sums[node.feature as usize] += if kind == Importance::Gain { node.gain } else { 1.0 };
        }
        sums
    }

    /// Writes the model into an existing folder.
    ///
    /// # Errors
    /// `Failed` when the disk refuses.
    pub fn save(&self, folder: &Path) -> Result<()> {
        let nodes: Vec<Node> = self.trees.iter().flat_map(|tree| tree.nodes.iter().copied()).collect();
        let values: Vec<f64> = self.trees.iter().flat_map(|tree| tree.values.iter().copied()).collect();
        let shape = [nodes.len()];
        // Children are kept bit for bit: leaves are negative.
        let child = |of: fn(&Node) -> i32| nodes.iter().map(|node| of(node).cast_unsigned()).collect();
        Tensors::new()
            .u32("feature", &shape, nodes.iter().map(|node| node.feature).collect())
            .f32("threshold", &shape, nodes.iter().map(|node| node.threshold).collect())
            .u32("left", &shape, child(|node| node.left))
            .u32("right", &shape, child(|node| node.right))
            .f64("gain", &shape, nodes.iter().map(|node| node.gain).collect())
            .u32("tree_splits", &[self.trees.len()], self.trees.iter().map(|tree| tree.nodes.len() as u32).collect())
            .f64("value", &[values.len()], values)
            .f64("start", &[1], vec![self.start])
            .u32("n_features", &[1], vec![self.n_features as u32])
            .save(&folder.join(FILE))
    }

    /// Reads what `save` wrote.
    ///
    /// # Errors
    /// `Failed` when the file is missing or damaged.
    pub fn load(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let mut tensors = Tensors::load(&path)?;
        let damaged = || Error::failed(format!("`{}` is damaged: its trees do not fit together", path.display()));
        let features = tensors.take_u32("feature")?.1;
        let thresholds = tensors.take_f32("threshold")?.1;
        let (left, right) = (tensors.take_u32("left")?.1, tensors.take_u32("right")?.1);
        let gains = tensors.take_f64("gain")?.1;
        let sizes = tensors.take_u32("tree_splits")?.1;
        let values = tensors.take_f64("value")?.1;
        let [start] = tensors.take_f64("start")?.1[..] else { return Err(damaged()) };
        let [n_features] = tensors.take_u32("n_features")?.1[..] else { return Err(damaged()) };
        let n_nodes = features.len();
        let whole = [thresholds.len(), left.len(), right.len(), gains.len()].iter().all(|length| *length == n_nodes)
            && sizes.iter().map(|size| *size as usize).sum::<usize>() == n_nodes
            && values.len() == n_nodes + sizes.len()
            && start.is_finite();
        if !whole {
            return Err(damaged());
        }
        let node = |at: usize| Node {
            feature: features[at],
            threshold: thresholds[at],
            left: left[at].cast_signed(),
            right: right[at].cast_signed(),
            gain: gains[at],
        };
        let mut model = Self::new(start, n_features as usize);
        let (mut at_node, mut at_value) = (0, 0);
        for size in sizes {
            let (end, end_value) = (at_node + size as usize, at_value + size as usize + 1);
            let tree = Tree { nodes: (at_node..end).map(node).collect(), values: values[at_value..end_value].to_vec() };
            if !tree.is_sound(model.n_features) {
                return Err(damaged());
            }
            model.push(tree);
            (at_node, at_value) = (end, end_value);
        }
        Ok(model)
    }
}

/// Sparse rows are filled up one at a time.
fn add_sparse(trees: &[Packed], matrix: &Csr, first: usize, scores: &mut [f64]) {
    let mut full = vec![0.0; matrix.n_cols * scores.len()];
    for (row, full) in (first..).zip(full.chunks_exact_mut(matrix.n_cols)) {
        let (indices, values) = matrix.row(row);
        indices.iter().zip(values).for_each(|(column, value)| full[*column as usize] = *value);
    }
    trees.iter().for_each(|tree| tree.add(&full, matrix.n_cols, scores));
}
