//! Versions that go: by age (`gc --older-than`) or by a person's word (`models delete`), with row and folders.
//!
//! Age counts from when the version was made: its manifest's `created_at`, or its row where that is earlier or there is
//! no manifest; never a file's time. What somebody depends on is never pruned, however old: what is in Production or in
//! Staging, what serves (`active`), what a rollback goes to (`previous`), aliased, pinned, the last few of its model,
//! the parent of what is in Production or Staging (what that was decided against), and what a run that is not deleted
//! has measured. A version whose folder is not what was registered is left for a person.
//!
//! Order: all reasons are asked again under the model's lock; the row goes in one transaction with its line in the
//! ledger (and is refused there when a stage, an alias or a pin appeared meanwhile); the folders are renamed away, then
//! removed. A crash leaves folders of a version that the ledger calls gone, or temporary names of a dead process:
//! `gc` and `doctor --fix` remove both.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use super::models::Folders;
use super::session::Session;
use crate::error::{Context, ErrorKind, Result};
use crate::fs::{Partial, crash_point};
use crate::names::{ModelName, RunId, Version};
use crate::project::Project;
use crate::registry::{Manifest, Unread, is_read, versions_in};
use crate::runs::timestamp::timestamp;
use crate::text::DAY_MS;
use crate::tracking::{ModelVersion, Removal, Stage};

/// Which versions are old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Versions made so many milliseconds ago or earlier.
    pub older_than_ms: i64,
    /// But never the last so many versions of a model.
    pub keep_last: usize,
}

/// A version that goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OldVersion {
    /// The model.
    pub model: ModelName,
    /// The version.
    pub version: Version,
    /// Where it stands.
    pub stage: Stage,
    /// When it was made.
    pub created_ms: i64,
    /// The bytes of its folders.
    pub bytes: u64,
    /// Why it goes.
    pub reason: String,
}

/// A version that stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeptVersion {
    /// The model.
    pub model: ModelName,
    /// The version.
    pub version: Version,
    /// All reasons, the strongest first.
    pub reasons: Vec<String>,
}

/// What goes and what stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// What goes, oldest version first.
    pub old: Vec<OldVersion>,
    /// What stays.
    pub kept: Vec<KeptVersion>,
}

/// What a model's versions are held against.
struct Bonds {
    folders: Folders,
    previous: Option<Version>,
    /// The versions that were in production when those of Production and Staging were made.
    parents: BTreeMap<Version, Vec<String>>,
    measured: BTreeMap<Version, Vec<RunId>>,
    last: BTreeSet<Version>,
}

/// What of all models would go.
///
/// # Errors
/// `Failed` when the database cannot be read.
pub fn plan(project: &Project, policy: Policy) -> Result<Plan> {
    let mut plan = Plan::default();
    let Some(tracker) = project.tracker_for_reading() else { return Ok(plan) };
    for model in tracker.models()? {
        let found = plan_model(project, &ModelName::parse(&model.name)?, policy)?;
        plan.old.extend(found.old);
        plan.kept.extend(found.kept);
    }
    Ok(plan)
}

/// Prunes what goes, model by model, each under its lock; gives what went and what stays.
///
/// # Errors
/// `Busy` when another process keeps a model's lock, `Failed` when the disk or the database refuses.
pub fn prune(session: &Session<'_>, policy: Policy) -> Result<Plan> {
    let mut done = Plan::default();
    for model in plan(session.project, policy)?.old.into_iter().map(|old| old.model).collect::<BTreeSet<_>>() {
        let found = prune_model(session, &model, policy)?;
        done.old.extend(found.old);
        done.kept.extend(found.kept);
    }
    Ok(done)
}

/// Prunes what goes of one model, under its lock.
///
/// # Errors
/// As `prune`.
pub fn prune_model(session: &Session<'_>, model: &ModelName, policy: Policy) -> Result<Plan> {
    let project = session.project;
    let rule = json!({"older_than": span(policy.older_than_ms), "keep_last": policy.keep_last});
    let _lock = project.lock(model, "pruning")?;
    // Somebody may have promoted, pinned or evaluated since the plan was shown.
    let Plan { old: going, mut kept } = plan_model(project, model, policy)?;
    let mut old = Vec::new();
    for one in going {
        let evidence = json!({"rule": rule, "created_at": timestamp(one.created_ms), "bytes": one.bytes});
        if folders_of(project, model, one.version).iter().any(|folder| is_read(folder)) {
            let reasons = vec!["a running command reads from it".to_owned()];
            kept.push(KeptVersion { model: one.model, version: one.version, reasons });
            continue;
        }
        match remove(project, (model, one.version), "pruned", &one.reason, &evidence, Duration::ZERO) {
            Ok(()) => old.push(one),
            // An alias or a pin of this very moment: these take no lock.
            Err(error) if error.kind == ErrorKind::Refused => {
                let reasons = vec![error.message];
                kept.push(KeptVersion { model: one.model, version: one.version, reasons });
            }
            Err(error) => return Err(error),
        }
    }
    mirror(session, model);
    Ok(Plan { old, kept })
}

