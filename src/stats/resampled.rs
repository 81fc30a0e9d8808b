//! What bootstrap replicates say of a statistic: its interval, its standard error, and a p-value that agrees with them.
//!
//! Percentile: the bound at probability α is the α-quantile of the replicates. BCa (Efron, JASA 1987, 82, 171–185): it is
//! the quantile at Φ(z₀ + (z₀ + zα)/(1 − a·(z₀ + zα))), where z₀ = Φ⁻¹(part of the replicates below the observed value,
//! equal ones half) undoes the bias and a = Σu³ / (6·(Σu²)^1.5) the skewness, u = mean − value of the jackknife. BCa is
//! right to a higher order in n, which is felt in small samples.
//!
//! p is two-sided for "0": twice the smaller α whose bound is 0, read backwards through the same formula, with
//! (b + 1)/(B + 1) as the part of the B replicates that is not above (not below) 0, so that p is never 0.
//!
//! Replicates where the statistic is not defined (NaN) are left out; when they are more than half, there is nothing.
//! Checked against SciPy 1.17.1 (`_resampling._bca_interval` on given replicates).

use crate::stats::distributions::{normal_cdf, normal_quantile};
use crate::stats::quantile::quantile;

/// Bootstrap replicates of one statistic.
#[derive(Debug, Clone, PartialEq)]
pub struct Resampled {
    sorted: Vec<f64>,
    bias: f64,
    acceleration: f64,
}

impl Resampled {
    /// For percentile bounds; none when more than half of the replicates are NaN, or there are none.
    #[must_use]
    pub fn percentile(replicates: &[f64]) -> Option<Self> {
        let mut sorted: Vec<f64> = replicates.iter().copied().filter(|value| !value.is_nan()).collect();
        if sorted.is_empty() || 2 * sorted.len() < replicates.len() {
            return None;
        }
        sorted.sort_unstable_by(f64::total_cmp);
        Some(Self { sorted, bias: 0.0, acceleration: 0.0 })
    }

    /// For BCa bounds. `jackknife` holds the statistic without one row, and how many rows give that value.
    #[must_use]
    pub fn bca(replicates: &[f64], observed: f64, jackknife: &[(f64, u64)]) -> Option<Self> {
        let plain = Self::percentile(replicates)?;
        let all = plain.sorted.len() as f64;
        let below = plain.sorted.partition_point(|value| *value < observed) as f64;
        let equal = plain.sorted.partition_point(|value| *value <= observed) as f64 - below;
        // Where no replicate is on the other side, half of one is assumed there.
        let share = ((below + 0.5 * equal) / all).clamp(0.5 / all, 1.0 - 0.5 / all);
        Some(Self { bias: normal_quantile(share), acceleration: acceleration(jackknife), ..plain })
    }

    /// The value that the statistic exceeds with a confidence of 1 − `probability`.
    #[must_use]
    pub fn bound(&self, probability: f64) -> f64 {
        let at = if self.is_plain() {
            probability
        } else {
            let shifted = self.bias + normal_quantile(probability);
            normal_cdf(self.bias + divided(shifted, 1.0 - self.acceleration * shifted))
        };
        quantile(&self.sorted, at).expect("there is a replicate")
    }

    /// The standard deviation of the replicates.
    #[must_use]
    pub fn standard_error(&self) -> f64 {
        let all = self.sorted.len() as f64;
        let mean = self.sorted.iter().sum::<f64>() / all;
        let squares: f64 = self.sorted.iter().map(|value| (value - mean).powi(2)).sum();
        (squares / (all - 1.0).max(1.0)).sqrt()
    }

    /// The two-sided p-value of "the statistic is 0".
    #[must_use]
    pub fn p(&self) -> f64 {
        let all = self.sorted.len() as f64;
        let not_above = self.sorted.partition_point(|value| *value <= 0.0) as f64;
        let not_below = all - self.sorted.partition_point(|value| *value < 0.0) as f64;
        let low = self.probability((not_above + 1.0) / (all + 1.0));
        let high = 1.0 - self.probability(1.0 - (not_below + 1.0) / (all + 1.0));
        (2.0 * low.min(high)).min(1.0)
    }

    /// The probability whose bound is the quantile at `share`.
    fn probability(&self, share: f64) -> f64 {
        if self.is_plain() {
            return share;
        }
        let shifted = normal_quantile(share) - self.bias;
        normal_cdf(divided(shifted, 1.0 + self.acceleration * shifted) - self.bias)
    }

