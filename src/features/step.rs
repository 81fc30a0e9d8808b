//! The small house of feature steps: fitted on the training rows, saved with the model, applied the same ever after.

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::Array2;
use serde_json::Value as JsonValue;

use crate::catalog::{Named, Param, ParamProblem, Params};
use crate::data::dataset::Features;
use crate::embeddings::{EmbedContext, TextReport};
use crate::error::{Error, Result};
use crate::features::batch::Batch;
use crate::onnx::{Graph, Value};
use crate::tensors::Tensors;

/// A fitted step gets rows as wide as those of training.
///
/// # Errors
/// `Invalid`, with both widths.
pub fn check_width(step: &str, expected: usize, features: &Features) -> Result<()> {
    let got = features.n_features();
    if got == expected {
        return Ok(());
    }
    Err(Error::invalid_rows(format!("`{step}` expected {expected} columns, got {got}")))
}

/// Writes the number of columns of a step that has learned nothing else.
///
/// # Errors
/// `Failed` when the disk refuses.
pub fn save_width(path: &Path, n_features: usize) -> Result<()> {
    Tensors::new().u32("n_features", &[1], vec![n_features as u32]).save(path)
}

/// Reads what `save_width` wrote.
///
/// # Errors
/// `Failed` when the file is missing or damaged.
pub fn load_width(path: &Path) -> Result<usize> {
    let (_, width) = Tensors::load(path)?.take_u32("n_features")?;
    let [n_features] = width[..] else { return Err(Error::failed(format!("`{}` is damaged", path.display()))) };
    Ok(n_features as usize)
}

/// What a step takes in: texts or a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// One text per row.
    Texts,
    /// A feature matrix.
    Matrix,
}

/// A kind of step: it knows its parameters and makes unfitted steps.
pub trait StepKind: Named + Sync {
    /// The parameters with their defaults.
    fn params(&self) -> &'static [Param];
    /// Those parameters that go together with the given values: an embedder has its own.
    fn params_for(&self, _given: &BTreeMap<String, JsonValue>) -> &'static [Param] {
        self.params()
    }
    /// What it takes in.
    fn takes(&self) -> Takes;
    /// Whether what it does depends on the queries of the rows (`Batch::queries`). Such a step is for ranking, and the first of its
    /// chain: a graph knows no queries, so the step stays outside of it.
    fn reads_queries(&self) -> bool {
        false
    }
    /// Makes a step from checked parameters.
    ///
    /// # Errors
    /// What the parameter list alone cannot say.
    fn configure(&self, params: &Params) -> Result<Box<dyn Step>, ParamProblem>;
    /// Reads a fitted step back from what `Fitted::save` wrote under this `prefix` in the folder.
    ///
    /// # Errors
    /// `Failed` when a file is missing or damaged.
    fn load(&self, params: &Params, folder: &Path, prefix: &str) -> Result<Box<dyn Fitted>>;
}

/// A configured step, not yet fitted.
pub trait Step: Send + Sync {
    /// Learns from the training rows and transforms them in the same pass (the tokens need not be counted twice). The report is
    /// of the texts that were embedded; other steps leave it empty.
    ///
    /// # Errors
    /// `Invalid` when the rows cannot be used (no text has a term that survives `min_df`).
    fn fit_transform(
        &self,
        train: Batch,
        context: &EmbedContext<'_>,
    ) -> Result<(Box<dyn Fitted>, Features, TextReport)>;
    /// Looks, before any row is read, whether what the step needs is there.
    ///
    /// # Errors
    /// `NotFound` or `Invalid` when a model folder is missing or cannot be used.
    fn prepare(&self, _context: &EmbedContext<'_>) -> Result<()> {
        Ok(())
    }
}

/// The part of a step that another system must do itself before it can ask the graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Outside {
    /// The name of the graph's input: `term_counts`, `embedding`.
    pub input: &'static str,
    /// All that is needed to do it, for `preprocessor.json`.
    pub description: JsonValue,
}

/// A fitted step.
pub trait Fitted: Send + Sync {
    /// Transforms rows; row `i` of the result belongs to row `i` of the input. The report is as that of `Step::fit_transform`.
    ///
    /// # Errors
    /// `Invalid` when the number of columns differs from training.
    fn transform(&self, rows: Batch, context: &EmbedContext<'_>) -> Result<(Features, TextReport)>;
    /// Number of columns it gives.
    fn n_features(&self) -> usize;
    /// The name of each column, where there is one (terms of a tf-idf).
    fn feature_names(&self) -> Option<Vec<String>> {
        None
    }
    /// The numbers that it learned for each column, by name, where people may want to read them (`mean`, `scale`).
    fn numbers(&self) -> Option<JsonValue> {
        None
    }
    /// The identity of the embedder that it calls, where it calls one.
    fn embedder(&self) -> Option<String> {
        None
    }
    /// The same, field by field.
    fn embedder_identity(&self) -> Option<JsonValue> {
        None
    }
    /// What of it stays outside an ONNX graph: texts become numbers there, queries are scaled. None for a step that is in the graph
    /// as a whole.
    fn outside(&self) -> Option<Outside> {
        None
    }
    /// The numbers that the graph takes, `n_rows × n_features`, for a step that has a part outside.
    ///
    /// # Errors
    /// `Invalid` when the rows are no texts.
    fn graph_input(&self, rows: Batch, context: &EmbedContext<'_>) -> Result<(Array2<f32>, TextReport)> {
        match self.transform(rows, context)? {
            (Features::Dense(matrix), report) => Ok((matrix, report)),
            (Features::Sparse(_), _) => Err(Error::failed("a sparse matrix is no input of a graph")),
        }
    }
    /// Adds the rest of it to a graph: f32 in, f32 out, `N × n_features`.
    fn onnx(&self, graph: &mut Graph, input: &Value) -> Value;
    /// Writes its files into an existing folder, each file name beginning with `prefix`.
    ///
    /// # Errors
    /// `Failed` when the disk refuses.
    fn save(&self, folder: &Path, prefix: &str) -> Result<()>;
}
