//! Embedders: a text becomes a dense vector of fixed length; texts that are alike point the same way.
//!
//! `hashing` needs no weights. `sentence` runs a sentence-transformers folder: `folder` reads it, `truncation` says what
//! becomes of long texts, `encoder` is the network (over `crate::kernels`), `cache` remembers vectors, `identity` says whose
//! they are. `audit` looks at texts alone. `context` is what all of them may use, `text_report` what comes
//! back beside the vectors.

mod context;
mod embedder;
mod opened;
mod text_report;

pub mod audit;
pub mod cache;
pub mod candle_network;
pub mod encoder;
pub mod folder;
pub mod hashing;
pub mod identity;
pub mod sentence;
pub mod truncation;

pub use cache::{Cache, Prune, Pruned};
pub use context::{Device, EmbedContext, LazyCache, Network};
pub use embedder::{Embedder, EmbedderKind};
pub use identity::Identity;
pub use text_report::{CosineToF32, TextReport};

/// Every kind of embedder that has a name of its own; any other `model` is a folder or a model of the hub.
pub const EMBEDDERS: &[&dyn EmbedderKind] = &[&hashing::Hashing];
