//! Accuracy, the part of the rows that is called right, and balanced accuracy, the mean of that part over classes.
//!
//! With TP(c) of the n(c) rows of class c called right, accuracy is Σ TP(c) / n; balanced accuracy is the mean of
//! TP(c) / n(c) over the classes that occur in truth, so a class that is only predicted does not count. Both are 0…1.
//! Checked against scikit-learn 1.9 (`accuracy_score`, `balanced_accuracy_score`).

use crate::catalog::Named;
use crate::metrics::counts::{Confusion, ratio};
use crate::metrics::metric::{Direction, Metric, Reads, Scored, Value};

/// The part of the rows that is called right.
#[derive(Debug)]
pub struct Accuracy;

/// The mean over classes of the part that is called right.
#[derive(Debug)]
pub struct BalancedAccuracy;

impl Named for Accuracy {
    fn name(&self) -> &'static str {
        "accuracy"
    }

    fn about(&self) -> &'static str {
        "the part of the rows that is classified right"
    }
}

impl Metric for Accuracy {
    fn direction(&self) -> Direction {
        Direction::Maximize
    }

    fn score(&self, scored: &Scored<'_>) -> Value {
        let confusion = Confusion::of(scored)?;
        Ok(ratio(confusion.correct(), confusion.total()))
    }

    fn reads(&self) -> Reads {
        Reads::Labels
    }

    fn of_rows(&self, scored: &Scored<'_>) -> Option<Vec<f64>> {
        let right = |(truth, predicted): (&usize, &usize)| f64::from(u8::from(truth == predicted));
        Some(scored.truth.iter().zip(scored.predicted).map(right).collect())
    }

    fn of_one_class(&self) -> bool {
        true
    }
}

impl Named for BalancedAccuracy {
    fn name(&self) -> &'static str {
        "balanced_accuracy"
    }

    fn about(&self) -> &'static str {
        "the mean over classes of the part of their rows that is classified right"
    }
}

impl Metric for BalancedAccuracy {
    fn direction(&self) -> Direction {
        Direction::Maximize
    }

    fn score(&self, scored: &Scored<'_>) -> Value {
        let classes = Confusion::of(scored)?.classes();
        let actual: Vec<_> = classes.iter().filter(|class| class.actual() > 0).collect();
        let recalls = actual.iter().map(|class| ratio(class.true_positive, class.actual()));
        Ok(recalls.sum::<f64>() / actual.len() as f64)
    }

    fn reads(&self) -> Reads {
        Reads::Labels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_that_is_only_predicted_does_not_count() {
        let scored = Scored::new(&[0, 0, 0, 0, 1], &[0, 0, 0, 2, 1], &[], 3);
        assert_eq!(Accuracy.score(&scored), Ok(0.8));
        assert_eq!(BalancedAccuracy.score(&scored), Ok(0.875));
    }
}
