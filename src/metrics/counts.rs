//! The confusion matrix, what each class makes of it, and the averages over classes.
//!
//! For class c, TP, FP and FN are the rows rightly called c, wrongly called c, and of class c but called otherwise.
//! A per-class value such as precision TP/(TP+FP) is 0 where its denominator is 0. The averages: `Binary` is the value
//! of the positive class; `Macro` the mean over the classes that occur in truth or prediction; `Weighted` the mean weighted by
//! the rows of each class in truth; `Micro` the value of the summed TP, FP and FN. Checked against scikit-learn 1.9
//! (`precision_recall_fscore_support` with `zero_division=0`).

use crate::metrics::metric::{Average, Scored};

/// How often each class was called what: rows are the truth, columns the prediction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    n_classes: usize,
    cells: Vec<u64>,
}

/// The counts of one class against the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassCounts {
    /// Rows of the class, called so.
    pub true_positive: u64,
    /// Rows of other classes, called this one.
    pub false_positive: u64,
    /// Rows of the class, called otherwise.
    pub false_negative: u64,
}

impl Confusion {
    /// Counts the rows.
    ///
    /// # Errors
    /// `no rows` when none counts.
    pub fn of(scored: &Scored<'_>) -> Result<Self, &'static str> {
        let n_classes = scored.n_classes;
        let mut cells = vec![0; n_classes * n_classes];
        for (row, (truth, predicted)) in scored.truth.iter().zip(scored.predicted).enumerate() {
            cells[truth * n_classes + predicted] += scored.count(row);
        }
        if cells.iter().all(|count| *count == 0) { Err("no rows") } else { Ok(Self { n_classes, cells }) }
    }

    /// Rows of class `truth` that were called `predicted`.
    #[must_use]
    pub fn at(&self, truth: usize, predicted: usize) -> u64 {
        self.cells[truth * self.n_classes + predicted]
    }

    /// All rows.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.cells.iter().sum()
    }

    /// Rows called by their own class.
    #[must_use]
    pub fn correct(&self) -> u64 {
        self.cells.iter().step_by(self.n_classes + 1).sum()
    }

    /// The counts of each class, in class order.
    #[must_use]
    pub fn classes(&self) -> Vec<ClassCounts> {
        let counts = |class| {
            let true_positive = self.at(class, class);
            let called: u64 = (0..self.n_classes).map(|truth| self.at(truth, class)).sum();
            let actual: u64 = (0..self.n_classes).map(|predicted| self.at(class, predicted)).sum();
            ClassCounts {
                true_positive,
                false_positive: called - true_positive,
                false_negative: actual - true_positive,
            }
        };
        (0..self.n_classes).map(counts).collect()
    }

    /// One number from the per-class values; `positive` is the class that `Binary` looks at.
    #[must_use]
    pub fn averaged(&self, average: Average, positive: usize, value: impl Fn(&ClassCounts) -> f64) -> f64 {
        let classes = self.classes();
        match average {
            Average::Binary => value(&classes[positive]),
            Average::Macro => {
                let present: Vec<f64> = classes.iter().filter(|class| class.occurs()).map(value).collect();
                present.iter().sum::<f64>() / present.len() as f64
            }
            Average::Weighted => {
                let weighted = classes.iter().map(|class| class.actual() as f64 * value(class));
                weighted.sum::<f64>() / self.total() as f64
            }
            Average::Micro => value(&ClassCounts {
                true_positive: classes.iter().map(|class| class.true_positive).sum(),
                false_positive: classes.iter().map(|class| class.false_positive).sum(),
                false_negative: classes.iter().map(|class| class.false_negative).sum(),
            }),
        }
    }
}

impl ClassCounts {
    /// Rows called this class.
    #[must_use]
    pub fn called(&self) -> u64 {
        self.true_positive + self.false_positive
    }

    /// Rows of this class.
    #[must_use]
    pub fn actual(&self) -> u64 {
        self.true_positive + self.false_negative
    }

    /// True when the class is in truth or prediction.
    #[must_use]
    pub fn occurs(&self) -> bool {
        self.called() + self.false_negative > 0
    }
}

/// `part / whole`, 0 when the whole is 0.
#[must_use]
pub fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_classes_by_hand() {
        // Class 3 is only predicted, class 2 occurs nowhere.
        let scored =
            Scored { counts: Some(&[1, 2, 1, 3, 0]), ..Scored::new(&[0, 0, 1, 1, 2], &[0, 1, 1, 3, 2], &[], 4) };
        let confusion = Confusion::of(&scored).expect("there are rows");
        assert_eq!((confusion.total(), confusion.correct(), confusion.at(1, 3)), (7, 2, 3));
        let counts = |true_positive, false_positive, false_negative| ClassCounts {
            true_positive,
            false_positive,
            false_negative,
        };
        assert_eq!(confusion.classes(), [counts(1, 0, 2), counts(1, 2, 3), counts(0, 0, 0), counts(0, 3, 0)]);

        let recall = |class: &ClassCounts| ratio(class.true_positive, class.actual());
        let close = |average, want: f64| (confusion.averaged(average, 1, recall) - want).abs() < 1e-15;
        assert!(close(Average::Binary, 1.0 / 4.0));
        // Class 3 counts as 0, class 2 not at all.
        assert!(close(Average::Macro, (1.0 / 3.0 + 1.0 / 4.0) / 3.0));
        assert!(close(Average::Weighted, 2.0 / 7.0));
        assert!(close(Average::Micro, 2.0 / 7.0));
    }
}
