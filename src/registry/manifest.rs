//! `manifest.json`: what a published folder is and the hash of every file in it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Cause, Context, Error, Result};
use crate::fs::{document, is_file_name, read_text, sha256, sha256_file, write_atomic};
use crate::names::{ModelName, RunId, Version};

/// The version of the folder's format that this build writes.
pub const FORMAT_VERSION: u32 = 1;
/// The manifest's file name.
pub const FILE: &str = "manifest.json";
/// The name of the checkpoint's own manifest inside a release.
pub const CHECKPOINT_FILE: &str = "checkpoint_manifest.json";

/// Size and SHA-256 of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileFacts {
    /// Bytes.
    pub size: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// What a published folder is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The folder's format.
    pub format_version: u32,
    /// The registered model.
    pub model: ModelName,
    /// Its version.
    pub version: Version,
    /// The run that made it.
    pub run_id: RunId,
    /// The version that was in production when it was made.
    pub parent: Option<Version>,
    /// When it was made, UTC.
    pub created_at: String,
    /// SHA-256 of the rows it was trained and tested on.
    pub data_fingerprint: String,
    /// The identity of the embedder, where one is used.
    pub embedder: Option<String>,
    /// The same field by field: a sentence encoder's revision, lengths, digests, and how near its dtype is to f32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedder_identity: Option<serde_json::Value>,
    /// In a release (a checkpoint's files with those that other systems need): SHA-256 of the checkpoint's manifest, which
    /// lies beside this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// Every file but this one.
    pub files: BTreeMap<String, FileFacts>,
}

/// Size and SHA-256 of every file in a folder, by name.
///
/// # Errors
/// `Failed` when one cannot be read.
pub fn facts_of(folder: &Path) -> Result<BTreeMap<String, FileFacts>> {
    let cannot = || format!("cannot list `{}`", folder.display());
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).context(cannot)? {
        let entry = entry.context(cannot)?;
        let (size, sha256) = sha256_file(&entry.path())?;
        files.insert(entry.file_name().to_string_lossy().into_owned(), FileFacts { size, sha256 });
    }
    Ok(files)
}

impl Manifest {
    /// Lists the files that lie in `folder` and writes the manifest there; gives the manifest's own SHA-256.
    ///
    /// # Errors
    /// `Failed` when the disk refuses.
    pub fn seal(mut self, folder: &Path) -> Result<String> {
        self.files = facts_of(folder)?;
        let text = serde_json::to_string_pretty(&self).context(|| "cannot write the manifest".into())?;
        write_atomic(&folder.join(FILE), text.as_bytes())?;
        Ok(sha256(text.as_bytes()))
    }

    /// Reads the manifest of a folder, with the manifest's own SHA-256.
    ///
    /// # Errors
    /// `NotFound` when there is none, `Failed` when it is damaged or from a newer build.
    pub fn read(folder: &Path) -> Result<(Self, String)> {
        let path = folder.join(FILE);
        Ok((Self::read_file(&path)?, sha256_file(&path)?.1))
    }

    /// Reads a manifest. Whoever uses the names of its files may rely on them being names of files in its folder.
    ///
    /// # Errors
    /// `NotFound` when there is none, `Failed` when it is damaged, from a newer build, or names files of other folders.
    pub fn read_file(path: &Path) -> Result<Self> {
        const HINT: &str = "`mlops doctor --fix` heals a copy, else restore the folder or train again";
        let text = read_text(path)?;
        let manifest: Self =
            document(&path.display().to_string(), &text, FORMAT_VERSION).map_err(|error| match error.cause() {
                Some(Cause::NewerFormat) => error,
                _ => error.hint(HINT),
            })?;
        match manifest.files.keys().find(|name| !is_file_name(name) || *name == FILE) {
            None => Ok(manifest),
            Some(name) => Err(Error::failed(format!(
                "`{}` is damaged: it lists `{name}`, which is no name of a file in its folder",
                path.display()
            ))
            .hint(HINT)),
        }
    }

    /// Whether the other manifest is of the same version of the same model, made by the same run of the same rows.
    #[must_use]
    pub fn is_of_the_same_version(&self, other: &Self) -> bool {
        let facts = |one: &Self| {
            let Self { model, version, run_id, parent, created_at, data_fingerprint, embedder, .. } = one.clone();
            (model, version, run_id, parent, created_at, data_fingerprint, embedder, one.embedder_identity.clone())
        };
        facts(self) == facts(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_out_of_the_folder_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let written = |name: &str| {
            let document = serde_json::json!({
                "format_version": 1, "model": "m", "version": 1, "run_id": "0".repeat(32), "parent": null,
                "created_at": "2026-12-01T00:00:00Z", "data_fingerprint": "ab", "embedder": null,
                "files": {name: {"size": 1, "sha256": "ab"}},
            });
            std::fs::write(&path, document.to_string()).unwrap();
            Manifest::read_file(&path)
        };
        assert!(written("schema.json").is_ok(), "{:?}", written("schema.json"));
        assert!(written("..hidden").is_ok());
        for name in ["/etc/passwd", "../victim", "a/b", "", ".", "..", "a\\b", "a\0", FILE] {
            let error = written(name).unwrap_err();
            assert!(error.message.contains("no name of a file in its folder"), "{name}: {error}");
        }
    }
}
