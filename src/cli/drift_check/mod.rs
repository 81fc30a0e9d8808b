//! `mlops drift-check`: `command` is the list of what it can do, `summary` what has drifted of late, `reset` the word that
//! older drift no longer counts.

mod command;
mod reset;
mod summary;

pub use command::{Args, run};
