//! `doctor`: do the rows and the folders agree? `--fix` heals what a crash can leave behind.

use std::path::Path;

use serde::Serialize;

use super::model_folders::{models, remove_dir};
use super::models::{Folders, version_or_nothing};
use super::prune::departed;
use super::session::Session;
use crate::error::{ErrorKind, Result};
use crate::names::{ModelName, Version};
use crate::project::Project;
use crate::registry::{Manifest, check_folder, mirror_staging, versions_in, versions_on_disk};
use crate::tracking::{Stage, Transition};

/// How a finding stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Ok,
    /// Wrong, and `--fix` heals it.
    Fixable,
    /// Was wrong, is healed.
    Fixed,
    /// Wrong, and a person must decide.
    Broken,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub what: String,
    /// How it stands.
    pub state: State,
    /// The details.
    pub detail: String,
}

/// Looks at everything.
///
/// # Errors
/// `Failed` when the database cannot be opened at all.
pub fn doctor(session: &Session<'_>, fix: bool) -> Result<Vec<Finding>> {
    let project = session.project;
    let mut findings = Vec::new();
    let mut find = |what: String, state: State, detail: String| findings.push(Finding { what, state, detail });
    find("root".into(), State::Ok, project.layout.root().display().to_string());
    session.stage("checking the database")?;
    let tracker = if fix { project.tracker()? } else { project.reader()? };
    let problems = tracker.integrity()?;
    let state = if problems.is_empty() { State::Ok } else { State::Broken };
    let detail = if problems.is_empty() { "whole".to_owned() } else { problems.join("; ") };
    find("tracking database".into(), state, detail);
    // Runs that were left running have been closed when the request began: here this is a finding, not a note.
    for note in session.notes.take() {
        find("runs".into(), State::Fixed, note);
    }
    for model in models(project)? {
        session.stage(&format!("checking {model}"))?;
        check_model(session, &model, fix, &mut find)?;
    }
    let rubbish = leftovers(project.layout.root());
    for path in rubbish {
        if fix {
            let _ = std::fs::remove_dir_all(&path).or_else(|_| std::fs::remove_file(&path));
        }
        let state = if fix { State::Fixed } else { State::Fixable };
        find("left by a process that died".into(), state, path.display().to_string());
    }
    Ok(findings)
}

fn check_model(
    session: &Session<'_>,
    model: &ModelName,
    fix: bool,
    find: &mut impl FnMut(String, State, String),
) -> Result<()> {
    let project = session.project;
    let _lock = if fix { Some(project.lock(model, "doctor")?) } else { None };
    let healed = if fix { State::Fixed } else { State::Fixable };
    for (folder, gone) in departed(project, model)? {
        if fix {
            remove_dir(&folder)?;
        }
        find(format!("{model}: {}", folder.display()), healed, format!("{gone}, its folder was left behind"));
    }
    let rows = project.reader()?.versions(model.as_str()).unwrap_or_default();
    for version in versions_on_disk(&project.layout, model) {
        let folder = project.layout.checkpoint(model, version);
        let what = format!("{model} {version}");
        if project.reader()?.departure(model.as_str(), version)?.is_some() {
            continue;
        }
        match check_folder(&folder) {
            Err(error) => find(what, State::Broken, error.message),
            Ok((manifest, sealed)) => match rows.iter().find(|row| row.version == version) {
                None => {
                    if fix {
                        adopt(project, model, version, &manifest, &sealed)?;
                    }
                    find(what, healed, "its folder is whole but it is not registered".into());
                }
                Some(row) if row.manifest_sha256 != sealed => {
                    find(what, State::Broken, "its manifest is not the one that was registered".into());
                }
                Some(row) => find(what, State::Ok, format!("{} files, {}", manifest.files.len(), row.stage.as_str())),
            },
        }
    }
    for row in &rows {
        if !project.layout.checkpoint(model, row.version).is_dir() {
            find(format!("{model} {}", row.version), State::Broken, "it is registered but its folder is gone".into());
        }
    }
    check_validated(project, model, fix, find)?;
    check_production(session, model, fix, find)
}

/// Compares `checkpoints/validated/<model>/` with the rows: what is in Staging has a copy, and every copy is whole.
fn check_validated(
    project: &Project,
    model: &ModelName,
    fix: bool,
    find: &mut impl FnMut(String, State, String),
) -> Result<()> {
    let layout = &project.layout;
    let rows = project.reader()?.versions(model.as_str()).unwrap_or_default();
    let mut versions = versions_in(&layout.validated_of(model));
    versions.extend(rows.iter().filter(|row| row.stage == Stage::Staging).map(|row| row.version));
    versions.sort();
    versions.dedup();
    for version in versions {
        let (folder, what) = (layout.validated(model, version), format!("validated/{model} {version}"));
        let Some(row) = rows.iter().find(|row| row.version == version) else {
            // With a checkpoint it is adopted; one that the ledger calls gone has been told already.
            let known = layout.checkpoint(model, version).is_dir()
                || project.reader()?.departure(model.as_str(), version)?.is_some();
            if !known {
                find(what, State::Broken, "a copy of a version that is not registered and has no checkpoint".into());
            }
            continue;
        };
        let wrong = match check_folder(&folder) {
            Ok((_, sealed)) if sealed == row.manifest_sha256 => continue,
            Ok(_) => "it is not what was registered".to_owned(),
            Err(_) if !folder.is_dir() => "it is in Staging, but has no validated copy".to_owned(),
            Err(error) => error.message,
        };
        match if fix { mirror_staging(layout, model, version) } else { Ok(()) } {
            Ok(()) => find(what, if fix { State::Fixed } else { State::Fixable }, wrong),
            Err(error) => find(what, State::Broken, format!("{wrong}; {}", error.message)),
        }
    }
    Ok(())
}

