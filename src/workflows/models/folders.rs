//! The folders of a model's versions, held against its rows.
//!
//! A version lies in `checkpoints/experiments` as it was trained; a copy lies in `checkpoints/validated` once it has
//! reached Staging, and another in `production` while it serves (`active`) or served before (`previous`). The rows
//! decide, the folders mirror them: where the two disagree a crash came between, and `doctor --fix` heals it. Here no
//! file is hashed; `doctor` and `models verify` do that.

use serde::Serialize;

use crate::names::{ModelName, Version};
use crate::registry::{Layout, pointed, versions_in};
use crate::tracking::{ModelVersion, Stage};

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
        Self {
            experiments: versions_in(&layout.checkpoints_of(model)),
            validated: versions_in(&layout.validated_of(model)),
            production: versions_in(&layout.production_of(model)),
            active: pointed(&layout.active(model)),
            previous: pointed(&layout.previous(model)),
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
                found.push(format!(
                    "`{link}` points to {}, the ledger says {}",
                    version_or_nothing(points),
                    version_or_nothing(says)
                ));
            }
        }
        let left = self.production.iter().filter(|version| ![active, previous].contains(&Some(**version)));
        found.extend(left.map(|version| format!("{version} lies in production, but neither serves nor did before")));
        found
    }
}

/// A version's number, or that there is none.
#[must_use]
pub fn version_or_nothing(version: Option<Version>) -> String {
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

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
