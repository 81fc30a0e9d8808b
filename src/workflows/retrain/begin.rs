//! Where a retrain begins: the state of its period, and those of earlier periods that were cut short.

use super::super::session::Session;
use super::outcome::Outcome;
use super::request::Request;
use super::state::{Conclusion, End, Ended, State};
use super::tell;
use super::work::Work;
use crate::error::{Error, Result};
use crate::names::ModelName;

/// The state to go on with: the period's, or a new one; `force` after the end begins the period once more.
pub(super) fn begin(session: &Session<'_>, request: &Request, model: &ModelName, period: &str) -> Result<State> {
    let (project, config) = (session.project, &request.retrain.config);
    let fresh = |period: String| State {
        format_version: 1,
        name: config.name.clone(),
        model: model.clone(),
        period,
        begun_ms: project.now_ms(),
        config_sha256: request.retrain.sha256.clone(),
        triggered: None,
        extracted: None,
        validated: None,
        trained: Vec::new(),
        decided: None,
        verified: None,
        pruned: None,
        ended: None,
        told: false,
        seconds: std::collections::BTreeMap::new(),
    };
    // The latest attempt of the period counts: `202611`, then `202611_2`, …
    let read = |name: &str| State::read(&State::folder(&project.layout, &config.name, name));
    let Some(mut latest) = read(period)? else { return Ok(fresh(period.to_owned())) };
    let mut attempt = 1;
    while let Some(next) = read(&format!("{period}_{}", attempt + 1))? {
        (latest, attempt) = (next, attempt + 1);
    }
    if latest.model != *model {
        return Err(Error::invalid(format!(
            "`{}` has retrained `{}` in {period}, not `{model}`",
            config.name, latest.model
        ))
        .hint("give the retrain of another model another `name`"));
    }
    match (latest.ended.is_some(), request.force) {
        (true, true) => Ok(fresh(format!("{period}_{}", attempt + 1))),
        // Nothing was decided yet: it begins anew with other rules, and by force.
        (false, force) if latest.decided.is_none() && (force || latest.config_sha256 != request.retrain.sha256) => {
            Ok(fresh(latest.period))
        }
        _ => Ok(latest),
    }
}

/// Retrains of earlier periods that were cut short: one that was decided is finished, so that what it has put into
/// production is proved; one that was not is closed.
pub(super) fn close_older(session: &Session<'_>, request: &Request, outcome: &Outcome) -> Result<()> {
    let (project, config) = (session.project, &request.retrain.config);
    let now = &outcome.period;
    let is_now = |period: &str| period == now || period.strip_prefix(now).is_some_and(|rest| rest.starts_with('_'));
    for state in State::all(&project.layout, &config.name)? {
        if state.ended.is_some() || is_now(&state.period) || state.model != outcome.model {
            continue;
        }
        let (period, decided) = (state.period.clone(), state.decided.is_some());
        let mut work = Work { session, request, experiments: Vec::new(), policy: None, state };
        if decided {
            work.ended()?;
            session.note(format!("{} {period} had been cut short and was finished", config.name));
        } else {
            work.state.ended = Some(Ended { how: End::Abandoned, at_ms: project.now_ms() });
            session.note(format!("{} {period} had been cut short before a decision; its period is over", config.name));
        }
        let how = work.state.ended.map_or(End::Abandoned, |ended| ended.how);
        let older =
            Outcome { period, outcome: Conclusion::Ended(how), state: Some(work.state.clone()), ..outcome.clone() };
        if how != End::Abandoned {
            tell::end(session, request, &older);
        }
        work.state.told = true;
        work.state.save(&project.layout)?;
    }
    Ok(())
}
