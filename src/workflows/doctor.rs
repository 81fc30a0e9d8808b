//! `doctor`: do the rows and the folders agree? `--fix` heals what a crash can leave behind.

use std::path::Path;

use serde::Serialize;

use super::session::Session;
use crate::error::Result;
use crate::names::{ModelName, Version};
use crate::project::Project;
use crate::registry::{Manifest, check_folder, versions_on_disk};

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
    let problems = project.tracker()?.integrity()?;
    let state = if problems.is_empty() { State::Ok } else { State::Broken };
    let detail = if problems.is_empty() { "whole".to_owned() } else { problems.join("; ") };
    find("tracking database".into(), state, detail);
    for note in project.take_notes() {
        find("runs".into(), State::Fixed, note);
    }
    for model in models(project)? {
        session.stage(&format!("checking {model}"))?;
        check_model(project, &model, fix, &mut find)?;
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

/// Every model that has rows or folders.
fn models(project: &Project) -> Result<Vec<ModelName>> {
    let mut names: Vec<String> = project.tracker()?.models()?.into_iter().map(|model| model.name).collect();
    let folders =
        std::fs::read_dir(project.layout.checkpoints()).into_iter().flatten().filter_map(std::result::Result::ok);
    names.extend(folders.map(|entry| entry.file_name().to_string_lossy().into_owned()));
    names.sort();
    names.dedup();
    Ok(names.iter().filter_map(|name| ModelName::parse(name).ok()).collect())
}

fn check_model(
    project: &Project,
    model: &ModelName,
    fix: bool,
    find: &mut impl FnMut(String, State, String),
) -> Result<()> {
    let tracker = project.tracker()?;
    let _lock = if fix { Some(project.lock(model, "doctor")?) } else { None };
    let healed = if fix { State::Fixed } else { State::Fixable };
    let rows = tracker.versions(model.as_str()).unwrap_or_default();
    for version in versions_on_disk(&project.layout, model) {
        let folder = project.layout.checkpoint(model, version);
        let what = format!("{model} {version}");
        match check_folder(&folder) {
            Err(error) => find(what, State::Broken, error.message),
            Ok((manifest, sealed)) => match rows.iter().find(|row| row.version == version) {
                None => {
                    if fix {
                        adopt(project, model, version, &manifest, &sealed)?;
                    }
                    find(
                        what,
                        healed,
                        "its folder is whole but it was never registered (a crash during training)".into(),
                    );
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
    let production = project.production_version(model)?;
    let link = std::fs::read_link(project.layout.active(model)).ok();
    let active = link.and_then(|target| Version::parse(&target.to_string_lossy()).ok());
    if active != production {
        if fix {
            project.mirror(model)?;
        }
        let say = |version: Option<Version>| version.map_or("nothing".to_owned(), |version| version.to_string());
        let detail = format!("`active` points to {}, the ledger says {}", say(active), say(production));
        find(format!("production/{model}"), healed, detail);
    } else if let Some(version) = production {
        match check_folder(&project.layout.production(model, version)) {
            Ok(_) => find(format!("production/{model}"), State::Ok, format!("active {version}")),
            Err(error) => {
                let whole = check_folder(&project.layout.checkpoint(model, version)).is_ok();
                if fix && whole {
                    project.mirror(model)?;
                }
                find(format!("production/{model}"), if whole { healed } else { State::Broken }, error.message);
            }
        }
    }
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
fn leftovers(root: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut open: Vec<_> = ["checkpoints", "production", "experiments"].map(|name| root.join(name)).into();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().filter_map(std::result::Result::ok) {
            let name = entry.file_name().to_string_lossy().into_owned();
            let pid = name.strip_suffix(".tmp").and_then(|name| name.rsplit_once('.')).map(|(_, pid)| pid.to_owned());
            if name.starts_with('.')
                && let Some(pid) = pid.filter(|pid| pid.parse::<u32>().is_ok())
            {
                if !Path::new("/proc").join(pid).exists() {
                    found.push(entry.path());
                }
            } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(entry.path());
            }
        }
    }
    found.sort();
    found
}
