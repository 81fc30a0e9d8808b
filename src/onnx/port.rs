//! What a file says of itself: the names, kinds and shapes of its inputs and outputs, and facts for readers.

use std::collections::BTreeMap;

use serde::Serialize;

/// What a tensor holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// 32-bit floating point.
    Float32,
    /// 64-bit floating point.
    Float64,
    /// 64-bit integers.
    Int64,
}

/// A named input or output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Port {
    /// Its name in the file.
    pub name: String,
    /// What it holds.
    pub dtype: Kind,
    /// Its shape: the batch axis `N`, then the width where there is one.
    pub shape: Vec<String>,
}

/// What a file says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The graph's name.
    pub name: String,
    /// The version of what it computes.
    pub version: i64,
    /// One line for people.
    pub about: String,
    /// Keys and values for readers of the file (`metadata_props`).
    pub metadata: BTreeMap<String, String>,
}
