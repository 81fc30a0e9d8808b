//! Models: one file per family behind the traits of `family`.

pub mod boosting;
pub mod class_weight;
mod family;

mod baseline;
mod decision_tree;
mod lbfgs;
mod linear_objective;
mod logistic_regression;
pub mod neural_ranker;
pub mod nn;
mod random_forest;
mod trees;

pub use family::{Epoch, Estimator, Event, Family, FitContext, Model};

/// Every family, by name.
pub const FAMILIES: &[&dyn Family] = &[
    &logistic_regression::LogisticRegression,
    &random_forest::RandomForest,
    &decision_tree::DecisionTree,
    &baseline::Baseline,
];
