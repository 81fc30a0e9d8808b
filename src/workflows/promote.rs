//! `promote`: the gate, the stage, the ledger, the switch.
//!
//! Order: hold the version against its gate, ask its golden rows (the smoke test); then, under the model's lock, make the
//! release beside the validated versions (with the exported file, whose parity is part of the gate), copy it into
//! `production/`, change the rows in one transaction (compare-and-swap on the present holder), switch the link. A crash before the transaction changes
//! nothing that anybody reads; one after it is healed by the next command that promotes, or by `doctor --fix`.

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;
use serde_json::json;

use super::gate::{Evidence, Gate, Kind, PolicyFile, Subject, Verdict, judge, overall, refusal};
use super::light::{Light, light};
use super::release::{Latency, Released, make, measured_for_release};
use super::session::Session;
use crate::config::{ExperimentConfig, Inconclusive, Policy, PromotionSection};
use crate::data::Task;
use crate::error::{Error, ErrorKind, Result};
use crate::fs::crash_point;
use crate::metrics;
use crate::names::{ExperimentName, ModelName, Version};
use crate::project::{Located, Prefer, Project};
use crate::registry::{Manifest, check_pointers, manifest_sha256, mirror_staging, prepare_production};
use crate::runs::opened::Opened;
use crate::runs::ranking_files::CONVENTION_TAG;
use crate::runs::stored_config::stored_config;
use crate::runs::tags::{pairs, tested_elsewhere, version_tags};
use crate::tracking::{ModelVersion, Run, Stage, Transition};

/// What to promote, and how.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// One selector, or the candidates of `best`.
    pub candidates: Vec<String>,
    /// Take the candidate with the best value of this metric.
    pub best: Option<String>,
    /// The stage; the gate's `to` when absent.
    pub to: Option<Stage>,
    /// Only say what would happen.
    pub dry_run: bool,
    /// Promote although the gate refuses.
    pub force: bool,
    /// Why; needed with `force`.
    pub reason: String,
    /// Let `best` compare candidates that were tested on different rows.
    pub allow_different_data: bool,
    /// A gate that stands in for the config's.
    pub policy: Option<Policy>,
}

/// One candidate of `best`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Candidate {
    /// As the user named it.
    pub named: String,
    /// The model.
    pub model: ModelName,
    /// The version.
    pub version: Version,
    /// The value of the metric on the test rows.
    pub value: Option<f64>,
    /// The same on the validation rows, by which the one is chosen where every candidate has it.
    pub validation: Option<f64>,
    /// Whether it is the one.
    pub chosen: bool,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The model.
    pub model: ModelName,
    /// The version.
    pub version: Version,
    /// The stage before.
    pub from: Stage,
    /// The stage now (or, with `dry_run`, the one it would have).
    pub to: Stage,
    /// The gate, line by line.
    #[serde(flatten)]
    pub gate: Gate,
    /// What all lines say together.
    pub verdict: Verdict,
    /// Whether the gate lets the version through: an inconclusive one does where the rules say `inconclusive: promote`.
    pub passed: bool,
    /// The policy file that stood in for the config's gate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Promoted against the gate.
    pub forced: bool,
    /// The version that was in production before.
    pub previous: Option<Version>,
    /// The candidates of `best`.
    pub candidates: Vec<Candidate>,
    /// Nothing was changed.
    pub dry_run: bool,
    /// Golden rows that were asked again.
    pub golden_rows: usize,
    /// The files that were made for other systems, and how near they are to the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<Released>,
}

