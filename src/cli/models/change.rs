//! What changes a model's versions, or checks them: alias, pin, archive, delete, verify.

use serde_json::json;

use crate::cli::door::Door;
use crate::cli::ui::format;
use crate::error::{Error, Result};
use crate::project::{Prefer, Project};
use crate::tracking::removable;
use crate::workflows::versions::{archive as archive_version, named_version};
use crate::workflows::{Session, prune};

/// Checks one version, or with a bare name all of the model's.
pub fn verify(door: &Door, project: &Project, named: &str) -> Result<()> {
    let selectors: Vec<String> = match crate::registry::Selector::parse(named)? {
        crate::registry::Selector::Name(model) => {
            let versions = project.reader()?.versions(model.as_str())?;
            versions.iter().map(|row| format!("{model}/{}", row.version.0)).collect()
        }
        _ => vec![named.to_owned()],
    };
    if selectors.is_empty() {
        return Err(Error::not_found(format!("model `{named}` has no versions")));
    }
    let found = selectors.iter().map(|one| project.locate(one, Prefer::Latest)).collect::<Result<Vec<_>>>()?;
    let document: Vec<_> = found
        .iter()
        .map(|one| json!({"model": one.model, "version": one.version, "folder": one.folder, "whole": true}))
        .collect();
    door.answer("models verify", &document, || {
        found.iter().map(|one| format!("{} {} is whole\n", one.model, one.version)).collect()
    })
}

/// Gives a version a name, or takes it away.
pub fn alias(door: &Door, project: &Project, version: &str, alias: &str, remove: bool) -> Result<()> {
    let located = project.locate(version, Prefer::Latest)?;
    let (tracker, actor) = (project.tracker()?, &project.surroundings.actor);
    let model = located.model.as_str();
    if remove {
        tracker.remove_alias(model, alias, actor, project.now_ms())?;
    } else {
        if ["latest", "production", "staging", "archived", "none"].contains(&alias.to_lowercase().as_str()) {
            return Err(
                Error::invalid(format!("`{alias}` cannot be an alias")).hint("it names a stage or the newest version")
            );
        }
        tracker.set_alias(model, alias, located.version, actor, project.now_ms())?;
    }
    let document = json!({"model": located.model, "version": located.version, "alias": alias, "removed": remove});
    door.answer("models alias", &document, || {
        if remove { format!("{model}@{alias} is gone\n") } else { format!("{model}@{alias} is {}\n", located.version) }
    })
}

/// Moves a version to Archived.
pub fn archive(door: &Door, session: &Session<'_>, version: &str, reason: &str) -> Result<()> {
    let project = session.project;
    let located = project.locate(version, Prefer::Latest)?;
    let current = project.production_version(&located.model)?;
    if current == Some(located.version) {
        door.confirm(&format!(
            "{} {} is in production; archive it and leave nothing there?",
            located.model, located.version
        ))?;
    }
    let reason = if reason.is_empty() { "archived by hand" } else { reason };
    archive_version(session, &located.model, located.version, current, reason)?;
    let document = json!({"model": located.model, "version": located.version, "stage": "Archived"});
    door.answer("models archive", &document, || format!("{} {} is archived\n", located.model, located.version))
}

/// Removes a version for good.
pub fn delete(door: &Door, session: &Session<'_>, version: &str) -> Result<()> {
    let project = session.project;
    let crate::registry::Selector::Version(model, version) = crate::registry::Selector::parse(version)? else {
        return Err(Error::invalid(format!("`{version}` names no version")).hint("mlops models delete reviews/3"));
    };
    removable(&project.tracker()?.version(model.as_str(), version)?)?;
    let previous = project.previous_production(&model)? == Some(version);
    let loss = if previous { "; a rollback goes to it" } else { "" };
    door.confirm(&format!("delete {model} {version} and its folders for good{loss}?"))?;
    let bytes = prune::delete(session, &model, version)?;
    let freed = format::count(usize::try_from(bytes).unwrap_or(usize::MAX));
    door.answer("models delete", &json!({"model": model, "version": version, "bytes": bytes}), || {
        format!("deleted {model} {version}, {freed} bytes\n")
    })
}

/// Keeps a version from being removed, or lets it go again.
pub fn pin(door: &Door, project: &Project, version: &str, reason: &str, remove: bool) -> Result<()> {
    let (model, version) = named_version(project, version)?;
    let (tracker, actor, now_ms) = (project.tracker()?, &project.surroundings.actor, project.now_ms());
    let reason = reason.trim();
    if remove {
        tracker.unpin_version(model.as_str(), version, reason, actor, now_ms)?;
    } else {
        tracker.pin_version(model.as_str(), version, reason, actor, now_ms)?;
    }
    let document = json!({"model": model, "version": version, "reason": reason, "removed": remove});
    door.answer("models pin", &document, || {
        let what =
            if remove { "is no longer pinned" } else { "is pinned: neither `gc` nor `models delete` removes it" };
        format!("{model} {version} {what}\n")
    })
}
