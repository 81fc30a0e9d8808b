//! `mlops`: from a table of rows to a model in production, and healthy there.
//!
//! Floors look down only (`ARCHITECTURE.md` draws them, `tests/architecture.rs` holds them):
//! doors (`cli`) → the host (`host`) → answers (`answers`) → verbs (`workflows`) → tasks (`tasks`) → papers (`report`) → what a run keeps (`runs`) → the unit (`bundle`, `config`, `project`) → nouns → words → ground.

// doors
pub mod cli;

// the host
pub mod host;

// what a person sees of an outcome
pub mod answers;

// verbs
pub mod workflows;

// what a task does with labels and answers
pub mod tasks;

// papers
pub mod notify;
pub mod report;
pub mod schedule;

// what a run keeps
pub mod runs;

// the unit
pub mod bundle;
pub mod config;
pub mod project;

// nouns
pub mod comparison;
pub mod data;
pub mod drift;
pub mod embeddings;
pub mod features;
pub mod impact;
pub mod metrics;
pub mod models;
pub mod registry;
pub mod retrieval;
pub mod timezone;
pub mod tracking;

// what tests count
#[cfg(test)]
pub mod counted;

// words and ground
pub mod cancellation;
pub mod catalog;
pub mod error;
pub mod fs;
pub mod kernels;
pub mod mounts;
pub mod names;
pub mod once;
pub mod onnx;
pub mod secrets;
pub mod stats;
pub mod tensors;
pub mod text;
