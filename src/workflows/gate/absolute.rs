//! A version held against numbers: bounds on metrics, and how many rows they rest on.

use super::check::{Check, Kind, Verdict};
use crate::config::{Bound, Minimum, Require};
use crate::metrics::{Detail, Estimate, Evaluation, QueryDetail};
use crate::runs::paired::Paired;

/// A rule in words: `>= 0.55`, `lower bound >= 0.55`.
fn words(rule: &Require) -> String {
    let bounds = [rule.min.map(|min| format!(">= {min}")), rule.max.map(|max| format!("<= {max}"))];
    let text = bounds.into_iter().flatten().collect::<Vec<_>>().join(" and ");
    match rule.bound {
        Bound::Point => text,
        Bound::Lower => format!("lower bound {text}"),
        Bound::Upper => format!("upper bound {text}"),
    }
}

/// Holds a rule against an estimate; a value that is not defined never passes. A rule about a bound is inconclusive
/// where the value itself passes and the end of its interval does not.
#[must_use]
pub fn require(rule: &Require, estimate: Option<&Estimate>) -> Check {
    let value = estimate.and_then(|estimate| estimate.value).filter(|value| !value.is_nan());
    let holds = |value: f64| rule.min.is_none_or(|min| value >= min) && rule.max.is_none_or(|max| value <= max);
    let interval = estimate.and_then(|estimate| estimate.low.zip(estimate.high));
    let verdict = match (rule.bound, value, interval) {
        (_, None, _) => Verdict::Fail,
        (Bound::Point, Some(value), _) => {
            if holds(value) {
                Verdict::Pass
            } else {
                Verdict::Fail
            }
        }
        (_, Some(value), _) if !holds(value) => Verdict::Fail,
        (Bound::Lower, _, Some((low, _))) => {
            if holds(low) {
                Verdict::Pass
            } else {
                Verdict::Inconclusive
            }
        }
        (Bound::Upper, _, Some((_, high))) => {
            if holds(high) {
                Verdict::Pass
            } else {
                Verdict::Inconclusive
            }
        }
        (_, _, None) => Verdict::Inconclusive,
    };
    let detail = match (rule.bound, value, interval) {
        (_, None, _) => match estimate {
            Some(estimate) => estimate.reason.clone().unwrap_or_default(),
            None => "the run has no such metric: name it in `evaluation.metrics`".to_owned(),
        },
        (Bound::Point, ..) => String::new(),
        (_, _, Some((low, high))) => format!("95 % interval [{low:.4}, {high:.4}]"),
        (_, _, None) => "there is no interval: `evaluation.bootstrap` was 0, or too few rows".into(),
    };
    Check::new(Kind::Require, &rule.metric, value, words(rule), verdict).detail(detail)
}

/// How many rows an answer rests on.
#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    rows: Option<usize>,
    positives: Option<usize>,
    queries: Option<usize>,
}

/// Holds the number of test rows, and of positive ones, against what is wanted; of a ranking, of documents, relevant ones and
/// queries.
#[must_use]
pub fn minimum(wanted: &Minimum, evaluation: Option<&Evaluation>) -> Vec<Check> {
    let counted = evaluation.map_or_else(Counted::default, |evaluation| match &evaluation.detail {
        Detail::Classes(classes) => {
            Counted { rows: Some(evaluation.rows), positives: positive(&classes.support), queries: None }
        }
        Detail::Queries(QueryDetail { grades, facts }) => {
            let positives = grades.range(facts.convention.relevant_from..).map(|(_, documents)| documents).sum();
            Counted { rows: Some(evaluation.rows), positives: Some(positives), queries: Some(facts.queries) }
        }
    });
    held("test", wanted, counted, evaluation.is_some_and(|evaluation| evaluation.queries().is_some()))
}

