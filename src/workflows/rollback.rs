//! `rollback`: the previous holder of Production takes over again, and proves that it works.

use serde::Serialize;
use serde_json::json;

use super::gate::Subject;
use super::light::{Light, light};
use super::promote::{record_release, smoke_test};
use super::release::make;
use super::session::Session;
use crate::error::{Error, Result};
use crate::names::{ModelName, Version};
use crate::project::Prefer;
use crate::registry::{check_pointers, prepare_production};
use crate::runs::opened::Opened;
use crate::runs::stored_config::stored_config;
use crate::runs::tags::{pairs, version_tags};
use crate::tracking::{LedgerEntry, Stage, Transition};

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The model.
    pub model: ModelName,
    /// The version that is in production now.
    pub version: Version,
    /// The version that was.
    pub from: Version,
    /// Golden rows that were asked again.
    pub golden_rows: usize,
}

/// Puts the previous production version back.
///
/// # Errors
/// `NotFound` when there is none, `Failed` when it does not pass its smoke test (nothing has changed then).
pub fn rollback(session: &Session<'_>, name: &str, reason: &str) -> Result<Outcome> {
    let project = session.project;
    let started_ms = project.now_ms();
    let model = ModelName::parse(name)?;
    let tracker = project.tracker()?;
    tracker.model(name)?;
    let _lock = project.lock(&model, "rolling back")?;
    let current = project
        .production_version(&model)?
        .ok_or_else(|| Error::not_found(format!("model `{model}` has no version in production")))?;
    // The one who asks again after a kill wants what he asked for, not the version before that one.
    let history = tracker.history(name)?;
    let last = history.iter().rev().find(|entry| entry.to == Some(Stage::Production));
    if let Some(line) = last.filter(|line| line.action == "rolled_back" && session.healed.contains(&model)) {
        let replaced = |entry: &&LedgerEntry| entry.from == Some(Stage::Production) && entry.id <= line.id;
        let from = history.iter().rev().find(replaced).map_or(current, |entry| entry.version);
        let located = project.locate(&format!("{model}/{}", current.0), Prefer::Latest)?;
        session.note(
            "this finished a rollback that was interrupted; `mlops rollback` again goes one version further back"
                .into(),
        );
        let (golden_rows, _) = smoke_test(session, &located, Opened::open(located.clone()))?;
        return Ok(Outcome { golden_rows, model, version: current, from });
    }
    let Some(previous) = project.previous_production(&model)? else {
        // What is newer has been rolled back itself, or was never promoted.
        let newest = tracker.versions(name)?.into_iter().map(|row| row.version).max().filter(|one| *one > current);
        return Err(Error::not_found(format!(
            "nothing to roll back to: {model} {current} is the oldest version that can be used"
        ))
        .hint(match newest {
            Some(newest) => format!("`mlops promote {model}/{}` goes forward", newest.0),
            None => format!("`mlops models history {model}` shows all decisions"),
        }));
    };
    session.stage("checking")?;
    let located = project.locate(&format!("{model}/{}", previous.0), Prefer::Latest)?;
    let (golden_rows, opened) = smoke_test(session, &located, Opened::open(located.clone()))?;
    // What cannot be switched afterwards is not decided.
    check_pointers(&project.layout, &model)?;
    // The one of before may be from a build that made no releases; to serve again is what matters.
    if let Err(error) = Subject::of(project, opened).and_then(|subject| make(session, &subject, None, None)) {
        session.note(format!("{model} {previous} serves without its files for other systems: {}", error.message));
    }
    prepare_production(&project.layout, &model, previous)?;
    record_release(project, &model, previous)?;
    tracker.transition(&Transition {
        model: name,
        version: previous,
        to: Stage::Production,
        expected_production: Some(Some(current)),
        action: "rolled_back",
        actor: &project.surroundings.actor,
        forced: false,
        reason: if reason.is_empty() { "rolled back by hand" } else { reason },
        evidence: &json!({"golden_rows": golden_rows}),
        now_ms: project.now_ms(),
    })?;
    crate::fs::crash_point("rollback.after_rows");
    session.notes.extend(project.mirror(&model)?);
    let config = stored_config(&located)?;
    light(
        session,
        &Light {
            experiment: config.experiment.name.to_string(),
            command: "rollback",
            name: format!("rollback {model} to {previous}"),
            started_ms,
            params: pairs([("from", current.0.to_string())]),
            metrics: vec![("golden_rows", golden_rows as f64)],
            tags: version_tags(&located, &config),
            artifacts: Vec::new(),
        },
    );
    Ok(Outcome { model, version: previous, from: current, golden_rows })
}
