//! Columns of consecutive rows, as they stream by: numbers as numbers, words as slices of one text.
//!
//! A whole table keeps each cell as a text of its own; here a cell costs eight bytes, and a file of any length goes
//! through in the memory of one block. What does not read as a number where numbers are wanted is counted, not refused.

use crate::data::table::Table;
use crate::error::Result;

/// How the cells of a column are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As numbers.
    Number,
    /// As numbers, `true` being 1 and `false` 0: what the features of a model are.
    Feature,
    /// As words.
    Word,
}

/// A wanted column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Its name.
    pub name: String,
    /// How its cells are read.
    pub form: Form,
}

/// The cells of a column.
#[derive(Debug, Clone)]
pub enum Cells {
    /// Numbers; NaN where there is none.
    Numbers {
        /// A number a row.
        values: Vec<f64>,
        /// Cells that hold something else than a number.
        wrong: u64,
        /// The first of them.
        example: Option<String>,
    },
    /// Words.
    Words {
        /// All words, one after the other.
        text: String,
        /// Where each ends.
        ends: Vec<usize>,
        /// Which rows have one.
        present: Vec<bool>,
    },
}

impl Cells {
    /// No cells yet.
    #[must_use]
    pub fn new(form: Form, rows: usize) -> Self {
        match form {
            Form::Word => {
                Self::Words { text: String::new(), ends: Vec::with_capacity(rows), present: Vec::with_capacity(rows) }
            }
            _ => Self::Numbers { values: Vec::with_capacity(rows), wrong: 0, example: None },
        }
    }

    /// Adds a number.
    pub fn push_number(&mut self, number: f64) {
        match self {
            Self::Numbers { values, .. } => values.push(number),
            Self::Words { .. } => self.push_word(Some(&number.to_string())),
        }
    }

    /// Adds the text of a cell to numbers; blank, `nan` and `null` are no number and not wrong.
    pub fn push_text(&mut self, bytes: &[u8], form: Form) {
        let bytes = bytes.trim_ascii();
        let number = match fast_float2::parse::<f64, _>(bytes) {
            Ok(number) => number,
            Err(_) if bytes.is_empty() || bytes.eq_ignore_ascii_case(b"null") => f64::NAN,
            Err(_) if form == Form::Feature && bytes.eq_ignore_ascii_case(b"true") => 1.0,
            Err(_) if form == Form::Feature && bytes.eq_ignore_ascii_case(b"false") => 0.0,
            Err(_) => return self.push_wrong(bytes),
        };
        if let Self::Numbers { values, .. } = self {
            values.push(number);
        }
    }

    /// Adds a cell that is no number.
    pub fn push_wrong(&mut self, bytes: &[u8]) {
        let Self::Numbers { values, wrong, example } = self else { return };
        *wrong += 1;
        example.get_or_insert_with(|| String::from_utf8_lossy(&bytes[..bytes.len().min(240)]).into_owned());
        values.push(f64::NAN);
    }

    /// Adds a word.
    pub fn push_word(&mut self, word: Option<&str>) {
        if let Self::Words { text, ends, present } = self {
            text.push_str(word.unwrap_or_default());
            ends.push(text.len());
            present.push(word.is_some());
        }
    }

    /// The words; none for numbers.
    pub fn words(&self) -> impl Iterator<Item = Option<&str>> {
        let (text, ends, present) = match self {
            Self::Words { text, ends, present } => (text.as_str(), &ends[..], &present[..]),
            Self::Numbers { .. } => ("", &[][..], &[][..]),
        };
        let starts = std::iter::once(0).chain(ends.iter().copied());
        starts.zip(ends).zip(present).map(move |((start, end), present)| present.then(|| &text[start..*end]))
    }
}

/// The wanted columns of consecutive rows.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// The number of the first row, from 0 over all files.
    pub first_row: u64,
    /// How many there are.
    pub rows: usize,
    /// The columns, in the order in which they were asked for.
    pub columns: Vec<Cells>,
}

impl Chunk {
    /// No rows yet.
    #[must_use]
    pub fn new(asked: &[Ask], first_row: u64, rows: usize) -> Self {
        Self { first_row, rows: 0, columns: asked.iter().map(|ask| Cells::new(ask.form, rows)).collect() }
    }
}

/// Who looks at chunks: several at a time, in the order of their rows.
pub type Visit<'v> = dyn FnMut(Vec<Chunk>) -> Result<()> + 'v;

/// The chunk of a whole table.
///
/// # Errors
/// `Failed` when a column was not read.
pub fn of_table(table: &Table, asked: &[Ask]) -> Result<Chunk> {
    let mut chunk = Chunk::new(asked, 0, table.n_rows());
    chunk.rows = table.n_rows();
    for (ask, cells) in asked.iter().zip(&mut chunk.columns) {
        for cell in table.cells(&ask.name)? {
            match ask.form {
                Form::Word => cells.push_word(cell),
                form => cells.push_text(cell.unwrap_or_default().as_bytes(), form),
            }
        }
    }
    Ok(chunk)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_missing_ones_and_wrong_ones() {
        let mut cells = Cells::new(Form::Number, 0);
        for text in ["1.5", " -2 ", "", "nan", "NULL", "true", "x y", "1e3"] {
            cells.push_text(text.as_bytes(), Form::Number);
        }
        let Cells::Numbers { values, wrong, example } = &cells else { panic!("numbers") };
        let known: Vec<Option<f64>> = values.iter().map(|value| (!value.is_nan()).then_some(*value)).collect();
        assert_eq!(known, [Some(1.5), Some(-2.0), None, None, None, None, None, Some(1000.0)]);
        assert_eq!((*wrong, example.as_deref()), (2, Some("true")));
        let mut feature = Cells::new(Form::Feature, 0);
        feature.push_text(b"True", Form::Feature);
        assert!(matches!(&feature, Cells::Numbers { values, wrong: 0, .. } if values == &[1.0]));
    }

    #[test]
    fn words_keep_their_rows() {
        let mut cells = Cells::new(Form::Word, 0);
        for word in [Some("가"), None, Some(""), Some("b")] {
            cells.push_word(word);
        }
        assert_eq!(cells.words().collect::<Vec<_>>(), [Some("가"), None, Some(""), Some("b")]);
    }
}
