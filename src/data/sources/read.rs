//! From a location to a table: which source reads it, globs, several files one after the other.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use super::SOURCES;
use super::chunk::{Ask, Chunk};
use super::memory::Memory;
use super::piece::Builder;
use super::source::{Request, Source, has_extension};
use crate::data::content::Content;
use crate::data::reading::Reading;
use crate::data::table::Table;
use crate::error::{Cause, Context, Error, Result};

/// Where rows are: what a person has written (a path, a glob, or `format:path`), or memory.
#[derive(Debug, Clone, Copy)]
pub enum Location<'a> {
    /// A path, a glob, or `format:path`.
    Written(&'a str),
    /// The same, and how text files there are read.
    ReadAs(&'a str, Reading),
    /// Rows that are in memory already.
    Memory(&'a Memory),
    /// The same, and how the text is read.
    MemoryAs(&'a Memory, Reading),
}

impl<'a> From<&'a str> for Location<'a> {
    fn from(written: &'a str) -> Self {
        Self::Written(written)
    }
}

impl<'a> From<&'a String> for Location<'a> {
    fn from(written: &'a String) -> Self {
        Self::Written(written)
    }
}

impl<'a> From<&'a Memory> for Location<'a> {
    fn from(memory: &'a Memory) -> Self {
        Self::Memory(memory)
    }
}

impl fmt::Display for Location<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Written(written) | Self::ReadAs(written, _) => written,
            Self::Memory(memory) | Self::MemoryAs(memory, _) => memory.name(),
        })
    }
}

/// What a location names: one or more files, or memory.
enum Found<'a> {
    Files(Vec<PathBuf>, Reading),
    Memory(&'a Memory, Reading),
}

impl Found<'_> {
    fn contents(&self) -> Vec<Content<'_>> {
        match self {
            Self::Files(paths, reading) => paths.iter().map(|path| Content::from(path).read_as(*reading)).collect(),
            Self::Memory(memory, reading) => vec![memory.content().read_as(*reading)],
        }
    }
}

/// The source of a location, where its name says it (`sqlite:data.bin`), and the path itself.
fn named_source(location: &str) -> Result<(Option<&'static dyn Source>, PathBuf)> {
    if let Some((scheme, _)) = location.split_once("://")
        && !SOURCES.iter().any(|source| source.name() == scheme)
    {
        // The rest of a URL may hold a password: it is not repeated.
        return Err(Error::invalid(format!("`{scheme}://…` is not read by this build"))
            .hint("files and SQLite databases are: export the rows, or write `sqlite:PATH`"));
    }
    if let Some((scheme, rest)) = location.split_once(':')
        && let Some(source) = SOURCES.iter().find(|source| source.name() == scheme)
    {
        return Ok((Some(*source), PathBuf::from(rest.strip_prefix("//").unwrap_or(rest))));
    }
    Ok((None, PathBuf::from(location)))
}

/// The source that reads a file, by its name or what stands in it.
fn source_of(path: &Path, location: &str) -> Result<&'static dyn Source> {
    let found = SOURCES.iter().find(|source| source.reads(path)).copied();
    found.ok_or_else(|| {
        let error = Error::invalid(format!("cannot tell the format of `{location}` from its name"));
        error.hint(if has_extension(path, &[".txt", ".dat"]) {
            "a text file is read where its first line is LETOR's: `2 qid:10 1:0.03`; or write `csv:PATH`, …"
        } else {
            ".csv .tsv .ndjson .jsonl .json .parquet .db .sqlite .letor are known; or write `csv:PATH`, `letor:PATH`, …"
        })
    })
}

fn check_file(path: &Path, location: &str) -> Result<()> {
    let facts = std::fs::metadata(path).map_err(|cause| match cause.kind() {
        std::io::ErrorKind::NotFound => {
            let error = Error::invalid(format!("there is no data file `{}`", path.display()));
            // The command line's paths come here as absolute ones.
            let relative = Path::new(location).is_relative();
            if relative { error.hint("paths in a config are relative to the project's root") } else { error }
        }
        _ => Error::failed(format!("cannot read `{}`", path.display())).caused_by(cause),
    })?;
    if facts.is_dir() {
        return Err(Error::invalid(format!("`{}` is a folder, not a file", path.display()))
            .hint(format!("`{}/*.parquet` reads all its Parquet files", path.display())));
    }
    // A pipe has no size.
    if facts.is_file() && facts.len() == 0 {
        return Err(Error::invalid(format!("`{}` is empty", path.display())));
    }
    // A file that may not be read has no format to be told from what stands in it.
    std::fs::File::open(path).context(|| format!("cannot read `{}`", path.display()))?;
    Ok(())
}

