//! How good predictions are: one file per metric, all listed in `METRICS`, and `evaluation` over all of them.

pub mod accuracy;
pub mod average_precision;
pub mod brier;
pub mod calibrated;
pub mod calibration;
pub mod counts;
pub mod ece;
pub mod evaluation;
pub mod f_score;
mod known;
pub mod log_loss;
pub mod mcc;
pub mod metric;
pub mod orders;
pub mod precision;
pub mod ranking;
pub mod recall;
pub mod reliability;
pub mod roc_auc;
pub mod subgroups;
pub mod threshold;

#[cfg(test)]
mod goldens;

pub use evaluation::{
    ClassDetail, Detail, Estimate, Evaluation, Intervals, QueryDetail, Question, RankingFacts, evaluate,
    evaluate_classes, predicted_classes,
};
pub use known::{direction, name};
pub use metric::{Average, Direction, Metric, Reads, Scored, Value, View};
pub use reliability::Reliability;
pub use subgroups::{Subgroup, Subgroups};

/// All metrics, by name.
pub const METRICS: &[&dyn Metric] = &[
    &accuracy::Accuracy,
    &average_precision::AveragePrecision,
    &accuracy::BalancedAccuracy,
    &brier::Brier,
    &calibrated::Calibrated {
        name: "brier_calibrated",
        about: "brier of the probabilities with class weights undone",
        plain: &brier::Brier,
    },
    &ece::Ece,
    &f_score::F1,
    &f_score::F1_MACRO,
    &f_score::F1_MICRO,
    &f_score::F1_WEIGHTED,
    &log_loss::LogLoss,
    &calibrated::Calibrated {
        name: "log_loss_calibrated",
        about: "log_loss of the probabilities with class weights undone",
        plain: &log_loss::LogLoss,
    },
    &mcc::Mcc,
    &precision::PRECISION,
    &precision::PRECISION_MACRO,
    &precision::PRECISION_MICRO,
    &precision::PRECISION_WEIGHTED,
    &recall::RECALL,
    &recall::RECALL_MACRO,
    &recall::RECALL_MICRO,
    &recall::RECALL_WEIGHTED,
    &roc_auc::RocAuc,
];
