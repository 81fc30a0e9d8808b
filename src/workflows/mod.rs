//! The verbs: one file each, `(&Session, request) -> Result<Outcome>`. They never print.

pub mod answer_files;
pub mod audit;
pub mod compare;
pub mod doctor;
pub mod drift_check;
pub mod drift_events;
pub mod embed;
pub mod evaluate;
mod evaluate_request;
pub mod experiments;
#[cfg(test)]
mod fixtures;
pub mod gate;
pub mod gc;
pub mod impact;
pub mod init;
mod known_overlap;
pub mod light;
mod model_folders;
pub mod models;
mod notes;
pub mod notices;
pub mod predict;
pub mod predict_ranking;
pub mod prediction_facts;
mod prepared;
pub mod promote;
pub mod prune;
pub mod reading;
pub mod recommend;
mod reference;
pub mod release;
pub mod resume;
pub mod retrain;
pub mod rollback;
pub mod runs;
pub mod schedule;
pub mod seeds;
pub mod session;
pub mod train;
mod training_record;

pub use notes::Notes;
pub use session::{Progress, Session};
