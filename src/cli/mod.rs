//! The command line: one file per command (arguments and `run`); `door` opens the project, `ui` draws.

mod args;
mod compare;
mod completions;
mod doctor;
mod door;
mod embed;
mod evaluate;
mod experiments;
mod init;
mod main;
mod models;
mod predict;
mod promote;
mod rollback;
mod runs;
mod schema;
mod surroundings;
mod train;
mod ui;

pub use main::main;
