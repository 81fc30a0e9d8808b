//! The training matrix by column, as ranks: sorted once, shared by all trees.
//!
//! Within a column every row has a unique rank 0..n (equal values in row order); `values` holds the sorted values. A
//! node can then be sorted by marking ranks in a bitmap, without comparing numbers.

use std::borrow::Cow;

use ndarray::Array2;
use rayon::prelude::*;

use crate::data::dataset::Features;
use crate::error::{Error, Result};

/// The largest matrix that a sparse input may become.
const DENSE_LIMIT: usize = 1 << 30;

/// One cache line of f32: columns are read this many at a time.
const BLOCK: usize = 16;

/// A rank as it is stored: u16 while the rows allow it, to halve the memory traffic.
pub trait Rank: Copy + Default + Send + Sync {
    /// The rank as stored.
    fn new(rank: usize) -> Self;
    /// The rank as an index.
    fn index(self) -> usize;
}

impl Rank for u16 {
    fn new(rank: usize) -> Self {
        rank as Self
    }

    fn index(self) -> usize {
        usize::from(self)
    }
}

impl Rank for u32 {
    fn new(rank: usize) -> Self {
        rank as Self
    }

    fn index(self) -> usize {
        self as usize
    }
}

/// The columns of the training matrix.
#[derive(Debug)]
pub struct Columns<R> {
    /// Number of rows.
    pub n_rows: usize,
    /// Number of columns.
    pub n_features: usize,
    ranks: Vec<R>,
    values: Vec<f32>,
}

impl<R: Rank> Columns<R> {
    /// Ranks every column of a non-empty matrix.
    #[must_use]
    pub fn new(matrix: &Array2<f32>) -> Self {
        let (n_rows, n_features) = matrix.dim();
        let mut ranks = vec![R::default(); n_rows * n_features];
        let mut values = vec![0.0; n_rows * n_features];
        let blocks = ranks.par_chunks_mut(n_rows * BLOCK).zip(values.par_chunks_mut(n_rows * BLOCK)).enumerate();
        blocks.for_each_init(Vec::new, |keys, (block, (ranks, values))| {
            keys.clear();
            keys.resize(ranks.len(), 0_u64);
            let width = ranks.len() / n_rows;
            for (row, cells) in matrix.rows().into_iter().enumerate() {
                for (column, value) in cells.iter().skip(block * BLOCK).take(width).enumerate() {
                    keys[column * n_rows + row] = u64::from(ordered(*value)) << 32 | row as u64;
                }
            }
            let columns = keys.chunks_exact_mut(n_rows).zip(ranks.chunks_exact_mut(n_rows));
            for ((keys, ranks), values) in columns.zip(values.chunks_exact_mut(n_rows)) {
                keys.sort_unstable();
                for (rank, (key, value)) in keys.iter().zip(values).enumerate() {
                    let row = (*key & u64::from(u32::MAX)) as usize;
                    ranks[row] = R::new(rank);
                    *value = restored((*key >> 32) as u32);
                }
            }
        });
        Self { n_rows, n_features, ranks, values }
    }

    /// The rank of each row in a column.
    #[must_use]
    pub fn ranks(&self, feature: usize) -> &[R] {
        &self.ranks[feature * self.n_rows..(feature + 1) * self.n_rows]
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
    fn ranks_follow_the_values_and_ties_the_rows() {
        let columns = Columns::<u16>::new(&array![[1.5, 0.0], [-2.0, 0.0], [1.5, -0.5], [-3.0, 7.0]]);
        assert_eq!(columns.ranks(0), [2, 1, 3, 0]);
        assert_eq!(columns.values(0), [-3.0, -2.0, 1.5, 1.5]);
        assert_eq!(columns.ranks(1), [1, 2, 0, 3]);
        assert_eq!(columns.values(1), [-0.5, 0.0, 0.0, 7.0]);
    }

    #[test]
    fn sparse_rows_are_filled_up_within_the_limit() {
        let mut sparse = Csr { n_cols: 3, indptr: vec![0, 1, 1, 3], indices: vec![1, 0, 2], values: vec![5.0, 1.0, 2.0] };
        let full = dense(&Features::Sparse(sparse.clone())).unwrap().into_owned();
        assert_eq!(full, array![[0.0, 5.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 2.0]]);
        sparse.n_cols = 1 << 28;
        let error = dense(&Features::Sparse(sparse)).unwrap_err();
        assert!(error.message.contains("268435456") && error.hint.unwrap().contains("max_features"));
    }
}