/// Compares `production/<model>/` with the rows.
fn check_production(
    session: &Session<'_>,
    model: &ModelName,
    fix: bool,
    find: &mut impl FnMut(String, State, String),
) -> Result<()> {
    let project = session.project;
    let layout = &project.layout;
    let what = format!("production/{model}");
    let folders = Folders::of(layout, model);
    let (active, recorded) = (folders.active, project.production_version(model)?);
    if let (Some(serving), None, false) = (active, recorded, was_ever_in_production(project, model)?) {
        // The database was lost, not the model: what serves goes on serving.
        let detail = format!("{serving} serves, but no decision about it is recorded (the database was lost?)");
        if fix {
            record_serving(project, model, serving)?;
        }
        find(what, if fix { State::Fixed } else { State::Fixable }, detail);
        return Ok(());
    }
    let mut wrong = Vec::new();
    if active != recorded {
        wrong.push(format!(
            "`active` points to {}, the ledger says {}",
            version_or_nothing(active),
            version_or_nothing(recorded)
        ));
    }
    let (previous, before) = (folders.previous, project.previous_production(model)?);
    if previous != before {
        wrong.push(format!(
            "`previous` points to {}, the ledger says {}",
            version_or_nothing(previous),
            version_or_nothing(before)
        ));
    }
    let strays =
        folders.production.into_iter().filter(|version| Some(*version) != recorded && Some(*version) != before);
    wrong.extend(strays.map(|version| format!("{version} is there but not in production")));
    if let Some(version) = recorded {
        let row = project.reader()?.version(model.as_str(), version)?;
        match check_folder(&layout.production(model, version)) {
            Err(error) => wrong.push(error.message),
            Ok((_, sealed)) if sealed != row.manifest_sha256 => {
                wrong.push(format!("{version} is not what was registered"));
                if fix {
                    // A copy of something else: the checkpoint that was registered takes its place.
                    let _ = std::fs::remove_dir_all(layout.production(model, version));
                }
            }
            Ok(_) => {}
        }
    }
    if wrong.is_empty() {
        if let Some(version) = recorded {
            find(what, State::Ok, format!("active {version}"));
        }
        return Ok(());
    }
    let state = match (fix, if fix { project.mirror(model) } else { Ok(Vec::new()) }) {
        (false, _) => State::Fixable,
        (true, Ok(damaged)) => {
            session.notes.extend(damaged);
            State::Fixed
        }
        (true, Err(error)) => {
            wrong.push(error.message);
            State::Broken
        }
    };
    find(what, state, wrong.join("; "));
    Ok(())
}

fn was_ever_in_production(project: &Project, model: &ModelName) -> Result<bool> {
    match project.reader()?.history(model.as_str()) {
        Ok(history) => Ok(history.iter().any(|entry| entry.to == Some(Stage::Production))),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Records the version that serves as the one in production, in a database that knows nothing about it.
fn record_serving(project: &Project, model: &ModelName, version: Version) -> Result<()> {
    let tracker = project.tracker()?;
    if tracker.version(model.as_str(), version).is_err() {
        let (manifest, sealed) = check_folder(&project.layout.production(model, version))?;
        adopt(project, model, version, &manifest, &sealed)?;
    }
    tracker.transition(&Transition {
        model: model.as_str(),
        version,
        to: Stage::Production,
        expected_production: Some(None),
        action: "promoted",
        actor: &project.surroundings.actor,
        forced: true,
        reason: "it served already; the database had no record of it",
        evidence: &serde_json::json!({}),
        now_ms: project.now_ms(),
    })?;
    Ok(())
}

/// Registers a version whose folder is whole.
fn adopt(project: &Project, model: &ModelName, version: Version, manifest: &Manifest, sealed: &str) -> Result<()> {
    let tracker = project.tracker()?;
    let run = tracker.run(manifest.run_id.as_str()).ok().map(|run| run.id);
    let description = "adopted from its folder";
    let actor = &project.surroundings.actor;
    tracker.register_version(model, version, run.as_ref(), sealed, description, actor, project.now_ms())?;
    let Some(run) = run else { return Ok(()) };
    let tags = [("model".to_owned(), model.to_string()), ("version".to_owned(), version.0.to_string())];
    tracker.set_tags(&run, &tags)
}

/// Temporary files and folders of processes that no longer live.
pub(super) fn leftovers(root: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut open: Vec<_> = ["checkpoints", "production", "experiments"].map(|name| root.join(name)).into();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().filter_map(std::result::Result::ok) {
            let name = entry.file_name().to_string_lossy().into_owned();
            if crate::fs::is_left_over(&name) {
                found.push(entry.path());
            } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(entry.path());
            }
        }
    }
    found.sort();
    found
}
