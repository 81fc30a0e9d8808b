//! Arguments of the form `KEY=VALUE`.

use crate::error::{Error, Result};

/// Splits `KEY=VALUE`.
pub fn pairs(texts: &[String]) -> Result<Vec<(String, String)>> {
    let pair = |text: &String| match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(Error::invalid(format!("`{text}` is not KEY=VALUE"))),
    };
    texts.iter().map(pair).collect()
}
