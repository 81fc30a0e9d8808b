//! What becomes of `NULL`.
//!
//! LETOR 4.0 writes it for language-model features of documents without the query's words, where the value would be −∞;
//! its own `Min` files, from which the normalised ones are made, put the smallest value of that feature in the same
//! query there. So does `QueryMinimum`; where no document of the query has a value, and with `Zero`, it is 0. In a sparse
//! matrix a value that is not there is 0.

use std::collections::BTreeMap;

use ndarray::Axis;

use crate::data::dataset::{Csr, Features};

/// Replaces NaN by the smallest other value of that feature in the same query.
pub fn fill_minimum(features: &mut Features, offsets: &[usize]) {
    for query in offsets.windows(2) {
        match features {
            Features::Dense(matrix) => {
                let mut rows = matrix.slice_axis_mut(Axis(0), (query[0]..query[1]).into());
                for mut column in
                    rows.columns_mut().into_iter().filter(|column| column.iter().any(|value| value.is_nan()))
                {
                    let least = column.iter().copied().fold(f32::INFINITY, f32::min);
                    let least = if least.is_finite() { least } else { 0.0 };
                    column.iter_mut().filter(|value| value.is_nan()).for_each(|value| *value = least);
                }
            }
            Features::Sparse(matrix) => fill_sparse(matrix, query[0]..query[1]),
        }
    }
}

fn fill_sparse(matrix: &mut Csr, rows: std::ops::Range<usize>) {
    let entries = matrix.indptr[rows.start]..matrix.indptr[rows.end];
    let (indices, values) = (&matrix.indices[entries.clone()], &mut matrix.values[entries]);
    // Of each feature with a NULL: the smallest value, and how many documents say something of it.
    let mut found: BTreeMap<u32, (f32, usize)> = BTreeMap::new();
    for (index, _) in indices.iter().zip(values.iter()).filter(|(_, value)| value.is_nan()) {
        found.insert(*index, (f32::INFINITY, 0));
    }
    if found.is_empty() {
        return;
    }
    for (index, value) in indices.iter().zip(values.iter()) {
        if let Some((least, count)) = found.get_mut(index) {
            (*least, *count) = (least.min(*value), *count + 1);
        }
    }
    for (index, value) in indices.iter().zip(values).filter(|(_, value)| value.is_nan()) {
        let (least, count) = found[index];
        let least = if count < rows.len() { least.min(0.0) } else { least };
        *value = if least.is_finite() { least } else { 0.0 };
    }
}

/// Replaces NaN by 0.
pub fn fill_zero(features: &mut Features) {
    let zero = |value: &mut f32| {
        if value.is_nan() {
            *value = 0.0;
        }
    };
    match features {
        Features::Dense(matrix) => matrix.iter_mut().for_each(zero),
        Features::Sparse(matrix) => matrix.values.iter_mut().for_each(zero),
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    const N: f32 = f32::NAN;

    #[test]
    fn nulls_become_the_smallest_value_of_their_query() {
        let mut dense = Features::Dense(array![[N, 1.0], [-2.0, N], [-1.0, 3.0], [N, N], [5.0, N]]);
        let mut zero = dense.clone();
        fill_minimum(&mut dense, &[0, 3, 3, 5]);
        assert_eq!(dense, Features::Dense(array![[-2.0, 1.0], [-2.0, 1.0], [-1.0, 3.0], [5.0, 0.0], [5.0, 0.0]]));
        fill_zero(&mut zero);
        assert_eq!(zero, Features::Dense(array![[0.0, 1.0], [-2.0, 0.0], [-1.0, 3.0], [0.0, 0.0], [5.0, 0.0]]));
    }

    #[test]
    fn what_is_not_there_counts_as_zero() {
        // Rows: {0: NULL, 1: 4}, {0: 3}, {0: -1}; {0: NULL}, {1: 2}; {1: NULL, 2: 7}, {1: 2}.
        let values = vec![N, 4.0, 3.0, -1.0, N, 2.0, N, 7.0, 2.0];
        let csr =
            Csr { n_cols: 3, indptr: vec![0, 2, 3, 4, 5, 6, 8, 9], indices: vec![0, 1, 0, 0, 0, 1, 1, 2, 1], values };
        let mut features = Features::Sparse(csr);
        fill_minimum(&mut features, &[0, 3, 5, 7]);
        let Features::Sparse(filled) = features else { panic!("dense") };
        assert_eq!(filled.values, [-1.0, 4.0, 3.0, -1.0, 0.0, 2.0, 2.0, 7.0, 2.0]);
    }
}
