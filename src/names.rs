//! Identifiers, parsed once at the door: run ids, model and experiment names, versions. All are safe as path parts.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The longest name of an experiment or a model, in characters.
pub const NAME_LIMIT: usize = 250;

/// The longest name in bytes: file systems take 255, and a lock or a temporary file adds its ending.
const BYTE_LIMIT: usize = 220;

/// Says why `name` cannot be a name of an experiment or a model.
fn check(what: &str, name: &str) -> Result<()> {
    let wrong = |why: String| {
        Err(Error::invalid(format!("`{}` cannot be {what}: {why}", name.chars().take(60).collect::<String>()))
            .hint("letters (of any script), digits, `_`, `-`, `.` and inner spaces are allowed"))
    };
    let length = name.chars().count();
    if name.trim() != name || name.is_empty() {
        return wrong("it is empty or begins or ends with white space".into());
    }
    if length > NAME_LIMIT || name.len() > BYTE_LIMIT {
        let bytes = name.len();
        return wrong(format!(
            "it has {length} characters and {bytes} bytes, at most {NAME_LIMIT} and {BYTE_LIMIT} are allowed"
        ));
    }
    if let Some(bad) = name.chars().find(|letter| !(letter.is_alphanumeric() || " _-.".contains(*letter))) {
        return wrong(format!("the character {bad:?} is not allowed"));
    }
    if name.starts_with('.') || name.starts_with('-') {
        return wrong("it begins with `.` or `-`".into());
    }
    Ok(())
}

macro_rules! name_type {
    ($(#[$doc:meta])* $type:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $type(String);

        impl $type {
            /// Parses a name.
            ///
            /// # Errors
            /// `Invalid` when it is empty, too long, or not safe as a folder name.
            pub fn parse(name: &str) -> Result<Self> {
                check($what, name)?;
                Ok(Self(name.to_owned()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.pad(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let name = String::deserialize(deserializer)?;
                Self::parse(&name).map_err(serde::de::Error::custom)
            }
        }
    };
}

name_type!(
    /// The name of a registered model: a folder name.
    ModelName,
    "a model name"
);
name_type!(
    /// The name of an experiment: a folder name.
    ExperimentName,
    "an experiment name"
);

/// The id of a run: 32 lowercase hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(String);

impl RunId {
    /// Parses a whole run id.
    ///
    /// # Errors
    /// `Invalid` when it is not 32 hexadecimal digits.
    pub fn parse(id: &str) -> Result<Self> {
        if id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)) {
            return Ok(Self(id.to_owned()));
        }
        Err(Error::invalid(format!("`{id}` is not a run id")).hint("a run id has 32 hexadecimal digits"))
    }

    /// A run id from 128 random bits.
    #[must_use]
    pub fn from_bits(bits: u128) -> Self {
        Self(format!("{bits:032x}"))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first eight digits, for tables.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[..8]
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

/// A model version: 1, 2, 3, …; written `v7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub u32);

impl Version {
    /// Parses `7` or `v7`.
    ///
    /// # Errors
    /// `Invalid` when it is not a whole number above 0.
    pub fn parse(text: &str) -> Result<Self> {
        match text.strip_prefix('v').unwrap_or(text).parse::<u32>() {
            Ok(number) if number > 0 => Ok(Self(number)),
            _ => Err(Error::invalid(format!("`{text}` is not a model version")).hint("versions are 1, 2, 3, …")),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&format!("v{}", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_as_folders() {
        for good in ["reviews", "합격 예측", "a.b-c_d", "v7"] {
            assert!(ModelName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", " a", "../x", "/x", "a/b", "a\\b", ".", "..", ".git", "-rf", "a\nb", "a\0", &"x".repeat(251)] {
            assert!(ModelName::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn versions_and_run_ids_parse() {
        assert_eq!(Version::parse("v7").unwrap(), Version(7));
        assert_eq!(Version::parse("7").unwrap().to_string(), "v7");
        assert!(Version::parse("0").is_err());
        assert_eq!(RunId::from_bits(255).as_str(), "000000000000000000000000000000ff");
        assert!(RunId::parse("FF").is_err());
    }
}
