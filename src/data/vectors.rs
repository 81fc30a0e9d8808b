//! Vectors that stand in the rows: parsing their text form, and gathering them into one `n_rows × width` f32 matrix.
//!
//! The text form is that of existing databases: `0.123,0.456,…`, with or without brackets and white space.

use ndarray::Array2;

use crate::error::{Error, Result};

/// One vector per row; a row without one is absent and holds zeros.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Vectors {
    values: Vec<f32>,
    present: Vec<bool>,
    width: Option<usize>,
}

/// The place of a row, for errors: the source, the first row's number (from 1), and the column.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The file or database.
    pub source: &'a str,
    /// The number of the row, from 1.
    pub row: usize,
    /// The column.
    pub column: &'a str,
}

impl Place<'_> {
    /// An `Invalid` error at this place.
    #[must_use]
    pub fn error(&self, message: impl std::fmt::Display) -> Error {
        Error::invalid_rows(format!("{}: row {}, column `{}`: {message}", self.source, self.row, self.column))
    }
}

impl Vectors {
    /// No rows; when `width` is known, vectors of another length are refused.
    #[must_use]
    pub fn new(width: Option<usize>) -> Self {
        Self { width, ..Self::default() }
    }

    /// The rows of a matrix, which is not copied; every row is there.
    #[must_use]
    pub fn of_matrix(matrix: Array2<f32>) -> Self {
        let (rows, width) = matrix.dim();
        let matrix = if matrix.is_standard_layout() { matrix } else { matrix.as_standard_layout().into_owned() };
        let (mut values, offset) = matrix.into_raw_vec_and_offset();
        values.drain(..offset.unwrap_or(0));
        values.truncate(rows * width);
        Self { values, present: vec![true; rows], width: Some(width) }
    }

    /// Room for so many rows more, so that they are added without a move.
    pub fn reserve(&mut self, rows: usize) {
        self.present.reserve_exact(rows);
        self.values.reserve_exact(rows * self.width.unwrap_or(0));
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.present.len()
    }

