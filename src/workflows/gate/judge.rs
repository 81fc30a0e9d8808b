//! All lines of the gate, in the order of the config.

use serde::Serialize;

use super::super::release::measured;
use super::super::release::parity::{Parity, TOLERANCE};
use super::super::session::Session;
use super::absolute::{compared, minimum, require};
use super::check::{Check, Kind, Verdict};
use super::guardrails::{calibration, size, subgroups};
use super::subject::Subject;
use super::versus::{ComparedOn, rows_of_both, versus};
use crate::config::{LatencyRule, PromotionSection, Quantile, Require};
use crate::error::{Cause, Error, Result};
use crate::metrics::Estimate;
use crate::runs::opened::Opened;

/// What the gate says, and on which rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Gate {
    /// Line by line.
    pub checks: Vec<Check>,
    /// The rows on which the candidate was compared with production.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compared_on: Option<ComparedOn>,
}

/// Holds a candidate against the rules.
///
/// # Errors
/// `Invalid` when a rule is of another task or needs what was not stored; `Failed` when a stored file is damaged.
pub fn judge(
    session: &Session<'_>,
    rules: &PromotionSection,
    candidate: &Subject,
    production: Option<&Subject>,
) -> Result<Gate> {
    let project = session.project;
    rules.check_task(candidate.config.task)?;
    let evaluation = candidate.evaluation(project)?;
    let stored = |rule: &Require| {
        let known = evaluation.and_then(|evaluation| evaluation.metrics.get(&rule.metric)).cloned();
        // The rows of the database outlive the run's folder.
        known.or_else(|| {
            let value = Some(candidate.metric(&rule.metric)?);
            Some(Estimate { value, reason: None, low: None, high: None })
        })
    };
    let mut checks: Vec<Check> = rules.require.iter().map(|rule| require(rule, stored(rule).as_ref())).collect();
    checks.extend(minimum(&rules.minimum, evaluation));
    let rails = &rules.guardrails;
    let drops = rails.subgroups.iter().any(|rule| rule.max_drop.is_some());
    let both = match production {
        Some(production) if !rules.versus_production.is_empty() || drops => {
            Some(rows_of_both(project, candidate, production)?)
        }
        _ => None,
    };
    for rule in &rules.versus_production {
        checks.push(versus(rule, both.as_ref(), candidate.config.seed)?);
    }
    let paired = both.as_ref().and_then(|found| found.as_ref().ok());
    checks.extend(paired.iter().flat_map(|(_, paired)| compared(&rules.minimum, paired)));
    for rule in &rails.subgroups {
        match candidate.answers(project) {
            Ok(answers) => subgroups(rule, answers, both.as_ref(), &mut checks)?,
            Err(error) if error.cause() == Some(&Cause::NotComparable) => {
                let name = format!("{} by {}", rule.metric, rule.column);
                let line = Check::new(Kind::Subgroup, name, None, "needs stored answers".into(), Verdict::Fail);
                checks.push(line.detail(error.message));
            }
            Err(error) => return Err(error),
        }
    }
    if let Some(rule) = &rails.calibration {
        checks.push(calibration(project, rule, candidate));
    }
    if let Some(rule) = &rails.latency {
        checks.push(speed(session, rule, candidate, production)?);
    }
    if let Some(rule) = &rails.size {
        size(project, rule, candidate, production, &mut checks)?;
    }
    checks.push(parity(session, candidate)?);
    Ok(Gate { checks, compared_on: paired.map(|(rows, _)| rows.clone()) })
}

/// The exported file against the model, on the golden rows.
fn parity(session: &Session<'_>, candidate: &Subject) -> Result<Check> {
    session.stage("exporting and checking")?;
    parity_line(candidate.export(session).map(|export| &export.exported.parity))
}

