//! Retrieval: the items nearest to a query, exactly.

pub mod flat;

pub use flat::{Flat, Hit};
