//! What the parameters of finished runs did to a metric: statistics of each, and how much each matters (PED-ANOVA).

pub mod parameter;
pub mod ped_anova;
pub mod statistics;
pub mod study;

pub use parameter::{Kind, Parameter};
pub use statistics::{Group, Statistics};
pub use study::{Importance, Settings, Study, Weight};
