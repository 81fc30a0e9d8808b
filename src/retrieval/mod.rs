//! Retrieval: the items nearest to a query, exactly.

mod dots;
pub mod flat;

pub use flat::{Flat, Hit};
