//! The rows that a run was about, known by their digests: what a version has learned from must not judge it.
//!
//! Training and evaluations write `rows.parquet` (id, part, digest of each row, and its query where it has one; see
//! `Rows::digests`). Runs of builds that wrote none are known by less; see `gate/subject.rs`.

use std::collections::{HashMap, HashSet};

use super::predictions::Predictions;
use super::recorded::recorded_file;
use crate::data::Part;
use crate::data::parquet_file::{Cells, read};
use crate::error::{Error, ErrorKind, Result};
use crate::project::Project;
use crate::tracking::Run;

/// The file of a run's folder that says which rows it was about.
pub const ROWS: &str = "rows.parquet";

/// A digest as records write it.
#[must_use]
pub fn digest_text(digest: u64) -> String {
    format!("{digest:016x}")
}

/// The rows of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownRows {
    /// Id, part and digest of each row.
    rows: Vec<(String, String, String)>,
    /// The query of each row of a ranking; else empty.
    queries: Vec<String>,
}

/// The digests of rows, by what a row is known by: its query, where it has one, and its id. One document may stand under several
/// queries, and where the queries were not written all its digests count.
pub struct Digests<'a> {
    by_key: HashMap<(&'a str, &'a str), Vec<&'a str>>,
    queries: bool,
}

impl Digests<'_> {
    /// Whether a row is known, and none of its digests is one of these.
    #[must_use]
    pub fn is_none_of(&self, answers: &Predictions, row: usize, these: &[HashSet<&str>]) -> bool {
        let query = answers.queries.get(row).filter(|_| self.queries).map_or("", String::as_str);
        let found = self.by_key.get(&(query, answers.ids[row].as_str()));
        found.is_some_and(|digests| digests.iter().all(|digest| these.iter().all(|these| !these.contains(digest))))
    }
}

impl KnownRows {
    /// Reads what a run has left; none when it has left nothing of this kind.
    ///
    /// # Errors
    /// `Failed` when the file is damaged.
    pub fn of(project: &Project, run: &Run) -> Result<Option<Self>> {
        let path = recorded_file(project, run, ROWS)?;
        let columns = match read(&path) {
            Ok((columns, _)) => columns,
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut columns: HashMap<String, Vec<String>> = columns
            .into_iter()
            .filter_map(|(name, cells)| match cells {
                Cells::Text(texts) => Some((name, texts)),
                Cells::Numbers(_) => None,
            })
            .collect();
        let mut take = |name: &str| {
            let missing = || Error::failed(format!("`{}` is damaged: it has no column `{name}`", path.display()));
            columns.remove(name).ok_or_else(missing)
        };
        let (ids, parts, digests) = (take("id")?, take("split")?, take("digest")?);
        let rows = ids.into_iter().zip(parts).zip(digests).map(|((id, part), digest)| (id, part, digest));
        Ok(Some(Self { rows: rows.collect(), queries: columns.remove("query").unwrap_or_default() }))
    }

    /// The digests of the rows that a training learned from or chose by: its training and validation rows.
    #[must_use]
    pub fn learned(&self) -> HashSet<&str> {
        let learned = [Part::Train.name(), Part::Validation.name()];
        self.rows.iter().filter(|(_, part, _)| learned.contains(&part.as_str())).map(|row| row.2.as_str()).collect()
    }

    /// The digests of all rows.
    #[must_use]
    pub fn all(&self) -> HashSet<&str> {
        self.rows.iter().map(|row| row.2.as_str()).collect()
    }

    /// The digests of the rows of a part; of all rows where there is none. (The parts may be files of their own, whose rows are
    /// numbered, and whose queries are named, alike.)
    #[must_use]
    pub fn digests(&self, part: Option<Part>) -> Digests<'_> {
        let mut by_key: HashMap<(&str, &str), Vec<&str>> = HashMap::new();
        let of_part = |row: &(String, String, String)| part.is_none_or(|part| row.1 == part.name());
        for (at, (id, _, digest)) in self.rows.iter().enumerate().filter(|(_, row)| of_part(row)) {
            let query = self.queries.get(at).map_or("", String::as_str);
            by_key.entry((query, id.as_str())).or_default().push(digest.as_str());
        }
        Digests { by_key, queries: !self.queries.is_empty() }
    }

    /// The ids of a part.
    #[must_use]
    pub fn ids_of(&self, part: Part) -> HashSet<String> {
        self.rows.iter().filter(|row| row.1 == part.name()).map(|row| row.0.clone()).collect()
    }
}
