//! What a ranking run leaves behind of its rows: `predictions.parquet` and `per_query.parquet`.
//!
//! `predictions.parquet` has a row a document of the validation and test queries (or of an evaluation): `id`, `split`, `query`,
//! `label` (the grade), `score`; its facts are `mlops.task`: `ranking` and `mlops.convention`, by which the run was judged (JSON; the
//! tag `convention` says it in words). The documents of a query stand together, in the order of the data: **the order within the file is the order of ties**, so every number of the run can be had from it again.
//! `per_query.parquet` has a row a query: `query`, `split`, `documents`, `relevant`, and a column a metric, null where the query is
//! left out of its mean. `predictions` reads the first one back.

use super::predictions::{CONVENTION, FILE, RANKING, TASK};
use super::record::Recorder;
use crate::data::parquet_file::{self, Values};
use crate::error::{Context, Error, Result};
use crate::fs::{create_dir, write_relaxed};
use crate::metrics::ranking::{Convention, RankingEstimate};

/// The tag of a ranking run that says the same in words: two runs with one tag can be held against each other.
pub const CONVENTION_TAG: &str = "convention";

/// The file with the values of each query.
pub const PER_QUERY: &str = "per_query.parquet";

/// Documents with what the model said of them, by column; the documents of a query stand together.
#[derive(Debug, Clone, Copy)]
pub struct RankedRows<'a> {
    /// The id of each document.
    pub ids: &'a [String],
    /// Its part.
    pub parts: &'a [String],
    /// The id of its query.
    pub queries: &'a [String],
    /// Its grade.
    pub grades: &'a [u8],
    /// Its score.
    pub scores: &'a [f64],
    /// By what the run is judged.
    pub convention: &'a Convention,
}

/// The queries of one part, judged.
#[derive(Debug, Clone, Copy)]
pub struct JudgedQueries<'a> {
    /// The part: `validation`, `test` or `all`.
    pub part: &'a str,
    /// The id of each query.
    pub ids: &'a [String],
    /// Query `i` has the documents `starts[i]..starts[i + 1]`.
    pub starts: &'a [usize],
    /// The grade of each document.
    pub grades: &'a [u8],
    /// The values of each query by metric, the same metrics in every part.
    pub estimates: &'a [RankingEstimate],
}

impl Recorder<'_> {
    /// Writes `predictions.parquet` of a ranking run, and the tag that says its conventions.
    ///
    /// # Errors
    /// `Failed` when the disk or the database refuses or the columns do not fit.
    pub fn ranking_predictions(&self, rows: &RankedRows<'_>) -> Result<()> {
        create_dir(&self.folder)?;
        write_relaxed(&self.folder.join(FILE), &prediction_bytes(rows, self.id.as_str())?)?;
        self.tag(CONVENTION_TAG, &rows.convention.words())
    }

    /// Writes `per_query.parquet`.
    ///
    /// # Errors
    /// `Failed` when the disk refuses or the columns do not fit.
    pub fn per_query(&self, parts: &[JudgedQueries<'_>], convention: &Convention) -> Result<()> {
        create_dir(&self.folder)?;
        let facts = [("mlops.run_id", self.id.to_string()), (TASK, RANKING.to_owned())];
        write_relaxed(&self.folder.join(PER_QUERY), &per_query_bytes(parts, *convention, &facts)?)
    }
}

/// The bytes of `predictions.parquet`.
fn prediction_bytes(rows: &RankedRows<'_>, run: &str) -> Result<Vec<u8>> {
    let convention = serde_json::to_string(rows.convention).context(|| "cannot write the convention".into())?;
    let facts = [("mlops.run_id", run.to_owned()), (TASK, RANKING.to_owned()), (CONVENTION, convention)];
    let labels: Vec<String> = rows.grades.iter().map(ToString::to_string).collect();
    let scores: Vec<Option<f64>> = rows.scores.iter().copied().map(Some).collect();
    let columns = [
        ("id", Values::Text(rows.ids)),
        ("split", Values::Text(rows.parts)),
        ("query", Values::Text(rows.queries)),
        ("label", Values::Text(&labels)),
        ("score", Values::Numbers(&scores)),
    ];
    parquet_file::bytes(&columns, &facts)
}