/// Deletes a version because a person said so; gives the bytes of its folders.
///
/// # Errors
/// `NotFound`; `Refused` when it is in Staging or Production, has an alias or is pinned; `Busy`.
pub fn delete(session: &Session<'_>, model: &ModelName, version: Version) -> Result<u64> {
    let project = session.project;
    let _lock = project.lock(model, "deleting")?;
    let bytes = folders_of(project, model, version).iter().map(|folder| size(folder)).sum();
    remove(project, (model, version), "deleted", "", &json!({"bytes": bytes}), READERS_WAIT)?;
    mirror(session, model);
    Ok(bytes)
}

/// The row in one transaction, then the folders: renamed away, so that a reader finds all of a folder or none, and
/// removed.
fn remove(
    project: &Project,
    (model, version): (&ModelName, Version),
    action: &str,
    reason: &str,
    evidence: &serde_json::Value,
    wait: Duration,
) -> Result<()> {
    // A command that reads from it ends with it.
    let folders = folders_of(project, model, version);
    let unread = folders.iter().map(|folder| Unread::wait(folder, wait)).collect::<Result<Vec<_>>>()?;
    project.tracker()?.remove_version(&Removal {
        model: model.as_str(),
        version,
        action,
        actor: &project.surroundings.actor,
        reason,
        evidence,
        now_ms: project.now_ms(),
    })?;
    crash_point("prune.after_rows");
    let mut away = Vec::new();
    for folder in folders {
        let cannot = || format!("cannot remove `{}`", folder.display());
        let gone = Partial::folder(&folder).context(cannot)?;
        match std::fs::rename(&folder, gone.path().join("folder")) {
            // A `gc` of this moment knew from the ledger that it is gone.
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {}
            renamed => renamed.context(cannot)?,
        }
        away.push(gone);
    }
    crash_point("prune.after_rename");
    drop((away, unread));
    Ok(())
}

/// How long the readers of a version are waited for that a person deletes.
const READERS_WAIT: Duration = Duration::from_secs(10);

/// What cannot be mirrored is no reason to call the removal failed: it is done.
fn mirror(session: &Session<'_>, model: &ModelName) {
    match session.project.mirror(model) {
        Ok(damaged) => session.notes.extend(damaged),
        Err(error) => {
            session.note(format!("`production/{model}` does not say what the rows say: {}", error.message));
        }
    }
}

/// Folders of versions that the ledger calls deleted or pruned: a removal that was cut short.
///
/// # Errors
/// `Failed` when the database cannot be read.
pub(super) fn departed(project: &Project, model: &ModelName) -> Result<Vec<(PathBuf, String)>> {
    let layout = &project.layout;
    let mut found = Vec::new();
    let Some(tracker) = project.tracker_for_reading() else { return Ok(found) };
    for parent in [layout.checkpoints_of(model), layout.validated_of(model)] {
        for version in versions_in(&parent) {
            if let Some(gone) = tracker.departure(model.as_str(), version)? {
                found.push((parent.join(version.to_string()), gone));
            }
        }
    }
    Ok(found)
}

/// What of one model would go.
///
/// # Errors
/// `Failed` when the database cannot be read.
pub fn plan_model(project: &Project, model: &ModelName, policy: Policy) -> Result<Plan> {
    let rows = project.reader()?.versions(model.as_str())?;
    let bonds = bonds(project, model, &rows, policy)?;
    let mut plan = Plan::default();
    for row in &rows {
        let mut reasons = bonds.reasons(row, policy);
        let (created_ms, registered) = made(project, model, row);
        let age_ms = project.now_ms() - created_ms;
        if !registered {
            reasons.push("its folder is not what was registered: `mlops doctor` says more".into());
        }
        if age_ms < policy.older_than_ms {
            reasons.push(format!("younger than {}: made {} ago", span(policy.older_than_ms), span(age_ms)));
        }
        let version = row.version;
        if !reasons.is_empty() {
            plan.kept.push(KeptVersion { model: model.clone(), version, reasons });
            continue;
        }
        let bytes = folders_of(project, model, version).iter().map(|folder| size(folder)).sum();
        let reason = format!("made {} ago, older than {}", span(age_ms), span(policy.older_than_ms));
        plan.old.push(OldVersion { model: model.clone(), version, stage: row.stage, created_ms, bytes, reason });
    }
    Ok(plan)
}

