//! Recall: of the rows that are so, the part that is called so: TP / (TP + FN), 0…1, 0 when no row is so.
//!
//! Checked against scikit-learn 1.9 (`recall_score`, `zero_division=0`).

use crate::metrics::counts::{ClassCounts, PerClass, ratio};
use crate::metrics::metric::Average;

/// Recall of the positive class; with more than two classes the macro average.
pub const RECALL: PerClass = PerClass {
    name: "recall",
    about: "recall of the positive class; with more than two classes the macro average",
    average: None,
    value: recall,
};

/// Recall, the unweighted mean over classes.
pub const RECALL_MACRO: PerClass = PerClass {
    name: "recall_macro",
    about: "recall, the unweighted mean over classes",
    average: Some(Average::Macro),
    value: recall,
};

/// Recall of the counts summed over classes.
pub const RECALL_MICRO: PerClass = PerClass {
    name: "recall_micro",
    about: "recall of the counts summed over classes",
    average: Some(Average::Micro),
    value: recall,
};

/// Recall, the mean over classes weighted by their rows.
pub const RECALL_WEIGHTED: PerClass = PerClass {
    name: "recall_weighted",
    about: "recall, the mean over classes weighted by their rows",
    average: Some(Average::Weighted),
    value: recall,
};

fn recall(class: &ClassCounts) -> f64 {
    ratio(class.true_positive, class.actual())
}
