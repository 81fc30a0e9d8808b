//! Pearson's χ² of the 2 × B table of counts: Σ (observed − expected)²/expected, without smoothing or correction.
//!
//! B − 1 degrees of freedom. The value grows with the number of rows and is no size of an effect: the effect is
//! Cramér's V, `√(χ²/(n + m))`, so the floor and the bands are judged on V. Bins that both sides lack count nothing.
//! Checked against SciPy 1.17.1 (`chi2_contingency(correction=False)`).

use super::cramers_v::CramersV;
use super::statistic::{BINNED, Counts, Draws, DriftStatistic, Kind, Null, Scale, Sides, comparable, null_of_counts};
use crate::catalog::Named;

/// Pearson's χ².
pub struct ChiSquared;

impl Named for ChiSquared {
    fn name(&self) -> &'static str {
        "chi_squared"
    }

    fn about(&self) -> &'static str {
        "Pearson's chi-squared of the counts; its effect is Cramer's V"
    }
}

impl DriftStatistic for ChiSquared {
    fn kinds(&self) -> &'static [Kind] {
        BINNED
    }

    fn scale(&self) -> Scale {
        CramersV.scale()
    }

    fn effect(&self, sides: &Sides<'_>, value: f64) -> f64 {
        let (n, m) = sides.counts.sizes();
        CramersV.effect(sides, (value / (n + m)).sqrt())
    }

    fn value(&self, sides: &Sides<'_>) -> Option<f64> {
        comparable(sides).map(Counts::chi_squared)
    }

    fn value_of_effect(&self, sides: &Sides<'_>, effect: f64) -> f64 {
        let (n, m) = sides.counts.sizes();
        CramersV.value_of_effect(sides, effect).powi(2) * (n + m)
    }

    fn null(&self, sides: &Sides<'_>, value: f64, draws: Draws) -> Null {
        null_of_counts(&sides.counts, value, (1.0, 1), draws, Counts::chi_squared)
    }
}

#[cfg(test)]
mod tests {
    use super::super::statistic::samples::{DRAWS, close, golden};
    use super::*;

    #[test]
    fn as_scipy_has_it() {
        let sides = golden();
        let value = ChiSquared.value(&sides).unwrap();
        close(value, 8.683_760_683_760_685, 1e-13);
        close(ChiSquared.null(&sides, value, DRAWS).p(value), 0.069_508_750_567_963_78, 1e-9);
        close(ChiSquared.value_of_effect(&sides, ChiSquared.effect(&sides, value)), value, 1e-12);
    }
}
