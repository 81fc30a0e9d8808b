//! How a person names a model: `reviews`, `reviews/7`, `reviews@production`, `models:/reviews/Production`, `./folder`.
//!
//! A bare name is always the registry's, whatever lies in the current folder: a copy of a version beside it must not
//! answer in its place. A folder is written as a path: `./reviews`, `/srv/reviews`, `production/reviews/v2`.

use std::path::{Path, PathBuf};

use super::pointer::model_folder;
use crate::error::{Error, Result};
use crate::names::{ModelName, Version};

/// A parsed selector; whether it names something is another question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// A folder with a manifest.
    Folder(PathBuf),
    /// The version that a run made: an id or a unique prefix.
    Run(String),
    /// A model, no version said.
    Name(ModelName),
    /// A version.
    Version(ModelName, Version),
    /// A stage or an alias: `@production`, `@latest`, `@champion`.
    At(ModelName, String),
}

impl Selector {
    /// Parses a selector.
    ///
    /// # Errors
    /// `Invalid` when it has none of the forms.
    pub fn parse(text: &str) -> Result<Self> {
        if let Some(run) = text.strip_prefix("runs:/") {
            return Ok(Self::Run(run.split('/').next().unwrap_or_default().to_owned()));
        }
        if let Some(rest) = text.strip_prefix("models:/") {
            return match rest.split_once(['/', '@']) {
                Some((name, what)) if rest.contains('@') => Ok(Self::At(ModelName::parse(name)?, what.to_owned())),
                Some((name, what)) => Ok(match Version::parse(what) {
                    Ok(version) => Self::Version(ModelName::parse(name)?, version),
                    Err(_) => Self::At(ModelName::parse(name)?, what.to_lowercase()),
                }),
                None => Err(Error::invalid(format!("`{text}` names no version")).hint("models:/reviews/Production")),
            };
        }
        if text.starts_with(['/', '.']) || text.ends_with('/') {
            return match model_folder(Path::new(text)) {
                Some(folder) => Ok(Self::Folder(folder)),
                None => Err(Error::not_found(format!("`{text}` is not the folder of a model"))
                    .hint("a model's folder has a manifest.json")),
            };
        }
        if let Some((name, what)) = text.split_once('@') {
            return Ok(Self::At(ModelName::parse(name)?, what.to_owned()));
        }
        if let Some((name, version)) = text.split_once('/') {
            return match Version::parse(version) {
                Ok(version) => Ok(Self::Version(ModelName::parse(name)?, version)),
                // `production/reviews/v2`: no version, so it can only be a path.
                Err(error) => model_folder(Path::new(text)).map(Self::Folder).ok_or_else(|| {
                    error.hint("write `reviews/7`, `reviews@production`, or the path of a model's folder")
                }),
            };
        }
        Ok(Self::Name(ModelName::parse(text)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        let name = ModelName::parse("reviews").unwrap();
        let at = |what: &str| Selector::At(name.clone(), what.into());
        for (text, expected) in [
            ("reviews", Selector::Name(name.clone())),
            ("reviews/7", Selector::Version(name.clone(), Version(7))),
            ("reviews/v7", Selector::Version(name.clone(), Version(7))),
            ("models:/reviews/7", Selector::Version(name.clone(), Version(7))),
            ("reviews@production", at("production")),
            ("models:/reviews/Production", at("production")),
            ("models:/reviews@champion", at("champion")),
            ("runs:/abc/model", Selector::Run("abc".into())),
        ] {
            assert_eq!(Selector::parse(text).unwrap(), expected, "{text}");
        }
        for bad in ["", "../x", "a/b/c", "reviews/", "/nowhere", "a/b", "models:/reviews", "reviews/0"] {
            assert!(Selector::parse(bad).is_err(), "{bad}");
        }
    }
}
