//! The newest rows as a snapshot.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::reading::{From, read_rows};
use super::super::session::Session;
use crate::config::{Experiment, RetrainConfig};
use crate::data::rows::{Blank, Labels, TimeWindow};
use crate::data::snapshot::{Facts, Layout, write};
use crate::data::sources::{Request, VectorColumns, column_names, read};
use crate::data::times::{Numbers, TimeColumn};
use crate::data::{Table, parquet_file};
use crate::error::{Cause, Error, ErrorKind, Result};
use crate::fs::{create_dir, sha256_file};
use crate::names::ModelName;
use crate::project::Prefer;
use crate::runs::known_rows::{KnownRows, digest_text};
use crate::runs::record::write_json;
use crate::runs::stored_config::stored_config;

/// Rows as they were at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extracted {
    /// Where they came from.
    pub source: String,
    /// The snapshot, relative to the root.
    pub snapshot: String,
    /// SHA-256 of the snapshot.
    pub sha256: String,
    /// What can be said of it.
    pub facts: Facts,
    /// From when to when they are.
    pub time: Option<TimeWindow>,
    /// Rows that the version in production has neither learned from nor been tested on; none when that is not known.
    pub new_rows: Option<u64>,
}

/// The columns that a candidate cannot do without.
pub(super) fn used(candidate: &Experiment) -> BTreeSet<String> {
    let data = &candidate.config.data;
    let columns = &data.columns;
    let split = [&data.split.column, &data.split.group, &data.split.time];
    let named = columns.text.iter().chain(&columns.embedding).chain(&columns.features).chain(&columns.id);
    named.chain([&columns.label]).chain(split.into_iter().flatten()).cloned().collect()
}

/// The column of vectors, where all candidates that read one read the same.
fn vector_column(candidates: &[Experiment]) -> Option<String> {
    let mut columns: Vec<&String> =
        candidates.iter().filter_map(|one| one.config.data.columns.embedding.as_ref()).collect();
    columns.dedup();
    match columns.as_slice() {
        [only] => Some((*only).clone()),
        _ => None,
    }
}

/// Where the rows come from: source and query, as the config or the first candidate has them.
pub(super) fn origin<'a>(
    config: &'a RetrainConfig,
    candidates: &'a [Experiment],
) -> Result<(&'a str, Option<&'a str>)> {
    match (&config.data.source, candidates.first()) {
        (Some(source), _) => Ok((source, config.data.query.as_deref())),
        (None, Some(first)) => Ok((&first.config.data.source, first.config.data.query.as_deref())),
        (None, None) => Err(Error::invalid("a retrain needs a candidate")),
    }
}

/// The snapshot's path of a period.
pub(super) fn snapshot_path(config: &RetrainConfig, period: &str) -> String {
    Path::new(&config.data.snapshots).join(format!("training_dataset_{period}.parquet")).display().to_string()
}

/// Takes the newest rows. The snapshot appears whole or not at all, and one of this retrain and period is replaced.
///
/// # Errors
/// `Refused` when the source lacks a column that a candidate needs; `Invalid` when the rows cannot be read.
pub(super) fn extract(
    session: &Session<'_>,
    config: &RetrainConfig,
    candidates: &[Experiment],
    (model, period): (&ModelName, &str),
) -> Result<Extracted> {
    let project = session.project;
    let root = project.layout.root();
    let (source, query) = origin(config, candidates)?;
    let expanded = project.expand(source)?;
    let names = column_names(&expanded, query, root)?;
    let needed: BTreeSet<String> = candidates.iter().flat_map(used).chain(config.data.latest_by.clone()).collect();
    let missing: Vec<String> =
        needed.iter().filter(|name| !names.contains(name)).map(|name| format!("`{name}`")).collect();
    if !missing.is_empty() {
        return Err(Error::refused(format!("`{source}` has no column {}", missing.join(", ")))
            .hint(format!("its columns are {}", names.join(", "))));
    }
    let vector = vector_column(candidates);
    let request = Request {
        columns: names.iter().filter(|name| vector.as_ref() != Some(name)).cloned().collect(),
        vectors: vector.clone().map(VectorColumns::Embedding),
        query: query.map(str::to_owned),
        ..Request::default()
    };
    // No rows are too few rows: the answer is no, and nothing is wrong with the request.
    let none = |error: Error| if error.cause() == Some(&Cause::NoRows) { Error::refused(error.message) } else { error };
    let table = read(&expanded, &request, root).map_err(none)?;
    session.check()?;
    let (positions, time) = latest(session, config, &table)?;
    if positions.is_empty() {
        return Err(Error::refused(format!("no row of `{source}` is left to be learned from")));
    }
    let snapshot = snapshot_path(config, period);
    let path = root.join(&snapshot);
    check_owner(config, &path)?;
    if let Some(folder) = path.parent() {
        create_dir(folder)?;
    }
    let metadata = [("mlops.retrain", config.name.to_string()), ("mlops.period", period.to_owned())];
    let numbers: Vec<String> = candidates.iter().flat_map(|one| one.config.data.columns.features.clone()).collect();
    let layout = Layout { names: &names, vector: vector.as_deref(), numbers: &numbers };
    let facts = write(&path, &table, layout, &positions, &metadata)?;
    drop(table);
    let (_, sha256) = sha256_file(&path)?;
    let new_rows = new_rows(session, model, &snapshot)?;
    let extracted = Extracted { source: source.to_owned(), snapshot, sha256, facts, time, new_rows };
    write_json(&statistics(&path), &extracted)?;
    Ok(extracted)
}

