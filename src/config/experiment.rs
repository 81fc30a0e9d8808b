//! What an experiment config holds, and every default. The rendered config of a run is this, written as YAML.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::data::{DataSection, decode_data};
use super::decode::{At, Fields};
use super::drift::{DriftSection, decode_drift};
use super::evaluation::{self, EvaluationSection, RawEvaluation};
use super::promotion::{PromotionSection, decode_promotion};
use crate::catalog::Params;
use crate::data::{Columns, Split, Task};
use crate::error::{Context, Result};
use crate::models::FAMILIES;
use crate::names::{ExperimentName, ModelName};

/// A whole experiment config.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExperimentConfig {
    /// What the experiment is.
    pub experiment: ExperimentSection,
    /// The seed of everything random.
    pub seed: u64,
    /// Seeds of several runs of the same; `seed` then only draws the split.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seeds: Vec<u64>,
    /// What is learned.
    #[serde(default)]
    pub task: Task,
    /// Where the rows come from.
    pub data: DataSection,
    /// The feature steps, in order.
    pub features: Vec<StepSection>,
    /// The model.
    pub model: ModelSection,
    /// The checked parameters of the training loop, for kinds that have one.
    #[serde(default, skip_serializing_if = "Params::is_empty")]
    pub training: Params,
    /// How it is judged.
    pub evaluation: EvaluationSection,
    /// When it is promoted.
    pub promotion: PromotionSection,
    /// What is watched for drift.
    #[serde(default, skip_serializing_if = "DriftSection::is_default")]
    pub drift: DriftSection,
}

/// `experiment:`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExperimentSection {
    /// The name, a folder name.
    pub name: ExperimentName,
    /// One line for people.
    pub description: String,
    /// Tags of each run.
    pub tags: BTreeMap<String, String>,
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

impl<'de> Deserialize<'de> for StepSection {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let map = BTreeMap::<String, Params>::deserialize(deserializer)?;
        let mut steps = map.into_iter();
        match (steps.next(), steps.next()) {
            (Some((kind, params)), None) => Ok(Self { kind, params }),
            _ => Err(serde::de::Error::custom("a feature step has one name")),
        }
    }
}

/// `model:`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSection {
    /// The registered model's name.
    pub name: ModelName,
    /// The family in the catalog.
    pub kind: String,
    /// Its checked parameters.
    pub params: Params,
}

/// A step as it is written, before the catalog has seen it.
pub(super) struct RawStep<'d, 'n> {
    pub name: At<'d, 'n>,
    pub kind: String,
    pub params: At<'d, 'n>,
}

impl RawStep<'_, '_> {
    /// The step's name, looked up; what the search says becomes a problem at the step.
    pub fn name_of<T>(&self, find: impl FnOnce(&str) -> crate::error::Result<T>) -> Option<T> {
        find(&self.kind).map_err(|error| self.name.problem(error.message, error.hint)).ok()
    }
}

/// A config as it is written: names and parameters not yet looked up.
pub(super) struct Raw<'d, 'n> {
    pub config: ExperimentConfig,
    pub steps: Vec<RawStep<'d, 'n>>,
    pub features: At<'d, 'n>,
    pub kind: At<'d, 'n>,
    pub params: At<'d, 'n>,
    pub training: At<'d, 'n>,
    pub evaluation: RawEvaluation<'d, 'n>,
}

/// A name that stands in where the real one was wrong; the config is refused anyway.
fn placeholder_experiment() -> ExperimentName {
    ExperimentName::parse("experiment").expect("a valid name")
}

