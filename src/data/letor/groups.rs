//! Brings the documents of a query together, where a file has them in several places.

use std::collections::HashMap;

use ndarray::Array2;

use crate::data::dataset::{Csr, Features};

/// Queries in the order in which they first appear.
#[derive(Debug, Default, PartialEq)]
pub struct Groups {
    /// Query ids.
    pub queries: Vec<String>,
    /// Query q has the rows `offsets[q]..offsets[q + 1]`.
    pub offsets: Vec<usize>,
    /// Where rows have to move: the new row r is the old row `order[r]`.
    pub order: Option<Vec<usize>>,
    /// The number of queries that stood in several places, and the first of them.
    pub scattered: Option<(usize, String)>,
}

/// Groups runs of rows: query id, number of rows.
#[must_use]
pub fn group(runs: Vec<(String, usize)>) -> Groups {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut groups = Groups { offsets: vec![0], ..Groups::default() };
    // Each query's ranges of rows.
    let mut ranges: Vec<Vec<std::ops::Range<usize>>> = Vec::new();
    let mut start = 0;
    let mut last = None;
    for (query, count) in runs {
        let at = *places.entry(query).or_insert_with_key(|query| {
            groups.queries.push(query.clone());
            ranges.push(Vec::new());
            ranges.len() - 1
        });
        match ranges[at].last_mut() {
            Some(range) if last == Some(at) => range.end += count,
            _ => ranges[at].push(start..start + count),
        }
        (start, last) = (start + count, Some(at));
    }
    for ranges in &ranges {
        let rows = ranges.iter().map(ExactSizeIterator::len).sum::<usize>();
        groups.offsets.push(groups.offsets.last().expect("it starts with 0") + rows);
    }
    let mut scattered = ranges.iter().zip(&groups.queries).filter(|(ranges, _)| ranges.len() > 1);
    if let Some((_, first)) = scattered.next() {
        groups.scattered = Some((1 + scattered.count(), first.clone()));
        groups.order = Some(ranges.into_iter().flatten().flatten().collect());
    }
    groups
}

/// The order that undoes this one.
#[must_use]
pub fn inverse(order: &[usize]) -> Vec<usize> {
    let mut back = vec![0; order.len()];
    order.iter().enumerate().for_each(|(to, from)| back[*from] = to);
    back
}

/// Runs of rows as they stand, those that follow each other in one: where each begins and ends, and its query.
#[must_use]
pub fn merged(runs: Vec<(String, usize)>) -> (Vec<usize>, Vec<String>) {
    let (mut offsets, mut queries): (Vec<usize>, Vec<String>) = (vec![0], Vec::new());
    for (query, count) in runs {
        let end = offsets[offsets.len() - 1] + count;
        if queries.last() == Some(&query) {
            offsets.pop();
        } else {
            queries.push(query);
        }
        offsets.push(end);
    }
    (offsets, queries)
}

/// Rows in another order: row r becomes the one that was `order[r]`. A dense matrix is not copied.
#[must_use]
pub fn reordered(features: Features, order: &[usize]) -> Features {
    match features {
        Features::Dense(mut matrix) => {
            permute(&mut matrix, order);
            Features::Dense(matrix)
        }
        Features::Sparse(matrix) => {
            let mut sorted = Csr { n_cols: matrix.n_cols, indptr: vec![0], ..Csr::default() };
            sorted.indices.reserve_exact(matrix.indices.len());
            sorted.values.reserve_exact(matrix.values.len());
            for row in order {
                let (indices, values) = matrix.row(*row);
                sorted.indices.extend_from_slice(indices);
                sorted.values.extend_from_slice(values);
                sorted.indptr.push(sorted.indices.len());
            }
            Features::Sparse(sorted)
        }
    }
}

/// Moves rows along the cycles of the order.
fn permute(matrix: &mut Array2<f32>, order: &[usize]) {
    let mut is_done = vec![false; order.len()];
    for start in 0..order.len() {
        if is_done[start] {
            continue;
        }
        let spare = matrix.row(start).to_owned();
        let mut at = start;
        loop {
            is_done[at] = true;
            let from = order[at];
            if from == start {
                matrix.row_mut(at).assign(&spare);
                break;
            }
            let (mut to, from_row) = matrix.multi_slice_mut((ndarray::s![at, ..], ndarray::s![from, ..]));
            to.assign(&from_row);
            at = from;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(list: &[(&str, usize)]) -> Vec<(String, usize)> {
        list.iter().map(|(query, count)| ((*query).to_owned(), *count)).collect()
    }

    #[test]
    fn scattered_queries_are_brought_together() {
        let groups = group(runs(&[("b", 2), ("a", 1), ("a", 1), ("b", 1), ("c", 1), ("a", 1)]));
        assert_eq!(groups.queries, ["b", "a", "c"]);
        assert_eq!(groups.offsets, [0, 3, 6, 7]);
        assert_eq!(groups.order, Some(vec![0, 1, 4, 2, 3, 6, 5]));
        assert_eq!(groups.scattered, Some((2, "b".to_owned())));
        let groups = group(runs(&[("b", 2), ("b", 1), ("a", 1)]));
        assert_eq!((groups.order, groups.scattered, groups.offsets), (None, None, vec![0, 3, 4]));
        assert_eq!(group(Vec::new()).offsets, [0]);
    }

    #[test]
    fn runs_that_follow_each_other_are_one() {
        let (offsets, queries) = merged(runs(&[("b", 2), ("a", 1), ("a", 1), ("b", 1)]));
        assert_eq!((offsets, queries), (vec![0, 2, 4, 5], vec!["b".to_owned(), "a".to_owned(), "b".to_owned()]));
        assert_eq!(inverse(&[3, 0, 2, 1]), [1, 3, 2, 0]);
    }

    #[test]
    fn rows_move_with_their_order() {
        let order = [3, 0, 2, 4, 1, 6, 5];
        let matrix = Array2::from_shape_fn((7, 2), |(row, column)| (10 * row + column) as f32 + 1.0);
        let sparse = Csr {
            n_cols: 2,
            indptr: (0..=7).map(|row| row * 2).collect(),
            indices: [0, 1].repeat(7),
            values: matrix.iter().copied().collect(),
        };
        let Features::Dense(moved) = reordered(Features::Dense(matrix.clone()), &order) else { panic!("sparse") };
        let Features::Sparse(moved_sparse) = reordered(Features::Sparse(sparse), &order) else { panic!("dense") };
        for (row, from) in order.iter().enumerate() {
            assert_eq!(moved.row(row), matrix.row(*from));
            assert_eq!(moved_sparse.row(row).1, matrix.row(*from).as_slice().unwrap());
        }
    }
}
