//! Recall@k: relevant documents down to rank k over all relevant documents of the query. Not defined where there are none.

use super::list::Ranked;
use super::metric::RankingMetric;
use super::precision_at::found;
use crate::catalog::Named;

/// The metric `recall`.
#[derive(Debug, Clone, Copy)]
pub struct RecallAt;

impl Named for RecallAt {
    fn name(&self) -> &'static str {
        "recall"
    }

    fn about(&self) -> &'static str {
        "share of the relevant documents that are among the first k"
    }
}

impl RankingMetric for RecallAt {
    fn of_list(&self, list: &Ranked<'_>, at: Option<usize>) -> Option<f64> {
        let relevant = list.n_relevant();
        (relevant > 0).then(|| found(list, at) as f64 / relevant as f64)
    }

    fn needs_cut(&self) -> bool {
        true
    }
}
