//! What a run leaves, and how it is read back: params (write-once), metrics (whole history and the latest point),
//! tags, artifacts, inputs.
//!
//! Everything of one call is one transaction. Logging the same thing twice changes nothing, so a caller may retry.
//! The latest point of a metric is the one with the greatest (timestamp, step, value); at the same time and step NaN
//! counts as greater than every number, so that a diverged loss is not hidden.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::database::Tracker;
use super::failure::QueryResult;
use super::keys::{check_key, check_length, check_path, check_tag, short};
use super::lookup::{seq, writable};
use super::record::{Artifact, Input, Metric, MetricSummary};
use crate::error::{Error, Result};
use crate::names::RunId;

const PARAM_LIMIT: usize = 6000;

/// Things to log together.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Batch<'a> {
    /// Params, write-once.
    pub params: &'a [(String, String)],
    /// Points of metrics.
    pub metrics: &'a [Metric],
    /// Tags; the last value stays.
    pub tags: &'a [(String, String)],
    /// Files.
    pub artifacts: &'a [Artifact],
    /// Data sets.
    pub inputs: &'a [Input],
}

impl Tracker {
    /// Logs params. The same value again is fine.
    ///
    /// # Errors
    /// `NotFound` (no such run), `Invalid` (deleted run, wrong key, too long, or another value is there already).
    pub fn log_params(&self, id: &RunId, params: &[(String, String)]) -> Result<()> {
        self.log_batch(id, &Batch { params, ..Batch::default() })
    }

    /// Logs points of metrics.
    ///
    /// # Errors
    /// `NotFound` (no such run), `Invalid` (deleted run, wrong key).
    pub fn log_metrics(&self, id: &RunId, metrics: &[Metric]) -> Result<()> {
        self.log_batch(id, &Batch { metrics, ..Batch::default() })
    }

    /// Sets tags; a tag that is there gets the new value.
    ///
    /// # Errors
    /// `NotFound` (no such run), `Invalid` (deleted run, wrong key, too long).
    pub fn set_tags(&self, id: &RunId, tags: &[(String, String)]) -> Result<()> {
        self.log_batch(id, &Batch { tags, ..Batch::default() })
    }

