//! The command line: one file per command (arguments and `run`); `door` opens the project, `ui` draws.

mod command;
mod compare;
mod completions;
mod doctor;
mod door;
mod drift_check;
mod embed;
mod embedding_args;
mod evaluate;
mod experiments;
mod export;
mod gc;
mod global;
mod impact;
mod init;
mod key_value;
mod main;
mod models;
mod notify;
mod predict;
mod promote;
mod reading_args;
mod recommend;
mod report;
mod retrain;
mod rollback;
mod runs;
mod schedule;
mod schema;
mod train;
mod ui;

pub use main::main;
