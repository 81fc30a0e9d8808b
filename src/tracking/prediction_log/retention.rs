//! Old months: a month's file goes as a whole when the month ended before a moment.

use std::path::PathBuf;

use super::append::lock;
use super::months::{end_of, months};
use super::window::logged_versions;
use crate::error::{Context, Result};
use crate::names::{ModelName, Version};
use crate::registry::Layout;

/// A month of a version's log.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct OldMonth {
    /// The model.
    pub model: ModelName,
    /// The version.
    pub version: Version,
    /// The month: `2026-11`.
    pub month: String,
    /// Its file.
    pub path: PathBuf,
    /// The bytes of its file.
    pub bytes: u64,
}

/// The months of all models that ended by `before_ms`, by model, version and month.
///
/// # Errors
/// `Failed` when a folder cannot be listed.
pub fn old_months(layout: &Layout, before_ms: i64) -> Result<Vec<OldMonth>> {
    let entries = std::fs::read_dir(layout.predictions()).into_iter().flatten();
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut models: Vec<ModelName> = names.filter_map(|name| ModelName::parse(&name).ok()).collect();
    models.sort_unstable();
    let mut old = Vec::new();
    for model in models {
        for version in logged_versions(layout, &model) {
            for month in months(&layout.predictions_of(&model, version))? {
                if end_of(&month.name).is_some_and(|end| end <= before_ms) {
                    let bytes = std::fs::metadata(&month.path).map_or(0, |facts| facts.len());
                    old.push(OldMonth { model: model.clone(), version, month: month.name, path: month.path, bytes });
                }
            }
        }
    }
    Ok(old)
}

/// Removes a month's file, under the lock that writers take.
///
/// # Errors
/// `Busy` when a writer keeps the lock, `Failed` when the disk refuses.
pub fn remove_month(layout: &Layout, month: &OldMonth) -> Result<()> {
    let _locked = lock(&layout.predictions_of(&month.model, month.version))?;
    match std::fs::remove_file(&month.path) {
        // Another `gc` was here meanwhile.
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed.context(|| format!("cannot remove `{}`", month.path.display())),
    }
}
