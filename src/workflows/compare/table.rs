//! The table: runs, best first, with what differs between them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::super::light::{Light, light};
use super::super::session::Session;
use super::column::Column;
use super::conventions::Conventions;
use super::flips::{Flips, tell};
use super::paired_test::{Tested, check_same_rows, check_same_view, differences};
use super::queries::QueryChanges;
use super::request::Request;
use super::select::{primary_of, runs_of};
use crate::comparison::{Difference, Verdict};
use crate::error::{Error, Result};
use crate::metrics::Direction;
use crate::project::Project;
use crate::runs::tags::pairs;
use crate::tracking::{Run, Status};

/// One run in the table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The run.
    #[serde(flatten)]
    pub run: Run,
    /// The value that it is judged by.
    pub value: Option<f64>,
    /// The values of the columns, by their names.
    pub columns: BTreeMap<String, Option<f64>>,
    /// How much better (positive) or worse it is than the baseline.
    pub gain: Option<f64>,
    /// Whether it is the best.
    pub best: bool,
    /// Whether it is the baseline.
    pub baseline: bool,
    /// The paired test against the baseline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<Difference>,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// What the runs are judged by.
    pub metric: String,
    /// Whether more is better.
    pub maximize: bool,
    /// The columns that are shown, the judging one first.
    pub metrics: Vec<String>,
    /// The params that differ.
    pub params: Vec<String>,
    /// The runs, best first.
    pub rows: Vec<Row>,
    /// Rows left out by `top`.
    pub left_out: usize,
    /// Why there is no paired test, where one could have been expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_test: Option<String>,
    /// The worst that the paired tests say of any candidate, shown or not; none where no test was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// The rows whose answer changed, one entry a candidate.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flips: Vec<Flips>,
    /// The queries whose value changed, one entry a candidate.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub queries: Vec<QueryChanges>,
    /// What a reader should know besides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Compares runs.
///
/// # Errors
/// `NotFound` for an unknown item, `Invalid` when they were tested on different rows or a paired test that was asked for
/// cannot be made.
pub fn compare(session: &Session<'_>, request: &Request) -> Result<Outcome> {
    let project = session.project;
    let started_ms = project.now_ms();
    let (runs, baseline) = chosen(session, request)?;
    if !request.allow_different_data {
        check_same_rows(&runs)?;
    }
    check_same_view(&runs)?;
    let primary = primary_of(project, &runs);
    let judged = request.metric.as_deref().map_or_else(|| Ok(Column::last(&primary)), Column::parse)?;
    known(&runs, &judged)?;
    let direction = match (request.order, judged.direction()) {
        (Some(order), Ok(own)) if order != own => {
            let own = if own == Direction::Maximize { "higher" } else { "lower" };
            return Err(Error::invalid(format!("`{}` is better when it is {own}", judged.text))
                .hint("`--order` is for metrics that nobody knows; `--sort` sorts the table by another one"));
        }
        (Some(order), _) => order,
        (None, own) => own?,
    };
    let mut tested = differences(project, request, &judged, &runs, baseline.as_ref())?;
    if let Some(baseline) = baseline.as_ref().filter(|_| !tested.flips.is_empty()) {
        tell(session, baseline, &mut tested.flips)?;
    }
    let (flips, queries) = (std::mem::take(&mut tested.flips), std::mem::take(&mut tested.queries));
    let mut outcome = table(project, request, &runs, (&judged, direction), baseline.as_ref(), &tested)?;
    (outcome.flips, outcome.queries) = (flips, queries);
    light(session, &recorded(request, &outcome, started_ms));
    Ok(outcome)
}

/// The runs in the order in which they were named, and the one that the others are held against.
fn chosen(session: &Session<'_>, request: &Request) -> Result<(Vec<Run>, Option<Run>)> {
    let mut runs: Vec<Run> = Vec::new();
    let mut seen = BTreeSet::new();
    for run in request.items.iter().map(|item| runs_of(session, item)).collect::<Result<Vec<_>>>()?.concat() {
        if seen.insert(run.id.clone()) {
            runs.push(run);
        }
    }
    let baseline = match &request.baseline {
        None if runs.len() == 2 => Some(runs[0].clone()),
        None => None,
        Some(item) => {
            let mut found = runs_of(session, item)?;
            if found.len() > 1 {
                return Err(Error::invalid(format!("the baseline `{item}` is {} runs", found.len()))
                    .hint("name one run or one model version"));
            }
            found.pop()
        }
    };
    if let Some(baseline) = &baseline
        && seen.insert(baseline.id.clone())
    {
        runs.push(baseline.clone());
    }
    if runs.len() < 2 {
        return Err(Error::invalid("there is only one run to compare").hint("name two runs, or an experiment with two"));
    }
    if let Some(open) = runs.iter().find(|run| run.status != Status::Finished) {
        return Err(Error::invalid(format!("run {} is {}", open.id.short(), open.status.as_str()))
            .hint("only finished runs are compared"));
    }
    Ok((runs, baseline))
}

/// Refuses a column whose metric no run has.
fn known(runs: &[Run], column: &Column) -> Result<()> {
    if runs.iter().any(|run| run.metrics.contains_key(&column.metric)) {
        return Ok(());
    }
    let known: BTreeSet<&str> = runs.iter().flat_map(|run| run.metrics.keys().map(String::as_str)).collect();
    Err(Error::invalid(format!("none of the runs has the metric `{}`", column.metric))
        .hint(crate::catalog::known_hint(&column.metric, known)))
}

