//! `drift-check`: `columns` streams the current columns, `rows` what the model says of the current rows, `model` holds a
//! version against its reference, `files` one file against another,
//! `tell` writes numbers and notices, the project keeps secrets out of both.

mod columns;
pub mod files;
pub mod model;
mod outcome;
mod rows;
mod tell;

pub use files::check_files;
pub use model::{Current, Request, drift_check};
pub use outcome::{Outcome, WindowFacts, Wishes};
pub use tell::{Tell, tell};
