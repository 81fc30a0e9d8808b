//! Two models' answers to the same rows.
//!
//! Shapes: `truth` and `predicted` hold n classes; `scores` and `probabilities` are row-major n × `n_classes`. Rows stand
//! in the same order on both sides; that they are the same rows is the caller's business.

use crate::error::{Error, Result};
use crate::metrics::{Metric, Scored};

/// What one model says of the rows.
#[derive(Debug, Clone, Copy)]
pub struct Answers<'a> {
    /// The class of each row, at the model's own threshold.
    pub predicted: &'a [usize],
    /// The model's scores.
    pub scores: &'a [f64],
    /// Its calibrated probabilities; the scores where there are no others.
    pub probabilities: &'a [f64],
}

/// The rows with both answers.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'a> {
    /// True class of each row.
    pub truth: &'a [usize],
    /// Number of classes; with two, class 1 is the positive one.
    pub n_classes: usize,
    /// The model that the other is held against.
    pub baseline: Answers<'a>,
    /// The other.
    pub candidate: Answers<'a>,
}

impl Pair<'_> {
    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.truth.len()
    }

    /// Checks lengths, classes and numbers.
    ///
    /// # Errors
    /// `Invalid`, naming the side and the row.
    pub fn check(&self) -> Result<()> {
        let rows = self.rows();
        if u32::try_from(rows).is_err() {
            return Err(Error::invalid(format!("expected fewer than 2^32 rows, got {rows}")));
        }
        in_range("true classes", self.truth, self.n_classes)?;
        for (side, answers) in [("baseline", &self.baseline), ("candidate", &self.candidate)] {
            if answers.predicted.len() != rows {
                let got = answers.predicted.len();
                return Err(Error::invalid(format!("the {side} has {got} predictions for {rows} rows")));
            }
            in_range(&format!("predictions of the {side}"), answers.predicted, self.n_classes)?;
            for (what, values) in [("scores", answers.scores), ("probabilities", answers.probabilities)] {
                let expected = rows * self.n_classes;
                if values.len() != expected {
                    let got = values.len();
                    return Err(Error::invalid(format!("expected {expected} {what} of the {side}, got {got}")));
                }
                if let Some(at) = values.iter().position(|value| !value.is_finite()) {
                    let (row, value) = (at / self.n_classes + 1, values[at]);
                    return Err(Error::invalid(format!("the {what} of the {side} in row {row} hold {value}"))
                        .hint("the model is damaged, or its training diverged: train it again"));
                }
            }
        }
        Ok(())
    }

    /// Both sides as the metric reads them: baseline, candidate.
    pub(super) fn scored(&self, metric: &dyn Metric) -> [Scored<'_>; 2] {
        [&self.baseline, &self.candidate].map(|answers| {
            let values = if metric.of_probabilities() { answers.probabilities } else { answers.scores };
            Scored::new(self.truth, answers.predicted, values, self.n_classes)
        })
    }
}

fn in_range(what: &str, classes: &[usize], n_classes: usize) -> Result<()> {
    match classes.iter().position(|class| *class >= n_classes) {
        None => Ok(()),
        Some(row) => Err(Error::invalid(format!(
            "the {what} name class {} in row {}, but there are {n_classes} classes",
            classes[row],
            row + 1
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_does_not_fit() {
        let (truth, scores) = ([0, 1], [0.9, 0.1, 0.2, 0.8]);
        let good = Answers { predicted: &truth, scores: &scores, probabilities: &scores };
        let pair = Pair { truth: &truth, n_classes: 2, baseline: good, candidate: good };
        assert!(pair.check().is_ok());
        let message = |candidate| Pair { candidate, ..pair }.check().expect_err("it does not fit").message;
        assert_eq!(message(Answers { predicted: &[1], ..good }), "the candidate has 1 predictions for 2 rows");
        assert_eq!(message(Answers { scores: &scores[..3], ..good }), "expected 4 scores of the candidate, got 3");
        assert_eq!(
            message(Answers { predicted: &[1, 2], ..good }),
            "the predictions of the candidate name class 2 in row 2, but there are 2 classes"
        );
        assert_eq!(
            message(Answers { probabilities: &[0.9, 0.1, f64::NAN, 0.8], ..good }),
            "the probabilities of the candidate in row 2 hold NaN"
        );
        let three = Pair { truth: &[0, 2], ..pair }.check().expect_err("class 2 of two");
        assert_eq!(three.message, "the true classes name class 2 in row 2, but there are 2 classes");
    }
}
