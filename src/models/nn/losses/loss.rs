//! The small house of ranking losses: what a loss is given, and what it must say.
//!
//! A loss sees one list: the scores of a query's documents and their grades. It gives its value and, in the same pass, its
//! derivative with respect to each score; one backward pass through the network follows from those. Everything is
//! computed in f64, whatever the network's own numbers are. Lists are never padded, so nothing can leak.
//!
//! Lists from which nothing can be learned (no relevant document, one document, all grades alike) have the value and
//! the gradient that the formula gives, 0 where it would divide by 0; never NaN. A NaN score makes the value NaN.

use crate::catalog::{Named, Param, ParamProblem, Params};
use crate::metrics::ranking::Gain;

/// The documents of one query.
#[derive(Debug, Clone, Copy)]
pub struct List<'a> {
    /// The network's scores.
    pub scores: &'a [f64],
    /// Relevance grades, 0 to 31, one for each score.
    pub grades: &'a [u8],
    /// What random choices are made from, with the epoch: the seed and the list.
    pub key: u64,
    /// The epoch.
    pub epoch: u64,
}

/// A ranking loss with its parameters.
pub trait Loss: Send + Sync {
    /// The value for one list; its derivative with respect to the scores is written into `gradient`.
    fn of_list(&self, list: &List<'_>, gradient: &mut [f64], scratch: &mut Scratch) -> f64;
}

/// A kind of loss: it knows its parameters and makes losses.
pub trait LossKind: Named + Sync {
    /// The parameters with their defaults.
    fn params(&self) -> &'static [Param];

    /// Makes a loss from checked parameters.
    ///
    /// # Errors
    /// What the parameter list alone cannot say.
    fn configure(&self, params: &Params) -> Result<Box<dyn Loss>, ParamProblem>;
}

/// Buffers that a thread keeps between lists.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Document at each place, by grade or by score.
    pub(super) order: Vec<u32>,
    /// The same, by score, with its sort keys.
    pub(super) keyed: Vec<(u64, u32)>,
    /// Rank of each document by score, from 0.
    pub(super) ranks: Vec<u32>,
    /// Columns of numbers, one for each use.
    pub(super) columns: [Vec<f64>; 6],
    /// 1 / log2(rank + 1) for ranks from 1.
    pub(super) discounts: Vec<f64>,
}

impl Scratch {
    /// Makes `discounts` hold ranks 1 to n, at least.
    pub(super) fn know_discounts(&mut self, n: usize) {
        let known = self.discounts.len();
        self.discounts.extend((known..n).map(|rank| 1.0 / (rank as f64 + 2.0).log2()));
    }

    /// Sorts the documents by score, descending and stable (−0 equals 0), into `keyed`; sets `ranks`.
    pub(super) fn rank(&mut self, scores: &[f64]) {
        self.keyed.clear();
        self.keyed.extend(scores.iter().enumerate().map(|(at, score)| (descending(*score), at as u32)));
        self.keyed.sort_unstable();
        self.ranks.resize(scores.len(), 0);
        for (rank, (_, document)) in self.keyed.iter().enumerate() {
            self.ranks[*document as usize] = rank as u32;
        }
    }

    /// Sorts the documents by grade, descending and stable, into `order`.
    pub(super) fn by_grade(&mut self, grades: &[u8]) {
        let mut starts = [0_u32; 257];
        grades.iter().for_each(|grade| starts[256 - usize::from(*grade)] += 1);
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        self.order.resize(grades.len(), 0);
        for (document, grade) in grades.iter().enumerate() {
            let place = &mut starts[255 - usize::from(*grade)];
            self.order[*place as usize] = document as u32;
            *place += 1;
        }
    }

    /// Σ gain · discount of the best order, down to rank `k`; needs `by_grade`.
    pub(super) fn ideal(&mut self, grades: &[u8], gain: Gain, k: usize) -> f64 {
        self.know_discounts(grades.len());
        let best = self.order.iter().take(k).map(|document| gain.of(grades[*document as usize]));
        best.zip(&self.discounts).map(|(gain, discount)| gain * discount).sum()
    }
}

/// A number that grows as the score falls; −0 and 0 are one.
fn descending(score: f64) -> u64 {
    let bits = (score + 0.0).to_bits();
    if bits >> 63 == 1 { bits } else { !bits & (u64::MAX >> 1) }
}

#[cfg(test)]
mod tests {
    use super::Scratch;
    use crate::metrics::ranking::Gain;

    #[test]
    fn documents_are_sorted_stably() {
        let mut scratch = Scratch::default();
        scratch.rank(&[0.0, 2.0, -0.0, f64::MAX, -1.0, 2.0, -3.5, 1e-300]);
        assert_eq!(scratch.ranks, [4, 1, 5, 0, 6, 2, 7, 3]);
        scratch.by_grade(&[0, 2, 1, 0, 31, 2]);
        assert_eq!(scratch.order, [4, 1, 5, 2, 0, 3]);
        assert_eq!(Gain::Exponential.of(31), 2_147_483_647.0);
        // 3/log2(2) + 1/log2(3).
        scratch.by_grade(&[1, 2]);
        assert!((scratch.ideal(&[1, 2], Gain::Exponential, 9) - 3.630_929_753_571_457_4).abs() < 1e-15);
        assert_eq!(scratch.ideal(&[1, 2], Gain::Exponential, 1), 3.0);
    }
}
