//! The current columns of a file, counted while they stream by.

use rayon::prelude::*;

use crate::data::sources::{Ask, Cells, Chunk, Form, scan};
use crate::data::times::{Numbers, TimeColumn};
use crate::drift::{Column, Kind, Role, Seen};
use crate::error::{Error, Result};
use crate::project::Project;

/// The earliest and the latest time of rows, in milliseconds since the epoch.
pub(super) type Span = Option<(i64, i64)>;

/// Where current rows come from.
#[derive(Debug, Clone, Copy)]
pub(super) struct From<'a> {
    /// A path, a glob, or `format:path`.
    pub source: &'a str,
    /// The query, for databases.
    pub query: Option<&'a str>,
    /// The column of event times.
    pub time: Option<&'a str>,
}

/// How far ahead of our clock another one may be.
const AHEAD_MS: i64 = 24 * 3600 * 1000;
/// The earliest and the latest time of a chunk.
fn span_of(
    chunk: &Chunk,
    cells: &Cells,
    times: &mut TimeColumn,
    (source, column, now_ms): (&str, &str, i64),
) -> Result<Span> {
    let mut span: Span = None;
    for (row, cell) in (chunk.first_row + 1..).zip(cells.words()) {
        let Some(cell) = cell.filter(|cell| !cell.trim().is_empty()) else { continue };
        let wrong = |why: &str| Error::invalid(format!("{source}: row {row}, column `{column}`: {why}"));
        let seconds = times.read(cell).map_err(|error| wrong(&error.message).hint(error.hint.unwrap_or_default()))?;
        let time = (seconds * 1000.0) as i64;
        if time > now_ms + AHEAD_MS {
            return Err(wrong(&format!(
                "`{cell}` lies in the future: it is {} now",
                crate::runs::timestamp::timestamp(now_ms)
            ))
            .hint("correct the data or this machine's clock, or leave `--time` out"));
        }
        span = Some(span.map_or((time, time), |(from, to)| (from.min(time), to.max(time))));
    }
    Ok(span)
}

/// How the cells of a column are read.
fn form(column: &Column) -> Form {
    match (column.kind(), column.role) {
        (Kind::Numeric, Role::Feature) => Form::Feature,
        (Kind::Numeric, _) => Form::Number,
        _ => Form::Word,
    }
}

/// Counts the columns that the source has, in one pass: for each column its current side (none where the source lacks
/// it), the number of rows, and from when to when they are.
pub(super) fn seen(
    project: &Project,
    from: From<'_>,
    columns: &[&Column],
    known: &[String],
    sample: usize,
) -> Result<(Vec<Option<Seen>>, u64, Span)> {
    let there: Vec<bool> = columns.iter().map(|column| known.contains(&column.name)).collect();
    let wanted: Vec<&Column> =
        columns.iter().zip(&there).filter(|(_, there)| **there).map(|(column, _)| *column).collect();
    let mut asked: Vec<Ask> =
        wanted.iter().map(|column| Ask { name: column.name.clone(), form: form(column) }).collect();
    let now_ms = project.now_ms();
    // A time that is also a column is read twice, each in its own form.
    let time = from.time.map(|name| Ask { name: name.to_owned(), form: Form::Word });
    let twice = time.as_ref().is_some_and(|time| asked.iter().any(|ask| ask.name == time.name));
    // Times without an offset are UTC.
    let mut times = TimeColumn::new(None, Numbers::Refused)?;
    let mut span: Span = None;
    let mut widen = |more: Span| {
        if let Some((from, to)) = more {
            span = Some(span.map_or((from, to), |(first, last)| (first.min(from), last.max(to))));
        }
    };
    let root = project.layout.root();
    if let Some(time) = time.as_ref().filter(|_| twice || asked.is_empty()) {
        let place = (from.source, time.name.as_str(), now_ms);
        scan(from.source, std::slice::from_ref(time), from.query, root, &mut |chunks| {
            chunks.iter().try_for_each(|chunk| span_of(chunk, &chunk.columns[0], &mut times, place).map(&mut widen))
        })?;
    } else {
        asked.extend(time.clone());
    }
    let fresh = || wanted.iter().map(|column| Seen::new(column, sample)).collect::<Vec<Seen>>();
    let mut totals = fresh();
    let rows = scan(from.source, &asked, from.query, root, &mut |chunks| {
        let parts: Vec<Result<(Vec<Seen>, Span, TimeColumn)>> = chunks
            .par_iter()
            .map(|chunk| {
                let mut part = fresh();
                part.iter_mut().zip(&chunk.columns).for_each(|(seen, cells)| add(seen, chunk.first_row, cells));
                let place = (from.source, from.time.unwrap_or_default(), now_ms);
                let mut times = times.clone();
                let span = match chunk.columns.get(part.len()) {
                    Some(cells) => span_of(chunk, cells, &mut times, place)?,
                    None => None,
                };
                Ok((part, span, times))
            })
            .collect();
        for part in parts {
            let (part, span, seen) = part?;
            times.join_part(&seen)?;
            totals.iter_mut().zip(part).for_each(|(total, part)| total.join(part));
            widen(span);
        }
        Ok(())
    })?;
    let mut totals = totals.into_iter();
    let seen = there.into_iter().map(|there| if there { totals.next() } else { None }).collect();
    Ok((seen, rows, span))
}

fn add(seen: &mut Seen, first_row: u64, cells: &Cells) {
    match cells {
        Cells::Numbers { values, wrong, example } => {
            seen.add_numbers(first_row, values);
            seen.add_wrong(*wrong, example.as_deref());
        }
        Cells::Words { .. } => seen.add_words(cells.words()),
    }
}
