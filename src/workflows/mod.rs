//! The verbs: one file each, `(&Session, request) -> Result<Outcome>`. They never print.

pub mod audit;
pub mod compare;
pub mod doctor;
pub mod drift_check;
pub mod drift_events;
pub mod embed;
pub mod evaluate;
pub mod export;
pub mod gate;
pub mod gc;
pub mod impact;
pub mod init;
pub mod judge;
pub mod latency;
pub mod paired;
pub mod predict;
pub mod prediction_facts;
pub mod predictions;
pub mod promote;
pub mod prune;
pub mod reading;
pub mod recommend;
pub mod record;
mod reference;
pub mod release;
pub mod report;
pub mod rollback;
pub mod session;
pub mod train;
mod training_record;
pub mod versions;

pub use session::{Progress, Session};
