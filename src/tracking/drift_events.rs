//! Drift events and resets: what a check found, once; and from when on older findings no longer call for a retrain.
//!
//! An event's id is made of model, feature, statistic and window, so a check that is repeated over the same window adds
//! nothing. Its time is the time of the data, UTC, not that of the check. Neither events nor resets are ever changed:
//! a reset only says that events before it no longer count, and leaves a line in the ledger.

use std::fmt;

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use serde_json::json;

use super::database::Tracker;
use super::failure::QueryResult;
use super::ledger::{Line, write_line};
use super::lookup::model_id;
use crate::error::{Error, Result};
use crate::fs::sha256;
use crate::names::{ModelName, Version};

/// How far a distribution has moved, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Significant, and small.
    Normal,
    /// Slight.
    Slight,
    /// Significant.
    Significant,
    /// Severe: one such event on a full window asks for a retrain.
    Severe,
}

impl Severity {
    /// All, from the least on.
    pub const ALL: [Self; 4] = [Self::Normal, Self::Slight, Self::Significant, Self::Severe];

    /// The name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Slight => "slight",
            Self::Significant => "significant",
            Self::Severe => "severe",
        }
    }

    /// 0 for the least, 3 for the worst: what dashboards count with.
    #[must_use]
    pub fn rank(self) -> u8 {
        self as u8
    }

    /// Reads a name.
    ///
    /// # Errors
    /// `Invalid` when it is none.
    pub fn parse(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text).ok_or_else(|| {
            Error::invalid(format!("`{text}` is no severity")).hint("normal, slight, significant, severe")
        })
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// Drift that a check found in one feature of one window.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DriftEvent {
    /// [`DriftEvent::identify`] of model, feature, statistic and window.
    pub id: String,
    /// The model.
    pub model: ModelName,
    /// The version whose reference was compared with.
    pub version: Version,
    /// The feature: `score`, `prediction`, `text_length`, a column.
    pub feature: String,
    /// The statistic: `kl`, `psi`, …
    pub statistic: String,
    /// Its value; JSON has `null` for one that is no finite number.
    pub value: f64,
    /// What it was held against.
    pub threshold: f64,
    /// How bad it is.
    pub severity: Severity,
    /// The time of the window's earliest row, in milliseconds since the epoch.
    pub window_from_ms: i64,
    /// The time of its latest row.
    pub window_to_ms: i64,
    /// Rows in the window.
    pub n: usize,
    /// Whether the window was full.
    pub full_window: bool,
    /// When the check recorded it.
    pub recorded_ms: i64,
}

impl DriftEvent {
    /// The id of the event that this statistic of this feature drifted in this window: SHA-256, in hexadecimal digits.
    /// `window` names the version and the rows: [`super::prediction_log::Window::key`], or version and fingerprint of a
    /// file. What was found for one version must not hide what the next one sees in the same rows.
    #[must_use]
    pub fn identify(model: &ModelName, feature: &str, statistic: &str, window: &str) -> String {
        // Lengths keep two lists of texts apart whose joined letters are the same.
        let parts = [model.as_str(), feature, statistic, window].map(|part| format!("{}:{part}", part.len()));
        sha256(parts.join("|").as_bytes())
    }
}

/// From when on older events no longer count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DriftReset {
    /// The model.
    pub model: String,
    /// When, in milliseconds since the epoch.
    pub at_ms: i64,
    /// Who did it.
    pub actor: String,
    /// Why.
    pub reason: String,
}

const COLUMNS: &str =
    "id, model, version, feature, statistic, value, threshold, severity, window_from_ms, window_to_ms,
    n, full_window, recorded_ms";

