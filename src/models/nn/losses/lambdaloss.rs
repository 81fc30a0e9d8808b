//! `LambdaLoss`: NDCG-Loss2 and NDCG-Loss2++, Σ wᵢⱼ · log2(1 + e^−σ(sᵢ − sⱼ)) over all pairs with yᵢ > yⱼ.
//!
//! wᵢⱼ = |Gᵢ − Gⱼ| / maxDCG · (ρ + μ·δ), with ρ = |1/D(rᵢ) − 1/D(rⱼ)| of `LambdaRank`,
//! δ = |1/D(|rᵢ − rⱼ|) − 1/D(|rᵢ − rⱼ| + 1)|, D(r) = log2(r + 1), ranks by the present scores, constant in the derivative.
//! Wang et al., The `LambdaLoss` Framework for Ranking Metric Optimization, CIKM 2018 (its logarithm is to the base 2).
//!
//! `weights`: `ndcg2++` as above; `ndcg2` is δ alone; `lambdarank` is ρ alone. No relevant document, or no pairs: 0.

use super::lambdarank::GAIN;
use super::loss::{List, Loss, LossKind, Scratch};
use super::pairs::{Pairs, arrange, give_back};
use super::ranknet::SIGMA;
use crate::catalog::{Named, Param, ParamKind, ParamProblem, Params};
use crate::metrics::ranking::Gain;

/// The loss with its parameters: a pair's weight is |Gᵢ − Gⱼ| / maxDCG · (`rho`·ρ + `mu`·δ).
#[derive(Debug, Clone, Copy)]
pub struct LambdaLoss {
    /// σ, the steepness.
    pub sigma: f64,
    /// What a grade is worth.
    pub gain: Gain,
    /// How much the difference of discounts counts.
    pub rho: f64,
    /// How much the discount of the difference counts.
    pub mu: f64,
}

/// The kind `lambdaloss`.
#[derive(Debug, Clone, Copy)]
pub struct LambdaLossKind;

impl Named for LambdaLossKind {
    fn name(&self) -> &'static str {
        "lambdaloss"
    }

    fn about(&self) -> &'static str {
        "NDCG-Loss2++: pairs weighted so that the loss bounds NDCG more tightly than LambdaRank's"
    }
}

/// The parameters with their defaults.
pub const PARAMS: &[Param] = &[
    SIGMA,
    GAIN,
    Param {
        name: "weights",
        kind: ParamKind::Choice(&["ndcg2++", "ndcg2", "lambdarank"]),
        default: "\"ndcg2++\"",
        about: "which weights of the paper a pair gets",
    },
    Param {
        name: "mu",
        kind: ParamKind::Float { min: 0.0, inclusive: true },
        default: "10.0",
        about: "in ndcg2++, how much NDCG-Loss2 counts beside LambdaRank's weights",
    },
];

impl LossKind for LambdaLossKind {
    fn params(&self) -> &'static [Param] {
        PARAMS
    }

    fn configure(&self, params: &Params) -> Result<Box<dyn Loss>, ParamProblem> {
        let (rho, mu) = match params.str("weights") {
            "ndcg2" => (0.0, 1.0),
            "lambdarank" => (1.0, 0.0),
            _ => (1.0, params.f64("mu")),
        };
        Ok(Box::new(LambdaLoss { sigma: params.f64("sigma"), gain: Gain::parse(params.str("gain")), rho, mu }))
    }
}

impl Loss for LambdaLoss {
    fn of_list(&self, list: &List<'_>, gradient: &mut [f64], scratch: &mut Scratch) -> f64 {
        scratch.by_grade(list.grades);
        let ideal = scratch.ideal(list.grades, self.gain, usize::MAX);
        if ideal <= 0.0 {
            gradient.fill(0.0);
            return 0.0 * list.scores.iter().sum::<f64>();
        }
        scratch.rank(list.scores);
        let Scratch { order, ranks, columns, discounts: table, .. } = scratch;
        let [scores, weights, sorted, gains, places, gaps] = columns;
        arrange(|document| list.scores[document], order, scores);
        arrange(|_| 0.0, order, weights);
        arrange(|_| 0.0, order, sorted);
        arrange(|document| self.gain.of(list.grades[document]) / ideal, order, gains);
        arrange(|document| f64::from(ranks[document]), order, places);
        // The discount of each distance of ranks; no two documents have the distance 0.
        gaps.clear();
        gaps.push(0.0);
        gaps.extend(table.windows(2).take(order.len()).map(|pair| pair[0] - pair[1]));
        let pairs = Pairs { scores, grades: list.grades, order, sigma: self.sigma, weights, gradient: sorted };
        let (gains, places, gaps, table) = (&**gains, &**places, &**gaps, &**table);
        let sums = pairs.walk(
            #[inline(always)]
            |i, first, weights| {
                let (n, place) = (weights.len(), places[i] as usize);
                let others = gains[first..][..n].iter().zip(&places[first..][..n]);
                for (weight, (gain, other)) in weights.iter_mut().zip(others) {
                    let other = *other as usize;
                    let rho = (table[place] - table[other]).abs();
                    *weight = (gains[i] - gain) * (self.rho * rho + self.mu * gaps[place.abs_diff(other)]);
                }
            },
        );
        let factor = std::f64::consts::LN_2.recip();
        give_back(sorted, order, factor, gradient);
        sums.loss * factor
    }
}
