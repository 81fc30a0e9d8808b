//! Gathering cells: a `Piece` holds the parsed cells of a run of rows (made in parallel), a `Builder` joins them.

use super::source::{Request, VectorColumns};
use crate::data::table::Table;
use crate::data::vectors::{Place, Vectors};
use crate::error::{Cause, Error, Result};
use crate::text::cut;

/// The parsed cells of consecutive rows.
#[derive(Debug)]
pub struct Piece {
    columns: Vec<Vec<Option<String>>>,
    vectors: Option<Vectors>,
    /// Whether all other columns are features: a word among them is perhaps none.
    takes_all: bool,
    first_row: usize,
    rows: usize,
}

/// A cell as it stands in the source.
#[derive(Debug, Clone)]
pub enum Cell<'a> {
    /// No value.
    Null,
    /// Text, or the text of a number or boolean.
    Text(std::borrow::Cow<'a, str>),
    /// A number that came as one.
    Number(f32),
    /// A vector that came as numbers.
    Numbers(Vec<f32>),
}

/// Which cell of a row goes where.
#[derive(Debug, Clone, Copy)]
pub enum Slot {
    /// Into the text column of this index.
    Column(usize),
    /// A whole vector.
    Embedding,
    /// The next number of the row's vector.
    Number,
}

/// For each wanted name its slots; a column may serve twice (text and vector).
#[must_use]
pub fn slots(request: &Request) -> Vec<(&str, Slot)> {
    let columns = request.columns.iter().enumerate().map(|(index, name)| (name.as_str(), Slot::Column(index)));
    let vectors: Vec<(&str, Slot)> = match &request.vectors {
        None => Vec::new(),
        Some(VectorColumns::Embedding(name)) => vec![(name.as_str(), Slot::Embedding)],
        Some(VectorColumns::Numbers(names) | VectorColumns::All { found: names, .. }) => {
            names.iter().map(|name| (name.as_str(), Slot::Number)).collect()
        }
    };
    columns.chain(vectors).collect()
}

fn width_of(request: &Request) -> Option<usize> {
    match &request.vectors {
        Some(VectorColumns::Numbers(names) | VectorColumns::All { found: names, .. }) => Some(names.len()),
        _ => None,
    }
}

impl Piece {
    /// No rows yet; the first will have this number. Where the width of vectors is known, others are refused.
    #[must_use]
    pub fn new(request: &Request, first_row: usize, width: Option<usize>) -> Self {
        Self {
            columns: vec![Vec::new(); request.columns.len()],
            vectors: request.vectors.as_ref().map(|_| Vectors::new(width.or(width_of(request)))),
            takes_all: matches!(request.vectors, Some(VectorColumns::All { .. })),
            first_row,
            rows: 0,
        }
    }

    fn no_number(&self, place: Place<'_>, found: &str, hint: &str) -> Error {
        let error = place.error(format!("expected a number, {found}"));
        if self.takes_all { error.hint(hint) } else { error }
    }

    /// Adds a row: `cell` gives the cell of the `i`-th entry of `slots`.
    ///
    /// A row of numeric columns that are all null has no vector; when only some are null, that is an error.
    ///
    /// # Errors
    /// `Invalid` with the row and the column.
    pub fn push_row<'a>(
        &mut self,
        source: &str,
        slots: &[(&str, Slot)],
        mut cell: impl FnMut(usize) -> Result<Cell<'a>>,
    ) -> Result<()> {
        let row = self.first_row + self.rows;
        let mut numbers = Vec::new();
        let mut null_number = None;
        for (index, (column, slot)) in slots.iter().enumerate() {
            let place = Place { source, row, column };
            match (slot, cell(index)?) {
                (Slot::Column(at), value) => self.columns[*at].push(match value {
                    Cell::Null => None,
                    Cell::Text(text) => Some(text.into_owned()),
                    Cell::Number(number) => Some(number.to_string()),
                    Cell::Numbers(_) => return Err(place.error("expected text, found a list of numbers")),
                }),
                (Slot::Embedding, value) => {
                    let vectors = self.vectors.as_mut().expect("an embedding was requested");
                    match value {
                        Cell::Null => vectors.push_absent(),
                        Cell::Text(text) => vectors.push_text(text.as_bytes(), place)?,
                        Cell::Number(number) => vectors.push([number], place)?,
                        Cell::Numbers(values) => match values.iter().position(|value| !value.is_finite()) {
                            Some(at) => return Err(place.error(format!("number {} is NaN or infinite", at + 1))),
                            None => vectors.push(values, place)?,
                        },
                    }
                }
                (Slot::Number, Cell::Null) => null_number = Some(place),
                (Slot::Number, Cell::Text(text)) if text.trim().is_empty() => null_number = Some(place),
                (Slot::Number, Cell::Number(number)) if number.is_finite() => numbers.push(number),
                (Slot::Number, Cell::Number(number)) => {
                    return Err(place.error(format!("expected a finite number, got `{number}`")));
                }
                (Slot::Number, Cell::Text(text)) => {
                    let number = match fast_float2::parse::<f32, _>(text.trim().as_bytes()) {
                        Ok(number) => number,
                        Err(_) if text.eq_ignore_ascii_case("true") => 1.0,
                        Err(_) if text.eq_ignore_ascii_case("false") => 0.0,
                        Err(_) => return Err(self.no_number(
                            place,
                            &format!("got `{}`", cut(&text, 80)),
                            "every column that is not named otherwise is a feature: name it (`columns: {id: …}`), or list those that are under `features`",
                        )),
                    };
                    if !number.is_finite() {
                        return Err(place.error(format!("expected a finite number, got `{text}`")));
                    }
                    numbers.push(number);
                }
                (Slot::Number, Cell::Numbers(_)) => {
                    return Err(self.no_number(
                        place,
                        "found a list",
                        "a column of vectors is named as `embedding`; or list the columns to use under `features`",
                    ));
                }
            }
        }
        if matches!(slots.last(), Some((_, Slot::Number))) {
            let vectors = self.vectors.as_mut().expect("numbers were requested");
            match null_number {
                None => vectors.push(numbers, Place { source, row, column: "features" })?,
                Some(_) if numbers.is_empty() => vectors.push_absent(),
                Some(place) => {
                    return Err(place
                        .error("the value is missing while others of the row are there")
                        .hint("fill the value in, or leave the whole row out"));
                }
            }
        }
        self.rows += 1;
        Ok(())
    }
}

