//! The training matrix by column, as codes: sorted once, shared by all trees.
//!
//! Within a column every row has a unique rank 0..n (equal values in row order); `values` holds the sorted values. A
//! row's code is twice its rank, plus 1 when its value counts as equal to the one before it: the codes say in which
//! order the rows of a node stand, and mostly also where it can be split, without a look at the values.

use std::borrow::Cow;

use ndarray::Array2;
use rayon::prelude::*;

use crate::data::dataset::Features;
use crate::error::{Error, Result};

/// The largest matrix that a sparse input may become.
const DENSE_LIMIT: usize = 1 << 30;

/// One cache line of f32: columns are read this many at a time.
const BLOCK: usize = 16;

/// Values this close count as equal, in f32 arithmetic, as in scikit-learn.
const SAME: f32 = 1e-7;

/// True when `right`, the next value upwards, counts as equal to `left`.
#[must_use]
pub fn same(left: f32, right: f32) -> bool {
    right <= left + SAME
}

/// A code as it is stored: u16 while the rows allow it, to halve the memory traffic.
pub trait Code: Copy + Default + Send + Sync + Into<u32> {
    /// The most rows whose codes fit.
    const MAX_ROWS: usize;
    /// The code as stored.
    fn new(code: u32) -> Self;
}

impl Code for u16 {
    const MAX_ROWS: usize = 1 << 15;

    fn new(code: u32) -> Self {
        code as Self
    }
}

impl Code for u32 {
    // Codes are compared as i32.
    const MAX_ROWS: usize = 1 << 30;

    fn new(code: u32) -> Self {
        code
    }
}

/// The columns of the training matrix.
#[derive(Debug)]
pub struct Columns<C> {
    /// Number of rows.
    pub n_rows: usize,
    /// Number of columns.
    pub n_features: usize,
    codes: Vec<C>,
    values: Vec<f32>,
}

impl<C: Code> Columns<C> {
    /// Ranks every column of a non-empty matrix.
    #[must_use]
    pub fn new(matrix: &Array2<f32>) -> Self {
        let (n_rows, n_features) = matrix.dim();
        let mut codes = vec![C::default(); n_rows * n_features];
        let mut values = vec![0.0; n_rows * n_features];
        let blocks = codes.par_chunks_mut(n_rows * BLOCK).zip(values.par_chunks_mut(n_rows * BLOCK)).enumerate();
        blocks.for_each_init(Vec::new, |keys, (block, (codes, values))| {
            keys.clear();
            keys.resize(codes.len(), 0_u64);
            let width = codes.len() / n_rows;
            for (row, cells) in matrix.rows().into_iter().enumerate() {
                for (column, value) in cells.iter().skip(block * BLOCK).take(width).enumerate() {
                    keys[column * n_rows + row] = u64::from(ordered(*value)) << 32 | row as u64;
                }
            }
            let columns = keys.chunks_exact_mut(n_rows).zip(codes.chunks_exact_mut(n_rows));
            for ((keys, codes), values) in columns.zip(values.chunks_exact_mut(n_rows)) {
                keys.sort_unstable();
                let mut before = f32::NEG_INFINITY;
                for (rank, (key, value)) in keys.iter().zip(values).enumerate() {
                    *value = restored((*key >> 32) as u32);
                    codes[*key as u32 as usize] = C::new((rank as u32) << 1 | u32::from(same(before, *value)));
                    before = *value;
                }
            }
        });
        Self { n_rows, n_features, codes, values }
    }

    /// The code of each row in a column.
    #[must_use]
    pub fn codes(&self, feature: usize) -> &[C] {
        &self.codes[feature * self.n_rows..(feature + 1) * self.n_rows]
    }

    /// The value at each rank of a column.
    #[must_use]
    pub fn values(&self, feature: usize) -> &[f32] {
        &self.values[feature * self.n_rows..(feature + 1) * self.n_rows]
    }
}

/// Bits that sort as the numbers do.
fn ordered(value: f32) -> u32 {
    let bits = value.to_bits();
    if bits >> 31 == 0 { bits | 1 << 31 } else { !bits }
}

/// The number back from its ordered bits.
fn restored(bits: u32) -> f32 {
    f32::from_bits(if bits >> 31 == 1 { bits & !(1 << 31) } else { !bits })
}

/// The matrix in full; a sparse one is filled up while it stays within 1 GiB.
///
/// # Errors
/// `Invalid` when it would be larger.
pub fn dense(features: &Features) -> Result<Cow<'_, Array2<f32>>> {
    let sparse = match features {
        Features::Dense(matrix) => return Ok(Cow::Borrowed(matrix)),
        Features::Sparse(sparse) => sparse,
    };
    let (n_rows, n_cols) = (sparse.n_rows(), sparse.n_cols);
    if n_rows.saturating_mul(n_cols).saturating_mul(size_of::<f32>()) > DENSE_LIMIT {
        let message = format!("{n_rows} rows of {n_cols} sparse features are too many for trees: above 1 GiB in full");
        return Err(Error::invalid(message)
            .hint("set `max_features` of the tfidf step, or use the hashing embedding, to have fewer columns"));
    }
    let mut matrix = Array2::zeros((n_rows, n_cols));
    for (row, mut cells) in matrix.rows_mut().into_iter().enumerate() {
        let (indices, values) = sparse.row(row);
        for (column, value) in indices.iter().zip(values) {
            cells[*column as usize] = *value;
        }
    }
    Ok(Cow::Owned(matrix))
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::data::dataset::Csr;

    #[test]
    fn codes_follow_the_values_and_mark_ties() {
        let columns = Columns::<u16>::new(&array![[1.5, 0.0], [-2.0, 0.0], [1.5, -0.5], [-3.0, 7.0]]);
        assert_eq!(columns.codes(0), [4, 2, 7, 0]);
        assert_eq!(columns.values(0), [-3.0, -2.0, 1.5, 1.5]);
        assert_eq!(columns.codes(1), [2, 5, 0, 6]);
        assert_eq!(columns.values(1), [-0.5, 0.0, 0.0, 7.0]);
    }

    #[test]
    fn sparse_rows_are_filled_up_within_the_limit() {
        let mut sparse =
            Csr { n_cols: 3, indptr: vec![0, 1, 1, 3], indices: vec![1, 0, 2], values: vec![5.0, 1.0, 2.0] };
        let full = dense(&Features::Sparse(sparse.clone())).unwrap().into_owned();
        assert_eq!(full, array![[0.0, 5.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 2.0]]);
        sparse.n_cols = 1 << 28;
        let error = dense(&Features::Sparse(sparse)).unwrap_err();
        assert!(error.message.contains("268435456") && error.hint.unwrap().contains("max_features"));
    }
}
