//! Predictions that were written into a file, in a line.

use std::path::Path;

use super::format::{count, plural, queries};
use crate::report::document::Document;
use crate::workflows::{predict, predict_ranking};

/// Answers of a classifier.
#[must_use]
pub fn classes(outcome: &predict::Outcome, output: &Path) -> Document {
    let name = format!("{} {}", outcome.model, outcome.version);
    let logged = outcome.logged.as_ref();
    let logged = logged.map_or_else(String::new, |logged| format!("; {} logged", count(logged.rows)));
    let rows = plural(outcome.rows.len(), "row");
    Document::of_line("Predictions", format!("{name}: {rows} -> {}{logged}", output.display()))
}

/// Answers of a ranker.
#[must_use]
pub fn ranking(outcome: &predict_ranking::Outcome, output: &Path) -> Document {
    let name = format!("{} {}", outcome.model, outcome.version);
    let documents = plural(outcome.rows.len(), "document");
    let line = format!("{name}: {documents} of {} -> {}", queries(outcome.queries), output.display());
    Document::of_line("Predictions", line)
}
