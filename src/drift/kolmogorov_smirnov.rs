//! Kolmogorov–Smirnov: D = max |F(x) − G(x)|, the largest gap between the two empirical distribution functions.
//!
//! Range 0…1; numbers only. Over all values that are held: of a long column the current side is a sample (and m its
//! size), and a stored reference is up to 1,000 order statistics of all n values, which moves D by at most half a
//! thousandth (so n stays what it is). p by Kolmogorov's limit with Stephens' correction at nm/(n + m), within 3 % of SciPy's `kstwo` from a hundred rows on; ties make it cautious. Checked
//! against SciPy 1.17.1 (`ks_2samp`).

use super::statistic::{Draws, DriftStatistic, Kind, Null, Samples, Scale, Sides};
use crate::catalog::Named;

/// The Kolmogorov–Smirnov statistic.
pub struct KolmogorovSmirnov;

fn gap(samples: &Samples<'_>) -> f64 {
    let (left, right) = (samples.reference, samples.current);
    let (mut i, mut j, mut widest) = (0, 0, 0.0_f64);
    while i < left.len() && j < right.len() {
        let at = left[i].min(right[j]);
        while i < left.len() && left[i] <= at {
            i += 1;
        }
        while j < right.len() && right[j] <= at {
            j += 1;
        }
        widest = widest.max((i as f64 / left.len() as f64 - j as f64 / right.len() as f64).abs());
    }
    widest
}

impl Named for KolmogorovSmirnov {
    fn name(&self) -> &'static str {
        "ks"
    }

    fn about(&self) -> &'static str {
        "Kolmogorov-Smirnov: the largest gap between the two distribution functions, 0 to 1"
    }
}

impl DriftStatistic for KolmogorovSmirnov {
    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Numeric]
    }

    fn scale(&self) -> Scale {
        Scale { floor: 0.0564, bands: [0.301, 0.383, 0.520] }
    }

    fn value(&self, sides: &Sides<'_>) -> Option<f64> {
        let samples = sides.samples.as_ref()?;
        (!samples.reference.is_empty() && !samples.current.is_empty()).then(|| gap(samples))
    }

    fn null(&self, sides: &Sides<'_>, _value: f64, _draws: Draws) -> Null {
        let size = |samples: &Samples<'_>| samples.n * samples.held() / (samples.n + samples.held());
        let size = sides.samples.as_ref().map_or(1.0, size);
        Null::Kolmogorov { size }
    }

    fn reads_values(&self) -> bool {
        true
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::statistic::samples::{DRAWS, close};
    use super::*;

    /// The two samples of the golden values, ascending.
    pub fn golden() -> (Vec<f64>, Vec<f64>) {
        let mut left: Vec<f64> = (0..60).map(|i| f64::from(i * 37 % 101) / 10.0).collect();
        let mut right: Vec<f64> = (0..45).map(|i| f64::from(i * 53 % 97) / 10.0 + 0.8).collect();
        left.sort_by(f64::total_cmp);
        right.sort_by(f64::total_cmp);
        (left, right)
    }

    pub fn sides<'a>(left: &'a [f64], right: &'a [f64], deviation: f64) -> Sides<'a> {
        let (n, m) = (left.len() as f64, right.len() as f64);
        let samples = Samples { reference: left, current: right, n, m, deviation, places: &[] };
        Sides { samples: Some(samples), ..Sides::default() }
    }

    #[test]
    fn as_scipy_has_it() {
        let (left, right) = golden();
        close(KolmogorovSmirnov.value(&sides(&left, &right, 1.0)).unwrap(), 0.083_333_333_333_333_33, 1e-12);
        // scipy.stats.kstwo.sf(d, round(nm/(n + m)))
        for (n, m, gap, p) in [
            (1000.0, 1000.0, 0.07, 0.014_168_320_200_190_71),
            (10_000.0, 1000.0, 0.06, 0.002_752_251_043_351_542),
            (500.0, 300.0, 0.05, 0.715_761_227_547_830_9),
            (100_000.0, 1000.0, 0.04, 0.081_919_910_439_408_5),
        ] {
            let current = vec![0.0; m as usize];
            let mut sides = sides(&left, &current, 1.0);
            sides.samples = sides.samples.map(|samples| Samples { n, ..samples });
            let got = KolmogorovSmirnov.null(&sides, gap, DRAWS).p(gap);
            assert!((got - p).abs() < 0.03 * p, "{n} {m} {gap}: {got}, not {p}");
        }
    }

    #[test]
    fn a_sample_is_as_sure_as_its_size() {
        let (left, right) = golden();
        let of = |m: f64| {
            let mut sides = sides(&left, &right, 1.0);
            sides.samples = sides.samples.map(|samples| Samples { m, ..samples });
            KolmogorovSmirnov.null(&sides, 0.2, DRAWS).p(0.2)
        };
        assert_eq!(of(300_000.0), of(45.0));
    }

    #[test]
    fn ties_and_ends() {
        let value = |left: &[f64], right: &[f64]| KolmogorovSmirnov.value(&sides(left, right, 1.0));
        assert_eq!(value(&[1.0, 1.0, 2.0], &[1.0, 1.0, 2.0]), Some(0.0));
        assert_eq!(value(&[1.0, 2.0], &[3.0, 4.0]), Some(1.0));
        assert_eq!(value(&[1.0, 1.0], &[1.0, 2.0]), Some(0.5));
        assert_eq!(value(&[1.0], &[]), None);
    }
}
