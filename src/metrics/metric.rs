//! The small house of metrics: what a metric is given, and what it must say.

use crate::catalog::Named;

/// Whether more is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Higher is better.
    Maximize,
    /// Lower is better.
    Minimize,
}

impl Direction {
    /// True when `left` is strictly better than `right`; NaN is never better.
    #[must_use]
    pub fn better(self, left: f64, right: f64) -> bool {
        match self {
            Self::Maximize => left > right || (right.is_nan() && !left.is_nan()),
            Self::Minimize => left < right || (right.is_nan() && !left.is_nan()),
        }
    }
}

/// What of an answer a metric depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// The predicted class alone: rows of the same true and predicted class are alike.
    Labels,
    /// The scores of each row.
    Scores,
}

/// How per-class values become one number. For two classes the default is `Binary`, else `Macro`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Average {
    /// The positive class only: of two classes, or of one that is named, against the rest.
    Binary,
    /// The unweighted mean over classes.
    Macro,
    /// The mean weighted by each class's support.
    Weighted,
    /// Over the pooled counts.
    Micro,
}

impl Average {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 4] = [Self::Binary, Self::Macro, Self::Weighted, Self::Micro];

    /// The name in configs, on the command line and in `metrics.json`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Macro => "macro",
            Self::Weighted => "weighted",
            Self::Micro => "micro",
        }
    }

    /// The average of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|average| average.name() == name)
    }
}

/// From which side the rows are looked at: what metrics without an average in their name take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct View {
    /// The average; none for the default, `Binary` for two classes, else `Macro`.
    pub average: Option<Average>,
    /// The positive class; none for the default, class 1 of two.
    pub positive: Option<usize>,
}

impl View {
    /// The average that is taken with so many classes.
    #[must_use]
    pub fn average(self, n_classes: usize) -> Average {
        let default = if n_classes == 2 || self.positive.is_some() { Average::Binary } else { Average::Macro };
        self.average.unwrap_or(default)
    }

    /// The one class that counts as positive; none where all classes are averaged.
    #[must_use]
    pub fn positive(self, n_classes: usize) -> Option<usize> {
        let binary = n_classes == 2 || self.average(n_classes) == Average::Binary;
        binary.then_some(self.positive.unwrap_or(1))
    }
}

/// Rows with their true class, predicted class and predicted probabilities.
#[derive(Debug, Clone, Copy)]
pub struct Scored<'a> {
    /// True class of each row.
    pub truth: &'a [usize],
    /// Predicted class of each row.
    pub predicted: &'a [usize],
    /// Probabilities, row-major `n_rows × n_classes`.
    pub probabilities: &'a [f64],
    /// Number of classes; with two, class 1 is the positive one unless `view` says otherwise.
    pub n_classes: usize,
    /// The average and the positive class.
    pub view: View,
    /// How often each row counts (bootstrap replicates); `None` means once each.
    pub counts: Option<&'a [u32]>,
    /// What `orders::orders` says of these probabilities, so that replicates need not sort; `None`: not yet sorted.
    pub orders: Option<&'a [u32]>,
}

impl<'a> Scored<'a> {
    /// Rows that count once each and are not yet sorted.
    #[must_use]
    pub fn new(truth: &'a [usize], predicted: &'a [usize], probabilities: &'a [f64], n_classes: usize) -> Self {
        Self { truth, predicted, probabilities, n_classes, view: View::default(), counts: None, orders: None }
    }

    /// How often this row counts.
    #[must_use]
    pub fn count(&self, row: usize) -> u64 {
        self.counts.map_or(1, |counts| u64::from(counts[row]))
    }

    /// The mean over the rows of a loss of (true class, the row's probabilities).
    ///
    /// # Errors
    /// `no rows` when none counts.
    pub fn mean_of_rows(&self, loss: impl Fn(usize, &[f64]) -> f64) -> Value {
        self.mean_of(|row| loss(self.truth[row], self.row(row)))
    }

    /// The mean over the rows of a value of the row.
    ///
    /// # Errors
    /// `no rows` when none counts.
    pub fn mean_of(&self, value: impl Fn(usize) -> f64) -> Value {
        let (mut sum, mut rows) = (0.0, 0_u64);
        for row in 0..self.truth.len() {
            let count = self.count(row);
            if count > 0 {
                sum += count as f64 * value(row);
                rows += count;
            }
        }
        if rows == 0 { Err("no rows") } else { Ok(sum / rows as f64) }
    }

    /// A loss of (true class, the row's probabilities) for each row.
    pub fn each_row(&self, loss: impl Fn(usize, &[f64]) -> f64) -> Vec<f64> {
        self.truth.iter().enumerate().map(|(row, truth)| loss(*truth, self.row(row))).collect()
    }

    fn row(&self, row: usize) -> &'a [f64] {
        &self.probabilities[row * self.n_classes..(row + 1) * self.n_classes]
    }
}

/// A value, or the reason why there is none (`1 class`). Never 0 or 0.5 in place of "not defined".
pub type Value = Result<f64, &'static str>;

/// A number that says how good predictions are.
pub trait Metric: Named + Sync {
    /// Whether more is better.
    fn direction(&self) -> Direction;
    /// True when it is to be given calibrated probabilities instead of the model's own scores.
    fn of_probabilities(&self) -> bool {
        false
    }
    /// The value over the rows.
    ///
    /// # Errors
    /// The reason why there is no value.
    fn score(&self, scored: &Scored<'_>) -> Value;
    /// True when it says something of rows that are all of one class: an error rate does, recall does not.
    fn of_one_class(&self) -> bool {
        false
    }
    /// True when the bootstrap of rows gives its interval. Where noise itself counts as error, replicates are worse than
    /// the rows they are drawn from, and no interval is better than a wrong one.
    fn has_interval(&self) -> bool {
        true
    }
    /// True when the value comes from the rows' order by probability, which is then sorted once for all replicates.
    fn ranks(&self) -> bool {
        false
    }
    /// What of an answer the value depends on.
    fn reads(&self) -> Reads {
        Reads::Scores
    }
    /// A value for each row, where the metric is their mean; `counts` are not looked at.
    fn of_rows(&self, _scored: &Scored<'_>) -> Option<Vec<f64>> {
        None
    }
}
