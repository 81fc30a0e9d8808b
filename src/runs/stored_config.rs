//! The config that is kept with a run and with a version, read back.

use std::path::Path;

use crate::config::ExperimentConfig;
use crate::error::{Context, Result};
use crate::fs::read_text;
use crate::project::Located;

/// The config that a version was trained with.
///
/// # Errors
/// `Failed` when it is damaged.
pub fn stored_config(located: &Located) -> Result<ExperimentConfig> {
    read_config(&located.folder)
}

/// The rendered config in a version's or a run's folder.
///
/// # Errors
/// `NotFound` when there is none, `Failed` when it is damaged.
pub fn read_config(folder: &Path) -> Result<ExperimentConfig> {
    let path = folder.join("config.yaml");
    serde_yaml::from_str(&read_text(&path)?).context(|| format!("`{}` is damaged", path.display()))
}
