//! LETOR and SVMlight files with queries: `2 qid:10 1:0.03 2:0.5 # docid = GX001-23`.
//!
//! `line` reads one line, `piece` the lines of a part of a block, `blocks` cuts a file into blocks, `matrix` gathers the
//! features, `read` joins it all, `groups` brings the documents of a query together, `nulls` fills in `NULL`.

mod blocks;
mod documents;
mod groups;
mod line;
mod matrix;
mod nulls;
mod number;
mod piece;
mod read;
#[cfg(test)]
mod tests;

pub use documents::Documents;
pub use read::{Base, Layout, Letor, Missing, Options, read, read_all};
