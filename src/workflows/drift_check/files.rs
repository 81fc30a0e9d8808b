//! One file against another, without a model: the columns of the reference, numbers as numbers and the rest as words.
//!
//! The reference is read as numbers; columns where half of the values or more are none are read a second time as words. Up
//! to two million of its values are kept a column, beyond that a sample (and its size is what counts as n). Columns with
//! more than one different word in five rows are ids, times or texts, and whole numbers that count rows or queries are ids:
//! they are left out with a note, unless they were asked for by name.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::columns::{self, From};
use super::model::{SEED, sample_for};
use super::outcome::{Outcome, WindowFacts, Wishes};
use crate::data::labels::canonical;
use crate::data::sources::{Ask, Cells, Form, column_names, scan};
use crate::data::table::no_such_column;
use crate::drift::profile::{Content, Numbers, Room, Words};
use crate::drift::sampler::Sampler;
use crate::drift::statistic::FEW;
use crate::drift::{Column, Role, Seen, Settings, check};
use crate::error::{Error, Result};
use crate::project::Project;
use crate::runs::tags::pairs;
use crate::workflows::light::{COMMANDS, Light, light};
use crate::workflows::session::Session;

/// What to compare.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The reference: a path, a glob, or `format:path`.
    pub reference: String,
    /// The current rows.
    pub current: String,
    /// The query, for databases: of both.
    pub query: Option<String>,
    /// The column of event times in the current rows.
    pub time: Option<String>,
    /// The columns; all of the reference when empty.
    pub columns: Vec<String>,
    /// Wishes in place of the usual settings.
    pub wishes: Wishes,
    /// Whether a run is recorded.
    pub record: bool,
}

/// Values of a column that are held, and of all columns together.
const HELD: (usize, usize) = (2_000_000, 16_000_000);
/// Different words of a column, above which it is an id.
const DIFFERENT: usize = 10_000;

/// Compares two files.
///
/// # Errors
/// `Invalid` when one cannot be read, is empty, or lacks a column that was named.
pub fn check_files(session: &Session<'_>, request: &Request) -> Result<Outcome> {
    let project = session.project;
    let started_ms = project.now_ms();
    let settings = request.wishes.over(&Settings::default())?;
    let (reference, current) = (project.expand(&request.reference)?, project.expand(&request.current)?);
    let redactor = project.redactor();
    let query = request.query.as_deref();
    let root = project.layout.root();
    let known = column_names(&reference, query, root)?;
    if let Some(missing) = request.columns.iter().find(|column| !known.contains(column)) {
        return Err(no_such_column(&reference, missing, &known));
    }
    let wanted: Vec<String> = known
        .into_iter()
        .filter(|name| !name.is_empty() && (request.columns.is_empty() || request.columns.contains(name)))
        .filter(|name| request.time.as_ref() != Some(name))
        .collect();
    if wanted.is_empty() {
        return Err(Error::invalid(format!("`{reference}` has no columns to compare")));
    }
    session.stage(&format!("reading {}", redactor.text(&reference)))?;
    let mut notes = Vec::new();
    let asked_for = !request.columns.is_empty();
    let profiles = profiles(project, (&reference, query), (&wanted, asked_for), &mut notes)?;
    session.check()?;
    session.stage(&format!("reading {}", redactor.text(&current)))?;
    let known = column_names(&current, query, root)?;
    let columns: Vec<&Column> = profiles.iter().collect();
    let from = From { source: &current, query, time: request.time.as_deref() };
    let (seen, rows, span) = columns::seen(project, from, &columns, &known, sample_for(&settings, HELD.0))?;
    session.stage("comparing")?;
    let observed: Vec<(&Column, Option<&Seen>)> =
        columns.into_iter().zip(&seen).map(|(column, seen)| (column, seen.as_ref())).collect();
    let report = check(&observed, None, &settings, SEED);
    let now_ms = project.now_ms();
    let (from_ms, to_ms) = span.unwrap_or((now_ms, now_ms));
    let window = WindowFacts {
        source: redactor.text(&current),
        rows,
        size: settings.window,
        full: rows >= settings.window,
        from_ms,
        to_ms,
        timed: span.is_some(),
        key: String::new(),
    };
    let mut outcome = Outcome::of(report, settings, window);
    outcome.notes.extend(notes);
    if request.record {
        light(session, &run(&outcome, &redactor.text(&reference), started_ms));
    }
    Ok(outcome)
}

