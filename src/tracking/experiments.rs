//! Experiments: created, listed, deleted with their runs and restored with exactly those, and their statistics.
//!
//! Standard deviations are the sample's (n − 1), by Welford's update in the order of the runs' numbers, which equals
//! `numpy.std(ddof=1)` to rounding.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::commands::no_candidates;
use super::database::Tracker;
use super::failure::QueryResult;
use super::keys::check_tag;
use super::lookup::{references, unknown};
use super::record::{Durations, Experiment, ExperimentStatistics, MetricStatistics, Status, View};
use crate::error::{Error, Result};
use crate::names::ExperimentName;

const SELECT: &str = "SELECT e.id, e.name, e.description, e.lifecycle, e.created_ms, e.updated_ms,
    (SELECT count(*) FROM runs r WHERE r.experiment_id = e.id AND r.lifecycle = e.lifecycle) FROM experiments e";

impl Tracker {
    /// Creates an experiment.
    ///
    /// # Errors
    /// `Invalid` when the name is taken, by a deleted experiment too, or a tag cannot be kept.
    pub fn create_experiment(
        &self,
        name: &ExperimentName,
        description: &str,
        tags: &BTreeMap<String, String>,
        now_ms: i64,
    ) -> Result<Experiment> {
        for (key, value) in tags {
            check_tag(key, value)?;
        }
        self.write(|connection| {
            if let Some(found) = by_name(connection, name.as_str())? {
                return Err(taken(&found).into());
            }
            create(connection, name, description, tags, now_ms)
        })
    }

    /// The experiment of this name, created when there is none. A description that is not empty replaces the old one.
    ///
    /// # Errors
    /// `Invalid` when it is deleted.
    pub fn ensure_experiment(&self, name: &ExperimentName, description: &str, now_ms: i64) -> Result<Experiment> {
        self.write(|connection| match by_name(connection, name.as_str())? {
            Some(found) if found.lifecycle != "active" => Err(taken(&found).into()),
            Some(found) if description.is_empty() || description == found.description => Ok(found),
            Some(found) => {
                connection.execute(
                    "UPDATE experiments SET description = ?2, updated_ms = ?3 WHERE id = ?1",
                    params![found.id, description, now_ms],
                )?;
                Ok(Experiment { description: description.to_owned(), updated_ms: now_ms, ..found })
            }
            None => create(connection, name, description, &BTreeMap::new(), now_ms),
        })
    }

    /// Finds an experiment, deleted ones too: by name first, then by number.
    ///
    /// # Errors
    /// `NotFound`, with the closest name.
    pub fn experiment(&self, name_or_id: &str) -> Result<Experiment> {
        self.read(|connection| {
            if let Some(found) = by_name(connection, name_or_id)? {
                return Ok(found);
            }
            if let Some(found) = name_or_id.parse().ok().map(|id| by_id(connection, id)).transpose()?.flatten() {
                return Ok(found);
            }
            let mut statement = connection.prepare("SELECT name FROM experiments ORDER BY name")?;
            let names = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
            Err(unknown("experiment", name_or_id, &names).into())
        })
    }

