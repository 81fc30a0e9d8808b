//! The unit that is versioned: input schema, fitted features and fitted model, saved and loaded as one folder.
//!
//! A classifier gives `n_rows × n_classes` scores that are probabilities, a ranker `n_rows × 1` scores, higher is better,
//! to be compared within a query only. Which rows are of one query is told by the batch that they come in.

use std::path::Path;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::catalog::find;
use crate::data::{Columns, Features, Task};
use crate::embeddings::{EmbedContext, TextReport};
use crate::error::{Cause, Context, Error, Result};
use crate::features::{Batch, FittedChain, QueryBounds, Signal};
use crate::fs::{read_text, write_atomic};
use crate::metrics::{calibration::undo_class_weights, predicted_classes};
use crate::models::{FAMILIES, Model};
use crate::onnx::{Graph, Kind};

/// What goes in and what comes out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Schema {
    /// The format of this file.
    pub format_version: u32,
    /// Which columns mean what.
    pub columns: Columns,
    /// The kind of model.
    pub kind: String,
    /// What the model's scores mean.
    pub output: Output,
}

/// What the scores of a model mean: a variant a task.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// `n_rows × n_classes` scores, from which a class is decided.
    Classes {
        /// The class names; with two, the second is the positive one.
        labels: Vec<String>,
        /// The weights that the classes had in training, where they shift the probabilities.
        class_weights: Option<Vec<f64>>,
        /// The decision threshold on the positive class's score.
        threshold: f64,
    },
    /// `n_rows × 1` scores that order the documents of a query.
    Ranks {
        /// The highest grade of the training labels, which ERR needs.
        highest_grade: Option<u8>,
    },
}

/// `schema.json`: the fields of all tasks side by side.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    format_version: u32,
    task: Task,
    columns: Columns,
    labels: Vec<String>,
    class_weights: Option<Vec<f64>>,
    threshold: f64,
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    highest_grade: Option<u8>,
}

impl From<Schema> for Written {
    fn from(schema: Schema) -> Self {
        let task = schema.task();
        let Schema { format_version, columns, kind, output } = schema;
        let (labels, class_weights, threshold, highest_grade) = match output {
            Output::Classes { labels, class_weights, threshold } => (labels, class_weights, threshold, None),
            Output::Ranks { highest_grade } => (Vec::new(), None, HALF, highest_grade),
        };
        Self { format_version, task, columns, labels, class_weights, threshold, kind, highest_grade }
    }
}

impl From<Written> for Schema {
    fn from(written: Written) -> Self {
        let Written { format_version, task, columns, labels, class_weights, threshold, kind, highest_grade } = written;
        let output = match task {
            Task::Classification => Output::Classes { labels, class_weights, threshold },
            Task::Ranking => Output::Ranks { highest_grade },
        };
        Self { format_version, columns, kind, output }
    }
}

/// The threshold of two classes where nobody sets another.
pub const HALF: f64 = 0.5;

/// What a model says of rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// As the model gives them, `n_rows × n_classes`: what decisions and metrics use. For ranking `n_rows × 1`.
    pub scores: Array2<f64>,
    /// The same with the class weights of training undone: calibrated to the base rate of the training rows. For ranking
    /// `n_rows × 0`.
    pub probabilities: Array2<f64>,
    /// The class of each row; none for ranking.
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
    /// For ranking, where their queries begin and end: query q has the rows `starts[q]..starts[q + 1]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub starts: Vec<usize>,
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

    /// The rows as they go into a bundle with this output; `folder` is for the message. The golden rows of a ranker without starts
    /// are those of one query.
    ///
    /// # Errors
    /// `Failed` when the vectors differ in length.
    pub fn batch(&self, output: &Output, folder: &Path) -> Result<Batch> {
        let queries = match output {
            Output::Classes { .. } => QueryBounds::Absent,
            Output::Ranks { .. } if self.starts.is_empty() => QueryBounds::single(self.vectors.len()),
            Output::Ranks { .. } => QueryBounds::Starts(self.starts.as_slice().into()),
        };
        Ok(Batch::new(self.signal(folder)?, queries, None))
    }

    /// The raw rows; `folder` is for the message.
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
/// digits on another processor; those of a coarser dtype may be rounded another way. A ranker may be an f32 network, whose
/// sums a wider processor adds up in another order: some 1e-6 of the largest score; its scores have no unit.
fn golden_tolerance(bundle: &Bundle, golden: &Golden) -> f64 {
    if let Output::Ranks { .. } = bundle.schema.output {
        let largest = golden.scores.iter().flatten().fold(1.0_f64, |most, score| most.max(score.abs()));
        return 1e-4 * largest;
    }
    let identity = bundle.features.embedder_identity().unwrap_or_default();
    match identity.get("dtype").and_then(serde_json::Value::as_str) {
        None => 1e-9,
        Some("f32") => 1e-4,
        Some(_) => 2e-2,
    }
}

