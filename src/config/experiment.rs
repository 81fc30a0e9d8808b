//! What an experiment config holds, and every default. The rendered config of a run is this, written as YAML.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;

use super::data::{DATA, DataSection};
use super::drift::{DRIFT, DriftSection};
use super::evaluation::{EVALUATION, EvaluationSection};
use super::field::{Kind, Limits, Only, Preset};
use super::promotion::{PROMOTION, PromotionSection};
use super::schema_parts::{names, parameters, parameters_by_kind, step};
use super::section::section;
use super::steps::StepSection;
use crate::catalog::Params;
use crate::data::{Columns, Split, Task};
use crate::error::{Context, Result};
use crate::models::FAMILIES;
use crate::names::{ExperimentName, ModelName};

const TASK: Kind = Kind::Custom("`classification`, `ranking`", || json!({"enum": Task::ALL.map(Task::name)}));
const STEPS: Kind =
    Kind::List(&Kind::Custom("feature step: `name`, or `name: {parameters}` (`mlops schema --list features`)", step));

section! {
    /// A whole experiment config.
    EXPERIMENT: ExperimentConfig derive(Serialize) {
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
        training: Params, Kind::Custom("parameters (`mlops schema --list training`)", parameters),
            omit "Params::is_empty";
        /// How it is judged.
        evaluation: EvaluationSection, Kind::Section(&EVALUATION);
        /// When it is promoted.
        promotion: PromotionSection, Kind::Section(&PROMOTION);
        /// What is watched for drift.
        drift: DriftSection, Kind::Section(&DRIFT),
            only Only::classification("drift of rankers is not checked", Some("remove the section")),
            omit "DriftSection::is_usual";
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

section! {
    /// The model.
    MODEL: ModelSection derive(Serialize), refine parameters_by_kind {
        /// The registered model's name.
        name: ModelName, Kind::Text, preset Preset::Other("the experiment's name");
        /// The kind of model (`mlops schema --list models`).
        kind: String, Kind::Custom("kind of model", || json!({"enum": names(FAMILIES)})),
            required "the kind of model";
        /// Its parameters.
        params: Params, Kind::Custom("parameters (`mlops schema --list models`)", parameters);
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
