//! After the switch: does the new version serve? Else the one before is put back. Then what is old goes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::models::archive;
use super::super::prune::{Policy, plan_model, prune_model};
use super::super::rollback::rollback;
use super::super::session::Session;
use super::extract::statistics;
use super::state::{Decided, Pruned, State, Verified};
use crate::bundle::Bundle;
use crate::config::{PruneSection, RetrainConfig};
use crate::data::parquet_file;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::fs::crash_point;
use crate::names::{ModelName, Version};
use crate::notify::end_group;
use crate::project::{Prefer, Project};
use crate::registry::{check_folder, pointed};
use crate::tracking::Stage;

/// The field of the ledger's evidence by which a version that was withdrawn is known again after a crash.
const WITHDRAWN: &str = "does_not_serve";

/// Asks the version that `active` points to about its golden rows, and the config's program; puts the version before
/// back when it does not serve.
///
/// # Errors
/// `Failed` when it does not serve and nothing can be put back.
pub(super) fn verify(
    session: &Session<'_>,
    config: &RetrainConfig,
    state: &State,
    decided: &Decided,
) -> Result<Verified> {
    let project = session.project;
    let serving = project.production_version(&state.model)?;
    if serving != Some(decided.version) {
        return gone(session, state, decided.version);
    }
    session.stage("verifying")?;
    let why = match serves(session, config, state, decided.version) {
        Ok(golden_rows) => return Ok(Verified { golden_rows, rolled_back: None }),
        // Whoever stops the retrain, or keeps a file that is needed, has not said that the version is bad: the next
        // call proves it.
        Err(error) if matches!(error.kind, ErrorKind::Interrupted | ErrorKind::Busy) => return Err(error),
        Err(error) => error.message,
    };
    session.check()?;
    let reason = format!("verification of {} {} failed: {why}", state.model, decided.version);
    if project.previous_production(&state.model)?.is_none() {
        // The first version of all: nothing is better than what does not answer.
        let evidence = json!({WITHDRAWN: true});
        archive(session, &state.model, decided.version, Some(decided.version), &reason, &evidence)?;
        return Ok(Verified { golden_rows: 0, rolled_back: Some(format!("{reason}; nothing is in production now")) });
    }
    rollback(session, state.model.as_str(), &reason).map_err(|error| {
        Error::failed(format!("{reason}; and nothing could be put back: {}", error.message))
            .hint("`mlops models history` shows what was in production; promote a version that serves")
    })?;
    crash_point("retrain.rolled_back");
    Ok(Verified { golden_rows: 0, rolled_back: Some(reason) })
}

/// The version is not in production any more: a rollback before a crash, or a person who has promoted another one since.
fn gone(session: &Session<'_>, state: &State, version: Version) -> Result<Verified> {
    let history = session.project.tracker()?.history(state.model.as_str())?;
    let promoted = history.iter().rfind(|line| line.version == version && line.to == Some(Stage::Production));
    let since = promoted.map_or(i64::MAX, |line| line.id);
    let next = history.iter().find(|line| {
        let withdrawn = line.version == version && line.evidence.get(WITHDRAWN) == Some(&Value::Bool(true));
        line.id > since && (line.to == Some(Stage::Production) || withdrawn)
    });
    let rolled_back = next.filter(|line| line.action != "promoted").map(|line| line.reason.clone());
    if rolled_back.is_none() {
        session.note(format!("{} {version} was promoted, and is not in production any more", state.model));
    }
    Ok(Verified { golden_rows: 0, rolled_back })
}

/// What a person would try: the folder behind `active` is whole, answers as in training, and the program says yes.
fn serves(session: &Session<'_>, config: &RetrainConfig, state: &State, version: Version) -> Result<usize> {
    let project = session.project;
    let active = project.layout.active(&state.model);
    let target =
        pointed(&active).ok_or_else(|| Error::failed(format!("`{}` points to no version", active.display())))?;
    if target != version {
        return Err(Error::failed(format!("`{}` points to {target}, not to {version}", active.display())));
    }
    let folder = project.layout.production(&state.model, version);
    check_folder(&folder)?;
    let rows = Bundle::load(&folder)?.check_golden(&folder, &session.embedding.uncached())?;
    if let Some((program, arguments)) = config.verify.split_first() {
        let words = config.verify.join(" ");
        let log = State::folder(&project.layout, &state.name, &state.period).join("verify.log");
        let said = || format!("cannot write `{}`", log.display());
        let file = File::create(&log).context(said)?;
        let mut command = Command::new(program);
        command.args(arguments).current_dir(project.layout.root()).stdin(Stdio::null()).process_group(0);
        command.env("MLOPS_MODEL", state.model.as_str()).env("MLOPS_VERSION", version.0.to_string());
        command.env("MLOPS_FOLDER", std::path::absolute(&folder).unwrap_or(folder));
        command.stdout(file.try_clone().context(said)?).stderr(file);
        let limit = Duration::from_millis(config.verify_timeout_ms);
        probe(session, &mut command, (&words, limit), &log)?;
    }
    Ok(rows)
}

