//! `doctor`: do the rows and the folders agree? `--fix` heals what a crash can leave behind.

use std::path::Path;

use serde::Serialize;

use super::model_folders::{models, remove_dir};
use super::models::{Folders, version_or_nothing};
use super::promote::record_release;
use super::prune::departed;
use super::session::Session;
use crate::error::{ErrorKind, Result};
use crate::fs::{files_of, is_closed_to_its_group, is_left_over, open_to_group, remove_left_over, supports_links};
use crate::names::{ModelName, Version};
use crate::project::Project;
use crate::registry::{
    Manifest, check_beside, check_folder, is_read, manifest_sha256, mirror_staging, versions_in, versions_on_disk,
};
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
    check_writable(project, fix, &mut find);
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
        let (state, detail) = match if fix { remove_left_over(&path).map(|_| State::Fixed) } else { Ok(State::Fixable) }
        {
            Ok(state) => (state, path.display().to_string()),
            Err(cause) => (State::Broken, format!("`{}` cannot be removed: {cause}", path.display())),
        };
        find("left by a process that died".into(), state, detail);
    }
    Ok(findings)
}

/// Whether the databases and their companions can be written, by this user and by all who share the folder.
fn check_writable(project: &Project, fix: bool, find: &mut impl FnMut(String, State, String)) {
    let locks = models(project).unwrap_or_default().into_iter().map(|model| (project.layout.lock(&model), "lock"));
    let databases =
        [(project.layout.tracking_db(), "tracking database"), (project.layout.vector_cache(), "cache of embeddings")];
    for (file, what) in databases.into_iter().chain(locks) {
        for path in files_of(&file) {
            let what = format!("{what}: {}", path.display());
            if let Err(cause) = std::fs::OpenOptions::new().append(true).open(&path) {
                // On a disk that nobody writes to, commands that read work.
                if cause.kind() == std::io::ErrorKind::ReadOnlyFilesystem {
                    continue;
                }
                let hint = "its owner must let you write to it (`chmod g+w`), as to its folder";
                find(what, State::Broken, format!("it cannot be written to ({cause}): {hint}"));
            } else if is_closed_to_its_group(&path) {
                let opened = if fix { open_to_group(&path) } else { Ok(()) };
                let detail = "its folder is shared by a group that cannot write to it".to_owned();
                match opened {
                    Ok(()) => find(what, if fix { State::Fixed } else { State::Fixable }, detail),
                    Err(error) => find(what, State::Broken, format!("{detail}; {}", error.message)),
                }
            }
        }
    }
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
            Ok((manifest, _)) if (&manifest.model, manifest.version) != (model, version) => {
                let detail = format!("its manifest is of {} {}", manifest.model, manifest.version);
                find(what, State::Broken, detail);
            }
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
            let previous = folders.previous.filter(|previous| *previous != serving);
            for (version, before) in previous.map(|version| (version, None)).into_iter().chain([(serving, previous)]) {
                record_serving(project, model, version, before)?;
            }
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
    for (name, pointer) in [("active", layout.active(model)), ("previous", layout.previous(model))] {
        let Ok(facts) = pointer.symlink_metadata() else { continue };
        if facts.is_dir() {
            wrong.push(format!("`{name}` is a folder, not a link to a version"));
        } else if facts.is_file() && supports_links(&layout.production_of(model)).unwrap_or(false) {
            wrong.push(format!("`{name}` is a file, not a link to a version"));
        }
    }
    // One that a command still reads from goes with the next change.
    let is_stray = |version: &Version| {
        ![recorded, before].contains(&Some(*version)) && !is_read(&layout.production(model, *version))
    };
    let strays = folders.production.into_iter().filter(is_stray);
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
            Ok((manifest, _)) if manifest.checkpoint.is_some() => {
                let own = manifest_sha256(&layout.production(model, version))?;
                match project.recorded_release(model, version) {
                    // `mirror` makes it again.
                    Some(recorded) if recorded != own => wrong.push(format!("{version} is not the recorded release")),
                    Some(_) => {}
                    None => {
                        if fix {
                            project.tracker()?.set_release(model.as_str(), version, &own)?;
                        }
                        let state = if fix { State::Fixed } else { State::Ok };
                        let detail = "the ledger has no hash of its release yet (an older build made it)".to_owned();
                        find(format!("{what} {version}"), state, detail);
                    }
                }
            }
            Ok(_) => {}
        }
        if let Err(error) = check_beside(&layout.production(model, version), version) {
            wrong.push(error.message);
        }
    }
    if wrong.is_empty() {
        if let Some(version) = recorded {
            let is_file = layout.active(model).symlink_metadata().is_ok_and(|facts| facts.is_file());
            let how = if is_file { " (named by a file: this file system has no links)" } else { "" };
            find(what, State::Ok, format!("active {version}{how}"));
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

/// Records a version that serves, or served before, as the one in production, in a database that knows nothing about it;
/// `before` is the one that it takes over from.
fn record_serving(project: &Project, model: &ModelName, version: Version, before: Option<Version>) -> Result<()> {
    let tracker = project.tracker()?;
    if tracker.version(model.as_str(), version).is_err() {
        let (manifest, sealed) = check_folder(&project.layout.production(model, version))?;
        adopt(project, model, version, &manifest, &sealed)?;
    }
    record_release(project, model, version)?;
    tracker.transition(&Transition {
        model: model.as_str(),
        version,
        to: Stage::Production,
        expected_production: Some(before),
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

/// Temporary files and folders of processes that no longer live: below the folders of the project, and beside what was
/// written into its root.
pub(super) fn leftovers(root: &Path) -> Vec<std::path::PathBuf> {
    let entries = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().filter_map(std::result::Result::ok);
    let mut found: Vec<_> = entries(root).map(|entry| entry.path()).filter(|path| is_left_over(path)).collect();
    let mut open: Vec<_> =
        ["checkpoints", "production", "experiments", "data", "reports"].map(|name| root.join(name)).into();
    while let Some(folder) = open.pop() {
        for entry in entries(&folder) {
            if is_left_over(&entry.path()) {
                found.push(entry.path());
            } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(entry.path());
            }
        }
    }
    found.sort();
    found
}
