//! What is learned: classes of rows, or the order of a query's documents.

use serde::{Deserialize, Serialize};

use crate::catalog::known_hint;
use crate::error::{Error, Result};

/// The task of an experiment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// The class of a row.
    #[default]
    Classification,
    /// The order of a query's documents.
    Ranking,
}

impl Task {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Classification, Self::Ranking];

    /// The word in configs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Classification => "classification",
            Self::Ranking => "ranking",
        }
    }

    /// From the word in configs.
    ///
    /// # Errors
    /// `Invalid` for another word.
    pub fn parse(word: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|task| task.name() == word);
        known.ok_or_else(|| {
            Error::invalid(format!("unknown task `{word}`")).hint(known_hint(word, Self::ALL.map(Self::name)))
        })
    }
}