/// The comparison as a finished run of the best run's experiment.
fn recorded(request: &Request, outcome: &Outcome, started_ms: i64) -> Light {
    let best = &outcome.rows[0];
    let ids: Vec<&str> = outcome.rows.iter().map(|row| row.run.id.short()).collect();
    let tag = |key: &str| best.run.tags.get(key).cloned().unwrap_or_default();
    Light {
        experiment: best.run.experiment.clone(),
        command: "compare",
        name: format!("compare {}", request.items.join(" ")).chars().take(100).collect(),
        started_ms,
        params: pairs([("items", request.items.join(" ")), ("metric", outcome.metric.clone())]),
        metrics: best.value.map(|value| ("best", value)).into_iter().collect(),
        tags: pairs([("runs", ids.join(" ")), ("best_run", best.run.id.to_string()), ("test_ids", tag("test_ids"))]),
        artifacts: Vec::new(),
    }
}

/// The params whose values differ, the model's own first: they are what is most often compared.
#[must_use]
pub fn differing(runs: &[Run]) -> Vec<String> {
    let keys: BTreeSet<&String> = runs.iter().flat_map(|run| run.params.keys()).collect();
    let differs = |key: &&String| runs.iter().any(|run| run.params.get(*key) != runs[0].params.get(*key));
    let mut params: Vec<String> = keys.into_iter().filter(differs).cloned().collect();
    params.sort_by_key(|key| !key.starts_with("model."));
    params
}

/// The columns: what the runs are judged by, what was asked for, else the usual metrics that any run has.
fn columns(request: &Request, judged: &Column, runs: &[Run]) -> Result<Vec<Column>> {
    let usual = ["f1", "accuracy", "precision", "recall", "roc_auc", "average_precision", "log_loss"];
    let usual = usual.into_iter().chain(["ndcg@10", "ndcg@5", "map", "mrr", "precision@10", "recall@10", "err@10"]);
    let mut columns = vec![judged.clone()];
    let mut more = request.columns.iter().map(|text| Column::parse(text)).collect::<Result<Vec<_>>>()?;
    more.iter().try_for_each(|column| known(runs, column))?;
    let sorted = request.sort.as_deref().map(Column::parse).transpose()?;
    if more.is_empty() {
        let has = |name: &&str| runs.iter().any(|run| run.metrics.contains_key(*name));
        more = usual.filter(has).map(Column::last).collect();
    }
    for column in sorted.into_iter().chain(more) {
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    Ok(columns)
}

fn table(
    project: &Project,
    request: &Request,
    runs: &[Run],
    (judged, direction): (&Column, Direction),
    baseline: Option<&Run>,
    tested: &Tested,
) -> Result<Outcome> {
    let tracker = project.reader()?;
    let conventions = Conventions::of(runs, baseline, judged, tested)?;
    let params = differing(runs);
    let columns = columns(request, judged, runs)?;
    let sort = request.sort.as_deref().map(Column::parse).transpose()?;
    sort.iter().try_for_each(|column| known(runs, column))?;
    let order = match &sort {
        Some(sort) if sort == judged => direction,
        Some(sort) => sort.direction()?,
        None => direction,
    };
    let keyed = runs.iter().map(|run| {
        let key = conventions.value(sort.as_ref().unwrap_or(judged), tracker, run)?;
        Ok((key, conventions.value(judged, tracker, run)?, run.clone()))
    });
    let mut keyed = keyed.collect::<Result<Vec<(Option<f64>, Option<f64>, Run)>>>()?;
    keyed.sort_by(|(left, _, one), (right, _, other)| {
        match (left, right) {
            (Some(left), Some(right)) if order == Direction::Maximize => right.total_cmp(left),
            (Some(left), Some(right)) => left.total_cmp(right),
            (left, right) => right.is_some().cmp(&left.is_some()),
        }
        .then(one.start_ms.cmp(&other.start_ms))
        .then(one.id.cmp(&other.id))
    });
    let best = keyed
        .iter()
        .filter_map(|(_, value, _)| *value)
        .reduce(|left, right| if direction.better(right, left) { right } else { left });
    // Of equal runs the first one is the best: it was there before the others.
    let holders = keyed.iter().filter(|(_, value, _)| value.is_some() && *value == best).map(|(.., run)| run);
    let best = holders.min_by_key(|run| (run.start_ms, run.id.clone())).map(|run| run.id.clone());
    let reference = baseline.map(|run| judged.value(tracker, run)).transpose()?.flatten();
    let count = keyed.len();
    let top = if request.top == 0 { count } else { request.top };
    let is_baseline = |run: &Run| baseline.is_some_and(|baseline| baseline.id == run.id);
    let shown = keyed
        .into_iter()
        .enumerate()
        .filter(|(at, (.., run))| *at < top || (request.baseline.is_some() && is_baseline(run)));
    let rows = shown.map(|(_, (_, value, run))| {
        let difference = value.zip(reference).map(|(value, reference)| value - reference);
        let value_of = |column: &Column| Ok((column.text.clone(), conventions.value(column, tracker, &run)?));
        let values = columns.iter().map(value_of);
        Ok(Row {
            value,
            columns: values.collect::<Result<_>>()?,
            gain: difference.map(|gain| if direction == Direction::Maximize { gain } else { -gain }),
            best: best.as_ref() == Some(&run.id),
            baseline: is_baseline(&run),
            difference: tested.of(&run.id).cloned(),
            run,
        })
    });
    let rows = rows.collect::<Result<Vec<Row>>>()?;
    let (metric, maximize) = (judged.text.clone(), direction == Direction::Maximize);
    let metrics = columns.into_iter().map(|column| column.text).collect();
    let (left_out, no_test) = (count - rows.len(), tested.why_not.clone());
    Ok(Outcome {
        metric,
        maximize,
        metrics,
        params,
        rows,
        left_out,
        no_test,
        verdict: tested.worst(),
        flips: Vec::new(),
        queries: Vec::new(),
        notes: conventions.notes,
    })
}
