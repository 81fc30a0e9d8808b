//! Rows on their way into a chain of feature steps, with what the steps must know of them besides their cells.

use std::sync::Arc;

use crate::data::dataset::Features;
use crate::error::{Error, Result};

/// What the rows bring before any step has run, or what flows between steps.
#[derive(Debug, Clone, PartialEq)]
pub enum Signal {
    /// One text per row.
    Texts(Vec<String>),
    /// A feature matrix.
    Matrix(Features),
}

impl Signal {
    /// The matrix.
    ///
    /// # Errors
    /// `Invalid` for texts.
    pub fn matrix(self, step: &str) -> Result<Features> {
        match self {
            Self::Matrix(features) => Ok(features),
            Self::Texts(_) => Err(Error::invalid_rows(format!("`{step}` takes a matrix, got texts"))),
        }
    }
}

/// Of which queries the rows of a batch are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueryBounds {
    /// The rows are of no query. A step that reads queries refuses such rows.
    Absent,
    /// The documents of one query stand together: query q has the rows `starts[q]..starts[q + 1]`, and the last number is the
    /// number of rows.
    Starts(Arc<[usize]>),
}

impl QueryBounds {
    /// All rows are of one query.
    #[must_use]
    pub fn single(n_rows: usize) -> Self {
        Self::Starts([0, n_rows].into())
    }
}

/// Rows that are transformed together. Whoever makes a batch says of which queries its rows are: there is no default, so that
/// queries cannot be forgotten. The parts beside the signal are shared, so a copy of them costs nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The raw rows, or what the steps before made of them.
    pub signal: Signal,
    /// Of which queries the rows are.
    pub queries: QueryBounds,
    /// The number of each row in its source, for errors and reports; without them rows are counted from 1.
    pub row_numbers: Option<Arc<[usize]>>,
}

impl Batch {
    /// A batch of rows.
    #[must_use]
    pub fn new(signal: Signal, queries: QueryBounds, row_numbers: Option<Vec<usize>>) -> Self {
        Self { signal, queries, row_numbers: row_numbers.map(Arc::from) }
    }
}
