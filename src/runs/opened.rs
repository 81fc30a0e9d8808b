//! An opened model: a version whose files were checked, loaded once and ready to answer. Whoever needs a version more than
//! once hands this value on, and any number of threads may ask it.

use std::sync::OnceLock;

use super::stored_config::stored_config;
use crate::bundle::{Bundle, Golden, Prediction};
use crate::config::ExperimentConfig;
use crate::embeddings::{EmbedContext, TextReport};
use crate::error::Result;
use crate::features::Batch;
use crate::once::get_or_try_init;
use crate::project::Located;

/// A version of a model, loaded.
pub struct Opened {
    /// Which version it is, and where it lies; its files were checked against the manifest when it was located.
    pub located: Located,
    /// Schema, features and model.
    pub bundle: Bundle,
    golden: OnceLock<Golden>,
    config: OnceLock<ExperimentConfig>,
}

/// One opened model serves many requests.
const _: fn() = || {
    fn shared<T: Send + Sync>() {}
    shared::<Opened>();
};

impl Opened {
    /// Opens a version that was located.
    ///
    /// # Errors
    /// `Failed` when a file is missing, damaged, or of an unknown kind.
    pub fn open(located: Located) -> Result<Self> {
        let bundle = Bundle::load(&located.folder)?;
        Ok(Self { located, bundle, golden: OnceLock::new(), config: OnceLock::new() })
    }

    /// The rows that the model answered when it was made; read when they are first asked for.
    ///
    /// # Errors
    /// `Failed` when the file is missing or damaged.
    pub fn golden(&self) -> Result<&Golden> {
        get_or_try_init(&self.golden, || Golden::read(&self.located.folder))
    }

    /// The config that it was trained with; read when it is first asked for.
    ///
    /// # Errors
    /// `Failed` when the file is missing or damaged.
    pub fn config(&self) -> Result<&ExperimentConfig> {
        get_or_try_init(&self.config, || stored_config(&self.located))
    }

    /// What the model says of rows in memory.
    ///
    /// # Errors
    /// `Invalid` when the rows do not have the width of training or hold NaN.
    pub fn predict(&self, rows: Batch, context: &EmbedContext<'_>) -> Result<(Prediction, TextReport)> {
        self.bundle.predict(rows, context)
    }

    /// Asks the model again about its golden rows.
    ///
    /// # Errors
    /// As `Bundle::check_golden`.
    pub fn check_golden(&self, context: &EmbedContext<'_>) -> Result<usize> {
        self.bundle.check_golden(&self.located.folder, context)
    }
}
