//! `mlops`: from a table of rows to a model in production, and healthy there.

pub mod catalog;
pub mod data;
pub mod error;
pub mod fs;
pub mod names;
pub mod tensors;
