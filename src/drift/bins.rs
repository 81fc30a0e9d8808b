//! Bins: a fine grid that is stored with the reference, and how it is merged for a window of m values.
//!
//! The grid of a numeric column has up to 200 cells with equal shares of the reference; its edges lie half-way between
//! neighbouring values of the reference, so that rounding in the last digit moves nothing; the first cell begins at −∞
//! and the last ends at +∞. Columns with at most 20 different values have a cell for each of them.
//!
//! A window gets B = clamp(⌊2·m^(2/5)⌋, 5, 20) bins (Mann and Wald's rule, halved), fewer where one of them would expect
//! less than 5 values on either side. Few distinct values stay as they are, unless too rare; where that would leave one bin
//! (a flag that is hardly ever set), the usual and the rest are two. Categories below 1 % of the
//! reference are OTHER from the start, those below 5 expected values join them for the window; what the reference never
//! had is UNSEEN.

/// Cells of the stored grid at most.
pub const CELLS: usize = 200;
/// A numeric column with at most so many different values is discrete.
pub const DISCRETE: usize = 20;
/// The least that a bin may expect on either side.
const LEAST: f64 = 5.0;

/// The number of bins for a window of `m` values, before thin ones are merged.
#[must_use]
pub fn bins_for(m: u64) -> usize {
    ((2.0 * (m as f64).powf(0.4)).floor() as usize).clamp(5, 20)
}

/// Edges and the reference's counts between them; `counts` is one longer than `edges`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Grid {
    /// Inner edges, strictly ascending; a cell holds the values above its left edge up to its right edge.
    pub edges: Vec<f64>,
    /// The reference's values in each cell.
    pub counts: Vec<u64>,
    /// True when each cell holds one value of the reference.
    pub discrete: bool,
}

impl Grid {
    /// The grid of values in ascending order, none of them NaN.
    #[must_use]
    pub fn of_sorted(values: &[f64], most: usize) -> Self {
        let (Some(first), Some(last)) = (values.first(), values.last()) else { return Self::default() };
        if first == last {
            // Below, at and above the only value.
            let counts = vec![0, values.len() as u64, 0];
            return Self { edges: vec![first.next_down(), *first], counts, discrete: true };
        }
        let next_above = |value: f64| values.get(values.partition_point(|other| *other <= value)).copied();
        let mut distinct = vec![*first];
        while let Some(next) = next_above(distinct[distinct.len() - 1]).filter(|_| distinct.len() <= DISCRETE) {
            distinct.push(next);
        }
        let discrete = distinct.len() <= DISCRETE.min(most);
        let mut edges: Vec<f64> = Vec::new();
        if discrete {
            edges.extend(distinct.windows(2).map(|pair| between(pair[0], pair[1])));
        } else {
            for cell in 1..most {
                let value = values[(cell * values.len() / most).max(1) - 1];
                let Some(next) = next_above(value) else { break };
                let edge = between(value, next);
                if edges.last().is_none_or(|last| *last < edge) {
                    edges.push(edge);
                }
            }
        }
        let mut counts = Vec::with_capacity(edges.len() + 1);
        let mut before = 0;
        for edge in &edges {
            let up_to = values.partition_point(|value| value <= edge);
            counts.push((up_to - before) as u64);
            before = up_to;
        }
        counts.push((values.len() - before) as u64);
        Self { edges, counts, discrete }
    }

    /// The cell of a value; NaN has none, and must not come here.
    #[must_use]
    pub fn cell(&self, value: f64) -> usize {
        self.edges.partition_point(|edge| *edge < value)
    }

    /// The bin of each cell for a window of `m` values, and how many bins there are.
    #[must_use]
    pub fn merged(&self, m: u64) -> (Vec<usize>, usize) {
        let n: u64 = self.counts.iter().sum();
        let constant = self.counts.iter().filter(|count| **count > 0).count() == 1;
        if constant {
            // The one value, and all that is not it.
            return (self.counts.iter().map(|count| usize::from(*count == 0)).collect(), 2);
        }
        let wanted = if self.discrete { self.counts.len() } else { bins_for(m) };
        let least = (LEAST * n as f64 / m.max(1) as f64).max(LEAST);
        let (mut bins, mut bin, mut inside, mut before) = (Vec::with_capacity(self.counts.len()), 0_usize, 0, 0);
        for (cell, count) in self.counts.iter().enumerate() {
            bins.push(bin);
            inside += count;
            before += count;
            let full = if self.discrete {
                true
            } else {
                // The edge nearest to the next quantile: half of the next cell may be missing.
                let half = self.counts.get(cell + 1).copied().unwrap_or(0) as f64 / 2.0;
                let target = next_target(before - inside, wanted, n);
                before as f64 + half >= target
            };
            let rest = n - before;
            if full && inside as f64 >= least && rest as f64 >= least {
                bin += 1;
                inside = 0;
            }
        }
        if bin == 0 {
            // All but one value is rare: the usual and the rest, as even as they can be, or a change would have no bin.
            let uneven = |cell: &usize| {
                let below: u64 = self.counts[..=*cell].iter().sum();
                below.min(n - below)
            };
            let last =
                (0..self.counts.len().saturating_sub(1)).max_by_key(|cell| (uneven(cell), self.counts.len() - cell));
            if let Some(last) = last.filter(|last| uneven(last) > 0) {
                return ((0..self.counts.len()).map(|cell| usize::from(cell > last)).collect(), 2);
            }
        }
        (bins, bin + 1)
    }
}

