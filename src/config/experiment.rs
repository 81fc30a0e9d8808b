//! What an experiment config holds, and every default. The rendered config of a run is this, written as YAML.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::decode::{At, Fields};
use super::drift::{DriftSection, decode_drift};
use super::evaluation::{self, EvaluationSection, RawEvaluation};
use super::promotion::{PromotionSection, decode_promotion};
use crate::catalog::Params;
use crate::data::{Columns, Input, Split, Task, split::By};
use crate::names::{ExperimentName, ModelName};

/// A whole experiment config.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExperimentConfig {
    /// What the experiment is.
    pub experiment: ExperimentSection,
    /// The seed of everything random.
    pub seed: u64,
    /// What is learned.
    #[serde(default)]
    pub task: Task,
    /// Where the rows come from.
    pub data: DataSection,
    /// The feature steps, in order.
    pub features: Vec<StepSection>,
    /// The model.
    pub model: ModelSection,
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

/// `data:`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSection {
    /// A path, a glob, or `format:path`.
    pub source: String,
    /// The query, for databases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Which columns mean what.
    pub columns: ColumnsSection,
    /// Fields taken out of JSON text columns, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub json_fields: Vec<String>,
    /// The positive label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub positive: Option<String>,
    /// Which rows train, validate, test.
    pub split: SplitSection,
}

/// `data.columns:`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnsSection {
    /// The id of a row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The label.
    pub label: String,
    /// Text columns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub text: Vec<String>,
    /// A column of whole vectors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedding: Option<String>,
    /// Numeric columns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
}

/// `data.split:`: a column, or shares with a way of drawing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitSection {
    /// The column that says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Share for training.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train: Option<f64>,
    /// Share for validation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<f64>,
    /// Share for test.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<f64>,
    /// Each class in the same shares.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stratify: Option<bool>,
    /// Rows with the same value of this column stay together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Oldest rows train, newest test, by this column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
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
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(&self.kind, &self.params)])
    }
}

impl<'de> Deserialize<'de> for StepSection {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
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
    pub evaluation: RawEvaluation<'d, 'n>,
}

/// The shares of a made split when none are given.
const DEFAULT_SHARES: [f64; 3] = [0.6, 0.2, 0.2];
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
    let seed = fields.get("seed").whole().unwrap_or(42);
    let task = fields.get("task");
    let task = task.parsed(Task::parse).unwrap_or_default();
    let data = fields.get("data");
    data.require("where the rows come from");
    let data = decode_data(&data);
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
    let evaluation = evaluation::decode(&fields.get("evaluation"));
    let promotion = decode_promotion(&fields.get("promotion"), Some(task));
    let drift = decode_drift(&fields.get("drift"));
    fields.finish();
    let kind_name = kind.text().unwrap_or_default();
    let config = ExperimentConfig {
        experiment: experiment_section,
        seed,
        task,
        data,
        features: Vec::new(),
        model: ModelSection { name: model_name, kind: kind_name, params: Params::default() },
        evaluation: evaluation.section.clone(),
        promotion,
        drift,
    };
    Raw { config, steps, features, kind, params, evaluation }
}

/// A column that gives the answer away, or that stands twice among the inputs.
fn check_inputs(at: &At<'_, '_>, columns: &ColumnsSection) {
    let inputs: Vec<&String> = columns.text.iter().chain(&columns.embedding).chain(&columns.features).collect();
    for (index, name) in inputs.iter().enumerate() {
        if **name == columns.label {
            at.problem(
                format!("`{name}` is the label: it cannot be an input too"),
                Some("take it out of the inputs".into()),
            );
        } else if inputs[..index].contains(name) {
            at.problem(format!("the input `{name}` stands there twice"), None);
        }
    }
}

fn decode_data(at: &At<'_, '_>) -> DataSection {
    let mut data = at.fields();
    let source = data.get("source");
    if at.is_given() {
        source.require("a path, a glob, or `format:path`");
    }
    let columns_at = data.get("columns");
    let mut columns = columns_at.fields();
    let label = columns.get("label");
    if at.is_given() {
        label.require("the label's column");
    }
    let section = ColumnsSection {
        id: columns.get("id").text(),
        label: label.text().unwrap_or_default(),
        text: columns.get("text").texts(),
        embedding: columns.get("embedding").text(),
        features: columns.get("features").texts(),
    };
    let inputs = [!section.text.is_empty(), section.embedding.is_some(), !section.features.is_empty()];
    if at.is_given() && inputs.iter().filter(|given| **given).count() != 1 {
        let hint = "name exactly one of `text`, `embedding`, `features`".to_owned();
        columns_at.problem("what the model sees is not clear", Some(hint));
    }
    check_inputs(&columns_at, &section);
    let split_column = columns.get("split").text();
    columns.finish();
    let json_fields_at = data.get("json_fields");
    let json_fields = json_fields_at.texts();
    if !json_fields.is_empty() && section.text.is_empty() {
        json_fields_at.problem("`json_fields` needs a text column", Some("name it as `columns.text`".into()));
    }
    let split = decode_split(&data.get("split"), split_column);
    let section = DataSection {
        source: source.text().unwrap_or_default(),
        query: data.get("query").text(),
        columns: section,
        json_fields,
        positive: data.get("positive").text(),
        split,
    };
    data.finish();
    section
}

