//! Plots as SVG: one file each, plain numbers in, the text of an SVG out.

pub mod by_rank;
mod canvas;
pub mod comparison;
pub mod confusion;
pub mod curves;
pub mod gains;
pub mod impact;
pub mod learning;
pub mod precision_recall;
pub mod reliability;
pub mod roc;
#[cfg(test)]
pub(crate) mod samples;
pub mod spread;
