//! `LambdaRank`: Σ |ΔNDCG(i, j)| · ln(1 + e^−σ(sᵢ − sⱼ)) over all pairs with yᵢ > yⱼ.
//!
//! |ΔNDCG(i, j)| = |Gᵢ − Gⱼ| · |1/Dᵢ − 1/Dⱼ| / maxDCG is what exchanging the two would change; G = 2^y − 1 (or y),
//! D = log2(rank + 1) by the present scores (stable: ties by input order). It is held constant in the derivative, so the
//! gradient is Burges's λ: From `RankNet` to `LambdaRank` to `LambdaMART`, MSR-TR-2010-82.
//!
//! `truncation: k` with `truncate`:
//! - `lightgbm`: pairs of which at least one is above rank k count, with all discounts;
//! - `exact`: discounts below rank k are 0, so ΔNDCG is that of NDCG@k;
//! - `both`: pairs of which both are above rank k.
//!
//! maxDCG is cut at k too. `normalisation`: `none`; `pairs` divides by the number of pairs; `lightgbm` divides each pair by
//! 0.01 + |sᵢ − sⱼ| (unless all scores are equal) and multiplies the list by log2(1 + Σ|λ|) / Σ|λ|, as `lambdarank_norm` does.
//! Checked against LightGBM's `rank_objective.hpp` (4.7) with the exact logistic function in place of its table.
//!
//! No relevant document, or no pairs: 0.

use super::loss::{List, Loss, LossKind, Scratch};
use super::pairs::{Pairs, arrange, give_back};
use super::ranknet::SIGMA;
use crate::catalog::{Named, Param, ParamKind, ParamProblem, Params};
use crate::metrics::ranking::Gain;

/// Which pairs the truncation leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truncate {
    /// At least one above the cut, with all discounts.
    Lightgbm,
    /// Discounts below the cut are 0.
    Exact,
    /// Both above the cut.
    Both,
}

/// How a list's gradient is scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Normalisation {
    /// Not at all.
    None,
    /// By the number of pairs.
    Pairs,
    /// As LightGBM does by default.
    Lightgbm,
}

/// The loss with its parameters.
#[derive(Debug, Clone, Copy)]
pub struct LambdaRank {
    /// σ, the steepness.
    pub sigma: f64,
    /// What a grade is worth.
    pub gain: Gain,
    /// The rank at which NDCG is cut.
    pub truncation: Option<usize>,
    /// Which pairs the cut leaves.
    pub truncate: Truncate,
    /// How a list's gradient is scaled.
    pub normalisation: Normalisation,
}

/// The gain in configs.
pub(super) const GAIN: Param = Param {
    name: "gain",
    kind: ParamKind::Choice(&["exponential", "linear"]),
    default: "\"exponential\"",
    about: "what a grade is worth: 2^grade - 1, or the grade",
};

/// The kind `lambdarank`.
#[derive(Debug, Clone, Copy)]
pub struct LambdaRankKind;

impl Named for LambdaRankKind {
    fn name(&self) -> &'static str {
        "lambdarank"
    }

    fn about(&self) -> &'static str {
        "pairs weighted by what exchanging them would change in NDCG"
    }
}

/// The parameters with their defaults.
pub const PARAMS: &[Param] = &[
    SIGMA,
    GAIN,
    Param {
        name: "truncation",
        kind: ParamKind::Integer { min: 1 },
        default: "null",
        about: "the rank at which NDCG is cut, best slightly above the k that is measured; null: not cut",
    },
    Param {
        name: "truncate",
        kind: ParamKind::Choice(&["lightgbm", "exact", "both"]),
        default: "\"lightgbm\"",
        about: "pairs with one of the two above the cut, discounts of 0 below it, or only pairs with both above",
    },
    Param {
        name: "normalisation",
        kind: ParamKind::Choice(&["none", "pairs", "lightgbm"]),
        default: "\"none\"",
        about: "how a list's gradient is scaled: not, by its number of pairs, or as LightGBM's lambdarank_norm",
    },
];

