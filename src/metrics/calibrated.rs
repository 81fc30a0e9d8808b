//! Error metrics of the calibrated probabilities.
//!
//! A model with class weights gives scores that are not probabilities (its base rate is that of the weights). Where they
//! are judged, the weights are undone first; a metric that says so by `of_probabilities` is given the result. Without
//! class weights these metrics equal their plain namesakes.

use crate::catalog::Named;
use crate::metrics::metric::{Direction, Metric, Scored, Value};

/// A metric of the calibrated probabilities instead of the scores.
pub struct Calibrated {
    /// The name in configs.
    pub name: &'static str,
    /// One line: what it is.
    pub about: &'static str,
    /// The same metric of the scores.
    pub plain: &'static dyn Metric,
}

impl Named for Calibrated {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }
}

impl Metric for Calibrated {
    fn direction(&self) -> Direction {
        self.plain.direction()
    }

    fn of_probabilities(&self) -> bool {
        true
    }

    fn score(&self, scored: &Scored<'_>) -> Value {
        self.plain.score(scored)
    }

    fn of_rows(&self, scored: &Scored<'_>) -> Option<Vec<f64>> {
        self.plain.of_rows(scored)
    }

    fn of_one_class(&self) -> bool {
        self.plain.of_one_class()
    }
}
