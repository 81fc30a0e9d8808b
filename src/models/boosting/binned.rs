//! The training matrix as bytes: the bin of every value.
//!
//! The bytes of a row lie together, in blocks of `LANES` features. One thread works on a block of all rows, so every
//! feature's sums have one order, whatever the thread count. Features that no threshold divides into two parts of
//! `min_data_in_leaf` rows are left out.

use ndarray::ArrayView2;
use rayon::prelude::*;

use super::bins::{Binning, Mapper, ZERO, find};
use super::draws::rows_for_bins;
use super::histogram::LANES;
use crate::data::dataset::{Csr, Features};
use crate::error::{Error, Result};

/// Rows that are filled together.
const ROWS: usize = 512;

/// The most memory that the bytes may take.
const LIMIT: usize = 4 << 30;

/// The bins of all rows and useful features.
#[derive(Debug)]
pub struct Binned {
    /// Number of rows.
    pub n_rows: usize,
    /// Number of features of the data.
    pub n_features: usize,
    /// The useful features by their number in the data, ascending.
    pub features: Vec<u32>,
    /// Their bins.
    pub mappers: Vec<Mapper>,
    /// Number of blocks of `LANES` of them.
    pub n_blocks: usize,
    /// The bytes, `n_rows × n_blocks`, row by row.
    pub bytes: Vec<[u8; LANES]>,
}

impl Binned {
    /// Finds the bins and fills them.
    ///
    /// `min_rows` is `min_data_in_leaf`. Values are taken to be finite.
    ///
    /// # Errors
    /// `Invalid` for no rows, or when the bytes would take more than 4 GiB.
    pub fn new(data: &Features, binning: &Binning, min_rows: usize, seed: u64) -> Result<Self> {
        let n_rows = data.n_rows();
        if n_rows == 0 || n_rows > u32::MAX as usize {
            return Err(Error::invalid(format!("boosting takes 1 to {} rows, got {n_rows}", u32::MAX)));
        }
        let sample = rows_for_bins(n_rows, binning.sample, seed);
        let n_sampled = sample.as_ref().map_or(n_rows, Vec::len);
        let least = (min_rows as f64 * n_sampled as f64 / n_rows as f64) as usize;
        let found = match data {
            Features::Dense(matrix) => find_dense(matrix.view(), sample.as_deref(), binning, least),
            Features::Sparse(matrix) => find_sparse(matrix, sample.as_deref(), binning, least),
        };
        let (features, mappers): (Vec<u32>, Vec<Mapper>) =
            (0..).zip(found).filter_map(|(feature, mapper)| Some((feature, mapper?))).unzip();
        let n_bytes = n_rows.saturating_mul(features.len());
        if n_bytes > LIMIT {
            let message =
                format!("{n_rows} rows of {} features are too many for boosting: above 4 GiB", features.len());
            return Err(Error::invalid(message).hint("leave out rare features, or train on a part of the rows"));
        }
        let n_blocks = features.len().div_ceil(LANES);
        let bytes = match data {
            Features::Dense(matrix) => fill_dense(matrix.view(), &features, &mappers),
            Features::Sparse(matrix) => fill_sparse(matrix, &features, &mappers),
        };
        Ok(Self { n_rows, n_features: data.n_features(), features, mappers, n_blocks, bytes })
    }
}

fn find_dense(
    matrix: ArrayView2<'_, f32>,
    sample: Option<&[u32]>,
    binning: &Binning,
    least: usize,
) -> Vec<Option<Mapper>> {
    let n_sampled = sample.map_or(matrix.nrows(), <[u32]>::len);
    // A cache line of columns is read together.
    let starts: Vec<usize> = (0..matrix.ncols()).step_by(LANES).collect();
    let found = starts.par_iter().map(|start| {
        let width = LANES.min(matrix.ncols() - start);
        let mut values = vec![Vec::with_capacity(n_sampled); width];
        let mut take = |row: usize| {
            for (column, values) in values.iter_mut().enumerate() {
                let value = matrix[[row, start + column]];
                if value.abs() > ZERO {
                    values.push(value);
                }
            }
        };
        match sample {
            None => (0..matrix.nrows()).for_each(&mut take),
            Some(rows) => rows.iter().for_each(|row| take(*row as usize)),
        }
        values.iter_mut().map(|values| find(values, n_sampled, binning, least)).collect::<Vec<_>>()
    });
    found.collect::<Vec<_>>().into_iter().flatten().collect()
}

