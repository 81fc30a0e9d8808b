//! `evaluate` with a ranking model: every metric over the queries, the values of each query kept beside them.
//!
//! The conventions are those of the config (`evaluation.ranking`); ERR reckons with the highest grade of the training
//! labels. `--empty` says what a query without a relevant document counts instead; `--letor-compat` adds the numbers of
//! LETOR 4.0's own script, whose conventions are fixed.

use super::evaluate_request::Request;
use super::judge_ranking::{RankedAnswers, judge_ranking, wanted};
use crate::bundle::Bundle;
use crate::config::Experiment;
use crate::data::rows::Rows;
use crate::error::{Error, Result};
use crate::features::Batch;
use crate::metrics::Evaluation;
use crate::metrics::ranking::{Convention, Draws, LetorScript, Queries, letor_script};
use crate::runs::ranking_files::{JudgedQueries, RankedRows};
use crate::runs::record::Recorder;
use crate::runs::seed::stream;
use crate::workflows::session::Session;
use crate::workflows::train::above;

/// Refuses options that mean nothing to a ranking.
///
/// # Errors
/// `Invalid`, naming the option.
pub(super) fn check(request: &Request) -> Result<()> {
    let refused = |option: &str, why: &str| {
        Err(Error::invalid(format!("`{option}` is for classification, and the model ranks")).hint(why))
    };
    if request.average.is_some() {
        return refused("--average", "ranking metrics are means over queries; `--empty` says what empty queries count");
    }
    if request.pos_label.is_some() {
        return refused("--pos-label", "relevant is what has `evaluation.ranking.relevant_from` or a higher grade");
    }
    if !request.by.is_empty() {
        return refused("--by", "per_query.parquet in the run's folder has the values of each query: group those");
    }
    Ok(())
}

/// Judges the rows at these positions, whole queries, and keeps what was said of each document and each query.
///
/// # Errors
/// `Invalid` when the rows do not fit the model or it says NaN, `Failed` when the disk refuses.
pub(super) fn queries(
    session: &Session<'_>,
    recorder: &Recorder<'_>,
    (request, experiment, bundle): (&Request, &Experiment, &Bundle),
    (rows, positions, part): (&Rows, &[usize], &str),
    input: Batch,
) -> Result<(Evaluation, Option<LetorScript>)> {
    let starts = rows.starts(positions);
    let (prediction, report) = bundle.predict(input, &session.embedding)?;
    session.note_texts(report);
    let scores: Vec<f64> = prediction.scores.iter().copied().collect();
    let grades = positions.iter().map(|at| u8::try_from(rows.classes[*at]));
    let grades = grades.collect::<Result<Vec<u8>, _>>().map_err(|_| Error::failed("a grade is above 255"))?;
    let config = &experiment.config;
    let draws = Draws::of(config.evaluation.bootstrap, stream(config.seed, "bootstrap"));
    let convention = convention(request, experiment, bundle);
    if let Some(best) = grades.iter().max().filter(|best| **best > convention.highest_grade) {
        session.note(above(*best));
    }
    let wanted = wanted(&config.evaluation.metrics, &config.evaluation.primary)?;
    let answered = RankedAnswers { scores: &scores, grades: &grades, starts: &starts };
    let (evaluation, estimates) = judge_ranking(&convention, &wanted, &answered, draws)
        .map_err(|error| named(error, rows, positions, &starts))?;
    let script = Queries { scores: &scores, grades: &grades, starts: &starts };
    let letor = request.letor_compat.then(|| letor_script(&script)).transpose()?;
    session.check()?;
    let query = |at: &usize| rows.query(*at).unwrap_or_default().to_owned();
    let ids: Vec<String> = positions.iter().map(|at| rows.ids[*at].clone()).collect();
    let parts = vec![part.to_owned(); positions.len()];
    let of_rows: Vec<String> = positions.iter().map(query).collect();
    recorder.ranking_predictions(&RankedRows {
        ids: &ids,
        parts: &parts,
        queries: &of_rows,
        grades: &grades,
        scores: &scores,
        convention: &convention,
    })?;
    let ids: Vec<String> = starts[..starts.len() - 1].iter().map(|start| of_rows[*start].clone()).collect();
    let judged = JudgedQueries { part, ids: &ids, starts: &starts, grades: &grades, estimates: &estimates };
    recorder.per_query(&[judged], &convention)?;
    Ok((evaluation, letor))
}

/// The config's conventions, but for what is asked for.
fn convention(request: &Request, experiment: &Experiment, bundle: &Bundle) -> Convention {
    let convention = experiment.config.evaluation.convention(bundle.schema.highest_grade.unwrap_or(0));
    Convention { empty: request.empty.unwrap_or(convention.empty), ..convention }
}

/// An error about `query 3` with the query's own id.
fn named(mut error: Error, rows: &Rows, positions: &[usize], starts: &[usize]) -> Error {
    let number = error.message.strip_prefix("query ").and_then(|rest| rest.split_once(": "));
    let query = number.and_then(|(number, _)| number.parse::<usize>().ok()?.checked_sub(1));
    let Some(at) = query.and_then(|query| positions.get(*starts.get(query)?)) else { return error };
    let (_, why) = number.expect("it has a number");
    error.message = format!("query `{}`: {why}", rows.query(*at).unwrap_or_default());
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Average;
    use crate::workflows::fixtures::rows_of_queries;

    #[test]
    fn what_means_nothing_to_a_ranking_is_refused() {
        let refused = |request: Request| check(&request).unwrap_err().message;
        let request = Request::default;
        assert!(check(&request()).is_ok());
        let message = refused(Request { average: Some(Average::Macro), ..request() });
        assert_eq!(message, "`--average` is for classification, and the model ranks");
        assert!(refused(Request { pos_label: Some("1".into()), ..request() }).starts_with("`--pos-label`"));
        assert!(refused(Request { by: vec!["city".into()], ..request() }).starts_with("`--by`"));
    }

    #[test]
    fn an_error_names_the_query_by_its_id() {
        let rows = rows_of_queries(&[("GX1", 2), ("GX2", 2), ("GX3", 1)]);
        // The first query is left out.
        let positions = [2, 3, 4];
        let told = |message: &str| named(Error::invalid(message), &rows, &positions, &[0, 2, 3]).message;
        assert_eq!(told("query 2: the score of document 1 is NaN"), "query `GX3`: the score of document 1 is NaN");
        assert_eq!(told("query 9: no"), "query 9: no");
        assert_eq!(told("there are no queries"), "there are no queries");
    }
}
