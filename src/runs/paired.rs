//! The stored answers of two runs, row by row: what every paired test needs.
//!
//! A row is known by its id, a document of a ranking by its id and its query: one document may stand under several queries.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::predictions::{self, Predictions};
use super::recorded::recorded_file;
use crate::catalog::find;
use crate::comparison::{Answers, Difference, Options, Pair, compare};
use crate::data::Task;
use crate::error::{Cause, Error, Result};
use crate::metrics::METRICS;
use crate::names::ExperimentName;
use crate::project::Project;
use crate::tracking::Run;

/// Which rows two runs must have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlap {
    /// All of them.
    All,
    /// Some; the others are left out. Of a ranking, the queries whose documents are the same.
    Some,
}

/// Two runs' answers about the same rows, in the baseline's order: ids, labels and true classes are the same in both.
pub struct Paired {
    /// What the baseline said.
    pub baseline: Predictions,
    /// What the candidate said.
    pub candidate: Predictions,
}

/// The answers of a run about the rows that it is judged by: the test rows of training, all rows of an evaluation.
///
/// # Errors
/// `Invalid` when the run left none.
pub fn answers(project: &Project, run: &Run) -> Result<Predictions> {
    let all = all_answers(project, run)?;
    Ok(if run.command == "train" { all.part("test") } else { all })
}

/// All answers that a run left; of training those about validation and test rows.
///
/// # Errors
/// `Invalid` when the run left none.
pub fn all_answers(project: &Project, run: &Run) -> Result<Predictions> {
    let folder = project.layout.run(&ExperimentName::parse(&run.experiment)?, &run.id);
    let path = folder.join("predictions.parquet");
    if !path.is_file() {
        let what = format!("run {} has no stored predictions: `{}` is missing", run.id.short(), path.display());
        let remedy = match run.tags.get("model").zip(run.tags.get("version")) {
            Some((model, version)) => format!("`mlops evaluate {model}/{version}` makes them anew"),
            None => "a paired test needs the answers of both, row by row".to_owned(),
        };
        return Err(Error::invalid(what).hint(remedy).because(Cause::NotComparable));
    }
    predictions::read(&recorded_file(project, run, predictions::FILE)?)
}

/// Lays the answers of two runs side by side.
///
/// # Errors
/// `Invalid` when they are about other rows, other labels of the same rows, other classes or another positive class, or of
/// another task.
pub fn pair(baseline: (&Run, &Predictions), candidate: (&Run, &Predictions), overlap: Overlap) -> Result<Paired> {
    let ((old, left), (new, right)) = (baseline, candidate);
    if left.task() != right.task() {
        let what = |run: &Run, side: &Predictions| format!("run {} is a {}", run.id.short(), side.task().name());
        return Err(Error::invalid(format!("{}, {}", what(old, left), what(new, right)))
            .hint("two models of different tasks answer different questions")
            .because(Cause::NotComparable));
    }
    check_classes(old, left, new, right)?;
    let same = left.ids == right.ids && left.queries == right.queries;
    let (kept, found) = if same { (None, None) } else { common(old, left, new, right, overlap)?.unzip() };
    let pick =
        |side: &Predictions, rows: Option<Vec<usize>>| rows.map_or_else(|| side.clone(), |rows| side.rows(&rows));
    let (baseline, candidate) = (pick(left, kept), pick(right, found));
    if let Some(row) = (0..baseline.ids.len()).find(|row| baseline.truth[*row] != candidate.truth[*row]) {
        let label = |side: &Predictions| side.labels[side.truth[row]].clone();
        return Err(Error::invalid(format!(
            "{} has the label `{}` in run {} and `{}` in run {}",
            named(&baseline, row),
            label(&baseline),
            old.id.short(),
            label(&candidate),
            new.id.short()
        ))
        .hint("the data have changed between the two: evaluate both on the same file")
        .because(Cause::NotComparable));
    }
    Ok(Paired { baseline, candidate })
}

/// A row in words: ``row `7` ``, ``document `d7` of query `10` ``.
fn named(side: &Predictions, row: usize) -> String {
    match side.queries.get(row) {
        Some(query) => format!("document `{}` of query `{query}`", side.ids[row]),
        None => format!("row `{}`", side.ids[row]),
    }
}

/// What each row is known by: its query, where it has one, and its id.
fn keys(side: &Predictions) -> impl Iterator<Item = (&str, &str)> {
    let query = |row: usize| side.queries.get(row).map_or("", String::as_str);
    side.ids.iter().enumerate().map(move |(row, id)| (query(row), id.as_str()))
}

