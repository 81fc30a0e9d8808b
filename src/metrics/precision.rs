//! Precision: of the rows called so, the part that is: TP / (TP + FP), 0…1, 0 when no row is called so.
//!
//! Checked against scikit-learn 1.9 (`precision_score`, `zero_division=0`).

use crate::metrics::counts::{ClassCounts, PerClass, ratio};
use crate::metrics::metric::Average;

/// Precision of the positive class; with more than two classes the macro average.
pub const PRECISION: PerClass = PerClass {
    name: "precision",
    about: "precision of the positive class; with more than two classes the macro average",
    average: None,
    value: precision,
};

/// Precision, the unweighted mean over classes.
pub const PRECISION_MACRO: PerClass = PerClass {
    name: "precision_macro",
    about: "precision, the unweighted mean over classes",
    average: Some(Average::Macro),
    value: precision,
};

/// Precision of the counts summed over classes.
pub const PRECISION_MICRO: PerClass = PerClass {
    name: "precision_micro",
    about: "precision of the counts summed over classes",
    average: Some(Average::Micro),
    value: precision,
};

/// Precision, the mean over classes weighted by their rows.
pub const PRECISION_WEIGHTED: PerClass = PerClass {
    name: "precision_weighted",
    about: "precision, the mean over classes weighted by their rows",
    average: Some(Average::Weighted),
    value: precision,
};

fn precision(class: &ClassCounts) -> f64 {
    ratio(class.true_positive, class.called())
}
