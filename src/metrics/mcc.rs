//! Matthews' correlation coefficient: the correlation of truth and prediction, −1…1, for any number of classes.
//!
//! With n rows, c of them right, t(k) rows of class k and p(k) rows called k (Gorodkin 2004):
//! MCC = (c·n − Σ t(k)·p(k)) / √((n² − Σ p(k)²)·(n² − Σ t(k)²)). Where the prediction is always the same, it is 0, as
//! in scikit-learn: such a prediction tells nothing. With one class in truth there is nothing to correlate with: it is
//! not defined (scikit-learn says 0). Checked against scikit-learn 1.9 (`matthews_corrcoef`).

use crate::catalog::Named;
use crate::metrics::counts::Confusion;
use crate::metrics::metric::{Direction, Metric, Reads, Scored, Value};

/// Matthews' correlation coefficient.
#[derive(Debug)]
pub struct Mcc;

impl Named for Mcc {
    fn name(&self) -> &'static str {
        "mcc"
    }

    fn about(&self) -> &'static str {
        "Matthews' correlation of truth and prediction"
    }
}

impl Metric for Mcc {
    fn direction(&self) -> Direction {
        Direction::Maximize
    }

    fn score(&self, scored: &Scored<'_>) -> Value {
        let confusion = Confusion::of(scored)?;
        let (rows, correct) = (confusion.total() as f64, confusion.correct() as f64);
        let (mut both, mut actual, mut called) = (0.0, 0.0, 0.0);
        for class in confusion.classes() {
            both += class.actual() as f64 * class.called() as f64;
            actual += (class.actual() as f64).powi(2);
            called += (class.called() as f64).powi(2);
        }
        let (actual, called) = (rows * rows - actual, rows * rows - called);
        if actual <= 0.0 {
            return Err("1 class");
        }
        Ok(if called <= 0.0 { 0.0 } else { (correct * rows - both) / (actual * called).sqrt() })
    }

    fn reads(&self) -> Reads {
        Reads::Labels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_a_correlation_says() {
        let mcc = |truth: &[usize], predicted: &[usize]| Mcc.score(&Scored::new(truth, predicted, &[], 2));
        assert_eq!(mcc(&[0, 1, 1, 0], &[1, 0, 0, 1]), Ok(-1.0));
        assert_eq!(mcc(&[0, 1, 1, 0], &[1, 1, 1, 1]), Ok(0.0));
        assert_eq!(mcc(&[1, 1], &[0, 1]), Err("1 class"));
    }
}
