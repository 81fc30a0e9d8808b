//! Experiment configs: read with positions, checked all at once, resolved into the things they name.
//!
//! `yaml` keeps the line of every value; `decode` collects problems instead of stopping at the first; `experiment`
//! says what a config holds and what the defaults are, `evaluation` those of its section; `resolve` looks the names up in the catalogs; `schema` tells
//! editors the same as JSON Schema.

mod data;
mod decode;
mod drift;
mod evaluation;
mod experiment;
mod load;
mod notify;
mod outline;
mod promotion;
mod ranking;
mod resolve;
mod retrain;
pub mod schema;
mod yaml;

pub use data::{ColumnsSection, DataSection, LetorSection, PartFiles, SplitSection};
pub use drift::DriftSection;
pub use evaluation::{ChosenBy, EvaluationSection, Threshold};
pub use experiment::{ExperimentConfig, ExperimentSection, ModelSection, StepSection};
pub use load::{Override, Policy, Retrain, load, load_notify, load_policy, load_retrain};
pub use notify::{NotifyChannel, NotifyEvent, NotifyTarget, Secret, Words};
pub use outline::{Outline, outline};
pub use promotion::{
    Bound, CalibrationRule, Guardrails, LatencyRule, Minimum, Mode, PromotionSection, Require, SizeRule, SubgroupRule,
    Versus,
};
pub use ranking::RankingSection;
pub use resolve::{Experiment, resolve};
pub use retrain::{CandidateSection, ExtractSection, Period, PruneSection, RetrainConfig, Trigger, ValidateSection};
