//! Reading rows as a config or a model's schema wants them.

use std::path::Path;

use ndarray::Array2;

use super::session::Session;
use crate::config::ExperimentConfig;
use crate::data::rows::{Blank, Inputs, Labels, Rows, cells_by, prepare, request};
use crate::data::sources::{Location, column_names, read, resolve};
use crate::data::{Columns, Features, Input, Part, Split};
use crate::error::{Cause, Error, Result};
use crate::features::{Batch, QueryBounds, Signal};
use crate::runs::seed::stream;

/// Where rows are read from.
#[derive(Debug, Clone, Copy)]
pub struct From<'a> {
    /// What is written may hold `${NAME}` for an environment variable.
    pub source: Location<'a>,
    /// The query, for databases.
    pub query: Option<&'a str>,
    /// Which columns mean what.
    pub columns: &'a Columns,
    /// How rows are split, when they are.
    pub split: Option<&'a Split>,
    /// How labels are read.
    pub labels: Labels<'a>,
    /// The seed of a made split.
    pub seed: u64,
    /// What becomes of rows without a text.
    pub blank: Blank,
    /// Columns that make groups of rows.
    pub by: &'a [String],
}

/// Reads rows.
///
/// Where documents have queries and no column of ids is named, `docid` is it: of a LETOR file, the ids in the comments.
///
/// # Errors
/// `Invalid` with file, row and column when the data do not fit.
pub fn read_rows(session: &Session<'_>, from: From<'_>) -> Result<Rows> {
    let expanded: String;
    let source = match from.source {
        Location::Written(written) => {
            expanded = session.project.expand(written)?;
            Location::from(&expanded)
        }
        Location::ReadAs(written, reading) => {
            expanded = session.project.expand(written)?;
            Location::ReadAs(&expanded, reading)
        }
        memory @ (Location::Memory(_) | Location::MemoryAs(..)) => memory,
    };
    let root = session.project.layout.root();
    let columns = Columns { id: id_column(source, root, &from)?, ..from.columns.clone() };
    let mut request = request(&columns, from.split, from.labels, from.query);
    // A column may have several uses: it is read once.
    for name in from.by {
        if !request.columns.contains(name) {
            request.columns.push(name.clone());
        }
    }
    let table = read(source, &request, root).map_err(|error| named_otherwise(error, &columns))?;
    let cells = cells_by(&table, from.by)?;
    Ok(prepare(table, &columns, from.split, from.labels, from.seed, from.blank)?.with(cells))
}

/// Says how a column is named that a ranking config need not name.
fn named_otherwise(error: Error, columns: &Columns) -> Error {
    let usual = [("label", "label", &columns.label), ("query", "qid", &columns.query)];
    let is_missing = |name: &str| matches!(error.cause(), Some(Cause::MissingColumn(missing)) if missing == name);
    let role = usual.iter().find(|(_, usual, name)| name.as_deref() == Some(*usual) && is_missing(usual));
    match (role, &error.hint, &columns.query) {
        (Some((role, ..)), Some(hint), Some(_)) => {
            let hint = format!("{hint}; another name is told with `columns: {{{role}: …}}` under `data`");
            error.hint(hint)
        }
        _ => error,
    }
}

/// The usual column of document ids.
const DOCUMENT: &str = "docid";

/// The column of ids.
fn id_column(source: Location<'_>, root: &Path, from: &From<'_>) -> Result<Option<String>> {
    let columns = from.columns;
    let mut roles = columns.label.iter().chain(&columns.query).chain(columns.input.names());
    if columns.id.is_some() || columns.query.is_none() || roles.any(|name| name == DOCUMENT) {
        return Ok(columns.id.clone());
    }
    let is_there = column_names(source, from.query, root)?.iter().any(|name| name == DOCUMENT);
    Ok(is_there.then(|| DOCUMENT.to_owned()))
}

/// Reads the rows that a config trains and tests on, with the columns that make groups.
///
/// Where each part is a file of its own, the training file says which features all of them have.
///
/// # Errors
/// As `read_rows`.
pub fn read_training_rows(
    session: &Session<'_>,
    config: &ExperimentConfig,
    labels: Labels<'_>,
    by: &[String],
) -> Result<Rows> {
    read_rows_as(session, config, &config.columns(), labels, by)
}

/// The same with the columns as a model has learned them: its features, in its order, whatever the files have today.
///
/// # Errors
/// As `read_rows`.
pub fn read_rows_as(
    session: &Session<'_>,
    config: &ExperimentConfig,
    columns: &Columns,
    labels: Labels<'_>,
    by: &[String],
) -> Result<Rows> {
    let (split, reading) = (config.split(), config.data.reading()?);
    let from = From {
        source: Location::ReadAs(&config.data.source, reading),
        query: config.data.query.as_deref(),
        columns,
        split: Some(&split),
        labels,
        seed: stream(config.data.split.seed.unwrap_or(config.seed), "split"),
        blank: Blank::Skip,
        by,
    };
    let Some(files) = &config.data.files else { return read_rows(session, from) };
    let mut all: Vec<(Part, Rows)> = Vec::new();
    for (part, source) in files.parts() {
        let Some((_, first)) = all.first() else {
            all.push((part, read_rows(session, From { source: Location::ReadAs(source, reading), ..from })?));
            continue;
        };
        let learned = columns.learned(&first.feature_names);
        let mut rows =
            read_rows(session, From { source: Location::ReadAs(source, reading), columns: &learned, ..from })?;
        rows.warnings.extend(others(session, Location::ReadAs(source, reading), &learned, from)?);
        all.push((part, rows));
    }
    Rows::joined(all)
}

/// A warning where a file has columns that the training file did not have, and every one there was a feature.
fn others(session: &Session<'_>, source: Location<'_>, learned: &Columns, from: From<'_>) -> Result<Option<String>> {
    let (Input::Numbers(names), Input::All) = (&learned.input, &from.columns.input) else { return Ok(None) };
    let (location, root) = (session.project.expand(&source.to_string())?, session.project.layout.root());
    // A LETOR file with other features is refused when it is read.
    if resolve(&location, root)?.0 == "letor" {
        return Ok(None);
    }
    let location = match source {
        Location::ReadAs(_, reading) => Location::ReadAs(&location, reading),
        _ => Location::from(&location),
    };
    let known = column_names(location, from.query, root)?;
    let roles = [learned.id.as_deref(), learned.label.as_deref(), learned.query.as_deref(), Some(DOCUMENT)];
    let is_other = |name: &&String| !names.contains(name) && !roles.contains(&Some(name.as_str()));
    let others: Vec<String> = known.iter().filter(is_other).take(5).map(|name| format!("`{name}`")).collect();
    Ok((!others.is_empty())
        .then(|| format!("{source}: columns that the training file does not have are left out: {}", others.join(", "))))
}

/// The rows at these positions as they go into the feature steps: the raw input, with their queries where they have any, and
/// their numbers in the source.
#[must_use]
pub fn batch(rows: &Rows, positions: &[usize]) -> Batch {
    let signal = match &rows.inputs {
        Inputs::Texts(texts) => Signal::Texts(positions.iter().map(|position| texts[*position].clone()).collect()),
        Inputs::Vectors { .. } => {
            Signal::Matrix(Features::Dense(rows.matrix(positions).unwrap_or_else(|| Array2::zeros((0, 0)))))
        }
    };
    let queries =
        if rows.queries.is_empty() { QueryBounds::Absent } else { QueryBounds::Starts(rows.starts(positions).into()) };
    Batch::new(signal, queries, Some(positions.iter().map(|position| rows.numbers[*position]).collect()))
}
