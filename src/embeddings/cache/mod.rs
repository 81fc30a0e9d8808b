//! The vectors that were computed before, in one `SQLite` file that several processes use at once.
//!
//! A vector is found by (embedder digest, SHA-256 of the text as it goes into the tokenizer), so nothing in here is ever
//! out of date: another model, pooling or text is another key. `file` opens the file and knows what to do when it is
//! damaged; `vectors` reads and writes; `files` remembers the digests of large files; `prune` removes.
//!
//! **An error of the cache is a note, never the end of an embedding**: the caller tells it once, goes on without the
//! cache, and computes. A full disk, a read-only file, the cache of a newer program, another program's file and a
//! network file system leave everything as it is. A damaged file is set aside as `NAME.damaged` where the damage shows,
//! at opening or later, and the next opening begins a new one. What a killed process had not committed is gone; the rest
//! is whole.

mod file;
mod files;
mod prune;
mod vectors;

pub use file::Cache;
pub use prune::{Held, Prune, Pruned};
pub use vectors::Key;