    /// Logs everything of a batch, or nothing of it.
    ///
    /// # Errors
    /// `NotFound` (no such run), `Invalid` (what one of its parts says).
    pub fn log_batch(&self, id: &RunId, batch: &Batch<'_>) -> Result<()> {
        for (key, value) in batch.params {
            check_key("a param", key)?;
            check_length("param", key, value, PARAM_LIMIT)?;
        }
        for metric in batch.metrics {
            check_key("a metric", &metric.key)?;
        }
        for (key, value) in batch.tags {
            check_tag(key, value)?;
        }
        for artifact in batch.artifacts {
            check_path(&artifact.path)?;
        }
        self.write(|connection| {
            let run = writable(connection, id)?;
            log_params(connection, run, batch.params)?;
            log_metrics(connection, run, batch.metrics)?;
            let mut statement = connection.prepare_cached("INSERT OR REPLACE INTO tags VALUES (?1, ?2, ?3)")?;
            for (key, value) in batch.tags {
                statement.execute(params![run, key, value])?;
            }
            let mut statement =
                connection.prepare_cached("INSERT OR REPLACE INTO artifacts VALUES (?1, ?2, ?3, ?4)")?;
            for Artifact { path, size, sha256 } in batch.artifacts {
                statement.execute(params![run, path, size.cast_signed(), sha256])?;
            }
            let mut statement =
                connection.prepare_cached("INSERT OR REPLACE INTO inputs VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
            for Input { name, digest, source, rows, context } in batch.inputs {
                statement.execute(params![run, context, name, digest, source, rows.cast_signed()])?;
            }
            Ok(())
        })
    }

    /// Every point of a metric, by time, then step, then value; empty when the run has none.
    ///
    /// # Errors
    /// `NotFound` when there is no such run.
    pub fn metric_history(&self, id: &RunId, key: &str) -> Result<Vec<Metric>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT is_nan, value, timestamp_ms, step FROM metrics WHERE run = ?1 AND key = ?2
                 ORDER BY timestamp_ms, step, is_nan, value",
            )?;
            let rows = statement.query_map(params![seq(connection, id)?, key], |row| point(row, key, 0))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// First, last, smallest and largest value of each metric of a run.
    ///
    /// # Errors
    /// `NotFound` when there is no such run.
    pub fn metric_summaries(&self, id: &RunId) -> Result<BTreeMap<String, MetricSummary>> {
        self.read(|connection| {
            let run = seq(connection, id)?;
            let mut first = connection.prepare_cached(
                "SELECT is_nan, value, timestamp_ms, step FROM metrics WHERE run = ?1 AND key = ?2
                 ORDER BY timestamp_ms, step, is_nan, value LIMIT 1",
            )?;
            let mut statement = connection.prepare_cached(
                "SELECT key, min, max, is_nan, value, timestamp_ms, step FROM latest_metrics WHERE run = ?1",
            )?;
            let rows = statement.query_map([run], |row| {
                let key: String = row.get(0)?;
                let summary = MetricSummary {
                    first: first.query_row(params![run, key], |row| point(row, &key, 0))?,
                    last: point(row, &key, 3)?,
                    min: row.get(1)?,
                    max: row.get(2)?,
                };
                Ok((key, summary))
            })?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// The files of a run, by path.
    ///
    /// # Errors
    /// `NotFound` when there is no such run.
    pub fn artifacts(&self, id: &RunId) -> Result<Vec<Artifact>> {
        self.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT path, size, sha256 FROM artifacts WHERE run = ?1 ORDER BY path")?;
            let rows = statement.query_map([seq(connection, id)?], |row| {
                Ok(Artifact { path: row.get(0)?, size: row.get::<_, i64>(1)?.cast_unsigned(), sha256: row.get(2)? })
            })?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// The data sets of a run, by context and name.
    ///
    /// # Errors
    /// `NotFound` when there is no such run.
    pub fn inputs(&self, id: &RunId) -> Result<Vec<Input>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT name, digest, source, rows, context FROM inputs WHERE run = ?1 ORDER BY context, name, digest",
            )?;
            let rows = statement.query_map([seq(connection, id)?], |row| {
                Ok(Input {
                    name: row.get(0)?,
                    digest: row.get(1)?,
                    source: row.get(2)?,
                    rows: row.get::<_, i64>(3)?.cast_unsigned(),
                    context: row.get(4)?,
                })
            })?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }
}

fn log_params(connection: &Connection, run: i64, params: &[(String, String)]) -> QueryResult<()> {
    let mut insert = connection.prepare_cached("INSERT OR IGNORE INTO params VALUES (?1, ?2, ?3, ?4)")?;
    let mut select = connection.prepare_cached("SELECT value FROM params WHERE run = ?1 AND key = ?2")?;
    for (key, value) in params {
        let number = value.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        if insert.execute(params![run, key, number, value])? == 1 {
            continue;
        }
        let found: Option<String> = select.query_row(params![run, key], |row| row.get(0)).optional()?;
        if let Some(found) = found.filter(|found| found != value) {
            let text = format!("param `{key}` is `{}` and cannot become `{}`", short(&found), short(value));
            return Err(Error::invalid(text)
                .hint("a param is written once: start a new run for the new value, or log it under another key")
                .into());
        }
    }
    Ok(())
}

fn log_metrics(connection: &Connection, run: i64, metrics: &[Metric]) -> QueryResult<()> {
    let mut history = connection.prepare_cached("INSERT OR IGNORE INTO metrics VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    // The rest of the row follows the latest point; min and max follow every number.
    let mut latest = connection.prepare_cached(
        "INSERT INTO latest_metrics (run, key, timestamp_ms, step, is_nan, value, min, max)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)
         ON CONFLICT (run, key) DO UPDATE SET
           min = min(coalesce(min, excluded.min), coalesce(excluded.min, min)),
           max = max(coalesce(max, excluded.max), coalesce(excluded.max, max)),
           (timestamp_ms, step, is_nan, value) = (SELECT timestamp_ms, step, is_nan, value
             UNION ALL SELECT ?3, ?4, ?5, ?6 ORDER BY 1 DESC, 2 DESC, 3 DESC, 4 DESC LIMIT 1)",
    )?;
    for Metric { key, value, timestamp_ms, step } in metrics {
        let is_nan = value.is_nan();
        let stored = if is_nan { 0.0 } else { *value };
        if history.execute(params![run, key, timestamp_ms, step, is_nan, stored])? == 1 {
            let number = (!is_nan).then_some(stored);
            latest.execute(params![run, key, timestamp_ms, step, is_nan, stored, number])?;
        }
    }
    Ok(())
}

/// A metric's point from the columns `is_nan, value, timestamp_ms, step`, which begin at `at`.
fn point(row: &Row<'_>, key: &str, at: usize) -> rusqlite::Result<Metric> {
    let value = if row.get(at)? { f64::NAN } else { row.get(at + 1)? };
    Ok(Metric { key: key.to_owned(), value, timestamp_ms: row.get(at + 2)?, step: row.get(at + 3)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::tracking::Tracker;
    use crate::tracking::runs::tests::{Store, id, metric};

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn params_are_written_once() {
        let store = Store::new();
        store.start(1, 1, "train", 1);
        store.log_params(&id(1), &[pair("C", "1.0"), pair("model/kind", "lr")]).unwrap();
        store.log_params(&id(1), &[pair("C", "1.0")]).unwrap();
        let error = store.log_params(&id(1), &[pair("new", "x"), pair("C", "2.0")]).unwrap_err();
        assert_eq!(
            (error.kind, error.message.as_str()),
            (ErrorKind::Invalid, "param `C` is `1.0` and cannot become `2.0`")
        );
        assert!(error.hint.unwrap().contains("start a new run"));
        let expected = [pair("C", "1.0"), pair("model/kind", "lr")].into();
        assert_eq!(store.run(id(1).as_str()).unwrap().params, expected, "the refused batch left `new` behind");

        store.log_params(&id(1), &[pair("long", &"값".repeat(6000))]).unwrap();
        let error = store.log_params(&id(1), &[pair("longer", &"값".repeat(6001))]).unwrap_err();
        assert!(error.message.contains("6001 characters, 6000 at most"), "{error}");
        assert_eq!(store.log_params(&id(9), &[]).unwrap_err().kind, ErrorKind::NotFound);
    }

    #[test]
    fn keys_are_clean_paths() {
        for good in ["f1", "ndcg@10", "val/f1", "steps[0].embedding", "합격률 평균", "mlflow.runName", &"x".repeat(250)]
        {
            check_key("a tag", good).unwrap();
        }
        for bad in ["", "../x", "/x", "x/", "a//b", "a/./b", ".", "..", " a", "a;b", "a\nb", "a'b", &"x".repeat(251)] {
            assert!(check_key("a tag", bad).is_err(), "{bad:?}");
        }
        for good in ["plots/roc (1).svg", "/srv/out/e.parquet", "a\\b"] {
            check_path(good).unwrap();
        }
        for bad in ["", "/", "../x", "/srv/../x", "//x", "a\0", "a/"] {
            assert!(check_path(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn nan_and_infinity_come_back() {
        let store = Store::new();
        store.start(1, 1, "train", 1);
        let points = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.5, 0.0, f64::MIN_POSITIVE];
        let logged: Vec<Metric> = (1..).zip(points).map(|(at, value)| metric("loss", value, at)).collect();
        store.log_metrics(&id(1), &logged).unwrap();
        let back = store.metric_history(&id(1), "loss").unwrap();
        assert!(back[0].value.is_nan());
        assert_eq!(back[1..], logged[1..]);
        store.log_metrics(&id(1), &[metric("nan", f64::NAN, 1)]).unwrap();
        let summaries = store.metric_summaries(&id(1)).unwrap();
        assert_eq!((summaries["loss"].min, summaries["loss"].max), (Some(f64::NEG_INFINITY), Some(f64::INFINITY)));
        assert!(summaries["loss"].first.value.is_nan() && summaries["nan"].last.value.is_nan());
        assert_eq!((summaries["nan"].min, summaries["nan"].max), (None, None));
    }

    #[test]
    fn the_latest_point_is_by_time_then_step_then_value() {
        let store = Store::new();
        store.start(1, 1, "train", 1);
        let log = |value, timestamp_ms, step| {
            store.log_metrics(&id(1), &[Metric { key: "f1".into(), value, timestamp_ms, step }]).unwrap();
            store.run(id(1).as_str()).unwrap().metrics["f1"]
        };
        assert_eq!(log(0.5, 10, 5), 0.5);
        assert_eq!(log(0.9, 9, 99), 0.5, "an earlier point logged late");
        assert_eq!(log(0.4, 10, 6), 0.4, "same time, later step");
        assert_eq!(log(0.3, 10, 6), 0.4, "same time and step, smaller value");
        assert_eq!(log(0.6, 10, 6), 0.6, "same time and step, greater value");
        assert_eq!(log(0.1, 11, 0), 0.1, "later time, earlier step");
        assert!(log(f64::NAN, 11, 0).is_nan());
        assert_eq!(log(0.2, 12, 0), 0.2);
        assert_eq!(log(0.2, 12, 0), 0.2, "a retry");
        let history = store.metric_history(&id(1), "f1").unwrap();
        assert_eq!(history.len(), 8);
        let summary = &store.metric_summaries(&id(1)).unwrap()["f1"];
        assert_eq!((summary.min, summary.max), (Some(0.1), Some(0.9)));
        assert_eq!((&summary.first, &summary.last), (&history[0], &history[7]));
        assert_eq!((summary.first.value, summary.last.value), (0.9, 0.2));
    }

    #[test]
    fn tags_artifacts_and_inputs_take_the_new_value() {
        let store = Store::new();
        store.start(1, 1, "train", 1);
        let artifact = Artifact { path: "metrics.json".into(), size: u64::from(u32::MAX) + 1, sha256: "ab".into() };
        let input = Input {
            name: "reviews".into(),
            digest: "d1".into(),
            source: "data/reviews.csv".into(),
            rows: 400,
            context: "train".into(),
        };
        let tags = [pair("team", "a"), pair("team", "b")];
        let batch = Batch {
            tags: &tags,
            artifacts: std::slice::from_ref(&artifact),
            inputs: std::slice::from_ref(&input),
            ..Batch::default()
        };
        store.log_batch(&id(1), &batch).unwrap();
        store.log_batch(&id(1), &batch).unwrap();
        assert_eq!(store.run(id(1).as_str()).unwrap().tags, [pair("team", "b")].into());
        assert_eq!(store.artifacts(&id(1)).unwrap(), [artifact]);
        assert_eq!(store.inputs(&id(1)).unwrap(), [input]);
    }

    #[test]
    fn concurrent_writers_lose_nothing() {
        let store = Store::new();
        store.start(1, 1, "train", 1);
        std::thread::scope(|scope| {
            for thread in 0..4_i64 {
                let path = store.path();
                scope.spawn(move || {
                    let own = Tracker::open(path).unwrap();
                    for batch in 0..200 {
                        let points =
                            [metric("shared", (1000 * thread + batch) as f64, batch), metric("loss", 0.5, batch)];
                        own.log_metrics(&id(1), &points).unwrap();
                    }
                });
            }
        });
        let shared = store.metric_history(&id(1), "shared").unwrap();
        let mut values: Vec<i64> = shared.iter().map(|point| point.value as i64).collect();
        values.sort_unstable();
        let expected: Vec<i64> = (0..4).flat_map(|thread| (0..200).map(move |batch| 1000 * thread + batch)).collect();
        assert_eq!(values, expected);
        // The same (time, step, value) from four writers is one point.
        assert_eq!(store.metric_history(&id(1), "loss").unwrap().len(), 200);
        assert_eq!(store.run(id(1).as_str()).unwrap().metrics["shared"], 3199.0);
    }
}
