//! The models that there are, by their rows and by their folders, and how a folder is removed.

use std::path::Path;

use crate::error::{Context, Result};
use crate::names::ModelName;
use crate::project::Project;

/// Every model that has rows or folders.
pub(super) fn models(project: &Project) -> Result<Vec<ModelName>> {
    let mut names: Vec<String> = project.reader()?.models()?.into_iter().map(|model| model.name).collect();
    let layout = &project.layout;
    for above in [layout.checkpoints(), layout.all_validated()] {
        let folders = std::fs::read_dir(above).into_iter().flatten().filter_map(std::result::Result::ok);
        names.extend(folders.map(|entry| entry.file_name().to_string_lossy().into_owned()));
    }
    names.sort();
    names.dedup();
    Ok(names.iter().filter_map(|name| ModelName::parse(name).ok()).collect())
}

/// Removes a folder; one that another process has removed meanwhile is as good.
pub(super) fn remove_dir(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed.context(|| format!("cannot remove `{}`", folder.display())),
    }
}
