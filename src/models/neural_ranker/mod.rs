//! Neural rankers: a multilayer perceptron that scores documents, trained by a ranking loss; a kind of model for each loss.
//!
//! `kinds` the families and their parameters · `estimator` a fit · `ranker` the fitted model. The network and its training are in
//! `models/nn`.

mod estimator;
mod kinds;
mod ranker;

pub use kinds::{APPROX_NDCG, LAMBDA_LOSS, LAMBDA_RANK, LIST_MLE, LIST_NET, NEURAL_NDCG, POINTWISE_MSE, RANK_NET};
