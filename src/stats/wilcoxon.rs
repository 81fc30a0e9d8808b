//! Wilcoxon's signed-rank test, as SciPy does it by default.
//!
//! Differences of 0 are dropped; the rest get midranks by size, and W⁺ is the sum of the ranks of the positive ones. The
//! exact p is 2·min(P(W ≤ W⁺), P(W ≥ W⁺)) over all signs, counted by dynamic programming over twice the ranks. It is
//! taken for at most 50 differences without ties and zeros, and for at most 13 with; else the normal approximation
//! z = (W⁺ − n(n+1)/4) / √(n(n+1)(2n+1)/24 − Σ(t³ − t)/48), t the sizes of ties, without continuity correction.
//! Checked against SciPy 1.17.1 (`wilcoxon`).

use crate::stats::distributions::normal_two_sided;

/// Most differences for the exact distribution, without ties and zeros, and with.
const EXACT: usize = 50;
const EXACT_WITH_TIES: usize = 13;

/// What the test says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wilcoxon {
    /// The sum of the ranks of the positive differences.
    pub positive_ranks: f64,
    /// The two-sided p-value.
    pub p: f64,
    /// Whether p is that of the exact distribution.
    pub exact: bool,
}

/// The test; p is 1 when all differences are 0.
#[must_use]
pub fn wilcoxon(differences: &[f64]) -> Wilcoxon {
    let mut values: Vec<f64> = differences.iter().copied().filter(|value| *value != 0.0).collect();
    values.sort_unstable_by(|left, right| left.abs().total_cmp(&right.abs()));
    let n = values.len();
    // Twice the midranks, so that they are whole numbers.
    let (mut doubled, mut ties, mut positive) = (Vec::with_capacity(n), 0.0, 0_u64);
    for group in values.chunk_by(|left, right| left.abs() == right.abs()) {
        let rank = 2 * doubled.len() + group.len() + 1;
        positive += rank as u64 * group.iter().filter(|value| **value > 0.0).count() as u64;
        ties += (group.len() as f64).powi(3) - group.len() as f64;
        doubled.extend(std::iter::repeat_n(rank, group.len()));
    }
    let plain = ties == 0.0 && n == differences.len();
    let exact = differences.len() <= if plain { EXACT } else { EXACT_WITH_TIES };
    let positive_ranks = positive as f64 / 2.0;
    let p = if n == 0 {
        1.0
    } else if exact {
        exact_p(&doubled, positive as usize)
    } else {
        let n = n as f64;
        let variance = n * (n + 1.0) * (2.0 * n + 1.0) / 24.0 - ties / 48.0;
        normal_two_sided((positive_ranks - n * (n + 1.0) / 4.0) / variance.sqrt())
    };
    Wilcoxon { positive_ranks, p, exact }
}

/// P by counting: `ways[sum]` is the number of sign patterns whose positive doubled ranks add up to `sum`.
fn exact_p(doubled: &[usize], positive: usize) -> f64 {
    let mut ways = vec![0.0; doubled.iter().sum::<usize>() + 1];
    ways[0] = 1.0;
    let mut highest = 0;
    for rank in doubled {
        highest += rank;
        for sum in (*rank..=highest).rev() {
            ways[sum] += ways[sum - rank];
        }
    }
    // At most 2⁵⁰ patterns: whole numbers in f64.
    let all: f64 = ways.iter().sum();
    let (below, above): (f64, f64) = (ways[..=positive].iter().sum(), ways[positive..].iter().sum());
    (2.0 * below.min(above) / all).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(differences: &[f64], p: f64, exact: bool) {
        let got = wilcoxon(differences);
        assert!((got.p - p).abs() < 1e-10 && got.exact == exact, "{got:?}, not {p}");
        let mirrored: Vec<f64> = differences.iter().map(|value| -value).collect();
        assert!((wilcoxon(&mirrored).p - p).abs() < 1e-10);
    }

    #[test]
    fn is_that_of_scipy() {
        let plants = [6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75].map(f64::from);
        check(&plants, 0.041_259_765_625, true);
        assert_eq!(wilcoxon(&plants).positive_ranks, 96.0);
        // Ties, and ties with zeros: all sign patterns of up to 13 differences.
        check(&[0.05, -0.05, 0.2, 0.05, 0.2, -0.02, 0.1, 0.2], 0.0625, true);
        check(&[1, -2, 3, 0, 4, 4, -1, 5].map(f64::from), 0.125, true);
        // The normal approximation from there, and from 51 on.
        let tied = [1, -2, 3, 0, 4, 4, -1, 5, 6, 6, -7, 8, 9, 3, 2, 2].map(f64::from);
        check(&tied, 0.018_232_980_254_475_867, false);
        let many: Vec<f64> =
            (0..60).map(|row| f64::from((row * 7919) % 101 - 40) / 10.0 + f64::from(row) * 1e-4).collect();
        check(&many, 0.017_767_111_631_217_053, false);
        check(&many[..50], 0.038_081_706_053_025_854, true);
        check(&many[..51], 0.045_874_258_345_661_74, false);
    }

    #[test]
    fn no_difference_at_all() {
        check(&[0.0; 20], 1.0, false);
        check(&[], 1.0, true);
    }
}