/// Reads the whole config; every problem is noted with the decoder.
pub(super) fn decode<'d, 'n>(root: &At<'d, 'n>) -> Raw<'d, 'n> {
    let mut fields = root.fields();
    let mut experiment = fields.get("experiment").fields();
    let name = experiment.get("name");
    name.require("the experiment's name");
    let name = name.parsed(ExperimentName::parse).unwrap_or_else(placeholder_experiment);
    let tags = experiment.get("tags").free_map();
    let experiment_section = ExperimentSection {
        description: experiment.get("description").text().unwrap_or_default(),
        tags: tags.iter().filter_map(|(key, (_, at))| Some((key.clone(), at.text()?))).collect(),
        name: name.clone(),
    };
    experiment.finish();
    let seed = fields.get("seed");
    let seeds = decode_seeds(&fields.get("seeds"));
    let task = fields.get("task");
    let task = if task.is_given() { task.parsed(Task::parse).unwrap_or_default() } else { task_of_kind(&mut fields) };
    let data = fields.get("data");
    data.require("where the rows come from");
    let data = decode_data(&data, task);
    let (features, steps) = decode_steps(&mut fields);
    let model_at = fields.get("model");
    model_at.require("which model to fit");
    let mut model = model_at.fields();
    let model_name = model.get("name").parsed(ModelName::parse);
    let model_name =
        model_name.or_else(|| ModelName::parse(name.as_str()).ok()).expect("an experiment name is a model name");
    let (kind, params) = (model.get("kind"), model.get("params"));
    kind.require("the kind of model");
    model.finish();
    let training = fields.get("training");
    let evaluation = evaluation::decode(&fields.get("evaluation"), task);
    let promotion = decode_promotion(&fields.get("promotion"), Some(task));
    let drift_at = fields.get("drift");
    if drift_at.is_given() && task == Task::Ranking {
        drift_at.problem("drift of rankers is not checked", Some("remove the section".into()));
    }
    let drift = decode_drift(&drift_at);
    fields.finish();
    let kind_name = kind.text().unwrap_or_default();
    let config = ExperimentConfig {
        experiment: experiment_section,
        seed: seed.whole().or_else(|| seeds.first().copied()).unwrap_or(42),
        seeds,
        task,
        data,
        features: Vec::new(),
        model: ModelSection { name: model_name, kind: kind_name, params: Params::default() },
        training: Params::default(),
        evaluation: evaluation.section.clone(),
        promotion,
        drift,
    };
    Raw { config, steps, features, kind, params, training, evaluation }
}

/// Seeds at most: each is a run and a version.
const SEEDS_LIMIT: usize = 100;

/// What the kind of model learns: the task where the config does not say it.
fn task_of_kind(fields: &mut Fields<'_, '_>) -> Task {
    let model = fields.get("model");
    if !matches!(model.node.map(|node| &node.value), Some(super::yaml::Value::Map(_))) {
        return Task::default();
    }
    let kind = match model.fields().get("kind").node.map(|node| &node.value) {
        Some(super::yaml::Value::Text(kind)) => kind.clone(),
        _ => return Task::default(),
    };
    FAMILIES.iter().find(|family| family.name() == kind).map_or_else(Task::default, |family| family.task())
}

fn decode_seeds(at: &At<'_, '_>) -> Vec<u64> {
    let seeds: Vec<u64> = at.items().iter().filter_map(At::whole).collect();
    let mut sorted = seeds.clone();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        at.problem("a seed stands there twice: its runs would be the same", None);
    } else if seeds.len() > SEEDS_LIMIT {
        at.problem(format!("at most {SEEDS_LIMIT} seeds are taken, got {}", seeds.len()), None);
    }
    seeds
}

fn decode_steps<'d, 'n>(fields: &mut Fields<'d, 'n>) -> (At<'d, 'n>, Vec<RawStep<'d, 'n>>) {
    let at = fields.get("features");
    let mut steps = Vec::new();
    for item in at.items() {
        if let Some(super::yaml::Value::Text(kind)) = item.node.map(|node| &node.value) {
            let params = At::root_like(&item, None, format!("{}.{kind}", item.path));
            steps.push(RawStep { kind: kind.clone(), params, name: item });
            continue;
        }
        let mut entries = item.free_map();
        match (entries.pop_first(), entries.is_empty()) {
            (Some((kind, (_, params))), true) => steps.push(RawStep { kind, params, name: item }),
            (None, _) => item.problem("a feature step needs a name", Some("- tfidf: {min_df: 2}".into())),
            (Some(_), false) => {
                item.problem("a feature step has one name", Some("begin each step with its own `-`".into()));
            }
        }
    }
    (at, steps)
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
