//! The config that is kept with a run and with a version, read back.

use std::path::Path;

use crate::config::{ExperimentConfig, load_stored};
use crate::error::Result;
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
    load_stored(&folder.join("config.yaml"))
}
