//! A retrain at work: each step is done unless it is done already, and the state is saved after it.

use std::time::Instant;

use super::super::light::{Light, light};
use super::super::session::Session;
use super::decide::decide;
use super::extract::{extract, statistics};
use super::finish::{prune, verify};
use super::outcome::Outcome;
use super::request::Request;
use super::state::{End, Ended, Pruned, State, Verified};
use super::train::candidate;
use super::trigger::{Answer, Triggered, ask};
use super::validate::validate;
use crate::config::{Experiment, Policy};
use crate::error::{Error, ErrorKind, Result};
use crate::fs::crash_point;
use crate::runs::tags::pairs;

/// A retrain at work.
pub(super) struct Work<'a> {
    pub session: &'a Session<'a>,
    pub request: &'a Request,
    pub experiments: Vec<Experiment>,
    pub policy: Option<Policy>,
    pub state: State,
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
    pub fn go_on(&mut self) -> Result<Option<Vec<String>>> {
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
        if self.state.extracted.as_ref().is_some_and(|found| found.new_rows == Some(0)) {
            let source = self.state.extracted.as_ref().map_or("", |found| found.source.as_str());
            session.note(format!("no row of `{source}` is new to the version in production: is it still filled?"));
        }
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
    pub fn ended(&mut self) -> Result<()> {
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
            None => Ok(Pruned::default()),
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
pub(super) fn record(work: &Work<'_>, outcome: &Outcome) {
    let state = &work.state;
    let mut metrics = vec![("seconds", outcome.seconds)];
    metrics.extend(state.extracted.as_ref().map(|found| ("rows", found.facts.written as f64)));
    let mut tags = pairs([
        ("model", state.model.to_string()),
        ("period", state.period.clone()),
        ("decision", outcome.outcome.code().to_owned()),
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