    fn is_plain(&self) -> bool {
        self.bias == 0.0 && self.acceleration == 0.0
    }
}

/// `part / whole`, infinite beyond the pole of the transformation.
fn divided(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { part * f64::INFINITY }
}

/// a of the jackknife; 0 where the values do not differ or one is not defined.
fn acceleration(jackknife: &[(f64, u64)]) -> f64 {
    let rows: u64 = jackknife.iter().map(|(_, rows)| rows).sum();
    let mean = jackknife.iter().map(|(value, rows)| value * *rows as f64).sum::<f64>() / rows as f64;
    let power =
        |exponent| jackknife.iter().map(|(value, rows)| (mean - value).powi(exponent) * *rows as f64).sum::<f64>();
    let found = power(3) / (6.0 * power(2).powf(1.5));
    if found.is_finite() { found } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 200 replicates, and the jackknife of the mean of 20 values.
    fn sample() -> (Vec<f64>, f64, Vec<(f64, u64)>) {
        let values: Vec<f64> = (0..20).map(|at| f64::from(at * at % 23).powi(2)).collect();
        let sum: f64 = values.iter().sum();
        let jackknife = values.iter().map(|value| ((sum - value) / 19.0, 1)).collect();
        let part = |at: i32, step: f64| (f64::from(at) * step).fract();
        let replicates = (0..200).map(|at| 56.0 + 45.0 * (part(at, 0.618_034) + part(at, 0.414_214))).collect();
        (replicates, sum / 20.0, jackknife)
    }

    #[test]
    fn bca_is_that_of_scipy() {
        let (replicates, observed, jackknife) = sample();
        let resampled = Resampled::bca(&replicates, observed, &jackknife).expect("all are defined");
        assert!((resampled.acceleration - 0.030_112_236_359_088_67).abs() < 1e-12);
        for (level, low, high) in
            [(0.9, 77.763_110_645_430_1, 136.529_706_248_184_65), (0.95, 73.332_997_861_480_99, 138.847_087_254_555_1)]
        {
            let (got_low, got_high) =
                (resampled.bound((1.0 - level) / 2.0), resampled.bound(f64::midpoint(1.0, level)));
            assert!((got_low - low).abs() < 1e-9 && (got_high - high).abs() < 1e-9, "{got_low} {got_high}");
        }
        // Twice the same jackknife value is one value of weight two.
        let doubled: Vec<(f64, u64)> = jackknife.iter().flat_map(|one| [*one, *one]).collect();
        let weighted: Vec<(f64, u64)> = jackknife.iter().map(|(value, _)| (*value, 2)).collect();
        assert!((acceleration(&doubled) - acceleration(&weighted)).abs() < 1e-15);
    }

    #[test]
    fn p_is_where_the_bound_is_0() {
        let (replicates, observed, jackknife) = sample();
        for zero in [80.0, 105.0, 130.0] {
            let moved: Vec<f64> = replicates.iter().map(|value| value - zero).collect();
            let jackknife: Vec<(f64, u64)> = jackknife.iter().map(|(value, rows)| (value - zero, *rows)).collect();
            for resampled in [
                Resampled::percentile(&moved).expect("all are defined"),
                Resampled::bca(&moved, observed - zero, &jackknife).expect("all are defined"),
            ] {
                let tail = resampled.p() / 2.0;
                let nearest = resampled.bound(tail).abs().min(resampled.bound(1.0 - tail).abs());
                assert!(nearest < 2.0, "{zero}: {tail}, {nearest}");
            }
        }
    }

    #[test]
    fn p_is_never_0_and_replicates_without_value_are_left_out() {
        let above = Resampled::percentile(&[1.0; 99]).expect("all are defined");
        assert_eq!((above.p(), above.standard_error(), above.bound(0.025)), (0.02, 0.0, 1.0));
        let bca = Resampled::bca(&[1.0; 99], 1.0, &[(1.0, 5)]).expect("all are defined");
        assert_eq!((bca.acceleration, bca.bound(0.5)), (0.0, 1.0));
        assert_eq!(Resampled::percentile(&[0.0; 50]).map(|none| none.p()), Some(1.0));
        let half = Resampled::percentile(&[f64::NAN, 1.0, 3.0, f64::NAN]).expect("half are defined");
        assert_eq!((half.bound(0.5), half.standard_error()), (2.0, 2.0_f64.sqrt()));
        assert_eq!(Resampled::percentile(&[f64::NAN, 1.0, f64::NAN]), None);
        assert_eq!(Resampled::percentile(&[]), None);
    }
}
