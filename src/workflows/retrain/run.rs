//! From the first step that is not done to the end, under the model's retrain lock.

use std::time::Instant;

use super::super::session::Session;
use super::begin::{begin, close_older};
use super::finish::check_production;
use super::outcome::Outcome;
use super::period::period_of;
use super::plan::plan;
use super::request::Request;
use super::state::{Conclusion, End, State};
use super::tell;
use super::train::candidates;
use super::work::{Work, record};
use crate::config::{Experiment, Policy, Trigger, load_policy};
use crate::error::{Error, ErrorKind, Result};
use crate::fs::{Lock, crash_point};
use crate::runs::timestamp::timestamp;

/// Retrains, or goes on with what was begun.
///
/// # Errors
/// `Busy` when another retrain of the model goes on; `Refused` when the rows are not fit to be learned from; `Invalid`
/// for a wrong config; `Failed` when no candidate could be trained. Production is untouched then. A gate that refuses
/// is no error: see `outcome`.
pub fn retrain(session: &Session<'_>, request: &Request) -> Result<Outcome> {
    let (project, config) = (session.project, &request.retrain.config);
    let started = Instant::now();
    let root = project.layout.root();
    let opened = || {
        let policy = config.policy.as_ref().map(|policy| load_policy(&root.join(policy))).transpose()?;
        Ok((candidates(root, config)?, policy, period_of(config.period, &config.timezone, project.now_ms())?))
    };
    let (experiments, policy, period) = opened().inspect_err(|error: &Error| {
        // Cron's config was right last month: people want to know that it is not now.
        if !request.dry_run {
            tell::no_beginning(session, request, error);
        }
    })?;
    let model = experiments[0].config.model.name.clone();
    let mut outcome = Outcome {
        name: config.name.to_string(),
        model: model.clone(),
        period: period.clone(),
        outcome: Conclusion::Skipped,
        already_done: false,
        resumed_at: None,
        reasons: Vec::new(),
        state: None,
        plan: None,
        notices: Vec::new(),
        seconds: 0.0,
    };
    if request.dry_run {
        let known = State::read(&State::folder(&project.layout, &config.name, &period))?;
        outcome.plan = Some(plan(session, request, &experiments, (&model, &period), known.as_ref())?);
        outcome.state = known;
        outcome.outcome = Conclusion::Planned;
        return Ok(outcome);
    }
    let note = format!("retrain {} since {}", config.name, timestamp(project.now_ms()));
    let _lock = Lock::take(&project.layout.retrain_lock(&model), &note, request.wait)?;
    let gone_on = under_lock(session, request, (experiments, policy), &mut outcome);
    outcome.seconds = started.elapsed().as_secs_f64();
    match gone_on {
        Err(error) => {
            if error.kind != ErrorKind::Interrupted {
                tell::metrics(session, request, &outcome, error.kind.exit_code());
                tell::failure(session, request, &outcome, &error);
            }
            return Err(error);
        }
        // What is done already, and told, is no news: a job that is tried again does not turn green by that.
        Ok(()) if outcome.state.as_ref().is_some_and(|state| state.ended.is_some() && !state.told) => {
            tell::metrics(session, request, &outcome, outcome.exit_code());
        }
        Ok(()) => {}
    }
    // A process that died before it told is told for by the next one.
    if let Some(mut state) = outcome.state.clone().filter(|state| state.ended.is_some() && !state.told) {
        crash_point("retrain.before_notices");
        outcome.notices = tell::end(session, request, &outcome);
        state.told = true;
        state.save(&project.layout)?;
        outcome.state = Some(state);
    }
    Ok(outcome)
}

/// Does what is left to do of the period, and says so in the outcome.
fn under_lock(
    session: &Session<'_>,
    request: &Request,
    (experiments, policy): (Vec<Experiment>, Option<Policy>),
    outcome: &mut Outcome,
) -> Result<()> {
    close_older(session, request, outcome)?;
    let begun = begin(session, request, &outcome.model, &outcome.period)?;
    outcome.period.clone_from(&begun.period);
    if let Some(ended) = begun.ended {
        outcome.already_done = true;
        if request.retrain.config.when.contains(&Trigger::Drift) {
            let advice = super::super::drift_events::advice(session.project, &outcome.model)?;
            if advice.should_retrain {
                outcome.reasons.push(format!("drift asks for one: {}", advice.reasons.join("; ")));
            }
        }
        outcome.outcome = Conclusion::Ended(ended.how);
        outcome.state = Some(begun);
        return Ok(());
    }
    let started = Instant::now();
    let first = begun.steps(experiments.len()).into_iter().find(|(_, done)| !done);
    outcome.resumed_at = first.filter(|_| begun.triggered.is_some()).map(|(step, _)| step.to_owned());
    check_production(session.project, &outcome.model)?;
    let mut work = Work { session, request, experiments, policy, state: begun };
    let done = work.go_on();
    outcome.state = Some(work.state.clone());
    if let Some(reasons) = done? {
        outcome.reasons = reasons;
    } else {
        outcome.outcome = Conclusion::Ended(work.state.ended.map_or(End::Refused, |ended| ended.how));
    }
    outcome.seconds = started.elapsed().as_secs_f64();
    record(&work, outcome);
    Ok(())
}
