//! `mlops models`: `command` is the list of what it can do, `show` draws models and versions, today and in the past,
//! `history` the ledger, `evidence` what a decision rested on, `change` does what changes something.

mod change;
mod command;
mod evidence;
mod history;
mod show;

pub use command::{Args, run};
