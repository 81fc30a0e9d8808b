//! Data sources: one file per format. `read` finds the source of a location and expands globs.

mod blocks;
mod chunk;
mod csv;
mod dialect;
mod json;
mod letor;
mod memory;
mod parquet;
mod piece;
mod read;
mod source;
mod sqlite;
pub mod sqlite_column;

pub use chunk::{Ask, Cells, Chunk, Form};
pub use memory::Memory;
pub use read::{Location, column_names, read, read_parts, resolve, scan};
pub use source::{Request, Source, VectorColumns};

/// Every source, by name.
pub const SOURCES: &[&dyn Source] =
    &[&csv::CSV, &csv::TSV, &json::Ndjson, &json::JsonArray, &parquet::Parquet, &sqlite::Sqlite, &letor::Letor];