/// Promotes a model version through its gate.
///
/// # Errors
/// `NotFound`, `Busy` when another process promotes at the same time, `Failed` when the folder is damaged. A gate that
/// refuses is no error: see `passed`.
pub fn promote(session: &Session<'_>, request: &Request) -> Result<Outcome> {
    if request.force && request.reason.trim().is_empty() {
        return Err(Error::invalid("`--force` needs a reason").hint("--force --reason \"…\": it goes into the ledger"));
    }
    let project = session.project;
    let started_ms = project.now_ms();
    session.stage("checking")?;
    let (located, candidates) = choose(session, request)?;
    let asked = ask(session, request, &located, &candidates)?;
    if request.dry_run {
        return Ok(asked.outcome);
    }
    // To ask takes long and changes nothing: only what follows must be alone. Where the version or production has changed
    // meanwhile, it is asked once more, and now nobody moves it.
    let _lock = project.lock(&located.model, "promoting")?;
    let Asked { candidate, production, latency, mut outcome, .. } =
        if asked.still_holds(project)? { asked } else { ask(session, request, &located, &candidates)? };
    let (located, config) = (&candidate.located, &candidate.config);
    let rules = request.policy.as_ref().map_or(&config.promotion, |policy| &policy.gate);
    if outcome.to == Stage::Production {
        // What cannot be switched afterwards is not decided.
        check_pointers(&project.layout, &located.model)?;
        session.stage("copying into production")?;
        let forced = outcome.forced.then_some(request.reason.as_str());
        outcome.release = make(session, &candidate, forced, latency)?;
        prepare_production(&project.layout, &located.model, located.version)?;
        record_release(project, &located.model, located.version)?;
    } else if outcome.to == Stage::Staging {
        mirror_staging(&project.layout, &located.model, located.version)?;
    }
    crash_point("promote.before_rows");
    let policy = request.policy.as_ref();
    let evidence = Evidence {
        policy: policy.map(|policy| PolicyFile { file: policy.file.clone(), sha256: policy.sha256.clone() }),
        rules: json!(rules),
        candidates: json!(outcome.candidates),
        golden_rows: outcome.golden_rows,
        release: json!(outcome.release),
        ..Evidence::new(outcome.verdict, outcome.gate.checks.clone(), outcome.gate.compared_on.clone())
    };
    decide(project, request, &outcome, production, &evidence.json()?)?;
    crash_point("promote.after_rows");
    session.notes.extend(project.mirror(&located.model)?);
    light(session, &recorded(located, config, &outcome, started_ms));
    Ok(outcome)
}

/// What a version was asked before anything is decided, and of which rows that is true.
struct Asked {
    candidate: Subject,
    row: ModelVersion,
    production: Option<Version>,
    latency: Option<Latency>,
    outcome: Outcome,
}

impl Asked {
    /// Whether the version and production are still where they were.
    fn still_holds(&self, project: &Project) -> Result<bool> {
        let model = &self.candidate.located.model;
        let row = project.tracker()?.version(model.as_str(), self.candidate.located.version)?;
        let same = (row.stage, &row.manifest_sha256) == (self.row.stage, &self.row.manifest_sha256);
        Ok(same && project.production_version(model)? == self.production)
    }
}

/// Holds a version against its gate and asks its golden rows; measures it where it has no release yet.
fn ask(session: &Session<'_>, request: &Request, located: &Located, candidates: &[Candidate]) -> Result<Asked> {
    let project = session.project;
    let located = project.locate(&format!("{}/{}", located.model, located.version.0), Prefer::Latest)?;
    let candidate = Subject::open(project, located.clone())?;
    let rules = request.policy.as_ref().map_or(&candidate.config.promotion, |policy| &policy.gate);
    let tracker = if request.dry_run { project.reader()? } else { project.tracker()? };
    let row = tracker.version(located.model.as_str(), located.version)?;
    let wanted = request.to.unwrap_or(rules.to.stage());
    let production = project.production_version(&located.model)?;
    let holder = production.filter(|holder| *holder != located.version);
    // A gate stands in front of the stage that it leads to, and always in front of production.
    let gated = wanted == Stage::Production || rules.to.stage() == wanted;
    let gate = if gated {
        let holder = holder.map(|holder| project.locate(&format!("{}/{}", located.model, holder.0), Prefer::Latest));
        let holder = holder.transpose()?.map(|holder| Subject::open(project, holder)).transpose()?;
        judge(session, rules, &candidate, holder.as_ref())?
    } else {
        Gate::default()
    };
    let verdict = overall(&gate.checks);
    let passed =
        verdict == Verdict::Pass || (verdict == Verdict::Inconclusive && rules.inconclusive == Inconclusive::Promote);
    // A file that does not say what the model says goes into production for no reason whatever.
    let differs = gate.checks.iter().any(|check| check.kind == Kind::Parity && !check.passed);
    let forced = request.force && !passed && !differs;
    let to = if passed || forced { wanted } else { fallback(rules, row.stage, wanted) };
    let mut outcome = Outcome {
        model: located.model.clone(),
        version: located.version,
        from: row.stage,
        to,
        gate,
        verdict,
        passed,
        policy: request.policy.as_ref().map(|policy| policy.file.clone()),
        forced,
        previous: holder,
        candidates: candidates.to_vec(),
        dry_run: request.dry_run,
        golden_rows: 0,
        release: None,
    };
    if row.stage == Stage::Production && to == Stage::Staging && !request.force {
        return Err(Error::invalid(format!("{} {} is in production", located.model, located.version))
            .hint("`mlops rollback` puts the previous one back; `--force --reason` leaves nothing in production"));
    }
    let mut latency = None;
    if !request.dry_run {
        (outcome.golden_rows, _) = smoke_test(session, &located, candidate.opened())?;
        if to == Stage::Production {
            latency = measured_for_release(session, &candidate)?;
        }
    }
    Ok(Asked { candidate, row, production, latency, outcome })
}

