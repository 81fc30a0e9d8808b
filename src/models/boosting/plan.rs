//! Boosting: tree after tree, each on the derivatives at the scores of those before it.

use std::ops::ControlFlow;

use rayon::prelude::*;

use super::binned::Binned;
use super::bins::Binning;
use super::draws::{Bag, Bags, Choices};
use super::ensemble::Boosted;
use super::grow::{Grower, Shape};
use super::objective::Objective;
use super::split::Limits;
use super::tree::Tree;
use crate::data::dataset::Features;
use crate::error::{Error, Result};

/// The parameters; names and defaults are LightGBM's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// The most trees.
    pub n_trees: usize,
    /// What a tree's values are multiplied with.
    pub learning_rate: f64,
    /// The most leaves of a tree, 2 to 32,768.
    pub num_leaves: usize,
    /// The longest path, in splits; 0 for any length.
    pub max_depth: usize,
    /// What a split must fulfil.
    pub limits: Limits,
    /// The part of the features that a tree may use, in (0, 1].
    pub feature_fraction: f64,
    /// The part of the rows that a tree learns from, in (0, 1].
    pub bagging_fraction: f64,
    /// Rows are drawn anew every so many trees; 0 for never.
    pub bagging_freq: usize,
    /// How bins are made.
    pub binning: Binning,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            n_trees: 100,
            learning_rate: 0.1,
            num_leaves: 31,
            max_depth: 0,
            limits: Limits::default(),
            feature_fraction: 1.0,
            bagging_fraction: 1.0,
            bagging_freq: 0,
            binning: Binning::default(),
        }
    }
}

/// Rows that one thread looks at together.
const CHUNK: usize = 8192;

/// A tree has been added.
pub struct Round<'a> {
    /// The model up to it.
    pub model: &'a Boosted,
    /// The scores of the training rows.
    pub scores: &'a [f64],
}

/// Who is told of every tree, and may end the fit: `Break(n)` keeps the first n trees.
pub type Watch<'a> = dyn FnMut(&Round<'_>) -> Result<ControlFlow<usize>> + 'a;

/// Rows beside the training rows whose scores are kept up to date.
pub struct Watched<'a> {
    features: &'a Features,
    scores: Vec<f64>,
    n_trees: usize,
}

impl<'a> Watched<'a> {
    /// Nothing has been added yet.
    #[must_use]
    pub fn new(features: &'a Features) -> Self {
        Self { features, scores: Vec::new(), n_trees: 0 }
    }

    /// The scores by the model as it is now; only trees that are new are asked.
    ///
    /// # Errors
    /// `Invalid` when the number of features differs.
    pub fn scores(&mut self, model: &Boosted) -> Result<&[f64]> {
        if self.n_trees == 0 {
            self.scores = vec![model.start(); self.features.n_rows()];
        }
        model.add(self.features, self.n_trees, &mut self.scores)?;
        self.n_trees = model.trees().len();
        Ok(&self.scores)
    }
}

impl Plan {
    /// Says what is wrong with the parameters.
    ///
    /// # Errors
    /// `Invalid`.
    pub fn check(&self) -> Result<()> {
        let part = |value: f64| value > 0.0 && value <= 1.0;
        let from_zero = |value: f64| value >= 0.0 && value.is_finite();
        let limits = &self.limits;
        let wrong = [
            ("num_leaves", (2..=1 << 15).contains(&self.num_leaves), "2 to 32768"),
            ("learning_rate", self.learning_rate > 0.0 && self.learning_rate.is_finite(), "above 0"),
            ("feature_fraction", part(self.feature_fraction), "above 0 and at most 1"),
            ("bagging_fraction", part(self.bagging_fraction), "above 0 and at most 1"),
            ("max_bin", (2..=255).contains(&self.binning.max_bin), "2 to 255"),
            ("min_sum_hessian_in_leaf", from_zero(limits.min_sum_hessian_in_leaf), "at least 0"),
            ("lambda_l1", from_zero(limits.lambda_l1), "at least 0"),
            ("lambda_l2", from_zero(limits.lambda_l2), "at least 0"),
            ("min_gain_to_split", from_zero(limits.min_gain_to_split), "at least 0"),
        ];
        match wrong.iter().find(|(_, is_right, _)| !is_right) {
            Some((name, _, allowed)) => Err(Error::invalid(format!("`{name}` expects {allowed}"))),
            None => Ok(()),
        }
    }

