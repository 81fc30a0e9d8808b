//! What a metric was for each value of a parameter, and how the two go together.
//!
//! Up to 8 different values stand alone; more numbers are cut into four ranges of about equal count, more categories
//! are the 8 most frequent and `(other)`. Runs without the parameter are the group `(absent)`. Correlations are of the
//! runs that have the parameter: Pearson on the logarithm where the parameter is laid out so, Spearman on ranks.

use std::collections::BTreeMap;

use serde::Serialize;

use super::parameter::{Kind, Parameter};
use crate::stats::correlation::{pearson, spearman};
use crate::stats::quantile::quantile;

/// The group of runs without the parameter.
pub const ABSENT: &str = "(absent)";
/// The group of rarer categories.
pub const OTHER: &str = "(other)";
/// Values that stand alone.
const ALONE: usize = 8;

/// The metric over the values of one parameter.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Statistics {
    /// Runs that have the parameter.
    pub runs: usize,
    /// Runs that do not.
    pub absent: usize,
    /// Different values.
    pub distinct: usize,
    /// The value in the best run; none when that run does not have the parameter.
    pub best_run_value: Option<String>,
    /// The value or range with the best mean.
    pub best_value: String,
    /// The mean of the best group less that of the worst, as a positive number.
    pub spread: f64,
    /// Pearson's correlation of numbers with the metric.
    pub pearson: Option<f64>,
    /// Spearman's.
    pub spearman: Option<f64>,
    /// Each value, or each range of numbers, in order.
    pub groups: Vec<Group>,
}

/// The runs of one value or range.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// The value, a range such as `0.01 to 0.5`, `(other)` or `(absent)`.
    pub value: String,
    /// Its runs.
    pub runs: usize,
    /// The mean of the metric.
    pub mean: f64,
    /// The median.
    pub median: f64,
    /// The best.
    pub best: f64,
}

impl Statistics {
    /// The statistics of a parameter; `metric` holds the value of each run, higher is better when `maximize`.
    ///
    /// # Panics
    /// Without runs, or when lengths differ: a parameter that differs has at least two.
    #[must_use]
    pub fn of(parameter: &Parameter, metric: &[f64], maximize: bool) -> Self {
        let better = |left: f64, right: f64| if maximize { left > right } else { left < right };
        let groups: Vec<Group> =
            grouped(parameter).into_iter().map(|(value, runs)| group(value, &runs, metric, better)).collect();
        let first = groups.first().expect("a parameter that differs has runs");
        let best = groups.iter().fold(first, |best, one| if better(one.mean, best.mean) { one } else { best });
        let worst = groups.iter().fold(first, |worst, one| if better(worst.mean, one.mean) { one } else { worst });
        let best_run =
            (1..metric.len()).fold(0, |best, run| if better(metric[run], metric[best]) { run } else { best });
        let (numbers, values): (Vec<f64>, Vec<f64>) =
            parameter.numbers.iter().zip(metric).filter_map(|(number, value)| Some(((*number)?, *value))).unzip();
        let numeric = parameter.kind != Kind::Category;
        let scaled: Vec<f64> = match parameter.kind {
            Kind::LogNumber => numbers.iter().map(|number| number.ln()).collect(),
            Kind::Number | Kind::Category => numbers.clone(),
        };
        Self {
            runs: numbers.len(),
            absent: metric.len() - numbers.len(),
            distinct: parameter.distinct(),
            best_run_value: parameter.values[best_run].clone(),
            best_value: best.value.clone(),
            spread: (best.mean - worst.mean).abs(),
            pearson: if numeric { pearson(&scaled, &values) } else { None },
            spearman: if numeric { spearman(&scaled, &values) } else { None },
            groups,
        }
    }
}

fn group(value: String, runs: &[usize], metric: &[f64], better: impl Fn(f64, f64) -> bool) -> Group {
    let mut values: Vec<f64> = runs.iter().map(|run| metric[*run]).collect();
    values.sort_unstable_by(f64::total_cmp);
    Group {
        value,
        runs: runs.len(),
        mean: values.iter().sum::<f64>() / values.len() as f64,
        median: quantile(&values, 0.5).expect("a group has runs"),
        best: values
            .iter()
            .copied()
            .reduce(|best, one| if better(one, best) { one } else { best })
            .expect("a group has runs"),
    }
}

