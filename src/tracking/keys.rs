//! What params, metrics, tags and artifacts may be called, and how long their values may be.

use crate::error::{Error, Result};

const KEY_LIMIT: usize = 250;
const TAG_LIMIT: usize = 8000;
const PATH_LIMIT: usize = 4096;

/// The first characters of a value, for a message.
pub(super) fn short(value: &str) -> String {
    let mut text: String = value.chars().take(60).collect();
    if text.len() < value.len() {
        text.push('…');
    }
    text
}

/// Checks the name of a param, metric or tag: `MLflow`'s rule, with `@ : [ ]` allowed too (`ndcg@10`, `steps[0]`).
pub(super) fn check_key(what: &str, key: &str) -> Result<()> {
    let wrong = |why: String| {
        Err(Error::invalid(format!("`{}` cannot be the name of {what}: {why}", short(key))).hint(
            "letters, digits, inner spaces and `_ - . / @ : [ ]` are allowed, and no `..`, `//` or `/` at an end",
        ))
    };
    let length = key.chars().count();
    if length > KEY_LIMIT {
        return wrong(format!("it has {length} characters, {KEY_LIMIT} at most are allowed"));
    }
    if let Some(bad) = key.chars().find(|letter| !(letter.is_alphanumeric() || " _-./@:[]".contains(*letter))) {
        return wrong(format!("the character {bad:?} is not allowed"));
    }
    if key.trim() != key || !is_normal(key) {
        return wrong("it is not a clean path".into());
    }
    Ok(())
}

/// Whether a path is relative and equal to its own normalised form.
fn is_normal(path: &str) -> bool {
    path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// Checks the length of a value.
pub(super) fn check_length(what: &str, key: &str, value: &str, limit: usize) -> Result<()> {
    // A character takes at most four bytes, so most values need no counting.
    let length = if value.len() <= limit { 0 } else { value.chars().count() };
    if length <= limit {
        return Ok(());
    }
    Err(Error::invalid(format!("the value of {what} `{key}` has {length} characters, {limit} at most are allowed"))
        .hint("write long values to a file and log it as an artifact"))
}

/// Checks a tag.
pub(super) fn check_tag(key: &str, value: &str) -> Result<()> {
    check_key("a tag", key)?;
    check_length("tag", key, value, TAG_LIMIT)
}

/// Checks the path of an artifact: below the project's root, or absolute where the file lies elsewhere.
pub(super) fn check_path(path: &str) -> Result<()> {
    let length = path.chars().count();
    let parts = path.strip_prefix('/').unwrap_or(path);
    if is_normal(parts) && length <= PATH_LIMIT && !path.contains(char::is_control) {
        return Ok(());
    }
    Err(Error::invalid(format!("`{}` cannot be the path of an artifact", short(&path.escape_debug().to_string())))
        .hint("give an absolute path, or one below the project's root, without `..`, `//` or control characters"))
}
