//! `metrics.json` of a run: how its answers were judged. A training judges parts, an evaluation the rows that it was
//! given; both are read as parts. Builds before format 1 wrote no `format_version` into the file of an evaluation;
//! all else is the same.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::data::Part;
use crate::error::Result;
use crate::fs::read_document;
use crate::metrics::Evaluation;
use crate::metrics::threshold::Chosen;
use crate::names::{ExperimentName, RunId};

/// The name of the file in a run's folder.
pub const FILE: &str = "metrics.json";
/// The format that this build writes.
const FORMAT_VERSION: u32 = 1;
/// The order of parts, the one that decides first.
const PARTS: [Part; 3] = [Part::Test, Part::Validation, Part::Train];

/// What a training writes.
#[derive(Debug, Serialize)]
pub struct OfTraining<'a> {
    experiment: &'a ExperimentName,
    format_version: u32,
    primary: &'a str,
    run_id: &'a RunId,
    splits: &'a BTreeMap<Part, Evaluation>,
    threshold: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold_chosen: Option<&'a Chosen>,
}

impl<'a> OfTraining<'a> {
    /// The metrics of the parts of a run, and by which metric and threshold it was judged.
    #[must_use]
    pub fn new(
        (experiment, run_id): (&'a ExperimentName, &'a RunId),
        primary: &'a str,
        (threshold, threshold_chosen): (f64, Option<&'a Chosen>),
        splits: &'a BTreeMap<Part, Evaluation>,
    ) -> Self {
        Self { experiment, format_version: FORMAT_VERSION, primary, run_id, splits, threshold, threshold_chosen }
    }
}

/// What an evaluation writes: its outcome, which has the fields `metrics`, `part` and `shown` that are read here.
#[derive(Debug, Serialize)]
pub struct OfEvaluation<'a, T> {
    format_version: u32,
    #[serde(flatten)]
    outcome: &'a T,
}

impl<'a, T: Serialize> OfEvaluation<'a, T> {
    /// The document of an outcome.
    pub fn new(outcome: &'a T) -> Self {
        Self { format_version: FORMAT_VERSION, outcome }
    }
}

/// What is read, of either.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MetricsFile {
    /// The metric that decides; none where the file does not say so.
    pub primary: Option<String>,
    /// The metrics of each part, test first; the rows of an evaluation that are no part are `all`.
    pub parts: Vec<(String, Evaluation)>,
}

/// Either document, as far as it is read.
#[derive(Deserialize)]
struct Document {
    primary: Option<String>,
    #[serde(default)]
    shown: Vec<String>,
    splits: Option<BTreeMap<String, Evaluation>>,
    part: Option<String>,
    metrics: Option<Evaluation>,
}

