//! Data: from files and databases to rows that are ready for features and estimators.
//!
//! A `Source` reads the requested columns into a `Table`; `prepare` turns the table into `Rows` (ids, inputs, labels)
//! and `split` says which rows are for training, validation and test.

mod barrier;
pub mod columns;
pub mod content;
pub mod dataset;
pub mod joined;
pub mod labels;
pub mod letor;
pub mod npy_file;
pub mod parquet_file;
mod queries;
pub mod reading;
pub mod rows;
#[cfg(test)]
pub mod samples;
pub mod snapshot;
pub mod sources;
pub mod split;
pub mod table;
pub mod task;
pub mod times;
pub mod truth;
pub mod vector_files;
pub mod vectors;

pub use columns::{Columns, Input};
pub use content::Content;
pub use dataset::{Csr, Dataset, Features, Targets};
pub use rows::Rows;
pub use split::{Part, Split};
pub use table::Table;
pub use task::Task;
pub use truth::Truth;
