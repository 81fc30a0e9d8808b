//! The part of a saved model that is no array: a JSON file with a `format_version`, beside the arrays.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Context as _, Error, Result};
use crate::fs::{read_text, write_atomic};

/// Writes it.
///
/// # Errors
/// `Failed` when the disk refuses.
pub fn write_head(path: &Path, head: &impl Serialize) -> Result<()> {
    let text = serde_json::to_vec_pretty(head).context(|| format!("cannot write `{}`", path.display()))?;
    write_atomic(path, &text)
}

/// Reads what `write_head` wrote.
///
/// # Errors
/// `Failed` when it is missing, damaged, or of a format newer than `newest`.
pub fn read_head<T: DeserializeOwned>(path: &Path, newest: u32) -> Result<T> {
    let damaged = || format!("`{}` is damaged", path.display());
    let text = read_text(path)?;
    let value: serde_json::Value = serde_json::from_str(&text).context(damaged)?;
    let format = value.get("format_version").and_then(serde_json::Value::as_u64).unwrap_or(0);
    if format > u64::from(newest) {
        let message = format!("`{}` has format version {format}", path.display());
        return Err(Error::failed(message).hint("it was written by a newer `mlops`"));
    }
    serde_json::from_value(value).context(damaged)
}