fn check_classes(old: &Run, left: &Predictions, new: &Run, right: &Predictions) -> Result<()> {
    if left.labels == right.labels {
        return Ok(());
    }
    let (mut one, mut other) = (left.labels.clone(), right.labels.clone());
    one.sort();
    other.sort();
    let named = |run: &Run, what: String| format!("run {} has {what}", run.id.short());
    if one == other && left.labels.len() == 2 {
        let positive = |run: &Run, side: &Predictions| named(run, format!("the positive label `{}`", side.labels[1]));
        return Err(Error::invalid(format!("{}, {}", positive(old, left), positive(new, right)))
            .hint("`data.positive` says which one it is: train both with the same")
            .because(Cause::NotComparable));
    }
    let classes = |run: &Run, side: &Predictions| named(run, format!("the classes {}", side.labels.join(", ")));
    Err(Error::invalid(format!("{}; {}", classes(old, left), classes(new, right)))
        .hint("two models of different classes answer different questions")
        .because(Cause::NotComparable))
}

/// The rows that both have, as positions in each, in the baseline's order.
fn common(
    old: &Run,
    left: &Predictions,
    new: &Run,
    right: &Predictions,
    overlap: Overlap,
) -> Result<Option<(Vec<usize>, Vec<usize>)>> {
    let places: HashMap<(&str, &str), usize> = keys(right).enumerate().map(|(row, key)| (key, row)).collect();
    let both = keys(left).enumerate().filter_map(|(row, key)| Some((row, *places.get(&key)?)));
    let mut both: Vec<(usize, usize)> = both.collect();
    if left.is_ranking() {
        both = whole_queries(left, right, both);
    }
    let (kept, found): (Vec<usize>, Vec<usize>) = both.into_iter().unzip();
    let (rows, others) = (left.ids.len(), right.ids.len());
    let unique = keys(left).collect::<HashSet<_>>().len() == rows;
    let twice = places.len() < others || !unique;
    let complete = kept.len() == rows && rows == others;
    if twice || kept.is_empty() || (overlap == Overlap::All && !complete) {
        let why = if twice { ", and some ids stand there twice" } else { "" };
        let (old, new, count) = (old.id.short(), new.id.short(), kept.len());
        let unit = if left.is_ranking() { "documents" } else { "rows" };
        let of = if left.is_ranking() { " in queries that are the same in both" } else { "" };
        return Err(Error::invalid(format!(
            "runs {old} ({rows} {unit}) and {new} ({others} {unit}) answered different {unit}: {count} are the same{of}{why}"
        ))
        .hint("`mlops evaluate MODEL --data …` gives both the same rows")
        .because(Cause::NotComparable));
    }
    Ok(Some((kept, found)))
}

/// Of the rows that both have, those of queries that have no other row on either side: a query's value is one of all its documents.
fn whole_queries(left: &Predictions, right: &Predictions, both: Vec<(usize, usize)>) -> Vec<(usize, usize)> {
    fn sizes<'a>(queries: impl Iterator<Item = &'a String>) -> BTreeMap<&'a str, usize> {
        let mut sizes = BTreeMap::new();
        queries.for_each(|query| *sizes.entry(query.as_str()).or_default() += 1);
        sizes
    }
    let shared = sizes(both.iter().map(|(row, _)| &left.queries[*row]));
    let (old, new) = (sizes(left.queries.iter()), sizes(right.queries.iter()));
    let whole = |query: &str| shared.get(query) == old.get(query) && shared.get(query) == new.get(query);
    both.into_iter().filter(|(row, _)| whole(&left.queries[*row])).collect()
}

impl Paired {
    /// The paired test of a metric, by its name: over rows, or over queries (see `paired_ranking`).
    ///
    /// # Errors
    /// `Invalid` for a metric that the task does not have, or when the test does not fit it.
    pub fn difference(&self, metric: &str, options: &Options) -> Result<Difference> {
        if self.baseline.is_ranking() {
            return self.query_difference(metric, options);
        }
        let metric = find("metric", METRICS, metric).map_err(|error| error.because(Cause::NotComparable))?;
        let [baseline, candidate] = [&self.baseline, &self.candidate].map(|side| Answers {
            predicted: &side.predicted,
            scores: &side.scores,
            probabilities: &side.probabilities,
        });
        compare(metric, &Pair { truth: self.truth(), n_classes: self.labels().len(), baseline, candidate }, options)
    }

    /// What both have learned.
    #[must_use]
    pub fn task(&self) -> Task {
        self.baseline.task()
    }

    /// The rows' ids.
    #[must_use]
    pub fn ids(&self) -> &[String] {
        &self.baseline.ids
    }

    /// The class names; of two the second is the positive one.
    #[must_use]
    pub fn labels(&self) -> &[String] {
        &self.baseline.labels
    }

    /// The true class of each row.
    #[must_use]
    pub fn truth(&self) -> &[usize] {
        &self.baseline.truth
    }

    /// Some of the rows.
    #[must_use]
    pub fn rows(&self, rows: &[usize]) -> Self {
        Self { baseline: self.baseline.rows(rows), candidate: self.candidate.rows(rows) }
    }
}
