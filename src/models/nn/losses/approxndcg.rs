//! `ApproxNDCG`: −NDCG with the smooth rank rᵢ = 1 + Σⱼ≠ᵢ 1 / (1 + e^−α(sⱼ − sᵢ)).
//!
//! −Σ Gᵢ / log2(1 + rᵢ) / maxDCG. Qin, Liu, Li: A General Approximation Framework for Direct Optimization of Information
//! Retrieval Measures, Information Retrieval 13 (2010); α = 1 / temperature.
//!
//! Only documents with a gain have a rank that matters, so the cost is (documents with a gain) × (documents). With
//! cᵢ = Gᵢ / (maxDCG · ln 2 · (1 + rᵢ) · log2(1 + rᵢ)²) the derivative is Σᵢ cᵢ · ∂rᵢ/∂s. No relevant document: 0.

#![expect(clippy::inline_always, reason = "what is compiled for the processor at hand must be inlined there")]

use pulp::{Arch, Simd, WithSimd};

use super::lambdarank::GAIN;
use super::logistic::logistic;
use super::loss::{List, Loss, LossKind, Scratch};
use super::pairs::LANES;
use crate::catalog::{Named, Param, ParamKind, ParamProblem, Params};
use crate::metrics::ranking::Gain;

/// The loss with its parameters.
#[derive(Debug, Clone, Copy)]
pub struct ApproxNdcg {
    /// α = 1 / temperature.
    pub alpha: f64,
    /// What a grade is worth.
    pub gain: Gain,
}

/// The kind `approxndcg`.
#[derive(Debug, Clone, Copy)]
pub struct ApproxNdcgKind;

impl Named for ApproxNdcgKind {
    fn name(&self) -> &'static str {
        "approxndcg"
    }

    fn about(&self) -> &'static str {
        "NDCG itself, with ranks made smooth"
    }
}

/// The parameters with their defaults.
pub const PARAMS: &[Param] = &[
    Param {
        name: "temperature",
        kind: ParamKind::Float { min: 0.0, inclusive: false },
        default: "0.1",
        about: "how smooth ranks are: towards 0 they are whole numbers",
    },
    GAIN,
];

impl LossKind for ApproxNdcgKind {
    fn params(&self) -> &'static [Param] {
        PARAMS
    }

    fn configure(&self, params: &Params) -> Result<Box<dyn Loss>, ParamProblem> {
        Ok(Box::new(ApproxNdcg { alpha: 1.0 / params.f64("temperature"), gain: Gain::parse(params.str("gain")) }))
    }
}

impl Loss for ApproxNdcg {
    fn of_list(&self, list: &List<'_>, gradient: &mut [f64], scratch: &mut Scratch) -> f64 {
        scratch.by_grade(list.grades);
        let ideal = scratch.ideal(list.grades, self.gain, usize::MAX);
        gradient.fill(0.0);
        if ideal <= 0.0 {
            return 0.0 * list.scores.iter().sum::<f64>();
        }
        let n = list.grades.len();
        let [scores, slopes, sums, ..] = &mut scratch.columns;
        let room = n.next_multiple_of(LANES);
        scores.clear();
        scores.extend_from_slice(list.scores);
        slopes.resize(room, 0.0);
        sums.clear();
        sums.resize(room, 0.0);
        // Beyond the end: infinitely far below, so their share in any rank is 0.
        scores.resize(room, f64::NEG_INFINITY);
        let gains = |document: usize| self.gain.of(list.grades[document]) / ideal;
        let walk = Walk { alpha: self.alpha, gains, n, scores, slopes, gradient: sums };
        let loss = Arch::new().dispatch(walk);
        gradient.copy_from_slice(&sums[..n]);
        loss
    }
}

/// All documents with a gain.
struct Walk<'a, G: Fn(usize) -> f64> {
    alpha: f64,
    gains: G,
    n: usize,
    scores: &'a [f64],
    slopes: &'a mut [f64],
    gradient: &'a mut [f64],
}

impl<G: Fn(usize) -> f64> WithSimd for Walk<'_, G> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) -> f64 {
        let mut loss = 0.0;
        for document in 0..self.n {
            let gain = (self.gains)(document);
            if gain > 0.0 {
                let columns = (self.scores, &mut *self.slopes, &mut *self.gradient);
                loss -= document_with_gain(self.alpha, gain, document, columns);
            }
        }
        loss
    }
}

/// gain / log2(1 + r) of one document; what it adds to the derivative of the loss goes into the last column.
#[inline(always)]
fn document_with_gain(
    alpha: f64,
    gain: f64,
    document: usize,
    (scores, slopes, gradient): (&[f64], &mut [f64], &mut [f64]),
) -> f64 {
    let score = scores[document];
    let (mut ranks, mut total) = ([0.0; LANES], [0.0; LANES]);
    let (all, _) = scores.as_chunks::<LANES>();
    for (others, slopes) in all.iter().zip(slopes.as_chunks_mut::<LANES>().0) {
        // Copies, because short loops over numbers that might overlap do not become vector code.
        let others = *others;
        let mut share = [0.0; LANES];
        for lane in 0..LANES {
            share[lane] = logistic(alpha * (score - others[lane]));
        }
        for lane in 0..LANES {
            ranks[lane] += share[lane];
            share[lane] = alpha * share[lane] * (1.0 - share[lane]);
            total[lane] += share[lane];
        }
        *slopes = share;
    }
    // Against itself a document has the share ½, which is no part of its rank.
    let rank = 0.5 + ranks.iter().sum::<f64>();
    let log = (1.0 + rank).log2();
    let slope = gain / (std::f64::consts::LN_2 * (1.0 + rank) * log * log);
    for (gradient, others) in gradient.as_chunks_mut::<LANES>().0.iter_mut().zip(slopes.as_chunks::<LANES>().0) {
        for lane in 0..LANES {
            gradient[lane] = slope.mul_add(others[lane], gradient[lane]);
        }
    }
    gradient[document] -= slope * total.iter().sum::<f64>();
    gain / log
}
