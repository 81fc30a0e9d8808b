//! `model_metadata.json`: what a system that serves a model must know of it, in one document.
//!
//! The promotion fills it. What is not known is `null`, never left out, so that a reader need not guess.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Context, Result};
use crate::fs::document;
use crate::metrics::{Estimate, RankingFacts};
use crate::names::{ModelName, RunId, Version};
use crate::registry::FileFacts;

/// The format that this build writes.
pub const FORMAT_VERSION: u32 = 1;
/// The file's name in a production folder.
pub const FILE: &str = "model_metadata.json";

/// What a serving system must know of a model version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// The format of this document.
    pub format_version: u32,
    /// The version's name everywhere: `reviews/3`.
    pub model_id: String,
    /// The registered model.
    pub model: ModelName,
    /// Its version.
    pub version: Version,
    /// The experiment that it came from.
    pub experiment_id: String,
    /// The run that made it.
    pub run_id: RunId,
    /// `classification`, `ranking`.
    pub task: String,
    /// The kind of model: `logistic_regression`.
    pub kind: String,
    /// When it was made, UTC.
    pub created_at: String,
    /// When it passed its gate, UTC.
    pub validated_at: Option<String>,
    /// Why it was promoted against its gate, where it was; `validated_at` is null then.
    pub forced: Option<String>,
    /// Where it stands: `None`, `Staging`, `Production`, `Archived`.
    pub status: String,
    /// The metrics on the test rows, with their intervals.
    pub metrics: BTreeMap<String, Estimate>,
    /// What it takes.
    pub input: Vec<Port>,
    /// What it gives.
    pub output: Vec<Port>,
    /// The class names, in the order of the outputs.
    pub labels: Vec<String>,
    /// The decision threshold on the positive class's score.
    pub threshold: Option<f64>,
    /// For ranking, what takes the place of labels and threshold; left out for other tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranking: Option<Ranking>,
    /// The identity of the embedder, field by field, where one is used.
    pub embedder: Option<Value>,
    /// What it was trained and tested on.
    pub data: DataFacts,
    /// Size and SHA-256 of every file beside this one.
    pub files: BTreeMap<String, FileFacts>,
    /// How the ONNX file agreed with the model on its golden rows.
    pub parity: Option<Value>,
    /// How long an answer takes.
    pub latency: Option<Value>,
}

/// One input or output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// `string`, `float32`, `int64`.
    pub dtype: String,
    /// Its extent; `null` for the number of rows.
    pub shape: Vec<Option<u64>>,
    /// What it means.
    pub about: String,
}

/// What is to be known of a ranking model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ranking {
    /// The column that says of which query a document is.
    pub query: Option<String>,
    /// The features of a document by name, in the order of the input's columns.
    pub features: Vec<String>,
    /// The highest grade of the training labels.
    pub highest_grade: Option<u8>,
    /// Over which queries and by which conventions the metrics were computed; null where that is not known.
    pub metrics_are_of: Option<RankingFacts>,
}

/// What a model was trained and tested on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataFacts {
    /// Where the rows came from.
    pub source: String,
    /// SHA-256 of the rows.
    pub fingerprint: String,
    /// Rows of each part.
    pub rows: BTreeMap<String, u64>,
}

impl Metadata {
    /// The document as JSON, with a final newline.
    ///
    /// # Errors
    /// `Failed` when a number is not finite.
    pub fn to_json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self).context(|| "cannot write the metadata".into())? + "\n")
    }

    /// Reads a document that `to_json` wrote.
    ///
    /// # Errors
    /// `Failed` when it is damaged or from a newer build.
    pub fn from_json(text: &str) -> Result<Self> {
        document(FILE, text, FORMAT_VERSION)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let metadata = Metadata {
            format_version: FORMAT_VERSION,
            model_id: "리뷰/3".into(),
            model: ModelName::parse("reviews").unwrap(),
            version: Version(3),
            experiment_id: "reviews_lr".into(),
            run_id: RunId::from_bits(7),
            task: "classification".into(),
            kind: "logistic_regression".into(),
            created_at: "2026-07-03T00:00:00Z".into(),
            validated_at: None,
            forced: None,
            status: "Production".into(),
            metrics: [("f1".into(), Estimate { value: Some(0.8), reason: None, low: Some(0.7), high: Some(0.9) })]
                .into(),
            input: vec![Port {
                name: "text".into(),
                dtype: "string".into(),
                shape: vec![None],
                about: "a text".into(),
            }],
            output: Vec::new(),
            labels: vec!["0".into(), "1".into()],
            threshold: Some(0.5),
            ranking: None,
            embedder: None,
            data: DataFacts::default(),
            files: BTreeMap::new(),
            parity: None,
            latency: None,
        };
        let text = metadata.to_json().unwrap();
        assert!(text.contains("\"validated_at\": null") && text.ends_with("}\n"), "{text}");
        assert_eq!(Metadata::from_json(&text).unwrap(), metadata);
        let newer = text.replace("\"format_version\": 1", "\"format_version\": 2");
        assert!(Metadata::from_json(&newer).unwrap_err().message.contains("has format 2, this build reads 1"));
        let ranking = Ranking {
            query: Some("qid".into()),
            features: vec!["1".into(), "2".into()],
            highest_grade: Some(2),
            metrics_are_of: None,
        };
        let ranker = Metadata { task: "ranking".into(), labels: Vec::new(), ranking: Some(ranking), ..metadata };
        let written = ranker.to_json().unwrap();
        assert!(!text.contains("\"ranking\":") && written.contains("\"metrics_are_of\": null"), "{written}");
        assert_eq!(Metadata::from_json(&written).unwrap(), ranker);
        let more = text.replacen('{', "{\"novel\": 1,", 1);
        assert!(Metadata::from_json(&more).is_err());
    }
}
