//! Ranking metrics over queries: per-query values, their mean by each convention for empty queries, an interval.
//!
//! Metrics are asked for as `ndcg@10`, `map`, `p@5`. The interval is the percentile bootstrap of queries (2,000 replicates unless
//! said otherwise), because queries, not documents, are the draw from the world. `ndcg` without @ is not cut; `XGBoost`'s is @32:
//! ask for `ndcg@32` to compare.

use rayon::prelude::*;
use serde::Serialize;

use super::convention::{Convention, Empty};
use super::list::Ranked;
use super::metric::RankingMetric;
use super::{RANKING_METRICS, letor};
use crate::catalog::{find, known_hint};
use crate::error::{Cause, Error, Result};
use crate::stats::bootstrap;

/// A metric with its cut.
#[derive(Clone, Copy)]
pub struct Wanted {
    /// The metric.
    pub metric: &'static dyn RankingMetric,
    /// k.
    pub at: Option<usize>,
}

impl Wanted {
    /// From `ndcg@10`; `p` is `precision`.
    ///
    /// # Errors
    /// `Invalid` for an unknown metric, a k that is not a whole number of at least 1, a missing k.
    pub fn parse(text: &str) -> Result<Self> {
        let (name, at) = text.split_once('@').map_or((text, None), |(name, at)| (name, Some(at)));
        let metric = find("ranking metric", RANKING_METRICS, if name == "p" { "precision" } else { name })?;
        let at = match at {
            None if metric.needs_cut() => {
                return Err(Error::invalid(format!("`{text}` needs a k")).hint(format!("write `{text}@10`")));
            }
            None => None,
            Some(at) => Some(at.parse().ok().filter(|k| *k >= 1).ok_or_else(|| {
                Error::invalid(format!("`{text}`: k is a whole number of at least 1"))
                    .hint(known_hint(name, RANKING_METRICS.iter().map(|metric| metric.name()).collect::<Vec<_>>()))
            })?),
        };
        Ok(Self { metric, at })
    }

    /// `ndcg@10`.
    #[must_use]
    pub fn name(&self) -> String {
        let name = self.metric.name();
        self.at.map_or_else(|| name.to_owned(), |k| format!("{name}@{k}"))
    }
}

/// Scores and grades of the documents of several queries.
#[derive(Debug, Clone, Copy)]
pub struct Queries<'a> {
    /// Scores.
    pub scores: &'a [f64],
    /// Grades.
    pub grades: &'a [u8],
    /// Query `i` holds the documents `starts[i]..starts[i + 1]`.
    pub starts: &'a [usize],
}

/// One metric over all queries.
#[derive(Debug, Clone, PartialEq)]
pub struct RankingEstimate {
    /// `ndcg@10`.
    pub name: String,
    /// The mean by the convention for empty queries; none when there is nothing to average.
    pub value: Option<f64>,
    /// The mean when empty queries count 0, are skipped, count 1.
    pub by_empty: [Option<f64>; 3],
    /// The interval of `value`.
    pub interval: Option<(f64, f64)>,
    /// The value of each query, by the convention; NaN where it is left out.
    pub per_query: Vec<f64>,
    /// Queries.
    pub queries: usize,
    /// Those without a relevant document.
    pub empty: usize,
    /// What they count.
    pub convention: Empty,
}

/// How intervals are drawn.
#[derive(Debug, Clone, Copy)]
pub struct Draws {
    /// Replicates; 0 for no interval.
    pub replicates: usize,
    /// The seed.
    pub seed: u64,
    /// Such as 0.95.
    pub level: f64,
}

impl Draws {
    /// No interval.
    pub const NONE: Self = Self::of(0, 0);

    /// So many replicates for a 95 % interval.
    #[must_use]
    pub const fn of(replicates: usize, seed: u64) -> Self {
        Self { replicates, seed, level: 0.95 }
    }
}

/// All metrics that are wanted, over all queries.
///
/// # Errors
/// `Invalid` for a NaN score (naming the query), lengths that do not fit, no queries.
pub fn evaluate(
    queries: &Queries<'_>,
    wanted: &[Wanted],
    convention: &Convention,
    draws: Draws,
) -> Result<Vec<RankingEstimate>> {
    let lists = ranked(queries, convention)?;
    let of_relevance: Vec<bool> = lists.iter().map(|list| list.n_relevant() == 0).collect();
    let of_grades: Vec<bool> = lists.iter().map(|list| list.ideal.first().is_none_or(|best| *best == 0)).collect();
    let one = |wanted: &Wanted| {
        let empty = if wanted.metric.reads_grades() { &of_grades } else { &of_relevance };
        let values: Vec<Option<f64>> = lists.par_iter().map(|list| wanted.metric.of_list(list, wanted.at)).collect();
        let by = |rule: Empty| -> Vec<f64> {
            values.iter().zip(empty).map(|(value, empty)| counted(*value, *empty, rule, wanted.metric)).collect()
        };
        let per_query = by(convention.empty);
        let kept: Vec<f64> = per_query.iter().copied().filter(|value| !value.is_nan()).collect();
        let interval = if draws.replicates == 0 || kept.len() < 2 {
            None
        } else {
            let means = bootstrap::means(&kept, draws.replicates, draws.seed);
            bootstrap::percentile_interval(&means, draws.level)
        };
        RankingEstimate {
            name: wanted.name(),
            value: mean(&per_query),
            by_empty: Empty::ALL.map(|rule| mean(&by(rule))),
            interval,
            queries: lists.len(),
            empty: empty.iter().filter(|empty| **empty).count(),
            convention: convention.empty,
            per_query,
        }
    };
    Ok(wanted.iter().map(one).collect())
}

