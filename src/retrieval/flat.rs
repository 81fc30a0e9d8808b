//! The flat index: every item is compared with the query, so the answer is exact.
//!
//! ```text
//! similarity(q, x) = q·x / (‖q‖ ‖x‖)      in [−1, 1]; 0 when either is all zeros
//! ```
//! Items are scaled to length 1 once (the norm in f64, so that no square overflows); a query then costs one inner
//! product an item: it is limited by reading the items from memory. Items are cut into blocks of rows; each block keeps
//! the k best of each query in a heap, and the heaps are merged. "Better" is a total order (similarity descending, then
//! the item's index), so the k best do not depend on blocks, threads or the other queries. Checked against
//! `sklearn.metrics.pairwise.cosine_similarity` (scikit-learn 1.9.1, NumPy 2.4.6).

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::kernels::dots;

/// Rows of a block: their similarities to the queries stay in the cache.
const BLOCK_ROWS: usize = 256;
/// Blocks of a thread's piece, at least.
const PIECE_BLOCKS: usize = 4;

/// Items, ready to be searched.
#[derive(Debug, Clone)]
pub struct Flat {
    /// `n_items × dimensions`, each of length 1 or all zeros.
    items: Array2<f32>,
}

/// An item that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// The number of the item.
    pub item: usize,
    /// The cosine of query and item.
    pub similarity: f32,
}

/// Orders hits best first.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Ranked(Hit);

impl Eq for Ranked {}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        other.0.similarity.total_cmp(&self.0.similarity).then(self.0.item.cmp(&other.0.item))
    }
}

/// The k best of each query, the worst of them on top.
type Best = Vec<BinaryHeap<Ranked>>;

impl Flat {
    /// Takes items, `n_items × dimensions`. An item of zeros has similarity 0 to everything.
    ///
    /// # Errors
    /// `Invalid` when a number is NaN or infinite.
    pub fn new(items: Array2<f32>) -> Result<Self> {
        let mut items = if items.is_standard_layout() { items } else { items.as_standard_layout().into_owned() };
        let width = items.ncols().max(1);
        let values = items.as_slice_mut().expect("standard layout");
        let bad =
            values.par_chunks_exact_mut(width).with_min_len(BLOCK_ROWS).map(normalize).position_first(|done| !done);
        match bad {
            Some(row) => Err(Error::invalid(format!("item {} has a number that is not finite", row + 1))),
            None => Ok(Self { items }),
        }
    }

