//! Jensen–Shannon distance: √(½ D(p ‖ m) + ½ D(q ‖ m)) with m = (p + q)/2, in nats.
//!
//! Range 0…√ln 2 = 0.833, symmetric, a metric. To second order 8·JS²/(1/n + 1/m) is χ² with B − 1 degrees of freedom.
//! Checked against SciPy 1.17.1 (`scipy.spatial.distance.jensenshannon`, base e) and Evidently 0.7.23, which calls it without smoothing.

use super::statistic::{BINNED, Counts, Draws, DriftStatistic, Kind, Null, Scale, Sides, comparable, null_of_counts};
use crate::catalog::Named;

/// Jensen–Shannon distance.
pub struct JensenShannon;

fn distance(counts: &Counts) -> f64 {
    let (reference, current) = counts.shares();
    let pair = |(p, q): (&f64, &f64)| {
        let middle = f64::midpoint(*p, *q);
        0.5 * (p * (p / middle).ln() + q * (q / middle).ln())
    };
    current.iter().zip(&reference).map(pair).sum::<f64>().max(0.0).sqrt()
}

impl Named for JensenShannon {
    fn name(&self) -> &'static str {
        "jensen_shannon"
    }

    fn about(&self) -> &'static str {
        "Jensen-Shannon distance, 0 to 0.833"
    }
}

impl DriftStatistic for JensenShannon {
    fn kinds(&self) -> &'static [Kind] {
        BINNED
    }

    fn scale(&self) -> Scale {
        Scale { floor: 0.05, bands: [0.264, 0.334, 0.449] }
    }

    fn value(&self, sides: &Sides<'_>) -> Option<f64> {
        comparable(sides).map(distance)
    }

    fn null(&self, sides: &Sides<'_>, value: f64, draws: Draws) -> Null {
        null_of_counts(&sides.counts, value, (sides.counts.noise() / 4.0, 2), draws, distance)
    }
}

#[cfg(test)]
mod tests {
    use super::super::statistic::samples::{close, golden, many};
    use super::*;

    #[test]
    fn as_scipy_has_it() {
        close(JensenShannon.value(&golden()).unwrap(), 0.144_101_056_374_008_77, 1e-12);
        close(JensenShannon.value(&many()).unwrap(), 0.148_062_129_831_350_6, 1e-4);
    }

    #[test]
    fn it_is_symmetric_and_bounded() {
        let counts = |left: &[u64], right: &[u64]| Counts { reference: left.to_vec(), current: right.to_vec() };
        let (left, right) = ([1_000_000, 0, 3], [0, 900_000, 9]);
        let there = distance(&counts(&left, &right));
        assert!((there - distance(&counts(&right, &left))).abs() < 1e-12);
        assert!(there > 0.83 && there <= std::f64::consts::LN_2.sqrt());
    }
}
