//! Kullback–Leibler divergence D(current ‖ reference) = Σ pᵢ ln(pᵢ/qᵢ), in nats, over bins with Jeffreys' smoothing.
//!
//! Range 0…∞; 0 for equal shares. For two samples of one population 2·KL/(1/n + 1/m) is χ² with B − 1 degrees of
//! freedom, so τ = ½(1/n + 1/m)·χ²(B − 1, 1 − α). Checked against SciPy 1.17.1 (`entropy(p, q)`). Evidently's `kl_div` is
//! the other direction, D(reference ‖ current).

use super::statistic::{BINNED, Counts, Draws, DriftStatistic, Kind, Null, Scale, Sides, comparable, null_of_counts};
use crate::catalog::Named;

/// Kullback–Leibler divergence.
pub struct Kl;

/// D(current ‖ reference).
#[must_use]
pub fn divergence(counts: &Counts) -> f64 {
    let (reference, current) = counts.shares();
    current.iter().zip(&reference).map(|(p, q)| p * (p / q).ln()).sum::<f64>().max(0.0)
}

impl Named for Kl {
    fn name(&self) -> &'static str {
        "kl"
    }

    fn about(&self) -> &'static str {
        "Kullback-Leibler divergence of the current values from the reference, in nats"
    }
}

impl DriftStatistic for Kl {
    fn kinds(&self) -> &'static [Kind] {
        BINNED
    }

    fn scale(&self) -> Scale {
        Scale { floor: 0.01, bands: [0.3, 0.5, 1.0] }
    }

    fn value(&self, sides: &Sides<'_>) -> Option<f64> {
        comparable(sides).map(divergence)
    }

    fn null(&self, sides: &Sides<'_>, value: f64, draws: Draws) -> Null {
        null_of_counts(&sides.counts, value, (sides.counts.noise(), 1), draws, divergence)
    }
}

#[cfg(test)]
mod tests {
    use super::super::statistic::samples::{DRAWS, close, golden};
    use super::*;

    #[test]
    fn as_scipy_has_it() {
        // entropy((c + .5)/sum, (r + .5)/sum)
        close(Kl.value(&golden()).unwrap(), 0.083_036_119_670_327_67, 1e-13);
    }

    #[test]
    fn the_table_of_thresholds() {
        // ½(1/n + 1/m) · scipy.stats.chi2.ppf(1 − α, bins − 1): reference n, current m, bins -> τ at α = 5 %, 1 %, 0.1 %.
        let table = [
            (1000, 1000, 10, [0.0169, 0.0217, 0.0279]),
            (10_000, 1000, 10, [0.0093, 0.0119, 0.0153]),
            (10_000, 300, 10, [0.0290, 0.0372, 0.0479]),
            (10_000, 100, 10, [0.0854, 0.1094, 0.1408]),
            (50_000, 1000, 20, [0.0154, 0.0185, 0.022_35]),
        ];
        for (n, m, bins, taus) in table {
            let counts = Counts { reference: vec![n / bins; bins as usize], current: vec![m / bins; bins as usize] };
            let sides = Sides { counts, ..Sides::default() };
            let null = Kl.null(&sides, 0.0, DRAWS);
            assert_eq!(null.name(), "chi_squared", "{n} {m} {bins}");
            for (level, tau) in [0.05, 0.01, 0.001].into_iter().zip(taus) {
                assert!((null.tau(level) - tau).abs() < 5.1e-5, "{n} {m} {bins}: {}, not {tau}", null.tau(level));
            }
        }
    }

    #[test]
    fn one_bin_or_an_empty_side_has_no_value() {
        let of = |reference: &[u64], current: &[u64]| {
            let counts = Counts { reference: reference.to_vec(), current: current.to_vec() };
            Kl.value(&Sides { counts, ..Sides::default() })
        };
        assert_eq!(of(&[5], &[5]), None);
        assert_eq!(of(&[5, 5], &[0, 0]), None);
        assert_eq!(of(&[5, 5], &[5, 5]), Some(0.0));
        assert!(of(&[5, 0], &[0, 5]).unwrap().is_finite(), "an empty bin is no infinity");
    }
}
