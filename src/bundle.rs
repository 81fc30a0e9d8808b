//! The unit that is versioned: input schema, fitted features and fitted model, saved and loaded as one folder.

use std::path::Path;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::catalog::find;
use crate::data::{Columns, Features, Task};
use crate::embeddings::Setting;
use crate::error::{Context, Error, Result};
use crate::features::{FittedChain, Signal};
use crate::fs::{read_text, write_atomic};
use crate::metrics::{calibration::undo_class_weights, predicted_classes};
use crate::models::{FAMILIES, Model};
use crate::onnx::{Graph, Kind};

/// What goes in and what comes out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schema {
    /// The format of this file.
    pub format_version: u32,
    /// What was learned.
    pub task: Task,
    /// Which columns mean what.
    pub columns: Columns,
    /// The class names; with two, the second is the positive one.
    pub labels: Vec<String>,
    /// The weights that the classes had in training, where they shift the probabilities.
    pub class_weights: Option<Vec<f64>>,
    /// The decision threshold on the positive class's score.
    pub threshold: f64,
    /// The kind of model.
    pub kind: String,
    /// For ranking, the highest grade of the training labels: what ERR reckons with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub highest_grade: Option<u8>,
}

/// What a model says of rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// As the model gives them, `n_rows × n_classes`: what decisions and metrics use.
    pub scores: Array2<f64>,
    /// The same with the class weights of training undone: calibrated to the base rate of the training rows.
    pub probabilities: Array2<f64>,
    /// The class of each row.
    pub classes: Vec<usize>,
}

/// Schema, features and model.
pub struct Bundle {
    /// What goes in and what comes out.
    pub schema: Schema,
    /// The fitted feature steps.
    pub features: FittedChain,
    /// The fitted model.
    pub model: Box<dyn Model>,
}

/// A few rows with what the model said of them when it was made: the smoke test after a switch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// The format of this file.
    pub format_version: u32,
    /// The texts, when the input is text.
    pub texts: Vec<String>,
    /// The vectors, when the input is vectors.
    pub vectors: Vec<Vec<f32>>,
    /// The scores, one row each.
    pub scores: Vec<Vec<f64>>,
}

impl Golden {
    /// Reads the golden rows of a version's folder.
    ///
    /// # Errors
    /// `Failed` when the file is missing or damaged.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("golden.json");
        serde_json::from_str(&read_text(&path)?).context(|| format!("`{}` is damaged", path.display()))
    }

    /// The rows as they go into a bundle; `folder` is for the message.
    ///
    /// # Errors
    /// `Failed` when the vectors differ in length.
    pub fn signal(&self, folder: &Path) -> Result<Signal> {
        let Some(first) = self.vectors.first() else { return Ok(Signal::Texts(self.texts.clone())) };
        let matrix = Array2::from_shape_vec((self.vectors.len(), first.len()), self.vectors.concat());
        let damaged = || format!("`{}` is damaged", folder.join("golden.json").display());
        Ok(Signal::Matrix(Features::Dense(matrix.context(damaged)?)))
    }
}

/// How far a score of a golden row may be from what it was. The vectors of a sentence encoder may differ in the last
/// digits on another processor; those of a coarser dtype may be rounded another way.
fn golden_tolerance(features: &FittedChain) -> f64 {
    let identity = features.embedder_identity().unwrap_or_default();
    match identity.get("dtype").and_then(serde_json::Value::as_str) {
        None => 1e-9,
        Some("f32") => 1e-4,
        Some(_) => 2e-2,
    }
}

impl Schema {
    /// Scores → prediction: class weights undone, classes decided.
    #[must_use]
    pub fn predict(&self, scores: Array2<f64>) -> Prediction {
        let classes = predicted_classes(&scores, self.threshold);
        let mut probabilities = scores.clone();
        if let Some(weights) = &self.class_weights {
            undo_class_weights(&mut probabilities, weights);
        }
        Prediction { scores, probabilities, classes }
    }
}

impl Bundle {
    /// The features of raw rows.
    ///
    /// # Errors
    /// `Invalid` when the rows do not have the width of training or hold NaN.
    pub fn transform(&self, rows: Signal, setting: &Setting<'_>) -> Result<Features> {
        self.features.transform(rows, setting)
    }

