//! Average precision: the precision at each recall, averaged; the area under the precision–recall curve as steps.
//!
//! Formula and ties: `stats::ranks`. More than two classes: the unweighted mean of each class against the rest. Not
//! defined when no row is positive, or with a class that no row is of. Range 0…1, chance is the rate of positives.
//! Checked against scikit-learn 1.9 (`average_precision_score`, `average="macro"`).

use crate::catalog::Named;
use crate::metrics::metric::{Direction, Metric, Scored, Value};
use crate::metrics::orders::over_classes;
use crate::stats::ranks;

/// Average precision.
#[derive(Debug)]
pub struct AveragePrecision;

impl Named for AveragePrecision {
    fn name(&self) -> &'static str {
        "average_precision"
    }

    fn about(&self) -> &'static str {
        "precision averaged over recall; with more than two classes the macro average of one against the rest"
    }
}

impl Metric for AveragePrecision {
    fn direction(&self) -> Direction {
        Direction::Maximize
    }

    fn score(&self, scored: &Scored<'_>) -> Value {
        over_classes(scored, "no positive row", |groups| ranks::average_precision(groups))
    }

    fn ranks(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_a_positive_row_but_no_negative_one() {
        let probabilities = [0.2, 0.8, 0.6, 0.4];
        assert_eq!(AveragePrecision.score(&Scored::new(&[0, 0], &[1, 0], &probabilities, 2)), Err("no positive row"));
        assert_eq!(AveragePrecision.score(&Scored::new(&[1, 1], &[1, 0], &probabilities, 2)), Ok(1.0));
        assert_eq!(AveragePrecision.score(&Scored::new(&[0, 1], &[1, 0], &probabilities, 2)), Ok(0.5));
    }
}
