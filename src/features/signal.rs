//! What flows through a chain of feature steps: texts at first, then matrices.

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
            Self::Texts(_) => Err(Error::invalid(format!("`{step}` takes a matrix, got texts"))),
        }
    }
}
