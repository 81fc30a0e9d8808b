//! The small house of embedders.

use std::path::Path;

use ndarray::Array2;

use crate::catalog::{Named, Param, Params};
use crate::error::Result;

/// A kind of embedder: it knows its parameters and makes embedders.
pub trait EmbedderKind: Named + Sync {
    /// The parameters with their defaults.
    fn params(&self) -> &'static [Param];
    /// Makes an embedder, learning from the training texts what it has to learn.
    ///
    /// # Errors
    /// `Invalid` when the texts cannot be used, `Failed` when its files cannot be read.
    fn fit(&self, params: &Params, texts: &[String]) -> Result<Box<dyn Embedder>>;
    /// Reads an embedder back from the file that `Embedder::save` wrote.
    ///
    /// # Errors
    /// `Failed` when the file is missing, damaged, or was made with other parameters.
    fn load(&self, params: &Params, path: &Path) -> Result<Box<dyn Embedder>>;
}

/// Turns texts into vectors. The same text gives the same bytes on every machine.
pub trait Embedder: Send + Sync {
    /// Identifies the vector space: vectors of two embedders can be compared only when their ids are equal.
    fn id(&self) -> String;
    /// Length of a vector.
    fn dimensions(&self) -> usize;
    /// One row per text, `n_texts × dimensions`, of length 1; all zero for a text that has nothing to embed.
    ///
    /// # Errors
    /// `Failed` when the model cannot run.
    fn embed(&self, texts: &[String]) -> Result<Array2<f32>>;
    /// Writes what was learned into one safetensors file.
    ///
    /// # Errors
    /// `Failed` when the disk refuses.
    fn save(&self, path: &Path) -> Result<()>;
}
