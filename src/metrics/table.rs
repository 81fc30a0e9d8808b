//! The table of all metrics. Those that are one formula are a row; those with a file of their own are listed by it.
//!
//! TP, FP and FN of a class are in `counts`, as are the averages over classes. All are checked against scikit-learn 1.9
//! (`accuracy_score`, `balanced_accuracy_score`, `brier_score_loss`, `f1_score`, `log_loss`, `matthews_corrcoef`,
//! `precision_score` and `recall_score` with `zero_division=0`) by `goldens`.

use crate::metrics::average_precision::AveragePrecision;
use crate::metrics::counts::{ClassCounts, Confusion, ratio};
use crate::metrics::declared::{Declared, loss, of_answers, of_confusion, per_class};
use crate::metrics::ece::Ece;
use crate::metrics::metric::{Average, Metric, Value};
use crate::metrics::roc_auc::RocAuc;

/// The part of the rows that is classified right.
pub const ACCURACY: Declared = of_answers("accuracy", "the part of the rows that is classified right", right);

/// The Brier score.
pub const BRIER: Declared = loss(
    "brier",
    "the mean squared error of the probabilities; 0 to 1 for two classes, 0 to 2 for more",
    squared_error,
);

/// F1 of the positive class; with more than two classes the macro average.
pub const F1: Declared =
    per_class("f1", "F1 of the positive class; with more than two classes the macro average", None, f1);

/// F1, the unweighted mean over classes: the mean of the classes' F1, not the F1 of macro precision and macro recall.
pub const F1_MACRO: Declared = per_class("f1_macro", "F1, the unweighted mean over classes", Some(Average::Macro), f1);

/// Log loss.
pub const LOG_LOSS: Declared = loss("log_loss", "the mean of -ln of the probability given to the true class", surprise);

/// Precision of the positive class; with more than two classes the macro average.
pub const PRECISION: Declared = per_class(
    "precision",
    "precision of the positive class; with more than two classes the macro average",
    None,
    precision,
);

/// Recall of the positive class; with more than two classes the macro average.
pub const RECALL: Declared =
    per_class("recall", "recall of the positive class; with more than two classes the macro average", None, recall);

/// All metrics, by name.
pub const METRICS: &[&dyn Metric] = &[
    &ACCURACY,
    &AveragePrecision,
    &of_confusion(
        "balanced_accuracy",
        "the mean over classes of the part of their rows that is classified right",
        mean_recall,
    ),
    &BRIER,
    &BRIER.calibrated("brier_calibrated", "brier of the probabilities with class weights undone"),
    &Ece,
    &F1,
    &F1_MACRO,
    &per_class("f1_micro", "F1 of the counts summed over classes", Some(Average::Micro), f1),
    &per_class("f1_weighted", "F1, the mean over classes weighted by their rows", Some(Average::Weighted), f1),
    &LOG_LOSS,
    &LOG_LOSS.calibrated("log_loss_calibrated", "log_loss of the probabilities with class weights undone"),
    &of_confusion("mcc", "Matthews' correlation of truth and prediction", correlation),
    &PRECISION,
    &per_class("precision_macro", "precision, the unweighted mean over classes", Some(Average::Macro), precision),
    &per_class("precision_micro", "precision of the counts summed over classes", Some(Average::Micro), precision),
    &per_class(
        "precision_weighted",
        "precision, the mean over classes weighted by their rows",
        Some(Average::Weighted),
        precision,
    ),
    &RECALL,
    &per_class("recall_macro", "recall, the unweighted mean over classes", Some(Average::Macro), recall),
    &per_class("recall_micro", "recall of the counts summed over classes", Some(Average::Micro), recall),
    &per_class(
        "recall_weighted",
        "recall, the mean over classes weighted by their rows",
        Some(Average::Weighted),
        recall,
    ),
    &RocAuc,
];

/// 1 for a row that is classified right, else 0. With TP(c) of the n(c) rows of class c right, the mean is Σ TP(c) / n.
fn right(truth: usize, predicted: usize) -> f64 {
    f64::from(u8::from(truth == predicted))
}

/// The mean of TP(c) / n(c) over the classes that occur in truth; a class that is only predicted does not count.
#[expect(clippy::unnecessary_wraps, reason = "formulas of the confusion matrix have one form")]
fn mean_recall(confusion: &Confusion) -> Value {
    let classes = confusion.classes();
    let actual: Vec<_> = classes.iter().filter(|class| class.actual() > 0).collect();
    Ok(actual.iter().map(|class| recall(class)).sum::<f64>() / actual.len() as f64)
}

