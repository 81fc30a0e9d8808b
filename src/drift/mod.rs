//! Drift: whether what comes in is still what was learned, and what to do about it.

pub mod retrain_rule;
