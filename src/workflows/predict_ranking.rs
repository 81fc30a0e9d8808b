//! `predict` with a ranking model: the documents of each query, best first.
//!
//! Queries come in the order in which the input first names them, the documents of a query by rank. Ranks count from 1 within a
//! query; documents of equal scores keep the order of the input, as in the metrics (−0 and 0 are equal). A score means
//! something beside other scores of its query only.

use serde::Serialize;

use super::session::Session;
use crate::bundle::Bundle;
use crate::data::rows::{Inputs, Rows};
use crate::data::{Features, Task};
use crate::error::{Error, Result};
use crate::features::{Batch, Signal};
use crate::names::{ModelName, Version};
use crate::project::Located;

/// A document and its place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Document {
    /// The query.
    pub qid: String,
    /// The document.
    pub docid: String,
    /// What the model says; higher is better.
    pub score: f64,
    /// From 1.
    pub rank: usize,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The model.
    pub model: ModelName,
    /// The version.
    pub version: Version,
    /// `ranking`.
    pub task: Task,
    /// How many queries there are.
    pub queries: usize,
    /// The documents: queries as the input has them, best first within each.
    pub rows: Vec<Document>,
}

/// The error for a ranker whose answers are to be logged.
pub(super) fn not_logged(located: &Located) -> Error {
    let (model, version) = (&located.model, located.version);
    Error::invalid(format!("`--log` keeps classes and their scores, and {model} {version} ranks"))
        .hint("leave `--log` out; `--output ranks.parquet` keeps the scores of all documents")
}

/// Scores and ranks rows that were read with their queries; takes their inputs.
///
/// # Errors
/// `Invalid` when a document has no features or they do not fit the model, `Failed` for a score that is no finite number.
pub(super) fn ranked(
    session: &Session<'_>,
    bundle: &Bundle,
    located: &Located,
    rows: &mut Rows,
    input: Batch,
) -> Result<Outcome> {
    if let Some((number, id)) = rows.skipped.first() {
        // Row numbers stand in for ids that are not there.
        let id = id.as_ref().filter(|id| **id != number.to_string());
        let id = id.map_or_else(String::new, |id| format!(" (`{id}`)"));
        let (count, all) = (rows.skipped.len(), rows.n_read);
        return Err(Error::invalid(format!("{count} of {all} documents have no features, first in row {number}{id}"))
            .hint("a ranking without some of its documents would be another one: fill them in, or leave them out"));
    }
    // The inputs have been copied out: one copy is enough.
    rows.inputs = Inputs::Texts(Vec::new());
    let positions: Vec<usize> = (0..rows.ids.len()).collect();
    let starts = rows.starts(&positions);
    let scores = match &input.signal {
        _ if positions.is_empty() => Vec::new(),
        Signal::Matrix(features) => {
            check_finite(features, rows)?;
            let (said, report) = bundle.predict(input, &session.embedding)?;
            session.note_texts(report);
            said.scores.iter().copied().collect()
        }
        Signal::Texts(_) => return Err(Error::invalid("a ranking model takes numeric features, the rows are texts")),
    };
    Ok(Outcome {
        model: located.model.clone(),
        version: located.version,
        task: bundle.schema.task(),
        queries: if positions.is_empty() { 0 } else { starts.len() - 1 },
        rows: by_rank(rows, &starts, &scores)?,
    })
}

fn check_finite(features: &Features, rows: &Rows) -> Result<()> {
    features.check_finite(&rows.ids).map_err(|mut error| {
        // Its hint is about training.
        error.hint = None;
        error
    })
}

/// The documents of each query, best first; query q has the rows `starts[q]..starts[q + 1]`.
fn by_rank(rows: &Rows, starts: &[usize], scores: &[f64]) -> Result<Vec<Document>> {
    if let Some(row) = scores.iter().position(|score| !score.is_finite()) {
        return Err(Error::failed(format!("the score of document `{}` is {}", rows.ids[row], scores[row]))
            .hint("the model is damaged, or its training diverged: train it again"));
    }
    let mut documents = Vec::with_capacity(scores.len());
    for ends in starts.windows(2) {
        let mut order: Vec<usize> = (ends[0]..ends[1]).collect();
        // Adding 0 turns −0 into 0; the sort is stable.
        order.sort_by(|left, right| (scores[*right] + 0.0).total_cmp(&(scores[*left] + 0.0)));
        documents.extend(order.into_iter().zip(1..).map(|(row, rank)| Document {
            qid: rows.query(row).unwrap_or_default().to_owned(),
            docid: rows.ids[row].clone(),
            score: scores[row] + 0.0,
            rank,
        }));
    }
    Ok(documents)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflows::fixtures::rows_of_queries;

    #[test]
    fn documents_are_ranked_within_their_query_and_ties_keep_their_order() {
        let rows = rows_of_queries(&[("q2", 4), ("q1", 1), ("q3", 2)]);
        let starts = rows.starts(&(0..7).collect::<Vec<_>>());
        let told = |scores: &[f64]| {
            let documents = by_rank(&rows, &starts, scores).unwrap();
            let one = |one: &Document| format!("{} {} {} {}", one.qid, one.docid, one.rank, one.score);
            documents.iter().map(one).collect::<Vec<_>>()
        };
        assert_eq!(
            told(&[-0.0, 0.0, 2.5, -0.0, 9.0, 1.0, 1.0]),
            ["q2 d2 1 2.5", "q2 d0 2 0", "q2 d1 3 0", "q2 d3 4 0", "q1 d4 1 9", "q3 d5 1 1", "q3 d6 2 1"]
        );
        let error = by_rank(&rows, &starts, &[0.0, 0.0, f64::NAN, 0.0, 0.0, 0.0, 0.0]).unwrap_err();
        assert_eq!(error.message, "the score of document `d2` is NaN");
    }
}