    /// True when there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.present.is_empty()
    }

    /// Numbers per vector, once a row has had one.
    #[must_use]
    pub fn width(&self) -> Option<usize> {
        self.width
    }

    /// Which rows have a vector.
    #[must_use]
    pub fn present(&self) -> &[bool] {
        &self.present
    }

    /// Adds a row without a vector.
    pub fn push_absent(&mut self) {
        self.present.push(false);
        if let Some(width) = self.width {
            self.values.resize(self.values.len() + width, 0.0);
        }
    }

    fn finish_row(&mut self, start: usize, place: Place<'_>) -> Result<()> {
        let length = self.values.len() - start;
        match self.width {
            None => {
                self.width = Some(length);
                // The absent rows before the first vector get their zeros now, in front of it.
                let absent = self.present.len() * length;
                self.values.resize(absent + length, 0.0);
                self.values.rotate_right(absent);
            }
            Some(width) if width != length => {
                self.values.truncate(start);
                return Err(place.error(format!("expected {width} numbers, got {length}")));
            }
            Some(_) => {}
        }
        self.present.push(true);
        Ok(())
    }

    /// Adds a row of numbers.
    ///
    /// # Errors
    /// `Invalid` when the length differs from the rows before.
    pub fn push(&mut self, numbers: impl IntoIterator<Item = f32>, place: Place<'_>) -> Result<()> {
        let start = self.values.len();
        self.values.extend(numbers);
        self.finish_row(start, place)
    }

    /// Adds a row from its text form; empty text is an absent vector.
    ///
    /// # Errors
    /// `Invalid` when something in it is no finite number, or the length differs from the rows before.
    pub fn push_text(&mut self, text: &[u8], place: Place<'_>) -> Result<()> {
        let text = text.trim_ascii();
        let text = text.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")).unwrap_or(text);
        if text.trim_ascii().is_empty() {
            self.push_absent();
            return Ok(());
        }
        let start = self.values.len();
        let mut rest = text;
        loop {
            rest = rest.trim_ascii_start();
            let Ok((number, length)) = fast_float2::parse_partial::<f32, _>(rest) else {
                return Err(self.not_a_number(start, rest, place));
            };
            let after = rest[length..].trim_ascii_start();
            if !number.is_finite() || !(after.is_empty() || after[0] == b',') {
                return Err(self.not_a_number(start, rest, place));
            }
            self.values.push(number);
            if after.is_empty() {
                return self.finish_row(start, place);
            }
            rest = &after[1..];
        }
    }

    fn not_a_number(&mut self, start: usize, rest: &[u8], place: Place<'_>) -> Error {
        let at = self.values.len() - start;
        self.values.truncate(start);
        let end = memchr::memchr(b',', rest).unwrap_or(rest.len()).min(24);
        let text = String::from_utf8_lossy(&rest[..end]);
        place.error(format!("number {} of the vector is `{}`, expected a finite number", at + 1, text.trim()))
    }

    /// Adds the rows of `other`, whose first row has the number in `place`.
    ///
    /// # Errors
    /// `Invalid` when the lengths differ.
    pub fn append(&mut self, mut other: Self, place: Place<'_>) -> Result<()> {
        match (self.width, other.width) {
            (Some(ours), Some(theirs)) if ours != theirs => {
                let first = other.present.iter().position(|present| *present).unwrap_or(0);
                let place = Place { row: place.row + first, ..place };
                return Err(place.error(format!("expected {ours} numbers, got {theirs}")));
            }
            (Some(ours), None) => other.values = vec![0.0; ours * other.present.len()],
            (None, Some(theirs)) => {
                self.width = Some(theirs);
                self.values = vec![0.0; theirs * self.present.len()];
            }
            _ => {}
        }
        if self.values.is_empty() {
            self.values = other.values;
        } else {
            self.values.extend_from_slice(&other.values);
        }
        self.present.extend(other.present);
        Ok(())
    }

    /// The rows with these indices, in this order, as a matrix.
    #[must_use]
    pub fn gather(&self, rows: &[usize]) -> Array2<f32> {
        let width = self.width.unwrap_or(0);
        let mut values = Vec::with_capacity(rows.len() * width);
        for row in rows {
            values.extend_from_slice(&self.values[row * width..(row + 1) * width]);
        }
        Array2::from_shape_vec((rows.len(), width), values).expect("every row has `width` values")
    }

    /// The values of one row.
    #[must_use]
    pub fn row(&self, row: usize) -> &[f32] {
        let width = self.width.unwrap_or(0);
        &self.values[row * width..(row + 1) * width]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'static> = Place { source: "a.csv", row: 3, column: "v" };

    #[test]
    fn text_forms_give_the_same_numbers() {
        let mut vectors = Vectors::new(None);
        vectors.push_absent();
        for text in ["0.5,-1e-3,2", "[0.5, -0.001, 2.0]", " 0.5 ,-0.001, 2 "] {
            vectors.push_text(text.as_bytes(), PLACE).unwrap();
        }
        vectors.push_text(b"  ", PLACE).unwrap();
        assert_eq!(vectors.present(), [false, true, true, true, false]);
        assert_eq!(
            vectors.gather(&[1, 0, 3]).into_raw_vec_and_offset().0,
            [0.5, -0.001, 2., 0., 0., 0., 0.5, -0.001, 2.]
        );
    }

    #[test]
    fn bad_numbers_and_lengths_name_the_place() {
        let mut vectors = Vectors::new(None);
        vectors.push_text(b"1,2", PLACE).unwrap();
        let message = |result: Result<()>| result.unwrap_err().message;
        assert_eq!(message(vectors.push_text(b"1,2,3", PLACE)), "a.csv: row 3, column `v`: expected 2 numbers, got 3");
        for (text, number, got) in
            [("1,x", 2, "x"), ("nan,1", 1, "nan"), ("1,,2", 2, ""), ("1,inf", 2, "inf"), ("1,", 2, "")]
        {
            assert_eq!(
                message(vectors.push_text(text.as_bytes(), PLACE)),
                format!("a.csv: row 3, column `v`: number {number} of the vector is `{got}`, expected a finite number")
            );
        }
        assert_eq!(vectors.len(), 1, "a refused row leaves nothing behind");
    }

    #[test]
    fn a_matrix_becomes_rows() {
        let matrix = Array2::from_shape_fn((3, 2), |(row, column)| (2 * row + column) as f32);
        let place = matrix.as_ptr();
        let vectors = Vectors::of_matrix(matrix.clone());
        assert_eq!((vectors.len(), vectors.width(), vectors.row(2)), (3, Some(2), &[4.0, 5.0][..]));
        assert_eq!(Vectors::of_matrix(matrix.reversed_axes()).row(1), [1.0, 3.0, 5.0]);
        let moved = Array2::from_shape_fn((3, 2), |(row, _)| row as f32);
        let at = moved.as_ptr();
        assert_eq!(Vectors::of_matrix(moved).row(0).as_ptr(), at, "nothing was copied");
        assert_ne!(at, place);
    }

    #[test]
    fn appending_fills_absent_rows_on_either_side() {
        let (mut left, mut right) = (Vectors::new(None), Vectors::new(None));
        left.push_absent();
        right.push([1.0, 2.0], PLACE).unwrap();
        left.append(right.clone(), PLACE).unwrap();
        let mut absent = Vectors::new(None);
        absent.push_absent();
        left.append(absent, PLACE).unwrap();
        assert_eq!(left.gather(&[0, 1, 2]).into_raw_vec_and_offset().0, [0., 0., 1., 2., 0., 0.]);
        let mut other = Vectors::new(None);
        other.push([1.0], PLACE).unwrap();
        assert!(left.append(other, PLACE).is_err());
    }
}
