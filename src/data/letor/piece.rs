//! The lines of a part of a block, read by one thread.

use super::documents::Documents;
use super::line::{Pairs, Wrong, parse};

/// The rows of consecutive lines; line numbers count from 0 within the piece.
#[derive(Debug, Default)]
pub struct Piece {
    /// Number of lines, blank ones and comments included.
    pub n_lines: usize,
    /// Labels.
    pub labels: Vec<u8>,
    /// Query ids with the number of consecutive rows that have them.
    pub queries: Vec<(String, usize)>,
    /// Document ids.
    pub documents: Documents,
    /// Where the features of each row end.
    pub ends: Vec<usize>,
    /// Indices as written.
    pub indices: Vec<u32>,
    /// Values that are not zero; NaN for `NULL`.
    pub values: Vec<f32>,
    /// The smallest index, of zeros too, and a line that has it.
    pub smallest: Option<(u32, usize)>,
    /// The largest index, of zeros too, and the first line that has it.
    pub largest: Option<(u32, usize)>,
    /// Features that are written, zeros too.
    pub n_pairs: usize,
    /// Rows whose indices did not ascend, and the line of the first.
    pub unsorted: Option<(usize, usize)>,
    /// Number of `NULL`s.
    pub n_nulls: usize,
    /// The line of the first `NULL`.
    pub null: Option<usize>,
    /// The first line that is wrong; rows before it are there.
    pub wrong: Option<(usize, Wrong)>,
}

impl Piece {
    /// Reads lines up to the first wrong one.
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        let mut piece = Self::default();
        let mut pairs = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (line, after) = match memchr::memchr(b'\n', rest) {
                Some(at) => (&rest[..at], &rest[at + 1..]),
                None => (rest, &[][..]),
            };
            rest = after;
            match parse(line, &mut pairs) {
                Ok(None) => {}
                Ok(Some(line)) => {
                    piece.labels.push(line.label);
                    match piece.queries.last_mut() {
                        Some((query, count)) if query == line.query => *count += 1,
                        _ => piece.queries.push((line.query.to_owned(), 1)),
                    }
                    piece.documents.push(line.document);
                    if !line.is_sorted {
                        let (count, first) = piece.unsorted.unwrap_or((0, piece.n_lines));
                        piece.unsorted = Some((count + 1, first));
                    }
                    piece.push(&pairs);
                }
                Err(wrong) => {
                    piece.wrong = Some((piece.n_lines, wrong));
                    break;
                }
            }
            piece.n_lines += 1;
        }
        piece
    }

    fn push(&mut self, pairs: &Pairs) {
        if let (Some((first, _)), Some((last, _))) = (pairs.first(), pairs.last()) {
            if self.smallest.is_none_or(|(least, _)| *first < least) {
                self.smallest = Some((*first, self.n_lines));
            }
            if self.largest.is_none_or(|(most, _)| *last > most) {
                self.largest = Some((*last, self.n_lines));
            }
        }
        self.n_pairs += pairs.len();
        let n_nulls = self.n_nulls;
        for (index, value) in pairs.iter().filter(|(_, value)| *value != 0.0) {
            self.indices.push(*index);
            self.values.push(*value);
            self.n_nulls += usize::from(value.is_nan());
        }
        if n_nulls < self.n_nulls {
            self.null.get_or_insert(self.n_lines);
        }
        self.ends.push(self.indices.len());
    }

    /// Number of rows.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.labels.len()
    }

    /// The features of each row.
    pub fn rows(&self) -> impl Iterator<Item = (&[u32], &[f32])> {
        let starts = std::iter::once(&0).chain(&self.ends);
        starts.zip(&self.ends).map(|(start, end)| (&self.indices[*start..*end], &self.values[*start..*end]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_and_rows_kept_up_to_the_first_wrong_one() {
        let piece = Piece::parse(b"\n1 qid:a 1:1 3:0\n# note\n0 qid:a 2:NULL\r\n2 qid:b 9:1 4:2\n1 qid:b 1:x\n3 qid:c");
        assert_eq!((piece.n_lines, piece.n_rows(), piece.n_nulls), (5, 3, 1));
        assert_eq!(piece.queries, [("a".to_owned(), 2), ("b".to_owned(), 1)]);
        assert_eq!((piece.smallest, piece.largest, piece.unsorted), (Some((1, 1)), Some((9, 4)), Some((1, 4))));
        assert_eq!((piece.n_pairs, piece.null), (5, Some(3)));
        assert_eq!(piece.wrong.as_ref().unwrap().0, 5);
        let rows: Vec<_> = piece.rows().map(|(indices, _)| indices.to_vec()).collect();
        assert_eq!(rows, [vec![1], vec![2], vec![4, 9]]);
        assert!(Piece::parse(b"").labels.is_empty());
    }
}
