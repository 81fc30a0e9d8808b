//! F1, the harmonic mean of precision and recall: 2·TP / (2·TP + FP + FN), 0…1, 0 when no row is called so.
//!
//! The macro average is the mean of the classes' F1, not the F1 of macro precision and macro recall. Checked against
//! scikit-learn 1.9 (`f1_score`, `zero_division=0`).

use crate::metrics::counts::{ClassCounts, PerClass, ratio};
use crate::metrics::metric::Average;

/// F1 of the positive class; with more than two classes the macro average.
pub const F1: PerClass = PerClass {
    name: "f1",
    about: "F1 of the positive class; with more than two classes the macro average",
    average: None,
    value: f1,
};

/// F1, the unweighted mean over classes.
pub const F1_MACRO: PerClass = PerClass {
    name: "f1_macro",
    about: "F1, the unweighted mean over classes",
    average: Some(Average::Macro),
    value: f1,
};

/// F1 of the counts summed over classes.
pub const F1_MICRO: PerClass = PerClass {
    name: "f1_micro",
    about: "F1 of the counts summed over classes",
    average: Some(Average::Micro),
    value: f1,
};

/// F1, the mean over classes weighted by their rows.
pub const F1_WEIGHTED: PerClass = PerClass {
    name: "f1_weighted",
    about: "F1, the mean over classes weighted by their rows",
    average: Some(Average::Weighted),
    value: f1,
};

fn f1(class: &ClassCounts) -> f64 {
    ratio(2 * class.true_positive, class.called() + class.actual())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::metric::{Metric, Scored};

    #[test]
    fn no_predicted_positive_is_zero_and_no_rows_is_nothing() {
        assert_eq!(F1.score(&Scored::new(&[0, 1, 1], &[0, 0, 0], &[], 2)), Ok(0.0));
        assert_eq!(F1.score(&Scored::new(&[], &[], &[], 2)), Err("no rows"));
    }
}