impl MetricsFile {
    /// Reads the file of a run's folder; none where it is gone.
    ///
    /// # Errors
    /// `Failed` when it is damaged, or of a newer format.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(FILE);
        if !path.is_file() {
            return Ok(None);
        }
        read_document(&path, FORMAT_VERSION).map(|document| Some(Self::of(document)))
    }

    fn of(document: Document) -> Self {
        let Document { primary, shown, splits, part, metrics } = document;
        let mut splits = splits.unwrap_or_default();
        let of_training = PARTS.iter().filter_map(|part| splits.remove_entry(part.name()));
        let mut parts: Vec<(String, Evaluation)> = of_training.collect();
        parts.extend(metrics.map(|metrics| (part.unwrap_or_else(|| "all".to_owned()), metrics)));
        Self { primary: primary.or_else(|| shown.into_iter().next()), parts }
    }

    /// The metrics of the test rows.
    #[must_use]
    pub fn test(self) -> Option<Evaluation> {
        self.parts.into_iter().find(|(part, _)| part == Part::Test.name()).map(|(_, evaluation)| evaluation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Cause;

    /// What a training wrote from format 1 on.
    const TRAINING: &str = r#"{
      "experiment": "lr", "format_version": 1, "primary": "f1", "run_id": "0192f0c1a2b37c4d8e5f60718293a4b5",
      "splits": {
        "test": {
          "average": "binary", "confusion": [[12, 8], [2, 18]], "labels": ["0", "1"], "positive": "1", "rows": 40,
          "metrics": {"f1": {"value": 0.7826, "reason": null, "low": 0.65, "high": 0.88}},
          "support": [20, 20], "threshold": 0.5
        },
        "train": {
          "average": "binary", "confusion": [[60, 0], [0, 60]], "labels": ["0", "1"], "positive": "1", "rows": 120,
          "metrics": {"f1": {"value": 1.0, "reason": null, "low": null, "high": null}}, "support": [60, 60]
        },
        "validation": {
          "average": "binary", "confusion": [[20, 0], [0, 20]], "labels": ["0", "1"], "positive": "1", "rows": 40,
          "metrics": {}, "support": [20, 20]
        }
      },
      "threshold": 0.5
    }"#;
    /// What an evaluation wrote before `format_version`.
    const EVALUATION: &str = r#"{
      "run_id": "0192f0c1a2b37c4d8e5f60718293a4b6", "run_folder": "experiments/lr/runs/0192", "model": "points",
      "version": 1, "source": "data/new.csv", "part": null, "skipped_without_label": 0, "skipped_without_input": 2,
      "metrics": {
        "rows": 200, "labels": ["0", "1"], "support": [90, 110], "confusion": [[60, 30], [20, 90]], "average": "binary",
        "metrics": {"accuracy": {"value": 0.75, "reason": null, "low": 0.7, "high": 0.8}}, "positive": "1"
      },
      "shown": ["accuracy", "f1"], "threshold_chosen_for": null, "gate": []
    }"#;

    fn read(text: &str) -> Result<Option<MetricsFile>> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), text).unwrap();
        MetricsFile::read(folder.path())
    }

    #[test]
    fn both_documents_are_read_as_parts() {
        let training = read(TRAINING).unwrap().unwrap();
        let parts: Vec<(&str, usize)> = training.parts.iter().map(|(part, one)| (part.as_str(), one.rows)).collect();
        assert_eq!(parts, [("test", 40), ("validation", 40), ("train", 120)]);
        assert_eq!(training.primary.as_deref(), Some("f1"));
        assert_eq!(training.test().unwrap().metrics["f1"].low, Some(0.65));
        let of_older = read(EVALUATION).unwrap().unwrap();
        assert_eq!((of_older.primary.as_deref(), of_older.parts[0].0.as_str()), (Some("accuracy"), "all"));
        assert_eq!(of_older.parts[0].1.metrics["accuracy"].value, Some(0.75));
        let of_part = EVALUATION.replace(r#""part": null"#, r#""part": "test""#);
        assert_eq!(read(&of_part).unwrap().unwrap().test().unwrap().rows, 200);
    }

    #[test]
    fn what_an_evaluation_writes_now_has_its_format_and_is_read() {
        let outcome: serde_json::Value = serde_json::from_str(EVALUATION).unwrap();
        let text = serde_json::to_string(&OfEvaluation::new(&outcome)).unwrap();
        let written: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&written["format_version"], &written["model"]), (&1.into(), &"points".into()));
        assert_eq!(read(&text).unwrap(), read(EVALUATION).unwrap());
    }

    #[test]
    fn what_is_gone_damaged_or_newer_is_told_apart() {
        assert_eq!(MetricsFile::read(tempfile::tempdir().unwrap().path()).unwrap(), None);
        let damaged = read(r#"{"splits": {"test": {"rows": "many"}}}"#).unwrap_err();
        assert!(damaged.message.ends_with("metrics.json` is damaged"), "{damaged}");
        let newer = read(&TRAINING.replace(r#""format_version": 1"#, r#""format_version": 2"#)).unwrap_err();
        assert_eq!(newer.cause(), Some(&Cause::NewerFormat));
    }
}
