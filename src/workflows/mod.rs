//! The verbs: one file each, `(&Session, request) -> Result<Outcome>`. They never print.

pub mod audit;
pub mod compare;
pub mod doctor;
pub mod drift_check;
pub mod drift_events;
pub mod embed;
pub mod evaluate;
mod evaluate_ranking;
pub mod export;
#[cfg(test)]
mod fixtures;
pub mod gate;
pub mod gc;
pub mod impact;
pub mod init;
pub mod judge;
pub mod judge_ranking;
pub mod known_rows;
pub mod latency;
pub mod notices;
pub mod paired;
pub mod paired_ranking;
pub mod parity;
pub mod predict;
pub mod predict_ranking;
pub mod prediction_facts;
pub mod predictions;
mod preprocessor;
pub mod promote;
pub mod prune;
pub mod ranking_files;
pub mod reading;
pub mod recommend;
pub mod record;
mod reference;
pub mod release;
pub mod report;
pub mod resume;
pub mod retrain;
pub mod rollback;
pub mod seeds;
pub mod session;
pub mod train;
mod training_record;
pub mod versions;

pub use session::{Progress, Session};
