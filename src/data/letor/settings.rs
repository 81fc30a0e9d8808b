//! How LETOR files are read, as a config says it and a model keeps it.

use serde::{Deserialize, Serialize};

use crate::catalog::known_hint;
use crate::error::{Error, Result};

/// The index of the first feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Base {
    /// 1, or 0 when an index 0 is seen in any of the files.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    /// 0.
    #[serde(rename = "0")]
    Zero,
    /// 1; an index 0 is refused.
    #[serde(rename = "1")]
    One,
}

impl Base {
    /// All.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Zero, Self::One];

    /// The word in configs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Zero => "0",
            Self::One => "1",
        }
    }

    /// From the word in configs.
    ///
    /// # Errors
    /// `Invalid` for another word.
    pub fn parse(word: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|base| base.name() == word);
        known.ok_or_else(|| {
            Error::invalid(format!("unknown first index `{word}`")).hint(Self::ALL.map(Self::name).join(", "))
        })
    }
}

/// What becomes of `NULL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// The smallest value of that feature in the same query, as in LETOR's `Min` files.
    #[default]
    QueryMinimum,
    /// 0.
    Zero,
    /// Refused.
    Refuse,
}

impl Missing {
    /// All.
    pub const ALL: [Self; 3] = [Self::QueryMinimum, Self::Zero, Self::Refuse];

    /// The word in configs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::QueryMinimum => "query_minimum",
            Self::Zero => "zero",
            Self::Refuse => "refuse",
        }
    }

    /// From the word in configs.
    ///
    /// # Errors
    /// `Invalid` for another word.
    pub fn parse(word: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|missing| missing.name() == word);
        known.ok_or_else(|| {
            let error = Error::invalid(format!("unknown way to fill in `NULL`: `{word}`"));
            error.hint(known_hint(word, Self::ALL.map(Self::name)))
        })
    }
}

/// What becomes of features besides those that are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Others {
    /// They are left out.
    #[default]
    Ignore,
    /// They are refused: those that are asked for were all that the training file had.
    Refuse,
}

/// How LETOR files are read; files of other formats do not ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The index of the first feature.
    #[serde(default)]
    pub first_index: Base,
    /// What becomes of `NULL`.
    #[serde(default)]
    pub missing: Missing,
    /// What becomes of features besides those that are asked for.
    #[serde(default)]
    pub others: Others,
}

impl Settings {
    /// True when nothing is set.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_and_written() {
        for base in Base::ALL {
            assert_eq!(Base::parse(base.name()).unwrap(), base);
            assert_eq!(serde_json::to_value(base).unwrap(), base.name());
        }
        for missing in Missing::ALL {
            assert_eq!(Missing::parse(missing.name()).unwrap(), missing);
            assert_eq!(serde_json::to_value(missing).unwrap(), missing.name());
        }
        assert!(Base::parse("2").unwrap_err().hint.unwrap().contains("auto"));
        assert!(Missing::parse("zeroo").unwrap_err().hint.unwrap().contains("`zero`"));
        assert!(serde_json::from_str::<Settings>("{\"first\": 1}").is_err());
        assert!(serde_json::from_str::<Settings>("{}").unwrap().is_default());
    }
}
