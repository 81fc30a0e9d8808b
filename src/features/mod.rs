//! Feature steps: fitted on the training rows only, saved with the model, applied the same ever after.

mod analyzer;
mod log1p;
mod min_max;
mod per_query;
#[cfg(test)]
mod samples;
mod standardize;
mod text_embedding;
mod tfidf;

pub mod batch;
pub mod chain;
pub mod step;

pub use batch::{Batch, QueryBounds, Signal};
pub use chain::{Chain, FittedChain, StepConfig};
pub use step::{Fitted, Outside, Step, StepKind, Takes};

/// Every kind of step.
pub const STEPS: &[&dyn StepKind] = &[
    &standardize::Standardize,
    &min_max::MinMax,
    &log1p::Log1p,
    &per_query::PerQuery,
    &text_embedding::TextEmbedding,
    &tfidf::Tfidf,
];
