//! Runs: started, finished, found by the beginning of their id, deleted and restored.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::commands::{bookkeeping, no_candidates};
use super::database::Tracker;
use super::failure::QueryResult;
use super::lookup::{references, run_id, seq, unknown};
use super::record::{NewRun, Process, Run, Status};
use crate::error::{Error, Result};
use crate::names::RunId;

impl Tracker {
    /// Starts a run: its status is RUNNING.
    ///
    /// # Errors
    /// `NotFound` (no such experiment), `Invalid` (it is deleted, or the id is taken).
    pub fn start_run(&self, run: &NewRun<'_>) -> Result<()> {
        self.write(|connection| {
            let experiment = super::experiments::needed(connection, run.experiment_id)?;
            if experiment.lifecycle != "active" {
                let hint = format!("`mlops experiments restore \"{}\"` brings it back", experiment.name);
                return Err(Error::invalid(format!("experiment `{}` is deleted", experiment.name)).hint(hint).into());
            }
            let inserted = connection.execute(
                "INSERT OR IGNORE INTO runs
                   (id, experiment_id, name, command, status, start_ms, pid, boot_id, process_started)
                 VALUES (?1, ?2, ?3, ?4, 'RUNNING', ?5, ?6, ?7, ?8)",
                params![
                    run.id.as_str(),
                    run.experiment_id,
                    run.name,
                    run.command,
                    run.start_ms,
                    run.process.map(|process| process.pid),
                    run.process.map(|process| &process.boot_id),
                    run.process.map(|process| process.started.cast_signed()),
                ],
            )?;
            if inserted == 0 {
                return Err(Error::invalid(format!("run `{}` is there already", run.id.as_str())).into());
            }
            Ok(())
        })
    }

    /// Ends a run. An end before its start (a clock that was set back) counts as its start; the same status again
    /// changes nothing.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` when it has ended with another status, or `status` is not an end.
    pub fn finish_run(&self, id: &RunId, status: Status, end_ms: i64) -> Result<()> {
        if matches!(status, Status::Running | Status::Scheduled) {
            return Err(Error::invalid(format!("a run cannot end as {}", status.as_str())));
        }
        self.write(|connection| {
            let changed = connection.execute(
                "UPDATE runs SET status = ?2, end_ms = max(?3, start_ms)
                 WHERE id = ?1 AND status IN ('RUNNING', 'SCHEDULED')",
                params![id.as_str(), status.as_str(), end_ms],
            )?;
            if changed == 1 {
                return Ok(());
            }
            match one(connection, seq(connection, id)?)?.status {
                found if found == status => Ok(()),
                found => Err(Error::invalid(format!(
                    "run `{}` has ended as {} and cannot end as {}",
                    id.as_str(),
                    found.as_str(),
                    status.as_str()
                ))
                .into()),
            }
        })
    }

    /// Finds a run, deleted ones too, by its id or the beginning of it.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` when several begin so.
    pub fn run(&self, id_or_unique_prefix: &str) -> Result<Run> {
        let prefix = id_or_unique_prefix.trim().to_ascii_lowercase();
        let none = || {
            Error::not_found(format!("no run `{id_or_unique_prefix}`"))
                .hint("a run is named by its id or the beginning of it; `mlops runs list` shows them")
        };
        if prefix.is_empty() || !prefix.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(none());
        }
        self.read(|connection| {
            // `g` follows the last hexadecimal digit.
            let mut statement = connection
                .prepare_cached("SELECT seq, id FROM runs WHERE id >= ?1 AND id < ?1 || 'g' ORDER BY id LIMIT 6")?;
            let rows = statement.query_map([&prefix], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let found: Vec<(i64, String)> = rows.collect::<rusqlite::Result<_>>()?;
            match found.as_slice() {
                [] => Err(none().into()),
                [(seq, _)] => one(connection, *seq),
                several => {
                    let shown: Vec<&str> = several.iter().take(5).map(|(_, id)| id.as_str()).collect();
                    let more = if several.len() > 5 { ", …" } else { "" };
                    Err(Error::invalid(format!("`{prefix}` is the beginning of several runs"))
                        .hint(format!("give more of the id: {}{more}", shown.join(", ")))
                        .into())
                }
            }
        })
    }

