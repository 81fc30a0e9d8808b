//! From a table to rows that are ready: inputs, labels and ids, with the rows that lack them skipped and counted.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use ndarray::Array2;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::columns::{Columns, Input, json_text};
use super::labels;
use super::queries::{self, Queries, check_present, check_whole, drawn, grades, grouped};
use super::sources::{Request, VectorColumns};
use super::split::{By, Keys, Part, Split, check_parts, make};
use super::table::Table;
use super::times::{Numbers, TimeColumn};
use super::truth::Truth;
use super::vectors::Vectors;
use crate::catalog::known_hint;
use crate::error::{Error, Result};
use crate::fs::hex;

/// What the model sees of the rows.
#[derive(Debug, Clone)]
pub enum Inputs {
    /// One text per row.
    Texts(Vec<String>),
    /// One vector per row; `rows` picks those of the kept rows.
    Vectors {
        /// All vectors that were read.
        vectors: Vectors,
        /// For each kept row its index in `vectors`.
        rows: Vec<usize>,
    },
}

/// The rows that are kept, in the order of the source.
#[derive(Debug, Clone)]
pub struct Rows {
    /// The id of each row.
    pub ids: Vec<String>,
    /// What the model sees.
    pub inputs: Inputs,
    /// The class or the grade of each row, where labels were asked for.
    pub truth: Truth,
    /// For ranking, the query of each row, as an index into `query_ids`; the rows of a query stand together. Else empty.
    pub queries: Vec<u32>,
    /// The ids of the queries, in the order in which they first appear.
    pub query_ids: Vec<String>,
    /// The part of each row; empty when no split was asked for.
    pub parts: Vec<Part>,
    /// The names of the vectors' numbers, where each has one.
    pub feature_names: Vec<String>,
    /// The number (from 1) of each kept row in the source; of rows from several files, in those files one after the other.
    pub numbers: Vec<usize>,
    /// The rows that were skipped: number (from 1) and id, where there is one.
    pub skipped: Vec<(usize, Option<String>)>,
    /// The cell of each row in columns that only make groups of rows, `None` where it is missing; see `Rows::with`.
    pub by: BTreeMap<String, Vec<Option<String>>>,
    /// What row numbers belong to, where they stand in for ids: the source. Empty when the rows have ids of their own.
    pub anchor: String,
    /// Rows in the source.
    pub n_read: usize,
    /// Rows skipped for want of a label.
    pub skipped_label: usize,
    /// Rows skipped for want of an input (a text or a vector).
    pub skipped_input: usize,
    /// What a person should know of the rows.
    pub warnings: Vec<String>,
    /// From when to when the kept rows are, where they are split by time.
    pub time: Option<TimeWindow>,
}

/// The oldest and the newest row, as their cells say it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeWindow {
    /// The column of times.
    pub column: String,
    /// The oldest cell.
    pub from: String,
    /// The newest.
    pub to: String,
}

/// How labels are read.
#[derive(Debug, Clone, Copy)]
pub enum Labels<'a> {
    /// Not at all.
    Ignore,
    /// The classes are those found; `positive` names the positive one.
    Learn {
        /// The positive label.
        positive: Option<&'a str>,
    },
    /// The classes are given (by a model); other labels are an error.
    Known(&'a [String]),
    /// They are grades of relevance, whole numbers of 0 to 31.
    Grades,
}

/// What becomes of rows whose text is missing or blank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blank {
    /// They are skipped and counted.
    Skip,
    /// They stay, as blank as they are.
    Keep,
}

/// All cells of columns that only make groups of rows, cleaned as labels are (`1.0` and `1` are one group).
///
/// # Errors
/// `Failed` when one was not requested.
pub fn cells_by(table: &Table, names: &[String]) -> Result<BTreeMap<String, Vec<Option<String>>>> {
    let cells = |name: &String| Ok((name.clone(), table.cells(name)?.map(labels::canonical).collect()));
    names.iter().map(cells).collect()
}

