//! What an estimator sees: a feature matrix (dense or sparse), targets, and the ids of the rows.

use std::borrow::Cow;

use ndarray::Array2;

use crate::error::{Error, Result};

/// A sparse matrix in compressed rows: `n_rows × n_cols`, indices ascending and unique within a row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Csr {
    /// Number of columns.
    pub n_cols: usize,
    /// `indptr[i]..indptr[i + 1]` are the entries of row `i`; its length is `n_rows + 1`.
    pub indptr: Vec<usize>,
    /// Column of each entry.
    pub indices: Vec<u32>,
    /// Value of each entry.
    pub values: Vec<f32>,
}

impl Csr {
    /// Number of rows.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.indptr.len().saturating_sub(1)
    }

    /// The columns and values of one row.
    #[must_use]
    pub fn row(&self, row: usize) -> (&[u32], &[f32]) {
        let range = self.indptr[row]..self.indptr[row + 1];
        (&self.indices[range.clone()], &self.values[range])
    }
}

/// The feature matrix: `n_rows × n_features`.
#[derive(Debug, Clone, PartialEq)]
pub enum Features {
    /// Row-major.
    Dense(Array2<f32>),
    /// Compressed rows.
    Sparse(Csr),
}

impl Features {
    /// Number of rows.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        match self {
            Self::Dense(matrix) => matrix.nrows(),
            Self::Sparse(matrix) => matrix.n_rows(),
        }
    }

    /// Number of columns.
    #[must_use]
    pub fn n_features(&self) -> usize {
        match self {
            Self::Dense(matrix) => matrix.ncols(),
            Self::Sparse(matrix) => matrix.n_cols,
        }
    }

    /// The rows, row-major without gaps; sparse ones are filled up with zeros.
    #[must_use]
    pub fn dense_rows(&self) -> Cow<'_, [f32]> {
        match self {
            Self::Dense(matrix) => matrix.as_slice().map_or_else(|| matrix.iter().copied().collect(), Cow::Borrowed),
            Self::Sparse(matrix) => {
                let mut rows = vec![0.0; matrix.n_rows() * matrix.n_cols];
                for (row, target) in rows.chunks_exact_mut(matrix.n_cols.max(1)).enumerate() {
                    let (columns, values) = matrix.row(row);
                    columns.iter().zip(values).for_each(|(column, value)| target[*column as usize] = *value);
                }
                Cow::Owned(rows)
            }
        }
    }

    /// Refuses NaN and infinities: no model here gives them a meaning. Columns and rows are counted from 1.
    ///
    /// # Errors
    /// `Invalid`, naming the first row (by its id) and column.
    pub fn check_finite(&self, ids: &[String]) -> Result<()> {
        let place = match self {
            Self::Dense(matrix) => {
                let flat = matrix.iter().position(|value| !value.is_finite());
                flat.map(|at| (at / matrix.ncols(), at % matrix.ncols()))
            }
            Self::Sparse(matrix) => matrix
                .values
                .iter()
                .position(|value| !value.is_finite())
                .map(|at| (matrix.indptr.partition_point(|start| *start <= at) - 1, matrix.indices[at] as usize)),
        };
        let Some((row, column)) = place else { return Ok(()) };
        let id = ids.get(row).map_or(String::new(), |id| format!(" (id `{id}`)"));
        Err(Error::invalid_rows(format!("feature {} of row {}{id} is NaN or infinite", column + 1, row + 1))
            .hint("fill or drop such values before training"))
    }
}

/// What is to be predicted.
#[derive(Debug, Clone, PartialEq)]
pub enum Targets {
    /// Class indices into `labels`; for two classes `labels[1]` is the positive one.
    Classes {
        /// Class of each row.
        index: Vec<usize>,
        /// Name of each class.
        labels: Vec<String>,
    },
    /// Grades of relevance of the documents of queries.
    Relevance {
        /// Grade of each row, 0 to 31.
        grades: Vec<u8>,
        /// Query q has the rows `starts[q]..starts[q + 1]`.
        starts: Vec<usize>,
    },
}

impl Targets {
    /// The class of each row; empty for relevance.
    #[must_use]
    pub fn classes(&self) -> &[usize] {
        match self {
            Self::Classes { index, .. } => index,
            Self::Relevance { .. } => &[],
        }
    }

    /// The class names; empty for relevance.
    #[must_use]
    pub fn labels(&self) -> &[String] {
        match self {
            Self::Classes { labels, .. } => labels,
            Self::Relevance { .. } => &[],
        }
    }
}

/// Rows ready for an estimator: features, targets and ids have the same length.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// The feature matrix.
    pub features: Features,
    /// What is to be predicted.
    pub targets: Targets,
    /// The id of each row.
    pub ids: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sparse_rows_are_filled_up() {
        let sparse = Csr { n_cols: 3, indptr: vec![0, 1, 1, 3], indices: vec![1, 0, 2], values: vec![5.0, 6.0, 7.0] };
        let rows = [0.0, 5.0, 0.0, 0.0, 0.0, 0.0, 6.0, 0.0, 7.0];
        assert_eq!(*Features::Sparse(sparse).dense_rows(), rows);
        let dense = Features::Dense(Array2::from_shape_vec((3, 3), rows.to_vec()).unwrap());
        assert!(matches!(dense.dense_rows(), Cow::Borrowed(values) if *values == rows));
    }
}
