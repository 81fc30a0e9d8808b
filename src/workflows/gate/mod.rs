//! The gate: what a version must show before it goes to production, line by line, with the numbers behind each line.
//!
//! `check` is one line and what it says; `subject` is a version with what is stored of it; `absolute` holds a version
//! against numbers, `versus` against the one in production, `guardrails` looks at what must not get worse meanwhile. `evidence`
//! is what the ledger keeps of a decision.

mod absolute;
mod check;
mod evidence;
mod guardrails;
mod judge;
mod subject;
mod versus;

pub use absolute::{minimum, require};
pub use check::{Check, Kind, Verdict, overall, refusal};
pub use evidence::{Evidence, PolicyFile};
pub use judge::{Gate, judge};
pub use subject::Subject;