    /// Fits a model. Same data, parameters and seed give the same model, whatever the number of threads; with λ by
    /// `Sigmoid::Table` it is the model that LightGBM 4.7.0 makes with `seed` and `deterministic`.
    ///
    /// Fewer trees than asked for come out when no split gains anything any more.
    ///
    /// # Errors
    /// `Invalid` for wrong parameters, no rows or features that are not finite; what `watch` says; `Failed` when
    /// gradients are no numbers.
    pub fn fit(
        &self,
        features: &Features,
        objective: &dyn Objective,
        seed: u64,
        watch: &mut Watch<'_>,
    ) -> Result<Boosted> {
        self.check()?;
        features.check_finite(&[])?;
        let binned = Binned::new(features, &self.binning, self.limits.min_data_in_leaf, seed)?;
        let shape = Shape { num_leaves: self.num_leaves, max_depth: self.max_depth, limits: self.limits };
        let mut grower = Grower::new(&binned, shape);
        let mut model = Boosted::new(objective.start(), binned.n_features);
        let mut scores = vec![objective.start(); binned.n_rows];
        let mut gradients = vec![[0.0; 2]; binned.n_rows];
        let mut bags = Bags::new(binned.n_rows, self.bagging_fraction, seed);
        let mut choices = Choices::new(binned.features.len(), self.feature_fraction, seed);
        let mut bag: Option<Bag> = None;
        for round in 0..self.n_trees {
            objective.gradients(&scores, &mut gradients);
            let is_wrong = |pair: &[f32; 2]| !pair[0].is_finite() || !pair[1].is_finite();
            if gradients.par_chunks(CHUNK).any(|chunk| chunk.iter().any(is_wrong)) {
                return Err(Error::failed(format!("a gradient of tree {} is not a number", round + 1)));
            }
            if self.bagging_freq > 0 && self.bagging_fraction < 1.0 && round.is_multiple_of(self.bagging_freq) {
                bag = Some(bags.draw());
            }
            let mut tree = grower.grow(&gradients, bag.as_ref().map(|bag| &bag.inside[..]), &choices.draw());
            if tree.nodes.is_empty() {
                break;
            }
            for value in &mut tree.values {
                *value *= self.learning_rate;
            }
            for (rows, value) in grower.leaves().zip(&tree.values) {
                rows.iter().for_each(|row| scores[*row as usize] += value);
            }
            if let Some(bag) = &bag {
                add_outside(&tree, features, &bag.outside, &mut scores);
            }
            model.push(tree);
            if let ControlFlow::Break(n_trees) = watch(&Round { model: &model, scores: &scores })? {
                model.truncate(n_trees);
                break;
            }
        }
        Ok(model)
    }
}

/// Adds the tree's values to rows that it has not learned from.
fn add_outside(tree: &Tree, features: &Features, rows: &[u32], scores: &mut [f64]) {
    let value = |row: usize, feature: usize| match features {
        Features::Dense(matrix) => matrix[[row, feature]],
        Features::Sparse(matrix) => {
            let (indices, values) = matrix.row(row);
            indices.binary_search(&(feature as u32)).map_or(0.0, |at| values[at])
        }
    };
    let values: Vec<f64> = rows
        .par_iter()
        .with_min_len(1024)
        .map(|row| tree.values[tree.leaf(|feature| value(*row as usize, feature))])
        .collect();
    for (row, value) in rows.iter().zip(values) {
        scores[*row as usize] += value;
    }
}
