//! Where the versions of a model stand: rows beside folders, today and at a moment of the past.
//!
//! A version lies in `checkpoints/experiments` as it was trained; a copy lies in `checkpoints/validated` once it has
//! reached Staging, and another in `production` while it serves (`active`) or served before (`previous`). The rows
//! decide, the folders mirror them: where the two disagree a crash came between, and `doctor --fix` heals it. Here no
//! file is hashed; `doctor` and `models verify` do that.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::names::{ModelName, Version};
use crate::project::{Prefer, Project};
use crate::registry::{Layout, Selector, versions_in};
use crate::runs::timestamp::timestamp;
use crate::tracking::{ModelVersion, RegisteredModel, Stage, StateAt, Transition, state_at};

/// What lies on disk of a model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Folders {
    /// `checkpoints/experiments/<model>/`: every version, as it was trained.
    pub experiments: Vec<Version>,
    /// `checkpoints/validated/<model>/`: those that reached Staging.
    pub validated: Vec<Version>,
    /// `production/<model>/`: what serves and what served before.
    pub production: Vec<Version>,
    /// What `production/<model>/active` points to.
    pub active: Option<Version>,
    /// What `production/<model>/previous` points to.
    pub previous: Option<Version>,
}

impl Folders {
    /// What lies on disk of this model.
    #[must_use]
    pub fn of(layout: &Layout, model: &ModelName) -> Self {
        let linked = |link: std::path::PathBuf| {
            std::fs::read_link(link).ok().and_then(|target| Version::parse(&target.to_string_lossy()).ok())
        };
        Self {
            experiments: versions_in(&layout.checkpoints_of(model)),
            validated: versions_in(&layout.validated_of(model)),
            production: versions_in(&layout.production_of(model)),
            active: linked(layout.active(model)),
            previous: linked(layout.previous(model)),
        }
    }

    /// Where one version lies.
    #[must_use]
    pub fn places(&self, version: Version) -> Vec<Place> {
        let all = [
            (Place::Experiments, &self.experiments),
            (Place::Validated, &self.validated),
            (Place::Production, &self.production),
        ];
        all.into_iter().filter(|(_, versions)| versions.contains(&version)).map(|(place, _)| place).collect()
    }

    /// Where rows and folders disagree, in words; nothing when they agree. `previous` is what the ledger says.
    #[must_use]
    pub fn disagreements(&self, rows: &[ModelVersion], previous: Option<Version>) -> Vec<String> {
        let mut found = Vec::new();
        for row in rows {
            let version = row.version;
            if !self.experiments.contains(&version) {
                found.push(format!("{version} is registered, but its checkpoint is gone"));
            }
            if row.stage == Stage::Staging && !self.validated.contains(&version) {
                found.push(format!("{version} is in Staging, but has no validated copy"));
            }
        }
        let registered = |version: &Version| rows.iter().any(|row| row.version == *version);
        let strays = |versions: &[Version], what: &str| -> Vec<String> {
            let strays = versions.iter().filter(|version| !registered(version));
            strays.map(|version| format!("{version} has {what}, but is not registered")).collect()
        };
        found.extend(strays(&self.experiments, "a checkpoint"));
        found.extend(strays(&self.validated, "a validated copy"));
        let active = rows.iter().find(|row| row.stage == Stage::Production).map(|row| row.version);
        for (link, points, says) in [("active", self.active, active), ("previous", self.previous, previous)] {
            if points != says {
                found.push(format!("`{link}` points to {}, the ledger says {}", named(points), named(says)));
            }
        }
        let left = self.production.iter().filter(|version| ![active, previous].contains(&Some(**version)));
        found.extend(left.map(|version| format!("{version} lies in production, but neither serves nor did before")));
        found
    }
}

/// A version's number, or that there is none.
pub(super) fn named(version: Option<Version>) -> String {
    version.map_or("nothing".to_owned(), |version| version.to_string())
}

/// One of the three places of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// `checkpoints/experiments`.
    Experiments,
    /// `checkpoints/validated`.
    Validated,
    /// `production`.
    Production,
}

