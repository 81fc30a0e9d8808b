//! The feature matrix while it grows.
//!
//! It starts dense, with room for as many rows as the file seems to have, so that it is never copied; memory that is
//! not yet used costs nothing. It becomes sparse when it is large and mostly zeros. The first column is index 1, until
//! an index 0 is seen.

use ndarray::Array2;
use rayon::prelude::*;

use super::piece::Piece;
use super::settings::Base;
use crate::data::dataset::{Csr, Features};
use crate::error::{Error, Result};

/// A dense matrix may be this large whatever it holds.
const SMALL: usize = 256 << 20;
/// No dense matrix has more numbers: a wrong index is more likely.
const LARGEST: usize = 1 << 38;
/// Where fewer than one value in so many is there, a large matrix is kept sparse.
const RARE: usize = 8;

/// How the features are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// Dense, unless that is above 256 MiB with less than one value in eight.
    #[default]
    Auto,
    /// Rows in full.
    Dense,
    /// Compressed rows.
    Sparse,
}

/// Rows that have been read so far.
#[derive(Debug)]
pub struct Matrix {
    layout: Layout,
    /// The index of the first column.
    first: u32,
    n_rows: usize,
    width: usize,
    n_values: usize,
    /// `n_rows × width` and room for more, zero; empty when sparse.
    dense: Vec<f32>,
    sparse: Option<Csr>,
}

impl Matrix {
    /// No rows yet.
    #[must_use]
    pub fn new(layout: Layout, base: Base) -> Self {
        let sparse = (layout == Layout::Sparse).then(|| Csr { indptr: vec![0], ..Csr::default() });
        let first = u32::from(base != Base::Zero);
        Self { layout, first, n_rows: 0, width: 0, n_values: 0, dense: Vec::new(), sparse }
    }

    /// No rows yet, but columns: so many, the first of this index.
    #[must_use]
    pub fn of_width(layout: Layout, first: u32, width: usize) -> Self {
        let base = if first == 0 { Base::Zero } else { Base::One };
        Self { first, width, ..Self::new(layout, base) }
    }

    /// Whether index 0 is a column.
    #[must_use]
    pub fn starts_at_zero(&self) -> bool {
        self.first == 0
    }

    /// Adds the rows of pieces. `expected` is how many rows the file seems to have in all.
    ///
    /// # Errors
    /// `Invalid` for a dense matrix above 1 TiB.
    pub fn append(&mut self, pieces: &[Piece], expected: usize) -> Result<()> {
        if pieces.iter().any(|piece| piece.smallest.is_some_and(|(least, _)| least == 0)) && self.first == 1 {
            self.shift();
        }
        let largest = pieces.iter().filter_map(|piece| piece.largest);
        let most = largest.map(|(most, _)| most + 1 - self.first).max().unwrap_or_default() as usize;
        let n_new: usize = pieces.iter().map(Piece::n_rows).sum();
        let width = self.width.max(most);
        self.n_values += pieces.iter().map(|piece| piece.values.len()).sum::<usize>();
        let n_rows = self.n_rows + n_new;
        let cells = expected.max(n_rows).saturating_mul(width);
        let is_rare = self.n_values.saturating_mul(RARE) < n_rows.saturating_mul(width);
        if self.layout == Layout::Auto && self.sparse.is_none() && is_rare && cells.saturating_mul(4) > SMALL {
            self.thin();
        }
        if let Some(sparse) = &mut self.sparse {
            for (indices, values) in pieces.iter().flat_map(Piece::rows) {
                sparse.indices.extend(indices.iter().map(|index| index - self.first));
                sparse.values.extend_from_slice(values);
                sparse.indptr.push(sparse.indices.len());
            }
            self.width = width;
        } else {
            if cells > LARGEST {
                let message = format!("{n_rows} rows of {width} features are too many for a dense matrix: above 1 TiB");
                return Err(Error::invalid(message).hint("keep them sparse"));
            }
            self.widen(width, 0);
            self.grow(n_rows, expected);
            self.scatter(pieces);
        }
        self.n_rows = n_rows;
        Ok(())
    }

    /// Makes room for so many rows.
    fn grow(&mut self, n_rows: usize, expected: usize) {
        let needed = n_rows * self.width;
        if self.dense.is_empty() {
            // Asked for as zeros, memory is given only when it is written.
            self.dense = vec![0.0; n_rows.max(expected) * self.width];
        } else if self.dense.len() < needed {
            let more = needed.max(self.dense.len() + self.dense.len() / 8);
            self.dense.reserve_exact(more - self.dense.len());
            self.dense.resize(more, 0.0);
        }
    }

    /// Makes rows wider, and moves their values to the right.
    fn widen(&mut self, width: usize, by: usize) {
        let (old, n_rows) = (self.width, self.n_rows);
        if width == old {
            return;
        }
        self.width = width;
        if self.dense.is_empty() {
            return;
        }
        if self.dense.len() < n_rows * width {
            self.dense.resize(n_rows * width, 0.0);
        }
        // From the last row on: no row lands on one that has still to move.
        for row in (0..n_rows).rev() {
            self.dense.copy_within(row * old..(row + 1) * old, row * width + by);
            self.dense[row * width..row * width + by].fill(0.0);
            self.dense[row * width + by + old..(row + 1) * width].fill(0.0);
        }
    }

    /// Makes index 0 the first column.
    fn shift(&mut self) {
        self.first = 0;
        match &mut self.sparse {
            Some(sparse) => {
                sparse.indices.iter_mut().for_each(|index| *index += 1);
                self.width += 1;
            }
            None => self.widen(self.width + 1, 1),
        }
    }

