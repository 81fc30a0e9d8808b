//! Cramér's V of the 2 × B table of counts: √(χ²/(n + m)), the size of Pearson's χ².
//!
//! Range 0…1; with a reference much larger than the window it stays small, because V is of the whole table. Checked
//! against SciPy 1.17.1 (`scipy.stats.contingency.association(method="cramer")`).

use super::statistic::{BINNED, Counts, Draws, DriftStatistic, Kind, Null, Scale, Sides, comparable, null_of_counts};
use crate::catalog::Named;

/// Cramér's V.
pub struct CramersV;

fn association(counts: &Counts) -> f64 {
    let (n, m) = counts.sizes();
    (counts.chi_squared() / (n + m)).sqrt()
}

impl Named for CramersV {
    fn name(&self) -> &'static str {
        "cramers_v"
    }

    fn about(&self) -> &'static str {
        "Cramer's V: the size of chi-squared, 0 to 1"
    }
}

impl DriftStatistic for CramersV {
    fn kinds(&self) -> &'static [Kind] {
        BINNED
    }

    fn scale(&self) -> Scale {
        // Of two sides of one size.
        Scale { floor: 0.0705, bands: [0.363, 0.452, 0.592] }
    }

    fn effect(&self, sides: &Sides<'_>, value: f64) -> f64 {
        value * balance(sides)
    }

    fn value_of_effect(&self, sides: &Sides<'_>, effect: f64) -> f64 {
        effect / balance(sides)
    }

    fn value(&self, sides: &Sides<'_>) -> Option<f64> {
        comparable(sides).map(association)
    }

    fn null(&self, sides: &Sides<'_>, value: f64, draws: Draws) -> Null {
        let (n, m) = sides.counts.sizes();
        null_of_counts(&sides.counts, value, (1.0 / (n + m), 2), draws, association)
    }
}

/// What makes V of sides of unequal size that of equal ones, for small differences: χ²/(n + m) goes with nm/(n + m)².
fn balance(sides: &Sides<'_>) -> f64 {
    let (n, m) = sides.counts.sizes();
    (n + m) / (2.0 * (n * m).sqrt())
}

#[cfg(test)]
mod tests {
    use super::super::statistic::samples::{DRAWS, close, golden};
    use super::*;

    #[test]
    fn as_scipy_has_it() {
        let sides = golden();
        let value = CramersV.value(&sides).unwrap();
        close(value, 0.208_371_791_322_154_3, 1e-13);
        close(CramersV.null(&sides, value, DRAWS).p(value), 0.069_508_750_567_963_78, 1e-9);
    }

    #[test]
    fn a_large_reference_does_not_hide_the_effect() {
        let side = |shares: [u64; 2], size: u64| shares.map(|share| share * size / 100).to_vec();
        let effect = |n, m| {
            let counts = Counts { reference: side([50, 50], n), current: side([60, 40], m) };
            let sides = Sides { counts, ..Sides::default() };
            CramersV.effect(&sides, CramersV.value(&sides).unwrap())
        };
        close(effect(100_000, 1000), effect(1000, 1000), 0.02);
    }
}
