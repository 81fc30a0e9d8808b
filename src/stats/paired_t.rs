//! Student's paired t: is the mean of the differences 0?
//!
//! t = d̄ / (s/√n) with s the standard deviation (n − 1) of the differences and n − 1 degrees of freedom; the interval is
//! d̄ ± t(n − 1)·s/√n. Differences that are all equal leave no spread to judge by: p is 1 for 0, else 0. Checked against
//! SciPy 1.17.1 (`ttest_1samp`).

use crate::stats::distributions::{t_quantile, t_two_sided};

/// The mean of differences, its standard error and how many there are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedT {
    /// The mean.
    pub mean: f64,
    /// The standard error of the mean.
    pub standard_error: f64,
    rows: usize,
}

impl PairedT {
    /// Of the differences; none with fewer than two.
    #[must_use]
    pub fn of(differences: &[f64]) -> Option<Self> {
        if differences.len() < 2 {
            return None;
        }
        let n = differences.len() as f64;
        let mean = differences.iter().sum::<f64>() / n;
        let squares: f64 = differences.iter().map(|value| (value - mean).powi(2)).sum();
        Some(Self { mean, standard_error: (squares / (n - 1.0) / n).sqrt(), rows: differences.len() })
    }

    /// The two-sided p-value.
    #[must_use]
    pub fn p(&self) -> f64 {
        if self.mean == 0.0 { 1.0 } else { t_two_sided(self.mean / self.standard_error, self.freedom()) }
    }

    /// The interval of the mean at `level`.
    #[must_use]
    pub fn interval(&self, level: f64) -> (f64, f64) {
        let half = t_quantile(f64::midpoint(1.0, level), self.freedom()) * self.standard_error;
        (self.mean - half, self.mean + half)
    }

    fn freedom(&self) -> f64 {
        (self.rows - 1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_that_of_scipy() {
        let test = PairedT::of(&[0.05, -0.05, 0.2, 0.05, 0.2, -0.02, 0.1, 0.2]).expect("two or more");
        assert!((test.mean / test.standard_error - 2.557_526_805_947_927_3).abs() < 1e-12);
        assert!((test.p() - 0.037_687_353_577_450_1).abs() < 1e-12);
        let (low, high) = test.interval(0.95);
        assert!((low - 0.006_882_570_319_094_922).abs() < 1e-12 && (high - 0.175_617_429_680_905_1).abs() < 1e-12);
    }

    #[test]
    fn without_spread() {
        let same = PairedT::of(&[0.0; 5]).expect("two or more");
        assert_eq!((same.p(), same.interval(0.95)), (1.0, (0.0, 0.0)));
        assert_eq!(PairedT::of(&[0.5; 4]).map(|test| test.p()), Some(0.0));
        assert_eq!(PairedT::of(&[0.5]), None);
    }
}