/// The runs of each group, in the order in which they are shown.
fn grouped(parameter: &Parameter) -> Vec<(String, Vec<usize>)> {
    let mut alone: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let mut absent = Vec::new();
    for (run, value) in parameter.values.iter().enumerate() {
        match value {
            Some(value) => alone.entry(value).or_default().push(run),
            None => absent.push(run),
        }
    }
    let mut groups: Vec<(String, Vec<usize>)> = if alone.len() > ALONE && parameter.kind != Kind::Category {
        ranges(parameter)
    } else {
        alone.into_iter().map(|(value, runs)| (value.to_owned(), runs)).collect()
    };
    if parameter.kind == Kind::Category && groups.len() > ALONE {
        // By size; the order of the map, by name, stays among equals.
        groups.sort_by_key(|(_, runs)| std::cmp::Reverse(runs.len()));
        let mut rest: Vec<usize> = groups.drain(ALONE..).flat_map(|(_, runs)| runs).collect();
        rest.sort_unstable();
        groups.push((OTHER.to_owned(), rest));
    } else if parameter.kind != Kind::Category {
        let number = |runs: &[usize]| runs.first().and_then(|run| parameter.numbers[*run]).unwrap_or(f64::NAN);
        groups.sort_by(|left, right| number(&left.1).total_cmp(&number(&right.1)));
    }
    groups.extend((!absent.is_empty()).then(|| (ABSENT.to_owned(), absent)));
    groups
}

fn ranges(parameter: &Parameter) -> Vec<(String, Vec<usize>)> {
    let given = || parameter.numbers.iter().enumerate().filter_map(|(run, number)| Some((run, (*number)?)));
    let mut sorted: Vec<f64> = given().map(|(_, number)| number).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let cuts = [0.25, 0.5, 0.75].map(|part| quantile(&sorted, part).expect("there are numbers"));
    let mut groups: [Vec<(usize, f64)>; 4] = Default::default();
    for (run, number) in given() {
        groups[cuts.iter().filter(|cut| number > **cut).count()].push((run, number));
    }
    let named = |group: Vec<(usize, f64)>| {
        let ends = group.iter().map(|(_, number)| *number);
        let (low, high) = (ends.clone().fold(f64::INFINITY, f64::min), ends.fold(f64::NEG_INFINITY, f64::max));
        let name = if low < high { format!("{low} to {high}") } else { low.to_string() };
        (name, group.into_iter().map(|(run, _)| run).collect())
    };
    groups.into_iter().filter(|group| !group.is_empty()).map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(values: &[Option<&str>]) -> Parameter {
        Parameter::of("p", values).expect("it differs")
    }

    #[test]
    fn each_value_has_its_mean_and_its_best() {
        let words = parameter(&[Some("a"), Some("b"), Some("a"), None]);
        let found = Statistics::of(&words, &[0.5, 0.9, 0.7, 0.6], true);
        let told: Vec<(&str, usize)> = found.groups.iter().map(|group| (group.value.as_str(), group.runs)).collect();
        assert_eq!(told, [("a", 2), ("b", 1), (ABSENT, 1)]);
        assert!((found.groups[0].mean - 0.6).abs() < 1e-15 && found.groups[0].best == 0.7);
        assert_eq!((found.best_value.as_str(), found.best_run_value.as_deref()), ("b", Some("b")));
        assert!((found.spread - 0.3).abs() < 1e-15);
        assert_eq!((found.pearson, found.runs, found.absent, found.distinct), (None, 3, 1, 2));
        let lower = Statistics::of(&words, &[0.5, 0.9, 0.7, 0.6], false);
        assert_eq!((lower.best_value.as_str(), lower.best_run_value.as_deref()), ("a", Some("a")));
        assert_eq!(lower.groups[0].best, 0.5);
    }

    #[test]
    fn numbers_are_in_order_and_many_are_ranges() {
        let few = parameter(&[Some("10"), Some("9"), Some("100"), Some("9")]);
        let values: Vec<String> =
            Statistics::of(&few, &[1.0, 2.0, 3.0, 4.0], true).groups.into_iter().map(|group| group.value).collect();
        assert_eq!(values, ["9", "10", "100"]);
        let texts: Vec<String> = (0..20).map(|run| format!("{}", 10.0_f64.powi(run - 10))).collect();
        let many = parameter(&texts.iter().map(|text| Some(text.as_str())).collect::<Vec<_>>());
        let metric: Vec<f64> = (0..20).map(f64::from).collect();
        let found = Statistics::of(&many, &metric, true);
        let told: Vec<(&str, usize)> = found.groups.iter().map(|group| (group.value.as_str(), group.runs)).collect();
        assert_eq!(told[0], ("0.0000000001 to 0.000001", 5));
        assert_eq!(found.groups.iter().map(|group| group.runs).collect::<Vec<_>>(), [5, 5, 5, 5]);
        // The metric is linear in the logarithm.
        assert!((found.pearson.expect("numbers") - 1.0).abs() < 1e-12 && found.spearman == Some(1.0));
        let names: Vec<String> = (0..12).map(|run| format!("v{}", run % 11)).collect();
        let words = parameter(&names.iter().map(|text| Some(text.as_str())).collect::<Vec<_>>());
        let groups = Statistics::of(&words, &metric[..12], true).groups;
        assert_eq!((groups.len(), groups[0].value.as_str(), groups[8].value.as_str()), (9, "v0", OTHER));
        assert_eq!(groups.iter().map(|group| group.runs).sum::<usize>(), 12);
    }
}
