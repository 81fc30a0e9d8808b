//! `models alias`: gives a version a name, or takes the name away.

use serde::Serialize;

use crate::error::Result;
use crate::names::{ModelName, Version};
use crate::project::Prefer;
use crate::workflows::Session;

/// An alias to set or to remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasRequest {
    /// The version, as a selector.
    pub selector: String,
    /// The alias.
    pub alias: String,
    /// Whether it is removed.
    pub remove: bool,
}

/// An alias that was set or removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AliasChange {
    /// The model.
    pub model: ModelName,
    /// The version.
    pub version: Version,
    /// The alias.
    pub alias: String,
    /// Whether it was removed.
    pub removed: bool,
}

/// Points an alias to a version, or removes it.
///
/// # Errors
/// `NotFound` (version, alias), `Invalid` when the alias could be read as a version or a stage.
pub fn alias(session: &Session<'_>, request: &AliasRequest) -> Result<AliasChange> {
    let project = session.project;
    let located = session.locate(&request.selector, Prefer::Latest)?;
    let (tracker, actor, now_ms) = (project.tracker()?, &project.surroundings.actor, project.now_ms());
    let (model, alias) = (located.model.as_str(), request.alias.as_str());
    if request.remove {
        tracker.remove_alias(model, alias, actor, now_ms)?;
    } else {
        tracker.set_alias(model, alias, located.version, actor, now_ms)?;
    }
    let (model, version) = (located.model, located.version);
    Ok(AliasChange { model, version, alias: request.alias.clone(), removed: request.remove })
}
