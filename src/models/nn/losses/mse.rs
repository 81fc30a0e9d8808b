//! The mean squared error, Σ (sᵢ − yᵢ)² / n: ranking as regression on the grades, what the other losses are to beat.

use super::loss::{List, Loss, LossKind, Scratch};
use crate::catalog::{Named, Param, ParamProblem, Params};

/// The loss, and its kind.
#[derive(Debug, Clone, Copy)]
pub struct Mse;

impl Named for Mse {
    fn name(&self) -> &'static str {
        "mse"
    }

    fn about(&self) -> &'static str {
        "squared error of the grades: regression, no ranking"
    }
}

/// There are none.
pub const PARAMS: &[Param] = &[];

impl LossKind for Mse {
    fn params(&self) -> &'static [Param] {
        PARAMS
    }

    fn configure(&self, _params: &Params) -> Result<Box<dyn Loss>, ParamProblem> {
        Ok(Box::new(Self))
    }
}

impl Loss for Mse {
    fn of_list(&self, list: &List<'_>, gradient: &mut [f64], _scratch: &mut Scratch) -> f64 {
        let n = list.scores.len() as f64;
        let mut loss = 0.0;
        for ((slope, score), grade) in gradient.iter_mut().zip(list.scores).zip(list.grades) {
            let off = score - f64::from(*grade);
            loss += off * off / n;
            *slope = 2.0 * off / n;
        }
        loss
    }
}