impl Schema {
    /// Reads the schema of a version's folder.
    ///
    /// # Errors
    /// `Failed` when the file is missing or damaged.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("schema.json");
        serde_json::from_str(&read_text(&path)?).context(|| format!("`{}` is damaged", path.display()))
    }

    /// What the model has learned.
    #[must_use]
    pub fn task(&self) -> Task {
        match self.output {
            Output::Classes { .. } => Task::Classification,
            Output::Ranks { .. } => Task::Ranking,
        }
    }

    /// The class names, in the order of the outputs; empty for another task.
    #[must_use]
    pub fn labels(&self) -> &[String] {
        match &self.output {
            Output::Classes { labels, .. } => labels,
            Output::Ranks { .. } => &[],
        }
    }

    /// The weights that the classes had in training, where they shift the probabilities.
    #[must_use]
    pub fn class_weights(&self) -> Option<&[f64]> {
        match &self.output {
            Output::Classes { class_weights, .. } => class_weights.as_deref(),
            Output::Ranks { .. } => None,
        }
    }

    /// The decision threshold on the positive class's score; 0.5 where no class is decided.
    #[must_use]
    pub fn threshold(&self) -> f64 {
        match self.output {
            Output::Classes { threshold, .. } => threshold,
            Output::Ranks { .. } => HALF,
        }
    }

    /// The highest grade of the training labels of a ranker.
    #[must_use]
    pub fn highest_grade(&self) -> Option<u8> {
        match self.output {
            Output::Classes { .. } => None,
            Output::Ranks { highest_grade } => highest_grade,
        }
    }

    /// Scores → prediction: class weights undone, classes decided; for ranking the scores alone.
    #[must_use]
    pub fn predict(&self, scores: Array2<f64>) -> Prediction {
        let Output::Classes { class_weights, threshold, .. } = &self.output else {
            let probabilities = Array2::zeros((scores.nrows(), 0));
            return Prediction { scores, probabilities, classes: Vec::new() };
        };
        let classes = predicted_classes(&scores, *threshold);
        let mut probabilities = scores.clone();
        if let Some(weights) = class_weights {
            undo_class_weights(&mut probabilities, weights);
        }
        Prediction { scores, probabilities, classes }
    }
}

impl Bundle {
    /// The features of raw rows, and what came of their texts.
    ///
    /// # Errors
    /// `Invalid` when the rows do not have the width of training or hold NaN.
    pub fn transform(&self, rows: Batch, context: &EmbedContext<'_>) -> Result<(Features, TextReport)> {
        self.features.transform(rows, context)
    }

    /// What the model says of raw rows, and what came of their texts.
    ///
    /// # Errors
    /// As `transform`.
    pub fn predict(&self, rows: Batch, context: &EmbedContext<'_>) -> Result<(Prediction, TextReport)> {
        let (features, report) = self.transform(rows, context)?;
        Ok((self.schema.predict(self.model.predict(&features)?), report))
    }

    /// The graph from the fitted steps' input to scores, probabilities and class. Its input is named after what the rows
    /// are: `features`, `term_counts`, `embedding`. Outputs: `probabilities` (N × k, the scores that decisions use),
    /// `calibrated` (N × k, class weights undone), `class` (N, the position in `labels`). For ranking one: `score`, N × 1
    /// (a column, as what other libraries' converters give), the documents of one query or of many.
    ///
    /// # Errors
    /// `Invalid` for a kind of model that cannot be exported, naming it and those that can.
    pub fn onnx(&self) -> Result<Graph> {
        #[cfg(test)]
        crate::counted::add("graph");
        let input = self.features.outside().map_or("features", |outside| outside.input);
        let mut graph = Graph::new(input, self.features.input_width());
        let features = self.features.onnx(&mut graph);
        let scores = self.model.onnx(&mut graph, &features).ok_or_else(|| self.cannot_export())?;
        let Output::Classes { labels, class_weights, threshold } = &self.schema.output else {
            graph.output("score", &scores, Kind::Float32, Some(1));
            return Ok(graph);
        };
        let width = Some(labels.len());
        let calibrated = match class_weights {
            Some(weights) => {
                let weights = graph.numbers(&[weights.len()], weights);
                let shares = graph.binary("Div", &scores, &weights);
                graph.normalised(&shares)
            }
            None => scores.clone(),
        };
        let class = if width == Some(2) { graph.at_least(&scores, 1, *threshold) } else { graph.arg_max(&scores) };
        graph.output("probabilities", &scores, Kind::Float32, width);
        graph.output("calibrated", &calibrated, Kind::Float32, width);
        graph.output("class", &class, Kind::Int64, None);
        Ok(graph)
    }

