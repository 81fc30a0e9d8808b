//! Neural networks that rank: from lists of documents to one score each.
//!
//! `lists` the data · `network` the weights · `passes` a group of lists forward and back, on the
//! matrix product of `kernels` · `losses` · `optimizer`, `scheduler` · `trainer` the loop, with `groups`, `history`, `checkpoint` ·
//! `scorer` the forward pass alone.

pub mod activation;
mod batch_norm;
mod checkpoint;
mod dropout;
mod groups;
pub mod history;
pub mod lists;
pub mod losses;
pub mod matrix;
pub mod network;
pub mod optimizer;
mod passes;
pub mod scheduler;
pub mod scorer;
pub mod trainer;

#[cfg(test)]
mod goldens;

pub use history::{EpochRow, Outcome, Stop};
pub use lists::Lists;
pub use network::{Network, Shape};
pub use scorer::Scorer;
pub use trainer::{Context, Keep, Measure, Settings, Trainer};