/// The files that a location names, relative ones under `root`, in name order.
fn files(location: &str, root: &Path) -> Result<(&'static dyn Source, Vec<PathBuf>)> {
    let (source, path) = named_source(location)?;
    // A root that is here is not written out: `data/a.csv`, not `./data/a.csv`.
    let here = path.is_absolute() || root == Path::new(".");
    let path = if here { path } else { root.join(path) };
    let text = path.to_string_lossy();
    let of_files = |files: Vec<PathBuf>| match source {
        Some(source) => Ok((source, files)),
        None => Ok((source_of(&files[0], location)?, files)),
    };
    if path.exists() || !text.contains(['*', '?']) {
        check_file(&path, location)?;
        return of_files(vec![path]);
    }
    let pattern = glob::glob(&text).context(|| format!("`{location}` is not a glob"))?;
    let mut files: Vec<PathBuf> = pattern.filter_map(Result::ok).filter(|path| path.is_file()).collect();
    files.sort();
    if files.is_empty() {
        return Err(Error::invalid(format!("no file fits `{location}`")));
    }
    files.iter().try_for_each(|path| check_file(path, location))?;
    of_files(files)
}

/// What a location names, and the source that reads it.
fn find<'l>(location: Location<'l>, root: &Path) -> Result<(&'static dyn Source, Found<'l>)> {
    match location {
        Location::Written(written) => find(Location::ReadAs(written, Reading::default()), root),
        Location::ReadAs(written, reading) => {
            files(written, root).map(|(source, files)| (source, Found::Files(files, reading)))
        }
        Location::Memory(memory) => Ok((memory.source(), Found::Memory(memory, Reading::default()))),
        Location::MemoryAs(memory, reading) => Ok((memory.source(), Found::Memory(memory, reading))),
    }
}

/// The files of a location, with the name of the source that reads them.
///
/// # Errors
/// `Invalid` when there is no such file.
pub fn resolve(location: &str, root: &Path) -> Result<(&'static str, Vec<PathBuf>)> {
    let (source, files) = files(location, root)?;
    Ok((source.name(), files))
}

/// The names of the columns at a location.
///
/// # Errors
/// `Invalid` when there is no such file or it is not of its format.
pub fn column_names<'l>(location: impl Into<Location<'l>>, query: Option<&str>, root: &Path) -> Result<Vec<String>> {
    let (source, found) = find(location.into(), root)?;
    source.columns(found.contents()[0], query)
}

/// Reads the requested columns of a location.
///
/// # Errors
/// `Invalid` with file, row and column when the data do not fit the request.
pub fn read<'l>(location: impl Into<Location<'l>>, request: &Request, root: &Path) -> Result<Table> {
    let location = location.into();
    let (source, found) = find(location, root)?;
    let contents = found.contents();
    if let [only] = contents.as_slice() {
        return source.read(*only, request);
    }
    let (first, others) = contents.split_first().expect("a location has a file");
    let first = source.read(*first, request)?;
    // The first file says which features all of them have.
    let request = &*request.of_features(first.feature_names());
    let mut builder = Builder::new(&location.to_string(), request);
    builder.append_table(first)?;
    for content in others {
        builder.append_table(source.read(*content, request)?)?;
    }
    builder.finish()
}

/// Reads the requested columns of a location in tables of bounded size: what `read` gives, piece by piece.
///
/// # Errors
/// As `read`, and what `visit` says.
pub fn read_parts<'l>(
    location: impl Into<Location<'l>>,
    request: &Request,
    root: &Path,
    visit: &mut dyn FnMut(Table) -> Result<()>,
) -> Result<()> {
    let (source, found) = find(location.into(), root)?;
    let mut names: Option<Vec<String>> = None;
    for content in found.contents() {
        let request = match &names {
            Some(names) => request.of_features(names),
            None => Cow::Borrowed(request),
        };
        source.read_parts(content, &request, &mut |table| {
            names.get_or_insert_with(|| table.feature_names().to_vec());
            visit(table)
        })?;
    }
    Ok(())
}

/// Streams columns of a location in chunks, in the order of the rows, which are numbered from 0 over all files; gives the
/// number of rows.
///
/// # Errors
/// `Invalid` when a column is not there or there is no row, and what `visit` says.
pub fn scan<'l>(
    location: impl Into<Location<'l>>,
    asked: &[Ask],
    query: Option<&str>,
    root: &Path,
    visit: &mut dyn FnMut(Vec<Chunk>) -> Result<()>,
) -> Result<u64> {
    let location = location.into();
    let (source, found) = find(location, root)?;
    let mut rows = 0;
    for content in found.contents() {
        let before = rows;
        source.scan(content, asked, query, &mut |mut chunks| {
            for chunk in &mut chunks {
                chunk.first_row += before;
                rows += chunk.rows as u64;
            }
            visit(chunks)
        })?;
    }
    if rows == 0 {
        return Err(Error::invalid(format!("`{location}` has no rows")).because(Cause::NoRows));
    }
    Ok(rows)
}