/// The profiles of the reference's columns, in its order.
fn profiles(
    project: &Project,
    (source, query): (&str, Option<&str>),
    (wanted, asked_for): (&[String], bool),
    notes: &mut Vec<String>,
) -> Result<Vec<Column>> {
    let asked: Vec<Ask> = wanted.iter().map(|name| Ask { name: name.clone(), form: Form::Number }).collect();
    let (columns, rows) = numbers(project, (source, query), &asked)?;
    let texts: Vec<Ask> = asked
        .iter()
        .zip(&columns)
        .filter(|(_, column)| !column.is_numeric(rows))
        .map(|(ask, _)| Ask { name: ask.name.clone(), form: Form::Word })
        .collect();
    let mut words = if texts.is_empty() { BTreeMap::new() } else { counted(project, (source, query), &texts)? };
    let mut profiles = Vec::new();
    for (Ask { name, .. }, column) in asked.into_iter().zip(columns) {
        if column.is_numeric(rows) {
            let NumbersRead { sample, nulls, wrong, example } = column;
            if wrong > 0 {
                let example = example.unwrap_or_default();
                notes.push(format!(
                    "`{name}`: {wrong} values of the reference are no numbers, such as `{example}`; they count as missing"
                ));
            }
            if !asked_for && looks_like_an_id(&name, &sample, nulls) {
                notes.push(format!("`{name}` is left out: it looks like an id; `--columns {name}` compares it"));
                continue;
            }
            if !sample.is_whole() {
                notes.push(format!("`{name}`: a sample stands for the {rows} values of the reference"));
            }
            let whole = sample.is_whole();
            let values = sample.into_values();
            // The share of rows without a value stays what it is when the values are a sample.
            let kept = values.len() as u64;
            let nulls = if whole { nulls } else { (nulls as f64 * kept as f64 / (rows - nulls).max(1) as f64) as u64 };
            let content = Content::Numeric(Numbers::of(values, false, Room::ALL));
            profiles.push(Column {
                name,
                role: Role::Column,
                rows: source.to_owned(),
                n: kept + nulls,
                nulls,
                content,
            });
            continue;
        }
        match words.remove(&name) {
            Some((counts, nulls))
                if counts.len() <= DIFFERENT && (counts.len() as u64) <= (rows - nulls).max(100) / 5 =>
            {
                let content = Content::Categorical(Words::of(counts));
                profiles.push(Column { name, role: Role::Column, rows: source.to_owned(), n: rows, nulls, content });
            }
            _ => notes.push(format!("`{name}` is left out: too many different values, as in an id, a time or a text")),
        }
    }
    if profiles.is_empty() {
        return Err(Error::invalid(format!("`{source}` has no columns to compare: {}", notes.join("; "))));
    }
    Ok(profiles)
}

/// A column of the reference, read as numbers.
struct NumbersRead {
    /// A sample of its finite numbers.
    sample: Sampler,
    /// Its rows without a finite number.
    nulls: u64,
    /// Its cells that are there and no number.
    wrong: u64,
    /// One of those.
    example: Option<String>,
}

impl NumbersRead {
    /// Whether more than half of the values are numbers; a column without any value is one of numbers.
    fn is_numeric(&self, rows: u64) -> bool {
        let filled = rows - self.nulls + self.wrong;
        self.wrong == 0 || self.wrong * 2 < filled
    }
}

/// The names of columns that hold ids of queries.
const QUERY_NAMES: [&str; 3] = ["qid", "query", "query_id"];

/// Whether numbers count rows or queries: a column of queries by its name, or different whole numbers in every row that
/// are called an id or leave no number out.
fn looks_like_an_id(name: &str, sample: &Sampler, nulls: u64) -> bool {
    let name = name.to_lowercase();
    if QUERY_NAMES.contains(&name.as_str()) {
        return true;
    }
    let values = sample.sorted();
    let different = values.windows(2).all(|pair| pair[0] < pair[1]);
    let whole = values.iter().all(|value| value.fract() == 0.0);
    if values.len() < FEW as usize || nulls > 0 || !different || !whole {
        return false;
    }
    let called_id = name == "id" || name.ends_with("_id") || name.ends_with("번호");
    let span = values.last().zip(values.first()).map_or(0.0, |(last, first)| last - first);
    called_id || (sample.is_whole() && span == (values.len() - 1) as f64)
}