fn decode_split(at: &At<'_, '_>, column: Option<String>) -> SplitSection {
    let mut split = at.fields();
    let section = SplitSection {
        column: split.get("column").text(),
        train: split.get("train").number(),
        validation: split.get("validation").number(),
        test: split.get("test").number(),
        stratify: split.get("stratify").flag(),
        group: split.get("group").text(),
        time: split.get("time").text(),
    };
    split.finish();
    let made = section.train.is_some() || section.validation.is_some() || section.test.is_some();
    let ways = [section.stratify == Some(true), section.group.is_some(), section.time.is_some()];
    if section.column.is_some() && (made || ways.contains(&true)) {
        at.problem("a split is read from a column or made, not both", Some("remove `column` or the shares".into()));
    }
    if ways.iter().filter(|given| **given).count() > 1 {
        at.problem("a split is made in one way", Some("keep one of `stratify`, `group`, `time`".into()));
    }
    if section.column.is_some() {
        return section;
    }
    if !made && !ways.contains(&true) && column.is_some() {
        return SplitSection { column, ..SplitSection::default() };
    }
    let shares = if made {
        [section.train, section.validation, section.test].map(|share| share.unwrap_or(0.0))
    } else {
        DEFAULT_SHARES
    };
    let sum: f64 = shares.iter().sum();
    if let Some(share) = shares.iter().find(|share| !(0.0..=1.0).contains(*share)) {
        at.problem(format!("a share lies between 0 and 1, got {share}"), None);
    } else if (sum - 1.0).abs() > 1e-6 {
        at.problem(
            format!("the shares must add up to 1, got {sum}"),
            Some("{train: 0.6, validation: 0.2, test: 0.2}".into()),
        );
    } else if shares[0] == 0.0 || shares[2] == 0.0 {
        at.problem("training and test need a share above 0", None);
    }
    let stratify = section.group.is_none() && section.time.is_none();
    SplitSection {
        train: Some(shares[0]),
        validation: Some(shares[1]),
        test: Some(shares[2]),
        stratify: stratify.then(|| section.stratify.unwrap_or(true)),
        ..section
    }
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
        let columns = &self.data.columns;
        let input = match (&columns.embedding, columns.features.is_empty()) {
            (Some(embedding), _) => Input::Embedding(embedding.clone()),
            (None, false) => Input::Numbers(columns.features.clone()),
            (None, true) => Input::Text { columns: columns.text.clone(), json_fields: self.data.json_fields.clone() },
        };
        Columns { id: columns.id.clone(), label: Some(columns.label.clone()), query: None, input }
    }

    /// How rows are split.
    #[must_use]
    pub fn split(&self) -> Split {
        let split = &self.data.split;
        if let Some(column) = &split.column {
            return Split::Column(column.clone());
        }
        let by = match (&split.group, &split.time, split.stratify) {
            (Some(group), _, _) => By::Group(group.clone()),
            (_, Some(time), _) => By::Time(time.clone()),
            (_, _, Some(true)) => By::Stratified,
            _ => By::Random,
        };
        let [train, validation, test] = [split.train, split.validation, split.test].map(|share| share.unwrap_or(0.0));
        Split::Made { train, validation, test, by }
    }

    /// The columns that the model sees.
    fn inputs(&self) -> Vec<String> {
        let columns = &self.data.columns;
        let fields = self.data.json_fields.iter().map(|field| format!("json:{field}"));
        columns.text.iter().chain(&columns.embedding).chain(&columns.features).cloned().chain(fields).collect()
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
            ("data.source".to_owned(), self.data.source.clone()),
            ("data.inputs".to_owned(), self.inputs().join(", ")),
            ("model.kind".to_owned(), self.model.kind.clone()),
        ];
        params.extend(self.model.params.iter().map(|(name, value)| (format!("model.{name}"), text(value))));
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
