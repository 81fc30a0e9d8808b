//! The bootstrap of rows: draw n of n rows with replacement, compute the statistic again, many times over.
//!
//! A replicate is a list of counts, how often each row was drawn; the statistic reads its rows through the counts, so
//! nothing is copied. Every replicate has its own generator, made from (seed, replicate): the replicates run in
//! parallel and are the same whatever the number of threads, and replicate 7 is the same among 10 as among 1,000.
//!
//! The interval is the percentile interval: the (1 ± level)/2 quantiles of the replicates. Replicates where the
//! statistic is not defined (NaN) are left out; when they are more than half, there is no interval.

use rand::Rng as _;
use rand_pcg::Pcg64;
use rayon::prelude::*;

use crate::stats::generator::generator;
use crate::stats::resampled::Resampled;

const PURPOSE: [u8; 8] = *b"bootstra";

/// One replicate: sets `counts` to how often each of its rows is drawn.
pub fn resample(seed: u64, replicate: usize, counts: &mut [u32]) {
    counts.fill(0);
    let mut generator = generator(PURPOSE, seed, replicate as u64);
    let rows = counts.len();
    for _ in 0..rows {
        counts[row(&mut generator, rows)] += 1;
    }
}

/// One of `rows` rows.
fn row(generator: &mut Pcg64, rows: usize) -> usize {
    // The high half of a 64 × 64-bit product is a row; its bias, below rows / 2⁶⁴, cannot be seen.
    ((u128::from(generator.next_u64()) * rows as u128) >> 64) as usize
}

/// The mean of the drawn values in each replicate, in order: the draws of `replicates`, without the counts.
#[must_use]
pub fn means(values: &[f64], replicates: usize, seed: u64) -> Vec<f64> {
    let one = |replicate| {
        let mut generator = generator(PURPOSE, seed, replicate as u64);
        let sum: f64 = (0..values.len()).map(|_| values[row(&mut generator, values.len())]).sum();
        sum / values.len() as f64
    };
    (0..replicates).into_par_iter().map(one).collect()
}

/// The statistic of each replicate, in order. `statistic` gets the counts of its rows.
pub fn replicates<T: Send>(
    rows: usize,
    replicates: usize,
    seed: u64,
    statistic: impl Fn(&[u32]) -> T + Sync,
) -> Vec<T> {
    let one = |counts: &mut Vec<u32>, replicate| {
        resample(seed, replicate, counts);
        statistic(counts)
    };
    (0..replicates).into_par_iter().map_init(|| vec![0; rows], one).collect()
}

/// The percentile interval of replicates, NaN for those that are not defined; none when more than half are not.
#[must_use]
pub fn percentile_interval(replicates: &[f64], level: f64) -> Option<(f64, f64)> {
    let resampled = Resampled::percentile(replicates)?;
    Some((resampled.bound((1.0 - level) / 2.0), resampled.bound(f64::midpoint(1.0, level))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(values: &[f64], counts: &[u32]) -> f64 {
        values.iter().zip(counts).map(|(value, count)| value * f64::from(*count)).sum::<f64>() / values.len() as f64
    }

    #[test]
    fn replicates_draw_n_rows_and_do_not_depend_on_the_threads() {
        let counts = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
            pool.install(|| replicates(50, 40, 3, <[u32]>::to_vec))
        };
        let one = counts(1);
        assert!(one.iter().all(|counts| counts.iter().sum::<u32>() == 50));
        assert!(one.iter().skip(1).all(|counts| *counts != one[0]));
        assert_eq!(one, counts(4));
        assert_eq!(one[..10], replicates(50, 10, 3, <[u32]>::to_vec));
        assert_ne!(one, replicates(50, 40, 4, <[u32]>::to_vec));
    }

    #[test]
    fn interval_of_a_mean_is_the_normal_one() {
        // 1, 2, …, 1000: the standard error is sqrt((n² − 1) / 12 / n) = 9.1287, so the interval is 500.5 ± 17.89.
        let values: Vec<f64> = (1..=1000).map(f64::from).collect();
        let counted = replicates(1000, 4000, 11, |counts| mean(&values, counts));
        let means = means(&values, 4000, 11);
        assert!(counted.iter().zip(&means).all(|(counted, drawn)| (counted - drawn).abs() < 1e-9));
        let (low, high) = percentile_interval(&means, 0.95).expect("all are defined");
        assert!((low - 482.61).abs() < 1.5 && (high - 518.39).abs() < 1.5, "[{low}, {high}]");
    }

    #[test]
    fn interval_needs_half_of_the_replicates() {
        assert_eq!(percentile_interval(&[f64::NAN, 1.0, 3.0, f64::NAN], 0.5), Some((1.5, 2.5)));
        assert_eq!(percentile_interval(&[f64::NAN, 1.0, f64::NAN], 0.5), None);
        assert_eq!(percentile_interval(&[], 0.95), None);
    }
}
