//! What the tracking database gives back: plain structs, ready for JSON.
//!
//! JSON has no NaN and no infinity. A metric that is not finite is `null` there, and its status (`NaN`, `Infinity`,
//! `-Infinity`) stands beside it: as `status` in a single metric, under `metrics_status` in a run or a version.

use std::collections::BTreeMap;

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::error::{Error, Result};
use crate::names::{RunId, Version};

/// Which rows a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum View {
    /// What is not deleted.
    Active,
    /// What is deleted and can be restored.
    Deleted,
    /// Both.
    All,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// Its process works.
    Running,
    /// It is to start later.
    Scheduled,
    /// It ended well.
    Finished,
    /// It ended with an error.
    Failed,
    /// It was interrupted, or its process died.
    Killed,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Running, Self::Scheduled, Self::Finished, Self::Failed, Self::Killed];

    /// The name, in upper case.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Scheduled => "SCHEDULED",
            Self::Finished => "FINISHED",
            Self::Failed => "FAILED",
            Self::Killed => "KILLED",
        }
    }

    /// Parses a name, in any case.
    ///
    /// # Errors
    /// `Invalid` when no status has it.
    pub fn parse(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|status| status.as_str().eq_ignore_ascii_case(text)).ok_or_else(|| {
            Error::invalid(format!("unknown run status `{text}`"))
                .hint(crate::catalog::known_hint(text, Self::ALL.map(Self::as_str)))
        })
    }
}

/// Where a model version stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub enum Stage {
    /// Just registered.
    None,
    /// A candidate.
    Staging,
    /// The one in use; at most one version of a model.
    Production,
    /// No longer in use.
    Archived,
}

impl Stage {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::None, Self::Staging, Self::Production, Self::Archived];

    /// The name, as `MLflow` writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Staging => "Staging",
            Self::Production => "Production",
            Self::Archived => "Archived",
        }
    }

    /// Parses a name, in any case.
    ///
    /// # Errors
    /// `Invalid` when no stage has it.
    pub fn parse(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str().eq_ignore_ascii_case(text)).ok_or_else(|| {
            Error::invalid(format!("unknown stage `{text}`"))
                .hint(crate::catalog::known_hint(text, Self::ALL.map(Self::as_str)))
        })
    }
}

/// An experiment: a named set of runs.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Experiment {
    /// The number, given by the database.
    pub id: i64,
    /// The name.
    pub name: String,
    /// What it is about.
    pub description: String,
    /// `active` or `deleted`.
    pub lifecycle: String,
    /// When it was created.
    pub created_ms: i64,
    /// When it was last changed.
    pub updated_ms: i64,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// How many runs of the same lifecycle it has.
    pub runs: u64,
}

/// One point of a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// The name.
    pub key: String,
    /// The value; may be NaN or ±Inf.
    pub value: f64,
    /// When it was measured.
    pub timestamp_ms: i64,
    /// At which step or epoch.
    pub step: i64,
}

/// The word for a value that JSON cannot hold.
fn status(value: f64) -> Option<&'static str> {
    match value {
        value if value.is_nan() => Some("NaN"),
        f64::INFINITY => Some("Infinity"),
        f64::NEG_INFINITY => Some("-Infinity"),
        _ => None,
    }
}

impl Serialize for Metric {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("key", &self.key)?;
        map.serialize_entry("value", &Some(self.value).filter(|value| value.is_finite()))?;
        if let Some(status) = status(self.value) {
            map.serialize_entry("status", status)?;
        }
        map.serialize_entry("timestamp_ms", &self.timestamp_ms)?;
        map.serialize_entry("step", &self.step)?;
        map.end()
    }
}

/// `metrics`, and `metrics_status` when one of them is not finite.
fn metrics_with_status<S: Serializer>(metrics: &BTreeMap<String, f64>, serializer: S) -> Result<S::Ok, S::Error> {
    let values: BTreeMap<&str, Option<f64>> =
        metrics.iter().map(|(key, value)| (key.as_str(), Some(*value).filter(|value| value.is_finite()))).collect();
    let told: BTreeMap<&str, &str> =
        metrics.iter().filter_map(|(key, value)| Some((key.as_str(), status(*value)?))).collect();
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry("metrics", &values)?;
    if !told.is_empty() {
        map.serialize_entry("metrics_status", &told)?;
    }
    map.end()
}