    /// All experiments in the order they were created.
    ///
    /// # Errors
    /// `Failed` when the database does.
    pub fn experiments(&self, view: View) -> Result<Vec<Experiment>> {
        self.read(|connection| {
            let lifecycle = match view {
                View::Active => "active",
                View::Deleted => "deleted",
                View::All => "%",
            };
            let mut statement =
                connection.prepare_cached(&format!("{SELECT} WHERE e.lifecycle LIKE ?1 ORDER BY e.id"))?;
            let rows = statement.query_map([lifecycle], read)?;
            let mut found: BTreeMap<i64, Experiment> =
                rows.map(|row| row.map(|row| (row.id, row))).collect::<rusqlite::Result<_>>()?;
            let mut statement = connection.prepare_cached("SELECT experiment_id, key, value FROM experiment_tags")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                if let Some(experiment) = found.get_mut(&row.get(0)?) {
                    experiment.tags.insert(row.get(1)?, row.get(2)?);
                }
            }
            Ok(found.into_values().collect())
        })
    }

    /// Deletes an experiment and its active runs; both can be restored.
    ///
    /// # Errors
    /// `NotFound`; `Refused` when a model version in Staging, in Production or with an alias came from one of its runs.
    pub fn delete_experiment(&self, id: i64, now_ms: i64) -> Result<()> {
        self.write(|connection| {
            let experiment = needed(connection, id)?;
            let used = references(
                connection,
                "r.experiment_id = ?1 AND (v.stage IN ('Staging', 'Production') OR EXISTS (
                    SELECT 1 FROM model_aliases a WHERE a.model = v.model AND a.version = v.version))",
                id,
            )?;
            if !used.is_empty() {
                let text = format!("experiment `{}` made model versions in use: {}", experiment.name, used.join(", "));
                return Err(Error::refused(text).hint("archive these versions and remove their aliases first").into());
            }
            connection.execute(
                "UPDATE runs SET lifecycle = 'deleted', deleted_with_experiment = 1
                 WHERE experiment_id = ?1 AND lifecycle = 'active'",
                [id],
            )?;
            set_lifecycle(connection, id, "deleted", now_ms)
        })
    }

    /// Restores a deleted experiment with the runs that were deleted with it, not those deleted before.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn restore_experiment(&self, id: i64, now_ms: i64) -> Result<()> {
        self.write(|connection| {
            needed(connection, id)?;
            connection.execute(
                "UPDATE runs SET lifecycle = 'active', deleted_with_experiment = 0
                 WHERE experiment_id = ?1 AND deleted_with_experiment = 1",
                [id],
            )?;
            set_lifecycle(connection, id, "active", now_ms)
        })
    }

    /// An experiment in numbers: its active runs, how long they took, and their latest metrics.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn experiment_statistics(&self, id: i64) -> Result<ExperimentStatistics> {
        self.read(|connection| {
            needed(connection, id)?;
            let mut statement = connection.prepare_cached(
                "SELECT status, start_ms, end_ms FROM runs WHERE experiment_id = ?1 AND lifecycle = 'active'",
            )?;
            let mut rows = statement.query([id])?;
            let (mut runs, mut starts, mut took) = (BTreeMap::new(), Vec::new(), Vec::new());
            while let Some(row) = rows.next()? {
                let (start, end): (i64, Option<i64>) = (row.get(1)?, row.get(2)?);
                *runs.entry(Status::parse(row.get_ref(0)?.as_str().unwrap_or_default())?).or_default() += 1;
                starts.push(start);
                took.extend(end.map(|end| end - start));
            }
            Ok(ExperimentStatistics {
                runs,
                first_start_ms: starts.iter().min().copied(),
                last_start_ms: starts.iter().max().copied(),
                durations: durations(took),
                metrics: metric_statistics(connection, id)?,
            })
        })
    }
}

fn durations(mut took: Vec<i64>) -> Option<Durations> {
    took.sort_unstable();
    let (count, total) = (took.len(), took.iter().sum::<i64>());
    let middle = took.get(count / 2)? + took[(count - 1) / 2];
    let (mean_ms, median_ms) = (total as f64 / count as f64, middle as f64 / 2.0);
    Some(Durations { count: count as u64, mean_ms, median_ms, total_ms: total })
}

