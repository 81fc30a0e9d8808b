//! What a person sees: tables, numbers, progress, errors. The only rooms that print.

pub mod error;
pub mod format;
pub mod moment;
mod output;
pub mod progress;
pub mod style;
mod table;
mod terminal;

pub use crate::report::document::Align;
pub use output::print;
pub use table::table;
pub use terminal::terminal;