/// What to read from a source for these columns.
#[must_use]
pub fn request(columns: &Columns, split: Option<&Split>, labels: Labels<'_>, query: Option<&str>) -> Request {
    let mut names: Vec<String> = Vec::new();
    let mut want = |name: &String| {
        if !names.contains(name) {
            names.push(name.clone());
        }
    };
    columns.id.iter().for_each(&mut want);
    if !matches!(labels, Labels::Ignore) {
        columns.label.iter().for_each(&mut want);
    }
    columns.query.iter().for_each(&mut want);
    columns.input.text_columns().iter().for_each(&mut want);
    let split = match split {
        Some(Split::Column(name) | Split::Made { by: By::Group(name) | By::Time(name), .. }) => Some(name),
        _ => None,
    };
    split.into_iter().for_each(&mut want);
    let mut roles: Vec<String> = Vec::new();
    for name in [&columns.id, &columns.label, &columns.query].into_iter().flatten().chain(split) {
        if !roles.contains(name) {
            roles.push(name.clone());
        }
    }
    let vectors = match &columns.input {
        Input::Text { .. } => None,
        Input::Embedding(name) => Some(VectorColumns::Embedding(name.clone())),
        Input::Numbers(names) => Some(VectorColumns::Numbers(names.clone())),
        Input::All => Some(VectorColumns::All { except: roles, found: Vec::new() }),
    };
    Request { columns: names, vectors, query: query.map(str::to_owned), letor: columns.letor }
}

/// The text of each row; `None` where there is none.
fn texts(table: &Table, columns: &[String], json_fields: &[String], blank: Blank) -> Result<Vec<Option<String>>> {
    let mut joined: Vec<Option<String>> = vec![None; table.n_rows()];
    for column in columns {
        for (row, (cell, text)) in table.cells(column)?.zip(&mut joined).enumerate() {
            // A blank text is no text, whatever the format: CSV cannot tell the two apart. One that is kept stays as it is.
            let kept = blank == Blank::Keep && json_fields.is_empty();
            let Some(cell) = cell.filter(|cell| kept || !cell.trim().is_empty()) else { continue };
            let part = if json_fields.is_empty() {
                Some(cell.to_owned())
            } else {
                let place = table.place(row, column);
                json_text(cell, json_fields).map_err(|cause| place.error("the cell is not JSON").caused_by(cause))?
            };
            match (text.as_mut(), part) {
                (Some(text), Some(part)) => {
                    text.push('\n');
                    text.push_str(&part);
                }
                (None, part) => *text = part,
                (Some(_), None) => {}
            }
        }
    }
    if !json_fields.is_empty() && table.n_rows() > 0 && joined.iter().all(Option::is_none) {
        return Err(Error::invalid_rows(format!("no row of column `{}` has any of `json_fields`", columns.join(", ")))
            .hint(format!("looked for {}; nested keys are written `a.b`", json_fields.join(", "))));
    }
    Ok(joined)
}

fn label_cells(table: &Table, columns: &Columns, labels: Labels<'_>) -> Result<Option<Vec<Option<String>>>> {
    let column = match (labels, &columns.label) {
        // Grades are read with the rows that are kept: a document without one is no row to skip.
        (Labels::Ignore, _) | (Labels::Grades, Some(_)) => return Ok(None),
        (_, Some(column)) => column,
        (_, None) => return Err(Error::invalid("no label column is named").hint("add `label: …` under `data.columns`")),
    };
    Ok(Some(table.cells(column)?.map(labels::canonical).collect()))
}

/// The rows that are kept, in the order of the source, and how many are not.
struct Chosen {
    kept: Vec<usize>,
    skipped_label: usize,
    skipped_input: usize,
}

