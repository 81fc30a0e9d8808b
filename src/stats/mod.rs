//! Mathematics without domain words.

pub mod bootstrap;
pub mod quantile;
pub mod ranks;
