//! `RankNet`: Σ ln(1 + e^−σ(sᵢ − sⱼ)) over all pairs with yᵢ > yⱼ.
//!
//! Burges et al., Learning to Rank using Gradient Descent, ICML 2005. By `reduction: mean` divided by the number of pairs;
//! by `ties: half` pairs of equal grades count with the target ½, as in the paper: ½·ln(1 + e^−σd) + ½·ln(1 + e^σd).
//! No pairs: 0.

use super::logistic::softplus_and_logistic;
use super::loss::{List, Loss, LossKind, Scratch};
use super::pairs::{Pairs, Sums, arrange, give_back};
use crate::catalog::{Named, Param, ParamKind, ParamProblem, Params};

/// The loss with its parameters.
#[derive(Debug, Clone, Copy)]
pub struct RankNet {
    /// σ, the steepness.
    pub sigma: f64,
    /// Whether the sum is divided by the number of pairs.
    pub mean: bool,
    /// Whether documents of equal grade are drawn together.
    pub half_ties: bool,
}

/// The steepness of the logistic function.
pub(super) const SIGMA: Param = Param {
    name: "sigma",
    kind: ParamKind::Float { min: 0.0, inclusive: false },
    default: "1.0",
    about: "steepness of the logistic function of a difference of scores",
};

/// Sum or mean.
pub(super) const fn reduction(default: &'static str) -> Param {
    Param {
        name: "reduction",
        kind: ParamKind::Choice(&["sum", "mean"]),
        default,
        about: "whether a list's loss is the sum or the mean over its pairs (documents)",
    }
}

/// The kind `ranknet`.
#[derive(Debug, Clone, Copy)]
pub struct RankNetKind;

impl Named for RankNetKind {
    fn name(&self) -> &'static str {
        "ranknet"
    }

    fn about(&self) -> &'static str {
        "the probability that a pair is in the right order; all pairs count alike"
    }
}

/// The parameters with their defaults.
pub const PARAMS: &[Param] = &[
    SIGMA,
    reduction("\"sum\""),
    Param {
        name: "ties",
        kind: ParamKind::Choice(&["skip", "half"]),
        default: "\"skip\"",
        about: "pairs of equal grades: not counted, or drawn together with the target one half",
    },
];

impl LossKind for RankNetKind {
    fn params(&self) -> &'static [Param] {
        PARAMS
    }

    fn configure(&self, params: &Params) -> Result<Box<dyn Loss>, ParamProblem> {
        Ok(Box::new(RankNet {
            sigma: params.f64("sigma"),
            mean: params.str("reduction") == "mean",
            half_ties: params.str("ties") == "half",
        }))
    }
}

impl Loss for RankNet {
    fn of_list(&self, list: &List<'_>, gradient: &mut [f64], scratch: &mut Scratch) -> f64 {
        scratch.by_grade(list.grades);
        let order = &scratch.order;
        let [scores, weights, sorted, ..] = &mut scratch.columns;
        arrange(|document| list.scores[document], order, scores);
        arrange(|_| 0.0, order, weights);
        arrange(|_| 0.0, order, sorted);
        let pairs = Pairs { scores, grades: list.grades, order, sigma: self.sigma, weights, gradient: sorted };
        let mut sums = pairs.walk(
            #[inline(always)]
            |_, _, weights| weights.fill(1.0),
        );
        if self.half_ties {
            self.draw_together(list, order, sorted, &mut sums);
        }
        let factor = if self.mean && sums.pairs > 0.0 { 1.0 / sums.pairs } else { 1.0 };
        give_back(sorted, order, factor, gradient);
        sums.loss * factor
    }
}

impl RankNet {
    fn draw_together(&self, list: &List<'_>, order: &[u32], sorted: &mut [f64], sums: &mut Sums) {
        for i in 0..order.len() {
            let document = order[i] as usize;
            for j in i + 1..order.len() {
                let other = order[j] as usize;
                if list.grades[document] != list.grades[other] {
                    break;
                }
                let d = self.sigma * (list.scores[document] - list.scores[other]);
                let (softplus, share) = softplus_and_logistic(d);
                // ½·softplus(−d) + ½·softplus(d) = softplus(−d) + d / 2.
                sums.loss += softplus + 0.5 * d;
                let lambda = self.sigma * (share - 0.5);
                sorted[i] -= lambda;
                sorted[j] += lambda;
                sums.pairs += 1.0;
            }
        }
    }
}
