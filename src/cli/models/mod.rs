//! `mlops models`: `command` is the list of what it can do, `change` does what changes something.

mod change;
mod command;

pub use command::{Args, run};
