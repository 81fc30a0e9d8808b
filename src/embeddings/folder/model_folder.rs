//! One model folder, opened: everything but the weights.

use std::path::{Path, PathBuf};

use crate::embeddings::folder::encoder_config::{self, EncoderConfig};
use crate::embeddings::folder::modules::{Module, Step};
use crate::embeddings::folder::recipe::{self, Recipe};
use crate::embeddings::folder::tokenizer_files;
use crate::embeddings::folder::weights::Weights;
use crate::error::{Error, Result};

/// A sentence-transformers folder: its sizes and its recipe; weights and tokenizer are opened when they are needed.
#[derive(Debug)]
pub struct Folder {
    /// Where it lies.
    pub path: PathBuf,
    /// Where the network, its weights and its tokenizer lie: the folder itself or one inside it.
    pub transformer: PathBuf,
    /// The sizes of the network.
    pub config: EncoderConfig,
    /// What happens before and behind the network.
    pub recipe: Recipe,
    /// Tokens of a text that are read, special ones included, where nothing else is asked for.
    pub max_length: usize,
}

impl Folder {
    /// Reads a folder's settings.
    ///
    /// # Errors
    /// `NotFound` for a missing folder or file, `Failed` for a damaged one, `Invalid` for what is not supported.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.is_dir() {
            let message = if path.exists() { "is a file, not a model folder" } else { "is not there" };
            return Err(Error::not_found(format!("`{}` {message}", path.display())));
        }
        let (transformer, config, mut recipe) = recipe::read(path)?;
        recipe.notes.extend(encoder_config::note_on_precision(&transformer)?);
        // Without a number of its own a model reads what its tokenizer allows and its position table has rows for.
        let own = || {
            let length = tokenizer_files::model_max_length(&transformer)?.unwrap_or(f64::INFINITY);
            Ok::<_, Error>(length.clamp(0.0, config.max_positions as f64) as usize)
        };
        let stated = recipe.max_seq_length.map_or_else(own, Ok)?;
        let positions = config.n_positions();
        if stated == 0 {
            return Err(Error::invalid(format!("`{}` reads texts of 0 tokens", path.display())));
        }
        if stated > positions {
            recipe.notes.push(format!(
                "texts are read to {positions} tokens: the folder says {stated}, the network has positions for {positions}"
            ));
        }
        let max_length = stated.min(positions);
        Ok(Self { path: path.to_owned(), transformer, config, recipe, max_length })
    }

    /// Tokens of a text that are read, special ones included: what is asked for, else what the folder says.
    ///
    /// # Errors
    /// `Invalid` when the network has no positions for so many.
    pub fn max_length(&self, wished: Option<usize>) -> Result<usize> {
        let positions = self.config.n_positions();
        match wished {
            Some(wished) if wished > positions || wished == 0 => {
                Err(Error::invalid(format!("`max_length` is {wished}, the network reads 1 to {positions} tokens")))
            }
            wished => Ok(wished.unwrap_or(self.max_length)),
        }
    }

    /// Opens the network's weights; reads none.
    ///
    /// # Errors
    /// Those of `Weights::open`.
    pub fn weights(&self) -> Result<Weights> {
        Weights::open(&self.transformer)
    }

    /// The steps behind the network, with their weights.
    ///
    /// # Errors
    /// Those of `Weights`.
    pub fn modules(&self) -> Result<Vec<Module>> {
        self.recipe.steps.iter().map(Step::load).collect()
    }

    /// Width of the final vectors.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.recipe.dimensions(self.config.hidden_size)
    }
}
