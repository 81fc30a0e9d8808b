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
    /// Smallest and largest index, of zeros too.
    pub range: Option<(u32, u32)>,
    /// Rows whose indices did not ascend, and the line of the first.
    pub unsorted: Option<(usize, usize)>,
    /// Number of `NULL`s.
    pub n_nulls: usize,
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
            let (least, most) = self.range.unwrap_or((*first, *last));
            self.range = Some((least.min(*first), most.max(*last)));
        }
        for (index, value) in pairs.iter().filter(|(_, value)| *value != 0.0) {
            self.indices.push(*index);
            self.values.push(*value);
            self.n_nulls += usize::from(value.is_nan());
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
        assert_eq!((piece.range, piece.unsorted), (Some((1, 9)), Some((1, 4))));
        assert_eq!(piece.wrong.as_ref().unwrap().0, 5);
        let rows: Vec<_> = piece.rows().map(|(indices, _)| indices.to_vec()).collect();
        assert_eq!(rows, [vec![1], vec![2], vec![4, 9]]);
        assert!(Piece::parse(b"").labels.is_empty());
    }
}
