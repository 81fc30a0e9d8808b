//! `data.json` of a run: which rows it was trained and tested on, and how many of them there were.

use serde::{Deserialize, Serialize};

use crate::data::Part;
use crate::data::rows::{Rows, TimeWindow};

/// `data.json` of a run: the rows that it was trained and tested on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataWindow {
    /// The format of this file.
    pub format_version: u32,
    /// Where the rows came from.
    pub source: String,
    /// SHA-256 of the rows.
    pub fingerprint: String,
    /// How many there were.
    pub rows: RowCounts,
    /// From when to when they are, where they are split by time.
    pub time: Option<TimeWindow>,
}

/// How many rows there were and what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowCounts {
    /// Rows in the source.
    pub read: usize,
    /// Rows skipped for want of a label.
    pub skipped_without_label: usize,
    /// Rows skipped for want of a text or a vector.
    pub skipped_without_input: usize,
    /// Rows for training.
    pub train: usize,
    /// Rows for validation.
    pub validation: usize,
    /// Rows for test.
    pub test: usize,
}

impl RowCounts {
    /// The counts of these rows.
    #[must_use]
    pub fn of(rows: &Rows) -> Self {
        let [train, validation, test] = Part::ALL.map(|part| rows.parts.iter().filter(|given| **given == part).count());
        Self {
            read: rows.n_read,
            skipped_without_label: rows.skipped_label,
            skipped_without_input: rows.skipped_input,
            train,
            validation,
            test,
        }
    }
}
