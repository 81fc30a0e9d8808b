//! `--letor-compat`: the numbers of LETOR 4.0's own script (`Eval-Score-4.0.pl`), which differ from everybody else's.
//!
//! NDCG@k: gain 2^grade − 1, discounts 1, 1, log2(3), log2(4), …; 0 when the query has fewer than k documents or none is relevant.
//! `MeanNDCG`: the mean of NDCG@1 … NDCG@n of a query with n documents, then over queries. P@k and MAP are the usual ones; queries
//! without a relevant document count 0. Ties by input order.

use super::convention::{Convention, Discount};
use super::list::Ranked;
use super::metric::RankingMetric as _;
use super::{map, ndcg};

/// The script's NDCG@k of one list.
#[must_use]
pub fn ndcg_at(list: &Ranked<'_>, k: usize) -> f64 {
    if list.grades.len() < k { 0.0 } else { of_prefix(list, k) }
}

/// The script's `MeanNDCG` of one list.
#[must_use]
pub fn mean_ndcg(list: &Ranked<'_>) -> f64 {
    let n = list.grades.len();
    (1..=n).map(|k| of_prefix(list, k)).sum::<f64>() / n.max(1) as f64
}

/// AP as the script has it.
#[must_use]
pub fn average_precision(list: &Ranked<'_>) -> f64 {
    map::MeanAveragePrecision.of_list(list, None).unwrap_or(0.0)
}

fn of_prefix(list: &Ranked<'_>, k: usize) -> f64 {
    let convention = Convention { discount: Discount::Letor, ..*list.convention };
    let list = Ranked {
        convention: &convention,
        grades: list.grades.clone(),
        tie_ends: Vec::new(),
        ideal: list.ideal.clone(),
    };
    ndcg::Ndcg.of_list(&list, Some(k)).unwrap_or(0.0)
}
