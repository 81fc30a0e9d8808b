//! What is known of a metric: its value with an interval, over all rows and in groups of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A metric's value with its interval, or the reason why there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The value over all rows.
    pub value: Option<f64>,
    /// Why there is no value, such as `1 class`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The lower end of the 95 % interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// The upper end of the 95 % interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
}

/// The groups of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subgroups {
    /// How many different values the rows have, missing ones not counted.
    pub values: usize,
    /// The groups, largest first.
    pub groups: Vec<Subgroup>,
}

/// One group of rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subgroup {
    /// The value, a range such as `18 to 27`, `(missing)` or `(other)`.
    pub value: String,
    /// Its rows.
    pub rows: usize,
    /// Rows of each class, in the order of the labels.
    pub support: Vec<usize>,
    /// True below 30 rows.
    #[serde(default)]
    pub few: bool,
    /// The metrics by name.
    pub metrics: BTreeMap<String, Estimate>,
}

impl Subgroups {
    /// The group of a value.
    #[must_use]
    pub fn get(&self, value: &str) -> Option<&Subgroup> {
        self.groups.iter().find(|group| group.value == value)
    }
}
