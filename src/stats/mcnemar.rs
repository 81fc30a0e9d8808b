//! McNemar's test: two ways to answer the same yes-or-no questions, judged by the rows where only one is right.
//!
//! With `gained` rows that only the second gets right, `lost` rows that only the first gets right, m = gained + lost and
//! X ~ Binomial(m, ½): the exact two-sided p is min(1, 2·P(X ≤ min)), the mid-p is 2·P(X ≤ min) − P(X = min), which
//! is less conservative. The default is exact below 25 discordant rows, else mid-p. With m = 0, p = 1.
//!
//! The difference of the two rates is δ = (gained − lost)/n. Its interval is Tango's (Statistics in Medicine 1998, 17,
//! 891–908), the set of δ that the score test does not reject:
//! |gained − lost − n·δ| ≤ z·√(n·(2q + δ(1 − δ))), with q the restricted maximum-likelihood rate of `lost`. It is
//! widened, where it must be, to the interval of the binomial test itself (Clopper and Pearson's, or its mid-p form, of
//! gained/m, times m/n), so that it leaves 0 out only when the test rejects as well.
//!
//! Checked against SciPy 1.17.1 (`binomtest`; Tango's ends by `brentq`, with the restricted maximum by
//! `minimize_scalar`) and statsmodels 0.15.0 (`mcnemar(exact=True)`).

use statrs::distribution::{Binomial, Discrete, DiscreteCDF};

use crate::stats::distributions::normal_quantile;
use crate::stats::root::falling_root;

/// Discordant rows from which the mid-p is taken.
const MID_P_FROM: u64 = 25;

/// How the p-value is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Exact binomial.
    Exact,
    /// Exact binomial with half of the probability of the outcome itself.
    MidP,
}

/// Rows that only one of the two gets right, among `rows`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Discordant {
    /// Rows that only the second gets right.
    pub gained: u64,
    /// Rows that only the first gets right.
    pub lost: u64,
    /// All rows.
    pub rows: u64,
}

impl Discordant {
    /// The method that fits the number of discordant rows.
    #[must_use]
    pub fn method(&self) -> Method {
        if self.gained + self.lost < MID_P_FROM { Method::Exact } else { Method::MidP }
    }

    /// The two-sided p-value.
    #[must_use]
    pub fn p(&self, method: Method) -> f64 {
        match self.gained + self.lost {
            0 => 1.0,
            all => (2.0 * tail(self.gained.min(self.lost), all, 0.5, method)).min(1.0),
        }
    }

    /// The difference of the rates, second minus first; NaN without rows.
    #[must_use]
    pub fn effect(&self) -> f64 {
        (self.gained as f64 - self.lost as f64) / self.rows as f64
    }

    /// The standard error of the difference: √((ψ − δ²)/n), ψ the part of the rows that is discordant.
    #[must_use]
    pub fn standard_error(&self) -> f64 {
        let discordance = (self.gained + self.lost) as f64 / self.rows as f64;
        ((discordance - self.effect().powi(2)) / self.rows as f64).max(0.0).sqrt()
    }

    /// The interval of the difference at `level`.
    #[must_use]
    pub fn interval(&self, level: f64, method: Method) -> (f64, f64) {
        let swapped = Self { gained: self.lost, lost: self.gained, rows: self.rows };
        let z = normal_quantile(f64::midpoint(1.0, level));
        let tail = (1.0 - level) / 2.0;
        let low = |of: &Self| of.tango_low(z).min(of.conditional_low(tail, method));
        (low(self), -low(&swapped))
    }

    /// Where Tango's statistic, which falls with δ, is z.
    fn tango_low(&self, z: f64) -> f64 {
        let (gained, lost, rows) = (self.gained as f64, self.lost as f64, self.rows as f64);
        let beyond = |delta: f64| {
            let linear = (2.0 * rows - gained + lost) * delta - gained - lost;
            let constant = -lost * delta * (1.0 - delta);
            let rate = ((linear * linear - 8.0 * rows * constant).max(0.0).sqrt() - linear) / (4.0 * rows);
            let variance = rows * (2.0 * rate + delta * (1.0 - delta));
            gained - lost - rows * delta - z * variance.max(0.0).sqrt()
        };
        falling_root(-1.0, self.effect(), beyond)
    }

