//! LETOR and SVMlight files with queries: `2 qid:10 1:0.03 2:0.5 # docid = GX001-23`.
//!
//! `line` reads one line, `piece` the lines of a part of a block, `blocks` cuts a file into blocks, `matrix` gathers the
//! features, `read` joins it all, `groups` brings the documents of a query together, `nulls` fills in `NULL`; `settings`
//! are what a config says of it.

mod blocks;
mod documents;
mod groups;
mod line;
mod matrix;
mod nulls;
mod number;
mod piece;
mod read;
mod settings;
#[cfg(test)]
mod tests;

pub use documents::Documents;
pub use matrix::Layout;
pub use read::{Letor, Options, Order, read, read_all};
pub use settings::{Base, Missing, Others, Settings};
