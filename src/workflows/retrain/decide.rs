//! The best candidate against production on the same new rows, through the gate, into production.

use serde_json::Value;

use super::super::evaluate::{Request as Evaluation, evaluate};
use super::super::gate::{Evidence, Verdict};
use super::super::promote::{Request, promote};
use super::super::session::Session;
use super::state::{Decided, End, State, Trained};
use super::train::TAG;
use crate::config::{Bound, Inconclusive, Mode, Policy, PromotionSection, Versus};
use crate::data::Part;
use crate::error::{Context, Error, Result};
use crate::fs::sha256;
use crate::metrics;
use crate::names::Version;
use crate::project::{Prefer, Project};
use crate::runs::known_rows::KnownRows;
use crate::runs::paired::all_answers;
use crate::runs::stored_config::stored_config;
use crate::tracking::{Filter, LedgerEntry, Run, Search, Stage, Status, View};

/// The best candidate: by the primary metric of the first one on the validation rows, where all have them; the earlier
/// of equals. The test rows are for the gate.
fn best(candidates: &[Trained]) -> Result<(&Trained, Version, &'static str)> {
    let alive: Vec<(&Trained, Version)> = candidates.iter().filter_map(|one| Some((one, one.version?))).collect();
    let Some((first, _)) = alive.first() else {
        let why: Vec<String> = candidates
            .iter()
            .map(|one| format!("{}: {}", one.experiment, one.error.as_deref().unwrap_or("no version")))
            .collect();
        return Err(Error::failed(format!("no candidate could be trained: {}", why.join("; ")))
            .hint("production is untouched; mend the configs and run this again"));
    };
    let direction = metrics::direction(&first.metric)?;
    let on_validation = alive.iter().all(|(one, _)| one.validation.is_some());
    let value = |one: &Trained| if on_validation { one.validation } else { one.test };
    let better = |left: &Trained, right: &Trained| {
        let [left, right] = [left, right].map(|one| value(one).unwrap_or(f64::NAN));
        direction.better(right, left)
    };
    let chosen = alive.iter().copied().reduce(|left, right| if better(left.0, right.0) { right } else { left });
    let (best, version) = chosen.ok_or_else(|| Error::failed("no candidate"))?;
    Ok((best, version, if on_validation { "validation" } else { "test" }))
}

/// Chooses, compares and promotes.
///
/// # Errors
/// `Failed` when no candidate was trained, or a folder is damaged; production is untouched then.
pub(super) fn decide(session: &Session<'_>, policy: Option<&Policy>, state: &State) -> Result<Decided> {
    let project = session.project;
    let (best, version, chosen_on) = best(&state.trained)?;
    if chosen_on == "test" && state.trained.iter().filter(|one| one.version.is_some()).count() > 1 {
        let why = "the best of several candidates was chosen on the test rows that the gate judges by";
        session.note(format!("{why}, and looks better than it is: give the split validation rows"));
    }
    let production = project.production_version(&state.model)?;
    let mut decided = Decided {
        version,
        chosen_on: chosen_on.to_owned(),
        production: production.filter(|holder| *holder != version),
        metric: best.metric.clone(),
        production_value: None,
        compared_rows: None,
        decision: End::Refused,
        stage: Stage::None.as_str().to_owned(),
        checks: Value::Null,
        reason: String::new(),
    };
    // The decision was made and not noted any more.
    if let Some(line) = made(project, state, version)? {
        decided.production = line.previous.or(decided.production);
        return told(project, state, decided, &line);
    }
    if let Some(holder) = decided.production {
        decided.production_value = ask_production(session, state, (best, holder))?;
    }
    session.stage("deciding")?;
    let own = default_policy(project, state, (best, version), decided.production)?;
    let request = Request {
        candidates: vec![format!("{}/{}", state.model, version.0)],
        policy: policy.cloned().or(own),
        reason: String::new(),
        ..Request::default()
    };
    promote(session, &request)?;
    match made(project, state, version)? {
        Some(line) => told(project, state, decided, &line),
        None => Err(Error::failed(format!("the ledger has no decision about {} {version}", state.model))),
    }
}

/// How much worse a candidate may be where its config says nothing about production.
const MARGIN: f64 = 0.01;

/// A candidate whose config holds nothing against production must not be clearly worse: nobody looks on when a retrain
/// promotes. Where the rows cannot tell, it passes.
fn default_policy(
    project: &Project,
    state: &State,
    (best, version): (&Trained, Version),
    production: Option<Version>,
) -> Result<Option<Policy>> {
    let located = project.locate(&format!("{}/{}", state.model, version.0), Prefer::Latest)?;
    let gate = stored_config(&located)?.promotion;
    let speaks = !gate.versus_production.is_empty() || gate.require.iter().any(|rule| rule.bound != Bound::Point);
    if speaks || production.is_none() {
        return Ok(None);
    }
    let versus = Versus {
        metric: best.metric.clone(),
        mode: Mode::NonInferiority,
        margin: Some(MARGIN),
        min_effect: None,
        alpha: 0.05,
    };
    let text = format!("{versus:?}");
    Ok(Some(Policy {
        file: "the retrain's own rule: not clearly worse than production".to_owned(),
        sha256: sha256(text.as_bytes()),
        gate: PromotionSection { versus_production: vec![versus], inconclusive: Inconclusive::Promote, ..gate },
    }))
}

