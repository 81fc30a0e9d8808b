//! Metrics of groups of rows: each value of a column on its own, so that a model that is good on the whole and bad for
//! some is seen.
//!
//! The groups are sorted by size, the largest first, then by name. Of more than 50 values the 50 largest stand alone and
//! the rest are one group, `(other)`; a column of more than 50 different numbers is cut into four ranges of about equal
//! count instead. Rows without a value are the group `(missing)`. A group of fewer than 30 rows is marked: its intervals
//! are wide, and its bootstrap is of few rows. In a group that has one class only, metrics that tell classes apart have
//! no value and the reason `1 class`; error rates such as accuracy keep theirs.

use std::collections::BTreeMap;

use crate::catalog::find;
use crate::error::Result;
use crate::metrics::estimate::{Estimate, Subgroup, Subgroups};
use crate::metrics::{METRICS, Metric};
use crate::stats::quantile::quantile;

/// The group of rows without a value.
pub const MISSING: &str = "(missing)";
/// The group of the values that are too many to stand alone.
pub const OTHER: &str = "(other)";
/// Values that stand alone.
const LARGEST: usize = 50;
/// A group of fewer rows is marked.
pub const FEW: usize = 30;

/// The rows of each group by name, in the order of the module's head; and how many different values there are.
#[must_use]
pub fn grouped(values: &[String]) -> (usize, Vec<(String, Vec<usize>)>) {
    let mut rows: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (row, value) in values.iter().enumerate() {
        rows.entry(value).or_default().push(row);
    }
    let distinct = rows.keys().filter(|value| **value != MISSING).count();
    if distinct > LARGEST
        && let Some(ranges) = ranges(values)
    {
        return (distinct, ranges);
    }
    let mut groups: Vec<(String, Vec<usize>)> =
        rows.into_iter().map(|(value, rows)| (value.to_owned(), rows)).collect();
    // The map's order, by name, stays among groups of one size.
    groups.sort_by_key(|(_, rows)| std::cmp::Reverse(rows.len()));
    if groups.len() > LARGEST + 1 {
        let mut rest: Vec<usize> = groups.drain(LARGEST..).flat_map(|(_, rows)| rows).collect();
        rest.sort_unstable();
        groups.push((OTHER.to_owned(), rest));
    }
    (distinct, groups)
}

/// Four ranges of about equal count, lowest first, when all values are numbers; then the rows without one.
fn ranges(values: &[String]) -> Option<Vec<(String, Vec<usize>)>> {
    let mut numbers: Vec<(f64, usize)> = Vec::new();
    let mut missing = Vec::new();
    for (row, value) in values.iter().enumerate() {
        if value == MISSING {
            missing.push(row);
        } else {
            numbers.push((value.parse().ok().filter(|number: &f64| number.is_finite())?, row));
        }
    }
    let mut sorted: Vec<f64> = numbers.iter().map(|(number, _)| *number).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let cuts = [0.25, 0.5, 0.75].map(|part| quantile(&sorted, part).expect("there are numbers"));
    let mut groups: [Vec<(f64, usize)>; 4] = Default::default();
    for (number, row) in numbers {
        groups[cuts.iter().filter(|cut| number > **cut).count()].push((number, row));
    }
    let named = groups.into_iter().filter(|group| !group.is_empty()).map(|group| {
        let ends = group.iter().map(|(number, _)| *number);
        let (low, high) = (ends.clone().fold(f64::INFINITY, f64::min), ends.fold(f64::NEG_INFINITY, f64::max));
        (format!("{low} to {high}"), group.into_iter().map(|(_, row)| row).collect())
    });
    let missing = (!missing.is_empty()).then(|| (MISSING.to_owned(), missing));
    Some(named.chain(missing).collect())
}

