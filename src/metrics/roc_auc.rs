//! The area under the ROC curve: the chance that a positive row has a higher probability than a negative one.
//!
//! Ties count half (`stats::ranks`). More than two classes: the unweighted mean of each class against the rest. With
//! one class, or with a class that no row is of, it is not defined. Range 0…1, chance is ½. Checked against
//! scikit-learn 1.9 (`roc_auc_score`, `multi_class="ovr"`, `average="macro"`).

use crate::catalog::Named;
use crate::metrics::metric::{Direction, Metric, Scored, Value};
use crate::metrics::orders::over_classes;
use crate::stats::ranks;

/// The area under the ROC curve.
#[derive(Debug)]
pub struct RocAuc;

impl Named for RocAuc {
    fn name(&self) -> &'static str {
        "roc_auc"
    }

    fn about(&self) -> &'static str {
        "area under the ROC curve; with more than two classes the macro average of one against the rest"
    }
}

impl Metric for RocAuc {
    fn direction(&self) -> Direction {
        Direction::Maximize
    }

    fn score(&self, scored: &Scored<'_>) -> Value {
        over_classes(scored, "1 class", |groups| ranks::area(groups))
    }

    fn ranks(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_rows_of_every_class() {
        let three = [0.2, 0.5, 0.3, 0.6, 0.3, 0.1];
        assert_eq!(RocAuc.score(&Scored::new(&[1, 1], &[1, 0], &[0.2, 0.8, 0.6, 0.4], 2)), Err("1 class"));
        assert_eq!(RocAuc.score(&Scored::new(&[2, 2], &[1, 0], &three, 3)), Err("1 class"));
        assert_eq!(RocAuc.score(&Scored::new(&[1, 0], &[1, 0], &three, 3)), Err("a class without rows"));
        assert_eq!(RocAuc.score(&Scored::new(&[], &[], &[], 2)), Err("no rows"));
        // A row that does not count is no row of its class.
        let scored = Scored::new(&[1, 0], &[1, 0], &[0.2, 0.8, 0.6, 0.4], 2);
        assert_eq!(RocAuc.score(&Scored { counts: Some(&[3, 0]), ..scored }), Err("1 class"));
        assert_eq!(RocAuc.score(&Scored { counts: Some(&[0, 0]), ..scored }), Err("no rows"));
    }
}
