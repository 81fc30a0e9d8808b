//! Rankings as files: CSV, NDJSON and Parquet with `qid`, `docid`, `score`, `rank`, and the run format of TREC.
//!
//! A TREC run has a line a document: `qid Q0 docid rank score run_id`, separated by spaces. An id with white space
//! cannot stand in it, nor can a document twice in a query: both are errors, and no id is changed in silence.
//! `trec_eval` reads scores, not ranks, and puts documents of equal scores into the order of their ids, the last first.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::Path;

use crate::data::parquet_file::{self, Values};
use crate::data::vector_files::quoted;
use crate::error::{Context, Error, Result};
use crate::workflows::predict_ranking::Outcome;

/// The text of a form: `csv`, `ndjson` or `trec`.
///
/// # Errors
/// `Invalid` for an id that a TREC run cannot hold.
pub fn text(outcome: &Outcome, form: &str) -> Result<String> {
    match form {
        "csv" => Ok(csv(outcome)),
        "trec" => trec(outcome),
        _ => ndjson(outcome),
    }
}

fn csv(outcome: &Outcome) -> String {
    let mut text = String::from("qid,docid,score,rank\n");
    for one in &outcome.rows {
        // In the fewest digits that give the score back: fewer could make ties.
        let _ = writeln!(text, "{},{},{},{}", quoted(&one.qid), quoted(&one.docid), one.score, one.rank);
    }
    text
}

fn ndjson(outcome: &Outcome) -> Result<String> {
    let mut text = String::new();
    for one in &outcome.rows {
        text += &serde_json::to_string(one).context(|| "cannot write a document as JSON".into())?;
        text.push('\n');
    }
    Ok(text)
}

fn trec(outcome: &Outcome) -> Result<String> {
    let run = format!("{}-{}", outcome.model, outcome.version);
    let (mut text, mut seen) = (String::new(), HashSet::new());
    for one in &outcome.rows {
        if !seen.insert((&one.qid, &one.docid)) {
            let (qid, docid) = (&one.qid, &one.docid);
            return Err(Error::invalid(format!(
                "a TREC run cannot hold the document `{docid}` of query `{qid}` twice"
            ))
            .hint("`trec_eval` refuses it; --format csv, ndjson and parquet take such documents"));
        }
        for (what, id) in [("query", &one.qid), ("document", &one.docid)] {
            if id.is_empty() || id.contains(char::is_whitespace) {
                return Err(Error::invalid(format!("a TREC run cannot hold the {what} id `{id}`"))
                    .hint("its fields are set apart by spaces; --format csv, ndjson and parquet take any id"));
            }
        }
        let _ = writeln!(text, "{} Q0 {} {} {} {run}", one.qid, one.docid, one.rank, one.score);
    }
    Ok(text)
}

/// Writes a Parquet file.
///
/// # Errors
/// `Failed` when the disk refuses.
pub fn parquet(path: &Path, outcome: &Outcome) -> Result<()> {
    let rows = &outcome.rows;
    let queries: Vec<String> = rows.iter().map(|one| one.qid.clone()).collect();
    let documents: Vec<String> = rows.iter().map(|one| one.docid.clone()).collect();
    let scores: Vec<Option<f64>> = rows.iter().map(|one| Some(one.score)).collect();
    let ranks: Vec<Option<f64>> = rows.iter().map(|one| Some(one.rank as f64)).collect();
    let columns = [
        ("qid", Values::Text(&queries)),
        ("docid", Values::Text(&documents)),
        ("score", Values::Numbers(&scores)),
        ("rank", Values::Numbers(&ranks)),
    ];
    let facts = [
        ("mlops.model", outcome.model.to_string()),
        ("mlops.version", outcome.version.to_string()),
        ("mlops.task", outcome.task.name().to_owned()),
    ];
    parquet_file::write(path, &columns, &facts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Task;
    use crate::names::{ModelName, Version};
    use crate::workflows::predict_ranking::Document;

    fn outcome(documents: &[(&str, &str, f64)]) -> Outcome {
        let row = |((qid, docid, score), rank): (&(&str, &str, f64), usize)| Document {
            qid: (*qid).to_owned(),
            docid: (*docid).to_owned(),
            score: *score,
            rank,
        };
        Outcome {
            model: ModelName::parse("mq").unwrap(),
            version: Version(3),
            task: Task::Ranking,
            queries: 1,
            rows: documents.iter().zip(1..).map(row).collect(),
        }
    }

    #[test]
    fn every_form_holds_the_same() {
        let outcome = outcome(&[("10", "GX,1", 0.1 + 0.2), ("10", "문서", -1e-300)]);
        let text = |form| super::text(&outcome, form).unwrap();
        assert_eq!(
            text("csv"),
            format!("qid,docid,score,rank\n10,\"GX,1\",0.30000000000000004,1\n10,문서,{},2\n", -1e-300)
        );
        let lines = text("ndjson");
        let first: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
        assert_eq!(first, serde_json::json!({"qid": "10", "docid": "GX,1", "score": 0.1 + 0.2, "rank": 1}));
        assert_eq!(text("trec").lines().next(), Some("10 Q0 GX,1 1 0.30000000000000004 mq-v3"));
        assert_eq!(text("trec").split(' ').nth(9).unwrap().parse::<f64>(), Ok(-1e-300));
    }

    #[test]
    fn an_id_with_white_space_is_no_part_of_a_run() {
        for (qid, docid, told) in
            [("1", "a b", "document id `a b`"), ("q\u{3000}1", "a", "query id"), ("", "a", "query id ``")]
        {
            let error = text(&outcome(&[(qid, docid, 1.0)]), "trec").unwrap_err();
            assert!(error.message.contains(told), "{}", error.message);
            assert!(text(&outcome(&[(qid, docid, 1.0)]), "csv").is_ok());
        }
        let twice = text(&outcome(&[("1", "a", 1.0), ("2", "a", 1.0), ("2", "a", 0.5)]), "trec").unwrap_err();
        assert_eq!(twice.message, "a TREC run cannot hold the document `a` of query `2` twice");
    }
}
