//! The statistic that settings name: looked up once, where the name is read.

use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::STATISTICS;
use super::kl::Kl;
use super::statistic::DriftStatistic;
use crate::catalog::find;
use crate::error::Result;

/// A statistic of the catalog; its name in files.
#[derive(Clone, Copy)]
pub struct Statistic(pub &'static dyn DriftStatistic);

impl Statistic {
    /// The statistic of this name.
    ///
    /// # Errors
    /// `Invalid`, with a hint, when the catalog has none.
    pub fn parse(name: &str) -> Result<Self> {
        find("drift statistic", STATISTICS, name).map(Self)
    }
}

impl Default for Statistic {
    fn default() -> Self {
        Self(&Kl)
    }
}

impl Deref for Statistic {
    type Target = dyn DriftStatistic;

    fn deref(&self) -> &Self::Target {
        self.0
    }
}

impl PartialEq for Statistic {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl fmt::Debug for Statistic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl Serialize for Statistic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Statistic {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(|error| serde::de::Error::custom(error.message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statistic_comes_back_from_its_name() {
        for one in STATISTICS {
            let text = serde_json::to_string(&Statistic(*one)).unwrap();
            assert_eq!(text, format!("\"{}\"", one.name()));
            assert_eq!(serde_json::from_str::<Statistic>(&text).unwrap(), Statistic(*one));
        }
        assert_eq!(Statistic::default().name(), "kl");
        assert_ne!(Statistic::default(), Statistic::parse("psi").unwrap());
        let error = serde_json::from_str::<Statistic>("\"kll\"").unwrap_err();
        assert!(error.to_string().starts_with("unknown drift statistic `kll`"), "{error}");
        assert_eq!(Statistic::parse("kll").unwrap_err().hint.as_deref(), Some("did you mean `kl`?"));
    }
}