/// The file beside a snapshot that says what is in it.
pub(super) fn statistics(snapshot: &Path) -> PathBuf {
    snapshot.with_extension("json")
}

/// A snapshot of another retrain is not overwritten.
fn check_owner(config: &RetrainConfig, path: &Path) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let owner = parquet_file::facts(path)?.remove("mlops.retrain");
    if owner.as_deref() == Some(config.name.as_str()) {
        return Ok(());
    }
    Err(Error::invalid(format!("`{}` is not a snapshot of `{}`", path.display(), config.name))
        .hint("give each retrain a folder of its own: data: {snapshots: data/snapshots/NAME}"))
}

/// The positions of the rows to take, oldest first, and from when to when they are.
fn latest(session: &Session<'_>, config: &RetrainConfig, table: &Table) -> Result<(Vec<usize>, Option<TimeWindow>)> {
    let limit = config.data.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let Some(column) = &config.data.latest_by else {
        // A query has put its rows in order, the latest first.
        return Ok(((0..table.n_rows().min(limit)).collect(), None));
    };
    let cells: Vec<Option<&str>> = table.cells(column)?.collect();
    let mut timed: Vec<(f64, usize)> = Vec::with_capacity(cells.len());
    let mut ahead = 0;
    let now = session.project.now_ms() as f64 / 1000.0;
    let present: Vec<usize> =
        (0..cells.len()).filter(|row| cells[*row].is_some_and(|cell| !cell.trim().is_empty())).collect();
    let mut reader = TimeColumn::new(Some(&config.timezone), Numbers::Order)?;
    let times = reader.read_all(present.iter().map(|row| cells[*row].unwrap_or_default()));
    let times = times.map_err(|(at, error)| {
        table.place(present[at], column).error(error.message).hint(error.hint.unwrap_or_default())
    })?;
    let without = cells.len() - present.len();
    // What is in the future would be the latest for years; a plain number counts anything, and has no future.
    let is_time = !reader.is_order();
    for (row, time) in present.into_iter().zip(times) {
        if is_time && time > now {
            ahead += 1;
        } else {
            timed.push((time, row));
        }
    }
    let note = |count: usize, what: &str| {
        if count > 0 {
            session.note(format!("{count} rows of `{}` were left out: {what}", table.source()));
        }
    };
    note(without, &format!("they have no `{column}`"));
    note(ahead, &format!("their `{column}` is in the future"));
    timed.sort_by(|left, right| left.0.total_cmp(&right.0).then(left.1.cmp(&right.1)));
    let kept = &timed[timed.len().saturating_sub(limit)..];
    let cell = |at: Option<&(f64, usize)>| at.and_then(|(_, row)| cells[*row]).unwrap_or_default().to_owned();
    let window = TimeWindow { column: column.clone(), from: cell(kept.first()), to: cell(kept.last()) };
    Ok((kept.iter().map(|(_, row)| *row).collect(), (!kept.is_empty()).then_some(window)))
}

/// How many rows of the snapshot the version in production has not seen.
fn new_rows(session: &Session<'_>, model: &ModelName, snapshot: &str) -> Result<Option<u64>> {
    let project = session.project;
    let Some(version) = project.production_version(model)? else { return Ok(None) };
    let located = project.locate(&format!("{model}/{}", version.0), Prefer::Latest)?;
    let run = match project.reader()?.run(located.run_id.as_str()) {
        Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
        run => run?,
    };
    let Some(known) = KnownRows::of(project, &run)? else { return Ok(None) };
    let (columns, all) = (stored_config(&located)?.columns(), known.all());
    let rows = read_rows(
        session,
        From {
            source: snapshot.into(),
            query: None,
            columns: &columns,
            split: None,
            labels: Labels::Ignore,
            seed: 0,
            blank: Blank::Skip,
            by: &[],
        },
    );
    let rows = match rows {
        // Production may have read other columns than are there now: then nothing can be said.
        Err(error) if error.blames_rows() => return Ok(None),
        rows => rows?,
    };
    let fresh = rows.digests().into_iter().filter(|digest| !all.contains(digest_text(*digest).as_str()));
    Ok(Some(fresh.count() as u64))
}
