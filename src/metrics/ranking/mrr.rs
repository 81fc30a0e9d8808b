//! MRR@k: the mean over queries of 1 / (rank of the first relevant document), 0 when it is below rank k.

use super::list::Ranked;
use super::metric::RankingMetric;
use crate::catalog::Named;

/// The metric `mrr`.
#[derive(Debug, Clone, Copy)]
pub struct ReciprocalRank;

impl Named for ReciprocalRank {
    fn name(&self) -> &'static str {
        "mrr"
    }

    fn about(&self) -> &'static str {
        "one over the rank of the first relevant document"
    }
}

impl RankingMetric for ReciprocalRank {
    fn of_list(&self, list: &Ranked<'_>, at: Option<usize>) -> Option<f64> {
        let first = list.relevant().position(|relevant| relevant)?;
        Some(if first < list.cut(at) { 1.0 / (first + 1) as f64 } else { 0.0 })
    }
}
