//! The stored answers of two runs, row by row: what every paired test needs.

use std::collections::{HashMap, HashSet};

use super::predictions::{self, Predictions};
use crate::comparison::{Answers, Difference, Options, Pair, compare};
use crate::error::{Error, Result};
use crate::metrics::Metric;
use crate::names::ExperimentName;
use crate::project::Project;
use crate::tracking::Run;

/// Which rows two runs must have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlap {
    /// All of them.
    All,
    /// Some; the others are left out.
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
        return Err(Error::invalid(what).hint(remedy));
    }
    predictions::read(&path)
}

/// Lays the answers of two runs side by side.
///
/// # Errors
/// `Invalid` when they are about other rows, other labels of the same rows, other classes or another positive class.
pub fn pair(baseline: (&Run, &Predictions), candidate: (&Run, &Predictions), overlap: Overlap) -> Result<Paired> {
    let ((old, left), (new, right)) = (baseline, candidate);
    check_classes(old, left, new, right)?;
    let same = left.ids == right.ids;
    let (kept, found) = if same { (None, None) } else { common(old, left, new, right, overlap)?.unzip() };
    let pick =
        |side: &Predictions, rows: Option<Vec<usize>>| rows.map_or_else(|| side.clone(), |rows| side.rows(&rows));
    let (baseline, candidate) = (pick(left, kept), pick(right, found));
    if let Some(row) = (0..baseline.ids.len()).find(|row| baseline.truth[*row] != candidate.truth[*row]) {
        let label = |side: &Predictions| side.labels[side.truth[row]].clone();
        return Err(Error::invalid(format!(
            "row `{}` has the label `{}` in run {} and `{}` in run {}",
            baseline.ids[row],
            label(&baseline),
            old.id.short(),
            label(&candidate),
            new.id.short()
        ))
        .hint("the data have changed between the two: evaluate both on the same file"));
    }
    Ok(Paired { baseline, candidate })
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
            .hint("`data.positive` says which one it is: train both with the same"));
    }
    let classes = |run: &Run, side: &Predictions| named(run, format!("the classes {}", side.labels.join(", ")));
    Err(Error::invalid(format!("{}; {}", classes(old, left), classes(new, right)))
        .hint("two models of different classes answer different questions"))
}

/// The rows that both have, as positions in each, in the baseline's order.
fn common(
    old: &Run,
    left: &Predictions,
    new: &Run,
    right: &Predictions,
    overlap: Overlap,
) -> Result<Option<(Vec<usize>, Vec<usize>)>> {
    let places: HashMap<&str, usize> = right.ids.iter().enumerate().map(|(row, id)| (id.as_str(), row)).collect();
    let both = left.ids.iter().enumerate().filter_map(|(row, id)| Some((row, *places.get(id.as_str())?)));
    let (kept, found): (Vec<usize>, Vec<usize>) = both.unzip();
    let (rows, others) = (left.ids.len(), right.ids.len());
    let unique = left.ids.iter().collect::<HashSet<_>>().len() == rows;
    let twice = places.len() < others || !unique;
    let complete = kept.len() == rows && rows == others;
    if twice || kept.is_empty() || (overlap == Overlap::All && !complete) {
        let why = if twice { ", and some ids stand there twice" } else { "" };
        let (old, new, count) = (old.id.short(), new.id.short(), kept.len());
        return Err(Error::invalid(format!(
            "runs {old} ({rows} rows) and {new} ({others} rows) answered different rows: {count} are the same{why}"
        ))
        .hint("`mlops evaluate MODEL --data …` gives both the same rows"));
    }
    Ok(Some((kept, found)))
}

impl Paired {
    /// The paired test of a metric.
    ///
    /// # Errors
    /// `Invalid` when the test does not fit the metric.
    pub fn difference(&self, metric: &'static dyn Metric, options: &Options) -> Result<Difference> {
        let [baseline, candidate] = [&self.baseline, &self.candidate].map(|side| Answers {
            predicted: &side.predicted,
            scores: &side.scores,
            probabilities: &side.probabilities,
        });
        compare(metric, &Pair { truth: self.truth(), n_classes: self.labels().len(), baseline, candidate }, options)
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