/// One metric of one run, over its whole history.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct MetricSummary {
    /// The earliest point.
    pub first: Metric,
    /// The latest point.
    pub last: Metric,
    /// The smallest number; `None` when every point was NaN.
    pub min: Option<f64>,
    /// The largest number.
    pub max: Option<f64>,
}

/// A file that a run left behind.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Artifact {
    /// The path below the run's folder.
    pub path: String,
    /// The size in bytes.
    pub size: u64,
    /// The SHA-256 of its bytes.
    pub sha256: String,
}

/// A data set that a run read.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Input {
    /// A short name.
    pub name: String,
    /// The fingerprint of its rows.
    pub digest: String,
    /// Where it came from.
    pub source: String,
    /// How many rows it has.
    pub rows: u64,
    /// What it was used for: `train`, `validation`, `test`.
    pub context: String,
}

/// The process that executes a run, named so that a dead one is recognised after a reboot or a reused pid.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Process {
    /// The process id.
    pub pid: u32,
    /// The kernel's id of this boot.
    pub boot_id: String,
    /// When the process started, in the kernel's ticks since boot.
    pub started: u64,
}

/// A run about to start.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct NewRun<'a> {
    /// Its id.
    pub id: &'a RunId,
    /// The experiment it belongs to.
    pub experiment_id: i64,
    /// A name for people.
    pub name: &'a str,
    /// The command that makes it: `train`, `evaluate`, `embed`, `manual`, or one of [`super::BOOKKEEPING`].
    pub command: &'a str,
    /// Who executes it.
    pub process: Option<&'a Process>,
    /// When it starts.
    pub start_ms: i64,
}

/// A run with its params, latest metrics and tags.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Run {
    /// Its id.
    #[serde(rename = "run_id")]
    pub id: RunId,
    /// The number of its experiment.
    pub experiment_id: i64,
    /// The name of its experiment.
    pub experiment: String,
    /// A name for people.
    pub name: String,
    /// The command that made it.
    pub command: String,
    /// Where it stands.
    pub status: Status,
    /// `active` or `deleted`.
    pub lifecycle: String,
    /// When it started.
    pub start_ms: i64,
    /// When it ended.
    pub end_ms: Option<i64>,
    /// What it was told.
    pub params: BTreeMap<String, String>,
    /// The latest value of each metric.
    #[serde(flatten, serialize_with = "metrics_with_status")]
    pub metrics: BTreeMap<String, f64>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// How long the ended runs of an experiment took.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Durations {
    /// How many runs have ended.
    pub count: u64,
    /// Their mean.
    pub mean_ms: f64,
    /// Their median; of an even number of runs, the mean of the middle two.
    pub median_ms: f64,
    /// Their sum.
    pub total_ms: i64,
}

/// One metric over the active runs of an experiment, from each run's latest value.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct MetricStatistics {
    /// How many runs have a finite value.
    pub count: u64,
    /// How many have NaN or ±Inf, which nothing below includes.
    pub non_finite: u64,
    /// The smallest; `None` when `count` is 0.
    pub min: Option<f64>,
    /// The largest.
    pub max: Option<f64>,
    /// The mean.
    pub mean: Option<f64>,
    /// The sample standard deviation (n − 1); `None` below two runs.
    pub sd: Option<f64>,
}

/// An experiment in numbers: its active runs.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct ExperimentStatistics {
    /// How many runs stand where.
    pub runs: BTreeMap<Status, u64>,
    /// When the first one started.
    pub first_start_ms: Option<i64>,
    /// When the last one started.
    pub last_start_ms: Option<i64>,
    /// How long they took; `None` when none has ended.
    pub durations: Option<Durations>,
    /// Each metric.
    pub metrics: BTreeMap<String, MetricStatistics>,
}

