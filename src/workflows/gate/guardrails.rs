//! What must not get worse while the main metric gets better: subgroups, calibration, size. (Latency is measured by the
//! caller, who has both models open: see `judge`.)

use super::absolute::require;
use super::check::{Check, Kind, Verdict};
use super::subject::Subject;
use super::versus::Both;
use crate::catalog::find;
use crate::config::{Bound, CalibrationRule, Require, SizeRule, SubgroupRule};
use crate::error::{Error, Result};
use crate::metrics::subgroups::grouped;
use crate::metrics::{Direction, Estimate, METRICS, Metric, Scored};
use crate::project::Project;
use crate::runs::paired::Paired;
use crate::runs::predictions::Predictions;

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
    both: Option<&Both>,
    checks: &mut Vec<Check>,
) -> Result<()> {
    let metric = find("metric", METRICS, &rule.metric)?;
    if rule.min.is_some() || rule.max.is_some() {
        let bounds = Require { metric: rule.metric.clone(), min: rule.min, max: rule.max, bound: Bound::Point };
        each(rule, candidate, checks, |name, rows| {
            let rows = candidate.rows(rows);
            let value = score(metric, &rows);
            let estimate = Estimate { value, reason: None, low: None, high: None };
            let line = require(&bounds, Some(&estimate));
            let detail = format!("{} rows", rows.len());
            Check { kind: Kind::Subgroup, metric: name.to_owned(), ..line }.detail(detail)
        })?;
    }
    let Some(max_drop) = rule.max_drop else { return Ok(()) };
    let whole = || format!("{} by {}", rule.metric, rule.column);
    let line = |verdict| Check::new(Kind::Subgroup, whole(), None, format!("drop <= {max_drop}"), verdict);
    match both {
        None => checks.push(line(Verdict::NotApplicable).detail("nothing in production")),
        Some(Err(why)) => checks.push(line(Verdict::Fail).detail(why)),
        Some(Ok((_, paired))) => {
            each(rule, &paired.candidate, checks, |name, rows| drop_of(metric, name, max_drop, &paired.rows(rows)))?;
        }
    }
    Ok(())
}

/// Looks at every subgroup of enough rows; where there is none, nobody can say.
fn each(
    rule: &SubgroupRule,
    answers: &Predictions,
    checks: &mut Vec<Check>,
    look: impl Fn(&str, &[usize]) -> Check,
) -> Result<()> {
    let column = &rule.column;
    let values = answers.groups.get(column).ok_or_else(|| {
        let known: Vec<&str> = answers.groups.keys().map(String::as_str).collect();
        let known = if known.is_empty() { "none was kept".to_owned() } else { format!("kept: {}", known.join(", ")) };
        Error::invalid(format!("the guardrail needs the column `{column}`, which was not kept with the predictions"))
            .hint(format!("`evaluation.subgroups: [{column}]` in the config keeps it ({known}); train again"))
    })?;
    let mut looked = false;
    for (value, rows) in grouped(values).1 {
        let name = format!("{} ({column}={value})", rule.metric);
        if rows.len() as u64 >= rule.min_rows {
            looked = true;
            checks.push(look(&name, &rows));
        } else {
            let few = format!("{} rows, judged from {}", rows.len(), rule.min_rows);
            let line = Check::new(Kind::Subgroup, name, None, "too few rows".into(), Verdict::NotApplicable);
            checks.push(line.detail(few));
        }
    }
    if !looked {
        let name = format!("{} by {column}", rule.metric);
        let line = Check::new(Kind::Subgroup, name, None, "any subgroup".into(), Verdict::Inconclusive);
        checks.push(line.detail(format!("no subgroup has {} rows", rule.min_rows)));
    }
    Ok(())
}

/// How much worse than production's a subgroup's value is, on the rows that both have answered.
fn drop_of(metric: &dyn Metric, name: &str, max_drop: f64, rows: &Paired) -> Check {
    let (old, new) = (score(metric, &rows.baseline), score(metric, &rows.candidate));
    let drop =
        old.zip(new).map(|(old, new)| if metric.direction() == Direction::Maximize { old - new } else { new - old });
    // The bound itself passes, also where the difference of two decimals is not quite the decimal.
    let verdict = match drop {
        Some(drop) if drop <= max_drop + 1e-12 => Verdict::Pass,
        _ => Verdict::Fail,
    };
    let shown = |value: Option<f64>| value.map_or("n/a".to_owned(), |value| format!("{value:.4}"));
    let detail = format!("{} against {} in production, {} rows", shown(new), shown(old), rows.ids().len());
    Check::new(Kind::Subgroup, name, drop, format!("drop <= {max_drop}"), verdict).detail(detail)
}

/// The calibration error of the candidate's probabilities; of a run of an older build it is taken from its answers.
pub(super) fn calibration(project: &Project, rule: &CalibrationRule, candidate: &Subject) -> Check {
    let found = match candidate.metric("ece") {
        Some(found) => Some(found),
        None => {
            candidate.answers(project).ok().and_then(|answers| score(find("metric", METRICS, "ece").ok()?, answers))
        }
    };
    let verdict = if found.is_some_and(|found| found <= rule.max_ece) { Verdict::Pass } else { Verdict::Fail };
    let line = Check::new(Kind::Calibration, "ece", found, format!("<= {}", rule.max_ece), verdict);
    if found.is_none() { line.detail("the run has no calibration error and no stored predictions") } else { line }
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
