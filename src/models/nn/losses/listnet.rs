//! `ListNet`: the cross entropy −Σ Pᵢ · ln softmax(s)ᵢ between two top-one probabilities.
//!
//! P from the grades: `softmax` softmax(y) as in the paper; `labels` y / Σy; `gain` (2^y − 1) / Σ(2^y − 1). Derivative:
//! softmax(s)·ΣP − P. Cao et al., Learning to Rank: From Pairwise Approach to Listwise Approach, ICML 2007.
//! With `labels` and `gain`, a list without relevant documents has the loss 0.

use super::loss::{List, Loss, LossKind, Scratch};
use crate::catalog::{Named, Param, ParamKind, ParamProblem, Params};

/// How grades become probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Their softmax.
    Softmax,
    /// Their share of the sum.
    Labels,
    /// The share of 2^y − 1.
    Gain,
}

/// The loss with its parameters.
#[derive(Debug, Clone, Copy)]
pub struct ListNet {
    /// How grades become probabilities.
    pub target: Target,
}

/// The kind `listnet`.
#[derive(Debug, Clone, Copy)]
pub struct ListNetKind;

impl Named for ListNetKind {
    fn name(&self) -> &'static str {
        "listnet"
    }

    fn about(&self) -> &'static str {
        "cross entropy between the probabilities to be first, by grades and by scores"
    }
}

/// The parameters with their defaults.
pub const PARAMS: &[Param] = &[Param {
    name: "target",
    kind: ParamKind::Choice(&["softmax", "labels", "gain"]),
    default: "\"softmax\"",
    about: "how grades become probabilities: softmax(y), y / sum, or (2^y - 1) / sum",
}];

impl LossKind for ListNetKind {
    fn params(&self) -> &'static [Param] {
        PARAMS
    }

    fn configure(&self, params: &Params) -> Result<Box<dyn Loss>, ParamProblem> {
        let target = match params.str("target") {
            "labels" => Target::Labels,
            "gain" => Target::Gain,
            _ => Target::Softmax,
        };
        Ok(Box::new(ListNet { target }))
    }
}

impl Loss for ListNet {
    fn of_list(&self, list: &List<'_>, gradient: &mut [f64], _scratch: &mut Scratch) -> f64 {
        let most = list.scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for (power, score) in gradient.iter_mut().zip(list.scores) {
            *power = (score - most).exp();
        }
        let sum: f64 = gradient.iter().sum();
        let highest = f64::from(list.grades.iter().copied().max().unwrap_or(0));
        let worth = |grade: u8| match self.target {
            Target::Softmax => (f64::from(grade) - highest).exp(),
            Target::Labels => f64::from(grade),
            Target::Gain => f64::from(grade).exp2() - 1.0,
        };
        let total: f64 = list.grades.iter().map(|grade| worth(*grade)).sum();
        if total <= 0.0 {
            gradient.fill(0.0);
            return 0.0 * list.scores.iter().sum::<f64>();
        }
        let log = sum.ln() + most;
        let mut loss = 0.0;
        for ((power, score), grade) in gradient.iter_mut().zip(list.scores).zip(list.grades) {
            let target = worth(*grade) / total;
            loss += target * (log - score);
            *power = *power / sum - target;
        }
        loss
    }
}
