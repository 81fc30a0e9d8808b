//! A version that was found: its folder, checked against the manifest and kept in its place while it is used.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::names::{ModelName, RunId, Version};
use crate::registry::{Reading, check_folder, manifest_sha256};

/// A model version that a selector named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The model.
    pub model: ModelName,
    /// The version.
    pub version: Version,
    /// Its folder, checked against the manifest.
    pub folder: PathBuf,
    /// The run that made it.
    pub run_id: RunId,
    /// SHA-256 of its manifest.
    pub manifest_sha256: String,
    /// SHA-256 of the manifest of its release, where the folder is one.
    pub release_sha256: Option<String>,
    /// SHA-256 of the rows that it was trained and tested on.
    pub data_fingerprint: String,
    /// Keeps the folder in its place while the command works.
    pub reading: Reading,
}

/// The folder that a path leads to. A link is followed once: what it points to may change while files are read.
pub(super) fn followed(folder: &Path) -> PathBuf {
    let target = std::fs::read_link(folder).ok();
    target.and_then(|target| Some(folder.parent()?.join(target))).unwrap_or_else(|| folder.to_path_buf())
}

/// Reads what lies in a folder, checked file by file, and keeps it in its place.
///
/// # Errors
/// `NotFound` when it is not there, `Failed` when it is damaged.
pub(super) fn located(folder: &Path) -> Result<Located> {
    let folder = followed(folder);
    let gone = || Error::not_found(format!("`{}` is not there any more", folder.display()));
    let reading = Reading::begin(&folder).ok_or_else(gone)?;
    let (manifest, manifest_sha256_of_checkpoint) = check_folder(&folder)?;
    let release_sha256 = manifest.checkpoint.is_some().then(|| manifest_sha256(&folder)).transpose()?;
    Ok(Located {
        model: manifest.model,
        version: manifest.version,
        folder,
        run_id: manifest.run_id,
        manifest_sha256: manifest_sha256_of_checkpoint,
        release_sha256,
        data_fingerprint: manifest.data_fingerprint,
        reading,
    })
}