fn chosen(n_rows: usize, labels: Option<&[Option<String>]>, has_input: impl Fn(usize) -> bool) -> Chosen {
    let mut chosen = Chosen { kept: Vec::with_capacity(n_rows), skipped_label: 0, skipped_input: 0 };
    for row in 0..n_rows {
        if labels.is_some_and(|labels| labels[row].is_none()) {
            chosen.skipped_label += 1;
        } else if has_input(row) {
            chosen.kept.push(row);
        } else {
            chosen.skipped_input += 1;
        }
    }
    chosen
}

/// Turns a table into rows; those without a label or an input are skipped and counted.
///
/// Where a column names queries, the rows of a query are brought together, with a warning when they were not; with grades no
/// document is skipped, and no split cuts a query.
///
/// # Errors
/// `Invalid` when no row is left, labels do not fit, or the split is wrong; for ranking, when a document has no query, no
/// grade or no features.
pub fn prepare(
    mut table: Table,
    columns: &Columns,
    split: Option<&Split>,
    labels: Labels<'_>,
    seed: u64,
    blank: Blank,
) -> Result<Rows> {
    let labels_of_rows = label_cells(&table, columns, labels)?;
    if matches!(labels, Labels::Grades) {
        check_present(&table, columns.input.name())?;
    }
    let mut texts_of_rows = match &columns.input {
        Input::Text { columns, json_fields } => Some(texts(&table, columns, json_fields, blank)?),
        _ => None,
    };
    let has_input = |row: usize| match &texts_of_rows {
        Some(texts) => blank == Blank::Keep || texts[row].is_some(),
        None => table.vectors().is_some_and(|vectors| vectors.present()[row]),
    };
    let Chosen { mut kept, skipped_label, skipped_input } =
        chosen(table.n_rows(), labels_of_rows.as_deref(), has_input);
    if kept.is_empty() && !matches!(labels, Labels::Ignore) {
        return Err(Error::invalid_rows(format!(
            "no usable row in `{}`: {skipped_label} without a label, {skipped_input} without an input",
            table.source()
        )));
    }
    let skipped = skipped_rows(&table, columns, &kept)?;
    let mut warnings = table.warnings().to_vec();
    let queries = match &columns.query {
        None => None,
        Some(column) => {
            let (queries, warning) = grouped(&table, column, &mut kept)?;
            warnings.extend(warning);
            Some(queries)
        }
    };
    let truth = match (&labels_of_rows, labels) {
        (_, Labels::Grades) => {
            let column = columns.label.as_deref().unwrap_or_default();
            Truth::Grades(grades(&table, column, &kept)?)
        }
        (None, _) => Truth::Unknown,
        (Some(cells), labels) => {
            let found: Vec<&str> = kept.iter().map(|row| cells[*row].as_deref().unwrap_or_default()).collect();
            classes_of(&found, labels, columns.label.as_deref().unwrap_or_default(), &kept, &table)?
        }
    };
    let (parts, time) = match split {
        None => (Vec::new(), None),
        Some(split) => parts_of(&table, &kept, split, (truth.classes(), queries.as_ref()), seed)?,
    };
    let (ids, anchor) = match (&queries, &columns.id) {
        (Some(queries), column) => {
            let found = queries::ids(&table, column.as_deref(), &kept, queries)?;
            warnings.extend(found.warnings);
            (found.of_row, found.are_numbers)
        }
        (None, None) => (kept.iter().map(|row| (table.before() + row + 1).to_string()).collect(), true),
        (None, Some(id)) => (ids_of(&table, id, &kept, !matches!(labels, Labels::Ignore))?, false),
    };
    let anchor = if anchor { table.source().to_owned() } else { String::new() };
    let queries = queries.unwrap_or_default();
    let (n_read, feature_names) = (table.n_rows(), table.feature_names().to_vec());
    let numbers = kept.iter().map(|row| table.before() + row + 1).collect();
    let inputs = match texts_of_rows.as_mut() {
        Some(texts) => Inputs::Texts(kept.iter().map(|row| texts[*row].take().unwrap_or_default()).collect()),
        None => Inputs::Vectors { vectors: table.take_vectors().unwrap_or_default(), rows: kept },
    };
    Ok(Rows {
        ids,
        inputs,
        truth,
        queries: queries.of_row,
        query_ids: queries.ids,
        parts,
        feature_names,
        numbers,
        skipped,
        by: BTreeMap::new(),
        anchor,
        n_read,
        skipped_label,
        skipped_input,
        time,
        warnings,
    })
}

