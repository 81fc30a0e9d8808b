//! Early stopping: a fit ends when a number has not got better for so many trees, and keeps the trees up to the best.

use std::ops::ControlFlow;

/// Looks at one number per tree.
#[derive(Debug, Clone)]
pub struct Patience {
    rounds: usize,
    maximize: bool,
    best: Option<(f64, usize)>,
}

impl Patience {
    /// Waits so many trees for a higher (`maximize`) or lower number; strictly, as LightGBM does.
    #[must_use]
    pub fn new(rounds: usize, maximize: bool) -> Self {
        Self { rounds, maximize, best: None }
    }

    /// Looks at the number after `n_trees` trees; says how many trees to keep when it is time to end. NaN is never better.
    pub fn see(&mut self, n_trees: usize, value: f64) -> ControlFlow<usize> {
        let is_better = |best: f64| if self.maximize { value > best } else { value < best };
        match self.best {
            Some((best, at)) if !is_better(best) => {
                if n_trees - at >= self.rounds {
                    ControlFlow::Break(at)
                } else {
                    ControlFlow::Continue(())
                }
            }
            None if value.is_nan() => ControlFlow::Continue(()),
            _ => {
                self.best = Some((value, n_trees));
                ControlFlow::Continue(())
            }
        }
    }

    /// The best number and after how many trees it was: what to keep when a fit has come to its end.
    #[must_use]
    pub fn best(&self) -> Option<(f64, usize)> {
        self.best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(rounds: usize, maximize: bool, values: &[f64]) -> (Option<usize>, Option<(f64, usize)>) {
        let mut patience = Patience::new(rounds, maximize);
        let end = (1..).zip(values).find_map(|(tree, value)| patience.see(tree, *value).break_value());
        (end, patience.best())
    }

    #[test]
    fn a_fit_ends_when_nothing_gets_better() {
        assert_eq!(ends(2, true, &[0.1, 0.3, 0.3, 0.2, 0.9]), (Some(2), Some((0.3, 2))));
        assert_eq!(ends(3, true, &[0.1, 0.3, 0.3, 0.2, 0.9]), (None, Some((0.9, 5))));
        assert_eq!(ends(1, false, &[0.5, 0.4, 0.4]), (Some(2), Some((0.4, 2))));
        assert_eq!(ends(2, true, &[f64::NAN, 0.2, f64::NAN, f64::NAN]), (Some(2), Some((0.2, 2))));
        assert_eq!(ends(2, true, &[f64::NAN; 5]), (None, None));
    }
}
