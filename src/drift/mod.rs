//! Drift: what has changed between the rows that a model was made with and those that it sees now.
//!
//! `profile` freezes the reference beside the model; `current` counts what streams by; `pair` brings both into the bins
//! that the window allows; one file per statistic, all listed in `STATISTICS`, says how far they are apart; `decision`
//! says over all columns what is drift; `findings` names what is plainly wrong; `explain` names the bins that moved;
//! `check` is all of it; `retrain_rule` says from the events of many checks whether to train again.

pub mod bins;
pub mod check;
pub mod chi_squared;
pub mod chosen;
pub mod cramers_v;
pub mod current;
pub mod decision;
pub mod domain_classifier;
pub mod explain;
pub mod findings;
pub mod jensen_shannon;
pub mod kl;
pub mod kolmogorov_smirnov;
pub mod pair;
pub mod profile;
pub mod psi;
pub mod retrain_rule;
pub mod sampler;
pub mod statistic;
pub mod vectors;
pub mod wasserstein;

#[cfg(test)]
mod simulation;

pub use check::{Checked, Report, check};
pub use chosen::Statistic;
pub use current::Seen;
pub use decision::{Rule, Settings};
pub use findings::Finding;
pub use profile::{Column, Reference, Role};
pub use statistic::{DriftStatistic, Kind};

/// All drift statistics, by name.
pub const STATISTICS: &[&dyn DriftStatistic] = &[
    &chi_squared::ChiSquared,
    &cramers_v::CramersV,
    &domain_classifier::DomainClassifier,
    &jensen_shannon::JensenShannon,
    &kl::Kl,
    &kolmogorov_smirnov::KolmogorovSmirnov,
    &psi::Psi,
    &wasserstein::Wasserstein,
];