    /// Number of items.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.nrows()
    }

    /// True when there is no item.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The k items that are most similar to each query (`n_queries × dimensions`), best first, equals by index; fewer
    /// when there are no more. `excluded(query, item)` leaves an item out; it is asked about candidates only.
    ///
    /// # Errors
    /// `Invalid` when the queries have another length than the items, or a number that is not finite.
    pub fn top_k(
        &self,
        queries: ArrayView2<'_, f32>,
        k: usize,
        excluded: &(dyn Fn(usize, usize) -> bool + Sync),
    ) -> Result<Vec<Vec<Hit>>> {
        let queries = self.prepared(queries)?;
        let (n_queries, width) = queries.dim();
        if n_queries == 0 {
            return Ok(Vec::new());
        }
        let queries = queries.as_slice().expect("standard layout");
        let none = || -> Best { (0..n_queries).map(|_| BinaryHeap::new()).collect() };
        let piece = |(mut best, mut products): (Best, Vec<f32>), block: usize| {
            let start = block * BLOCK_ROWS;
            let end = (start + BLOCK_ROWS).min(self.len());
            products.resize((end - start) * n_queries, 0.0);
            dots(&self.values()[start * width..end * width], queries, width, &mut products);
            for (item, products) in (start..end).zip(products.chunks_exact(n_queries)) {
                for (query, product) in products.iter().enumerate() {
                    // Rounding may step over 1; and −0 would stand behind 0.
                    let hit = Ranked(Hit { item, similarity: product.clamp(-1.0, 1.0) + 0.0 });
                    offer(&mut best[query], k, hit, &|| excluded(query, item));
                }
            }
            (best, products)
        };
        let blocks = (0..self.len().div_ceil(BLOCK_ROWS)).into_par_iter().with_min_len(PIECE_BLOCKS);
        let pieces = blocks.fold(|| (none(), Vec::new()), piece).map(|(best, _)| best);
        let best = pieces.reduce(none, |mut left, right| {
            for (left, right) in left.iter_mut().zip(right) {
                right.into_iter().for_each(|hit| offer(left, k, hit, &|| false));
            }
            left
        });
        let sorted = best.into_iter().map(|best| best.into_sorted_vec().into_iter().map(|ranked| ranked.0).collect());
        Ok(sorted.collect())
    }

    /// The items whose vector points exactly where the query does: identical, or identical once scaled to length 1.
    ///
    /// # Errors
    /// As `top_k`.
    pub fn identical_to(&self, query: &[f32]) -> Result<Vec<usize>> {
        let query = ArrayView2::from_shape((1, query.len()), query).expect("one row");
        let query = self.prepared(query)?;
        let query = query.as_slice().expect("standard layout");
        let same = |item: &usize| self.item(*item) == query;
        Ok((0..self.len()).into_par_iter().with_min_len(BLOCK_ROWS).filter(same).collect())
    }

    /// For each item the first item with the identical vector: the item itself, unless it is a duplicate.
    #[must_use]
    pub fn first_identical(&self) -> Vec<usize> {
        let items = (0..self.len()).into_par_iter().with_min_len(BLOCK_ROWS);
        let mut order: Vec<(u64, usize)> = items.map(|item| (hash(self.item(item)), item)).collect();
        order.par_sort_unstable();
        let mut first: Vec<usize> = (0..self.len()).collect();
        for group in order.chunk_by(|left, right| left.0 == right.0) {
            // Different vectors may share a hash.
            let mut leaders: Vec<usize> = Vec::new();
            for (_, item) in group {
                match leaders.iter().find(|leader| self.item(**leader) == self.item(*item)) {
                    Some(leader) => first[*item] = *leader,
                    None => leaders.push(*item),
                }
            }
        }
        first
    }

    fn values(&self) -> &[f32] {
        self.items.as_slice().expect("standard layout")
    }

    fn item(&self, item: usize) -> &[f32] {
        let width = self.items.ncols();
        &self.values()[item * width..][..width]
    }

    /// Queries of length 1.
    fn prepared(&self, queries: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        if queries.ncols() != self.items.ncols() {
            let (expected, got) = (self.items.ncols(), queries.ncols());
            return Err(Error::invalid(format!("the items have {expected} dimensions, the query has {got}")));
        }
        let mut queries = queries.as_standard_layout().into_owned();
        for (row, mut query) in queries.rows_mut().into_iter().enumerate() {
            if !normalize(query.as_slice_mut().expect("standard layout")) {
                return Err(Error::invalid(format!("query {} has a number that is not finite", row + 1)));
            }
        }
        Ok(queries)
    }
}

/// Scales a vector to length 1; zeros stay zeros. False when a number is not finite.
fn normalize(vector: &mut [f32]) -> bool {
    // Eight sums, so that one addition need not wait for the other.
    let (eights, rest) = vector.as_chunks::<8>();
    let mut sums = [0.0_f64; 8];
    for eight in eights {
        sums.iter_mut().zip(eight).for_each(|(sum, value)| *sum += f64::from(*value) * f64::from(*value));
    }
    sums.iter_mut().zip(rest).for_each(|(sum, value)| *sum += f64::from(*value) * f64::from(*value));
    let squares: f64 = sums.iter().sum();
    if !squares.is_finite() {
        return false;
    }
    let norm = if squares > 0.0 { squares.sqrt() } else { 1.0 };
    // Adding 0 turns −0 into 0: equal vectors have equal bits.
    vector.iter_mut().for_each(|value| *value = (f64::from(*value) / norm) as f32 + 0.0);
    true
}

/// Takes a hit when it is among the k best and not excluded.
#[inline]
fn offer(best: &mut BinaryHeap<Ranked>, k: usize, hit: Ranked, excluded: &dyn Fn() -> bool) {
    let full = best.len() >= k;
    if full && best.peek().is_none_or(|worst| hit >= *worst) || excluded() {
        return;
    }
    if full {
        best.pop();
    }
    best.push(hit);
}