impl Place {
    /// The name, as the folder has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Experiments => "experiments",
            Self::Validated => "validated",
            Self::Production => "production",
        }
    }
}

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
pub fn list(project: &Project) -> Result<Vec<Listed>> {
    let models = project.reader()?.models()?;
    for name in super::model_folders::models(project)? {
        if !models.iter().any(|model| model.name == name.as_str()) {
            project.note(format!("`{name}` has folders, but is not registered: `mlops doctor --fix` adopts it"));
        }
    }
    let listed = |model: RegisteredModel| {
        let shown = show(project, &model.name)?;
        let on_disk = Folders::of(&project.layout, &ModelName::parse(&model.name)?);
        Ok(Listed { model, on_disk, disagreements: shown.disagreements })
    };
    models.into_iter().map(listed).collect()
}

/// One model with its versions.
///
/// # Errors
/// `NotFound`, `Failed` when the database cannot be read.
pub fn show(project: &Project, name: &str) -> Result<Shown> {
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
pub fn at(project: &Project, name: &str, at_ms: i64) -> Result<Then> {
    let tracker = project.reader()?;
    let ledger = tracker.history(name)?;
    let told = timestamp(at_ms);
    let state = state_at(&ledger, at_ms).ok_or_else(|| {
        let error = Error::not_found(format!("model `{name}` had no version yet at {}", readable(at_ms)));
        match ledger.first() {
            Some(first) => error.hint(format!("its first was registered at {}", readable(first.at_ms))),
            None => error,
        }
    })?;
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

/// Moves a version to Archived, under the model's lock, unless production has become another than `expected`.
///
/// # Errors
/// `Busy` when somebody else holds the lock, `Refused` when production has changed, `Failed` when the database refuses.
pub fn archive(
    project: &Project,
    model: &ModelName,
    version: Version,
    expected: Option<Version>,
    reason: &str,
) -> Result<()> {
    let _lock = project.lock(model, "archiving")?;
    project.tracker()?.transition(&Transition {
        model: model.as_str(),
        version,
        to: Stage::Archived,
        expected_production: Some(expected),
        action: "archived",
        actor: &project.surroundings.actor,
        forced: false,
        reason,
        evidence: &serde_json::json!({}),
        now_ms: project.now_ms(),
    })?;
    project.mirror(model)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(version: u32, stage: Stage) -> ModelVersion {
        ModelVersion {
            model: "m".into(),
            version: Version(version),
            run_id: None,
            stage,
            created_ms: 0,
            updated_ms: 0,
            manifest_sha256: String::new(),
            description: String::new(),
            aliases: Vec::new(),
            pinned: None,
            metrics: BTreeMap::new(),
        }
    }

    #[test]
    fn every_disagreement_is_named() {
        let versions = |numbers: &[u32]| numbers.iter().copied().map(Version).collect::<Vec<_>>();
        let rows = [row(1, Stage::Archived), row(2, Stage::Production), row(3, Stage::Staging)];
        let agreed = Folders {
            experiments: versions(&[1, 2, 3]),
            validated: versions(&[1, 3]),
            production: versions(&[1, 2]),
            active: Some(Version(2)),
            previous: Some(Version(1)),
        };
        assert_eq!(agreed.disagreements(&rows, Some(Version(1))), [""; 0]);
        assert_eq!(agreed.places(Version(1)), [Place::Experiments, Place::Validated, Place::Production]);
        assert_eq!(agreed.places(Version(2)), [Place::Experiments, Place::Production]);
        let wrong = Folders {
            experiments: versions(&[1, 3, 4]),
            validated: versions(&[5]),
            production: versions(&[1, 2, 3]),
            active: Some(Version(1)),
            previous: None,
        };
        assert_eq!(
            wrong.disagreements(&rows, Some(Version(1))),
            [
                "v2 is registered, but its checkpoint is gone",
                "v3 is in Staging, but has no validated copy",
                "v4 has a checkpoint, but is not registered",
                "v5 has a validated copy, but is not registered",
                "`active` points to v1, the ledger says v2",
                "`previous` points to nothing, the ledger says v1",
                "v3 lies in production, but neither serves nor did before",
            ]
        );
    }
}
