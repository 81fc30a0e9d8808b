//! What a ranking network minimises: one file per loss, all listed in `LOSSES`.

pub mod approxndcg;
pub mod lambdaloss;
pub mod lambdarank;
pub mod listmle;
pub mod listnet;
mod logistic;
pub mod loss;
pub mod mse;
pub mod neuralndcg;
mod pairs;
pub mod ranknet;

#[cfg(test)]
mod goldens;

pub use loss::{List, Loss, LossKind, Scratch};

/// All losses.
pub const LOSSES: &[&dyn LossKind] = &[
    &ranknet::RankNetKind,
    &lambdarank::LambdaRankKind,
    &lambdaloss::LambdaLossKind,
    &listnet::ListNetKind,
    &listmle::ListMleKind,
    &approxndcg::ApproxNdcgKind,
    &neuralndcg::NeuralNdcgKind,
    &mse::Mse,
];
