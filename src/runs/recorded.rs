//! The files of a run are what the run recorded: each is held against its hash before anything is decided on it.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::fs::sha256_file;
use crate::names::ExperimentName;
use crate::project::Project;
use crate::tracking::{Artifact, Run};

/// Where a file of a run lies, and that it is what the run recorded. A run of which no files are recorded (it is not
/// finished, or of an older build) is taken as it is.
///
/// # Errors
/// `Failed` when the file is another one, or the run recorded its files and this is none of them.
pub fn recorded_file(project: &Project, run: &Run, name: &str) -> Result<PathBuf> {
    let folder = project.layout.run(&ExperimentName::parse(&run.experiment)?, &run.id);
    let path = folder.join(name);
    let known = project.reader()?.artifacts(&run.id)?;
    check(project.layout.root(), run, &known, &path)?;
    Ok(path)
}

fn check(root: &Path, run: &Run, known: &[Artifact], path: &Path) -> Result<()> {
    if !path.is_file() {
        return Ok(());
    }
    // As it was recorded by this build (links followed), or by an older one.
    let below = |path: &Path, root: &Path| path.strip_prefix(root).unwrap_or(path).display().to_string();
    let real = path.canonicalize().ok().zip(root.canonicalize().ok()).map(|(path, root)| below(&path, &root));
    let places: Vec<String> = real.into_iter().chain([below(path, root)]).collect();
    let folder_of = |place: &str| Path::new(place).parent().map(Path::to_path_buf);
    let is_beside = |one: &Artifact| places.iter().any(|place| folder_of(place) == folder_of(&one.path));
    if !known.iter().any(is_beside) {
        return Ok(());
    }
    let (shown, id) = (path.display(), run.id.short());
    let hint = "the file was changed or damaged: restore it, or make it anew (`mlops evaluate`, `mlops train`)";
    let Some(expected) = known.iter().find(|one| places.contains(&one.path)) else {
        return Err(Error::failed(format!("`{shown}` is not among the files that run {id} recorded")).hint(hint));
    };
    let (size, sha256) = sha256_file(path)?;
    if (size, &sha256) == (expected.size, &expected.sha256) {
        return Ok(());
    }
    let what = format!("expected {} bytes {:.12}…, got {size} bytes {sha256:.12}…", expected.size, expected.sha256);
    Err(Error::failed(format!("`{shown}` is not what run {id} recorded: {what}")).hint(hint))
}