fn classes_of(found: &[&str], labels: Labels<'_>, column: &str, kept: &[usize], table: &Table) -> Result<Truth> {
    let distinct: BTreeSet<String> = found.iter().map(ToString::to_string).collect();
    let names = match labels {
        Labels::Known(names) => names.to_vec(),
        Labels::Learn { positive } => {
            if distinct.len() > 1000 {
                return Err(Error::invalid(format!("the label column `{column}` has {} classes", distinct.len()))
                    .hint("is it a number to be predicted, or an id? at most 1000 classes are learned"));
            }
            labels::classes(&distinct, positive, column)?
        }
        Labels::Ignore | Labels::Grades => Vec::new(),
    };
    let places: HashMap<&str, usize> = names.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
    let index = found.iter().zip(kept).map(|(label, row)| {
        places.get(label).copied().ok_or_else(|| {
            let place = table.place(*row, column);
            place
                .error(format!("the model does not know the label `{label}`"))
                .hint(known_hint(label, names.iter().map(String::as_str).collect::<Vec<_>>()))
        })
    });
    let index = index.collect::<Result<Vec<usize>>>()?;
    Ok(Truth::Classes { index, labels: names })
}

fn skipped_rows(table: &Table, columns: &Columns, kept: &[usize]) -> Result<Vec<(usize, Option<String>)>> {
    if kept.len() == table.n_rows() {
        return Ok(Vec::new());
    }
    let ids: Option<Vec<Option<&str>>> = match &columns.id {
        None => None,
        Some(id) => Some(table.cells(id)?.collect()),
    };
    // The rows that are kept still stand in their own order.
    let missing = (0..table.n_rows()).filter(|row| kept.binary_search(row).is_err());
    let id = |row: usize| ids.as_ref().map_or(Some((row + 1).to_string()), |ids| ids[row].map(str::to_owned));
    Ok(missing.map(|row| (row + 1, id(row))).collect())
}

/// The ids of the kept rows; when rows are to be learned from or judged, an id stands for one row only.
fn ids_of(table: &Table, column: &str, kept: &[usize], unique: bool) -> Result<Vec<String>> {
    let cells: Vec<Option<&str>> = table.cells(column)?.collect();
    let mut seen = BTreeSet::new();
    let mut ids = Vec::with_capacity(kept.len());
    for row in kept {
        let place = table.place(*row, column);
        let id = cells[*row].ok_or_else(|| place.error("the id is missing"))?;
        if unique && !seen.insert(id) {
            return Err(place.error(format!("the id `{id}` stands there a second time")).hint("ids must be unique"));
        }
        ids.push(id.to_owned());
    }
    Ok(ids)
}