/// The same of the rows on which two versions are compared, where those are others than the test rows.
#[must_use]
pub fn compared(wanted: &Minimum, rows: &Paired) -> Vec<Check> {
    let ranks = rows.baseline.is_ranking();
    let positives = if ranks {
        let from = rows.baseline.convention.map_or(1, |convention| usize::from(convention.relevant_from));
        Some(rows.truth().iter().filter(|grade| **grade >= from).count())
    } else {
        let mut support = vec![0; rows.labels().len()];
        rows.truth().iter().for_each(|class| support[*class] += 1);
        positive(&support)
    };
    let queries = ranks.then(|| rows.baseline.starts().len() - 1);
    held("compared", wanted, Counted { rows: Some(rows.ids().len()), positives, queries }, ranks)
}

fn held(which: &str, wanted: &Minimum, counted: Counted, ranks: bool) -> Vec<Check> {
    let (rows, positives) = if ranks {
        (format!("{which} documents"), format!("relevant {which} documents"))
    } else {
        (format!("{which} rows"), format!("positive {which} rows"))
    };
    [
        (rows, wanted.rows, counted.rows),
        (positives, wanted.positives, counted.positives),
        (format!("{which} queries"), wanted.queries, counted.queries),
    ]
    .into_iter()
    .filter_map(|(name, wanted, found)| Some(enough(&name, wanted?, found)))
    .collect()
}

/// Rows of the positive class of two, of the smallest class of more.
fn positive(support: &[usize]) -> Option<usize> {
    match support {
        [_, positive] => Some(*positive),
        several => several.iter().min().copied(),
    }
}

fn enough(name: &str, wanted: u64, found: Option<usize>) -> Check {
    let verdict = if found.is_some_and(|found| found as u64 >= wanted) { Verdict::Pass } else { Verdict::Fail };
    let value = found.map(|found| found as f64);
    let missing = if found.is_none() { "the run's `metrics.json` is gone" } else { "" };
    Check::new(Kind::Minimum, name, value, format!(">= {wanted}"), verdict).detail(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(min: Option<f64>, max: Option<f64>, bound: Bound) -> Require {
        Require { metric: "f1".into(), min, max, bound }
    }

    fn estimate(value: Option<f64>, interval: Option<(f64, f64)>) -> Estimate {
        let (low, high) = interval.unzip();
        Estimate { value, reason: None, low, high }
    }

    #[test]
    fn a_bound_on_the_value_itself_is_literal() {
        let point = rule(Some(0.55), None, Bound::Point);
        let verdict = |value| require(&point, Some(&estimate(Some(value), Some((0.1, 0.9))))).verdict;
        assert_eq!((verdict(0.55), verdict(0.55_f64.next_down())), (Verdict::Pass, Verdict::Fail));
        assert_eq!(require(&point, None).verdict, Verdict::Fail);
        assert_eq!(require(&point, Some(&estimate(None, None))).verdict, Verdict::Fail);
    }

    #[test]
    fn a_bound_on_the_interval_can_be_inconclusive() {
        let lower = rule(Some(0.55), None, Bound::Lower);
        let verdict = |value, low| require(&lower, Some(&estimate(Some(value), Some((low, 0.9))))).verdict;
        assert_eq!(verdict(0.6, 0.56), Verdict::Pass);
        assert_eq!(verdict(0.6, 0.5), Verdict::Inconclusive);
        assert_eq!(verdict(0.54, 0.5), Verdict::Fail);
        assert_eq!(require(&lower, Some(&estimate(Some(0.6), None))).verdict, Verdict::Inconclusive);
        let upper = rule(None, Some(0.5), Bound::Upper);
        let verdict = |value, high| require(&upper, Some(&estimate(Some(value), Some((0.1, high))))).verdict;
        assert_eq!((verdict(0.4, 0.5), verdict(0.4, 0.6)), (Verdict::Pass, Verdict::Inconclusive));
        assert_eq!(require(&upper, Some(&estimate(Some(0.4), Some((0.1, 0.6))))).rule, "upper bound <= 0.5");
    }
}
