//! The small house of embedders.

use std::path::Path;

use ndarray::Array2;
use serde_json::Value;

use super::context::EmbedContext;
use super::text_report::TextReport;
use crate::catalog::{Named, Param, ParamProblem, Params};
use crate::error::Result;

/// A kind of embedder: it knows its parameters and makes embedders.
pub trait EmbedderKind: Named + Sync {
    /// The parameters with their defaults.
    fn params(&self) -> &'static [Param];
    /// Says what the parameter list alone cannot say.
    ///
    /// # Errors
    /// The parameter that is wrong.
    fn check(&self, _params: &Params) -> Result<(), ParamProblem> {
        Ok(())
    }
    /// Looks, before any text is read, whether what the embedder needs is there.
    ///
    /// # Errors
    /// `NotFound` or `Invalid` when a model folder is missing or cannot be used.
    fn prepare(&self, _params: &Params, _context: &EmbedContext<'_>) -> Result<()> {
        Ok(())
    }
    /// Makes an embedder, learning from the training texts what it has to learn.
    ///
    /// # Errors
    /// `Invalid` when the texts cannot be used, `Failed` when its files cannot be read.
    fn fit(
        &self,
        params: &Params,
        texts: &[String],
        context: &EmbedContext<'_>,
    ) -> Result<(Box<dyn Embedder>, TextReport)>;
    /// Reads an embedder back from the file that `Embedder::save` wrote under this `prefix` in the folder.
    ///
    /// # Errors
    /// `Failed` when the file is missing, damaged, or was made with other parameters.
    fn load(&self, params: &Params, folder: &Path, prefix: &str) -> Result<Box<dyn Embedder>>;
}

/// Turns texts into vectors. The same text gives the same bytes on every machine.
pub trait Embedder: Send + Sync {
    /// Identifies the vector space: vectors of two embedders can be compared only when their ids are equal.
    fn id(&self) -> String;
    /// Length of a vector.
    fn dimensions(&self) -> usize;
    /// One row per text, `n_texts × dimensions`, of length 1; all zero for a text that has nothing to embed. `row_numbers`
    /// are the rows of the texts in their source, for errors and the report; without them texts are counted from 1.
    ///
    /// # Errors
    /// `Failed` when the model cannot run.
    fn embed(
        &self,
        texts: &[String],
        row_numbers: Option<&[usize]>,
        context: &EmbedContext<'_>,
    ) -> Result<(Array2<f32>, TextReport)>;
    /// The same field by field, as it goes into a file's metadata.
    fn identity(&self) -> Value;
    /// How another system makes the same vectors.
    fn description(&self) -> Value {
        "encode the texts with the sentence-transformers model of this identity".into()
    }
    /// Writes what was learned, or who the embedder is, into one file of this `prefix` in the folder.
    ///
    /// # Errors
    /// `Failed` when the disk refuses.
    fn save(&self, folder: &Path, prefix: &str) -> Result<()>;
}