/// The first multiple of n/B above what lies below this bin by at least half a bin.
fn next_target(below: u64, wanted: usize, n: u64) -> f64 {
    let width = n as f64 / wanted as f64;
    ((below as f64 / width).round() + 1.0) * width
}

fn between(left: f64, right: f64) -> f64 {
    let middle = left + (right - left) / 2.0;
    // Neighbouring numbers, or a distance beyond the largest number.
    if middle.is_finite() && middle < right { middle } else { left }
}

/// Sums counts of cells into bins.
#[must_use]
pub fn sums(counts: &[u64], bins: &[usize], n_bins: usize) -> Vec<u64> {
    let mut sums = vec![0; n_bins];
    counts.iter().zip(bins).for_each(|(count, bin)| sums[*bin] += count);
    sums
}

/// Which categories keep a bin of their own for a window of `m` values: those with at least 5 expected on either side.
#[must_use]
pub fn own_bins(counts: &[u64], n: u64, m: u64) -> Vec<bool> {
    let least = (LEAST * n as f64 / m.max(1) as f64).max(LEAST);
    counts.iter().map(|count| *count as f64 >= least).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_that_is_hardly_ever_set_keeps_its_bin() {
        let mut values = vec![0.0; 997];
        values.extend([1.0; 3]);
        assert_eq!(Grid::of_sorted(&values, CELLS).merged(1000), (vec![0, 1], 2));
        // Zeros, and two numbers among a thousand.
        let mut values = vec![0.0; 998];
        values.extend([0.3, 7.5]);
        let (bins, n_bins) = Grid::of_sorted(&values, CELLS).merged(1000);
        assert_eq!((n_bins, bins[0], bins[bins.len() - 1]), (2, 0, 1));
    }

    #[test]
    fn the_number_of_bins_follows_the_window() {
        let bins: Vec<usize> = [1, 10, 50, 100, 317, 1000, 100_000].into_iter().map(bins_for).collect();
        assert_eq!(bins, [5, 5, 9, 12, 20, 20, 20]);
    }

    #[test]
    fn cells_hold_equal_shares_and_reach_to_infinity() {
        let values: Vec<f64> = (0..10_000).map(f64::from).collect();
        let grid = Grid::of_sorted(&values, CELLS);
        assert_eq!((grid.counts.len(), grid.edges.len(), grid.discrete), (200, 199, false));
        assert!(grid.counts.iter().all(|count| *count == 50));
        assert_eq!(grid.edges[0], 49.5);
        assert_eq!([-1e300, 49.0, 50.0, 1e300, f64::INFINITY].map(|value| grid.cell(value)), [0, 0, 1, 199, 199]);
        for m in [20, 100, 1000, 100_000] {
            let (bins, n_bins) = grid.merged(m);
            let counts = sums(&grid.counts, &bins, n_bins);
            let wanted = bins_for(m).min(m as usize / 5);
            assert_eq!(n_bins, wanted, "{m}");
            let (low, high) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
            assert!(high - low <= 100, "{m}: {counts:?}");
        }
    }

    #[test]
    fn equal_edges_are_one_and_a_heap_of_zeros_has_its_own_cell() {
        let mut values = vec![0.0; 900];
        values.extend((1..=100).map(f64::from));
        let grid = Grid::of_sorted(&values, CELLS);
        assert_eq!((grid.edges[0], grid.counts[0]), (0.5, 900));
        assert!(grid.edges.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(grid.counts.iter().sum::<u64>(), 1000);
        let (bins, n_bins) = grid.merged(1000);
        let counts = sums(&grid.counts, &bins, n_bins);
        assert_eq!(counts[0], 900);
        assert!(n_bins >= 3 && counts.iter().all(|count| *count >= 5), "{counts:?}");
    }

    #[test]
    fn few_distinct_values_have_a_bin_each() {
        let values: Vec<f64> = [1.0, 2.0, 3.0, 4.0, 5.0].into_iter().flat_map(|star| vec![star; 40]).collect();
        let grid = Grid::of_sorted(&values, CELLS);
        assert_eq!((grid.edges.clone(), grid.discrete), (vec![1.5, 2.5, 3.5, 4.5], true));
        assert_eq!(grid.merged(1000).1, 5);
        assert_eq!(grid.merged(20).1, 2, "five expected in each");
        assert_eq!(grid.merged(1).1, 2);
        let constant = Grid::of_sorted(&[7.0; 30], CELLS);
        assert_eq!([6.9, 7.0, 7.1].map(|value| constant.cell(value)), [0, 1, 2]);
        assert_eq!(constant.merged(1000), (vec![1, 0, 1], 2));
        assert_eq!(Grid::of_sorted(&[], CELLS), Grid::default());
    }

    #[test]
    fn neighbours_and_giants_have_an_edge_between_them() {
        let next = 1.0_f64.next_up();
        assert_eq!(Grid::of_sorted(&[1.0, next], CELLS).edges, [1.0]);
        assert_eq!(Grid::of_sorted(&[f64::MIN, f64::MAX], CELLS).counts, [1, 1]);
    }

    #[test]
    fn rare_categories_join_the_others() {
        assert_eq!(own_bins(&[900, 60, 40], 1000, 100), [true, true, false]);
        assert_eq!(own_bins(&[900, 60, 40], 1000, 1000), [true, true, true]);
    }
}
