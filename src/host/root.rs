//! Where the project of a request is.

use std::path::{Path, PathBuf};

use crate::error::{Context, Error, Result};
use crate::registry::Layout;

/// The project at this root, or the one found upward from the current folder.
///
/// # Errors
/// `Invalid` when there is no project.
pub fn find_project(root: Option<&Path>) -> Result<Layout> {
    if let Some(root) = root {
        if !root.is_dir() {
            return Err(Error::invalid(format!("there is no folder `{}`", root.display())).hint("check `--root`"));
        }
        let layout = Layout::new(root.to_path_buf());
        if !layout.is_project() {
            return Err(Error::invalid(format!("`{}` is no project: it has no `experiments/`", root.display()))
                .hint("`mlops init DIR` makes one"));
        }
        return Ok(layout);
    }
    let here = std::env::current_dir().context(|| "the current folder is gone".into())?;
    let layout = Layout::find(&here).ok_or_else(|| {
        Error::invalid(format!("no project at `{}` or above it: there is no `experiments/`", here.display()))
            .hint("`mlops init` makes one here; `--root DIR` names another")
    })?;
    // A root that is here is written as `.`, so that messages show short paths.
    Ok(if layout.root() == here { Layout::new(PathBuf::from(".")) } else { layout })
}

/// The current folder, for work that needs no project.
#[must_use]
pub fn current_folder() -> Layout {
    Layout::new(PathBuf::from("."))
}