fn hash(vector: &[f32]) -> u64 {
    let mut sums: [u64; 4] = [1, 2, 3, 4];
    let step = |sum: u64, value: &f32| {
        let mixed = (sum ^ u64::from(value.to_bits())).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ (mixed >> 32)
    };
    let (fours, rest) = vector.as_chunks::<4>();
    for four in fours {
        sums.iter_mut().zip(four).for_each(|(sum, value)| *sum = step(*sum, value));
    }
    sums.iter_mut().zip(rest).for_each(|(sum, value)| *sum = step(*sum, value));
    sums.into_iter().fold(0, |total: u64, sum| (total ^ sum).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29))
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Axis, array, s};
    use rayon::ThreadPoolBuilder;

    use super::*;

    const ALL: &(dyn Fn(usize, usize) -> bool + Sync) = &|_, _| false;

    /// Numbers in [−1, 1) that look random.
    fn numbers(n_rows: usize, width: usize, from: usize) -> Array2<f32> {
        let number = |at: usize| {
            let mixed = (at as u32).wrapping_mul(2_654_435_761);
            let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(0x85eb_ca6b);
            (mixed >> 8) as f32 / 8_388_608.0 - 1.0
        };
        Array2::from_shape_fn((n_rows, width), |(row, column)| number(from + row * width + column))
    }

    fn items(hits: &[Hit]) -> Vec<usize> {
        hits.iter().map(|hit| hit.item).collect()
    }

    #[test]
    fn golden_from_scikit_learn() {
        // cosine_similarity of scikit-learn 1.9.1 in f64, sorted by (-similarity, item); item 3 is all zeros.
        let golden: [[(usize, f64); 7]; 2] = [
            [
                (6, 0.693_625_500),
                (2, 0.617_114_506),
                (0, 0.304_158_789),
                (1, 0.228_251_953),
                (3, 0.000_000_000),
                (5, -0.219_015_898),
                (4, -0.365_829_489),
            ],
            [
                (0, 0.569_744_792),
                (5, 0.392_651_502),
                (2, 0.119_061_287),
                (6, 0.091_834_328),
                (3, 0.000_000_000),
                (4, -0.102_454_758),
                (1, -0.778_141_946),
            ],
        ];
        let mut matrix = numbers(7, 5, 0);
        matrix.row_mut(3).fill(0.0);
        let found = Flat::new(matrix).unwrap().top_k(numbers(2, 5, 7777).view(), 100, ALL).unwrap();
        for (hits, golden) in found.iter().zip(golden) {
            assert_eq!(items(hits), golden.map(|(item, _)| item));
            for (hit, (_, similarity)) in hits.iter().zip(golden) {
                assert!((f64::from(hit.similarity) - similarity).abs() < 2e-7, "{hit:?}, expected {similarity}");
            }
        }
    }

    #[test]
    fn the_best_are_the_same_in_any_company_and_for_any_threads() {
        let (matrix, queries) = (numbers(3001, 50, 0), numbers(9, 50, 500_009));
        let index = Flat::new(matrix.clone()).unwrap();
        let exactly = |matrix: &Array2<f32>| {
            let mut exact = matrix.map(|value| f64::from(*value));
            exact.rows_mut().into_iter().for_each(|mut row| row /= row.dot(&row).sqrt());
            exact
        };
        // Sorted outright, from the definition.
        let cosines = exactly(&queries).dot(&exactly(&matrix).t());
        let sorted = cosines.rows().into_iter().map(|cosines| {
            let mut order: Vec<usize> = (0..3001).filter(|item| item % 3 != 0).collect();
            order.sort_by(|left, right| cosines[*right].total_cmp(&cosines[*left]));
            order[..20].to_vec()
        });
        let expected: Vec<_> = sorted.collect();
        let without_thirds: &(dyn Fn(usize, usize) -> bool + Sync) = &|_, item| item % 3 == 0;
        let together = index.top_k(queries.view(), 20, without_thirds).unwrap();
        assert_eq!(together.iter().map(|hits| items(hits)).collect::<Vec<_>>(), expected);
        for (query, hits) in queries.axis_iter(Axis(0)).zip(&together) {
            assert_eq!(
                index.top_k(query.insert_axis(Axis(0)), 20, without_thirds).unwrap(),
                std::slice::from_ref(hits)
            );
        }
        for threads in [1, 3, 8] {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert_eq!(pool.install(|| index.top_k(queries.view(), 20, without_thirds)).unwrap(), together);
        }
    }

    #[test]
    fn ties_go_by_item_and_every_query_has_its_own_exclusions() {
        let mut matrix = Array2::zeros((1000, 3));
        matrix.slice_mut(s![500.., 0]).fill(2.0);
        matrix.slice_mut(s![..500;2, 0]).fill(-1.0);
        let index = Flat::new(matrix).unwrap();
        let queries = array![[1.0, 0.0, 0.0], [-7.0, 0.0, 0.0], [0.0, 0.0, 0.0]];
        let found = index.top_k(queries.view(), 3, &|query, item| query == 0 && item == 501).unwrap();
        let hits = |items: [usize; 3], similarity| items.map(|item| Hit { item, similarity });
        assert_eq!(found, [hits([500, 502, 503], 1.0), hits([0, 2, 4], 1.0), hits([0, 1, 2], 0.0)]);
        let all = &index.top_k(queries.view(), 5000, ALL).unwrap()[0];
        let order: Vec<usize> = (500..1000).chain((1..500).step_by(2)).chain((0..500).step_by(2)).collect();
        assert_eq!(items(all), order);
        assert_eq!(index.top_k(queries.view(), 0, ALL).unwrap(), vec![Vec::new(); 3]);
        assert_eq!(index.top_k(queries.slice(s![..0, ..]), 3, ALL).unwrap(), Vec::<Vec<Hit>>::new());
        let none = Flat::new(Array2::zeros((0, 3))).unwrap();
        assert_eq!(none.top_k(queries.view(), 3, ALL).unwrap(), vec![Vec::new(); 3]);
    }

    #[test]
    fn length_does_not_matter_and_no_similarity_passes_one() {
        let matrix = array![[3e30, 4e30], [3e-30, 4e-30], [-3e-39, -4e-39], [1e38, -1e38]];
        let found = Flat::new(matrix).unwrap().top_k(array![[3.0, 4.0]].view(), 4, ALL).unwrap();
        assert_eq!(items(&found[0]), [0, 1, 3, 2]);
        assert_eq!(found[0][0], Hit { item: 0, similarity: found[0][1].similarity });
        assert!((found[0][3].similarity + 1.0).abs() < 1e-6);
        let matrix = numbers(500, 37, 3);
        let index = Flat::new(matrix.clone()).unwrap();
        let found = index.top_k(matrix.view(), 1, ALL).unwrap();
        for (row, hits) in found.iter().enumerate() {
            assert!(hits[0].similarity <= 1.0 && hits[0].similarity > 1.0 - 1e-6, "{row}: {:?}", hits[0]);
        }
    }

    #[test]
    fn identical_vectors_are_found() {
        let mut matrix = numbers(600, 20, 0);
        for (copy, of) in [(17, 4), (599, 4), (300, 299)] {
            let row = matrix.row(of).to_owned();
            matrix.row_mut(copy).assign(&row);
        }
        matrix.row_mut(100).fill(0.0);
        matrix.row_mut(200).fill(-0.0);
        let query = matrix.row(17).to_vec();
        // One number, one step away: almost a duplicate is none.
        matrix[[500, 3]] = 0.5;
        let near = matrix.row(500).to_owned();
        matrix.row_mut(501).assign(&near);
        matrix[[501, 3]] = 0.500_000_1;
        let index = Flat::new(matrix).unwrap();
        assert_eq!(index.identical_to(&query).unwrap(), [4, 17, 599]);
        assert_eq!(index.identical_to(&[0.0; 20]).unwrap(), [100, 200]);
        let mut expected: Vec<usize> = (0..600).collect();
        (expected[17], expected[599], expected[300], expected[200]) = (4, 4, 299, 100);
        assert_eq!(index.first_identical(), expected);
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let mut matrix = numbers(700, 4, 0);
        matrix[[650, 1]] = f32::INFINITY;
        matrix[[431, 2]] = f32::NAN;
        let message = Flat::new(matrix).unwrap_err().message;
        assert_eq!(message, "item 432 has a number that is not finite");
        let index = Flat::new(numbers(3, 4, 0)).unwrap();
        assert_eq!((index.len(), index.is_empty()), (3, false));
        let message = |queries: Array2<f32>| index.top_k(queries.view(), 1, ALL).unwrap_err().message;
        assert_eq!(message(Array2::zeros((1, 3))), "the items have 4 dimensions, the query has 3");
        assert_eq!(message(array![[0.0; 4], [0.0, f32::NAN, 0.0, 0.0]]), "query 2 has a number that is not finite");
        assert_eq!(index.identical_to(&[0.0; 5]).unwrap_err().message, "the items have 4 dimensions, the query has 5");
    }
}