/// The ledger's line about a version of this retrain: its refusal, or else where it went.
fn made(project: &Project, state: &State, version: Version) -> Result<Option<LedgerEntry>> {
    let history = project.tracker()?.history(state.model.as_str())?;
    let of = |action: &str| history.iter().rfind(|line| line.version == version && line.action == action).cloned();
    Ok(of("refused").or_else(|| of("promoted")))
}

fn told(project: &Project, state: &State, decided: Decided, line: &LedgerEntry) -> Result<Decided> {
    let evidence = Evidence::of(line).ok_or_else(|| {
        let what = format!("the ledger's evidence about {} {} cannot be read", state.model, line.version);
        Error::failed(what).hint("it was written by another build of `mlops`")
    })?;
    let inconclusive = evidence.verdict == Verdict::Inconclusive;
    let decision = match (line.action.as_str(), inconclusive) {
        ("promoted", _) if line.to == Some(Stage::Production) => End::Promoted,
        ("promoted", _) => End::Staged,
        (_, true) => End::Inconclusive,
        (_, false) => End::Refused,
    };
    let on = evidence.compared_on.as_ref();
    // On the rows that were compared, which may be fewer than the candidate's test rows.
    let tested = evidence.checks.iter().filter(|check| check.metric == decided.metric);
    let baseline = tested.filter_map(|check| check.difference.as_ref()).find_map(|difference| difference.baseline);
    let whole = on.is_some_and(|on| on.learned == 0);
    let production_value = baseline.or(decided.production_value.filter(|_| whole));
    let row = project.tracker()?.version(state.model.as_str(), decided.version)?;
    Ok(Decided {
        decision,
        stage: row.stage.as_str().to_owned(),
        checks: serde_json::to_value(&evidence.checks).context(|| "cannot write the checks".into())?,
        reason: line.reason.clone(),
        compared_rows: on.map(|on| on.rows),
        production_value,
        ..decided
    })
}

/// Asks production about the candidate's test rows, so that both have answered the same; gives its value of the metric
/// of the choice. Which of those rows production has learned from, the gate leaves out.
fn ask_production(session: &Session<'_>, state: &State, (best, holder): (&Trained, Version)) -> Result<Option<f64>> {
    let project = session.project;
    let Some(extracted) = &state.extracted else { return Ok(None) };
    let run = project.reader()?.run(best.run_id.as_deref().unwrap_or_default())?;
    if let Some(known) = answered(project, state, holder, &run)? {
        return Ok(known.metrics.get(&best.metric).copied());
    }
    let Some(rows) = KnownRows::of(project, &run)? else { return Ok(None) };
    let model = format!("{}/{}", state.model, holder.0);
    let located = project.locate(&model, Prefer::Latest)?;
    session.stage(&format!("asking {} {holder}, which is in production", state.model))?;
    let request = Evaluation {
        model,
        data: Some(extracted.snapshot.clone()),
        ids: Some(rows.ids_of(Part::Test)),
        // The gate itself leaves out what either version has learned from.
        include_known: true,
        tags: vec![(TAG.to_owned(), format!("{}/{}", state.name, state.period))],
        ..Evaluation::default()
    };
    // Production may be of another kind of rows than there are now: the gate then says that nothing can be compared.
    match evaluate(session, &request) {
        Ok(outcome) => Ok(outcome.metrics.metrics.get(&best.metric).and_then(|found| found.value)),
        Err(error) if error.blames_rows() => {
            let kind = stored_config(&located).map_or_else(|_| String::new(), |config| config.model.kind);
            let holder = format!("{} {holder} ({kind})", state.model);
            session.note(format!("{holder} cannot answer the new rows: {}", error.message));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// An evaluation of a version on the test rows of a run, from before a crash.
fn answered(project: &Project, state: &State, version: Version, run: &Run) -> Result<Option<Run>> {
    let Some(rows) = run.tags.get("test_ids") else { return Ok(None) };
    let filter = Filter::command("evaluate")
        .and(Filter::status(Status::Finished))
        .and(Filter::tag("model").equals(state.model.as_str()))
        .and(Filter::tag("version").equals(version.0.to_string()))
        .and(Filter::tag("test_ids").equals(rows));
    let search =
        Search { experiments: &[], filter: Some(&filter), order: &[], limit: 1, offset: 0, view: View::Active };
    let found = project.reader()?.search_runs(&search)?.pop();
    let whole = |found: &Run| all_answers(project, found).is_ok();
    Ok(found.filter(whole))
}
