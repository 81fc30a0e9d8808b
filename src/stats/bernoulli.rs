//! Simulated hits: what would have happened if the probabilities were right.
//!
//! Each of the `trials` stands for so many rows of one probability; a replicate draws every row once (Bernoulli) and
//! counts the hits of each trial. A replicate has its own generator, made from (seed, replicate), so the replicates run
//! in parallel and are the same whatever the number of threads.

use rand::Rng as _;
use rayon::prelude::*;

use crate::stats::generator::generator;

const PURPOSE: [u8; 8] = *b"bernoull";

/// Rows of one probability (0…1) of a hit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trial {
    /// The probability of a hit.
    pub probability: f64,
    /// How many rows.
    pub rows: u64,
}

/// 2⁶⁴: a probability times this is the number of 64-bit words that are hits.
const WORDS: f64 = 18_446_744_073_709_551_616.0;

/// The statistic of each replicate, in order. `statistic` gets the hits of each trial.
pub fn replicates(
    trials: &[Trial],
    replicates: usize,
    seed: u64,
    statistic: impl Fn(&[u64]) -> f64 + Sync,
) -> Vec<f64> {
    let one = |hits: &mut Vec<u64>, replicate: usize| {
        let mut generator = generator(PURPOSE, seed, replicate as u64);
        for (hits, trial) in hits.iter_mut().zip(trials) {
            // Saturates at the largest word for a probability of 1, which then misses once in 2⁶⁴ draws.
            let below = (trial.probability.clamp(0.0, 1.0) * WORDS) as u64;
            *hits = (0..trial.rows).map(|_| u64::from(generator.next_u64() < below)).sum();
        }
        statistic(hits)
    };
    (0..replicates).into_par_iter().map_init(|| vec![0; trials.len()], one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_have_the_mean_and_the_spread_of_a_binomial() {
        let trials = [(0.0, 10), (1.0, 10), (0.3, 500)].map(|(probability, rows)| Trial { probability, rows });
        assert_eq!(replicates(&trials, 50, 1, |hits| hits[0] as f64), vec![0.0; 50]);
        assert_eq!(replicates(&trials, 50, 1, |hits| hits[1] as f64), vec![10.0; 50]);
        let hits = replicates(&trials, 4000, 2, |hits| hits[2] as f64);
        let mean = hits.iter().sum::<f64>() / 4000.0;
        let variance = hits.iter().map(|one| (one - mean).powi(2)).sum::<f64>() / 3999.0;
        // 150, and 500 · .3 · .7 = 105; the standard errors are .16 and 2.3.
        assert!((mean - 150.0).abs() < 0.7 && (variance - 105.0).abs() < 9.0, "{mean} {variance}");
    }

    #[test]
    fn replicates_do_not_depend_on_the_threads() {
        let trials = [Trial { probability: 0.4, rows: 30 }];
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
            pool.install(|| replicates(&trials, 40, 7, |hits| hits[0] as f64))
        };
        assert_eq!(with(1), with(3));
        assert_ne!(with(1), replicates(&trials, 40, 8, |hits| hits[0] as f64));
    }
}
