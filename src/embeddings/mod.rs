//! Embedders: a text becomes a dense vector of fixed length; texts that are alike point the same way.

mod embedder;
pub mod hashing;

pub use embedder::{Embedder, EmbedderKind};

/// Every kind of embedder.
pub const EMBEDDERS: &[&dyn EmbedderKind] = &[&hashing::Hashing];
