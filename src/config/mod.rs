//! Experiment configs: read with positions, checked all at once, resolved into the things they name.
//!
//! A section is one list of fields with their kinds, defaults, texts and tasks (`field`, written by `section!`). `yaml`
//! keeps the line of every value; `decode` collects problems instead of stopping at the first; `value` reads each type
//! of field; `steps` and `resolve` look the names up in the catalogs; `schema` and `reference` tell editors and people
//! the same lists. A config that was stored with a run is read by the same decoder as one that a person has written.
//!
//! The files know each other in one direction: sections know fields and values, the experiment knows sections,
//! `resolve` knows the experiment, `load` knows them all.

mod data;
mod decode;
mod drift;
mod evaluation;
mod experiment;
mod field;
mod load;
mod notify;
mod outline;
mod overrides;
mod promotion;
mod ranking;
mod reference;
mod resolve;
mod retrain;
pub mod schema;
mod schema_parts;
mod section;
mod steps;
mod value;
mod yaml;

pub use data::{ColumnsSection, DataSection, LetorSection, PartFiles, SplitSection};
pub use drift::DriftSection;
pub use evaluation::{ChosenBy, EvaluationSection, Threshold};
pub use experiment::{ExperimentConfig, ExperimentSection, ModelSection};
pub use load::{Policy, Retrain, load, load_notify, load_policy, load_retrain, load_stored};
pub use notify::{NotifyChannel, NotifyEvent, NotifyTarget, Secret, Words};
pub use outline::{Outline, outline};
pub use overrides::Override;
pub use promotion::{
    Bound, CalibrationRule, GateStage, Guardrails, Inconclusive, LatencyRule, Minimum, Mode, PromotionSection,
    Quantile, Require, SizeRule, SubgroupRule, Versus,
};
pub use ranking::RankingSection;
pub use reference::reference;
pub use resolve::{Experiment, resolve};
pub use retrain::{CandidateSection, ExtractSection, Period, PruneSection, RetrainConfig, Trigger, ValidateSection};
pub use steps::StepSection;