fn bonds(project: &Project, model: &ModelName, rows: &[ModelVersion], policy: Policy) -> Result<Bonds> {
    let mut parents: BTreeMap<Version, Vec<String>> = BTreeMap::new();
    for row in rows.iter().filter(|row| matches!(row.stage, Stage::Production | Stage::Staging)) {
        if let Some(parent) = manifest(project, model, row.version).and_then(|(manifest, _)| manifest.parent) {
            let child = format!("{}, which is in {}", row.version, row.stage.as_str().to_lowercase());
            parents.entry(parent).or_default().push(child);
        }
    }
    Ok(Bonds {
        folders: Folders::of(&project.layout, model),
        previous: project.previous_production(model)?,
        parents,
        measured: project.reader()?.measured(model.as_str())?,
        last: rows.iter().rev().take(policy.keep_last).map(|row| row.version).collect(),
    })
}

impl Bonds {
    /// Why a version is kept whatever its age.
    fn reasons(&self, row: &ModelVersion, policy: Policy) -> Vec<String> {
        let version = row.version;
        let mut reasons = Vec::new();
        match row.stage {
            Stage::Production => reasons.push("in production".into()),
            Stage::Staging => reasons.push("in staging".into()),
            Stage::None | Stage::Archived => {}
        }
        if self.folders.active == Some(version) && row.stage != Stage::Production {
            reasons.push("`active` points to it".into());
        }
        if self.previous == Some(version) || self.folders.previous == Some(version) {
            reasons.push("previous: a rollback goes to it".into());
        }
        reasons.extend(row.aliases.iter().map(|alias| format!("alias @{alias}")));
        if let Some(pin) = &row.pinned {
            let why = if pin.reason.is_empty() { String::new() } else { format!(": {}", pin.reason) };
            reasons.push(format!("pinned by {}{why}", pin.actor));
        }
        reasons.extend(self.parents.get(&version).into_iter().flatten().map(|child| format!("parent of {child}")));
        if let Some(runs) = self.measured.get(&version) {
            let more = if runs.len() > 1 { format!(" and {} more", runs.len() - 1) } else { String::new() };
            reasons.push(format!("measured by run {}{more}", runs[0].short()));
        }
        if self.last.contains(&version) {
            reasons.push(if policy.keep_last == 1 {
                "the last one".into()
            } else {
                format!("among the last {}", policy.keep_last)
            });
        }
        reasons
    }
}

/// When a version was made, and whether its folder (if there is one) is what was registered.
fn made(project: &Project, model: &ModelName, row: &ModelVersion) -> (i64, bool) {
    let Some((manifest, sealed)) = manifest(project, model, row.version) else {
        let folder = project.layout.checkpoint(model, row.version);
        return (row.created_ms, !folder.is_dir());
    };
    let stamp = manifest.created_at.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_millisecond);
    // A version that was adopted from its folder has a row that is younger than itself.
    (stamp.map_or(row.created_ms, |stamp| stamp.min(row.created_ms)), sealed == row.manifest_sha256)
}

fn manifest(project: &Project, model: &ModelName, version: Version) -> Option<(Manifest, String)> {
    Manifest::read(&project.layout.checkpoint(model, version)).ok()
}

/// The folders of a version that are there, without its copy in production: that one follows the rows.
fn folders_of(project: &Project, model: &ModelName, version: Version) -> Vec<PathBuf> {
    let folders = [project.layout.checkpoint(model, version), project.layout.validated(model, version)];
    folders.into_iter().filter(|folder| folder.is_dir()).collect()
}

/// A duration as it is written in an option: `180d`, `36h`; shorter ones are told in minutes or seconds.
#[must_use]
pub fn span(ms: i64) -> String {
    let ms = ms.max(0);
    match ms {
        ms if ms >= 2 * DAY_MS || ms > 0 && ms % DAY_MS == 0 => format!("{}d", ms / DAY_MS),
        0 => "0d".into(),
        ms if ms >= DAY_MS / 24 => format!("{}h", ms / (DAY_MS / 24)),
        ms if ms >= 60_000 => format!("{}min", ms / 60_000),
        ms => format!("{}s", ms / 1000),
    }
}

/// The bytes of all files below a folder; links are not followed.
#[must_use]
pub(super) fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(std::result::Result::ok);
    entries
        .map(|entry| match entry.metadata() {
            Ok(facts) if facts.is_dir() => size(&entry.path()),
            Ok(facts) => facts.len(),
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_they_are_written() {
        let hour = DAY_MS / 24;
        for (ms, told) in [
            (180 * DAY_MS, "180d"),
            (DAY_MS, "1d"),
            (0, "0d"),
            (-5, "0d"),
            (36 * hour, "36h"),
            (2 * DAY_MS + hour, "2d"),
            (hour, "1h"),
            (90_000, "1min"),
            (5_999, "5s"),
        ] {
            assert_eq!(span(ms), told);
        }
    }
}
