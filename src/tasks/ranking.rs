//! Ranking: the order of a query's documents.
//!
//! The conventions are those of the config (`evaluation.ranking`); ERR needs the highest grade of the training labels. An
//! option of `evaluate` says what a query without a relevant document counts instead, another adds the numbers of LETOR
//! 4.0's own script, whose conventions are fixed.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::graph_gap::largest_gap;
use super::judge_queries::{RankedAnswers, judge_ranking, wanted};
use super::part_rows::PartRows;
use super::task_kind::{Answered, JudgedPart, Judgement, Judging, Options, TaskKind, Words};
use crate::bundle::{Bundle, Prediction, Schema};
use crate::catalog::known_hint;
use crate::config::{Experiment, ExperimentConfig};
use crate::data::rows::{Labels, Rows};
use crate::data::{Columns, Input, Task, Truth};
use crate::error::{Cause, Error, Result};
use crate::metrics::ranking::{Convention, Draws, Queries, letor_script};
use crate::metrics::{Evaluation, View};
use crate::onnx::Outputs;
use crate::report::model_card::Modality;
use crate::runs::ranking_files::{JudgedQueries, RankedRows};
use crate::runs::record::Recorder;
use crate::runs::seed::stream;

/// The task `ranking`.
pub struct Ranking;

const WORDS: Words = Words {
    rows: "documents",
    batch: "µs for the whole query",
    pipeline: "mlops, from the raw features",
    pipeline_on_card: "mlops, from the raw features of a query's documents",
    graph_input: "documents with the features of `ranking.features`, as `preprocessor.json` prepares them",
    graph_output: "higher is better, beside other documents of the same query",
};

/// How tables name the column of queries.
const QUERY_NAMES: [&str; 8] = ["qid", "query_id", "queryid", "query", "srch_id", "search_id", "group_id", "group"];

impl TaskKind for Ranking {
    fn task(&self) -> Task {
        Task::Ranking
    }

