//! From the first step that is not done to the end, under the model's retrain lock.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::super::record::{Light, light, pairs};
use super::super::session::Session;
use super::super::training_record::timestamp;
use super::decide::decide;
use super::extract::{extract, snapshot_path, statistics, validate};
use super::finish::{check_production, prune, verify};
use super::period::period_of;
use super::plan::{Plan, plan};
use super::state::{End, Ended, State, Verified};
use super::tell;
use super::train::{candidate, candidates};
use super::trigger::{Answer, Triggered, ask};
use crate::config::{Experiment, Policy, Retrain, load_policy};
use crate::error::{Error, ErrorKind, Result};
use crate::fs::{Lock, crash_point};
use crate::names::ModelName;
use crate::notify::Delivery;

/// What to retrain.
#[derive(Debug, Clone)]
pub struct Request {
    /// The config.
    pub retrain: Retrain,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Again, although the period has had its retrain, and whatever the triggers say.
    pub force: bool,
    /// How long to wait for another retrain of the model.
    pub wait: Duration,
    /// Where `node_exporter` finds the numbers; the config's when absent.
    pub textfile_dir: Option<PathBuf>,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The retrain's name.
    pub name: String,
    /// The model.
    pub model: ModelName,
    /// The period.
    pub period: String,
    /// `promoted`, `refused`, `inconclusive`, `rolled_back`, `skipped` (nothing to do), `planned` (`--dry-run`).
    pub outcome: &'static str,
    /// The period had its retrain before.
    pub already_done: bool,
    /// The first step that had to be done, where a retrain was gone on with.
    pub resumed_at: Option<String>,
    /// Why nothing was done.
    pub reasons: Vec<String>,
    /// What is known of it.
    pub state: Option<State>,
    /// What would be done.
    pub plan: Option<Plan>,
    /// Who was told, and whether it arrived.
    pub notices: Vec<Delivery>,
    /// Seconds in all.
    pub seconds: f64,
}

/// A retrain at work.
struct Work<'a> {
    session: &'a Session<'a>,
    request: &'a Request,
    experiments: Vec<Experiment>,
    policy: Option<Policy>,
    state: State,
}

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
        outcome: "skipped",
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
        outcome.outcome = "planned";
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
        outcome.outcome = ended.how.code();
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
        outcome.outcome = work.state.ended.map_or(End::Refused, |ended| ended.how).code();
    }
    outcome.seconds = started.elapsed().as_secs_f64();
    record(&work, outcome);
    Ok(())
}

/// Retrains of earlier periods that were cut short: one that was decided is finished, so that what it has put into
/// production is proved; one that was not is closed.
fn close_older(session: &Session<'_>, request: &Request, outcome: &Outcome) -> Result<()> {
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
            project.note(format!("{} {period} had been cut short and was finished", config.name));
        } else {
            work.state.ended = Some(Ended { how: End::Abandoned, at_ms: project.now_ms() });
            project.note(format!("{} {period} had been cut short before a decision; its period is over", config.name));
        }
        let how = work.state.ended.map_or(End::Abandoned, |ended| ended.how);
        let older = Outcome { period, outcome: how.code(), state: Some(work.state.clone()), ..outcome.clone() };
        if how != End::Abandoned {
            tell::end(session, request, &older);
        }
        work.state.told = true;
        work.state.save(&project.layout)?;
    }
    Ok(())
}

impl Outcome {
    /// 0 promoted, done before or nothing to do; 1 rolled back, also when that was before; 3 refused; 5 inconclusive.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.outcome {
            "rolled_back" => 1,
            _ if self.already_done => 0,
            "refused" => 3,
            "inconclusive" => 5,
            _ => 0,
        }
    }
}

