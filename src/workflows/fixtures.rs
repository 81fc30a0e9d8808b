//! Documents and models for the tests of the verbs, made by hand.

pub use crate::bundle::tests::ranker;
pub use crate::data::samples::rows_of_queries;
