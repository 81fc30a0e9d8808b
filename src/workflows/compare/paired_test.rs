//! The candidates against the baseline, on the stored answers of each: is the difference more than noise?

use super::column::Column;
use super::flips::{Flips, changed};
use super::queries::{QueryChanges, moved};
use super::request::{Made, Request};
use crate::comparison::{Difference, Options, Verdict, correct_for_many};
use crate::error::{Cause, Error, Result};
use crate::metrics;
use crate::names::RunId;
use crate::project::Project;
use crate::runs::paired::{Overlap, answers, pair};
use crate::runs::tags::tested_elsewhere;
use crate::tracking::Run;

/// The paired tests of all candidates.
#[derive(Default)]
pub(super) struct Tested {
    /// The candidates.
    pub candidates: Vec<RunId>,
    /// What the test says of each.
    pub differences: Vec<Difference>,
    /// The rows whose answer changed with each, where that was asked for.
    pub flips: Vec<Flips>,
    /// The queries that moved with each, where that was asked for.
    pub queries: Vec<QueryChanges>,
    /// Why there is none, where one could have been expected.
    pub why_not: Option<String>,
}

impl Tested {
    /// The worst that is said of any candidate.
    pub(super) fn worst(&self) -> Option<Verdict> {
        // A candidate that answers every row alike is neither better nor worse, and nothing about it is unclear.
        let differs = |found: &Difference| found.differing != Some(0);
        let says = |verdict: &Verdict| self.differences.iter().any(|found| differs(found) && found.verdict == *verdict);
        [Verdict::Worse, Verdict::Inconclusive, Verdict::Better].into_iter().find(says)
    }

    /// What the test says of a run.
    pub(super) fn of(&self, run: &RunId) -> Option<&Difference> {
        let at = self.candidates.iter().position(|candidate| candidate == run)?;
        self.differences.get(at)
    }
}

/// The average and the positive label that a run was judged with, where they were asked for.
fn view(run: &Run) -> Vec<(&str, &str)> {
    let tag = |key: &'static str| run.tags.get(key).map(|value| (key, value.as_str()));
    ["average", "positive"].into_iter().filter_map(tag).collect()
}

/// Refuses runs that were judged with another average or positive label: one name, two metrics.
pub(super) fn check_same_view(runs: &[Run]) -> Result<()> {
    let Some(other) = runs.iter().find(|run| view(run) != view(&runs[0])) else { return Ok(()) };
    let told = |run: &Run| {
        let view = view(run).iter().map(|(key, value)| format!("{key} {value}")).collect::<Vec<_>>().join(", ");
        let view = if view.is_empty() { "the model's own average and positive label".to_owned() } else { view };
        format!("run {} was judged with {view}", run.id.short())
    };
    Err(Error::invalid(format!("{}; {}", told(&runs[0]), told(other)))
        .hint("`mlops evaluate` both with the same `--average` and `--pos-label`"))
}

/// Refuses runs whose test rows differ.
pub(super) fn check_same_rows(runs: &[Run]) -> Result<()> {
    match tested_elsewhere(runs) {
        None => Ok(()),
        Some(other) => Err(Error::invalid(format!(
            "runs {} and {} were tested on different rows: their metrics cannot be compared",
            runs[0].id.short(),
            other.id.short()
        ))
        .hint(
            "`mlops evaluate MODEL --data …` gives both the same rows; `--allow-different-data` compares all the same",
        )),
    }
}

/// The paired test of every candidate against the baseline, where there is one; p-values of several candidates by Holm.
pub(super) fn differences(
    project: &Project,
    request: &Request,
    judged: &Column,
    runs: &[Run],
    baseline: Option<&Run>,
) -> Result<Tested> {
    let wish = request.test;
    if wish.made == Made::Never {
        return Ok(Tested::default());
    }
    let none = |why: String| Ok(Tested { why_not: Some(why), ..Tested::default() });
    let Some(baseline) = baseline else {
        if wish.made == Made::Always {
            return Err(Error::invalid("a paired test needs a baseline").hint("--baseline RUN, or name two runs"));
        }
        return Ok(Tested::default());
    };
    if !view(baseline).is_empty() {
        let why = "the runs were judged with an average or a positive label of their own";
        return if wish.made == Made::Always { Err(Error::invalid(why)) } else { none(why.into()) };
    }
    let metric = match metrics::direction(&judged.metric) {
        Ok(_) if judged.is_last_value() => judged.metric.as_str(),
        _ if wish.made == Made::Always => {
            return Err(Error::invalid(format!("`{}` is no metric of rows: it has no paired test", judged.text))
                .hint("`mlops schema --list metrics` shows those that have"));
        }
        _ => return none(format!("`{}` is no metric of rows", judged.text)),
    };
    let options = Options { test: wish.test, seed: wish.seed, replicates: wish.replicates, ..Options::default() };
    let made = all(project, request, metric, runs, baseline, &options);
    match made {
        // Runs that were logged by hand never had answers; those that were tested here have lost them.
        Err(error) if is_incomparable(&error) && wish.made != Made::Always && !runs.iter().all(was_tested) => {
            none(error.message)
        }
        Err(error) if is_incomparable(&error) => {
            let hint = error.hint.clone().unwrap_or_default();
            Err(error
                .hint(format!("{hint}{}`--no-test` draws the table alone", if hint.is_empty() { "" } else { "; " })))
        }
        made => made,
    }
}

/// True where the runs have nothing that the test can compare.
fn is_incomparable(error: &Error) -> bool {
    error.cause() == Some(&Cause::NotComparable)
}

/// True for a run that answered test rows.
fn was_tested(run: &Run) -> bool {
    run.tags.contains_key("test_ids")
}

fn all(
    project: &Project,
    request: &Request,
    metric: &str,
    runs: &[Run],
    baseline: &Run,
    options: &Options,
) -> Result<Tested> {
    let overlap = if request.allow_different_data { Overlap::Some } else { Overlap::All };
    let old = answers(project, baseline)?;
    let mut tested = Tested::default();
    for run in runs.iter().filter(|run| run.id != baseline.id) {
        let paired = pair((baseline, &old), (run, &answers(project, run)?), overlap)?;
        tested.differences.push(paired.difference(metric, options)?);
        match (request.why, paired.baseline.is_ranking()) {
            (false, _) => {}
            (true, false) => tested.flips.push(changed(baseline, run, &paired)),
            (true, true) => tested.queries.push(moved(baseline, run, &paired, metric)?),
        }
        tested.candidates.push(run.id.clone());
    }
    if tested.candidates.len() > 1 {
        correct_for_many(&mut tested.differences);
    }
    Ok(tested)
}