fn parity_line(found: Result<&Parity>) -> Result<Check> {
    let line = |value, verdict| Check::new(Kind::Parity, "ONNX parity", value, format!("<= {TOLERANCE:.0e}"), verdict);
    match found {
        Ok(found) => {
            let detail = format!("{} golden rows, {}", found.rows, found.runtime);
            Ok(line(Some(found.worst), Verdict::Pass).detail(detail))
        }
        // The version itself is why there is no file; every other error says nothing about the version.
        Err(error) => match error.cause() {
            Some(Cause::NoGoldenRows | Cause::NotExportable | Cause::FileDiffers) => {
                Ok(line(None, Verdict::Fail).detail(error.message))
            }
            _ => Err(error),
        },
    }
}

/// How often candidate and production are measured in turn.
const ROUNDS: usize = 5;

/// The candidate's time over production's, both measured here and now.
fn speed(
    session: &Session<'_>,
    rule: &LatencyRule,
    candidate: &Subject,
    production: Option<&Subject>,
) -> Result<Check> {
    let words = format!("<= {} x production", rule.max_ratio);
    let name = format!("latency {}", rule.quantile.as_str());
    let line = |value, verdict| Check::new(Kind::Latency, &name, value, words.clone(), verdict);
    let Some(production) = production else {
        return Ok(line(None, Verdict::NotApplicable).detail("nothing in production"));
    };
    session.stage("measuring latency")?;
    let size = usize::try_from(rule.batch).unwrap_or(usize::MAX);
    let (new_model, old_model) = (candidate.opened()?, production.opened()?);
    let time = |model: &Opened| {
        let latency = measured(session, model, &[size], None)?;
        let timing = latency.timing("model", size).ok_or_else(|| Error::failed("a size was not measured"))?;
        Ok::<_, Error>(match rule.quantile {
            Quantile::P50 => timing.p50_us,
            Quantile::P95 => timing.p95_us,
            Quantile::P99 => timing.p99_us,
        })
    };
    // In turn, several times: what else the machine does falls on both.
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        match (time(new_model), time(old_model)) {
            (Ok(new), Ok(old)) => rounds.push((new, old)),
            (Err(error), _) | (_, Err(error)) if error.cause() == Some(&Cause::NoGoldenRows) => {
                return Ok(line(None, Verdict::Fail).detail(error.message));
            }
            (Err(error), _) | (_, Err(error)) => return Err(error),
        }
    }
    rounds.sort_by(|left, right| (left.0 / left.1).total_cmp(&(right.0 / right.1)));
    let (new, old) = rounds[ROUNDS / 2];
    // Below a microsecond the clock is all that differs.
    let verdict = if new <= rule.max_ratio * old || (rule.max_ratio >= 1.0 && new - old < 1.0) {
        Verdict::Pass
    } else {
        Verdict::Fail
    };
    let detail = format!("{new:.1} us against {old:.1} us, batches of {size}, median of {ROUNDS} rounds");
    Ok(line(Some(new / old), verdict).detail(detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_version_is_to_blame_for_fails_its_line() {
        let passing = Parity { rows: 8, worst: 2e-8, tolerance: TOLERANCE, runtime: "tract" };
        assert_eq!(parity_line(Ok(&passing)).unwrap().verdict, Verdict::Pass);
        for cause in [Cause::NoGoldenRows, Cause::NotExportable, Cause::FileDiffers] {
            let line = parity_line(Err(Error::refused("why").because(cause))).unwrap();
            assert_eq!((line.verdict, line.value, line.detail.as_str()), (Verdict::Fail, None, "why"));
        }
        let others = [
            Error::invalid("the encoder of the model is another"),
            Error::refused("a folder is pinned"),
            Error::invalid_rows("expected 3 features, got 2"),
            Error::interrupted(),
        ];
        for error in others {
            let (kind, message) = (error.kind, error.message.clone());
            let passed_on = parity_line(Err(error)).unwrap_err();
            assert_eq!((passed_on.kind, passed_on.message), (kind, message));
        }
    }
}