fn find_sparse(matrix: &Csr, sample: Option<&[u32]>, binning: &Binning, least: usize) -> Vec<Option<Mapper>> {
    let n_sampled = sample.map_or(matrix.n_rows(), <[u32]>::len);
    let mut columns = vec![Vec::new(); matrix.n_cols];
    let mut take = |row: usize| {
        let (indices, values) = matrix.row(row);
        for (column, value) in indices.iter().zip(values).filter(|(_, value)| value.abs() > ZERO) {
            columns[*column as usize].push(*value);
        }
    };
    match sample {
        None => (0..matrix.n_rows()).for_each(&mut take),
        Some(rows) => rows.iter().for_each(|row| take(*row as usize)),
    }
    columns.par_iter_mut().map(|values| find(values, n_sampled, binning, least)).collect()
}

fn fill_dense(matrix: ArrayView2<'_, f32>, features: &[u32], mappers: &[Mapper]) -> Vec<[u8; LANES]> {
    let n_blocks = features.len().div_ceil(LANES);
    let mut bytes = vec![[0; LANES]; matrix.nrows() * n_blocks];
    if bytes.is_empty() {
        return bytes;
    }
    bytes.par_chunks_mut(ROWS * n_blocks).enumerate().for_each(|(chunk, bytes)| {
        // Feature by feature, while its limits are in the cache.
        for (at, (feature, mapper)) in features.iter().zip(mappers).enumerate() {
            for (row, bytes) in bytes.chunks_exact_mut(n_blocks).enumerate() {
                bytes[at / LANES][at % LANES] = mapper.bin(matrix[[chunk * ROWS + row, *feature as usize]]);
            }
        }
    });
    bytes
}

fn fill_sparse(matrix: &Csr, features: &[u32], mappers: &[Mapper]) -> Vec<[u8; LANES]> {
    let n_blocks = features.len().div_ceil(LANES);
    let mut zeros = vec![[0; LANES]; n_blocks];
    for (at, mapper) in mappers.iter().enumerate() {
        zeros[at / LANES][at % LANES] = mapper.bin(0.0);
    }
    let mut places = vec![None; matrix.n_cols];
    features.iter().enumerate().for_each(|(at, feature)| places[*feature as usize] = Some(at));
    let mut bytes = vec![[0; LANES]; matrix.n_rows() * n_blocks];
    if bytes.is_empty() {
        return bytes;
    }
    bytes.par_chunks_exact_mut(n_blocks).with_min_len(ROWS).enumerate().for_each(|(row, bytes)| {
        bytes.copy_from_slice(&zeros);
        let (indices, values) = matrix.row(row);
        for (column, value) in indices.iter().zip(values) {
            if let Some(at) = places[*column as usize] {
                bytes[at / LANES][at % LANES] = mappers[at].bin(*value);
            }
        }
    });
    bytes
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    #[test]
    fn dense_and_sparse_matrices_have_the_same_bins() {
        let matrix = Array2::from_shape_fn((300, 40), |(i, j)| match (i * 7 + j * 13) % 5 {
            0 | 1 => 0.0,
            other => ((i * 37 + j * 101) % 97) as f32 * if other == 2 { -0.25 } else { 0.5 },
        });
        let mut sparse = Csr { n_cols: 40, indptr: vec![0], ..Csr::default() };
        for row in matrix.rows() {
            for (column, value) in row.iter().enumerate().filter(|(_, value)| **value != 0.0) {
                sparse.indices.push(column as u32);
                sparse.values.push(*value);
            }
            sparse.indptr.push(sparse.indices.len());
        }
        for sample in [200_000, 120] {
            let binning = Binning { sample, ..Binning::default() };
            let dense = Binned::new(&Features::Dense(matrix.clone()), &binning, 5, 1).unwrap();
            let sparse = Binned::new(&Features::Sparse(sparse.clone()), &binning, 5, 1).unwrap();
            assert_eq!((dense.features, dense.mappers, dense.bytes), (sparse.features, sparse.mappers, sparse.bytes));
        }
    }

    #[test]
    fn constant_features_are_left_out() {
        let matrix = Array2::from_shape_fn((50, 3), |(i, j)| if j == 1 { 4.0 } else { (i + j) as f32 });
        let binned = Binned::new(&Features::Dense(matrix), &Binning::default(), 5, 1).unwrap();
        assert_eq!(binned.features, [0, 2]);
        assert_eq!(binned.bytes[0][1], binned.mappers[1].bin(2.0));
        assert!(Binned::new(&Features::Dense(Array2::zeros((0, 3))), &Binning::default(), 5, 1).is_err());
    }
}
