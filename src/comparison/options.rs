//! How two models are compared.

use super::test_kind::TestKind;
use crate::error::{Error, Result};
use crate::text::thousands;

/// How to compare.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// The test.
    pub test: TestKind,
    /// The level of the two-sided interval, and 1 − the p at which a verdict is decided.
    pub level: f64,
    /// The chance that a one-sided bound is wrong; gates decide by these.
    pub alpha: f64,
    /// Bootstrap replicates, and random sign patterns.
    pub replicates: usize,
    /// The seed of both.
    pub seed: u64,
    /// The effect beside 0 that a gate asks about: −margin, or the least effect. The bounds agree with the sign flips there, too.
    pub edge: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self { test: TestKind::Auto, level: 0.95, alpha: 0.05, replicates: 10_000, seed: 0, edge: 0.0 }
    }
}

impl Options {
    /// Fewest and most replicates: a bound at 5 % of fewer than 100 says nothing.
    const REPLICATES: (usize, usize) = (100, 10_000_000);

    /// Checks the numbers.
    ///
    /// # Errors
    /// `Invalid`, naming the one that is out of range.
    pub fn check(&self) -> Result<()> {
        if !(0.5..1.0).contains(&self.level) {
            return Err(Error::invalid(format!("`level` is {}, expected 0.5 to below 1", self.level)));
        }
        if !(self.alpha > 0.0 && self.alpha <= 0.5) {
            return Err(Error::invalid(format!("`alpha` is {}, expected above 0 to 0.5", self.alpha)));
        }
        let (fewest, most) = Self::REPLICATES;
        if !(fewest..=most).contains(&self.replicates) {
            let (fewest, most) = (thousands(fewest as u64), thousands(most as u64));
            return Err(Error::invalid(format!("{} replicates, expected {fewest} to {most}", self.replicates)));
        }
        Ok(())
    }
}
