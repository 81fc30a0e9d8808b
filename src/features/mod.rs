//! Feature steps: fitted on the training rows only, saved with the model, applied the same ever after.

mod analyzer;
mod standardize;
mod text_embedding;
mod tfidf;

pub mod chain;
pub mod step;

pub use chain::{Chain, FittedChain, StepConfig};
pub use step::{Fitted, Outside, Signal, Step, StepKind, Takes};

/// Every kind of step.
pub const STEPS: &[&dyn StepKind] = &[&standardize::Standardize, &text_embedding::TextEmbedding, &tfidf::Tfidf];
