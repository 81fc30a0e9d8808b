//! How many rows a test needs, and what a number of rows can see.
//!
//! McNemar's test (Connor, Biometrics 1987, 43, 207–211): with δ the true difference of the rates and ψ the part of the
//! rows where only one is right, n = (zₐ·√ψ + zₚ·√(ψ − δ²))² / δ², rounded up; zₐ belongs to α (half of it when
//! two-sided), zₚ to the power. Other tests, from an effect and its standard error at n rows:
//! n·((zₐ + zₚ)·se/|effect|)². Solved for the effect, both say what the rows can see.

use crate::stats::distributions::normal_quantile;
use crate::stats::root::falling_root;

/// Whether a test looks in one direction or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sides {
    /// Only for a gain.
    One,
    /// For a gain or a loss.
    Two,
}

/// What the test is to do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Aim {
    /// The rate of false alarms.
    pub alpha: f64,
    /// One or two sides.
    pub sides: Sides,
    /// The chance to see the effect.
    pub power: f64,
}

impl Default for Aim {
    fn default() -> Self {
        Self { alpha: 0.05, sides: Sides::One, power: 0.8 }
    }
}

impl Aim {
    fn quantiles(self) -> (f64, f64) {
        let tail = if self.sides == Sides::Two { self.alpha / 2.0 } else { self.alpha };
        (normal_quantile(1.0 - tail), normal_quantile(self.power))
    }

    /// Rows for McNemar's test to see the difference `effect` where the part `discordance` of the rows is discordant;
    /// none for no effect, or for one that the discordant rows cannot make.
    #[must_use]
    pub fn mcnemar_rows(self, discordance: f64, effect: f64) -> Option<u64> {
        (effect != 0.0 && effect.abs() <= discordance).then(|| self.exact_rows(discordance, effect).ceil() as u64)
    }

    fn exact_rows(self, discordance: f64, effect: f64) -> f64 {
        let (alpha, power) = self.quantiles();
        let square = effect * effect;
        (alpha * discordance.sqrt() + power * (discordance - square).max(0.0).sqrt()).powi(2) / square
    }

    /// The smallest difference of rates that McNemar's test sees with `rows`; at most `discordance`.
    #[must_use]
    pub fn mcnemar_effect(self, discordance: f64, rows: u64) -> f64 {
        falling_root(0.0, discordance, |effect| {
            if effect == 0.0 { 1.0 } else { self.exact_rows(discordance, effect) - rows as f64 }
        })
    }

    /// Rows to see `effect`, whose standard error is `standard_error` with `rows`; none for no effect.
    #[must_use]
    pub fn rows(self, rows: u64, effect: f64, standard_error: f64) -> Option<u64> {
        let (alpha, power) = self.quantiles();
        let factor = ((alpha + power) * standard_error / effect).powi(2);
        (effect != 0.0 && factor.is_finite()).then(|| (rows as f64 * factor).ceil() as u64)
    }

    /// The smallest effect that a test with this standard error sees.
    #[must_use]
    pub fn effect(self, standard_error: f64) -> f64 {
        let (alpha, power) = self.quantiles();
        (alpha + power) * standard_error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_for_mcnemar() {
        let aim = Aim::default();
        for (discordance, effect, rows) in
            [(0.1, 0.01, 6181), (0.1, 0.02, 1544), (0.2, 0.01, 12364), (0.2, 0.02, 3090), (0.2, 0.05, 493)]
        {
            assert_eq!(aim.mcnemar_rows(discordance, effect), Some(rows));
            assert_eq!(aim.mcnemar_rows(discordance, -effect), Some(rows));
            assert!((aim.mcnemar_effect(discordance, rows) / effect - 1.0).abs() < 2e-3);
        }
        assert_eq!((aim.mcnemar_rows(0.1, 0.0), aim.mcnemar_rows(0.1, 0.2)), (None, None));
        assert_eq!(aim.mcnemar_effect(0.1, 3), 0.1);
    }

    #[test]
    fn rows_from_a_standard_error() {
        let two_sided = Aim { sides: Sides::Two, ..Aim::default() };
        // ((1.959964 + 0.841621)·0.02/0.01)²·500 = 15,697.8.
        assert_eq!(two_sided.rows(500, 0.01, 0.02), Some(15_698));
        assert!((two_sided.effect(0.02) - 0.056_031_7).abs() < 1e-6);
        assert_eq!((two_sided.rows(500, 0.0, 0.02), two_sided.rows(500, 0.0, 0.0)), (None, None));
    }
}
