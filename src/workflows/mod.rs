//! The verbs: one file each, `(&Session, request) -> Result<Outcome>`. They never print.

pub mod audit;
pub mod compare;
pub mod doctor;
pub mod embed;
pub mod evaluate;
pub mod export;
pub mod gc;
pub mod init;
pub mod latency;
pub mod predict;
pub mod promote;
pub mod reading;
pub mod recommend;
pub mod record;
pub mod rollback;
pub mod session;
pub mod train;
mod training_record;

pub use session::{Progress, Session};
