//! Gradient-boosted trees on histograms, as LightGBM 4.7 grows them: the same bins, the same order of sums, the same
//! trees.
//!
//! `bins` finds the limits of every feature's bins, `binned` keeps the matrix as bytes, `histogram` adds gradients up by
//! bin, `split` finds a feature's best threshold, `partition` moves rows, `grow` puts a tree together leaf by leaf,
//! `plan` boosts, with `patience`. An `Objective` says what is to be lowered: `lambda` (LambdaRank) and `logistic`.

mod binned;
mod bins;
mod draws;
mod ensemble;
mod grow;
mod histogram;
mod lambda;
#[cfg(test)]
mod lambda_tests;
mod logistic;
mod objective;
mod onnx;
mod packed;
mod partition;
mod patience;
mod plan;
mod split;
#[cfg(test)]
mod tests;
mod tree;

pub use bins::Binning;
pub use ensemble::{Boosted, Importance};
pub use lambda::{Lambda, Rules, Sigmoid};
pub use logistic::Logistic;
pub use objective::Objective;
pub use patience::Patience;
pub use plan::{Plan, Round, Watch, Watched};
pub use split::Limits;
pub use tree::{Node, Tree};
