//! What an experiment config holds, and every default. The rendered config of a run is this, written as YAML.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;

use super::data::{DATA, DataSection};
use super::decode::{At, Fields};
use super::drift::{DRIFT, DriftSection};
use super::evaluation::{EVALUATION, EvaluationSection};
use super::field::{Kind, Limits, Only, Preset, is_default, section};
use super::promotion::{PROMOTION, PromotionSection};
use super::resolve::{check_names, read_step};
use super::schema;
use super::value::{FromSection, Value};
use crate::catalog::Params;
use crate::data::{Columns, Split, Task};
use crate::error::{Context, Result};
use crate::models::FAMILIES;
use crate::names::{ExperimentName, ModelName};

const TASK: Kind = Kind::Custom("`classification`, `ranking`", || json!({"enum": Task::ALL.map(Task::name)}));
const STEPS: Kind = Kind::List(&Kind::Custom(
    "feature step: `name`, or `name: {parameters}` (`mlops schema --list features`)",
    schema::step,
));

section! {
    /// A whole experiment config.
    EXPERIMENT: ExperimentConfig derive(Serialize), check check_experiment, refine schema::of_experiment {
        /// What the experiment is.
        experiment: ExperimentSection, Kind::Section(&ABOUT);
        /// The seed of everything random.
        seed: u64, Kind::Whole(Limits::NONE), preset Preset::Whole(42);
        /// Seeds of several runs of the same; `seed` then only draws the split.
        seeds: Vec<u64>, Kind::List(&Kind::Whole(Limits::NONE)), omit "Vec::is_empty";
        /// What is learned.
        task: Task, TASK, preset Preset::Other("what the kind of model learns");
        /// Where the rows come from.
        data: DataSection, Kind::Section(&DATA), required "where the rows come from";
        /// The feature steps, in order.
        features: Vec<StepSection>, STEPS, preset Preset::Other("what the kind of model needs");
        /// The model.
        model: ModelSection, Kind::Section(&MODEL), required "which model to fit";
        /// The parameters of the training loop, for kinds that have one.
        training: Params, Kind::Custom("parameters (`mlops schema --list training`)", schema::parameters),
            omit "Params::is_empty";
        /// How it is judged.
        evaluation: EvaluationSection, Kind::Section(&EVALUATION);
        /// When it is promoted.
        promotion: PromotionSection, Kind::Section(&PROMOTION);
        /// What is watched for drift.
        drift: DriftSection, Kind::Section(&DRIFT),
            only Only::classification("drift of rankers is not checked", Some("remove the section")),
            omit "is_default";
    }
}

section! {
    /// What the experiment is.
    ABOUT: ExperimentSection derive(Serialize) {
        /// The name, a folder name.
        name: ExperimentName, Kind::Text, required "the experiment's name";
        /// One line for people.
        description: String, Kind::Text;
        /// Tags of each run.
        tags: BTreeMap<String, String>, Kind::Map(&Kind::Label, None);
    }
}

/// One feature step: `- tfidf: {min_df: 2}`.
#[derive(Debug, Clone, PartialEq)]
pub struct StepSection {
    /// The step's name in the catalog.
    pub kind: String,
    /// Its checked parameters.
    pub params: Params,
}

impl Serialize for StepSection {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_map([(&self.kind, &self.params)])
    }
}

impl Value for StepSection {
    fn read(at: &At<'_, '_>, _kind: &Kind) -> Option<Self> {
        read_step(at)
    }

    fn nothing(_at: &At<'_, '_>) -> Self {
        unreachable!("a list of steps is never filled up")
    }
}

section! {
    /// The model.
    MODEL: ModelSection derive(Serialize), refine schema::parameters_by_kind {
        /// The registered model's name.
        name: ModelName, Kind::Text, preset Preset::Other("the experiment's name");
        /// The kind of model (`mlops schema --list models`).
        kind: String, Kind::Custom("kind of model", || json!({"enum": schema::names(FAMILIES)})),
            required "the kind of model";
        /// Its parameters.
        params: Params, Kind::Custom("parameters (`mlops schema --list models`)", schema::parameters);
    }
}

