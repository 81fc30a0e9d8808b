//! What must not get worse while the main metric gets better: subgroups, calibration, size. (Latency is measured by the
//! caller, who has both models open: see `judge`.)

use std::collections::BTreeMap;

use super::super::paired::Paired;
use super::super::predictions::Predictions;
use super::absolute::require;
use super::check::{Check, Kind, Verdict};
use super::subject::Subject;
use crate::catalog::find;
use crate::config::{Bound, CalibrationRule, Require, SizeRule, SubgroupRule};
use crate::error::{Error, Result};
use crate::metrics::{Direction, Estimate, METRICS, Metric, Scored};
use crate::project::Project;

/// The value of a metric over rows.
pub(super) fn score(metric: &dyn Metric, rows: &Predictions) -> Option<f64> {
    let numbers = if metric.of_probabilities() { &rows.probabilities } else { &rows.scores };
    metric.score(&Scored::new(&rows.truth, &rows.predicted, numbers, rows.labels.len())).ok()
}

/// Each subgroup's value against its bound, and against production's on the same rows. The bounds are on the values
/// themselves: a guardrail is to be loud, and a small subgroup would be inconclusive for ever.
pub(super) fn subgroups(
    rule: &SubgroupRule,
    candidate: &Predictions,
    versus: Option<&Paired>,
    checks: &mut Vec<Check>,
) -> Result<()> {
    let metric = find("metric", METRICS, &rule.metric)?;
    let column = &rule.column;
    let values = candidate.groups.get(column).ok_or_else(|| {
        let known: Vec<&str> = candidate.groups.keys().map(String::as_str).collect();
        let known = if known.is_empty() { "none was kept".to_owned() } else { format!("kept: {}", known.join(", ")) };
        Error::invalid(format!("the guardrail needs the column `{column}`, which was not kept with the predictions"))
            .hint(format!("`evaluation.subgroups: [{column}]` in the config keeps it ({known}); train again"))
    })?;
    let mut rows: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    values.iter().enumerate().for_each(|(row, value)| rows.entry(value).or_default().push(row));
    let paired = versus.and_then(|paired| Some((paired, paired.groups(column)?)));
    for (value, rows) in rows {
        let name = format!("{} ({column}={value})", rule.metric);
        if (rows.len() as u64) < rule.min_rows {
            let few = format!("{} rows, judged from {}", rows.len(), rule.min_rows);
            checks.push(
                Check::new(Kind::Subgroup, name, None, "too few rows".into(), Verdict::NotApplicable).detail(few),
            );
            continue;
        }
        let count = rows.len();
        let found = score(metric, &candidate.rows(&rows));
        if rule.min.is_some() || rule.max.is_some() {
            let (metric, estimate) =
                (rule.metric.clone(), Estimate { value: found, reason: None, low: None, high: None });
            let bounds = Require { metric, min: rule.min, max: rule.max, bound: Bound::Point };
            let line = require(&bounds, Some(&estimate));
            checks.push(Check { kind: Kind::Subgroup, metric: name.clone(), ..line }.detail(format!("{count} rows")));
        }
        if let Some(max_drop) = rule.max_drop {
            let rows = paired.as_ref().and_then(|(paired, groups)| Some(paired.rows(groups.get(value)?)));
            checks.push(drop_of(metric, name, max_drop, rows.as_ref()));
        }
    }
    Ok(())
}

/// How much worse than production's a subgroup's value is, on the rows that both have answered.
fn drop_of(metric: &dyn Metric, name: String, max_drop: f64, rows: Option<&Paired>) -> Check {
    let rule = format!("drop <= {max_drop}");
    let Some(rows) = rows else {
        return Check::new(Kind::Subgroup, name, None, rule, Verdict::NotApplicable)
            .detail("no row that production has answered too");
    };
    let (old, new) = (score(metric, &rows.baseline), score(metric, &rows.candidate));
    let drop =
        old.zip(new).map(|(old, new)| if metric.direction() == Direction::Maximize { old - new } else { new - old });
    // The bound itself passes, also where the difference of two decimals is not quite the decimal.
    let verdict = match drop {
        Some(drop) if drop <= max_drop + 1e-12 => Verdict::Pass,
        _ => Verdict::Fail,
    };
    let shown = |value: Option<f64>| value.map_or("n/a".to_owned(), |value| format!("{value:.4}"));
    let detail = format!("{} against {} in production, {} rows", shown(new), shown(old), rows.ids.len());
    Check::new(Kind::Subgroup, name, drop, rule, verdict).detail(detail)
}

/// The calibration error of the candidate's probabilities.
pub(super) fn calibration(rule: &CalibrationRule, candidate: &Subject) -> Check {
    let found = candidate.metric("ece");
    let verdict = if found.is_some_and(|found| found <= rule.max_ece) { Verdict::Pass } else { Verdict::Fail };
    Check::new(Kind::Calibration, "ece", found, format!("<= {}", rule.max_ece), verdict)
}

/// The bytes of the candidate's folder.
pub(super) fn size(
    project: &Project,
    rule: &SizeRule,
    candidate: &Subject,
    production: Option<&Subject>,
    checks: &mut Vec<Check>,
) -> Result<()> {
    let bytes = candidate.bytes(project)? as f64;
    let line = |name: &str, value: f64, rule: String, holds: bool| {
        Check::new(Kind::Size, name, Some(value), rule, if holds { Verdict::Pass } else { Verdict::Fail })
    };
    if let Some(max_mb) = rule.max_mb {
        checks.push(line("size (MB)", bytes / 1e6, format!("<= {max_mb}"), bytes <= max_mb * 1e6));
    }
    if let Some(max_ratio) = rule.max_ratio {
        let rule = format!("<= {max_ratio} x production");
        checks.push(match production {
            None => Check::new(Kind::Size, "size", None, rule, Verdict::NotApplicable).detail("nothing in production"),
            Some(production) => {
                let old = production.bytes(project)? as f64;
                let detail = format!("{:.2} MB against {:.2} MB", bytes / 1e6, old / 1e6);
                line("size ratio", bytes / old, rule, bytes <= max_ratio * old).detail(detail)
            }
        });
    }
    Ok(())
}