    fn words(&self) -> &'static Words {
        &WORDS
    }

    fn labels_to_learn<'a>(&self, _config: &'a ExperimentConfig) -> Labels<'a> {
        Labels::Grades
    }

    fn labels_to_judge<'a>(&self, _schema: &'a Schema) -> Labels<'a> {
        Labels::Grades
    }

    fn id_column(&self, source: &str, columns: &Columns, known: &[String]) -> Result<Option<String>> {
        check_queries(source, columns, known)?;
        Ok(document_ids(columns, known))
    }

    fn check_training(&self, _experiment: &Experiment, _rows: &Rows, _parts: &[PartRows; 3]) -> Result<()> {
        Ok(())
    }

    fn is_monitored(&self) -> bool {
        false
    }

    fn view(&self, options: &Options, _schema: &Schema) -> Result<(View, Option<String>)> {
        let refused = |option: &str, why: &str| {
            Err(Error::invalid(format!("`{option}` is for classification, and the model ranks")).hint(why))
        };
        if options.average.is_some() {
            let why = "ranking metrics are means over queries; `--empty` says what empty queries count";
            return refused("--average", why);
        }
        if options.pos_label.is_some() {
            return refused("--pos-label", "relevant is what has `evaluation.ranking.relevant_from` or a higher grade");
        }
        if options.by {
            return refused("--by", "per_query.parquet in the run's folder has the values of each query: group those");
        }
        Ok((View::default(), None))
    }

    fn judge(&self, judging: &Judging<'_>, answered: &Answered<'_>) -> Result<Judgement> {
        let Answered { rows, part, prediction } = *answered;
        let config = &judging.experiment.config;
        let replicates = if part.is_tested() { config.evaluation.bootstrap } else { 0 };
        let draws = Draws::of(replicates, stream(config.seed, "bootstrap"));
        let (scores, grades) = (prediction.scores.column(0).to_vec(), part.truth.grades());
        let wanted = wanted(&config.evaluation.metrics, &config.evaluation.primary)?;
        let answers = RankedAnswers { scores: &scores, grades, starts: &part.starts };
        let (evaluation, per_query) = judge_ranking(convention(judging), &wanted, &answers, draws)
            .map_err(|error| with_query_id(error, rows, &part.positions, &part.starts))?;
        let queries = Queries { scores: &scores, grades, starts: &part.starts };
        let letor_script = judging.letor_compat.then(|| letor_script(&queries)).transpose()?;
        Ok(Judgement { evaluation, per_query, letor_script })
    }

    fn remark(&self, experiment: &Experiment, schema: &Schema, truth: &[&Truth]) -> Option<String> {
        let highest = experiment.config.evaluation.convention(schema.highest_grade()?).highest_grade;
        let best = truth.iter().flat_map(|truth| truth.grades()).max().filter(|best| **best > highest)?;
        Some(format!(
            "grades go up to {best}, above the highest grade that ERR reckons with: there they count as that one \
             (`evaluation.ranking.highest_grade`)"
        ))
    }

    /// The documents with their scores, and the values of each query.
    fn record(&self, recorder: &Recorder<'_>, parts: &[JudgedPart<'_>]) -> Result<()> {
        let last = parts.last().and_then(|part| part.judgement.evaluation.queries());
        let Some(convention) = last.map(|queries| queries.facts.convention) else { return Ok(()) };
        let (mut ids, mut names, mut queries) = (Vec::new(), Vec::new(), Vec::new());
        let (mut grades, mut scores, mut query_ids) = (Vec::new(), Vec::new(), Vec::new());
        for JudgedPart { name, answered: Answered { rows, part, prediction }, .. } in parts {
            ids.extend(part.ids(rows));
            names.extend(part.positions.iter().map(|_| (*name).to_owned()));
            queries.extend(part.queries(rows));
            grades.extend(part.truth.grades());
            scores.extend(prediction.scores.column(0));
            query_ids.push(part.query_ids(rows));
        }
        recorder.ranking_predictions(&RankedRows {
            ids: &ids,
            parts: &names,
            queries: &queries,
            grades: &grades,
            scores: &scores,
            convention: &convention,
        })?;
        let judged = parts.iter().zip(&query_ids).map(|(judged, ids)| JudgedQueries {
            part: judged.name,
            ids,
            starts: &judged.answered.part.starts,
            grades: judged.answered.part.truth.grades(),
            estimates: &judged.judgement.per_query,
        });
        recorder.per_query(&judged.collect::<Vec<_>>(), &convention)
    }

    /// The largest difference of a score, divided by the largest score where that is above 1, because scores have no unit.
    fn distance(&self, ours: &Prediction, theirs: &Outputs, _schema: &Schema) -> Result<f64> {
        let largest = ours.scores.iter().fold(1.0_f64, |most, score| most.max(score.abs()));
        Ok(largest_gap(&ours.scores, theirs, "score")? / largest)
    }

    fn batch_sizes(&self) -> [usize; 4] {
        [1, 10, 100, 1000]
    }

    fn answers_together(&self) -> bool {
        true
    }

    fn preprocessor(&self, bundle: &Bundle) -> Value {
        json!({
            "task": self.task(),
            "rows": "one document each, its features in the order of `columns`; of one query or of several at once, but \
                     what must be done before the graph is done for each query alone",
            "inside_the_graph": {
                "about": "done by the graph, told for readers; a null beside a column that did not vary in training: it is 0",
                "steps": bundle.features.numbers(),
            },
            "meaning": {
                "score": "higher is better, beside the other documents of the same query only; equal scores keep the order \
                          of the rows",
            },
            "highest_grade": bundle.schema.highest_grade(),
        })
    }

    fn onnx_facts(&self, schema: &Schema) -> BTreeMap<String, String> {
        let mut facts = BTreeMap::from([("task".to_owned(), self.task().name().to_owned())]);
        facts.extend(schema.highest_grade().map(|grade| ("highest_grade".to_owned(), grade.to_string())));
        facts
    }

    fn modality(&self, _input: &Input) -> Modality {
        Modality::Ranking
    }

    fn calibration(&self, _evaluation: Option<&Evaluation>) -> Option<String> {
        Some("Scores of a ranking are no probabilities: there is nothing to calibrate.".into())
    }
}

/// The config's conventions, but for what was asked for.
fn convention(judging: &Judging<'_>) -> Convention {
    let highest = judging.schema.highest_grade().unwrap_or(0);
    let convention = judging.experiment.config.evaluation.convention(highest);
    Convention { empty: judging.empty.unwrap_or(convention.empty), ..convention }
}

/// An error about a query by its number, with the query's own id instead.
fn with_query_id(mut error: Error, rows: &Rows, positions: &[usize], starts: &[usize]) -> Error {
    let Some(Cause::InQuery { query, what }) = error.cause() else { return error };
    let Some(at) = starts.get(*query).and_then(|start| positions.get(*start)) else { return error };
    error.message = format!("query `{}`: {what}", rows.query(*at).unwrap_or_default());
    error
}

/// The column of documents: the model's own where the data have it; a LETOR file has `docid`.
fn document_ids(columns: &Columns, known: &[String]) -> Option<String> {
    let is_feature = |name: &String| matches!(&columns.input, Input::Numbers(names) if names.contains(name));
    let own = columns.id.clone().filter(|id| known.contains(id));
    own.or_else(|| known.iter().find(|name| *name == "docid" && !is_feature(name)).cloned())
}

