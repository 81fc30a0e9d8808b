//! For tests: copies of the small models, with something changed.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::embeddings::folder::Folder;
use crate::error::Result;

/// The small models and `golden.json`: see `tests/fixtures/models`.
pub(in crate::embeddings) fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models")
}

/// A copy of a model that goes away with the test.
pub(in crate::embeddings) struct Copied(TempDir);

impl Copied {
    pub(in crate::embeddings) fn of(name: &str) -> Self {
        let copied = Self(tempfile::tempdir().unwrap());
        copy(&models().join(name), copied.path());
        copied
    }

    pub(in crate::embeddings) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(in crate::embeddings) fn open(&self) -> Result<Folder> {
        Folder::open(self.path())
    }

    /// Sets keys of a JSON file; `null` removes one.
    pub(in crate::embeddings) fn set(&self, file: &str, changes: &Value) -> &Self {
        let path = self.path().join(file);
        let mut value: Value = std::fs::read(&path)
            .map_or_else(|_| serde_json::json!({}), |bytes| serde_json::from_slice(&bytes).unwrap());
        let map = value.as_object_mut().unwrap();
        for (key, change) in changes.as_object().unwrap() {
            map.insert(key.clone(), change.clone());
        }
        self.write(file, value.to_string())
    }

    pub(in crate::embeddings) fn write(&self, file: &str, bytes: impl AsRef<[u8]>) -> &Self {
        let path = self.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
        self
    }

    pub(in crate::embeddings) fn remove(&self, file: &str) -> &Self {
        std::fs::remove_file(self.path().join(file)).unwrap();
        self
    }

    /// The error of opening it.
    pub(in crate::embeddings) fn refusal(&self) -> String {
        self.open().unwrap_err().message
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            // By content: the fixtures may be read-only, the copies are to be changed.
            std::fs::write(target, std::fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}
