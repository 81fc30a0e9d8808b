//! Multinomial draws: how `total` things fall into cells, each with a chance in proportion to its weight.
//!
//! By conditional binomials: the first cell gets Binomial(total, w₁/Σw), the next Binomial(rest, w₂/(Σw − w₁)), and so
//! on. The cost is one binomial draw a cell, whatever `total` is. With the counts of cells as weights and their sum as
//! total, a draw is a bootstrap replicate of rows that are known by their cell only.

use rand::Rng;
use rand_distr::{Binomial, Distribution as _};

/// Sets `counts` to one draw of `total`. At least one weight is above 0 unless `total` is 0.
pub fn multinomial(generator: &mut impl Rng, total: u32, weights: &[u32], counts: &mut [u32]) {
    let mut rest = u64::from(total);
    let mut mass: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
    for (weight, count) in weights.iter().zip(counts) {
        let weight = u64::from(*weight);
        let drawn = if weight == mass {
            rest
        } else if rest == 0 {
            0
        } else {
            let share = weight as f64 / mass as f64;
            Binomial::new(rest, share).expect("a share is in 0…1").sample(generator)
        };
        *count = drawn as u32;
        rest -= drawn;
        mass -= weight;
    }
}

/// How many of `total` coins show heads.
pub fn half(generator: &mut impl Rng, total: u32) -> u32 {
    Binomial::new(u64::from(total), 0.5).expect("a half is in 0…1").sample(generator) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::generator::generator;

    #[test]
    fn counts_add_up_and_have_the_moments_of_the_multinomial() {
        let weights = [50_u32, 0, 20, 30, 1, 899];
        let (total, draws) = (1000_u32, 20_000_u64);
        let mut sums = [0.0; 6];
        let (mut squares, mut product) = ([0.0; 6], 0.0);
        let mut counts = [0; 6];
        for draw in 0..draws {
            multinomial(&mut generator(*b"multitst", 1, draw), total, &weights, &mut counts);
            assert_eq!(counts.iter().sum::<u32>(), total);
            for (cell, count) in counts.iter().enumerate() {
                sums[cell] += f64::from(*count);
                squares[cell] += f64::from(*count).powi(2);
            }
            product += f64::from(counts[0]) * f64::from(counts[3]);
        }
        let n = draws as f64;
        for (cell, weight) in weights.iter().enumerate() {
            let p = f64::from(*weight) / 1000.0;
            let (mean, variance) = (1000.0 * p, 1000.0 * p * (1.0 - p));
            let (got_mean, got_variance) = (sums[cell] / n, squares[cell] / n - (sums[cell] / n).powi(2));
            // Five standard errors of a mean and of a variance.
            assert!((got_mean - mean).abs() <= 5.0 * (variance / n).sqrt(), "cell {cell}: {got_mean}, not {mean}");
            assert!((got_variance - variance).abs() <= 5.0 * variance * (3.0 / n).sqrt(), "cell {cell}");
        }
        // Cov = −n·p·q = −1.5.
        let covariance = product / n - sums[0] * sums[3] / (n * n);
        assert!((covariance + 1.5).abs() < 5.0 * (47.5 * 29.1 / n).sqrt(), "{covariance}");
    }

    #[test]
    fn one_cell_takes_all_and_nothing_gives_nothing() {
        let mut counts = [7; 3];
        multinomial(&mut generator(*b"multitst", 1, 0), 9, &[0, 4, 0], &mut counts);
        assert_eq!(counts, [0, 9, 0]);
        multinomial(&mut generator(*b"multitst", 1, 0), 0, &[1, 4, 0], &mut counts);
        assert_eq!(counts, [0, 0, 0]);
    }
}