fn per_query_bytes(parts: &[JudgedQueries<'_>], convention: Convention, facts: &[(&str, String)]) -> Result<Vec<u8>> {
    let (mut queries, mut splits) = (Vec::new(), Vec::new());
    let (mut documents, mut relevant): (Vec<Option<f64>>, Vec<Option<f64>>) = (Vec::new(), Vec::new());
    let names: Vec<&str> =
        parts.first().map_or_else(Vec::new, |part| part.estimates.iter().map(|one| one.name.as_str()).collect());
    let mut values: Vec<Vec<Option<f64>>> = vec![Vec::new(); names.len()];
    for part in parts {
        if part.estimates.len() != names.len()
            || part.estimates.iter().zip(&names).any(|(one, name)| one.name != **name)
        {
            return Err(Error::failed(format!("the metrics of the {} queries are others", part.part)));
        }
        queries.extend(part.ids.iter().cloned());
        splits.extend(part.ids.iter().map(|_| part.part.to_owned()));
        for ends in part.starts.windows(2) {
            let grades = &part.grades[ends[0]..ends[1]];
            documents.push(Some(grades.len() as f64));
            relevant.push(Some(convention.relevant(grades) as f64));
        }
        for (column, estimate) in values.iter_mut().zip(part.estimates) {
            column.extend(estimate.per_query.iter().map(|value| (!value.is_nan()).then_some(*value)));
        }
    }
    let mut columns = vec![
        ("query", Values::Text(&queries)),
        ("split", Values::Text(&splits)),
        ("documents", Values::Numbers(&documents)),
        ("relevant", Values::Numbers(&relevant)),
    ];
    columns.extend(names.iter().zip(&values).map(|(name, values)| (*name, Values::Numbers(values))));
    parquet_file::bytes(&columns, facts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::parquet_file::Cells;
    use crate::metrics::ranking::{Draws, Empty, Queries, Wanted, evaluate};
    use crate::runs::predictions;

    fn texts(cells: &[&str]) -> Vec<String> {
        cells.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn predictions_come_back_with_their_queries() {
        let folder = tempfile::tempdir().unwrap();
        let rows = RankedRows {
            // A document may stand under several queries.
            ids: &texts(&["d1", "d2", "d1", "d3", "d1"]),
            parts: &texts(&["validation", "validation", "test", "test", "test"]),
            queries: &texts(&["q1", "q1", "q2", "q2", "q3"]),
            grades: &[0, 31, 1, 0, 2],
            scores: &[0.25, -1e300, 0.5, 0.5, 1.0],
            convention: &Convention { empty: Empty::One, ..Convention::new(31) },
        };
        let path = folder.path().join(FILE);
        std::fs::write(&path, prediction_bytes(&rows, "run").unwrap()).unwrap();
        let all = predictions::read(&path).unwrap();
        assert_eq!((all.is_ranking(), all.len(), all.starts()), (true, 5, vec![0, 2, 4, 5]));
        assert_eq!((all.grades(), all.scores.clone()), (vec![0, 31, 1, 0, 2], rows.scores.to_vec()));
        assert_eq!(all.labels[all.truth[1]], "31");
        assert_eq!(all.convention.as_ref(), Some(rows.convention));
        let test = all.part("test");
        assert_eq!((test.queries.clone(), test.starts()), (texts(&["q2", "q2", "q3"]), vec![0, 2, 3]));
        let picked = test.rows(&[2, 0]);
        assert_eq!(
            (picked.scores.clone(), picked.ids.clone(), picked.grades()),
            (vec![1.0, 0.5], texts(&["d1", "d1"]), vec![2, 1])
        );
        assert!(picked.predicted.is_empty() && picked.probabilities.is_empty());
        assert_eq!(test.rows(&[]).starts(), [0]);
    }

    #[test]
    fn values_of_queries_are_written_and_what_is_left_out_is_null() {
        let (grades, starts) = ([1, 0, 0, 0], [0, 2, 4]);
        let answered = Queries { scores: &[0.1, 0.2, 0.3, 0.4], grades: &grades, starts: &starts };
        let convention = Convention { empty: Empty::Skip, ..Convention::new(1) };
        let draws = Draws { replicates: 0, seed: 0, level: 0.95 };
        let wanted = ["mrr", "ndcg@1"].map(|name| Wanted::parse(name).unwrap());
        let estimates = evaluate(&answered, &wanted, &convention, draws).unwrap();
        let ids = texts(&["a", "b"]);
        let judged = JudgedQueries { part: "test", ids: &ids, starts: &starts, grades: &grades, estimates: &estimates };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(PER_QUERY);
        std::fs::write(&path, per_query_bytes(&[judged, judged], convention, &[]).unwrap()).unwrap();
        let (columns, _) = parquet_file::read(&path).unwrap();
        let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names[..6], ["query", "split", "documents", "relevant", "mrr", "ndcg@1"]);
        let numbers = |at: usize| match &columns[at].1 {
            Cells::Numbers(numbers) => numbers.clone(),
            Cells::Text(_) => panic!("column {at} is text"),
        };
        assert_eq!((numbers(2), numbers(3)), (vec![2.0; 4], vec![1.0, 0.0, 1.0, 0.0]));
        let mrr = numbers(4);
        assert_eq!((mrr[0], mrr[2]), (0.5, 0.5));
        assert!(mrr[1].is_nan() && mrr[3].is_nan());
        let other = JudgedQueries { estimates: &estimates[1..], ..judged };
        assert!(per_query_bytes(&[judged, other], convention, &[]).unwrap_err().message.contains("are others"));
    }
}
