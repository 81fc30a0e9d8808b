//! The small house of sources: a location and a request in, a table out.

use std::path::Path;

use crate::catalog::Named;
use crate::data::table::Table;
use crate::error::Result;

/// Columns that are gathered into vectors while they are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VectorColumns {
    /// One column that holds whole vectors.
    Embedding(String),
    /// One numeric column per number.
    Numbers(Vec<String>),
}

impl VectorColumns {
    /// The columns to read.
    #[must_use]
    pub fn names(&self) -> &[String] {
        match self {
            Self::Embedding(name) => std::slice::from_ref(name),
            Self::Numbers(names) => names,
        }
    }
}

/// What is wanted of a source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// Columns kept as text.
    pub columns: Vec<String>,
    /// Columns gathered into vectors.
    pub vectors: Option<VectorColumns>,
    /// The query, for databases.
    pub query: Option<String>,
}

/// A format that rows are read from.
pub trait Source: Named + Sync {
    /// True for a path that this source reads.
    fn reads(&self, path: &Path) -> bool;

    /// The names of the columns.
    ///
    /// # Errors
    /// `Invalid` when the file is empty or not of this format, `Failed` when it cannot be read.
    fn columns(&self, path: &Path, query: Option<&str>) -> Result<Vec<String>>;

    /// Reads the requested columns; rows keep their order.
    ///
    /// # Errors
    /// `Invalid` with the row and the column when a cell does not fit.
    fn read(&self, path: &Path, request: &Request) -> Result<Table>;
}

/// True when the path ends with one of these (lower-case, with the dot).
pub(super) fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().to_lowercase());
    extensions.iter().any(|extension| name.ends_with(extension))
}