/// The part of each kept row, and from when to when they are where that decides.
fn parts_of(
    table: &Table,
    kept: &[usize],
    split: &Split,
    (classes, queries): (&[usize], Option<&Queries>),
    seed: u64,
) -> Result<(Vec<Part>, Option<TimeWindow>)> {
    let cells_of = |column: &str| -> Result<Vec<(usize, String)>> {
        let cells: Vec<Option<&str>> = table.cells(column)?.collect();
        let cell = |row: &usize| {
            let place = table.place(*row, column);
            cells[*row].map(|cell| (*row, cell.to_owned())).ok_or_else(|| place.error("the value is missing"))
        };
        kept.iter().map(cell).collect()
    };
    match split {
        Split::Column(column) => {
            let part = |(row, cell): (usize, String)| {
                let place = table.place(row, column);
                Part::parse(&cell)
                    .ok_or_else(|| place.error(format!("`{cell}` is no split")).hint("train, validation, test"))
            };
            let parts = cells_of(column)?.into_iter().map(part).collect::<Result<Vec<_>>>()?;
            check_parts(&parts, false)?;
            queries.map_or(Ok(()), |queries| check_whole(queries, &parts, column))?;
            Ok((parts, None))
        }
        // The parts are known before the files are joined.
        Split::Files => Ok((Vec::new(), None)),
        Split::Made { train, validation, test, by } => {
            let shares = [*train, *validation, *test];
            let mut window = None;
            // A query is drawn as a whole, whatever is said of its rows.
            let whole = queries.filter(|queries| match by {
                By::Random | By::Stratified => true,
                By::Group(column) => *column == queries.column,
                By::Time(_) => false,
            });
            let parts = match (whole, by) {
                (Some(queries), _) => drawn(queries, shares, seed)?,
                (None, By::Random) => make(kept.len(), shares, Keys::None, seed),
                (None, By::Stratified) => make(kept.len(), shares, Keys::Classes(classes), seed),
                (None, By::Group(column)) => {
                    // `1.0` and `1` are one group, as in subgroups.
                    let group = |(_, cell): (usize, String)| labels::canonical(Some(&cell)).unwrap_or(cell);
                    let groups: Vec<String> = cells_of(column)?.into_iter().map(group).collect();
                    make(kept.len(), shares, Keys::Groups(&groups), seed)
                }
                (None, By::Time(column)) => {
                    let cells = cells_of(column)?;
                    // The order is the same in every zone.
                    let mut reader = TimeColumn::new(None, Numbers::Order)?;
                    let times = reader.read_all(cells.iter().map(|(_, cell)| cell.as_str()));
                    let times = times.map_err(|(at, error)| {
                        let placed = table.place(cells[at].0, column).error(error.message);
                        placed.hint(error.hint.unwrap_or_default())
                    })?;
                    window = time_window(column, &cells, &times);
                    make(kept.len(), shares, Keys::Times(&times), seed)
                }
            };
            check_parts(&parts, *validation > 0.0)?;
            if let (Some(queries), By::Group(column) | By::Time(column)) = (queries, by) {
                check_whole(queries, &parts, column)?;
            }
            Ok((parts, window))
        }
    }
}

fn time_window(column: &str, cells: &[(usize, String)], times: &[f64]) -> Option<TimeWindow> {
    let by_time = |left: &usize, right: &usize| times[*left].total_cmp(&times[*right]);
    let (from, to) = ((0..cells.len()).min_by(by_time)?, (0..cells.len()).max_by(by_time)?);
    Some(TimeWindow { column: column.to_owned(), from: cells[from].1.clone(), to: cells[to].1.clone() })
}

impl Rows {
    /// The rows with their cells of columns that make groups; `cells` holds those of every row of the source.
    #[must_use]
    pub fn with(self, cells: BTreeMap<String, Vec<Option<String>>>) -> Self {
        let kept = |all: Vec<Option<String>>| self.numbers.iter().map(|number| all[number - 1].clone()).collect();
        let by = cells.into_iter().map(|(name, all)| (name, kept(all))).collect();
        Self { by, ..self }
    }

    /// The texts; empty where the rows bring vectors.
    #[must_use]
    pub fn texts(&self) -> &[String] {
        match &self.inputs {
            Inputs::Texts(texts) => texts,
            Inputs::Vectors { .. } => &[],
        }
    }

    /// The positions of the rows of a part.
    #[must_use]
    pub fn of_part(&self, part: Part) -> Vec<usize> {
        self.parts.iter().enumerate().filter(|(_, given)| **given == part).map(|(row, _)| row).collect()
    }

