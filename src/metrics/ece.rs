//! The expected calibration error: how far the probabilities are from what happened, over 10 bins of equal count.
//!
//! Formula, ties, more than two classes and the value that chance alone gives: `reliability`. It reads the calibrated
//! probabilities. It has no bootstrap interval: each replicate carries its own noise, which counts as error, so that
//! the replicates lie above the value; the null value says what noise does. Range 0…1.

use crate::catalog::Named;
use crate::metrics::metric::{Direction, Metric, Scored, Value};
use crate::metrics::reliability::expected_error;

/// The expected calibration error.
#[derive(Debug)]
pub struct Ece;

impl Named for Ece {
    fn name(&self) -> &'static str {
        "ece"
    }

    fn about(&self) -> &'static str {
        "expected calibration error of the probabilities with class weights undone, 10 bins of equal count"
    }
}

impl Metric for Ece {
    fn direction(&self) -> Direction {
        Direction::Minimize
    }

    fn of_probabilities(&self) -> bool {
        true
    }

    fn of_one_class(&self) -> bool {
        true
    }

    fn has_interval(&self) -> bool {
        false
    }

    fn score(&self, scored: &Scored<'_>) -> Value {
        expected_error(scored)
    }

    fn ranks(&self) -> bool {
        true
    }
}
