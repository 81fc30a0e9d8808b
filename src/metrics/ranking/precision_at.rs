//! P@k: relevant documents down to rank k over k, also where a query has fewer than k documents (`trec_eval`). Without a k: over all.
//! And `hit@k`: 1 when there is one among them.

use super::list::Ranked;
use super::metric::RankingMetric;
use crate::catalog::Named;

/// The metric `precision`.
#[derive(Debug, Clone, Copy)]
pub struct PrecisionAt;

/// The metric `hit`.
#[derive(Debug, Clone, Copy)]
pub struct HitAt;

/// Relevant documents down to rank `at`.
pub(super) fn found(list: &Ranked<'_>, at: Option<usize>) -> usize {
    list.relevant().take(list.cut(at)).filter(|relevant| *relevant).count()
}

impl Named for PrecisionAt {
    fn name(&self) -> &'static str {
        "precision"
    }

    fn about(&self) -> &'static str {
        "share of relevant documents among the first k"
    }
}

impl RankingMetric for PrecisionAt {
    fn of_list(&self, list: &Ranked<'_>, at: Option<usize>) -> Option<f64> {
        let k = at.unwrap_or(list.grades.len()).max(1);
        Some(found(list, at) as f64 / k as f64)
    }

    fn needs_cut(&self) -> bool {
        true
    }

    fn zero_when_empty(&self) -> bool {
        true
    }
}

impl Named for HitAt {
    fn name(&self) -> &'static str {
        "hit"
    }

    fn about(&self) -> &'static str {
        "1 when a relevant document is among the first k"
    }
}

impl RankingMetric for HitAt {
    fn of_list(&self, list: &Ranked<'_>, at: Option<usize>) -> Option<f64> {
        Some(if found(list, at) > 0 { 1.0 } else { 0.0 })
    }

    fn needs_cut(&self) -> bool {
        true
    }

    fn zero_when_empty(&self) -> bool {
        true
    }
}
