//! A chain of feature steps: configured, checked against the kind of data, fitted, saved and loaded as one.
//!
//! `features.json` lists the steps with their parameters and widths; the files of step `i` begin with `step{i}_`.

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::Array2;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::catalog::{ParamProblem, Params, find};
use crate::data::dataset::Features;
use crate::embeddings::{EmbedContext, TextReport};
use crate::error::{Cause, Context, Error, Result};
use crate::features::STEPS;
use crate::features::batch::{Batch, QueryBounds, Signal};
use crate::features::step::{Fitted, Outside, Step, StepKind, Takes};
use crate::fs::{read_document, write_atomic};
use crate::onnx::{self, Graph};

const FILE: &str = "features.json";
const FORMAT_VERSION: u32 = 1;

/// One step as it is written down: its kind and all its parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepConfig {
    /// Name of the step kind.
    pub kind: String,
    /// Its parameters.
    pub params: Params,
}

/// `features.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format_version: u32,
    /// Columns of the matrix that goes in; none when texts go in.
    n_inputs: Option<usize>,
    steps: Vec<ManifestStep>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestStep {
    kind: String,
    params: BTreeMap<String, Value>,
    n_features: usize,
}

/// Configured steps, not yet fitted; without any step a matrix passes unchanged.
pub struct Chain(Vec<(&'static dyn StepKind, Params, Box<dyn Step>)>);

impl Chain {
    /// Configures each step.
    ///
    /// # Errors
    /// The first step that refuses its parameters, by its index.
    pub fn configure(steps: &[(&'static dyn StepKind, Params)]) -> Result<Self, (usize, ParamProblem)> {
        let configured = steps.iter().enumerate().map(|(index, (kind, params))| {
            let step = kind.configure(params).map_err(|problem| (index, problem))?;
            Ok((*kind, params.clone(), step))
        });
        Ok(Self(configured.collect::<Result<_, _>>()?))
    }

    /// Checks that every step gets what it takes and that a matrix comes out, when the data bring `input`.
    ///
    /// # Errors
    /// The index of the step that does not fit, and why.
    pub fn check(&self, input: Takes) -> Result<(), (usize, String)> {
        let mut flows = input;
        for (index, (kind, ..)) in self.0.iter().enumerate() {
            let name = kind.name();
            if index > 0 && kind.reads_queries() {
                return Err((index, format!("`{name}` reads queries, so it can only be the first step")));
            }
            match (kind.takes(), flows) {
                (Takes::Texts, Takes::Matrix) if index == 0 => {
                    return Err((index, format!("`{name}` takes texts, but the data have no text column")));
                }
                (Takes::Texts, Takes::Matrix) => {
                    return Err((index, format!("`{name}` takes texts, but the step before it gives a matrix")));
                }
                (Takes::Matrix, Takes::Texts) => {
                    return Err((index, format!("`{name}` takes a matrix, but the data are texts")));
                }
                _ => flows = Takes::Matrix,
            }
        }
        if flows == Takes::Texts {
            let takers: Vec<String> = STEPS
                .iter()
                .filter(|kind| kind.takes() == Takes::Texts)
                .map(|kind| format!("`{}`", kind.name()))
                .collect();
            return Err((0, format!("the data are texts, but no step takes texts ({})", takers.join(" or "))));
        }
        Ok(())
    }

    /// Whether what the steps do depends on the queries of the rows: such a chain is for ranking.
    #[must_use]
    pub fn reads_queries(&self) -> bool {
        self.0.iter().any(|(kind, ..)| kind.reads_queries())
    }

    /// Looks, before any row is read, whether what the steps need is there.
    ///
    /// # Errors
    /// What a step says.
    pub fn prepare(&self, context: &EmbedContext<'_>) -> Result<()> {
        self.0.iter().try_for_each(|(.., step)| step.prepare(context))
    }

    /// Fits each step on what the step before it makes of the training rows.
    ///
    /// # Errors
    /// What a step says.
    pub fn fit_transform(
        &self,
        train: Batch,
        context: &EmbedContext<'_>,
    ) -> Result<(FittedChain, Features, TextReport)> {
        let n_inputs = width(&train.signal);
        let Batch { mut signal, queries, row_numbers } = train;
        let (mut steps, mut report) = (Vec::new(), TextReport::default());
        for (kind, params, step) in &self.0 {
            let batch = Batch { signal, queries: queries.clone(), row_numbers: row_numbers.clone() };
            let (fitted, features, of_step) = step.fit_transform(batch, context)?;
            steps.push(FittedStep { kind: *kind, params: params.clone(), fitted });
            signal = Signal::Matrix(features);
            report.merge(of_step);
        }
        Ok((FittedChain { n_inputs, steps }, matrix_of(signal)?, report))
    }
}

struct FittedStep {
    kind: &'static dyn StepKind,
    params: Params,
    fitted: Box<dyn Fitted>,
}

/// Fitted steps: what a model needs to see new rows as it saw the training rows.
#[derive(Default)]
pub struct FittedChain {
    n_inputs: Option<usize>,
    steps: Vec<FittedStep>,
}

impl FittedChain {
    /// Transforms rows; row `i` of the result belongs to row `i` of the input.
    ///
    /// # Errors
    /// `Invalid` when the rows are not of the kind or width seen in training.
    pub fn transform(&self, rows: Batch, context: &EmbedContext<'_>) -> Result<(Features, TextReport)> {
        self.check_input(&rows.signal)?;
        apply(&self.steps, rows, context)
    }

    fn check_input(&self, rows: &Signal) -> Result<()> {
        match (self.n_inputs, width(rows)) {
            (Some(expected), Some(got)) if expected != got => {
                Err(Error::invalid_rows(format!("expected {expected} features, got {got}")))
            }
            (Some(expected), None) => {
                Err(Error::invalid_rows(format!("expected a matrix of {expected} features, got texts")))
            }
            (None, Some(got)) => Err(Error::invalid_rows(format!("expected texts, got a matrix of {got} features"))),
            _ => Ok(()),
        }
    }

    /// One dense vector a row, in the space where likeness is cosine: what the embedding step makes of texts, or the
    /// matrix itself where the rows bring one.
    ///
    /// # Errors
    /// `Invalid` when the chain has no such vectors (tf-idf), or the rows do not fit.
    pub fn vectors(&self, rows: Batch, context: &EmbedContext<'_>) -> Result<(Array2<f32>, TextReport)> {
        let (features, report) = match (rows, self.steps.first()) {
            (Batch { signal: Signal::Matrix(features), .. }, _) => (features, TextReport::default()),
            (rows, Some(first)) if first.fitted.embedder().is_some() => first.fitted.transform(rows, context)?,
            _ => {
                return Err(Error::invalid("the model has no vectors of texts: it does not embed them")
                    .hint("train with `features: [{embedding: {model: …}}]`"));
            }
        };
        match features {
            Features::Dense(matrix) => Ok((matrix, report)),
            Features::Sparse(_) => {
                Err(Error::invalid_rows("the rows are a sparse matrix: likeness needs dense vectors"))
            }
        }
    }

    /// The features of rows whose vectors are known: the steps after the embedding. No text goes in, so there is no report.
    ///
    /// # Errors
    /// `Invalid` when the vectors are not as wide as those of training.
    pub fn of_vectors(
        &self,
        vectors: Array2<f32>,
        queries: QueryBounds,
        context: &EmbedContext<'_>,
    ) -> Result<Features> {
        let embeds = usize::from(self.n_inputs.is_none());
        let width = match embeds {
            0 => self.n_inputs.unwrap_or_default(),
            _ => self.steps.first().map_or(0, |step| step.fitted.n_features()),
        };
        if vectors.ncols() != width {
            return Err(Error::invalid_rows(format!("expected vectors of {width} numbers, got {}", vectors.ncols())));
        }
        let rows = Batch::new(Signal::Matrix(Features::Dense(vectors)), queries, None);
        let after = self.steps.get(embeds..).unwrap_or_default();
        apply(after, rows, context).map(|(features, _)| features)
    }

    /// What an ONNX graph of the model takes for these rows: what the first step makes of texts or queries outside the graph, or
    /// the matrix itself; `n_rows × input_width()`.
    ///
    /// # Errors
    /// As `transform`.
    pub fn graph_input(&self, rows: Batch, context: &EmbedContext<'_>) -> Result<(Array2<f32>, TextReport)> {
        self.check_input(&rows.signal)?;
        match (rows, self.steps.first()) {
            (rows @ Batch { signal: Signal::Matrix(_), .. }, Some(first)) if first.kind.reads_queries() => {
                first.fitted.graph_input(rows, context)
            }
            (Batch { signal: Signal::Matrix(Features::Dense(matrix)), .. }, _) => Ok((matrix, TextReport::default())),
            (Batch { signal: Signal::Matrix(Features::Sparse(_)), .. }, _) => {
                let message = "the rows are a sparse matrix: a graph takes a dense one";
                Err(Error::invalid(message).because(Cause::NotExportable))
            }
            (rows, Some(first)) => first.fitted.graph_input(rows, context),
            (_, None) => Err(Error::invalid("the data are texts, but no step takes texts")),
        }
    }

    /// The part of the first step that stays outside a graph, where texts go in or queries are read.
    #[must_use]
    pub fn outside(&self) -> Option<Outside> {
        self.steps.first().and_then(|step| step.fitted.outside())
    }

    /// Columns of the matrix that a graph takes.
    #[must_use]
    pub fn input_width(&self) -> usize {
        self.n_inputs.unwrap_or_else(|| self.steps.first().map_or(0, |step| step.fitted.n_features()))
    }

    /// Adds the steps to a graph, from its input to the features, f32, `N × n_features()`.
    pub fn onnx(&self, graph: &mut Graph) -> onnx::Value {
        let input = graph.input();
        self.steps.iter().fold(input, |value, step| step.fitted.onnx(graph, &value))
    }

    /// What the steps of a matrix have learned, in order: kind, parameters, numbers by name. For readers of an exported
    /// file; the graph does these steps itself.
    #[must_use]
    pub fn numbers(&self) -> Vec<Value> {
        let inside = self.steps.iter().filter(|step| step.fitted.outside().is_none());
        inside
            .map(|step| {
                let params: BTreeMap<&str, &Value> = step.params.iter().collect();
                serde_json::json!({"step": step.kind.name(), "params": params, "numbers": step.fitted.numbers()})
            })
            .collect()
    }

    /// The identity of the embedder in the chain, where there is one.
    #[must_use]
    pub fn embedder(&self) -> Option<String> {
        self.steps.iter().find_map(|step| step.fitted.embedder())
    }

    /// The embedder's identity, field by field.
    #[must_use]
    pub fn embedder_identity(&self) -> Option<Value> {
        self.steps.iter().find_map(|step| step.fitted.embedder_identity())
    }

    /// Number of columns that come out.
    #[must_use]
    pub fn n_features(&self) -> usize {
        self.steps.last().map_or(self.n_inputs.unwrap_or_default(), |step| step.fitted.n_features())
    }

    /// The names of the columns, where the last step has them.
    #[must_use]
    pub fn feature_names(&self) -> Option<Vec<String>> {
        self.steps.last().and_then(|step| step.fitted.feature_names())
    }

    /// The steps as they were configured.
    #[must_use]
    pub fn configs(&self) -> Vec<StepConfig> {
        let config = |step: &FittedStep| StepConfig { kind: step.kind.name().into(), params: step.params.clone() };
        self.steps.iter().map(config).collect()
    }

    /// Writes `features.json` and the files of the steps into an existing folder.
    ///
    /// # Errors
    /// `Failed` when the disk refuses.
    pub fn save(&self, folder: &Path) -> Result<()> {
        for (index, step) in self.steps.iter().enumerate() {
            step.fitted.save(folder, &prefix(index))?;
        }
        let steps = self.steps.iter().map(|step| ManifestStep {
            kind: step.kind.name().into(),
            params: step.params.iter().map(|(name, value)| (name.to_owned(), value.clone())).collect(),
            n_features: step.fitted.n_features(),
        });
        let manifest = Manifest { format_version: FORMAT_VERSION, n_inputs: self.n_inputs, steps: steps.collect() };
        let mut text = serde_json::to_string_pretty(&manifest).context(|| format!("cannot write `{FILE}`"))?;
        text.push('\n');
        write_atomic(&folder.join(FILE), text.as_bytes())
    }

    /// Reads a chain that `save` wrote.
    ///
    /// # Errors
    /// `Failed` when a file is missing, damaged, or written by a newer version.
    pub fn load(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let manifest: Manifest = read_document(&path, FORMAT_VERSION)?;
        let damaged = || format!("`{}` is damaged", path.display());
        let steps = manifest.steps.into_iter().enumerate().map(|(index, step)| {
            let kind = find("step", STEPS, &step.kind).context(damaged)?;
            let params = Params::checked(kind.params_for(&step.params), &step.params).map_err(|problems| {
                let why = problems.first().map_or(String::new(), |problem| format!(": {}", problem.message));
                Error::failed(damaged() + &why)
            })?;
            let fitted = kind.load(&params, folder, &prefix(index))?;
            if fitted.n_features() != step.n_features {
                let (expected, got) = (step.n_features, fitted.n_features());
                let message = format!("{}: step {index} expected {expected} features, got {got}", damaged());
                return Err(Error::failed(message));
            }
            Ok(FittedStep { kind, params, fitted })
        });
        Ok(Self { n_inputs: manifest.n_inputs, steps: steps.collect::<Result<_>>()? })
    }
}

fn prefix(index: usize) -> String {
    format!("step{index}_")
}

/// Columns of a matrix.
fn width(signal: &Signal) -> Option<usize> {
    match signal {
        Signal::Texts(_) => None,
        Signal::Matrix(features) => Some(features.n_features()),
    }
}

/// Sends rows through fitted steps, one after the other.
fn apply(steps: &[FittedStep], rows: Batch, context: &EmbedContext<'_>) -> Result<(Features, TextReport)> {
    let Batch { mut signal, queries, row_numbers } = rows;
    let mut report = TextReport::default();
    for step in steps {
        let batch = Batch { signal, queries: queries.clone(), row_numbers: row_numbers.clone() };
        let (features, of_step) = step.fitted.transform(batch, context)?;
        signal = Signal::Matrix(features);
        report.merge(of_step);
    }
    Ok((matrix_of(signal)?, report))
}

fn matrix_of(signal: Signal) -> Result<Features> {
    match signal {
        Signal::Matrix(features) => Ok(features),
        Signal::Texts(_) => Err(Error::invalid("the data are texts, but no step takes texts")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::samples::no_queries;
    use ndarray::array;

    fn chain(steps: &[(&str, &str)]) -> Chain {
        let steps = steps.iter().map(|(name, json)| {
            let kind = find("step", STEPS, name).unwrap();
            {
                let given = serde_json::from_str(json).unwrap();
                (kind, Params::checked(kind.params_for(&given), &given).unwrap())
            }
        });
        Chain::configure(&steps.collect::<Vec<_>>()).map_err(|(_, problem)| problem.message).unwrap()
    }

    #[test]
    fn what_flows_must_fit() {
        let (tfidf, scale) = (("tfidf", "{}"), ("standardize", "{}"));
        let wrong = |steps: &[_], input| chain(steps).check(input).err();
        for (steps, input) in
            [(vec![], Takes::Matrix), (vec![scale], Takes::Matrix), (vec![tfidf, scale], Takes::Texts)]
        {
            assert_eq!(wrong(&steps, input), None);
        }
        let expected = "the data are texts, but no step takes texts (`embedding` or `tfidf`)";
        assert_eq!(wrong(&[], Takes::Texts), Some((0, expected.into())));
        assert_eq!(wrong(&[tfidf, tfidf], Takes::Texts).unwrap().0, 1);
        assert_eq!(wrong(&[tfidf], Takes::Matrix).unwrap().1, "`tfidf` takes texts, but the data have no text column");
        assert_eq!(
            wrong(&[scale, tfidf], Takes::Texts).unwrap().1,
            "`standardize` takes a matrix, but the data are texts"
        );
    }

    #[test]
    fn a_step_that_reads_queries_comes_first_and_stays_outside_the_graph() {
        let (own, scale) = (("per_query", "{}"), ("standardize", "{}"));
        assert_eq!(chain(&[own, scale]).check(Takes::Matrix), Ok(()));
        let (index, message) = chain(&[scale, own]).check(Takes::Matrix).unwrap_err();
        assert_eq!((index, message.as_str()), (1, "`per_query` reads queries, so it can only be the first step"));
        assert!(chain(&[own, scale]).reads_queries() && !chain(&[scale]).reads_queries());
        let rows = || {
            let signal = Signal::Matrix(Features::Dense(array![[1.0, 2.0], [3.0, 5.0], [0.0, 4.0], [9.0, 8.0]]));
            Batch::new(signal, QueryBounds::Starts([0, 2, 4].into()), None)
        };
        let context = EmbedContext::bare(".".as_ref());
        let (fitted, features, _) = chain(&[own, scale]).fit_transform(rows(), &context).unwrap();
        assert_eq!((fitted.input_width(), fitted.outside().unwrap().input), (2, "features_scaled_per_query"));
        let (input, _) = fitted.graph_input(rows(), &context).unwrap();
        assert_eq!(input, array![[0.0, 0.0], [1.0, 1.0], [0.0, 0.0], [1.0, 1.0]]);
        let mut graph = Graph::new("features_scaled_per_query", 2);
        let output = fitted.onnx(&mut graph);
        graph.output("out", &output, onnx::Kind::Float32, Some(2));
        let outputs = onnx::Runtime::new(&graph.bytes(&onnx::Facts::default())).unwrap().run(&input).unwrap();
        assert_eq!(Features::Dense(outputs["out"].floats().unwrap().clone()), features);
    }

    #[test]
    fn the_index_of_a_refused_step_is_told() {
        let tfidf = find("step", STEPS, "tfidf").unwrap();
        let params = |json| Params::checked(tfidf.params(), &serde_json::from_str(json).unwrap()).unwrap();
        let steps = [(tfidf, params("{}")), (tfidf, params(r#"{"min_df":0}"#))];
        let (index, problem) = Chain::configure(&steps).err().unwrap();
        assert_eq!((index, problem.name.as_str()), (1, "min_df"));
    }

    #[test]
    fn a_saved_chain_comes_back() {
        let texts = || no_queries(Signal::Texts(vec!["좋은 영화".into(), "나쁜 영화".into(), "좋은 날".into()]));
        let matrix = || no_queries(Signal::Matrix(Features::Dense(array![[1.0, 2.0], [3.0, 5.0]])));
        let sparse = [("tfidf", "{}"), ("standardize", r#"{"with_mean":false}"#)];
        let dense = [("embedding", r#"{"dimensions":8}"#), ("standardize", "{}")];
        let cases: [(&[_], &dyn Fn() -> Batch); 4] =
            [(&sparse, &texts), (&dense, &texts), (&[], &matrix), (&[("standardize", "{}")], &matrix)];
        for (steps, signal) in cases {
            let folder = tempfile::tempdir().unwrap();
            let (fitted, features, _) =
                chain(steps).fit_transform(signal(), &EmbedContext::bare(".".as_ref())).unwrap();
            assert_eq!(fitted.n_features(), features.n_features());
            fitted.save(folder.path()).unwrap();
            let loaded = FittedChain::load(folder.path()).unwrap();
            assert_eq!(loaded.configs(), fitted.configs());
            assert_eq!(loaded.transform(signal(), &EmbedContext::bare(".".as_ref())).unwrap().0, features);
            let other = no_queries(Signal::Matrix(Features::Dense(array![[1.0, 2.0, 3.0]])));
            assert!(loaded.transform(other, &EmbedContext::bare(".".as_ref())).unwrap_err().message.contains('3'));
        }
    }

    #[test]
    fn a_damaged_or_newer_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let load = |text: &str| {
            std::fs::write(folder.path().join(FILE), text).unwrap();
            FittedChain::load(folder.path()).err().unwrap()
        };
        assert!(load(r#"{"format_version":2,"new":0}"#).message.contains("format 2, this build reads 1"));
        let unknown = r#"{"format_version":1,"n_inputs":2,"steps":[{"kind":"x","params":{},"n_features":2}]}"#;
        assert!(load(unknown).causes()[0].contains("unknown step `x`"));
        assert!(load("{").message.contains("damaged"));
    }
}
