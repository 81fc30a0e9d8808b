//! The table that a source gives: text columns in a polars frame, and one gathered matrix of vectors.
//!
//! Cells are kept as the text that stood in the source; what a column means (a label, a time, a number) is decided by
//! who reads it, so that an error can name the row and show the text.

use std::borrow::Cow;

use polars::prelude::{Column, DataFrame, IntoColumn, NamedFrom, Series};

use crate::catalog::did_you_mean;
use crate::data::vectors::{Place, Vectors};
use crate::error::{Cause, Context, Error, Result};

/// Rows × requested columns.
#[derive(Debug, Clone)]
pub struct Table {
    frame: DataFrame,
    vectors: Option<Vectors>,
    source: String,
    n_rows: usize,
    /// For a table of several files: the first row of each, from 0, and its name.
    files: Vec<(usize, String)>,
    /// Rows of the source that stand before these.
    before: usize,
    /// The names of the vectors' numbers, where each has one.
    feature_names: Vec<String>,
    /// What a person should know.
    warnings: Vec<String>,
}

impl Table {
    /// A table of text columns (one `Vec` per name, all of the same length) and, where asked for, vectors.
    ///
    /// # Errors
    /// `Failed` when the lengths differ (a bug of the source).
    pub fn new(source: &str, columns: Vec<(String, Vec<Option<String>>)>, vectors: Option<Vectors>) -> Result<Self> {
        let columns = columns.into_iter().map(|(name, cells)| Series::new(name.as_str().into(), cells).into_column());
        Self::of_columns(source, columns.collect(), vectors)
    }

    /// The same of cells that stand elsewhere; a column is made when the one before is done.
    ///
    /// # Errors
    /// `Failed` when the lengths differ (a bug of the source).
    pub fn of_words<'n, 'c>(
        source: &str,
        columns: impl Iterator<Item = (&'n str, Vec<Option<Cow<'c, str>>>)>,
    ) -> Result<Self> {
        let columns = columns.map(|(name, cells)| Series::new(name.into(), cells).into_column());
        Self::of_columns(source, columns.collect(), None)
    }

    fn of_columns(source: &str, columns: Vec<Column>, vectors: Option<Vectors>) -> Result<Self> {
        let n_rows = vectors.as_ref().map(Vectors::len).or(columns.first().map(Column::len)).unwrap_or(0);
        let frame = DataFrame::new(n_rows, columns).context(|| format!("`{source}` has columns of unequal length"))?;
        Ok(Self {
            frame,
            vectors,
            source: source.to_owned(),
            n_rows,
            files: Vec::new(),
            before: 0,
            feature_names: Vec::new(),
            warnings: Vec::new(),
        })
    }

    /// Number of rows.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// The file or database that it came from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The same table, joined from files that begin at these rows (from 0).
    #[must_use]
    pub fn of_files(self, files: Vec<(usize, String)>) -> Self {
        Self { files, ..self }
    }

    /// The same table as a later part of its source: so many rows stand before it.
    #[must_use]
    pub fn after(self, before: usize) -> Self {
        Self { before, ..self }
    }

    /// The same table with the vectors of its rows.
    #[must_use]
    pub fn with_vectors(self, vectors: Vectors) -> Self {
        Self { n_rows: vectors.len(), vectors: Some(vectors), ..self }
    }

    /// The same table with the names of its vectors' numbers.
    #[must_use]
    pub fn named(self, feature_names: Vec<String>) -> Self {
        Self { feature_names, ..self }
    }

    /// The names of the vectors' numbers, where each has one.
    #[must_use]
    pub fn feature_names(&self) -> &[String] {
        &self.feature_names
    }

    /// The same table with what a person should know of it.
    #[must_use]
    pub fn warned(self, warnings: Vec<String>) -> Self {
        Self { warnings, ..self }
    }

    /// What a person should know.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Rows of the source that stand before these.
    #[must_use]
    pub fn before(&self) -> usize {
        self.before
    }

    /// The place of a cell, for errors: the file it stands in and its row there. `row` counts from 0.
    #[must_use]
    pub fn place<'a>(&'a self, row: usize, column: &'a str) -> Place<'a> {
        match self.files.partition_point(|(first, _)| *first <= row).checked_sub(1) {
            Some(at) => Place { source: &self.files[at].1, row: row - self.files[at].0 + 1, column },
            None => Place { source: &self.source, row: self.before + row + 1, column },
        }
    }

    /// The gathered vectors, where they were requested.
    #[must_use]
    pub fn vectors(&self) -> Option<&Vectors> {
        self.vectors.as_ref()
    }

    /// Takes the vectors out, so that they can be dropped as soon as they are split.
    pub fn take_vectors(&mut self) -> Option<Vectors> {
        self.vectors.take()
    }

    /// The cells of a column, null as `None`.
    ///
    /// # Errors
    /// `Failed` when the column was not requested (a bug of the caller).
    pub fn cells(&self, name: &str) -> Result<impl Iterator<Item = Option<&str>>> {
        let column = self.frame.column(name).context(|| format!("column `{name}` was not read"))?;
        Ok(column.str().context(|| format!("column `{name}` is not text"))?.iter())
    }
}

/// The error for a column that the data do not have.
#[must_use]
pub fn no_such_column(source: &str, name: &str, known: &[String]) -> Error {
    let shown = known.iter().take(20).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if known.len() > 20 { format!(", … ({} in all)", known.len()) } else { String::new() };
    let hint = match did_you_mean(name, known.iter().map(String::as_str)) {
        Some(close) => format!("did you mean `{close}`? the columns are {shown}{more}"),
        None => format!("the columns are {shown}{more}"),
    };
    Error::invalid(format!("`{source}` has no column `{name}`"))
        .hint(hint)
        .because(Cause::MissingColumn(name.to_owned()))
}