    /// The lower end from the binomial test of gained among the discordant.
    fn conditional_low(&self, level: f64, method: Method) -> f64 {
        let all = self.gained + self.lost;
        if self.gained == 0 {
            return -(all as f64) / self.rows as f64;
        }
        // P(X ≥ gained) = P(all − X ≤ lost), which grows with the rate.
        let share = falling_root(0.0, 1.0, |rate| level - tail(self.lost, all, 1.0 - rate, method));
        (2.0 * share - 1.0) * all as f64 / self.rows as f64
    }
}

/// P(X ≤ at), less half of P(X = at) for the mid-p.
fn tail(at: u64, all: u64, rate: f64, method: Method) -> f64 {
    let binomial = Binomial::new(rate.clamp(0.0, 1.0), all).expect("a rate is in 0…1");
    match method {
        Method::Exact => binomial.cdf(at),
        Method::MidP => binomial.cdf(at) - 0.5 * binomial.pmf(at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(gained: u64, lost: u64, rows: u64) -> Discordant {
        Discordant { gained, lost, rows }
    }

    fn close(got: f64, want: f64) {
        assert!((got - want).abs() < 1e-10, "{got}, not {want}");
    }

    #[test]
    fn p_values_are_those_of_scipy_and_statsmodels() {
        // binomtest(min, all, 0.5).pvalue; 2·binom.cdf(min, all, 0.5) − binom.pmf(min, all, 0.5).
        for (gained, lost, exact, mid_p) in [
            (12, 5, 0.143_463_134_765_625, 0.096_252_441_406_25),
            (0, 0, 1.0, 1.0),
            (7, 7, 1.0, 1.0),
            (9, 0, 0.003_906_25, 0.001_953_125),
            (40, 22, 0.030_015_864_349_067_285, 0.022_574_972_673_257_195),
            (300, 371, 0.006_841_895_632_001_823, 0.006_123_362_907_806_937),
        ] {
            for found in [of(gained, lost, 1000), of(lost, gained, 1000)] {
                close(found.p(Method::Exact), exact);
                close(found.p(Method::MidP), mid_p);
            }
        }
        assert_eq!((of(12, 12, 99).method(), of(13, 12, 99).method()), (Method::Exact, Method::MidP));
    }

    #[test]
    fn interval_is_tangos_widened_to_that_of_the_test() {
        // Tango's with the restricted maximum found by scipy.optimize.minimize_scalar and the ends by brentq; the
        // binomial ends by brentq on binom.sf. The wider of each pair.
        for (gained, lost, rows, level, low, high) in [
            (12, 5, 100, 0.95, -0.020_258_124_376, 0.157_415_606_111),
            (3, 0, 50, 0.95, -0.024_911_787_141, 0.162_170_916_888),
            (40, 22, 500, 0.95, 0.005_107_496_492, 0.068_019_006_170),
            (300, 371, 5000, 0.9, -0.022_744_629_081, -0.005_686_373_183),
            (20, 0, 1000, 0.95, 0.012_983_682_916, 0.030_690_005_230),
        ] {
            let found = of(gained, lost, rows);
            let interval = found.interval(level, found.method());
            assert!((interval.0 - low).abs() < 1e-8 && (interval.1 - high).abs() < 1e-8, "{interval:?} of {found:?}");
            let mirrored = of(lost, gained, rows).interval(level, found.method());
            close(mirrored.0, -interval.1);
            close(mirrored.1, -interval.0);
        }
    }

    #[test]
    fn the_interval_leaves_0_out_exactly_when_the_test_rejects() {
        for all in 0..60 {
            for gained in 0..=all {
                let found = of(gained, all - gained, 400);
                let method = found.method();
                let (low, high) = found.interval(0.95, method);
                assert!(low <= found.effect() && found.effect() <= high, "{found:?}");
                assert_eq!(found.p(method) < 0.05, low > 0.0 || high < 0.0, "{found:?}: {low} {high}");
            }
        }
    }

    #[test]
    fn all_rows_alike_tell_nothing() {
        let found = of(0, 0, 80);
        let (low, high) = found.interval(0.95, Method::Exact);
        assert_eq!((found.p(Method::Exact), found.effect(), found.standard_error()), (1.0, 0.0, 0.0));
        assert!(low < 0.0 && low > -0.05 && (low + high).abs() < 1e-12, "{low} {high}");
        let (low, high) = of(6, 0, 6).interval(0.95, Method::Exact);
        assert!(low > 0.0 && high > 0.999, "{low} {high}");
    }
}
