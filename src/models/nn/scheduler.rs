//! The learning rate of each epoch.
//!
//! After a linear warm-up over the first `warm_up` epochs (the rate times (epoch + 1) / `warm_up`):
//! - `constant`;
//! - `cosine`: from the rate down to `least`, ½·(1 + cos(π·share of the epochs that are over));
//! - `plateau`: times `factor` whenever the validation metric has not risen for more than `patience` epochs, never below `least`.

use std::f64::consts::PI;

/// How the rate changes.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// Not at all.
    Constant,
    /// Down along a cosine.
    Cosine {
        /// The rate at the end.
        least: f64,
    },
    /// Down in steps when nothing gets better.
    Plateau {
        /// What it is multiplied by.
        factor: f64,
        /// Epochs to wait.
        patience: usize,
        /// The lowest rate.
        least: f64,
    },
}

/// The rate, the schedule, and where it stands.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Scheduler {
    rate: f64,
    schedule: Schedule,
    warm_up: usize,
    epochs: usize,
    /// What plateaus have made of the rate.
    reduced: f64,
    best: Option<f64>,
    waited: usize,
}

impl Scheduler {
    /// For training over at most `epochs`.
    #[must_use]
    pub fn new(rate: f64, schedule: Schedule, warm_up: usize, epochs: usize) -> Self {
        Self { rate, schedule, warm_up, epochs, reduced: rate, best: None, waited: 0 }
    }

    /// The rate of an epoch, from 0.
    #[must_use]
    pub fn rate(&self, epoch: usize) -> f64 {
        if epoch < self.warm_up {
            return self.rate * (epoch + 1) as f64 / self.warm_up as f64;
        }
        match self.schedule {
            Schedule::Constant => self.rate,
            Schedule::Cosine { least } => {
                let all = (self.epochs - self.warm_up.min(self.epochs)).max(1) as f64;
                let over = ((epoch - self.warm_up) as f64 / all).min(1.0);
                least + (self.rate - least) * 0.5 * (1.0 + (PI * over).cos())
            }
            Schedule::Plateau { .. } => self.reduced,
        }
    }

    /// Tells the validation metric (higher is better) of the epoch that is over.
    pub fn saw(&mut self, epoch: usize, metric: f64) {
        let Schedule::Plateau { factor, patience, least } = self.schedule else { return };
        if epoch < self.warm_up {
            return;
        }
        if self.best.is_none_or(|best| metric > best) {
            (self.best, self.waited) = (Some(metric), 0);
            return;
        }
        self.waited += 1;
        if self.waited > patience {
            (self.reduced, self.waited) = ((self.reduced * factor).max(least), 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Schedule, Scheduler};

    fn rates(schedule: Schedule, warm_up: usize, metrics: &[f64]) -> Vec<f64> {
        let mut scheduler = Scheduler::new(1.0, schedule, warm_up, metrics.len());
        let mut one = |(epoch, metric): (usize, &f64)| {
            let rate = scheduler.rate(epoch);
            scheduler.saw(epoch, *metric);
            (rate * 1e4).round() / 1e4
        };
        metrics.iter().enumerate().map(&mut one).collect()
    }

    #[test]
    fn rates_by_hand() {
        assert_eq!(rates(Schedule::Constant, 4, &[0.0; 6]), [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]);
        // torch 2.15: CosineAnnealingLR(T_max=4, eta_min=0.2) from 1.
        assert_eq!(rates(Schedule::Cosine { least: 0.2 }, 0, &[0.0; 4]), [1.0, 0.8828, 0.6, 0.3172]);
        assert_eq!(rates(Schedule::Cosine { least: 0.0 }, 2, &[0.0; 4]), [0.5, 1.0, 1.0, 0.5]);
        let plateau = Schedule::Plateau { factor: 0.5, patience: 1, least: 0.3 };
        let seen = [0.1, 0.2, 0.2, 0.2, 0.1, 0.3, 0.3, 0.3, 0.3];
        assert_eq!(rates(plateau, 0, &seen), [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.3]);
    }
}
