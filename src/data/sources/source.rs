//! The small house of sources: a location and a request in, a table out.

use std::borrow::Cow;
use std::path::Path;

use super::chunk::{self, Ask, Visit};
use crate::catalog::Named;
use crate::data::content::{Content, unpacked_name};
use crate::data::letor::{Others, Settings};
use crate::data::table::Table;
use crate::error::{Error, Result};

/// Columns that are gathered into vectors while they are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VectorColumns {
    /// One column that holds whole vectors.
    Embedding(String),
    /// One numeric column per number.
    Numbers(Vec<String>),
    /// Every other column, all of them numeric.
    All {
        /// Columns that are something else.
        except: Vec<String>,
        /// Those that were found.
        found: Vec<String>,
    },
}

impl VectorColumns {
    /// The columns to read.
    #[must_use]
    pub fn names(&self) -> &[String] {
        match self {
            Self::Embedding(name) => std::slice::from_ref(name),
            Self::Numbers(names) | Self::All { found: names, .. } => names,
        }
    }
}

/// The index of rows that pandas writes beside the columns.
fn is_index(name: &str) -> bool {
    name.is_empty() || name.starts_with("Unnamed: ") || name.starts_with("__index_level_")
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
    /// How LETOR files are read.
    pub letor: Settings,
}

impl Request {
    /// The request that reads the asked columns as text.
    #[must_use]
    pub(super) fn of_asked(asked: &[Ask], query: Option<&str>) -> Self {
        let columns = asked.iter().map(|ask| ask.name.clone()).collect();
        Self { columns, query: query.map(str::to_owned), ..Self::default() }
    }

    /// The request to a source with these columns: where all are wanted, these are they.
    ///
    /// # Errors
    /// `Invalid` when none is left, or one is an index of rows without a name.
    pub(super) fn of_columns(&self, source: &str, columns: &[String]) -> Result<Cow<'_, Self>> {
        let Some(VectorColumns::All { except, .. }) = &self.vectors else { return Ok(Cow::Borrowed(self)) };
        let found: Vec<String> = columns.iter().filter(|name| !except.contains(name)).cloned().collect();
        if let Some(index) = found.iter().find(|name| is_index(name)) {
            let what = if index.is_empty() { "without a name".to_owned() } else { format!("`{index}`") };
            return Err(Error::invalid(format!("`{source}` has a column {what}: an index of its rows is no feature"))
                .hint(
                    "leave it out of the file (pandas: `index=False`), or list the columns to use under `features`",
                ));
        }
        if found.is_empty() {
            let message = format!("`{source}` has no column for features beside {}", except.join(", "));
            return Err(Error::invalid(message).hint("every column that is not named otherwise is a feature"));
        }
        let vectors = Some(VectorColumns::All { except: except.clone(), found });
        Ok(Cow::Owned(Self { vectors, ..self.clone() }))
    }

    /// The request to files that follow one with these features.
    #[must_use]
    pub(super) fn of_features(&self, names: &[String]) -> Cow<'_, Self> {
        let Some(VectorColumns::All { .. }) = &self.vectors else { return Cow::Borrowed(self) };
        let letor = Settings { others: Others::Refuse, ..self.letor };
        Cow::Owned(Self { vectors: Some(VectorColumns::Numbers(names.to_vec())), letor, ..self.clone() })
    }
}

/// A format that rows are read from.
pub trait Source: Named + Sync {
    /// True for a path that this source reads.
    fn reads(&self, path: &Path) -> bool;

    /// The names of the columns.
    ///
    /// # Errors
    /// `Invalid` when the file is empty or not of this format, `Failed` when it cannot be read.
    fn columns(&self, content: Content<'_>, query: Option<&str>) -> Result<Vec<String>>;

    /// Reads the requested columns; rows keep their order.
    ///
    /// # Errors
    /// `Invalid` with the row and the column when a cell does not fit.
    fn read(&self, content: Content<'_>, request: &Request) -> Result<Table>;

    /// Reads the requested columns in tables of bounded size, one after the other; a format that cannot do so gives one.
    ///
    /// # Errors
    /// As `read`, and what `visit` says.
    fn read_parts(
        &self,
        content: Content<'_>,
        request: &Request,
        visit: &mut dyn FnMut(Table) -> Result<()>,
    ) -> Result<()> {
        visit(self.read(content, request)?)
    }

    /// Streams columns in chunks; rows are numbered from 0. A format that cannot stream reads all.
    ///
    /// # Errors
    /// As `read`, and what `visit` says.
    fn scan(&self, content: Content<'_>, asked: &[Ask], query: Option<&str>, visit: &mut Visit<'_>) -> Result<()> {
        let table = self.read(content, &Request::of_asked(asked, query))?;
        visit(vec![chunk::of_table(&table, asked)?])
    }
}

/// The one table of a source that is read in parts, when its parts may have any size.
pub(super) fn whole(parts: impl FnOnce(&mut dyn FnMut(Table) -> Result<()>) -> Result<()>) -> Result<Table> {
    let mut whole = None;
    parts(&mut |table| {
        whole = Some(table);
        Ok(())
    })?;
    Ok(whole.expect("the last part is given, or it has no rows and is an error"))
}

/// True when the path ends with one of these (lower-case, with the dot).
pub(super) fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    let path = unpacked_name(path);
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().to_lowercase());
    extensions.iter().any(|extension| name.ends_with(extension))
}
