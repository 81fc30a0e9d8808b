//! The newest rows as a snapshot, and whether they are fit to be learned from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::known_rows::KnownRows;
use super::super::promote::stored_config;
use super::super::reading::{From, read_rows};
use super::super::record::write_json;
use super::super::session::Session;
use super::state::State;
use crate::config::{Experiment, RetrainConfig};
use crate::data::rows::{Blank, Labels, TimeWindow};
use crate::data::snapshot::{ColumnKind, Facts, Layout, write};
use crate::data::sources::{Request, VectorColumns, column_names, read};
use crate::data::split::parse_time;
use crate::data::{Table, labels, parquet_file};
use crate::error::{Error, Result};
use crate::fs::{create_dir, sha256_file};
use crate::names::ModelName;
use crate::project::Prefer;

/// How the error of a source without rows ends.
const NO_ROWS: &str = "has no rows";

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

/// What the rows are like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validated {
    /// Rows with a label.
    pub labelled: u64,
    /// Rows of each class.
    pub classes: BTreeMap<String, u64>,
    /// The share of nulls of each column that the candidates use.
    pub null_rates: BTreeMap<String, f64>,
}

/// The columns that a candidate cannot do without.
fn used(candidate: &Experiment) -> BTreeSet<String> {
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
    };
    // No rows are too few rows: the answer is no, and nothing is wrong with the request.
    let none = |error: Error| if error.message.ends_with(NO_ROWS) { Error::refused(error.message) } else { error };
    let table = read(&expanded, &request, root).map_err(none)?;
    session.check()?;
    let (positions, time) = latest(session, config, &table)?;
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
    let (mut without, mut ahead) = (0, 0);
    let now = session.project.now_ms() as f64 / 1000.0;
    for (row, cell) in cells.iter().enumerate() {
        let Some(cell) = cell.filter(|cell| !cell.trim().is_empty()) else {
            without += 1;
            continue;
        };
        let wrong = || {
            let place = table.place(row, column);
            place.error(format!("`{cell}` is no time")).hint("write 2026-07-03, 2026-07-03T10:00:00Z or a number")
        };
        let time = parse_time(cell).ok_or_else(wrong)?;
        // What is in the future would be the latest for years. A plain number may count anything: it is a time where it
        // is as large as seconds or milliseconds of our days.
        let seconds = match cell.trim().parse::<f64>() {
            Err(_) => time,
            Ok(number) if (1e9..1e11).contains(&number) => number,
            Ok(number) if (1e12..1e14).contains(&number) => number / 1000.0,
            Ok(_) => f64::NEG_INFINITY,
        };
        if seconds > now {
            ahead += 1;
        } else {
            timed.push((time, row));
        }
    }
    let note = |count: usize, what: &str| {
        if count > 0 {
            session.project.note(format!("{count} rows of `{}` were left out: {what}", table.source()));
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
    let Ok(run) = project.reader()?.run(located.run_id.as_str()) else { return Ok(None) };
    let Some(known) = KnownRows::of(project, &run)? else { return Ok(None) };
    let (columns, all) = (stored_config(&located)?.columns(), known.all());
    let rows = read_rows(
        session,
        From {
            source: snapshot,
            query: None,
            columns: &columns,
            split: None,
            labels: Labels::Ignore,
            seed: 0,
            blank: Blank::Skip,
            by: &[],
        },
    );
    // Production may have read other columns than are there now: then nothing can be said.
    let Ok(rows) = rows else { return Ok(None) };
    let fresh = rows.digests().into_iter().filter(|digest| !all.contains(format!("{digest:016x}").as_str()));
    Ok(Some(fresh.count() as u64))
}

/// Checks what was extracted.
///
/// # Errors
/// `Refused`, with everything that is wrong with the rows.
pub(super) fn validate(
    session: &Session<'_>,
    config: &RetrainConfig,
    candidates: &[Experiment],
    (state, forced): (&State, bool),
) -> Result<Validated> {
    let Some(extracted) = &state.extracted else { return Err(Error::failed("nothing was extracted")) };
    let root = session.project.layout.root();
    check_whole(&root.join(&extracted.snapshot), extracted)?;
    let (facts, rules) = (&extracted.facts, &config.validate);
    let mut wrong = Vec::new();
    if facts.written < rules.min_rows {
        wrong.push(format!("{} rows, at least {} are needed", facts.written, rules.min_rows));
    }
    let needed: BTreeSet<String> = candidates.iter().flat_map(used).collect();
    let mut null_rates = BTreeMap::new();
    for column in &facts.columns {
        let rate = column.nulls as f64 / facts.rows.max(1) as f64;
        let used = needed.contains(&column.name);
        let most = rules.max_null_rate.get(&column.name).copied();
        if facts.rows > 0 && used && column.nulls == facts.rows {
            wrong.push(format!("column `{}` is null in every row", column.name));
        } else if let Some(most) = most.filter(|most| rate > *most) {
            wrong.push(format!("column `{}` is null in {rate:.3} of the rows, at most {most} may be", column.name));
        }
        if used {
            null_rates.insert(column.name.clone(), rate);
        }
    }
    for column in rules.max_null_rate.keys().filter(|name| !facts.columns.iter().any(|column| column.name == **name)) {
        wrong.push(format!("there is no column `{column}`, whose nulls `max_null_rate` limits"));
    }
    if !forced {
        wrong.extend(changed(session, state, facts, &needed)?);
    }
    let classes = classes(session, candidates, extracted)?;
    wrong.extend(wrong_classes(config, &classes));
    if !wrong.is_empty() {
        return Err(Error::refused(format!("the rows are not fit to be learned from: {}", wrong.join("; ")))
            .hint("production is untouched; mend the source, or `validate:` in the config, and run this again"));
    }
    Ok(Validated { labelled: classes.values().sum(), classes, null_rates })
}

/// A snapshot that somebody touched is not trained on.
fn check_whole(path: &Path, extracted: &Extracted) -> Result<()> {
    let (_, found) = sha256_file(path)?;
    if found == extracted.sha256 {
        return Ok(());
    }
    Err(Error::failed(format!("`{}` is not what was extracted: its hash has changed", path.display()))
        .hint("`--force` extracts anew"))
}

/// Rows of each class, over all candidates' labels (they share one).
fn classes(session: &Session<'_>, candidates: &[Experiment], extracted: &Extracted) -> Result<BTreeMap<String, u64>> {
    let Some(label) = candidates.first().map(|one| one.config.data.columns.label.clone()) else {
        return Ok(BTreeMap::new());
    };
    let request = Request { columns: vec![label.clone()], vectors: None, query: None };
    let table = read(&extracted.snapshot, &request, session.project.layout.root())?;
    let mut counts = BTreeMap::new();
    for cell in table.cells(&label)? {
        if let Some(label) = labels::canonical(cell) {
            *counts.entry(label).or_default() += 1;
        }
    }
    Ok(counts)
}

fn wrong_classes(config: &RetrainConfig, classes: &BTreeMap<String, u64>) -> Vec<String> {
    let (mut wrong, rules) = (Vec::new(), &config.validate);
    let expected: BTreeSet<String> =
        rules.classes.iter().map(|label| labels::canonical(Some(label)).unwrap_or_default()).collect();
    for label in expected.iter().filter(|label| !classes.contains_key(*label)) {
        wrong.push(format!("no row of the class `{label}`"));
    }
    if !expected.is_empty() {
        for (label, rows) in classes.iter().filter(|(label, _)| !expected.contains(*label)) {
            wrong.push(format!("{rows} rows of the class `{label}`, which is not one of `validate.classes`"));
        }
    }
    if classes.len() < 2 && expected.is_empty() {
        let names: Vec<&str> = classes.keys().map(String::as_str).collect();
        wrong.push(format!("all labels are the same: `{}`", names.join("")));
    }
    for (label, rows) in classes.iter().filter(|(_, rows)| **rows < rules.min_per_class) {
        wrong.push(format!("{rows} rows of the class `{label}`, at least {} are needed", rules.min_per_class));
    }
    wrong
}

/// Used columns that hold something else than in the retrain before.
fn changed(session: &Session<'_>, state: &State, facts: &Facts, needed: &BTreeSet<String>) -> Result<Vec<String>> {
    let Some(before) = before(session, state)? else { return Ok(Vec::new()) };
    let Some(then) = &before.extracted else { return Ok(Vec::new()) };
    let is_number = |kind: ColumnKind| matches!(kind, ColumnKind::Int64 | ColumnKind::Float64);
    let mut wrong = Vec::new();
    for column in facts.columns.iter().filter(|column| needed.contains(&column.name)) {
        let Some(old) = then.facts.columns.iter().find(|old| old.name == column.name) else { continue };
        if old.kind != column.kind && !(is_number(old.kind) && is_number(column.kind)) && old.nulls < then.facts.rows {
            let (was, is) = (kind(old.kind), kind(column.kind));
            let told = format!("column `{}` held {was} in {} and holds {is} now", column.name, before.period);
            wrong.push(format!("{told} (`--force` takes it so)"));
        }
    }
    Ok(wrong)
}

fn kind(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Int64 => "whole numbers",
        ColumnKind::Float64 => "numbers",
        ColumnKind::Text => "text",
        ColumnKind::Vector => "vectors",
    }
}

/// The latest retrain of an earlier period that came to an end.
fn before(session: &Session<'_>, state: &State) -> Result<Option<State>> {
    let states = State::all(&session.project.layout, &state.name)?;
    Ok(states.into_iter().rfind(|one| one.begun_ms < state.begun_ms && one.decided.is_some()))
}
