//! Binary log-loss: with y ∈ {0, 1} and p = 1 / (1 + e^−s), gradient p − y and second derivative p · (1 − p).
//!
//! Boosting starts from the log-odds of the base rate. Checked against LightGBM 4.7.0 (`objective="binary"`).

use rayon::prelude::*;

use super::objective::Objective;
use crate::error::{Error, Result};

/// Log-loss over two classes.
#[derive(Debug)]
pub struct Logistic {
    is_positive: Vec<bool>,
    start: f64,
}

impl Logistic {
    /// The objective for these rows.
    ///
    /// # Errors
    /// `Invalid` when one of the classes is missing.
    pub fn new(is_positive: Vec<bool>) -> Result<Self> {
        let positive = is_positive.iter().filter(|is| **is).count();
        let negative = is_positive.len() - positive;
        if positive == 0 || negative == 0 {
            return Err(Error::invalid(format!(
                "two classes are needed, got {positive} positive and {negative} negative rows"
            )));
        }
        let rate = positive as f64 / is_positive.len() as f64;
        Ok(Self { is_positive, start: (rate / (1.0 - rate)).ln() })
    }

    /// The probability that a score means.
    #[must_use]
    pub fn probability(score: f64) -> f64 {
        1.0 / (1.0 + (-score).exp())
    }
}

impl Objective for Logistic {
    fn start(&self) -> f64 {
        self.start
    }

    fn gradients(&self, scores: &[f64], gradients: &mut [[f32; 2]]) {
        let rows = gradients.par_iter_mut().with_min_len(4096).zip(scores).zip(&self.is_positive);
        rows.for_each(|((to, score), is_positive)| {
            // LightGBM's form: with t = ±1, response = −t / (1 + e^(t·s)), which stays exact for large |s|.
            let sign = if *is_positive { 1.0 } else { -1.0 };
            let response = -sign / (1.0 + (sign * score).exp());
            *to = [response as f32, (response.abs() * (1.0 - response.abs())) as f32];
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derivatives_are_those_of_log_loss() {
        let objective = Logistic::new(vec![true, false, false, true]).unwrap();
        assert_eq!(objective.start(), 0.0);
        let mut gradients = [[0.0; 2]; 4];
        objective.gradients(&[0.0, 0.0, 2.0, -800.0], &mut gradients);
        assert_eq!(gradients[0], [-0.5, 0.25]);
        assert_eq!(gradients[1], [0.5, 0.25]);
        let p = Logistic::probability(2.0);
        assert!((f64::from(gradients[2][0]) - p).abs() < 1e-7);
        assert!((f64::from(gradients[2][1]) - p * (1.0 - p)).abs() < 1e-7);
        assert_eq!(gradients[3], [-1.0, 0.0]);
        assert!((Logistic::new(vec![true, false, false, false]).unwrap().start() - (1.0_f64 / 3.0).ln()).abs() < 1e-15);
        assert!(Logistic::new(vec![true; 3]).unwrap_err().message.contains("0 negative"));
    }
}
