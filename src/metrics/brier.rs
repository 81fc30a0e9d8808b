//! The Brier score: the squared distance between the probabilities and what happened, averaged over the rows.
//!
//! Two classes: (p − y)² with p the probability of the positive class and y 0 or 1, range 0…1. More classes:
//! Σ (p(k) − [y = k])² over the classes k, range 0…2, not halved, as scikit-learn 1.9 has it (`brier_score_loss`,
//! `scale_by_half="auto"`), against which it was checked.

use crate::catalog::Named;
use crate::metrics::metric::{Direction, Metric, Scored, Value};

/// The Brier score.
#[derive(Debug)]
pub struct Brier;

impl Named for Brier {
    fn name(&self) -> &'static str {
        "brier"
    }

    fn about(&self) -> &'static str {
        "the mean squared error of the probabilities; 0 to 1 for two classes, 0 to 2 for more"
    }
}

impl Metric for Brier {
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
    let squared = |class: usize| (probabilities[class] - f64::from(u8::from(truth == class))).powi(2);
    if probabilities.len() == 2 { squared(1) } else { (0..probabilities.len()).map(squared).sum() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_classes_go_to_one_and_more_to_two() {
        assert_eq!(Brier.score(&Scored::new(&[0, 1], &[1, 1], &[0.0, 1.0, 0.5, 0.5], 2)), Ok(0.625));
        assert_eq!(Brier.score(&Scored::new(&[2], &[0], &[1.0, 0.0, 0.0], 3)), Ok(2.0));
    }
}