/// The lists of all queries, ranked.
///
/// # Errors
/// As `evaluate`.
pub fn ranked<'a>(queries: &Queries<'_>, convention: &'a Convention) -> Result<Vec<Ranked<'a>>> {
    let Queries { scores, grades, starts } = queries;
    if starts.len() < 2 {
        return Err(Error::invalid("there are no queries"));
    }
    if scores.len() != grades.len() || starts.last() != Some(&grades.len()) {
        return Err(Error::invalid(format!("expected {} scores, got {}", grades.len(), scores.len())));
    }
    let one = |(query, ends): (usize, &[usize])| {
        let here = ends[0]..ends[1];
        Ranked::new(&scores[here.clone()], &grades[here], convention).map_err(|error| {
            let message = format!("query {}: {}", query + 1, error.message);
            Error::invalid(message).because(Cause::InQuery { query, what: error.message })
        })
    };
    // The first error in the order of queries, whoever finds one first.
    let lists: Vec<Result<Ranked<'a>>> = starts.par_windows(2).enumerate().map(one).collect();
    lists.into_iter().collect()
}

/// What a query counts; NaN when it is left out.
fn counted(value: Option<f64>, empty: bool, rule: Empty, metric: &dyn RankingMetric) -> f64 {
    match (rule, empty) {
        (Empty::Skip, true) => f64::NAN,
        (Empty::One, true) if !metric.zero_when_empty() => 1.0,
        (_, true) => 0.0,
        // Relevant by the threshold, but without a gain: as empty.
        (_, false) => value.unwrap_or(0.0),
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    let kept: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    (!kept.is_empty()).then(|| kept.iter().sum::<f64>() / kept.len() as f64)
}

impl RankingEstimate {
    /// `ndcg@10 0.426 [0.410, 0.440] over 1043 queries (112 without relevant documents count 0; skipped 0.471, as 1 0.523)`.
    #[must_use]
    pub fn line(&self) -> String {
        let number = self.value.map_or_else(|| "n/a".to_owned(), |value| format!("{value:.3}"));
        let interval = self.interval.map_or_else(String::new, |(low, high)| format!(" [{low:.3}, {high:.3}]"));
        let over = over_queries(self.queries, self.empty, self.convention, &self.by_empty);
        format!("{} {number}{interval} {over}", self.name)
    }
}

/// `over 1043 queries (112 without relevant documents count 0; skipped 0.471, as 1 0.523)`: what must stand behind a number.
#[must_use]
pub fn over_queries(queries: usize, empty: usize, present: Empty, by_empty: &[Option<f64>; 3]) -> String {
    let number = |value: Option<f64>| value.map_or_else(|| "n/a".to_owned(), |value| format!("{value:.3}"));
    let line = format!("over {queries} {}", if queries == 1 { "query" } else { "queries" });
    if empty == 0 {
        return line;
    }
    let words = [("count 0", "counted 0"), ("are skipped", "skipped"), ("count 1", "as 1")];
    let present = Empty::ALL.iter().position(|rule| *rule == present).unwrap_or(0);
    let others = (0..3).filter(|rule| *rule != present);
    let others: Vec<String> = others.map(|rule| format!("{} {}", words[rule].1, number(by_empty[rule]))).collect();
    format!("{line} ({empty} without relevant documents {}; {})", words[present].0, others.join(", "))
}

/// What LETOR 4.0's script prints: P@1…10, MAP, NDCG@1…10, `MeanNDCG`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LetorScript {
    /// P@1 … P@10.
    pub precision: Vec<f64>,
    /// MAP.
    pub map: f64,
    /// NDCG@1 … NDCG@10.
    pub ndcg: Vec<f64>,
    /// `MeanNDCG`.
    pub mean_ndcg: f64,
}

/// The numbers of LETOR 4.0's script.
///
/// # Errors
/// As `evaluate`.
pub fn letor_script(queries: &Queries<'_>) -> Result<LetorScript> {
    let convention = Convention::new(2);
    let lists = ranked(queries, &convention)?;
    let over = |value: &dyn Fn(&Ranked<'_>) -> f64| lists.iter().map(value).sum::<f64>() / lists.len() as f64;
    let precision = |k| move |list: &Ranked<'_>| super::precision_at::PrecisionAt.of_list(list, Some(k)).unwrap_or(0.0);
    Ok(LetorScript {
        precision: (1..=10).map(|k| over(&precision(k))).collect(),
        map: over(&letor::average_precision),
        ndcg: (1..=10).map(|k| over(&|list| letor::ndcg_at(list, k))).collect(),
        mean_ndcg: over(&letor::mean_ndcg),
    })
}
