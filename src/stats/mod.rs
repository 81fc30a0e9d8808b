//! Mathematics without domain words.

pub mod adjust;
pub mod bernoulli;
pub mod bootstrap;
pub mod correlation;
pub mod delong;
pub mod distributions;
pub mod generator;
pub mod mcnemar;
pub mod multinomial;
pub mod paired_t;
pub mod quantile;
pub mod ranks;
pub mod resampled;
pub mod root;
pub mod sample_size;
pub mod sign_flip;
pub mod wilcoxon;
pub mod wilson;