/// Parameters as they are written; the catalog of their owner has not seen them yet.
impl Value for Params {
    fn read(at: &At<'_, '_>, _kind: &Kind) -> Option<Self> {
        serde_json::from_value(at.node?.json()).ok()
    }

    fn nothing(_at: &At<'_, '_>) -> Self {
        Self::default()
    }
}

/// Reads the whole config; every problem is noted with the decoder.
pub(super) fn decode(root: &At<'_, '_>) -> ExperimentConfig {
    root.set_task(task(root));
    ExperimentConfig::from_section(root)
}

/// The task that the config says; where it says none, what the kind of model learns.
fn task(root: &At<'_, '_>) -> Task {
    if let Some(task) = root.child("task").as_word() {
        return Task::parse(task).unwrap_or_default();
    }
    let kind = root.child("model").child("kind");
    let family = kind.as_word().and_then(|kind| FAMILIES.iter().find(|family| family.name() == kind));
    family.map(|family| family.task()).unwrap_or_default()
}

/// Seeds at most: each is a run and a version.
const SEEDS_LIMIT: usize = 100;

fn check_experiment(config: &mut ExperimentConfig, fields: &Fields<'_, '_>) {
    check_seeds(&config.seeds, &fields.at("seeds"));
    if let (false, Some(first)) = (fields.at("seed").is_given(), config.seeds.first()) {
        config.seed = *first;
    }
    if !fields.at("model").child("name").is_given() {
        let name = ModelName::parse(config.experiment.name.as_str());
        config.model.name = name.expect("an experiment name is a model name");
    }
    let choose = fields.at("evaluation").child("threshold").child("choose");
    if choose.is_given() && config.task == Task::default() && config.data.split.validation == Some(0.0) {
        let hint = "{train: 0.6, validation: 0.2, test: 0.2}".to_owned();
        choose.problem("the threshold is chosen on validation rows, and the split makes none", Some(hint));
    }
    check_names(config, fields);
}

fn check_seeds(seeds: &[u64], at: &At<'_, '_>) {
    let mut sorted = seeds.to_vec();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        at.problem("a seed stands there twice: its runs would be the same", None);
    } else if seeds.len() > SEEDS_LIMIT {
        at.problem(format!("at most {SEEDS_LIMIT} seeds are taken, got {}", seeds.len()), None);
    }
}

impl ExperimentConfig {
    /// The roles of the columns.
    #[must_use]
    pub fn columns(&self) -> Columns {
        self.data.roles()
    }

    /// The config with every default filled in, as YAML.
    ///
    /// # Errors
    /// `Failed` when a value cannot be written, which would be a bug.
    pub fn rendered(&self) -> Result<String> {
        serde_yaml::to_string(self).context(|| "cannot write the config".into())
    }

    /// How rows are split.
    #[must_use]
    pub fn split(&self) -> Split {
        self.data.way()
    }

    /// The parameters as text, flattened, for the run record: `model.C`, `features.0.tfidf.min_df`, `data.source`.
    #[must_use]
    pub fn flat_params(&self) -> Vec<(String, String)> {
        let text = |value: &serde_json::Value| match value {
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let mut params = vec![
            ("seed".to_owned(), self.seed.to_string()),
            ("data.source".to_owned(), self.data.place()),
            ("data.inputs".to_owned(), self.data.inputs().join(", ")),
            ("model.kind".to_owned(), self.model.kind.clone()),
        ];
        params.extend(self.model.params.iter().map(|(name, value)| (format!("model.{name}"), text(value))));
        params.extend(self.training.iter().map(|(name, value)| (format!("training.{name}"), text(value))));
        for (index, step) in self.features.iter().enumerate() {
            params.push((format!("features.{index}"), step.kind.clone()));
            let step_params = step.params.iter();
            params.extend(
                step_params.map(|(name, value)| (format!("features.{index}.{}.{name}", step.kind), text(value))),
            );
        }
        params
    }
}
