//! Tasks: what a model learns, and everything that depends on it: how labels are read, how answers are judged, recorded and
//! described. One file a task behind one trait, all listed in `TASKS`. What a task stores differs by the variants of
//! `data::Truth`, `bundle::Output`, `metrics::Detail` and `runs::predictions::Answers`.

mod classification;
mod find;
mod graph_gap;
mod judge_classes;
mod judge_queries;
mod part_rows;
mod ranking;
mod task_kind;

pub use find::kind_of;
pub use graph_gap::TOLERANCE;
pub use judge_classes::threshold;
pub use part_rows::{PartRows, Predicted};
pub use task_kind::{Answered, JudgedPart, Judgement, Judging, Options, TaskKind, Words};

/// Every task.
pub const TASKS: &[&dyn TaskKind] = &[&classification::Classification, &ranking::Ranking];
