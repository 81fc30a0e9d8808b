//! LambdaRank's gradients (λ), as LightGBM 4.7.0 has them (`rank_objective.hpp`).
//!
//! A query's documents stand by score, ties in file order; document i of rank r (from 0) has the gain g = 2^label − 1 and
//! the discount d = 1 / log2(r + 2). For each pair of different labels of which at least one is among the first
//! `truncation` ranks, with `hi` the one with the higher label and `lo` the other, `Δs = s_hi − s_lo` and:
//!
//! ```text
//! Δ = (g_hi − g_lo) · |d_hi − d_lo| / maxDCG@truncation     (with `norm` and scores that differ: / (0.01 + |Δs|))
//! p = 1 / (1 + e^(σ Δs))
//! λ_hi −= σ p Δ     λ_lo += σ p Δ     second derivatives of both += σ² p (1 − p) Δ
//! ```
//!
//! With `norm`, all of a query's values are multiplied by log2(1 + S) / S, where S is the sum of 2 σ p Δ over its pairs.
//! A query whose labels are all equal, or of one document, has zeros.
//!
//! LightGBM reads p from a table of 2^20 places (an error of up to 1e-5) and adds up in f32: `Sigmoid::Table`, the
//! default, does the same, bit for bit, and so the trees are LightGBM's. `Sigmoid::Exact` is exact to 1e-14 and faster:
//! with `e_i = e^(σ s_i)`, p is `e_lo / (e_hi + e_lo)`, so a pair needs one division and no exponential. Neither ranks
//! better; but where two splits are nearly as good, the last digits decide, and on small test sets NDCG@10 of the two
//! may then differ by 0.02.

use std::ops::Range;

use pulp::Arch;
use rayon::prelude::*;

use super::objective::Objective;
use crate::error::{Error, Result};

mod pairs;
mod rules;
mod table;

use pairs::Pairs;
use rules::gain;
pub use rules::{Rules, Sigmoid};
use table::Table;

/// Labels above this one are refused.
const LARGEST_LABEL: u8 = 31;

/// A query as the sums over pairs see it.
#[derive(Debug)]
struct Query {
    rows: Range<usize>,
    /// 1 / maxDCG@truncation; 0 when all labels are equal.
    inverse: f64,
}

/// LambdaRank over queries.
#[derive(Debug)]
pub struct Lambda {
    rules: Rules,
    labels: Vec<u8>,
    queries: Vec<Query>,
    /// Discounts by rank.
    discounts: Vec<f64>,
    table: Option<Table>,
    /// The processor's abilities; the sums are the same whatever they are.
    pub(super) arch: Arch,
}

impl Lambda {
    /// The objective for documents with these labels; query q has the rows `offsets[q]..offsets[q + 1]`.
    ///
    /// # Errors
    /// `Invalid` for labels above 31, a σ or truncation that is not positive, or offsets that do not fit.
    pub fn new(labels: Vec<u8>, offsets: &[usize], rules: Rules) -> Result<Self> {
        if !(rules.sigma > 0.0 && rules.sigma.is_finite()) || rules.truncation == 0 {
            let message = format!("sigma {} and truncation {} must be above 0", rules.sigma, rules.truncation);
            return Err(Error::invalid(message));
        }
        if let Some(row) = labels.iter().position(|label| *label > LARGEST_LABEL) {
            return Err(Error::invalid(format!("label {} of row {} is above {LARGEST_LABEL}", labels[row], row + 1)));
        }
        let fits = offsets.first() == Some(&0) && offsets.last() == Some(&labels.len()) && offsets.is_sorted();
        if !fits {
            return Err(Error::invalid(format!("the offsets of queries do not divide {} rows", labels.len())));
        }
        let longest = offsets.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default();
        // As many as the longest list has places when it is filled up to whole lanes.
        let n_discounts = longest.next_multiple_of(pairs::LANES);
        let discounts: Vec<f64> = (0..n_discounts).map(|rank| 1.0 / (2.0 + rank as f64).log2()).collect();
        let queries = offsets.windows(2).map(|pair| {
            let rows = pair[0]..pair[1];
            let inverse = inverse_of_best(&labels[rows.clone()], &discounts, rules.truncation);
            Query { rows, inverse }
        });
        let queries = queries.collect();
        let table = (rules.sigmoid == Sigmoid::Table).then(|| Table::new(rules.sigma));
        Ok(Self { rules, labels, queries, discounts, table, arch: Arch::new() })
    }

    /// Number of queries that teach nothing: all labels are equal.
    #[must_use]
    pub fn n_silent(&self) -> usize {
        self.queries.iter().filter(|query| query.inverse == 0.0).count()
    }

    fn query(&self, query: &Query, scores: &[f64], gradients: &mut [[f32; 2]], pairs: &mut Pairs) {
        if query.inverse == 0.0 {
            gradients.fill([0.0; 2]);
            return;
        }
        let labels = &self.labels[query.rows.clone()];
        pairs.sort(labels, scores);
        match &self.table {
            Some(table) => table.sums(self.arch, &self.rules, (&self.discounts, query.inverse), pairs, gradients),
            None => pairs.sums(self.arch, &self.rules, &self.discounts, query.inverse, gradients),
        }
    }
}

/// 1 / maxDCG@truncation; 0 when all labels are equal.
fn inverse_of_best(labels: &[u8], discounts: &[f64], truncation: usize) -> f64 {
    if labels.iter().all(|label| *label == labels[0]) {
        return 0.0;
    }
    let mut sorted = labels.to_vec();
    sorted.sort_unstable_by(|one, other| other.cmp(one));
    let best = sorted.iter().zip(discounts).take(truncation).map(|(label, discount)| gain(*label) * discount);
    1.0 / best.sum::<f64>()
}

impl Objective for Lambda {
    fn gradients(&self, scores: &[f64], gradients: &mut [[f32; 2]]) {
        let mut rest = gradients;
        let mut work = Vec::with_capacity(self.queries.len());
        for query in &self.queries {
            let (of_query, others) = rest.split_at_mut(query.rows.len());
            work.push((query, of_query));
            rest = others;
        }
        work.into_par_iter().with_min_len(16).for_each_init(Pairs::default, |pairs, (query, gradients)| {
            self.query(query, &scores[query.rows.clone()], gradients, pairs);
        });
    }
}