fn metric_statistics(connection: &Connection, id: i64) -> QueryResult<BTreeMap<String, MetricStatistics>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT m.key, m.is_nan, m.value FROM runs r CROSS JOIN latest_metrics m ON m.run = r.seq
         WHERE r.experiment_id = ?1 AND r.lifecycle = 'active' AND r.command NOT IN {} ORDER BY r.seq",
        no_candidates()
    ))?;
    let mut rows = statement.query([id])?;
    let mut found: BTreeMap<String, (MetricStatistics, f64)> = BTreeMap::new();
    let empty = MetricStatistics { count: 0, non_finite: 0, min: None, max: None, mean: None, sd: None };
    while let Some(row) = rows.next()? {
        let key = row.get_ref(0)?.as_str().unwrap_or_default();
        if !found.contains_key(key) {
            found.insert(key.to_owned(), (empty.clone(), 0.0));
        }
        let (metric, squares) = found.get_mut(key).expect("it was just inserted");
        let value: f64 = row.get(2)?;
        if row.get(1)? || !value.is_finite() {
            metric.non_finite += 1;
            continue;
        }
        metric.count += 1;
        metric.min = Some(metric.min.map_or(value, |min| min.min(value)));
        metric.max = Some(metric.max.map_or(value, |max| max.max(value)));
        let before = metric.mean.unwrap_or_default();
        let mean = before + (value - before) / metric.count as f64;
        *squares += (value - before) * (value - mean);
        metric.mean = Some(mean);
        metric.sd = (metric.count > 1).then(|| (*squares / (metric.count - 1) as f64).sqrt());
    }
    Ok(found.into_iter().map(|(key, (metric, _))| (key, metric)).collect())
}

fn create(
    connection: &Connection,
    name: &ExperimentName,
    description: &str,
    tags: &BTreeMap<String, String>,
    now_ms: i64,
) -> QueryResult<Experiment> {
    connection.execute(
        "INSERT INTO experiments (name, description, created_ms, updated_ms) VALUES (?1, ?2, ?3, ?3)",
        params![name.as_str(), description, now_ms],
    )?;
    let id = connection.last_insert_rowid();
    for (key, value) in tags {
        connection.execute("INSERT INTO experiment_tags VALUES (?1, ?2, ?3)", params![id, key, value])?;
    }
    needed(connection, id)
}

fn set_lifecycle(connection: &Connection, id: i64, lifecycle: &str, now_ms: i64) -> QueryResult<()> {
    connection.execute(
        "UPDATE experiments SET lifecycle = ?2, updated_ms = ?3 WHERE id = ?1 AND lifecycle <> ?2",
        params![id, lifecycle, now_ms],
    )?;
    Ok(())
}

fn taken(found: &Experiment) -> Error {
    if found.lifecycle == "active" {
        return Error::invalid(format!("experiment `{}` is there already", found.name)).hint("choose another name");
    }
    Error::invalid(format!("experiment `{}` is deleted, and its name is still taken", found.name))
        .hint(format!("`mlops experiments restore \"{}\"` brings it back; else choose another name", found.name))
}

/// The experiment of this number.
pub(super) fn needed(connection: &Connection, id: i64) -> QueryResult<Experiment> {
    let gone =
        || Error::not_found(format!("no experiment with the number {id}")).hint("`mlops experiments list` shows all");
    by_id(connection, id)?.ok_or_else(|| gone().into())
}

fn by_name(connection: &Connection, name: &str) -> QueryResult<Option<Experiment>> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE e.name = ?1"))?;
    tagged(connection, statement.query_row([name], read).optional()?)
}

fn by_id(connection: &Connection, id: i64) -> QueryResult<Option<Experiment>> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE e.id = ?1"))?;
    tagged(connection, statement.query_row([id], read).optional()?)
}

