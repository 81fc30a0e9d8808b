//! The small house of sources: a location and a request in, a table out.

use std::path::Path;

use super::chunk::{self, Ask, Visit};
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

    /// Reads the requested columns in tables of bounded size, one after the other; a format that cannot do so gives one.
    ///
    /// # Errors
    /// As `read`, and what `visit` says.
    fn read_parts(&self, path: &Path, request: &Request, visit: &mut dyn FnMut(Table) -> Result<()>) -> Result<()> {
        visit(self.read(path, request)?)
    }

    /// Streams columns in chunks; rows are numbered from 0. A format that cannot stream reads all.
    ///
    /// # Errors
    /// As `read`, and what `visit` says.
    fn scan(&self, path: &Path, asked: &[Ask], query: Option<&str>, visit: &mut Visit<'_>) -> Result<()> {
        let table = self.read(path, &chunk::as_request(asked, query))?;
        visit(vec![chunk::of_table(&table, asked)?])
    }
}

/// True when the path ends with one of these (lower-case, with the dot).
pub(super) fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().to_lowercase());
    extensions.iter().any(|extension| name.ends_with(extension))
}