/// Refuses rows that do not say of which query they are.
fn check_queries(source: &str, columns: &Columns, known: &[String]) -> Result<()> {
    let Some(query) = columns.query.as_ref().filter(|query| !known.contains(query)) else { return Ok(()) };
    let is_usual = |name: &&String| QUERY_NAMES.contains(&name.to_lowercase().as_str());
    let hint = match known.iter().find(is_usual) {
        Some(like) => format!("did you mean `{like}`? the model knows it as `{query}`: rename it"),
        None => known_hint(query, known.iter().map(String::as_str).collect::<Vec<_>>()),
    };
    Err(Error::invalid(format!("`{source}` has no column `{query}`: documents are ranked within their query"))
        .hint(hint)
        .because(Cause::MissingColumn(query.clone())))
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;
    use crate::bundle::tests::ranker;
    use crate::data::samples::rows_of_queries;
    use crate::metrics::Average;
    use crate::onnx::Tensor;

    #[test]
    fn what_means_nothing_to_a_ranking_is_refused() {
        let schema = ranker(&[1.0], 0.0).schema;
        let refused = |options: Options| Ranking.view(&options, &schema).unwrap_err().message;
        let options = Options::default;
        assert!(Ranking.view(&options(), &schema).is_ok());
        let message = refused(Options { average: Some(Average::Macro), ..options() });
        assert_eq!(message, "`--average` is for classification, and the model ranks");
        assert!(refused(Options { pos_label: Some("1".into()), ..options() }).starts_with("`--pos-label`"));
        assert!(refused(Options { by: true, ..options() }).starts_with("`--by`"));
    }

    #[test]
    fn an_error_names_the_query_by_its_id() {
        let rows = rows_of_queries(&[("GX1", 2), ("GX2", 2), ("GX3", 1)]);
        // The first query is left out.
        let positions = [2, 3, 4];
        let renamed = |error: Error| with_query_id(error, &rows, &positions, &[0, 2, 3]).message;
        let of = |query: usize, what: &str| {
            let cause = Cause::InQuery { query, what: what.into() };
            Error::invalid(format!("query {}: {what}", query + 1)).because(cause)
        };
        let nan = of(1, "the score of document 1 is NaN");
        assert_eq!(renamed(nan), "query `GX3`: the score of document 1 is NaN");
        assert_eq!(renamed(of(8, "no")), "query 9: no");
        assert_eq!(renamed(Error::invalid("there are no queries")), "there are no queries");
    }

    #[test]
    fn the_columns_of_queries_and_documents_are_found() {
        let columns = ranker(&[1.0], 0.0).schema.columns;
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let refused = |known: &[&str]| check_queries("f.csv", &columns, &names(known)).unwrap_err();
        assert!(check_queries("f.csv", &columns, &names(&["qid", "1"])).is_ok());
        assert_eq!(
            refused(&["1", "Query_ID"]).message,
            "`f.csv` has no column `qid`: documents are ranked within their query"
        );
        let hint = refused(&["1", "Query_ID"]).hint.unwrap();
        assert_eq!(hint, "did you mean `Query_ID`? the model knows it as `qid`: rename it");
        assert!(refused(&["1", "x"]).hint.unwrap().ends_with("1, x"));
        let without = Columns { id: None, ..columns.clone() };
        assert_eq!(document_ids(&without, &names(&["docid", "1"])).as_deref(), Some("docid"));
        assert_eq!(document_ids(&without, &names(&["1"])), None);
        let of_url = Columns { id: Some("url".into()), input: Input::Numbers(names(&["docid"])), ..columns };
        assert_eq!(document_ids(&of_url, &names(&["docid", "url"])).as_deref(), Some("url"));
        assert_eq!(document_ids(&of_url, &names(&["docid"])), None, "it is a feature");
    }

    #[test]
    fn scores_of_documents_are_apart_by_a_share_of_the_largest() {
        let schema = ranker(&[1.0], 0.0).schema;
        let scores = |file: Array2<f32>| Outputs::from([("score".to_owned(), Tensor::Floats(file))]);
        let apart = |ours: Array2<f64>, file: Array2<f32>| {
            let ours = Prediction { scores: ours, probabilities: Array2::zeros((2, 0)), classes: Vec::new() };
            Ranking.distance(&ours, &scores(file), &schema).unwrap()
        };
        assert_eq!(apart(array![[-8.0], [2.0]], array![[-8.0], [2.5]]), 0.0625);
        // Small scores are not blown up.
        assert_eq!(apart(array![[0.25], [0.0]], array![[0.25], [0.125]]), 0.125);
        assert_eq!(apart(array![[0.25], [f64::NAN]], array![[0.25], [0.125]]), f64::INFINITY);
        assert_eq!(apart(array![[0.25], [0.0]], array![[0.25]]), f64::INFINITY);
        let ours = Prediction { scores: array![[1.0]], probabilities: Array2::zeros((1, 0)), classes: Vec::new() };
        let other = Outputs::from([("class".to_owned(), Tensor::Integers(vec![0]))]);
        let error = Ranking.distance(&ours, &other, &schema).unwrap_err();
        assert_eq!(error.message, "the ONNX file has no output `score`");
    }
}