/// Reads columns as numbers; gives them and the number of rows.
fn numbers(project: &Project, (source, query): (&str, Option<&str>), asked: &[Ask]) -> Result<(Vec<NumbersRead>, u64)> {
    let most = (HELD.1 / asked.len()).clamp(50_000, HELD.0);
    let empty = || NumbersRead { sample: Sampler::new(most), nulls: 0, wrong: 0, example: None };
    let fresh = || asked.iter().map(|_| empty()).collect::<Vec<_>>();
    let mut columns = fresh();
    let rows = scan(source, asked, query, project.layout.root(), &mut |chunks| {
        let parts: Vec<_> = chunks
            .par_iter()
            .map(|chunk| {
                let mut part = fresh();
                for (column, cells) in part.iter_mut().zip(&chunk.columns) {
                    let Cells::Numbers { values, wrong, example } = cells else { continue };
                    column.wrong += wrong;
                    column.example.clone_from(example);
                    for (row, value) in (chunk.first_row..).zip(values) {
                        if value.is_finite() {
                            column.sample.add(row, *value);
                        } else {
                            column.nulls += u64::from(value.is_nan());
                        }
                    }
                }
                part
            })
            .collect();
        for part in parts {
            for (column, more) in columns.iter_mut().zip(part) {
                column.nulls += more.nulls;
                column.wrong += more.wrong;
                column.example = column.example.take().or(more.example);
                column.sample.join(more.sample);
            }
        }
        Ok(())
    })?;
    Ok((columns, rows))
}

type Counted = BTreeMap<String, (BTreeMap<String, u64>, u64)>;

/// Counts the words of columns; of ids no more than show that they are ids.
fn counted(project: &Project, (source, query): (&str, Option<&str>), asked: &[Ask]) -> Result<Counted> {
    let mut totals: Vec<(BTreeMap<String, u64>, u64)> = vec![(BTreeMap::new(), 0); asked.len()];
    scan(source, asked, query, project.layout.root(), &mut |chunks| {
        let parts: Vec<Vec<(BTreeMap<String, u64>, u64)>> = chunks
            .par_iter()
            .map(|chunk| {
                let count = |cells: &Cells| {
                    let (mut counts, mut nulls) = (BTreeMap::new(), 0);
                    for word in cells.words() {
                        match canonical(word) {
                            Some(word) => *counts.entry(word).or_insert(0) += 1,
                            None => nulls += 1,
                        }
                    }
                    (counts, nulls)
                };
                chunk.columns.iter().map(count).collect()
            })
            .collect();
        for part in parts {
            for ((counts, nulls), (more, more_nulls)) in totals.iter_mut().zip(part) {
                *nulls += more_nulls;
                for (word, count) in more {
                    if counts.len() <= DIFFERENT || counts.contains_key(&word) {
                        *counts.entry(word).or_insert(0) += count;
                    }
                }
            }
        }
        Ok(())
    })?;
    Ok(asked.iter().map(|ask| ask.name.clone()).zip(totals).collect())
}

fn run(outcome: &Outcome, reference: &str, started_ms: i64) -> Light {
    Light {
        experiment: COMMANDS.to_owned(),
        command: "drift-check",
        name: "drift-check of two files".to_owned(),
        started_ms,
        params: pairs([
            ("reference", reference.to_owned()),
            ("current", outcome.window.source.clone()),
            ("statistic", outcome.settings.statistic.name().to_owned()),
            ("alpha", outcome.settings.alpha.to_string()),
            ("rule", outcome.settings.rule.name().to_owned()),
        ]),
        metrics: vec![
            ("rows", outcome.window.rows as f64),
            ("drift_detected", f64::from(u8::from(outcome.drift_detected))),
            ("drifting_columns", outcome.columns.iter().filter(|column| column.drift).count() as f64),
        ],
        tags: pairs([("severity", outcome.severity.to_string())]),
        artifacts: Vec::new(),
    }
}
