//! `ListMLE`: the negative log likelihood of the best order, Σᵢ wᵢ · (ln Σⱼ≥ᵢ e^sⱼ − sᵢ), documents in order of their grade.
//!
//! Xia et al., Listwise Approach to Learning to Rank: Theory and Algorithm, ICML 2008. `weights`: `none` wᵢ = 1;
//! `position` wᵢ = 2^(n−i) − 1 (p-ListMLE, Lan et al., UAI 2014; infinite for lists of more than 1,000 documents, where
//! training stops and says so); `dcg` wᵢ = 1 / log2(i + 1). `truncation: k` keeps the first k terms. `reduction: mean` divides
//! by the number of documents (terms).
//!
//! Equal grades have no order of their own. `ties: random` draws one from (seed, list, epoch), so anew each epoch; `once` from
//! (seed, list); `file` takes the order of the file, which lets a network learn the file instead of the grades: 0.05 NDCG@10
//! less on the test part of MQ2008.
//!
//! Derivative: e^(sₖ − lseₖ)·Bₖ − wₖ with lseₖ = ln Σⱼ≥ₖ e^sⱼ and Bₖ = Bₖ₋₁·e^(lseₖ − lseₖ₋₁) + wₖ: all factors are at most 1.

use rand::Rng as _;

use super::loss::{List, Loss, LossKind, Scratch};
use super::ranknet::reduction;
use crate::catalog::{Named, Param, ParamKind, ParamProblem, Params};
use crate::stats::generator::generator;

/// What a place in the list counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weights {
    /// All the same.
    None,
    /// 2^(n−i) − 1.
    Position,
    /// 1 / log2(i + 1).
    Dcg,
}

/// The order of equal grades.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ties {
    /// As in the file.
    File,
    /// Drawn from the list's key.
    Once,
    /// Drawn from the list's key and the epoch.
    Random,
}

/// The loss with its parameters.
#[derive(Debug, Clone, Copy)]
pub struct ListMle {
    /// What a place counts.
    pub weights: Weights,
    /// How many places count.
    pub truncation: Option<usize>,
    /// Whether the sum is divided by the number of terms.
    pub mean: bool,
    /// The order of equal grades.
    pub ties: Ties,
}

/// The kind `listmle`.
#[derive(Debug, Clone, Copy)]
pub struct ListMleKind;

impl Named for ListMleKind {
    fn name(&self) -> &'static str {
        "listmle"
    }

    fn about(&self) -> &'static str {
        "the likelihood of the order by grades when documents are drawn by their scores"
    }
}

/// The parameters with their defaults.
pub const PARAMS: &[Param] = &[
    Param {
        name: "weights",
        kind: ParamKind::Choice(&["none", "position", "dcg"]),
        default: "\"none\"",
        about: "what a place in the list counts: all the same, 2^(n-i) - 1, or 1 / log2(i + 1)",
    },
    Param {
        name: "truncation",
        kind: ParamKind::Integer { min: 1 },
        default: "null",
        about: "how many places count; null: all",
    },
    reduction("\"mean\""),
    Param {
        name: "ties",
        kind: ParamKind::Choice(&["random", "once", "file"]),
        default: "\"random\"",
        about: "the order of equal grades: drawn by the seed anew each epoch, drawn once, or that of the file",
    },
];

impl LossKind for ListMleKind {
    fn params(&self) -> &'static [Param] {
        PARAMS
    }

    fn configure(&self, params: &Params) -> Result<Box<dyn Loss>, ParamProblem> {
        Ok(Box::new(ListMle {
            weights: match params.str("weights") {
                "position" => Weights::Position,
                "dcg" => Weights::Dcg,
                _ => Weights::None,
            },
            truncation: params.usize_opt("truncation"),
            mean: params.str("reduction") == "mean",
            ties: match params.str("ties") {
                "file" => Ties::File,
                "once" => Ties::Once,
                _ => Ties::Random,
            },
        }))
    }
}

impl ListMle {
    fn weight(&self, place: usize, n: usize) -> f64 {
        match self.weights {
            Weights::None => 1.0,
            Weights::Position => ((n - place - 1) as f64).exp2() - 1.0,
            Weights::Dcg => 1.0 / (place as f64 + 2.0).log2(),
        }
    }
}

impl Loss for ListMle {
    fn of_list(&self, list: &List<'_>, gradient: &mut [f64], scratch: &mut Scratch) -> f64 {
        let n = list.grades.len();
        scratch.by_grade(list.grades);
        match self.ties {
            Ties::File => {}
            Ties::Once => shuffle_equals(list, 0, &mut scratch.order),
            Ties::Random => shuffle_equals(list, list.epoch, &mut scratch.order),
        }
        let (order, logs) = (&scratch.order, &mut scratch.columns[0]);
        let terms = self.truncation.unwrap_or(n).min(n);
        // ln Σⱼ≥ᵢ e^sⱼ, from the end.
        logs.resize(n, 0.0);
        let mut log = f64::NEG_INFINITY;
        for (place, document) in order.iter().enumerate().rev() {
            let score = list.scores[*document as usize];
            let (high, low) = if log > score { (log, score) } else { (score, log) };
            log = high + (low - high).exp().ln_1p();
            logs[place] = log;
        }
        let factor = if self.mean && terms > 0 { 1.0 / terms as f64 } else { 1.0 };
        let (mut loss, mut sum, mut before) = (0.0, 0.0, 0.0);
        for (place, document) in order.iter().enumerate() {
            let (document, log) = (*document as usize, logs[place]);
            let score = list.scores[document];
            let weight = if place < terms { self.weight(place, n) } else { 0.0 };
            sum = if place == 0 { weight } else { f64::mul_add(sum, (log - before).exp(), weight) };
            before = log;
            loss += weight * (log - score);
            gradient[document] = ((score - log).exp() * sum - weight) * factor;
        }
        loss * factor
    }
}

/// Shuffles each stretch of equal grades.
fn shuffle_equals(list: &List<'_>, epoch: u64, order: &mut [u32]) {
    let mut random = generator(*b"tieorder", list.key, epoch);
    for stretch in order.chunk_by_mut(|left, right| list.grades[*left as usize] == list.grades[*right as usize]) {
        for last in (1..stretch.len()).rev() {
            // The high half of a 64 × 64-bit product: a whole number below last + 1.
            let other = (u128::from(random.next_u64()) * (last as u128 + 1)) >> 64;
            stretch.swap(last, other as usize);
        }
    }
}
