//! `models list`, `models show`, `models history`: where the versions of a model stand, today and in the past.

use std::collections::BTreeMap;

use serde::Serialize;

use super::folders::{Folders, Place};
use crate::error::{Error, Result};
use crate::names::{ModelName, Version};
use crate::project::{Prefer, Project};
use crate::registry::Selector;
use crate::runs::timestamp::timestamp;
use crate::tracking::{LedgerEntry, ModelVersion, RegisteredModel, StateAt, state_at};
use crate::workflows::{Session, model_folders};

/// A model in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Listed {
    /// Its row.
    #[serde(flatten)]
    pub model: RegisteredModel,
    /// Its folders.
    pub on_disk: Folders,
    /// Where rows and folders disagree.
    pub disagreements: Vec<String>,
}

/// A version of a model that is shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShownVersion {
    /// Its row.
    #[serde(flatten)]
    pub row: ModelVersion,
    /// Where it lies.
    pub on_disk: Vec<Place>,
}

/// A model with its versions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shown {
    /// Its row.
    pub model: RegisteredModel,
    /// What `active` points to.
    pub active: Option<Version>,
    /// What `previous` points to.
    pub previous: Option<Version>,
    /// Its versions, oldest first.
    pub versions: Vec<ShownVersion>,
    /// Where rows and folders disagree.
    pub disagreements: Vec<String>,
}

/// A model at a moment of the past.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Then {
    /// The model.
    pub model: String,
    /// The moment, in milliseconds since the epoch.
    pub at_ms: i64,
    /// The moment, UTC.
    pub at: String,
    /// What stood where, and who had decided it.
    #[serde(flatten)]
    pub state: StateAt,
    /// Where these versions are today: a stage, or that and when they went.
    pub today: BTreeMap<Version, String>,
}

/// All models. A model that has folders and no row becomes a note.
///
/// # Errors
/// `Failed` when the database cannot be read.
pub fn list(session: &Session<'_>) -> Result<Vec<Listed>> {
    let project = session.project;
    let models = project.reader()?.models()?;
    for name in model_folders::models(project)? {
        if !models.iter().any(|model| model.name == name.as_str()) {
            session.note(format!("`{name}` has folders, but is not registered: `mlops doctor --fix` adopts it"));
        }
    }
    let listed = |model: RegisteredModel| {
        let shown = of_name(project, &model.name)?;
        let on_disk = Folders::of(&project.layout, &ModelName::parse(&model.name)?);
        Ok(Listed { model, on_disk, disagreements: shown.disagreements })
    };
    models.into_iter().map(listed).collect()
}

/// One model with its versions, or with the one version that a selector such as `reviews/3` names.
///
/// # Errors
/// `NotFound`, `Failed` when the database cannot be read.
pub fn show(project: &Project, selector: &str) -> Result<Shown> {
    let (name, version) = model_and_version(project, selector)?;
    let mut shown = of_name(project, &name)?;
    shown.versions.retain(|one| version.is_none_or(|version| one.row.version == version));
    Ok(shown)
}

/// The model that a selector names, and the version where it names one.
fn model_and_version(project: &Project, selector: &str) -> Result<(String, Option<Version>)> {
    match Selector::parse(selector) {
        // A name that was registered under older rules is found as it is written.
        Ok(Selector::Name(_)) | Err(_) => Ok((selector.to_owned(), None)),
        Ok(_) => named_version(project, selector).map(|(model, version)| (model.to_string(), Some(version))),
    }
}

/// The same of the past: the version may be gone today, and only the ledger knows it.
fn past_version(project: &Project, selector: &str) -> Result<(String, Option<Version>)> {
    match Selector::parse(selector) {
        Ok(Selector::Version(model, version)) => Ok((model.to_string(), Some(version))),
        _ => model_and_version(project, selector),
    }
}

fn of_name(project: &Project, name: &str) -> Result<Shown> {
    let tracker = project.reader()?;
    let (model, rows) = (tracker.model(name)?, tracker.versions(name)?);
    let parsed = ModelName::parse(name)?;
    let folders = Folders::of(&project.layout, &parsed);
    let disagreements = folders.disagreements(&rows, project.previous_production(&parsed)?);
    let versions = rows.into_iter().map(|row| ShownVersion { on_disk: folders.places(row.version), row }).collect();
    Ok(Shown { model, active: folders.active, previous: folders.previous, versions, disagreements })
}

/// One model as it was at a moment, by its ledger.
///
/// # Errors
/// `NotFound` when there is no such model, or it had no version yet.
pub fn at(project: &Project, selector: &str, at_ms: i64) -> Result<Then> {
    let (name, version) = past_version(project, selector)?;
    let name = name.as_str();
    let tracker = project.reader()?;
    let ledger = tracker.history(name)?;
    let told = timestamp(at_ms);
    let mut state = state_at(&ledger, at_ms).ok_or_else(|| {
        let error = Error::not_found(format!("model `{name}` had no version yet at {}", readable(at_ms)));
        match ledger.first() {
            Some(first) => error.hint(format!("its first was registered at {}", readable(first.at_ms))),
            None => error,
        }
    })?;
    state.versions.retain(|one| version.is_none_or(|version| one.version == version));
    let rows = tracker.versions(name)?;
    let mut today = BTreeMap::new();
    for one in &state.versions {
        let row = rows.iter().find(|row| row.version == one.version);
        let gone = if row.is_none() { tracker.departure(name, one.version)? } else { None };
        // A model's name may hold ` was ` itself: the last one is ours.
        let how = gone.as_deref().and_then(|gone| gone.rsplit_once(" was ")).map_or("gone", |(_, how)| how);
        let standing = row.map_or_else(|| how.to_owned(), |row| row.stage.as_str().to_owned());
        today.insert(one.version, standing);
    }
    Ok(Then { model: name.to_owned(), at_ms, at: told, state, today })
}

/// The ledger of a model: who decided what, and why.
///
/// # Errors
/// `NotFound` when there is no such model.
pub fn history(session: &Session<'_>, selector: &str) -> Result<Vec<LedgerEntry>> {
    let (name, version) = past_version(session.project, selector)?;
    let mut entries = session.project.reader()?.history(&name)?;
    entries.retain(|entry| version.is_none_or(|version| entry.version == version));
    if let Some(version) = version.filter(|_| entries.is_empty()) {
        return Err(Error::not_found(format!("model `{name}` has never had a version {version}")));
    }
    Ok(entries)
}

/// A moment as people read it: `2026-07-03 23:59:59 UTC`.
#[must_use]
pub fn readable(ms: i64) -> String {
    timestamp(ms).replace('T', " ").replace('Z', " UTC")
}

/// The version that a person names. `reviews/3` needs no folder that is whole: it may be what is to be looked after.
///
/// # Errors
/// `NotFound`, `Invalid` when it names no version.
pub fn named_version(project: &Project, selector: &str) -> Result<(ModelName, Version)> {
    match Selector::parse(selector)? {
        Selector::Version(model, version) => {
            project.reader()?.version(model.as_str(), version)?;
            Ok((model, version))
        }
        Selector::Name(model) => Err(Error::invalid(format!("`{model}` names no version"))
            .hint(format!("which one? `{model}/3`, `{model}@production`, `{model}@latest`"))),
        _ => project.locate(selector, Prefer::Latest).map(|found| (found.model, found.version)),
    }
}