/// Runs the config's program; all that it has started ends with its time. What it says is kept in a file.
fn probe(session: &Session<'_>, command: &mut Command, (program, limit): (&str, Duration), log: &Path) -> Result<()> {
    let mut child = command.spawn().context(|| format!("`{program}` cannot be started"))?;
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().context(|| format!("`{program}` cannot be waited for"))? {
            break status;
        }
        if let Err(interrupted) = session.check() {
            end_group(&mut child);
            return Err(interrupted);
        }
        if begun.elapsed() > limit {
            end_group(&mut child);
            return Err(Error::failed(format!("`{program}` had not ended after {} s", limit.as_secs())));
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    if status.success() {
        return Ok(());
    }
    let mut said = Vec::new();
    if let Ok(mut file) = File::open(log) {
        // The last words are enough, however much there is.
        let _ = file.seek(SeekFrom::End(-4096)).or_else(|_| file.seek(SeekFrom::Start(0)));
        let _ = file.take(4096).read_to_end(&mut said);
    }
    let said = String::from_utf8_lossy(&said).into_owned();
    let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().trim();
    let ended = status.code().map_or_else(|| "was ended by a signal".to_owned(), |code| format!("exited with {code}"));
    let last = if last.is_empty() { String::new() } else { format!(" ({last})") };
    Err(Error::failed(format!("`{program}` {ended}{last}; see `{}`", shown(session.project, log))))
}

/// A path as the project's configs write it: from the root on.
fn shown(project: &Project, path: &Path) -> String {
    path.strip_prefix(project.layout.root()).unwrap_or(path).display().to_string()
}

fn policy(section: PruneSection) -> Policy {
    Policy { older_than_ms: section.older_than_ms, keep_last: section.keep_last }
}

/// Removes versions that are old, and snapshots of old periods that no version stands on any more.
///
/// # Errors
/// `Busy`, or `Failed` when the disk or the database refuses.
pub(super) fn prune(session: &Session<'_>, section: PruneSection, state: &State) -> Result<Pruned> {
    let project = session.project;
    session.stage("pruning")?;
    let found = prune_model(session, &state.model, policy(section))?;
    let mut pruned = Pruned { versions: found.old.iter().map(|old| old.version).collect(), snapshots: Vec::new() };
    for snapshot in old_snapshots(project, section, state)? {
        let path = project.layout.root().join(&snapshot);
        for path in [statistics(&path), path] {
            remove(&path)?;
        }
        pruned.snapshots.push(snapshot);
    }
    Ok(pruned)
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::failed(format!("cannot remove `{}`", path.display())).caused_by(cause))
        }
        _ => Ok(()),
    }
}

/// Snapshots of periods that are old, whose versions are all gone.
fn old_snapshots(project: &Project, section: PruneSection, state: &State) -> Result<Vec<String>> {
    let known = project.tracker()?.versions(state.model.as_str())?;
    let stands = |version: &Version| known.iter().any(|row| row.version == *version);
    let mut found = Vec::new();
    for one in State::all(&project.layout, &state.name)? {
        let old = project.now_ms() - one.begun_ms >= section.older_than_ms;
        let needed =
            one.period == state.period || one.trained.iter().filter_map(|one| one.version.as_ref()).any(stands);
        let Some(extracted) = one.extracted.filter(|_| old && !needed) else { continue };
        let path = project.layout.root().join(&extracted.snapshot);
        // The path comes out of a file: what says of itself that it is a snapshot of this retrain is removed, nothing else.
        let owner = if path.is_file() { parquet_file::facts(&path).unwrap_or_default() } else { BTreeMap::default() };
        if owner.get("mlops.retrain").is_some_and(|owner| owner == state.name.as_str()) {
            found.push(extracted.snapshot);
        }
    }
    Ok(found)
}

/// The versions that would go now.
///
/// # Errors
/// `Failed` when the database cannot be read.
pub(super) fn would_go(project: &Project, section: PruneSection, model: &ModelName) -> Result<Vec<Version>> {
    match project.tracker_for_reading().map(|tracker| tracker.model(model.as_str())) {
        Some(Ok(_)) => {
            let plan = plan_model(project, model, policy(section))?;
            Ok(plan.old.into_iter().map(|old| old.version).collect())
        }
        _ => Ok(Vec::new()),
    }
}

/// The version in production as a selector finds it, checked.
///
/// # Errors
/// `Failed` when it is damaged, naming the file.
pub(super) fn check_production(project: &Project, model: &ModelName) -> Result<Option<Version>> {
    match project.production_version(model)? {
        None => Ok(None),
        Some(version) => {
            project.locate(&format!("{model}/{}", version.0), Prefer::Latest)?;
            Ok(Some(version))
        }
    }
}
