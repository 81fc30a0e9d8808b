//! How well queries' documents are ranked: one file per metric, all listed in `RANKING_METRICS`; `evaluation` over queries.

pub mod convention;
pub mod err;
pub mod evaluation;
pub mod letor;
pub mod list;
pub mod map;
pub mod metric;
pub mod mrr;
pub mod ndcg;
pub mod precision_at;
pub mod recall_at;

#[cfg(test)]
mod goldens;

pub use convention::{Convention, Discount, Divisor, Empty, Gain, HIGHEST_GRADE, Ties, grades};
pub use evaluation::{Draws, LetorScript, Queries, RankingEstimate, Wanted, evaluate, letor_script, over_queries};
pub use list::Ranked;
pub use metric::RankingMetric;

/// All ranking metrics.
pub const RANKING_METRICS: &[&dyn RankingMetric] = &[
    &ndcg::Ndcg,
    &map::MeanAveragePrecision,
    &mrr::ReciprocalRank,
    &precision_at::PrecisionAt,
    &precision_at::HitAt,
    &recall_at::RecallAt,
    &err::ExpectedReciprocalRank,
];
