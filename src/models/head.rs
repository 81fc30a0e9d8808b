//! The part of a saved model that is no array: a JSON file with a `format_version`, beside the arrays.

use std::path::Path;

use serde::Serialize;

use crate::error::{Context as _, Result};
use crate::fs::write_atomic;

/// Writes it; `fs::read_document` reads it.
///
/// # Errors
/// `Failed` when the disk refuses.
pub fn write_head(path: &Path, head: &impl Serialize) -> Result<()> {
    let text = serde_json::to_vec_pretty(head).context(|| format!("cannot write `{}`", path.display()))?;
    write_atomic(path, &text)
}