    /// Where the queries of these rows begin and end: query q has the rows `starts[q]..starts[q + 1]` of them.
    #[must_use]
    pub fn starts(&self, positions: &[usize]) -> Vec<usize> {
        let query = |at: usize| self.queries[positions[at]];
        let begins = (0..positions.len()).filter(|at| *at == 0 || query(*at) != query(*at - 1));
        begins.chain([positions.len()]).collect()
    }

    /// The query of a row, where the rows have queries.
    #[must_use]
    pub fn query(&self, position: usize) -> Option<&str> {
        self.queries.get(position).map(|query| self.query_ids[*query as usize].as_str())
    }

    /// The vectors at these positions as a matrix, when the input is vectors.
    #[must_use]
    pub fn matrix(&self, positions: &[usize]) -> Option<Array2<f32>> {
        match &self.inputs {
            Inputs::Texts(_) => None,
            Inputs::Vectors { vectors, rows } => {
                Some(vectors.gather(&positions.iter().map(|position| rows[*position]).collect::<Vec<_>>()))
            }
        }
    }

    /// SHA-256 over everything that training sees: ids, inputs, labels, parts. It does not depend on the file format.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let (mut hasher, mut bytes) = (Sha256::new(), Vec::new());
        for (position, id) in self.ids.iter().enumerate() {
            let label = self.truth.word(position);
            let part = self.parts.get(position).map_or("", |part| part.name());
            for field in [id.as_str(), &label, part].into_iter().chain(self.query(position)) {
                hasher.update((field.len() as u64).to_le_bytes());
                hasher.update(field);
            }
            match &self.inputs {
                Inputs::Texts(texts) => {
                    hasher.update((texts[position].len() as u64).to_le_bytes());
                    hasher.update(&texts[position]);
                }
                Inputs::Vectors { vectors, rows } => {
                    bytes.clear();
                    bytes.extend(vectors.row(rows[position]).iter().flat_map(|value| value.to_le_bytes()));
                    hasher.update(&bytes);
                }
            }
        }
        hex(&hasher.finalize())
    }

    /// A digest of each row, by which it is known again in other files: the first 64 bits of SHA-256 over its input, and
    /// over its id where the rows have ids of their own (two people may write the same text).
    #[must_use]
    pub fn digests(&self) -> Vec<u64> {
        let digest = |position: usize| {
            let mut hasher = Sha256::new();
            // A document is known by its query and features: one file may name it, another number it.
            let named = self.anchor.is_empty() && self.queries.is_empty();
            let id = named.then_some(self.ids[position].as_str());
            for field in id.into_iter().chain(self.query(position)) {
                hasher.update((field.len() as u64).to_le_bytes());
                hasher.update(field);
            }
            match &self.inputs {
                Inputs::Texts(texts) => hasher.update(&texts[position]),
                Inputs::Vectors { vectors, rows } => {
                    let bytes: Vec<u8> = vectors.row(rows[position]).iter().flat_map(|one| one.to_le_bytes()).collect();
                    hasher.update(&bytes);
                }
            }
            let whole = hasher.finalize();
            u64::from_be_bytes(whole[..8].try_into().expect("SHA-256 has 32 bytes"))
        };
        (0..self.ids.len()).into_par_iter().map(digest).collect()
    }

    /// SHA-256 over the sorted ids of rows with their labels: two runs with the same digest were tested on the same rows.
    #[must_use]
    pub fn ids_digest(&self, positions: &[usize]) -> String {
        let row = |at: &usize| (self.query(*at), self.ids[*at].as_str(), self.truth.word(*at));
        let mut rows: Vec<(Option<&str>, &str, Cow<'_, str>)> = positions.iter().map(row).collect();
        rows.sort_unstable();
        let mut hasher = Sha256::new();
        hasher.update(&self.anchor);
        for (query, id, label) in rows {
            for field in [id, &label].into_iter().chain(query) {
                hasher.update((field.len() as u64).to_le_bytes());
                hasher.update(field);
            }
        }
        hex(&hasher.finalize())
    }
}
