//! `models delete`: removes a version for good, because a person asks for it.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::names::{ModelName, Version};
use crate::registry::Selector;
use crate::tracking::removable;
use crate::workflows::Session;
use crate::workflows::prune;

/// A version that is to be deleted. The caller may ask a person before [`delete`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    /// The model.
    pub model: ModelName,
    /// The version.
    pub version: Version,
    /// Whether it is the version that a rollback goes to.
    pub is_rollback_target: bool,
}

/// A version that was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deleted {
    /// The model.
    pub model: ModelName,
    /// The version.
    pub version: Version,
    /// The bytes of its folders.
    pub bytes: u64,
}

/// Finds the version that the selector (`reviews/3`) names, and checks that it may be removed.
///
/// # Errors
/// `Invalid` when the selector names no version, `NotFound`, `Refused` when something depends on the version.
pub fn plan_deletion(session: &Session<'_>, selector: &str) -> Result<Deletion> {
    let project = session.project;
    let Selector::Version(model, version) = Selector::parse(selector)? else {
        return Err(Error::invalid(format!("`{selector}` names no version")).hint("mlops models delete reviews/3"));
    };
    removable(&project.tracker()?.version(model.as_str(), version)?)?;
    let is_rollback_target = project.previous_production(&model)? == Some(version);
    Ok(Deletion { model, version, is_rollback_target })
}

/// Removes the version's row and its folders.
///
/// # Errors
/// `Busy` when somebody else holds the model's lock, `Refused` when something has come to depend on the version.
pub fn delete(session: &Session<'_>, deletion: &Deletion) -> Result<Deleted> {
    let Deletion { model, version, .. } = deletion;
    let bytes = prune::delete(session, model, *version)?;
    Ok(Deleted { model: model.clone(), version: *version, bytes })
}
