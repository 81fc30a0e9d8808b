//! The paired sign-flip permutation test: is the mean of the differences 0?
//!
//! If the two sides are exchangeable, each difference could as well have the other sign. The statistic is |Σ ±d|; p is
//! the part of the sign patterns where it is at least the observed one. With at most 14 differences other than 0 all
//! patterns are counted; else `permutations` random ones, b of them at least as large: p = (b + 1)/(B + 1).
//!
//! Sums that are equal on paper differ by rounding, so "at least" allows 10⁻¹² of Σ|d|. A random pattern takes one bit a
//! difference; with F the sum of those whose bit is set, Σ ±d = Σd − 2F, and F is read four differences at a time from a
//! table of their 16 partial sums. Every permutation has its own generator, so the result does not depend on threads.
//! Checked against SciPy 1.17.1 (`permutation_test(permutation_type="samples")`).

use rand::Rng as _;
use rand_pcg::Pcg64;
use rayon::prelude::*;

use crate::stats::generator::generator;

const PURPOSE: [u8; 8] = *b"signflip";

/// Most differences of which all patterns are counted.
const EXACT: usize = 14;

/// Differences whose tables (16 KiB) stay in the fastest cache, and permutations that read them in turn.
const CHUNK: usize = 512;
const BLOCK: usize = 256;

/// How much sums may differ by rounding, as a part of the sum of sizes.
const ROUNDING: f64 = 1e-12;

/// What the test says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SignFlip {
    /// The two-sided p-value.
    pub p: f64,
    /// Whether all patterns were counted.
    pub exact: bool,
}

/// The test. Differences are finite.
#[must_use]
pub fn sign_flip(differences: &[f64], permutations: usize, seed: u64) -> SignFlip {
    let values: Vec<f64> = differences.iter().copied().filter(|value| *value != 0.0).collect();
    let total: f64 = values.iter().sum();
    let threshold = total.abs() - ROUNDING * values.iter().map(|value| value.abs()).sum::<f64>();
    let reaches = |flipped: f64| (total - 2.0 * flipped).abs() >= threshold;
    if values.len() <= EXACT {
        let patterns = 1_usize << values.len();
        let flipped = |pattern: usize| -> f64 {
            values.iter().enumerate().filter(|(at, _)| pattern >> at & 1 == 1).map(|(_, value)| value).sum()
        };
        let reached = (0..patterns).filter(|pattern| reaches(flipped(*pattern))).count();
        return SignFlip { p: reached as f64 / patterns as f64, exact: true };
    }
    let blocks = permutations.div_ceil(BLOCK);
    let reached: usize = (0..blocks)
        .into_par_iter()
        .map(|block| {
            let drawn = block * BLOCK..permutations.min((block + 1) * BLOCK);
            let generators = drawn.map(|index| generator(PURPOSE, seed, index as u64)).collect();
            flipped_sums(&values, generators).into_iter().filter(|flipped| reaches(*flipped)).count()
        })
        .sum();
    SignFlip { p: (reached + 1) as f64 / (permutations + 1) as f64, exact: false }
}

/// For each generator the sum of the values whose bit it sets.
fn flipped_sums(values: &[f64], mut generators: Vec<Pcg64>) -> Vec<f64> {
    let mut sums = vec![0.0; generators.len()];
    let mut tables = Vec::with_capacity(CHUNK / 4);
    for chunk in values.chunks(CHUNK) {
        tables.clear();
        tables.extend(chunk.chunks(4).map(partial_sums));
        for (sum, generator) in sums.iter_mut().zip(&mut generators) {
            *sum += looked_up(&tables, generator);
        }
    }
    sums
}

/// The sum of each of the 16 choices among up to four values.
fn partial_sums(values: &[f64]) -> [f64; 16] {
    let mut sums = [0.0; 16];
    for choice in 1..16_usize {
        let lowest = choice.trailing_zeros() as usize;
        sums[choice] = sums[choice & (choice - 1)] + values.get(lowest).copied().unwrap_or(0.0);
    }
    sums
}

/// One random choice from all tables, added up in four lanes.
fn looked_up(tables: &[[f64; 16]], generator: &mut Pcg64) -> f64 {
    let mut lanes = [0.0; 4];
    for tables in tables.chunks(16) {
        let mut bits = generator.next_u64();
        for four in tables.chunks(4) {
            for (lane, table) in lanes.iter_mut().zip(four) {
                *lane += table[(bits & 15) as usize];
                bits >>= 4;
            }
        }
    }
    (lanes[0] + lanes[1]) + (lanes[2] + lanes[3])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_patterns_of_a_few() {
        let differences = [0.05, -0.05, 0.2, 0.05, 0.2, -0.02, 0.1, 0.2];
        assert_eq!(sign_flip(&differences, 10_000, 1), SignFlip { p: 0.0625, exact: true });
        let with_zeros = [[0.0; 30].as_slice(), &differences].concat();
        assert_eq!(sign_flip(&with_zeros, 10_000, 1), SignFlip { p: 0.0625, exact: true });
        assert_eq!(sign_flip(&[0.0; 40], 10_000, 1).p, 1.0);
        assert_eq!(sign_flip(&[0.3; 3], 10_000, 1).p, 0.25);
        assert_eq!(sign_flip(&[], 10_000, 1).p, 1.0);
    }

    #[test]
    fn random_patterns_agree_with_all_of_them() {
        // 15 differences are drawn. All 2¹⁵ patterns, by SciPy 1.17.1 with n_resamples=inf.
        const ALL_OF_15: f64 = 0.124_511_718_75;
        let differences: Vec<f64> = (0..15).map(|row| f64::from(row * 7 % 11) - 3.5).collect();
        let drawn = sign_flip(&differences, 100_000, 3);
        assert!(!drawn.exact);
        assert!((drawn.p - ALL_OF_15).abs() < 4.0 * (ALL_OF_15 * (1.0 - ALL_OF_15) / 1e5).sqrt(), "{}", drawn.p);
    }

    #[test]
    fn many_differences_are_nearly_normal() {
        // The statistic has variance Σd²: z = Σd/√Σd², here over three chunks and a rest.
        let differences: Vec<f64> = (0..1703).map(|row| (f64::from(row) * 0.618_034).fract() - 0.485).collect();
        let z = differences.iter().sum::<f64>() / differences.iter().map(|value| value * value).sum::<f64>().sqrt();
        let normal = crate::stats::distributions::normal_two_sided(z);
        let drawn = sign_flip(&differences, 100_000, 7).p;
        assert!((0.02..0.6).contains(&normal) && (drawn - normal).abs() < 0.01, "{drawn}, not {normal}");
        let loss: Vec<f64> = differences.iter().map(|value| -value).collect();
        assert_eq!(sign_flip(&loss, 100_000, 7).p, drawn);
    }

    #[test]
    fn partial_sums_count_each_choice() {
        assert_eq!(partial_sums(&[1.0, 2.0, 4.0, 8.0]), std::array::from_fn(|choice| choice as f64));
        assert_eq!(partial_sums(&[1.0])[14..], [0.0, 1.0]);
    }

    #[test]
    fn does_not_depend_on_the_threads() {
        let differences: Vec<f64> = (0..700).map(|row| (f64::from(row) * 0.414_214).fract() - 0.49).collect();
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
            pool.install(|| sign_flip(&differences, 3000, 5))
        };
        assert_eq!(with(1), with(3));
        assert_ne!(with(1).p, sign_flip(&differences, 3000, 6).p);
    }
}