/// The metrics of each group; `judge` gives the metrics of the rows at these positions, and the rows of each class.
///
/// # Errors
/// What `judge` says.
pub fn subgroups(
    values: &[String],
    judge: impl Fn(&[usize]) -> Result<(BTreeMap<String, Estimate>, Vec<usize>)>,
) -> Result<Subgroups> {
    let (distinct, groups) = grouped(values);
    let one = |(value, rows): (String, Vec<usize>)| {
        let (metrics, support) = judge(&rows)?;
        let one_class = support.iter().filter(|rows| **rows > 0).count() < 2;
        let told = |(name, estimate): (String, Estimate)| {
            let kept = !one_class || find("metric", METRICS, &name).is_ok_and(Metric::of_one_class);
            let none = || Estimate { value: None, reason: Some("1 class".into()), low: None, high: None };
            let estimate = if kept { estimate } else { none() };
            (name, estimate)
        };
        Ok(Subgroup {
            value,
            rows: rows.len(),
            few: rows.len() < FEW,
            support,
            metrics: metrics.into_iter().map(told).collect(),
        })
    };
    Ok(Subgroups { values: distinct, groups: groups.into_iter().map(one).collect::<Result<_>>()? })
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::metrics::evaluate;

    fn texts(values: &[&str]) -> Vec<String> {
        values.iter().map(ToString::to_string).collect()
    }

    fn sizes(groups: &[(String, Vec<usize>)]) -> Vec<(&str, usize)> {
        groups.iter().map(|(name, rows)| (name.as_str(), rows.len())).collect()
    }

    #[test]
    fn groups_are_sorted_by_size_and_hold_every_row_once() {
        let (values, groups) = grouped(&texts(&["b", "a", MISSING, "b", "서울", "a", MISSING, MISSING]));
        assert_eq!(values, 3);
        assert_eq!(sizes(&groups), [(MISSING, 3), ("a", 2), ("b", 2), ("서울", 1)]);
        assert_eq!(groups[1].1, [1, 5]);
        assert_eq!(grouped(&[]), (0, Vec::new()));
    }

    #[test]
    fn too_many_values_are_other_and_too_many_numbers_are_ranges() {
        let many: Vec<String> = (0..200).map(|row| format!("v{}", if row < 60 { row } else { row % 3 })).collect();
        let (values, groups) = grouped(&many);
        assert_eq!((values, groups.len(), groups[50].0.as_str()), (60, 51, OTHER));
        assert_eq!(groups.iter().map(|(_, rows)| rows.len()).sum::<usize>(), 200);
        assert_eq!((groups[0].1.len(), groups[50].1.len()), (48, 10));
        // 51 values need no other: it would be a group of one.
        let (_, groups) = grouped(&(0..51).map(|row| format!("v{row}")).collect::<Vec<_>>());
        assert!(groups.len() == 51 && groups.iter().all(|(name, _)| name != OTHER));

        let mut ages: Vec<String> = (0..100).map(|row| (row * 37 % 100).to_string()).collect();
        ages[7] = MISSING.into();
        let (_, groups) = grouped(&ages);
        let told: Vec<&str> = groups.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(told, ["0 to 24", "25 to 49", "50 to 74", "75 to 99", MISSING]);
        assert_eq!(groups.iter().map(|(_, rows)| rows.len()).collect::<Vec<_>>(), [25, 25, 24, 25, 1]);
        ages[9] = "old".into();
        assert_eq!(grouped(&ages).1.len(), 51);
    }

    #[test]
    fn a_group_of_one_class_has_error_rates_and_nothing_else() {
        let labels = texts(&["no", "yes"]);
        let truth = [0, 1, 0, 0, 0];
        let positive = [0.2, 0.9, 0.6, 0.1, 0.3];
        let values = texts(&["a", "a", "b", "b", "b"]);
        let judge = |rows: &[usize]| {
            let truth: Vec<usize> = rows.iter().map(|row| truth[*row]).collect();
            let said = Array2::from_shape_fn((rows.len(), 2), |(row, class)| {
                if class == 1 { positive[rows[row]] } else { 1.0 - positive[rows[row]] }
            });
            let found = evaluate(&truth, &said, &labels, 0.5, METRICS, None)?;
            let support = found.classes().expect("classes were evaluated").support.clone();
            Ok((found.metrics, support))
        };
        let found = subgroups(&values, judge).expect("all fits");
        let (first, second) = (&found.groups[0], found.get("a").expect("there"));
        assert_eq!((first.value.as_str(), first.rows, &first.support, first.few), ("b", 3, &vec![3, 0], true));
        for name in ["f1", "roc_auc", "recall_macro", "mcc", "average_precision"] {
            assert_eq!((first.metrics[name].value, first.metrics[name].reason.as_deref()), (None, Some("1 class")));
            assert_eq!(second.metrics[name].value, Some(1.0), "{name}");
        }
        assert_eq!(first.metrics["accuracy"].value, Some(2.0 / 3.0));
        assert!(first.metrics["log_loss"].value.is_some() && first.metrics["ece"].value.is_some());
        let json = serde_json::to_value(&found).expect("plain data");
        assert_eq!(serde_json::from_value::<Subgroups>(json).expect("what was written"), found);
    }
}
