//! The rows of the leaves: one list in which every leaf owns a range, ascending within it.

use std::ops::Range;

use rayon::prelude::*;

/// Rows that one thread moves at a time.
const CHUNK: usize = 8192;

/// All rows, by leaf.
#[derive(Debug, Default)]
pub struct Partition {
    rows: Vec<u32>,
    spare: Vec<u32>,
}

impl Partition {
    /// One leaf with these rows.
    pub fn reset(&mut self, rows: impl Iterator<Item = u32>) {
        self.rows.clear();
        self.rows.extend(rows);
        self.spare.resize(self.rows.len(), 0);
    }

    /// The rows of a leaf.
    #[must_use]
    pub fn rows(&self, range: Range<usize>) -> &[u32] {
        &self.rows[range]
    }

    /// Number of rows in all leaves.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Moves the rows of a leaf for which `is_left` holds to the front, both parts in their order; says how many.
    pub fn divide(&mut self, range: Range<usize>, is_left: impl Fn(usize) -> bool + Sync) -> usize {
        let (rows, spare) = (&mut self.rows[range.clone()], &mut self.spare[range]);
        if rows.len() <= CHUNK {
            let n_left = sift(rows, spare, &is_left);
            rows.copy_from_slice(spare);
            rows[n_left..].reverse();
            return n_left;
        }
        let chunks = rows.par_chunks(CHUNK).zip(spare.par_chunks_mut(CHUNK));
        let counts: Vec<usize> = chunks.map(|(rows, spare)| sift(rows, spare, &is_left)).collect();
        let n_left = counts.iter().sum();
        let (mut left, mut right) = rows.split_at_mut(n_left);
        let mut moves = Vec::with_capacity(counts.len());
        for (spare, n_left) in spare.chunks(CHUNK).zip(counts) {
            let (to_left, rest_left) = left.split_at_mut(n_left);
            let (to_right, rest_right) = right.split_at_mut(spare.len() - n_left);
            (left, right) = (rest_left, rest_right);
            moves.push((spare, to_left, to_right));
        }
        moves.into_par_iter().for_each(|(spare, left, right)| {
            let (from_left, from_right) = spare.split_at(left.len());
            left.copy_from_slice(from_left);
            right.iter_mut().zip(from_right.iter().rev()).for_each(|(to, from)| *to = *from);
        });
        n_left
    }
}

/// Writes the left rows to the front of `spare`, and the others to its back, in reverse; without a branch.
fn sift(rows: &[u32], spare: &mut [u32], is_left: &impl Fn(usize) -> bool) -> usize {
    let (mut left, mut right) = (0, rows.len());
    for row in rows {
        let is_left = usize::from(is_left(*row as usize));
        right -= 1 - is_left;
        spare[if is_left == 1 { left } else { right }] = *row;
        left += is_left;
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_parts_keep_their_order() {
        for n_rows in [0_u32, 1, 10, 8192, 50_000] {
            let mut partition = Partition::default();
            partition.reset(0..n_rows);
            let n_left = partition.divide(0..n_rows as usize, |row| row * row % 7 < 3);
            let expected: Vec<u32> = (0..n_rows).filter(|row| *row as usize * *row as usize % 7 < 3).collect();
            assert_eq!(partition.rows(0..n_left), expected);
            let others = partition.rows(n_left..n_rows as usize);
            assert!(others.is_sorted() && others.len() + expected.len() == n_rows as usize);
            if n_rows > 9 {
                let more = partition.divide(n_left..n_rows as usize, |row| row % 2 == 0);
                assert!(partition.rows(n_left..n_left + more).iter().all(|row| row % 2 == 0));
            }
        }
    }
}