    /// What the model says of raw rows.
    ///
    /// # Errors
    /// As `transform`.
    pub fn predict(&self, rows: Signal, setting: &Setting<'_>) -> Result<Prediction> {
        Ok(self.schema.predict(self.model.predict(&self.transform(rows, setting)?)?))
    }

    /// The graph from the fitted steps' input to scores, probabilities and class. Its input is named after what the rows
    /// are: `features`, `term_counts`, `embedding`. Outputs: `probabilities` (N × k, the scores that decisions use),
    /// `calibrated` (N × k, class weights undone), `class` (N, the position in `labels`).
    ///
    /// # Errors
    /// `Invalid` for a kind of model that cannot be exported, naming it and those that can.
    pub fn onnx(&self) -> Result<Graph> {
        let input = self.features.outside().map_or("features", |outside| outside.input);
        let mut graph = Graph::new(input, self.features.input_width());
        let features = self.features.onnx(&mut graph);
        let scores = self.model.onnx(&mut graph, &features).ok_or_else(|| self.cannot_export())?;
        let width = Some(self.schema.labels.len());
        let calibrated = match &self.schema.class_weights {
            Some(weights) => {
                let weights = graph.numbers(&[weights.len()], weights);
                let shares = graph.binary("Div", &scores, &weights);
                graph.normalised(&shares)
            }
            None => scores.clone(),
        };
        let class =
            if width == Some(2) { graph.at_least(&scores, 1, self.schema.threshold) } else { graph.arg_max(&scores) };
        graph.output("probabilities", &scores, Kind::Float32, width);
        graph.output("calibrated", &calibrated, Kind::Float32, width);
        graph.output("class", &class, Kind::Int64, None);
        Ok(graph)
    }

    fn cannot_export(&self) -> Error {
        let known = FAMILIES.iter().filter(|family| family.exports()).map(|family| format!("`{}`", family.name()));
        let kind = &self.schema.kind;
        Error::invalid(format!("a model of kind `{kind}` cannot be exported to ONNX"))
            .hint(format!("these can: {}", known.collect::<Vec<_>>().join(", ")))
    }

    /// Writes all files into an existing folder.
    ///
    /// # Errors
    /// `Failed` when the disk refuses.
    pub fn save(&self, folder: &Path) -> Result<()> {
        let schema = serde_json::to_string_pretty(&self.schema).context(|| "cannot write the schema".into())?;
        write_atomic(&folder.join("schema.json"), schema.as_bytes())?;
        self.features.save(folder)?;
        self.model.save(folder)
    }

    /// Reads a folder that `save` wrote. The files must have been checked against the manifest.
    ///
    /// # Errors
    /// `Failed` when a file is missing, damaged, or of an unknown kind.
    pub fn load(folder: &Path) -> Result<Self> {
        let path = folder.join("schema.json");
        let schema: Schema =
            serde_json::from_str(&read_text(&path)?).context(|| format!("`{}` is damaged", path.display()))?;
        let family = find("kind of model", FAMILIES, &schema.kind)?;
        Ok(Self { features: FittedChain::load(folder)?, model: family.load(folder)?, schema })
    }

    /// Asks the model again about its golden rows.
    ///
    /// # Errors
    /// `Failed` when a score differs by more than 1e-9 (1e-4 behind a sentence encoder, 2e-2 behind a coarser dtype).
    pub fn check_golden(&self, folder: &Path, setting: &Setting<'_>) -> Result<usize> {
        let golden = Golden::read(folder)?;
        let (rows, tolerance) = (golden.scores.len(), golden_tolerance(&self.features));
        let signal = golden.signal(folder)?;
        let scores = self.predict(signal, setting)?.scores;
        for (row, expected) in golden.scores.iter().enumerate() {
            for (class, expected) in expected.iter().enumerate() {
                let got = scores[[row, class]];
                if (got - expected).abs() > tolerance {
                    return Err(Error::failed(format!(
                        "golden row {}: expected the score {expected}, got {got}",
                        row + 1
                    )));
                }
            }
        }
        Ok(rows)
    }
}
