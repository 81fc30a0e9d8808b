//! Metrics that are one formula over the rows or the confusion matrix: a row of the `table` declares each.

use crate::catalog::Named;
use crate::metrics::counts::{ClassCounts, Confusion};
use crate::metrics::metric::{Average, Direction, Metric, Reads, Scored, Value};

/// A metric that is one formula.
#[derive(Debug, Clone, Copy)]
pub struct Declared {
    name: &'static str,
    about: &'static str,
    direction: Direction,
    formula: Formula,
    calibrated: bool,
}

#[derive(Debug, Clone, Copy)]
enum Formula {
    /// The mean over the rows of a value of the true and the predicted class.
    Answers(fn(usize, usize) -> f64),
    /// The mean over the rows of a value of the true class and the row's scores.
    Scores(fn(usize, &[f64]) -> f64),
    /// A value of each class, averaged over the classes.
    PerClass(Option<Average>, fn(&ClassCounts) -> f64),
    /// A value of the whole confusion matrix.
    Confusion(fn(&Confusion) -> Value),
}

/// The mean over the rows of a value of the true and the predicted class; higher is better.
pub(super) const fn of_answers(name: &'static str, about: &'static str, value: fn(usize, usize) -> f64) -> Declared {
    Declared { name, about, direction: Direction::Maximize, formula: Formula::Answers(value), calibrated: false }
}

/// The mean over the rows of a loss of the true class and the row's scores; lower is better.
pub(super) const fn loss(name: &'static str, about: &'static str, loss: fn(usize, &[f64]) -> f64) -> Declared {
    Declared { name, about, direction: Direction::Minimize, formula: Formula::Scores(loss), calibrated: false }
}

/// A value of each class, averaged; without an average, that of the evaluation. Higher is better.
pub(super) const fn per_class(
    name: &'static str,
    about: &'static str,
    average: Option<Average>,
    value: fn(&ClassCounts) -> f64,
) -> Declared {
    let formula = Formula::PerClass(average, value);
    Declared { name, about, direction: Direction::Maximize, formula, calibrated: false }
}

/// A value of the whole confusion matrix; higher is better.
pub(super) const fn of_confusion(name: &'static str, about: &'static str, value: fn(&Confusion) -> Value) -> Declared {
    Declared { name, about, direction: Direction::Maximize, formula: Formula::Confusion(value), calibrated: false }
}

impl Declared {
    /// The same metric of the calibrated probabilities instead of the scores: a model with class weights gives scores
    /// that are not probabilities, and the weights are undone first. Without class weights both are equal.
    pub(super) const fn calibrated(self, name: &'static str, about: &'static str) -> Self {
        Self { name, about, calibrated: true, ..self }
    }
}

impl Named for Declared {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }
}

impl Metric for Declared {
    fn direction(&self) -> Direction {
        self.direction
    }

    fn of_probabilities(&self) -> bool {
        self.calibrated
    }

    fn score(&self, scored: &Scored<'_>) -> Value {
        match self.formula {
            Formula::Answers(value) => scored.mean_of(|row| value(scored.truth[row], scored.predicted[row])),
            Formula::Scores(value) => scored.mean_of_rows(value),
            Formula::PerClass(average, value) => {
                let average = average.unwrap_or_else(|| scored.view.average(scored.n_classes));
                Ok(Confusion::of(scored)?.averaged(average, scored.view.positive.unwrap_or(1), value))
            }
            Formula::Confusion(value) => value(&Confusion::of(scored)?),
        }
    }

    /// What is a mean over rows says something of the rows of one class as well.
    fn of_one_class(&self) -> bool {
        matches!(self.formula, Formula::Answers(_) | Formula::Scores(_))
    }

    fn reads(&self) -> Reads {
        if matches!(self.formula, Formula::Scores(_)) { Reads::Scores } else { Reads::Labels }
    }

    fn of_rows(&self, scored: &Scored<'_>) -> Option<Vec<f64>> {
        match self.formula {
            Formula::Answers(value) => {
                let rows = scored.truth.iter().zip(scored.predicted);
                Some(rows.map(|(truth, predicted)| value(*truth, *predicted)).collect())
            }
            Formula::Scores(value) => Some(scored.each_row(value)),
            Formula::PerClass(..) | Formula::Confusion(_) => None,
        }
    }
}
