//! Wilson's interval of a rate: it stays within 0…1 and is right for small counts, where p ± z·se is not.
//!
//! With k of n and p = k/n: (p + z²/2n ± z·√(p(1 − p)/n + z²/4n²)) / (1 + z²/n), the rates that the score test does not
//! reject. Checked against statsmodels 0.15.0 (`proportion_confint(method="wilson")`).

use crate::stats::distributions::normal_quantile;

/// The interval of the rate of `successes` among `rows` at `level`; 0…1 without rows.
#[must_use]
pub fn wilson_interval(successes: u64, rows: u64, level: f64) -> (f64, f64) {
    if rows == 0 {
        return (0.0, 1.0);
    }
    let (n, z) = (rows as f64, normal_quantile(f64::midpoint(1.0, level)));
    let p = successes as f64 / n;
    let (centre, whole) = (p + z * z / (2.0 * n), 1.0 + z * z / n);
    let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    // At the ends the two terms are equal but for rounding.
    let low = if successes == 0 { 0.0 } else { (centre - half) / whole };
    let high = if successes == rows { 1.0 } else { (centre + half) / whole };
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_that_of_statsmodels() {
        for (successes, rows, low, high) in [
            (1, 1, 0.206_549_314_377_237_4, 1.0),
            (8, 20, 0.218_806_532_372_817_06, 0.613_418_499_237_746_9),
            (40, 100, 0.309_401_286_432_458_96, 0.497_997_413_208_938_26),
            (0, 50, 0.0, 0.071_347_599_133_358_74),
            (50, 50, 0.928_652_400_866_641_2, 1.0),
        ] {
            let got = wilson_interval(successes, rows, 0.95);
            assert!((got.0 - low).abs() < 1e-12 && (got.1 - high).abs() < 1e-12, "{successes}/{rows}: {got:?}");
        }
        assert_eq!(wilson_interval(0, 0, 0.95), (0.0, 1.0));
    }
}