fn tagged(connection: &Connection, found: Option<Experiment>) -> QueryResult<Option<Experiment>> {
    let Some(mut experiment) = found else { return Ok(None) };
    let mut statement = connection.prepare_cached("SELECT key, value FROM experiment_tags WHERE experiment_id = ?1")?;
    let rows = statement.query_map([experiment.id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    experiment.tags = rows.collect::<rusqlite::Result<_>>()?;
    Ok(Some(experiment))
}

fn read(row: &Row<'_>) -> rusqlite::Result<Experiment> {
    Ok(Experiment {
        id: row.get(0)?,
        name: row.get(1)?,
        description: row.get(2)?,
        lifecycle: row.get(3)?,
        created_ms: row.get(4)?,
        updated_ms: row.get(5)?,
        tags: BTreeMap::new(),
        runs: row.get::<_, i64>(6)?.unsigned_abs(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::tracking::runs::tests::{Store, id, metric};

    #[test]
    fn names_are_taken_once_and_found_again() {
        let store = Store::new();
        let name = ExperimentName::parse("churn").unwrap();
        let tags = BTreeMap::from([("team".to_owned(), "ml".to_owned())]);
        let made = store.create_experiment(&name, "first", &tags, 5).unwrap();
        assert_eq!((made.id, made.created_ms, made.runs, &made.tags), (2, 5, 0, &tags));
        assert_eq!(store.create_experiment(&name, "", &tags, 6).unwrap_err().kind, ErrorKind::Invalid);
        assert_eq!(store.ensure_experiment(&name, "", 6).unwrap(), made);
        let changed = store.ensure_experiment(&name, "second", 7).unwrap();
        assert_eq!((changed.id, changed.description.as_str(), changed.updated_ms), (2, "second", 7));
        assert_eq!(store.experiment("churn").unwrap(), changed);
        assert_eq!(store.experiment("2").unwrap(), changed);
        let error = store.experiment("chrun").unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotFound);
        assert_eq!(error.hint.unwrap(), "did you mean `churn`?");
    }

    #[test]
    fn runs_follow_their_experiment_and_come_back() {
        let store = Store::new();
        for number in 1..=3 {
            store.start(number, 1, "train", number.into());
        }
        store.delete_run(&id(3)).unwrap();
        store.delete_experiment(1, 10).unwrap();
        assert_eq!(store.experiments(View::Active).unwrap(), vec![]);
        let deleted = &store.experiments(View::Deleted).unwrap()[0];
        assert_eq!((deleted.lifecycle.as_str(), deleted.runs, deleted.updated_ms), ("deleted", 3, 10));
        let name = ExperimentName::parse("base").unwrap();
        let error = store.ensure_experiment(&name, "", 11).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(error.hint.unwrap().contains("mlops experiments restore \"base\""));
        assert_eq!(store.restore_run(&id(1)).unwrap_err().kind, ErrorKind::Invalid);
        assert_eq!(store.log_params(&id(1), &[("a".into(), "b".into())]).unwrap_err().kind, ErrorKind::Invalid);

        store.restore_experiment(1, 12).unwrap();
        let lifecycle = |number| store.run(id(number).as_str()).unwrap().lifecycle;
        assert_eq!([lifecycle(1), lifecycle(2), lifecycle(3)], ["active", "active", "deleted"]);
        assert_eq!(store.experiments(View::All).unwrap()[0].runs, 2);
    }

    #[test]
    fn statistics_of_four_runs() {
        let store = Store::new();
        for (number, value) in [(1, 0.2), (2, 0.4), (3, 0.9), (4, f64::NAN)] {
            store.start(number, 1, "train", 100 * i64::from(number));
            store.log_metrics(&id(number), &[metric("f1", value, 1)]).unwrap();
        }
        store.finish_run(&id(1), Status::Finished, 110).unwrap();
        store.finish_run(&id(2), Status::Failed, 240).unwrap();
        let found = store.experiment_statistics(1).unwrap();
        assert_eq!(found.runs, [(Status::Running, 2), (Status::Finished, 1), (Status::Failed, 1)].into());
        assert_eq!((found.first_start_ms, found.last_start_ms), (Some(100), Some(400)));
        let durations = Durations { count: 2, mean_ms: 25.0, median_ms: 25.0, total_ms: 50 };
        assert_eq!(found.durations, Some(durations));
        let f1 = &found.metrics["f1"];
        assert_eq!((f1.count, f1.non_finite, f1.min, f1.max), (3, 1, Some(0.2), Some(0.9)));
        // Mean 0.5, deviations −0.3, −0.1, 0.4: squares sum to 0.26, sd = √0.13.
        assert!((f1.mean.unwrap() - 0.5).abs() < 1e-15 && (f1.sd.unwrap() - 0.13_f64.sqrt()).abs() < 1e-15);
    }
}