impl Tracker {
    /// Adds events, all or none; one whose id is there already stays as it was. Gives how many are new.
    ///
    /// # Errors
    /// `Failed` when the database refuses.
    pub fn add_drift_events(&self, events: &[DriftEvent]) -> Result<usize> {
        if events.is_empty() {
            return Ok(0);
        }
        self.write(|connection| {
            let mut statement = connection.prepare_cached(&format!(
                "INSERT INTO drift_events ({COLUMNS})
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) ON CONFLICT (id) DO NOTHING"
            ))?;
            let mut added = 0;
            for event in events {
                added += statement.execute(params![
                    event.id,
                    event.model.as_str(),
                    event.version.0,
                    event.feature,
                    event.statistic,
                    event.value,
                    event.threshold,
                    event.severity.as_str(),
                    event.window_from_ms,
                    event.window_to_ms,
                    i64::try_from(event.n).unwrap_or(i64::MAX),
                    event.full_window,
                    event.recorded_ms,
                ])?;
            }
            Ok(added)
        })
    }

    /// The events of a model whose windows ended at `since_ms` or later, in the order of the data's time.
    ///
    /// # Errors
    /// `Failed` when the database does.
    pub fn drift_events(&self, model: &str, since_ms: i64) -> Result<Vec<DriftEvent>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM drift_events WHERE model = ?1 AND window_to_ms >= ?2
                 ORDER BY window_to_ms, window_from_ms, feature, statistic, id"
            ))?;
            let mut rows = statement.query(params![model, since_ms])?;
            let mut events = Vec::new();
            while let Some(row) = rows.next()? {
                events.push(read(row)?);
            }
            Ok(events)
        })
    }

    /// The models that have events or resets, by name.
    ///
    /// # Errors
    /// `Failed` when the database does.
    pub fn models_with_drift(&self) -> Result<Vec<String>> {
        self.read(|connection| {
            let sql = "SELECT model FROM drift_events UNION SELECT model FROM drift_resets ORDER BY 1";
            let mut statement = connection.prepare_cached(sql)?;
            Ok(statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Says that the events so far no longer count, with a line in the ledger at the version in Production, else the
    /// newest one.
    ///
    /// # Errors
    /// `NotFound` when there is no such model.
    pub fn add_drift_reset(&self, model: &str, actor: &str, reason: &str, now_ms: i64) -> Result<()> {
        self.write(|connection| {
            let id = model_id(connection, model)?;
            connection.execute(
                "INSERT INTO drift_resets (model, at_ms, actor, reason) VALUES (?1, ?2, ?3, ?4)",
                params![model, now_ms, actor, reason],
            )?;
            let Some(version) = reset_version(connection, id)? else { return Ok(()) };
            let events: i64 =
                connection
                    .query_row("SELECT count(*) FROM drift_events WHERE model = ?1", [model], |row| row.get(0))?;
            let evidence = json!({"drift_events": events});
            let line = Line { reason, evidence: &evidence, ..Line::new(model, version, "drift_reset", actor, now_ms) };
            write_line(connection, &line)
        })
    }

    /// The last reset of a model: the one that was written last, whatever its clock said.
    ///
    /// # Errors
    /// `Failed` when the database does.
    pub fn last_drift_reset(&self, model: &str) -> Result<Option<DriftReset>> {
        self.read(|connection| {
            let sql = "SELECT model, at_ms, actor, reason FROM drift_resets WHERE model = ?1 ORDER BY id DESC LIMIT 1";
            let mut statement = connection.prepare_cached(sql)?;
            let reset = |row: &Row<'_>| {
                Ok(DriftReset { model: row.get(0)?, at_ms: row.get(1)?, actor: row.get(2)?, reason: row.get(3)? })
            };
            Ok(statement.query_row([model], reset).optional()?)
        })
    }
}

fn reset_version(connection: &Connection, model: i64) -> QueryResult<Option<Version>> {
    let sql =
        "SELECT version FROM model_versions WHERE model = ?1 ORDER BY stage = 'Production' DESC, version DESC LIMIT 1";
    Ok(connection.query_row(sql, [model], |row| row.get(0).map(Version)).optional()?)
}

fn read(row: &Row<'_>) -> QueryResult<DriftEvent> {
    let (model, severity): (String, String) = (row.get(1)?, row.get(7)?);
    // SQLite has no NaN: it is stored as null.
    let number = |at: usize| -> rusqlite::Result<f64> { Ok(row.get::<_, Option<f64>>(at)?.unwrap_or(f64::NAN)) };
    Ok(DriftEvent {
        id: row.get(0)?,
        model: ModelName::parse(&model)?,
        version: Version(row.get(2)?),
        feature: row.get(3)?,
        statistic: row.get(4)?,
        value: number(5)?,
        threshold: number(6)?,
        severity: Severity::parse(&severity)?,
        window_from_ms: row.get(8)?,
        window_to_ms: row.get(9)?,
        n: usize::try_from(row.get::<_, i64>(10)?).unwrap_or_default(),
        full_window: row.get(11)?,
        recorded_ms: row.get(12)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::tracking::runs::tests::Store;

    fn event(feature: &str, window: &str, to_ms: i64) -> DriftEvent {
        let model = ModelName::parse("reviews").unwrap();
        DriftEvent {
            id: DriftEvent::identify(&model, feature, "kl", window),
            model,
            version: Version(1),
            feature: feature.into(),
            statistic: "kl".into(),
            value: 0.4,
            threshold: 0.02,
            severity: Severity::Slight,
            window_from_ms: to_ms - 10,
            window_to_ms: to_ms,
            n: 1000,
            full_window: true,
            recorded_ms: to_ms + 1,
        }
    }

    #[test]
    fn an_event_counts_once_however_often_it_is_found() {
        let store = Store::with_versions(1);
        let (first, second) = (event("score", "1-1000", 100), event("text_length", "1-1000", 100));
        assert_eq!(store.add_drift_events(&[first.clone(), second.clone()]).unwrap(), 2);
        let again = DriftEvent { value: 0.9, recorded_ms: 500, ..first.clone() };
        let later = event("score", "1001-2000", 200);
        assert_eq!(store.add_drift_events(&[again, later.clone(), later.clone()]).unwrap(), 1);
        assert_eq!(store.drift_events("reviews", 0).unwrap(), [first, second, later.clone()]);
        assert_eq!(store.drift_events("reviews", 101).unwrap(), std::slice::from_ref(&later));
        assert_eq!(store.drift_events("reviews", 200).unwrap(), [later]);
        assert_eq!(store.drift_events("other", 0).unwrap(), []);
        assert_eq!(store.models_with_drift().unwrap(), ["reviews"]);
        assert_eq!(store.add_drift_events(&[]).unwrap(), 0);
    }

    #[test]
    fn of_many_writers_at_once_one_adds_it() {
        let store = Store::with_versions(1);
        let events: Vec<DriftEvent> = (0..50).map(|at| event("score", &at.to_string(), at)).collect();
        let added: usize = std::thread::scope(|scope| {
            let add = || Tracker::open(store.path()).unwrap().add_drift_events(&events).unwrap();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(add)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!((added, store.drift_events("reviews", 0).unwrap().len()), (50, 50));
    }

    #[test]
    fn numbers_that_are_none_come_back() {
        let store = Store::with_versions(1);
        let odd = DriftEvent { value: f64::NAN, threshold: f64::INFINITY, ..event("a", "w", 5) };
        store.add_drift_events(&[odd]).unwrap();
        let found = store.drift_events("reviews", 0).unwrap().remove(0);
        assert!(found.value.is_nan() && found.threshold == f64::INFINITY);
        assert_eq!(serde_json::to_value(&found).unwrap()["value"], serde_json::Value::Null);
    }

    #[test]
    fn ids_keep_their_parts_apart() {
        let model = |name: &str| ModelName::parse(name).unwrap();
        let base = DriftEvent::identify(&model("a"), "b", "c", "d");
        // `printf '1:a|1:b|1:c|1:d' | sha256sum`
        assert_eq!(base, sha256(b"1:a|1:b|1:c|1:d"));
        for other in [
            DriftEvent::identify(&model("ab"), "", "c", "d"),
            DriftEvent::identify(&model("a"), "bc", "", "d"),
            DriftEvent::identify(&model("a"), "b|1:c", "", "d"),
            DriftEvent::identify(&model("a"), "b", "c", "e"),
        ] {
            assert_ne!(other, base);
        }
    }

    #[test]
    fn a_reset_is_kept_with_who_and_why_and_stands_in_the_ledger() {
        let store = Store::with_versions(2);
        assert_eq!(store.last_drift_reset("reviews").unwrap(), None);
        store.add_drift_events(&[event("score", "w", 5)]).unwrap();
        store.add_drift_reset("reviews", "kim", "source repaired", 50).unwrap();
        store.add_drift_reset("reviews", "cron", "retrained: v2", 40).unwrap();
        let last = store.last_drift_reset("reviews").unwrap().unwrap();
        assert_eq!((last.at_ms, last.actor.as_str(), last.reason.as_str()), (40, "cron", "retrained: v2"));
        assert_eq!(store.drift_events("reviews", 0).unwrap().len(), 1, "events stay");
        let lines = store.history("reviews").unwrap();
        let line = &lines[2];
        assert_eq!((line.action.as_str(), line.version, line.actor.as_str()), ("drift_reset", Version(2), "kim"));
        assert_eq!((line.to, &line.evidence), (None, &json!({"drift_events": 1})));
        assert_eq!(store.add_drift_reset("review", "kim", "", 60).unwrap_err().kind, ErrorKind::NotFound);
        assert_eq!(store.models_with_drift().unwrap(), ["reviews"]);
    }

    #[test]
    fn severities_are_ordered_and_parse() {
        assert!(Severity::ALL.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(Severity::ALL.map(Severity::rank), [0, 1, 2, 3]);
        for one in Severity::ALL {
            assert_eq!(Severity::parse(one.as_str()).unwrap(), one);
            assert_eq!(serde_json::to_value(one).unwrap(), one.as_str());
        }
        assert!(Severity::parse("Severe!").is_err());
    }
}
