//! The tests that compare two models, by the names that `--test` takes.

use serde::{Deserialize, Serialize};

use crate::catalog::known_hint;
use crate::error::{Error, Result};

/// A paired test.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TestKind {
    /// The one that fits the metric.
    #[default]
    Auto,
    /// McNemar's.
    McNemar,
    /// The paired bootstrap of rows.
    Bootstrap,
    /// DeLong's.
    DeLong,
    /// Sign flips of the differences.
    Permutation,
    /// Student's paired t.
    T,
    /// Wilcoxon's signed ranks.
    Wilcoxon,
}

impl TestKind {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Self; 7] =
        [Self::Auto, Self::McNemar, Self::Bootstrap, Self::DeLong, Self::Permutation, Self::T, Self::Wilcoxon];

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::McNemar => "mcnemar",
            Self::Bootstrap => "bootstrap",
            Self::DeLong => "delong",
            Self::Permutation => "permutation",
            Self::T => "t",
            Self::Wilcoxon => "wilcoxon",
        }
    }

    /// One line: what it is for.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::Auto => "the test that fits the metric",
            Self::McNemar => "rows that only one model gets right; for accuracy",
            Self::Bootstrap => "rows drawn again and again; for every metric",
            Self::DeLong => "areas under two ROC curves; for roc_auc with two classes",
            Self::Permutation => "signs of the differences flipped; for values per row or query",
            Self::T => "the mean difference by Student's t; for values per row or query",
            Self::Wilcoxon => "ranks of the differences; for values per row or query",
        }
    }

    /// Finds a test by its name.
    ///
    /// # Errors
    /// `Invalid`, with the closest name as a hint.
    pub fn parse(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            Error::invalid(format!("unknown test `{name}`")).hint(known_hint(name, Self::ALL.map(Self::name)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_and_slips_are_understood() {
        for kind in TestKind::ALL {
            assert_eq!(TestKind::parse(kind.name()).expect("its own name"), kind);
            assert_eq!(serde_json::to_value(kind).expect("plain data"), kind.name());
            assert!(kind.about().len() > 15);
        }
        let error = TestKind::parse("bootsrap").expect_err("a slip");
        assert_eq!(
            (error.message.as_str(), error.hint.as_deref()),
            ("unknown test `bootsrap`", Some("did you mean `bootstrap`?"))
        );
    }
}
