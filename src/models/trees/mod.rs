//! Classification trees: the room that random forest and decision tree share.
//!
//! `columns` ranks the feature values once, `grow` searches exact best splits over the ranks with an `impurity`,
//! `tree` is the flat result, `fit` grows one or many in parallel, `ensemble` is the model that averages them.

mod columns;
mod ensemble;
mod fit;
mod grow;
mod impurity;
#[cfg(test)]
pub(crate) mod samples;
mod tree;

pub use ensemble::Ensemble;
pub use fit::{CRITERION, MAX_DEPTH, MIN_SAMPLES_LEAF, MIN_SAMPLES_SPLIT, Plan, max_features_param};