/// A version of a registered model.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct ModelVersion {
    /// The model's name.
    pub model: String,
    /// The version.
    pub version: Version,
    /// The run that made it.
    pub run_id: Option<RunId>,
    /// Where it stands.
    pub stage: Stage,
    /// When it was registered.
    pub created_ms: i64,
    /// When its stage last changed.
    pub updated_ms: i64,
    /// The SHA-256 of its manifest.
    pub manifest_sha256: String,
    /// What it is.
    pub description: String,
    /// The aliases that point to it.
    pub aliases: Vec<String>,
    /// Who keeps it from being removed, and why.
    pub pinned: Option<Pin>,
    /// The latest metrics of its run.
    #[serde(flatten, serialize_with = "metrics_with_status")]
    pub metrics: BTreeMap<String, f64>,
}

/// A version that is to be kept, whatever its age.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Pin {
    /// Since when.
    pub at_ms: i64,
    /// Who pinned it.
    pub actor: String,
    /// Why; may be empty.
    pub reason: String,
}

/// A registered model.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RegisteredModel {
    /// The name.
    pub name: String,
    /// When its first version was registered.
    pub created_ms: i64,
    /// How many versions it has.
    pub versions: u32,
    /// The newest one.
    pub latest: Option<Version>,
    /// Those in Staging.
    pub staging: Vec<Version>,
    /// The one in Production.
    pub production: Option<Version>,
    /// Where the aliases point.
    pub aliases: BTreeMap<String, Version>,
    /// Those that are pinned.
    pub pinned: Vec<Version>,
}

/// One line of the ledger: who decided what about a version, when, why and on what evidence.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct LedgerEntry {
    /// Its number, rising.
    pub id: i64,
    /// The model's name.
    pub model: String,
    /// The version.
    pub version: Version,
    /// When.
    pub at_ms: i64,
    /// `registered`, `promoted`, `confirmed`, `refused`, `archived`, `rolled_back`, `alias_set`, `alias_removed`, `pinned`,
    /// `unpinned`, `drift_reset`, `deleted` (by a person), `pruned` (by age).
    pub action: String,
    /// The stage before, when it changed.
    pub from: Option<Stage>,
    /// The stage after.
    pub to: Option<Stage>,
    /// Who held Production before, when this version took it.
    pub previous: Option<Version>,
    /// Who did it.
    pub actor: String,
    /// Whether a gate was overruled.
    pub forced: bool,
    /// Why.
    pub reason: String,
    /// The numbers behind it.
    pub evidence: serde_json::Value,
}

impl LedgerEntry {
    /// The alias that was set or removed; none for other actions.
    #[must_use]
    pub fn alias(&self) -> Option<&str> {
        self.evidence.get("alias")?.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_says_what_it_cannot_hold() {
        let metric = Metric { key: "loss".into(), value: f64::NEG_INFINITY, timestamp_ms: 5, step: 1 };
        let expected = r#"{"key":"loss","value":null,"status":"-Infinity","timestamp_ms":5,"step":1}"#;
        assert_eq!(serde_json::to_string(&metric).unwrap(), expected);
        let metric = Metric { value: 0.5, ..metric };
        let expected = r#"{"key":"loss","value":0.5,"timestamp_ms":5,"step":1}"#;
        assert_eq!(serde_json::to_string(&metric).unwrap(), expected);

        let version = ModelVersion {
            model: "m".into(),
            version: Version(1),
            run_id: None,
            stage: Stage::None,
            created_ms: 1,
            updated_ms: 1,
            manifest_sha256: "a".into(),
            description: String::new(),
            aliases: vec![],
            pinned: None,
            metrics: [("f1".into(), 0.5), ("loss".into(), f64::NAN)].into(),
        };
        let json = serde_json::to_value(&version).unwrap();
        assert_eq!(json["metrics"], serde_json::json!({"f1": 0.5, "loss": null}));
        assert_eq!(json["metrics_status"], serde_json::json!({"loss": "NaN"}));
        assert_eq!((&json["version"], &json["stage"]), (&1.into(), &"None".into()));
    }

    #[test]
    fn statuses_and_stages_parse() {
        for status in Status::ALL {
            assert_eq!(Status::parse(&status.as_str().to_lowercase()).unwrap(), status);
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
        for stage in Stage::ALL {
            assert_eq!(Stage::parse(&stage.as_str().to_uppercase()).unwrap(), stage);
        }
        assert_eq!(Stage::parse("Produktion").unwrap_err().hint.unwrap(), "did you mean `Production`?");
    }
}
