//! MAP@k: the mean over queries of AP@k = Σ precision at the rank of each relevant document down to k, over the number of relevant
//! documents (`trec_eval`), or over the lesser of that and k (`Divisor::AtMostK`: LightGBM, `XGBoost`).

use super::convention::Divisor;
use super::list::Ranked;
use super::metric::RankingMetric;
use crate::catalog::Named;

/// The metric `map`.
#[derive(Debug, Clone, Copy)]
pub struct MeanAveragePrecision;

impl Named for MeanAveragePrecision {
    fn name(&self) -> &'static str {
        "map"
    }

    fn about(&self) -> &'static str {
        "mean of the precisions at the relevant documents"
    }
}

impl RankingMetric for MeanAveragePrecision {
    fn of_list(&self, list: &Ranked<'_>, at: Option<usize>) -> Option<f64> {
        let relevant = list.n_relevant();
        let (mut found, mut sum) = (0_usize, 0.0);
        for (rank, _) in list.relevant().take(list.cut(at)).enumerate().filter(|(_, relevant)| *relevant) {
            found += 1;
            sum += found as f64 / (rank + 1) as f64;
        }
        let divisor = match list.convention.divisor {
            Divisor::Relevant => relevant,
            Divisor::AtMostK => relevant.min(at.unwrap_or(usize::MAX)),
        };
        (relevant > 0).then(|| sum / divisor as f64)
    }
}
