//! What `retrain` is asked.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::Retrain;

/// What to retrain.
#[derive(Debug, Clone)]
pub struct Request {
    /// The config.
    pub retrain: Retrain,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Again, although the period has had its retrain, and whatever the triggers say.
    pub force: bool,
    /// How long to wait for another retrain of the model.
    pub wait: Duration,
    /// Where `node_exporter` finds the numbers; the config's when absent.
    pub textfile_dir: Option<PathBuf>,
}