    /// From dense to sparse.
    fn thin(&mut self) {
        let mut sparse = Csr { indptr: vec![0], ..Csr::default() };
        for row in self.dense.chunks_exact(self.width.max(1)).take(self.n_rows) {
            for (column, value) in (0..).zip(row).filter(|(_, value)| **value != 0.0) {
                sparse.indices.push(column);
                sparse.values.push(*value);
            }
            sparse.indptr.push(sparse.indices.len());
        }
        // Rows without any column yet.
        sparse.indptr.resize(self.n_rows + 1, sparse.indices.len());
        self.dense = Vec::new();
        self.sparse = Some(sparse);
    }

    fn scatter(&mut self, pieces: &[Piece]) {
        let (width, first) = (self.width, self.first);
        let mut rest = &mut self.dense[self.n_rows * width..];
        let mut work = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let (rows, others) = rest.split_at_mut(piece.n_rows() * width);
            work.push((piece, rows));
            rest = others;
        }
        work.into_par_iter().filter(|_| width > 0).for_each(|(piece, rows)| {
            for ((indices, values), row) in piece.rows().zip(rows.chunks_exact_mut(width)) {
                for (index, value) in indices.iter().zip(values) {
                    row[(index - first) as usize] = *value;
                }
            }
        });
    }

    /// The matrix.
    #[must_use]
    pub fn finish(mut self) -> Features {
        if let Some(mut sparse) = self.sparse {
            sparse.n_cols = self.width;
            return Features::Sparse(sparse);
        }
        self.dense.truncate(self.n_rows * self.width);
        let shape = (self.n_rows, self.width);
        Features::Dense(Array2::from_shape_vec(shape, self.dense).expect("rows of one width"))
    }
}

/// Adds columns of zeros, to the left (index 0) or to the right.
#[must_use]
pub fn widened(features: Features, left: usize, width: usize) -> Features {
    if left == 0 && features.n_features() == width {
        return features;
    }
    match features {
        Features::Dense(matrix) => {
            let (n_rows, old) = matrix.dim();
            let (dense, offset) = matrix.into_raw_vec_and_offset();
            debug_assert!(offset.is_none_or(|offset| offset == 0), "the matrix is one slice");
            let mut grown = Matrix { n_rows, width: old, dense, ..Matrix::new(Layout::Dense, Base::Zero) };
            grown.widen(width, left);
            grown.finish()
        }
        Features::Sparse(mut sparse) => {
            sparse.indices.iter_mut().for_each(|index| *index += left as u32);
            sparse.n_cols = width;
            Features::Sparse(sparse)
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    fn grown(layout: Layout, base: Base, texts: &[&str]) -> Features {
        let mut matrix = Matrix::new(layout, base);
        for text in texts {
            matrix.append(&[Piece::parse(text.as_bytes()), Piece::default()], 1).unwrap();
        }
        matrix.finish()
    }

    fn full(features: &Features) -> Array2<f32> {
        match features {
            Features::Dense(matrix) => matrix.clone(),
            Features::Sparse(sparse) => {
                let mut matrix = Array2::zeros((sparse.n_rows(), sparse.n_cols));
                for row in 0..sparse.n_rows() {
                    let (indices, values) = sparse.row(row);
                    indices.iter().zip(values).for_each(|(column, value)| matrix[[row, *column as usize]] = *value);
                }
                matrix
            }
        }
    }

    #[test]
    fn rows_widen_and_shift_as_indices_come() {
        let texts = ["1 qid:1\n1 qid:1 1:1 2:2\n1 qid:1 2:3", "1 qid:1 3:4 4:0", "1 qid:1 0:5 1:6"];
        let expected = array![
            [0.0, 0.0, 0.0, 0.0, 0.0],
            [0.0, 1.0, 2.0, 0.0, 0.0],
            [0.0, 0.0, 3.0, 0.0, 0.0],
            [0.0, 0.0, 0.0, 4.0, 0.0],
            [5.0, 6.0, 0.0, 0.0, 0.0]
        ];
        for layout in [Layout::Dense, Layout::Sparse, Layout::Auto] {
            assert_eq!(full(&grown(layout, Base::Auto, &texts)), expected);
            assert_eq!(full(&grown(layout, Base::Zero, &texts)), expected);
            assert_eq!(full(&grown(layout, Base::Zero, &texts[..2])), expected.slice(ndarray::s![..4, ..]));
            assert_eq!(full(&grown(layout, Base::One, &texts[..2])), expected.slice(ndarray::s![..4, 1..]));
        }
    }

    #[test]
    fn large_matrices_of_zeros_become_sparse() {
        let texts = ["1 qid:1 1:1 2:2", "1 qid:1 900000000:4"];
        let Features::Sparse(sparse) = grown(Layout::Auto, Base::Auto, &texts) else { panic!("dense") };
        assert_eq!(
            (sparse.n_cols, sparse.indptr, sparse.indices),
            (900_000_000, vec![0, 2, 3], vec![0, 1, 899_999_999])
        );
    }

    #[test]
    fn a_dense_matrix_beyond_all_memory_is_refused() {
        let mut matrix = Matrix::new(Layout::Dense, Base::Auto);
        let error = matrix.append(&[Piece::parse(b"1 qid:1 4000000000:1\n0 qid:1 1:1")], 1000).unwrap_err();
        assert!(error.message.starts_with("2 rows of 4000000000 features"), "{}", error.message);
    }

    #[test]
    fn columns_are_added_on_both_sides() {
        for layout in [Layout::Dense, Layout::Sparse] {
            let features = grown(layout, Base::Auto, &["1 qid:1 1:1 2:2\n1 qid:1 1:3"]);
            assert_eq!(full(&widened(features, 1, 4)), array![[0.0, 1.0, 2.0, 0.0], [0.0, 3.0, 0.0, 0.0]]);
        }
    }
}
