//! One JSON file of a model folder, with errors that name the file, the key and what stands there.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::error::{Error, ErrorKind, Result};
use crate::fs;

/// The object that a JSON file holds. A key with the value `null` counts as absent.
#[derive(Debug)]
pub(super) struct Document {
    path: PathBuf,
    map: Map<String, Value>,
}

impl Document {
    /// Reads a file.
    ///
    /// # Errors
    /// `NotFound` when there is none, `Failed` when it is not a JSON object.
    pub(super) fn read(path: &Path) -> Result<Self> {
        match json(path)? {
            Value::Object(map) => Ok(Self { path: path.to_owned(), map }),
            other => Err(Error::failed(format!("`{}` holds {}, not a JSON object", path.display(), kind_of(&other)))),
        }
    }

    /// Reads a file that need not be there.
    ///
    /// # Errors
    /// Those of `read` but `NotFound`.
    pub(super) fn find(path: &Path) -> Result<Option<Self>> {
        match Self::read(path) {
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        }
    }

    /// A value, whatever it is.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// Every key with its value.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.map.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// A text.
    pub(super) fn text(&self, key: &str) -> Result<Option<&str>> {
        let text = |value| Value::as_str(value).ok_or_else(|| self.wrong(key, "a text", value));
        self.get(key).map(text).transpose()
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>> {
        let flag = |value| Value::as_bool(value).ok_or_else(|| self.wrong(key, "true or false", value));
        self.get(key).map(flag).transpose()
    }

    /// A number.
    pub(super) fn number(&self, key: &str) -> Result<Option<f64>> {
        let number = |value| Value::as_f64(value).ok_or_else(|| self.wrong(key, "a number", value));
        self.get(key).map(number).transpose()
    }

    /// A whole number from 0.
    pub(super) fn count(&self, key: &str) -> Result<Option<usize>> {
        let count = |value: &Value| {
            let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
            number.ok_or_else(|| self.wrong(key, "a whole number", value))
        };
        self.get(key).map(count).transpose()
    }

    /// Something this program does not do, by name.
    pub(super) fn unsupported(&self, what: impl std::fmt::Display) -> Error {
        Error::invalid(format!("{what} is not supported (`{}`)", self.path.display()))
    }

    /// A mistake in this file.
    pub(super) fn invalid(&self, what: impl std::fmt::Display) -> Error {
        Error::invalid(format!("`{}`: {what}", self.path.display()))
    }

    fn wrong(&self, key: &str, wanted: &str, value: &Value) -> Error {
        self.invalid(format!("`{key}` should be {wanted}, it is `{value}`"))
    }
}

/// Reads a JSON file of any form.
///
/// # Errors
/// `NotFound` when there is none, `Failed` when it is damaged, `Invalid` when it is not text.
pub(super) fn json(path: &Path) -> Result<Value> {
    let text = fs::read_text(path)?;
    refuse_pointer(path, text.as_bytes())?;
    serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .map_err(|cause| Error::failed(format!("`{}` is not JSON", path.display())).caused_by(cause))
}

/// Refuses the small file that Git LFS leaves in the place of a large one.
///
/// # Errors
/// `Failed` when it is one.
pub(super) fn refuse_pointer(path: &Path, start: &[u8]) -> Result<()> {
    if start.starts_with(b"version https://git-lfs.github.com/") {
        return Err(Error::failed(format!("`{}` is a Git LFS pointer, not the file itself", path.display()))
            .hint("run `git lfs pull` in the folder the model was cloned into"));
    }
    Ok(())
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
