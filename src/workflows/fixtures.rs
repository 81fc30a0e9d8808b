//! Documents for the tests of the verbs, made by hand.

pub use crate::data::samples::rows_of_queries;