    fn cannot_export(&self) -> Error {
        let exported = FAMILIES.iter().filter(|family| family.task() == self.schema.task() && family.exports());
        let known = exported.map(|family| format!("`{}`", family.name()));
        let kind = &self.schema.kind;
        Error::invalid(format!("a model of kind `{kind}` cannot be exported to ONNX"))
            .hint(format!("these can: {}", known.collect::<Vec<_>>().join(", ")))
            .because(Cause::NotExportable)
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
        #[cfg(test)]
        crate::counted::add(format!("load {}", folder.display()));
        let schema = Schema::read(folder)?;
        let family = find("kind of model", FAMILIES, &schema.kind)?;
        Ok(Self { features: FittedChain::load(folder)?, model: family.load(folder)?, schema })
    }

    /// Asks the model again about its golden rows.
    ///
    /// # Errors
    /// `Failed` when a score differs by more than 1e-9 (1e-4 behind a sentence encoder, 2e-2 behind a coarser dtype; for
    /// ranking 1e-4 of the largest score, or of 1), or there is another number of them.
    pub fn check_golden(&self, folder: &Path, context: &EmbedContext<'_>) -> Result<usize> {
        let golden = Golden::read(folder)?;
        let (rows, tolerance) = (golden.scores.len(), golden_tolerance(self, &golden));
        let scores = self.ask_golden(&golden, folder, context)?.scores;
        for (row, expected) in golden.scores.iter().enumerate() {
            if scores.nrows() != rows || expected.len() != scores.ncols() {
                let (expected, got) = ((rows, expected.len()), scores.dim());
                return Err(Error::failed(format!("golden rows: expected {expected:?} scores, got {got:?}")));
            }
            for (class, expected) in expected.iter().enumerate() {
                let got = scores[[row, class]];
                let near = (got - expected).abs() <= tolerance;
                if !near {
                    return Err(Error::failed(format!(
                        "golden row {}: expected the score {expected}, got {got}",
                        row + 1
                    )));
                }
            }
        }
        Ok(rows)
    }

    /// What the model says of golden rows; `folder` is for the message. Their texts are test rows, of which training has
    /// reported: there is no second report.
    ///
    /// # Errors
    /// As `transform`, and `Failed` when they are damaged.
    pub fn ask_golden(&self, golden: &Golden, folder: &Path, context: &EmbedContext<'_>) -> Result<Prediction> {
        let rows = golden.batch(&self.schema.output, folder)?;
        self.predict(rows, context).map(|(prediction, _)| prediction)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::data::Input;
    use crate::features::Chain;
    use crate::models::FAMILIES;
    use crate::onnx::Value;

    /// A sum of features with weights.
    struct Weighted {
        weights: Vec<f64>,
        start: f64,
    }

    impl Model for Weighted {
        fn predict(&self, features: &Features) -> Result<Array2<f64>> {
            let Features::Dense(rows) = features else { unreachable!("the tests have dense rows") };
            let score = |row: ndarray::ArrayView1<'_, f32>| {
                row.iter().zip(&self.weights).map(|(x, weight)| f64::from(*x) * weight).sum::<f64>() + self.start
            };
            Ok(rows.outer_iter().map(score).collect::<ndarray::Array1<f64>>().insert_axis(ndarray::Axis(1)))
        }

        fn onnx(&self, graph: &mut Graph, features: &Value) -> Option<Value> {
            let exact = graph.cast(features, Kind::Float64);
            Some(graph.affine(&exact, &self.weights, &[self.start]))
        }

        fn save(&self, _folder: &Path) -> Result<()> {
            Ok(())
        }
    }

    /// A ranker that adds up the features with these weights.
    pub fn ranker(weights: &[f64], start: f64) -> Bundle {
        let names = (1..=weights.len()).map(|at| at.to_string()).collect();
        let schema = Schema {
            format_version: 1,
            columns: Columns {
                id: Some("docid".into()),
                label: Some("label".into()),
                query: Some("qid".into()),
                input: Input::Numbers(names),
                letor: crate::data::letor::Settings::default(),
            },
            kind: "lambdarank".into(),
            output: Output::Ranks { highest_grade: Some(2) },
        };
        let rows = one_query(Array2::zeros((1, weights.len())));
        let chain = Chain::configure(&[]).unwrap_or_else(|(_, problem)| panic!("{problem:?}"));
        let (features, ..) = chain.fit_transform(rows, &EmbedContext::bare(".".as_ref())).unwrap();
        Bundle { schema, features, model: Box::new(Weighted { weights: weights.to_vec(), start }) }
    }

