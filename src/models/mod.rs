//! Models: one file per family behind the traits of `family`.

pub mod boosting;
pub mod class_weight;
mod family;

mod baseline;
mod decision_tree;
mod early_stopping;
mod head;
mod lambdamart;
mod lbfgs;
mod linear_objective;
mod logistic_regression;
mod neural_ranker;
pub mod nn;
mod random_forest;
#[cfg(test)]
mod ranked_samples;
mod relevance;
mod trees;

pub use family::{Epoch, Estimator, Event, Family, FitContext, Model};

/// Every family, by name.
pub const FAMILIES: &[&dyn Family] = &[
    &logistic_regression::LogisticRegression,
    &random_forest::RandomForest,
    &decision_tree::DecisionTree,
    &baseline::Baseline,
    &lambdamart::LambdaMart,
    &neural_ranker::RANK_NET,
    &neural_ranker::LAMBDA_RANK,
    &neural_ranker::LAMBDA_LOSS,
    &neural_ranker::LIST_NET,
    &neural_ranker::LIST_MLE,
    &neural_ranker::APPROX_NDCG,
    &neural_ranker::NEURAL_NDCG,
    &neural_ranker::POINTWISE_MSE,
];
