//! `mlops drift-check`: `command` is the list of what it can do, `what` says what is checked and how, `check` does it,
//! `explain` names the bins that moved, `summary` what has drifted of late, `reset` is the word that older drift no longer
//! counts.

mod check;
mod command;
mod explain;
mod reset;
mod summary;
mod what;

pub use command::{Args, run};
