//! What is known of one period's retrain: `experiments/<name>/retrain/<period>/state.json`, saved after each step.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::extract::Extracted;
use super::trigger::Triggered;
use crate::error::{Cause, ErrorKind, Result};
use crate::fs::{document, read_text};
use crate::names::{ExperimentName, ModelName, Version};
use crate::registry::Layout;
use crate::runs::record::write_json;

/// The steps in order, as they are named everywhere.
pub(super) const STEPS: [&str; 7] = ["trigger", "extract", "validate", "train", "decide", "verify", "prune"];

/// One period's retrain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The format of this file.
    pub format_version: u32,
    /// The retrain's name.
    pub name: ExperimentName,
    /// The model.
    pub model: ModelName,
    /// The period, such as `202611`; forced ones again have `202611_2`.
    pub period: String,
    /// When it began.
    pub begun_ms: i64,
    /// SHA-256 of the retrain config.
    pub config_sha256: String,
    /// Why it began.
    pub triggered: Option<Triggered>,
    /// The rows.
    pub extracted: Option<Extracted>,
    /// What they are like.
    pub validated: Option<Validated>,
    /// The candidates that are done, in the config's order.
    pub trained: Vec<Trained>,
    /// The best one against production.
    pub decided: Option<Decided>,
    /// Whether it serves.
    pub verified: Option<Verified>,
    /// What went.
    pub pruned: Option<Pruned>,
    /// How it ended.
    pub ended: Option<Ended>,
    /// People were told of the end.
    #[serde(default)]
    pub told: bool,
    /// Seconds of each step.
    pub seconds: BTreeMap<String, f64>,
}

/// What the rows are like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validated {
    /// Rows with a label.
    pub labelled: u64,
    /// Rows of each class.
    pub classes: BTreeMap<String, u64>,
    /// The share of nulls of each column that the candidates use.
    pub null_rates: BTreeMap<String, f64>,
}

/// A candidate that was tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trained {
    /// Its config.
    pub config: String,
    /// Its experiment.
    pub experiment: String,
    /// The version that came of it.
    pub version: Option<Version>,
    /// The run that made it.
    pub run_id: Option<String>,
    /// The metric by which the best is chosen.
    pub metric: String,
    /// Its value on the validation rows.
    pub validation: Option<f64>,
    /// Its value on the test rows.
    pub test: Option<f64>,
    /// Why there is no version.
    pub error: Option<String>,
}

/// What the gate made of the best candidate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decided {
    /// The best candidate.
    pub version: Version,
    /// On which rows it was the best: `validation` or `test`.
    pub chosen_on: String,
    /// The metric of the choice.
    pub metric: String,
    /// The version that was in production.
    pub production: Option<Version>,
    /// Its value of the version in production, on the rows that were compared.
    pub production_value: Option<f64>,
    /// The rows on which both were compared.
    pub compared_rows: Option<usize>,
    /// `promoted`, `refused`, `inconclusive`.
    pub decision: End,
    /// The stage that the candidate has now.
    pub stage: String,
    /// The lines of the gate, as the ledger keeps them.
    pub checks: serde_json::Value,
    /// Why, in words.
    pub reason: String,
}

/// Whether the new version serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verified {
    /// Golden rows that were asked through `active`.
    pub golden_rows: usize,
    /// Why the version before was put back.
    pub rolled_back: Option<String>,
}

/// What was pruned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pruned {
    /// Versions.
    pub versions: Vec<Version>,
    /// Snapshots.
    pub snapshots: Vec<String>,
}

/// How a retrain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// A new version serves.
    Promoted,
    /// The gate leads to Staging, and the new version waits there.
    Staged,
    /// The gate said no.
    Refused,
    /// The gate could not say.
    Inconclusive,
    /// The new version did not serve, and the one before is back.
    RolledBack,
    /// It was cut short before anything was decided, and its period is over.
    Abandoned,
}

impl End {
    /// Its stable name.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::RolledBack => "rolled_back",
            other => other.word(),
        }
    }

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Promoted => "promoted",
            Self::Staged => "staged",
            Self::Abandoned => "abandoned",
            Self::Refused => "refused",
            Self::Inconclusive => "inconclusive",
            Self::RolledBack => "rolled back",
        }
    }
}

/// What a call of `retrain` came to: the end of the period's retrain, or why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// Only the plan was asked for.
    Planned,
    /// There was nothing to do.
    Skipped,
    /// The retrain ended, now or before.
    #[serde(untagged)]
    Ended(End),
}

impl Conclusion {
    /// Its stable name, which is also the one in JSON.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Skipped => "skipped",
            Self::Ended(end) => end.code(),
        }
    }

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ended(end) => end.word(),
            other => other.code(),
        }
    }
}

/// The end of a retrain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ended {
    /// How.
    pub how: End,
    /// When.
    pub at_ms: i64,
}

impl State {
    /// The folder of a period's retrain.
    #[must_use]
    pub fn folder(layout: &Layout, name: &ExperimentName, period: &str) -> PathBuf {
        layout.retrains(name).join(period)
    }

    /// Reads a state; none when nothing has begun.
    ///
    /// # Errors
    /// `Failed` when the file is damaged.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join("state.json");
        match read_text(&path) {
            Ok(text) => {
                let state = document(&path.display().to_string(), &text, 1);
                state.map(Some).map_err(|error| match error.cause() {
                    Some(Cause::NewerFormat) => error,
                    _ => error.hint("remove it to begin the period anew"),
                })
            }
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The states of all periods, oldest first.
    ///
    /// # Errors
    /// `Failed` when one is damaged.
    pub fn all(layout: &Layout, name: &ExperimentName) -> Result<Vec<Self>> {
        let entries = std::fs::read_dir(layout.retrains(name)).into_iter().flatten();
        let folders = entries.filter_map(std::result::Result::ok).map(|entry| entry.path());
        let states = folders.map(|folder| Self::read(&folder)).collect::<Result<Vec<_>>>()?;
        let mut states: Vec<Self> = states.into_iter().flatten().collect();
        states.sort_by(|left, right| (left.begun_ms, &left.period).cmp(&(right.begun_ms, &right.period)));
        Ok(states)
    }

    /// Saves the state; it lasts when this returns.
    ///
    /// # Errors
    /// `Failed` when the disk refuses; the state before is then still there.
    pub fn save(&self, layout: &Layout) -> Result<()> {
        write_json(&Self::folder(layout, &self.name, &self.period).join("state.json"), self)
    }

    /// The steps and whether they are done, in order.
    #[must_use]
    pub fn steps(&self, n_candidates: usize) -> [(&'static str, bool); 7] {
        let [trigger, extract, validate, train, decide, verify, prune] = STEPS;
        [
            (trigger, self.triggered.is_some()),
            (extract, self.extracted.is_some()),
            (validate, self.validated.is_some()),
            (train, self.trained.len() >= n_candidates),
            (decide, self.decided.is_some()),
            (verify, self.verified.is_some()),
            (prune, self.pruned.is_some()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conclusion_has_one_name_in_json_and_in_tags() {
        let ends = [End::Promoted, End::Staged, End::Refused, End::Inconclusive, End::RolledBack, End::Abandoned];
        let all = [Conclusion::Planned, Conclusion::Skipped].into_iter().chain(ends.map(Conclusion::Ended));
        for conclusion in all {
            assert_eq!(serde_json::to_value(conclusion).unwrap(), conclusion.code());
            assert_eq!(conclusion.code().replace('_', " "), conclusion.word());
        }
    }
}
