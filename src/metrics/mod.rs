//! How good predictions are: a row of the `table` for each metric, files for those that are more than a formula, and
//! `evaluation` over all of them.

pub mod average_precision;
pub mod calibration;
pub mod counts;
pub mod declared;
pub mod ece;
pub mod estimate;
pub mod evaluation;
mod known;
pub mod metric;
pub mod orders;
pub mod ranking;
pub mod reliability;
pub mod roc_auc;
pub mod subgroups;
pub mod table;
pub mod threshold;

#[cfg(test)]
mod goldens;

pub use estimate::{Estimate, Subgroup, Subgroups};
pub use evaluation::{
    ClassDetail, Detail, Evaluation, Intervals, QueryDetail, Question, RankingFacts, evaluate, evaluate_classes,
    predicted_classes,
};
pub use known::{direction, name};
pub use metric::{Average, Direction, Metric, Reads, Scored, Value, View};
pub use reliability::Reliability;
pub use table::METRICS;