/// Records the hash of the manifest of the release that was copied into production: from now on it is the release.
///
/// # Errors
/// `Failed` when the copy cannot be read or the database refuses.
pub fn record_release(project: &Project, model: &ModelName, version: Version) -> Result<()> {
    let folder = project.layout.production(model, version);
    if Manifest::read(&folder)?.0.checkpoint.is_none() {
        return Ok(());
    }
    project.tracker()?.set_release(model.as_str(), version, &manifest_sha256(&folder)?)
}

/// The decision as a finished run of the model's experiment; the ledger has it with its evidence.
fn recorded(located: &Located, config: &ExperimentConfig, outcome: &Outcome, started_ms: i64) -> Light {
    let decision = match (outcome.passed, outcome.forced, outcome.verdict) {
        (true, ..) => "promoted",
        (false, true, _) => "forced",
        (false, false, Verdict::Inconclusive) => "inconclusive",
        (false, false, _) => "refused",
    };
    Light {
        experiment: config.experiment.name.to_string(),
        command: "promote",
        name: format!("promote {} {}", located.model, located.version),
        started_ms,
        params: pairs([("to", outcome.to.as_str().to_owned())]),
        metrics: vec![("golden_rows", outcome.golden_rows as f64)],
        tags: [pairs([("decision", decision.to_owned())]), version_tags(located, config)].concat(),
        artifacts: Vec::new(),
    }
}

/// Writes the decision: the refusal, the transition, or both.
fn decide(
    project: &Project,
    request: &Request,
    outcome: &Outcome,
    production: Option<Version>,
    evidence: &serde_json::Value,
) -> Result<()> {
    let tracker = project.tracker()?;
    let actor = &project.surroundings.actor;
    if !outcome.passed && !outcome.forced {
        let reason = refusal(&outcome.gate.checks);
        let (model, version) = (&outcome.model, outcome.version);
        tracker.record_decision(
            model.as_str(),
            version,
            "refused",
            actor,
            false,
            &reason,
            evidence,
            project.now_ms(),
        )?;
    }
    if outcome.to == outcome.from {
        // A version that is there already and passes again: that it was asked, and on which numbers, is evidence too.
        if outcome.passed {
            let (model, reason) = (outcome.model.as_str(), "it is there already, and passes its gate");
            let (at, version) = (project.now_ms(), outcome.version);
            tracker.record_decision(model, version, "confirmed", actor, false, reason, evidence, at)?;
        }
        return Ok(());
    }
    let made = match (request.reason.trim(), outcome.passed) {
        ("", true) if outcome.gate.checks.is_empty() => "no gate was asked".to_owned(),
        ("", true) if outcome.verdict == Verdict::Pass => "the gate passed".to_owned(),
        ("", true) => format!("the gate was inconclusive, which its rules let pass: {}", refusal(&outcome.gate.checks)),
        ("", false) => format!("held in {}: {}", outcome.to.as_str(), refusal(&outcome.gate.checks)),
        (reason, _) => reason.to_owned(),
    };
    tracker.transition(&Transition {
        model: outcome.model.as_str(),
        version: outcome.version,
        to: outcome.to,
        expected_production: Some(production),
        action: "promoted",
        actor,
        forced: outcome.forced,
        reason: &made,
        evidence,
        now_ms: project.now_ms(),
    })?;
    Ok(())
}

/// Where a refused version goes: the config's `otherwise`, but never down from where it is.
fn fallback(rules: &PromotionSection, from: Stage, wanted: Stage) -> Stage {
    if from == Stage::None && wanted != Stage::Staging { rules.otherwise.stage() } else { from }
}

/// Asks a version about its golden rows; vectors of the cache would prove nothing. A version that does not open has failed
/// the test, too. The opened version is returned with the number of rows.
///
/// # Errors
/// `Failed` when it did not open or answers differently.
pub fn smoke_test<O: Borrow<Opened>>(
    session: &Session<'_>,
    located: &Located,
    opened: Result<O>,
) -> Result<(usize, O)> {
    let answered = opened.and_then(|opened| Ok((opened.borrow().check_golden(&session.embedding.uncached())?, opened)));
    answered.map_err(|error| {
        // The model's sentence encoder has moved: its own message says what to do. Who stops the command, or keeps a
        // file that is needed, says nothing about the version.
        if matches!(error.kind, ErrorKind::NotFound | ErrorKind::Interrupted | ErrorKind::Busy) {
            return error;
        }
        Error::failed(format!("{} {} fails its smoke test: {}", located.model, located.version, error.message))
            .hint("it was not promoted; nothing has changed")
    })
}

