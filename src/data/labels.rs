//! From label cells to classes: bool, 0/1 or strings; which one is positive.

use std::collections::BTreeSet;

use crate::catalog::known_hint;
use crate::error::{Error, Result};

/// The highest grade of relevance that is taken: 2^31 is exact everywhere.
pub const HIGHEST_GRADE: u8 = 31;

/// The canonical text of a label cell, or `None` for a null one (empty counts as null).
///
/// `True`, `TRUE` and `true` are the same label; so are `1`, `1.0` and ` 1`.
#[must_use]
pub fn canonical(cell: Option<&str>) -> Option<String> {
    let cell = cell?.trim();
    if cell.is_empty() || cell.eq_ignore_ascii_case("nan") || cell.eq_ignore_ascii_case("null") {
        return None;
    }
    if cell.eq_ignore_ascii_case("true") || cell.eq_ignore_ascii_case("false") {
        return Some(cell.to_ascii_lowercase());
    }
    let whole = cell.strip_suffix(".0").unwrap_or(cell);
    Some(if whole.parse::<i64>().is_ok() { whole.to_owned() } else { cell.to_owned() })
}

/// The class names in order; with two, the second is the positive one.
///
/// `1` and `true` are positive by themselves; of two other names the one in `positive`, else the later one in order.
///
/// # Errors
/// `Invalid` when there is one class only, or `positive` names none of two classes.
pub fn classes(found: &BTreeSet<String>, positive: Option<&str>, column: &str) -> Result<Vec<String>> {
    let mut labels: Vec<String> = found.iter().cloned().collect();
    if labels.len() < 2 {
        let only = labels.first().map_or("none".into(), |only| format!("only `{only}`"));
        return Err(Error::invalid(format!("the label column `{column}` has one class only: {only}"))
            .hint("a classifier needs rows of at least two classes"));
    }
    // Numbers in the order of their value, not of their text; then words.
    labels.sort_by_cached_key(|label| {
        let number = label.parse::<i64>();
        (number.is_err(), number.unwrap_or(0), label.clone())
    });
    let Some(positive) = positive.and_then(|positive| canonical(Some(positive))) else { return Ok(labels) };
    if labels.len() != 2 {
        return Err(Error::invalid(format!(
            "`positive` needs two classes, the label column `{column}` has {}",
            labels.len()
        ))
        .hint("remove `positive`: with more classes each is treated alike"));
    }
    match labels.iter().position(|label| *label == positive) {
        Some(at) => labels.swap(at, 1),
        None => {
            return Err(Error::invalid(format!("`positive: {positive}` is not a label in column `{column}`"))
                .hint(known_hint(&positive, labels.iter().map(String::as_str).collect::<Vec<_>>())));
        }
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(labels: &[&str]) -> BTreeSet<String> {
        labels.iter().filter_map(|label| canonical(Some(label))).collect()
    }

    #[test]
    fn spellings_of_one_label_are_one() {
        assert_eq!(set(&["1", "1.0", " 1", "0", "0.0"]).len(), 2);
        assert_eq!(set(&["True", "true", "FALSE"]).len(), 2);
        for null in [None, Some(""), Some(" "), Some("NaN"), Some("null")] {
            assert_eq!(canonical(null), None);
        }
    }

    #[test]
    fn the_positive_class_is_second() {
        assert_eq!(classes(&set(&["1", "0"]), None, "y").unwrap(), ["0", "1"]);
        assert_eq!(classes(&set(&["pass", "fail"]), Some("pass"), "y").unwrap(), ["fail", "pass"]);
        assert_eq!(classes(&set(&["pass", "fail"]), Some("fail"), "y").unwrap(), ["pass", "fail"]);
        assert_eq!(classes(&set(&["10", "1a", "9", "2"]), None, "y").unwrap(), ["2", "9", "10", "1a"]);
        assert!(classes(&set(&["pass", "fail"]), Some("passs"), "y").unwrap_err().hint.unwrap().contains("`pass`"));
        assert!(classes(&set(&["1"]), None, "y").is_err());
        assert!(classes(&set(&["a", "b", "c"]), Some("a"), "y").is_err());
    }
}