/// Joins pieces, in order, into a table.
#[derive(Debug)]
pub struct Builder<'a> {
    source: String,
    request: &'a Request,
    columns: Vec<Vec<Option<String>>>,
    vectors: Option<Vectors>,
    rows: usize,
    /// Rows of the source that went into tables before this one.
    before: usize,
    files: Vec<(usize, String)>,
    warnings: Vec<String>,
}

impl<'a> Builder<'a> {
    /// No rows yet.
    #[must_use]
    pub fn new(source: &str, request: &'a Request) -> Self {
        let empty = Piece::new(request, 1, None);
        Self {
            source: source.to_owned(),
            request,
            columns: empty.columns,
            vectors: empty.vectors,
            rows: 0,
            before: 0,
            files: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The width of the vectors, once a row has had one.
    #[must_use]
    pub fn width(&self) -> Option<usize> {
        self.vectors.as_ref().and_then(Vectors::width)
    }

    /// The number that the next row will have, from 1.
    #[must_use]
    pub fn next_row(&self) -> usize {
        self.before + self.rows + 1
    }

    /// Rows so far.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// A builder of the rows after these.
    #[must_use]
    pub fn after(&self) -> Self {
        let vectors = self.vectors.as_ref().map(|vectors| Vectors::new(vectors.width()));
        Self { before: self.before + self.rows, vectors, ..Self::new(&self.source, self.request) }
    }

    /// True when it follows a table and has no row itself.
    #[must_use]
    pub fn is_rest(&self) -> bool {
        self.before > 0 && self.rows == 0
    }

    /// Adds the rows of a piece.
    ///
    /// # Errors
    /// `Invalid` when its vectors have another length.
    pub fn append(&mut self, piece: Piece) -> Result<()> {
        let column =
            self.request.vectors.as_ref().and_then(|vectors| vectors.names().first()).map_or("", String::as_str);
        if let (Some(ours), Some(theirs)) = (self.vectors.as_mut(), piece.vectors) {
            let row = self.before + self.rows + 1;
            ours.append(theirs, Place { source: &self.source, row, column })?;
        }
        self.columns.iter_mut().zip(piece.columns).for_each(|(ours, theirs)| ours.extend(theirs));
        self.rows += piece.rows;
        Ok(())
    }

    /// Adds the rows of a whole table (the next file of a glob).
    ///
    /// # Errors
    /// `Invalid` when its vectors have another length.
    pub fn append_table(&mut self, mut table: Table) -> Result<()> {
        let columns = self
            .request
            .columns
            .iter()
            .map(|name| Ok(table.cells(name)?.map(|cell| cell.map(str::to_owned)).collect()));
        let columns = columns.collect::<Result<Vec<Vec<_>>>>()?;
        let rows = table.n_rows();
        self.warnings.extend_from_slice(table.warnings());
        self.files.push((self.rows, table.source().to_owned()));
        self.append(Piece { columns, vectors: table.take_vectors(), takes_all: false, first_row: self.rows + 1, rows })
    }

    /// Adds what a person should know.
    pub fn warn(&mut self, warning: Option<String>) {
        self.warnings.extend(warning);
    }

    /// The table.
    ///
    /// # Errors
    /// `Invalid` when there is no row.
    pub fn finish(self) -> Result<Table> {
        if self.rows == 0 {
            return Err(Error::invalid(format!("`{}` has no rows", self.source)).because(Cause::NoRows));
        }
        let columns = self.request.columns.iter().cloned().zip(self.columns).collect();
        let names = match &self.request.vectors {
            None | Some(VectorColumns::Embedding(_)) => Vec::new(),
            Some(columns) => columns.names().to_vec(),
        };
        let table = Table::new(&self.source, columns, self.vectors)?.of_files(self.files).after(self.before);
        Ok(table.named(names).warned(self.warnings))
    }
}