/// Two classes: (p − y)² with p the probability of the positive class and y 0 or 1, range 0…1. More classes:
/// Σ (p(k) − [y = k])² over the classes k, range 0…2, not halved (scikit-learn: `scale_by_half="auto"`).
fn squared_error(truth: usize, probabilities: &[f64]) -> f64 {
    let squared = |class: usize| (probabilities[class] - f64::from(u8::from(truth == class))).powi(2);
    if probabilities.len() == 2 { squared(1) } else { (0..probabilities.len()).map(squared).sum() }
}

/// −ln p of the true class. Probabilities are clipped to [ε, 1 − ε] with ε = 2⁻⁵² (`f64::EPSILON`), so one impossible row
/// costs 36.04 and not infinity. Range 0…36.04; always the class's base rate gives the entropy.
fn surprise(truth: usize, probabilities: &[f64]) -> f64 {
    -probabilities[truth].clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln()
}

/// Of the rows called so, the part that is: TP / (TP + FP), 0…1, 0 when no row is called so.
fn precision(class: &ClassCounts) -> f64 {
    ratio(class.true_positive, class.called())
}

/// Of the rows that are so, the part that is called so: TP / (TP + FN), 0…1, 0 when no row is so.
fn recall(class: &ClassCounts) -> f64 {
    ratio(class.true_positive, class.actual())
}

/// The harmonic mean of precision and recall: 2·TP / (2·TP + FP + FN), 0…1, 0 when no row is called so.
fn f1(class: &ClassCounts) -> f64 {
    ratio(2 * class.true_positive, class.called() + class.actual())
}

/// Matthews' correlation coefficient, −1…1, for any number of classes (Gorodkin 2004). With n rows, c of them right, t(k)
/// rows of class k and p(k) rows called k: MCC = (c·n − Σ t(k)·p(k)) / √((n² − Σ p(k)²)·(n² − Σ t(k)²)). Where the
/// prediction is always the same, it is 0, as in scikit-learn: such a prediction tells nothing. With one class in truth
/// there is nothing to correlate with: it is not defined (scikit-learn says 0).
fn correlation(confusion: &Confusion) -> Value {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::find;
    use crate::metrics::metric::Scored;

    fn score(name: &str, scored: &Scored<'_>) -> Value {
        find("metric", METRICS, name).expect("a row of the table").score(scored)
    }

    #[test]
    fn a_class_that_is_only_predicted_does_not_count() {
        let scored = Scored::new(&[0, 0, 0, 0, 1], &[0, 0, 0, 2, 1], &[], 3);
        assert_eq!(ACCURACY.score(&scored), Ok(0.8));
        assert_eq!(score("balanced_accuracy", &scored), Ok(0.875));
    }

    #[test]
    fn two_classes_go_to_one_and_more_to_two() {
        assert_eq!(BRIER.score(&Scored::new(&[0, 1], &[1, 1], &[0.0, 1.0, 0.5, 0.5], 2)), Ok(0.625));
        assert_eq!(BRIER.score(&Scored::new(&[2], &[0], &[1.0, 0.0, 0.0], 3)), Ok(2.0));
    }

    #[test]
    fn no_predicted_positive_is_zero_and_no_rows_is_nothing() {
        assert_eq!(F1.score(&Scored::new(&[0, 1, 1], &[0, 0, 0], &[], 2)), Ok(0.0));
        assert_eq!(F1.score(&Scored::new(&[], &[], &[], 2)), Err("no rows"));
    }

    #[test]
    fn an_impossible_row_has_a_bound() {
        let score =
            |truth: &[usize]| LOG_LOSS.score(&Scored::new(truth, &[1], &[0.0, 1.0], 2)).expect("there is a row");
        assert!((score(&[0]) - 52.0 * std::f64::consts::LN_2).abs() < 1e-12);
        assert!((score(&[1]) - f64::EPSILON).abs() < 1e-20);
        assert_eq!(LOG_LOSS.score(&Scored::new(&[], &[], &[], 2)), Err("no rows"));
    }

    #[test]
    fn mcc_says_what_a_correlation_says() {
        let mcc = |truth: &[usize], predicted: &[usize]| score("mcc", &Scored::new(truth, predicted, &[], 2));
        assert_eq!(mcc(&[0, 1, 1, 0], &[1, 0, 0, 1]), Ok(-1.0));
        assert_eq!(mcc(&[0, 1, 1, 0], &[1, 1, 1, 1]), Ok(0.0));
        assert_eq!(mcc(&[1, 1], &[0, 1]), Err("1 class"));
    }
}
