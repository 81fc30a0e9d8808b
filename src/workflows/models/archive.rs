//! `models archive`: moves a version to Archived.

use serde::Serialize;
use serde_json::{Value, json};

use crate::error::Result;
use crate::names::{ModelName, Version};
use crate::project::Prefer;
use crate::registry::check_pointers;
use crate::tracking::{Stage, Transition};
use crate::workflows::Session;

/// A version that is to be archived. The caller may ask a person before [`archive_by_hand`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archival {
    /// The model.
    pub model: ModelName,
    /// The version.
    pub version: Version,
    /// The model's version in production at this moment.
    pub production: Option<Version>,
}

impl Archival {
    /// Whether nothing is left in production afterwards.
    #[must_use]
    pub fn empties_production(&self) -> bool {
        self.production == Some(self.version)
    }
}

/// A version that was archived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Archived {
    /// The model.
    pub model: ModelName,
    /// The version.
    pub version: Version,
    /// Where it stands now.
    pub stage: Stage,
}

/// Finds the version that the selector names, and what is in production beside it.
///
/// # Errors
/// `NotFound`, `Failed` when the version's folder is damaged.
pub fn plan_archival(session: &Session<'_>, selector: &str) -> Result<Archival> {
    let project = session.project;
    let located = session.locate(selector, Prefer::Latest)?;
    let production = project.production_version(&located.model)?;
    Ok(Archival { model: located.model, version: located.version, production })
}

/// Archives a version because a person asks for it.
///
/// # Errors
/// What [`archive`] says.
pub fn archive_by_hand(session: &Session<'_>, archival: &Archival, reason: &str) -> Result<Archived> {
    let Archival { model, version, production } = archival;
    let reason = if reason.is_empty() { "archived by hand" } else { reason };
    archive(session, model, *version, *production, reason, &json!({}))?;
    Ok(Archived { model: model.clone(), version: *version, stage: Stage::Archived })
}

/// Moves a version to Archived, under the model's lock, with its reason and the evidence in the ledger, unless
/// production has become another than `expected`.
///
/// # Errors
/// `Busy` when somebody else holds the lock, `Refused` when production has changed, `Failed` when the database refuses.
pub fn archive(
    session: &Session<'_>,
    model: &ModelName,
    version: Version,
    expected: Option<Version>,
    reason: &str,
    evidence: &Value,
) -> Result<()> {
    let project = session.project;
    let _lock = project.lock(model, "archiving")?;
    if expected == Some(version) {
        // What cannot be switched afterwards is not decided.
        check_pointers(&project.layout, model)?;
    }
    project.tracker()?.transition(&Transition {
        model: model.as_str(),
        version,
        to: Stage::Archived,
        expected_production: Some(expected),
        action: "archived",
        actor: &project.surroundings.actor,
        forced: false,
        reason,
        evidence,
        now_ms: project.now_ms(),
    })?;
    session.notes.extend(project.mirror(model)?);
    Ok(())
}
