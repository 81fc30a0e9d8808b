//! A release: what other systems need to serve a version, and how far it may be from the model itself.
//!
//! `make` fills the folder of a release with what `facts` knows, as `metadata` and as a model `card`; `export` writes the
//! model as a graph, `preprocessor` says what must be done before it, `parity` holds the graph against the model, `latency`
//! measures both.

mod card;
pub mod export;
mod facts;
pub mod latency;
mod make;
mod metadata;
pub mod parity;
mod preprocessor;

pub use latency::Latency;
pub use make::{Released, make, measured, measured_for_release};
