//! What a person sees: tables, numbers, progress, errors. The only rooms that print.

pub mod error;
pub mod moment;
mod output;
pub mod progress;
pub mod style;
mod table;
mod terminal;

pub use output::print;
pub use terminal::terminal;