    fn one_query(rows: Array2<f32>) -> Batch {
        let queries = QueryBounds::single(rows.nrows());
        Batch::new(Signal::Matrix(Features::Dense(rows)), queries, None)
    }

    /// Writes golden rows as a training run does.
    fn write(folder: &Path, golden: &Golden) {
        std::fs::write(folder.join("golden.json"), serde_json::to_string(golden).unwrap()).unwrap();
    }

    #[test]
    fn a_ranker_has_scores_and_nothing_else() {
        let bundle = ranker(&[1.0, -2.0], 0.5);
        let rows = one_query(ndarray::array![[1.0, 0.0], [0.0, 1.0]]);
        let (said, _) = bundle.predict(rows, &EmbedContext::bare(".".as_ref())).unwrap();
        assert_eq!(said.scores, ndarray::array![[1.5], [-1.5]]);
        assert_eq!((said.probabilities.dim(), said.classes.len(), bundle.schema.labels().len()), ((2, 0), 0, 0));
        let graph = bundle.onnx().unwrap();
        let ports: Vec<_> =
            graph.output_ports().iter().map(|port| (port.name.as_str(), port.shape.join(" "))).collect();
        assert_eq!((graph.input_port().name.as_str(), ports), ("features", vec![("score", "N 1".to_owned())]));
    }

    #[test]
    fn golden_scores_may_move_by_a_share_of_the_largest() {
        let (folder, context) = (tempfile::tempdir().unwrap(), EmbedContext::bare(".".as_ref()));
        let bundle = ranker(&[1.0], 0.0);
        let golden = Golden {
            format_version: 1,
            texts: Vec::new(),
            vectors: vec![vec![1000.0], vec![0.25], vec![-3.0]],
            scores: vec![vec![1000.0], vec![0.25], vec![-3.0]],
            starts: vec![0, 2, 3],
        };
        let check = |golden: &Golden| {
            write(folder.path(), golden);
            bundle.check_golden(folder.path(), &context).map_err(|error| error.message)
        };
        assert_eq!(check(&golden), Ok(3));
        assert_eq!(Golden::read(folder.path()).unwrap(), golden);
        let moved = |row: usize, score: f64| {
            let mut golden = golden.clone();
            golden.scores[row] = vec![score];
            golden
        };
        assert_eq!(check(&moved(1, 0.3)), Ok(3), "0.05 beside 1000");
        assert_eq!(check(&moved(1, 0.4)), Err("golden row 2: expected the score 0.4, got 0.25".into()));
        let longer = Golden { scores: [golden.scores.clone(), vec![vec![1.0]]].concat(), ..golden.clone() };
        assert_eq!(check(&longer), Err("golden rows: expected (4, 1) scores, got (3, 1)".into()));
        let broken = ranker(&[f64::NAN], 0.0);
        write(folder.path(), &golden);
        assert!(broken.check_golden(folder.path(), &context).is_err(), "NaN is near nothing");
        // Classifiers have none.
        let text = serde_json::to_string(&Golden { starts: Vec::new(), ..golden }).unwrap();
        assert!(!text.contains("starts"), "{text}");
    }

    #[test]
    fn golden_rows_come_with_their_queries() {
        let golden = |starts: Vec<usize>| Golden {
            format_version: 1,
            texts: Vec::new(),
            vectors: vec![vec![1.0], vec![2.0], vec![3.0]],
            scores: vec![vec![1.0]; 3],
            starts,
        };
        let ranks = Output::Ranks { highest_grade: None };
        let classes = Output::Classes { labels: Vec::new(), class_weights: None, threshold: HALF };
        let queries = |golden: Golden, output: &Output| golden.batch(output, ".".as_ref()).unwrap().queries;
        assert_eq!(queries(golden(vec![0, 2, 3]), &ranks), QueryBounds::Starts([0, 2, 3].into()));
        // A file without starts: its rows are of one query.
        assert_eq!(queries(golden(Vec::new()), &ranks), QueryBounds::Starts([0, 3].into()));
        assert_eq!(queries(golden(Vec::new()), &classes), QueryBounds::Absent);
    }

    #[test]
    fn kinds_that_can_be_exported_are_those_of_the_task() {
        let mut bundle = ranker(&[1.0], 0.0);
        bundle.schema.kind = "foreign".into();
        let hint = bundle.cannot_export().hint.unwrap();
        let known = FAMILIES.iter().filter(|family| family.task() == bundle.schema.task() && family.exports());
        assert!(known.clone().count() > 0 && known.clone().all(|family| hint.contains(family.name())), "{hint}");
        assert!(!hint.contains("logistic_regression"), "{hint}");
    }
}