    /// The finished run that started last; bookkeeping counts only when it is asked for.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub fn latest_run(&self, experiment: Option<i64>, command: Option<&str>) -> Result<Run> {
        self.read(|connection| {
            let within = if experiment.is_some() { "experiment_id = ?1" } else { "?1 IS NULL" };
            let sql = format!(
                "SELECT seq FROM runs WHERE {within} AND lifecycle = 'active' AND status = 'FINISHED'
                   AND (?2 IS NULL AND command NOT IN {} OR command = ?2) ORDER BY start_ms DESC, id LIMIT 1",
                bookkeeping()
            );
            let found = connection.query_row(&sql, params![experiment, command], |row| row.get(0)).optional()?;
            let what = command.map_or(String::new(), |command| format!(" of `{command}`"));
            let none = || Error::not_found(format!("no finished run{what}")).hint("`mlops runs list` shows all runs");
            one(connection, found.ok_or_else(none)?)
        })
    }

    /// The finished run with the best latest value, and how many finished runs were passed over because it is NaN.
    /// Of equal ones the earliest start wins, then the id. Evaluations are passed over: they may be of any rows, and
    /// belong to a training run that is there itself.
    ///
    /// # Errors
    /// `NotFound` when no finished run has a number there.
    pub fn best_run(&self, metric: &str, maximize: bool, experiment: Option<i64>) -> Result<(Run, usize)> {
        self.read(|connection| {
            let within = "m.key = ?1 AND (?2 IS NULL OR r.experiment_id = ?2)
                AND r.lifecycle = 'active' AND r.status = 'FINISHED'";
            let from = format!(
                "FROM latest_metrics m JOIN runs r ON r.seq = m.run WHERE {within} AND r.command NOT IN {}",
                no_candidates()
            );
            let direction = if maximize { "DESC" } else { "ASC" };
            let best =
                format!("SELECT r.seq {from} AND m.is_nan = 0 ORDER BY m.value {direction}, r.start_ms, r.id LIMIT 1");
            let given = params![metric, experiment];
            let skipped: i64 =
                connection.query_row(&format!("SELECT count(*) {from} AND m.is_nan = 1"), given, |row| row.get(0))?;
            let found: Option<i64> = connection.query_row(&best, given, |row| row.get(0)).optional()?;
            match found {
                Some(seq) => Ok((one(connection, seq)?, usize::try_from(skipped).unwrap_or_default())),
                None if skipped > 0 => Err(Error::not_found(format!(
                    "metric `{metric}` is NaN in all {skipped} finished runs that have it"
                ))
                .into()),
                None => {
                    let mut statement = connection.prepare("SELECT DISTINCT key FROM latest_metrics ORDER BY key")?;
                    let keys = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
                    Err(unknown("finished run with the metric", metric, &keys).into())
                }
            }
        })
    }

    /// Deletes a run; it can be restored.
    ///
    /// # Errors
    /// `NotFound`; `Refused` when a registered model version came from it.
    pub fn delete_run(&self, id: &RunId) -> Result<()> {
        self.write(|connection| {
            let seq = seq(connection, id)?;
            let used = references(connection, "v.run = ?1", seq)?;
            if !used.is_empty() {
                let text = format!("run `{}` made registered model versions: {}", id.as_str(), used.join(", "));
                return Err(Error::refused(text).hint("delete these versions first").into());
            }
            connection
                .execute("UPDATE runs SET lifecycle = 'deleted', deleted_with_experiment = 0 WHERE seq = ?1", [seq])?;
            Ok(())
        })
    }

    /// The deleted runs that nothing needs any more, with their experiments: what `gc` may remove for good.
    ///
    /// # Errors
    /// `Failed` when the database cannot be read.
    pub fn deleted_runs(&self) -> Result<Vec<(RunId, String)>> {
        self.read(|connection| {
            let mut statement = connection.prepare(
                "SELECT r.id, e.name FROM runs r JOIN experiments e ON e.id = r.experiment_id
                 WHERE r.lifecycle = 'deleted' AND r.seq NOT IN (SELECT run FROM model_versions WHERE run IS NOT NULL)
                 ORDER BY r.seq",
            )?;
            let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
            let mut found = Vec::new();
            for row in rows {
                let (id, experiment) = row?;
                found.push((RunId::parse(&id)?, experiment));
            }
            Ok(found)
        })
    }

    /// Removes a deleted run for good, with its params, metrics and tags.
    ///
    /// # Errors
    /// `NotFound` when it is not a deleted run; `Failed` when a model version needs it.
    pub fn purge_run(&self, id: &RunId) -> Result<()> {
        self.write(|connection| {
            let sql = "DELETE FROM runs WHERE id = ?1 AND lifecycle = 'deleted'";
            match connection.execute(sql, [id.as_str()])? {
                0 => Err(Error::not_found(format!("there is no deleted run `{}`", id.as_str())).into()),
                _ => Ok(()),
            }
        })
    }

    /// Restores a deleted run.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` when its experiment is deleted.
    pub fn restore_run(&self, id: &RunId) -> Result<()> {
        self.write(|connection| {
            let seq = seq(connection, id)?;
            let deleted: Option<String> = connection
                .query_row(
                    "SELECT e.name FROM runs r JOIN experiments e ON e.id = r.experiment_id
                     WHERE r.seq = ?1 AND e.lifecycle = 'deleted'",
                    [seq],
                    |row| row.get(0),
                )
                .optional()?;
            if let Some(name) = deleted {
                return Err(Error::invalid(format!("experiment `{name}` of run `{}` is deleted", id.as_str()))
                    .hint(format!("`mlops experiments restore \"{name}\"` brings it back with its runs"))
                    .into());
            }
            connection
                .execute("UPDATE runs SET lifecycle = 'active', deleted_with_experiment = 0 WHERE seq = ?1", [seq])?;
            Ok(())
        })
    }

    /// The runs that are RUNNING and know their process, for the caller to see whether it still lives.
    ///
    /// # Errors
    /// `Failed` when the database does.
    pub fn running_processes(&self) -> Result<Vec<(RunId, Process)>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id, pid, boot_id, process_started FROM runs
                 WHERE status = 'RUNNING' AND pid IS NOT NULL ORDER BY start_ms, id",
            )?;
            let mut rows = statement.query([])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let started = row.get::<_, i64>(3)?.cast_unsigned();
                let process = Process { pid: row.get(1)?, boot_id: row.get(2)?, started };
                found.push((run_id(row, 0)?, process));
            }
            Ok(found)
        })
    }
}