/// The state to go on with: the period's, or a new one; `force` after the end begins the period once more.
fn begin(session: &Session<'_>, request: &Request, model: &ModelName, period: &str) -> Result<State> {
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

impl Work<'_> {
    /// Does a step, unless it is done, and saves the state.
    fn step<T>(
        &mut self,
        name: &'static str,
        done: impl Fn(&State) -> bool,
        work: impl FnOnce(&mut Self) -> Result<T>,
        keep: impl FnOnce(&mut State, T),
    ) -> Result<()> {
        if done(&self.state) {
            return Ok(());
        }
        self.session.check()?;
        crash_point(&format!("retrain.before_{name}"));
        let started = Instant::now();
        let found = work(self)?;
        crash_point(&format!("retrain.after_{name}"));
        keep(&mut self.state, found);
        *self.state.seconds.entry(name.to_owned()).or_default() += started.elapsed().as_secs_f64();
        self.state.save(&self.session.project.layout)?;
        crash_point(&format!("retrain.saved_{name}"));
        Ok(())
    }

    /// All steps from the first one that is not done; gives the reasons where there is nothing to do.
    fn go_on(&mut self) -> Result<Option<Vec<String>>> {
        let (session, request) = (self.session, self.request);
        let (project, config) = (session.project, &request.retrain.config);
        let mut needed_rows = None;
        if self.state.triggered.is_none() {
            match ask(project, config, &self.state.model, request.force)? {
                Answer::Nothing(reasons) => return Ok(Some(reasons)),
                Answer::IfNewRows(least, _) => needed_rows = Some(least),
                Answer::Begin(triggered) => {
                    self.step("trigger", |_| false, |_| Ok(triggered), |state, found| state.triggered = Some(found))?;
                }
            }
        }
        let taken = |work: &mut Self| {
            session.stage("extracting")?;
            extract(session, config, &work.experiments, (&work.state.model, &work.state.period))
        };
        if let Some(least) = needed_rows {
            let found = taken(self)?;
            // Nothing in production, or nothing known of its rows: all are new.
            let rows = found.new_rows.unwrap_or(found.facts.written);
            if rows < least {
                let path = project.layout.root().join(&found.snapshot);
                for path in [statistics(&path), path] {
                    let _ = std::fs::remove_file(path);
                }
                return Ok(Some(vec![format!("{rows} new rows, {least} begin a retrain")]));
            }
            let reasons = vec![format!("{rows} new rows (at least {least})")];
            self.step(
                "extract",
                |_| false,
                |_| Ok(found),
                |state, found| {
                    state.triggered = Some(Triggered { reasons });
                    state.extracted = Some(found);
                },
            )?;
        }
        self.step("extract", |state| state.extracted.is_some(), taken, |state, found| state.extracted = Some(found))?;
        self.validated()?;
        let wanted = if self.state.decided.is_some() { 0 } else { config.candidates.len() };
        for at in self.state.trained.len()..wanted {
            let train = |work: &mut Self| candidate(session, config, &work.state, at);
            self.step("train", |_| false, train, |state, found| state.trained.push(found))?;
        }
        self.decided()?;
        self.ended()?;
        Ok(None)
    }

    /// Validates; rows that are not fit are extracted anew the next time.
    fn validated(&mut self) -> Result<()> {
        let (session, config) = (self.session, &self.request.retrain.config);
        let check = |work: &mut Self| {
            session.stage("validating")?;
            validate(session, config, &work.experiments, (&work.state, work.request.force))
        };
        let checked = self.step(
            "validate",
            |state| state.validated.is_some(),
            check,
            |state, found| state.validated = Some(found),
        );
        if matches!(&checked, Err(error) if error.kind == ErrorKind::Refused) {
            self.state.extracted = None;
            self.state.save(&session.project.layout)?;
        }
        checked
    }

    /// Chooses and promotes; candidates of which none was trained are tried again the next time.
    fn decided(&mut self) -> Result<()> {
        let session = self.session;
        let choose = |work: &mut Self| decide(session, work.policy.as_ref(), &work.state);
        if self.state.trained.iter().all(|one| one.version.is_none()) {
            let failed = decide(session, None, &self.state);
            self.state.trained.clear();
            self.state.save(&session.project.layout)?;
            return failed.map(|_| ());
        }
        self.step("decide", |state| state.decided.is_some(), choose, |state, found| state.decided = Some(found))
    }

    /// Verifies what was promoted, prunes, and closes the period.
    fn ended(&mut self) -> Result<()> {
        let (session, config) = (self.session, &self.request.retrain.config);
        let project = session.project;
        let Some(decided) = self.state.decided.clone() else { return Err(Error::failed("nothing was decided")) };
        let prove = |work: &mut Self| match decided.decision {
            End::Promoted => verify(session, config, &work.state, &decided),
            _ => Ok(Verified { golden_rows: 0, rolled_back: None }),
        };
        self.step("verify", |state| state.verified.is_some(), prove, |state, found| state.verified = Some(found))?;
        let clean = |work: &mut Self| match config.prune {
            Some(section) => prune(session, section, &work.state),
            None => Ok(super::state::Pruned::default()),
        };
        self.step("prune", |state| state.pruned.is_some(), clean, |state, found| state.pruned = Some(found))?;
        let rolled_back = self.state.verified.as_ref().is_some_and(|verified| verified.rolled_back.is_some());
        let how = if rolled_back { End::RolledBack } else { decided.decision };
        let at_ms = project.now_ms();
        if how == End::Promoted {
            // The reference of the new version is another one: what drifted from the old one counts no more.
            let reason = format!("{} {}: {} is in production", self.state.name, self.state.period, decided.version);
            let known = project.tracker()?.last_drift_reset(self.state.model.as_str())?;
            if known.is_none_or(|known| known.reason != reason) {
                super::super::drift_events::reset(session, &self.state.model, &reason)?;
            }
        }
        self.step(
            "end",
            |state| state.ended.is_some(),
            |_| Ok(Ended { how, at_ms }),
            |state, found| state.ended = Some(found),
        )
    }
}

/// The retrain as a finished run of its experiment.
fn record(work: &Work<'_>, outcome: &Outcome) {
    let state = &work.state;
    let mut metrics = vec![("seconds", outcome.seconds)];
    metrics.extend(state.extracted.as_ref().map(|found| ("rows", found.facts.written as f64)));
    let mut tags = pairs([
        ("model", state.model.to_string()),
        ("period", state.period.clone()),
        ("decision", outcome.outcome.to_owned()),
        ("config_sha256", state.config_sha256.clone()),
    ]);
    tags.extend(state.decided.as_ref().map(|decided| ("version".to_owned(), decided.version.0.to_string())));
    light(
        work.session,
        &Light {
            experiment: state.name.to_string(),
            command: "retrain",
            name: format!("{} {}", state.name, state.period),
            started_ms: state.begun_ms,
            params: pairs([("config", work.request.retrain.file.clone())]),
            metrics,
            tags,
            artifacts: Vec::new(),
        },
    );
}

/// The path of the period's snapshot, for a plan.
pub(super) fn snapshot_of(request: &Request, period: &str) -> String {
    snapshot_path(&request.retrain.config, period)
}
