//! `models pin`: keeps a version from being removed, or lets it go again.

use serde::Serialize;

use super::versions::named_version;
use crate::error::Result;
use crate::names::{ModelName, Version};
use crate::workflows::Session;

/// A pin to set or to remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinRequest {
    /// The version, as a selector.
    pub selector: String,
    /// Why, for the ledger; may be empty.
    pub reason: String,
    /// Whether the pin is removed.
    pub remove: bool,
}

/// A pin that was set or removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PinChange {
    /// The model.
    pub model: ModelName,
    /// The version.
    pub version: Version,
    /// Why.
    pub reason: String,
    /// Whether the pin was removed.
    pub removed: bool,
}

/// Pins a version, so that neither `gc` nor `models delete` removes it, or takes the pin away.
///
/// # Errors
/// `NotFound`, `Invalid` when the selector names no version.
pub fn pin(session: &Session<'_>, request: &PinRequest) -> Result<PinChange> {
    let project = session.project;
    let (model, version) = named_version(project, &request.selector)?;
    let (tracker, actor, now_ms) = (project.tracker()?, &project.surroundings.actor, project.now_ms());
    let reason = request.reason.trim();
    if request.remove {
        tracker.unpin_version(model.as_str(), version, reason, actor, now_ms)?;
    } else {
        tracker.pin_version(model.as_str(), version, reason, actor, now_ms)?;
    }
    Ok(PinChange { model, version, reason: reason.to_owned(), removed: request.remove })
}