fn one(connection: &Connection, seq: i64) -> QueryResult<Run> {
    let found = load(connection, &[seq])?.pop();
    found.ok_or_else(|| Error::failed(format!("run number {seq} is gone")).into())
}

/// The runs of these numbers, in this order, with params, latest metrics and tags: four queries in all.
pub(super) fn load(connection: &Connection, wanted: &[i64]) -> QueryResult<Vec<Run>> {
    let list = serde_json::Value::from(wanted).to_string();
    let place: HashMap<i64, usize> = wanted.iter().enumerate().map(|(place, seq)| (*seq, place)).collect();
    let mut statement = connection.prepare_cached(
        "SELECT r.id, r.experiment_id, e.name, r.name, r.command, r.status, r.lifecycle, r.start_ms, r.end_ms
         FROM json_each(?1) wanted CROSS JOIN runs r ON r.seq = wanted.value
         CROSS JOIN experiments e ON e.id = r.experiment_id ORDER BY wanted.key",
    )?;
    let mut rows = statement.query([&list])?;
    let mut runs = Vec::with_capacity(wanted.len());
    while let Some(row) = rows.next()? {
        runs.push(Run {
            id: run_id(row, 0)?,
            experiment_id: row.get(1)?,
            experiment: row.get(2)?,
            name: row.get(3)?,
            command: row.get(4)?,
            status: Status::parse(row.get_ref(5)?.as_str().unwrap_or_default())?,
            lifecycle: row.get(6)?,
            start_ms: row.get(7)?,
            end_ms: row.get(8)?,
            params: BTreeMap::new(),
            metrics: BTreeMap::new(),
            tags: BTreeMap::new(),
        });
    }
    let mut each =
        |columns: &str, put: &mut dyn FnMut(&mut Run, &Row<'_>) -> rusqlite::Result<()>| -> QueryResult<()> {
            let sql = format!("SELECT run, key, {columns} WHERE run IN (SELECT value FROM json_each(?1))");
            let mut statement = connection.prepare_cached(&sql)?;
            let mut rows = statement.query([&list])?;
            while let Some(row) = rows.next()? {
                if let Some(run) = place.get(&row.get(0)?).and_then(|place| runs.get_mut(*place)) {
                    put(run, row)?;
                }
            }
            Ok(())
        };
    each("value FROM params", &mut |run, row| {
        run.params.insert(row.get(1)?, row.get(2)?);
        Ok(())
    })?;
    each("value FROM tags", &mut |run, row| {
        run.tags.insert(row.get(1)?, row.get(2)?);
        Ok(())
    })?;
    each("is_nan, value FROM latest_metrics", &mut |run, row| {
        run.metrics.insert(row.get(1)?, if row.get(2)? { f64::NAN } else { row.get(3)? });
        Ok(())
    })?;
    Ok(runs)
}