impl LossKind for LambdaRankKind {
    fn params(&self) -> &'static [Param] {
        PARAMS
    }

    fn configure(&self, params: &Params) -> Result<Box<dyn Loss>, ParamProblem> {
        Ok(Box::new(LambdaRank {
            sigma: params.f64("sigma"),
            gain: Gain::parse(params.str("gain")),
            truncation: params.usize_opt("truncation"),
            truncate: match params.str("truncate") {
                "exact" => Truncate::Exact,
                "both" => Truncate::Both,
                _ => Truncate::Lightgbm,
            },
            normalisation: match params.str("normalisation") {
                "pairs" => Normalisation::Pairs,
                "lightgbm" => Normalisation::Lightgbm,
                _ => Normalisation::None,
            },
        }))
    }
}

impl Loss for LambdaRank {
    fn of_list(&self, list: &List<'_>, gradient: &mut [f64], scratch: &mut Scratch) -> f64 {
        let cut = self.truncation.unwrap_or(usize::MAX);
        scratch.by_grade(list.grades);
        let ideal = scratch.ideal(list.grades, self.gain, cut);
        if ideal <= 0.0 {
            gradient.fill(0.0);
            return 0.0 * list.scores.iter().sum::<f64>();
        }
        scratch.rank(list.scores);
        let Scratch { order, ranks, columns, discounts: table, .. } = scratch;
        let [scores, weights, sorted, gains, discounts, above] = columns;
        let rank = |document: usize| ranks[document] as usize;
        let cuts_discounts = self.truncate == Truncate::Exact;
        arrange(|document| list.scores[document], order, scores);
        arrange(|_| 0.0, order, weights);
        arrange(|_| 0.0, order, sorted);
        arrange(|document| self.gain.of(list.grades[document]) / ideal, order, gains);
        let discount = |rank: usize| if cuts_discounts && rank >= cut { 0.0 } else { table[rank] };
        arrange(|document| discount(rank(document)), order, discounts);
        arrange(|document| f64::from(u8::from(rank(document) < cut)), order, above);
        let spread = list.scores.iter().any(|score| *score != list.scores[0]);
        let by_gap = self.normalisation == Normalisation::Lightgbm && spread;
        let truncate = if self.truncation.is_some() { self.truncate } else { Truncate::Exact };
        let pairs = Pairs { scores, grades: list.grades, order, sigma: self.sigma, weights, gradient: sorted };
        let (scores, gains, discounts, above) = (&**scores, &**gains, &**discounts, &**above);
        let sums = pairs.walk(
            #[inline(always)]
            |i, first, weights| {
                let n = weights.len();
                let others = gains[first..][..n].iter().zip(&discounts[first..][..n]);
                for (weight, (gain, discount)) in weights.iter_mut().zip(others) {
                    *weight = (gains[i] - gain) * (discounts[i] - discount).abs();
                }
                let others = &above[first..][..n];
                match truncate {
                    Truncate::Exact => {}
                    Truncate::Lightgbm => {
                        weights.iter_mut().zip(others).for_each(|(weight, above_j)| *weight *= above[i].max(*above_j));
                    }
                    Truncate::Both => {
                        weights.iter_mut().zip(others).for_each(|(weight, above_j)| *weight *= above[i] * above_j);
                    }
                }
                if by_gap {
                    let others = &scores[first..][..n];
                    let gap = |score: &f64| 0.01 + (scores[i] - score).abs();
                    weights.iter_mut().zip(others).for_each(|(weight, score)| *weight /= gap(score));
                }
            },
        );
        let factor = match self.normalisation {
            Normalisation::Pairs if sums.pairs > 0.0 => 1.0 / sums.pairs,
            Normalisation::Lightgbm if sums.lambdas > 0.0 => (1.0 + sums.lambdas).log2() / sums.lambdas,
            _ => 1.0,
        };
        give_back(sorted, order, factor, gradient);
        sums.loss * factor
    }
}