/// A candidate's version: a selector, a run, an experiment (its latest version), or a config file of one.
fn locate(session: &Session<'_>, named: &str) -> Result<Located> {
    let project = session.project;
    let not_model = match session.locate(named, Prefer::Latest) {
        Err(error) if error.is_unknown_name() => error,
        answer => return answer,
    };
    let name = match named.rsplit_once('.') {
        // A config with mistakes is no unknown name: its mistakes are told.
        Some((_, "yaml" | "yml")) if Path::new(named).is_file() => {
            crate::config::load(Path::new(named), &[])?.config.experiment.name.to_string()
        }
        Some((_, "yaml" | "yml")) => return Err(not_model),
        _ => named.to_owned(),
    };
    let tracker = project.reader()?;
    if ExperimentName::parse(&name).is_ok()
        && let Ok(experiment) = tracker.experiment(&name)
    {
        let run = tracker.latest_run(Some(experiment.id), Some("train"))?;
        return version_of(project, &run);
    }
    match tracker.run(named) {
        Ok(run) => version_of(project, &run),
        Err(error) if error.is_unknown_name() => Err(not_model),
        Err(error) => Err(error),
    }
}

fn version_of(project: &Project, run: &Run) -> Result<Located> {
    let (model, version) = project.version_of_run(run.id.as_str())?;
    project.locate(&format!("{model}/{}", version.0), Prefer::Latest)
}

/// The version to promote: the one that was named, or the best of several.
fn choose(session: &Session<'_>, request: &Request) -> Result<(Located, Vec<Candidate>)> {
    let project = session.project;
    let located = request.candidates.iter().map(|named| locate(session, named)).collect::<Result<Vec<_>>>()?;
    let Some(best) = &request.best else {
        return match <[Located; 1]>::try_from(located) {
            Ok([only]) => Ok((only, Vec::new())),
            Err(several) => Err(Error::invalid(format!("{} models are named: which one?", several.len()))
                .hint("`--best f1` takes the best of them")),
        };
    };
    let task = located.first().map(stored_config).transpose()?.map_or_else(Task::default, |config| config.task);
    let best = &metrics::name(task, best)?;
    let direction = metrics::direction(best)?;
    let tracker = project.reader()?;
    let runs = located.iter().map(|one| tracker.run(one.run_id.as_str())).collect::<Result<Vec<_>>>()?;
    if !request.allow_different_data && tested_elsewhere(&runs).is_some() {
        return Err(Error::invalid("the candidates were tested on different rows")
            .hint("train them on the same data and split, or add `--allow-different-data`"));
    }
    let conventions: BTreeSet<Option<&String>> = runs.iter().map(|run| run.tags.get(CONVENTION_TAG)).collect();
    if conventions.len() > 1 {
        return Err(Error::invalid("the candidates were judged by different conventions")
            .hint("`mlops compare` values two of them by the same; `evaluation.ranking` of their configs says which"));
    }
    let values: Vec<Option<f64>> = runs.iter().map(|run| run.metrics.get(best).copied()).collect();
    // The best of many on the test rows is flattered by them: validation rows choose, where every candidate has some.
    let of_validation = format!("validation_{best}");
    let validation: Vec<Option<f64>> = runs.iter().map(|run| run.metrics.get(&of_validation).copied()).collect();
    let same_rows = runs.iter().map(|run| run.tags.get("data_fingerprint")).collect::<BTreeSet<_>>().len() == 1;
    let by = if same_rows && validation.iter().all(Option::is_some) { &validation } else { &values };
    // The first of equals stays: it was named first.
    let chosen = (0..located.len()).reduce(|left, right| {
        let value = |at: usize| by[at].unwrap_or(f64::NAN);
        if direction.better(value(right), value(left)) { right } else { left }
    });
    let chosen = chosen
        .filter(|chosen| by[*chosen].is_some())
        .ok_or_else(|| Error::new(ErrorKind::Refused, format!("no candidate has a value of `{best}`")))?;
    let candidates = located.iter().enumerate().map(|(at, one)| Candidate {
        named: request.candidates[at].clone(),
        model: one.model.clone(),
        version: one.version,
        value: values[at],
        validation: validation[at],
        chosen: at == chosen,
    });
    let candidates = candidates.collect();
    Ok((located.into_iter().nth(chosen).expect("chosen is one of them"), candidates))
}