#[cfg(test)]
pub(super) mod tests {
    use std::ops::Deref;

    use super::*;
    use crate::error::ErrorKind;
    use crate::names::{ExperimentName, ModelName, Version};
    use crate::tracking::Metric;

    /// A database in a temporary folder, with one experiment `base`.
    pub(in crate::tracking) struct Store {
        tracker: Tracker,
        _folder: tempfile::TempDir,
    }

    impl Store {
        pub(in crate::tracking) fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let tracker = Tracker::open(&folder.path().join("tracking.db")).unwrap();
            tracker.ensure_experiment(&ExperimentName::parse("base").unwrap(), "", 0).unwrap();
            Self { tracker, _folder: folder }
        }

        /// With so many versions of the model `reviews`.
        pub(in crate::tracking) fn with_versions(versions: u32) -> Self {
            let store = Self::new();
            let model = ModelName::parse("reviews").unwrap();
            for version in 1..=versions {
                store.register_version(&model, Version(version), None, "sha", "", "tester", 1).unwrap();
            }
            store
        }

        pub(in crate::tracking) fn start(&self, number: u32, experiment_id: i64, command: &str, start_ms: i64) {
            let (id, name) = (id(number), format!("run {number}"));
            let run = NewRun { id: &id, experiment_id, name: &name, command, process: None, start_ms };
            self.start_run(&run).unwrap();
        }
    }

    impl Deref for Store {
        type Target = Tracker;
        fn deref(&self) -> &Tracker {
            &self.tracker
        }
    }

    /// The run id `00000001000…`.
    pub(in crate::tracking) fn id(number: u32) -> RunId {
        RunId::from_bits(u128::from(number) << 96)
    }

    pub(in crate::tracking) fn metric(key: &str, value: f64, timestamp_ms: i64) -> Metric {
        Metric { key: key.into(), value, timestamp_ms, step: 0 }
    }

    #[test]
    fn a_run_starts_and_ends_once() {
        let store = Store::new();
        let process = Process { pid: 42, boot_id: "b".into(), started: u64::MAX };
        let run = NewRun {
            id: &id(1),
            experiment_id: 1,
            name: "a",
            command: "train",
            process: Some(&process),
            start_ms: 100,
        };
        store.start_run(&run).unwrap();
        assert_eq!(store.start_run(&run).unwrap_err().kind, ErrorKind::Invalid);
        assert_eq!(store.start_run(&NewRun { experiment_id: 7, ..run.clone() }).unwrap_err().kind, ErrorKind::NotFound);
        store.start(2, 1, "train", 100);
        assert_eq!(store.running_processes().unwrap(), [(id(1), process)]);

        assert_eq!(store.finish_run(&id(1), Status::Running, 150).unwrap_err().kind, ErrorKind::Invalid);
        store.finish_run(&id(1), Status::Killed, 50).unwrap();
        store.finish_run(&id(1), Status::Killed, 150).unwrap();
        let error = store.finish_run(&id(1), Status::Finished, 150).unwrap_err();
        assert!(error.message.ends_with("has ended as KILLED and cannot end as FINISHED"), "{error}");
        let found = store.run(id(1).as_str()).unwrap();
        assert_eq!((found.status, found.end_ms, found.experiment.as_str()), (Status::Killed, Some(100), "base"));
        assert_eq!(store.running_processes().unwrap(), []);
    }

    #[test]
    fn a_run_is_found_by_the_beginning_of_its_id() {
        let store = Store::new();
        for number in [0x1200_0000, 0x1300_0000, 0x13f0_0000] {
            store.start(number, 1, "train", 1);
        }
        assert_eq!(store.run("12").unwrap().id, id(0x1200_0000));
        assert_eq!(store.run("13F").unwrap().id, id(0x13f0_0000));
        let error = store.run("13").unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
        let hint = error.hint.unwrap();
        assert!(hint.contains(id(0x1300_0000).as_str()) && hint.contains(id(0x13f0_0000).as_str()), "{hint}");
        for missing in ["", "4", "1%", "' OR 1=1 --", "123"] {
            assert_eq!(store.run(missing).unwrap_err().kind, ErrorKind::NotFound, "{missing}");
        }
    }

    #[test]
    fn latest_and_best_look_at_finished_active_runs() {
        let store = Store::new();
        let other = ExperimentName::parse("other").unwrap();
        let other = store.ensure_experiment(&other, "", 0).unwrap().id;
        // A retrain keeps the metric of the version that it promoted: no candidate itself.
        store.start(9, 1, "retrain", 5);
        store.log_metrics(&id(9), &[metric("f1", 0.95, 5)]).unwrap();
        store.finish_run(&id(9), Status::Finished, 6).unwrap();
        // (number, experiment, start, f1, status): 3 and 4 tie, 2 is an evaluation, 5 is NaN, 6 failed, 7 is elsewhere, 8 is deleted.
        let table = [(2, 1, 10, 0.5), (4, 1, 20, 0.8), (3, 1, 20, 0.8), (5, 1, 40, f64::NAN), (6, 1, 50, 0.9)];
        for (number, experiment, start, f1) in table.into_iter().chain([(7, other, 60, 0.85), (8, 1, 70, 0.99)]) {
            store.start(number, experiment, if number == 2 { "evaluate" } else { "train" }, start);
            store.log_metrics(&id(number), &[metric("f1", f1, start)]).unwrap();
            let status = if number == 6 { Status::Failed } else { Status::Finished };
            store.finish_run(&id(number), status, start + 1).unwrap();
        }
        store.delete_run(&id(8)).unwrap();
        let best = |maximize, experiment| {
            let (run, skipped) = store.best_run("f1", maximize, experiment).unwrap();
            (run.id, skipped)
        };
        assert_eq!(best(true, Some(1)), (id(3), 1));
        assert_eq!(best(true, None), (id(7), 1));
        assert_eq!(best(false, None), (id(3), 1));
        assert_eq!(best(true, Some(other)), (id(7), 0));
        let error = store.best_run("f2", true, None).unwrap_err();
        assert_eq!((error.kind, error.hint.unwrap().as_str()), (ErrorKind::NotFound, "did you mean `f1`?"));

        assert_eq!(store.latest_run(None, None).unwrap().id, id(7));
        assert_eq!(store.latest_run(Some(1), None).unwrap().id, id(5));
        assert_eq!(store.latest_run(Some(1), Some("evaluate")).unwrap().id, id(2));
        assert_eq!(store.latest_run(None, Some("embed")).unwrap_err().kind, ErrorKind::NotFound);
        store.restore_run(&id(8)).unwrap();
        assert_eq!(store.latest_run(None, None).unwrap().id, id(8));
    }
}
