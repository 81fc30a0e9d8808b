//! Log loss: −ln of the probability that was given to the true class, averaged over the rows.
//!
//! Probabilities are clipped to [ε, 1 − ε] with ε = 2⁻⁵² (`f64::EPSILON`), so one impossible row costs 36.04 and not
//! infinity. Range 0…36.04; always the class's base rate gives the entropy. Checked against scikit-learn 1.9
//! (`log_loss`).

use crate::catalog::Named;
use crate::metrics::metric::{Direction, Metric, Scored, Value};

/// Log loss.
#[derive(Debug)]
pub struct LogLoss;

impl Named for LogLoss {
    fn name(&self) -> &'static str {
        "log_loss"
    }

    fn about(&self) -> &'static str {
        "the mean of -ln of the probability given to the true class"
    }
}

impl Metric for LogLoss {
    fn direction(&self) -> Direction {
        Direction::Minimize
    }

    fn score(&self, scored: &Scored<'_>) -> Value {
        scored.mean_of_rows(loss)
    }

    fn of_rows(&self, scored: &Scored<'_>) -> Option<Vec<f64>> {
        Some(scored.each_row(loss))
    }

    fn of_one_class(&self) -> bool {
        true
    }
}

fn loss(truth: usize, probabilities: &[f64]) -> f64 {
    -probabilities[truth].clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_impossible_row_has_a_bound() {
        let score = |truth: &[usize]| LogLoss.score(&Scored::new(truth, &[1], &[0.0, 1.0], 2)).expect("there is a row");
        assert!((score(&[0]) - 52.0 * std::f64::consts::LN_2).abs() < 1e-12);
        assert!((score(&[1]) - f64::EPSILON).abs() < 1e-20);
        assert_eq!(LogLoss.score(&Scored::new(&[], &[], &[], 2)), Err("no rows"));
    }
}
