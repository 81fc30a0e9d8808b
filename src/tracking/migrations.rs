//! The schema, as an append-only list of migrations counted by `user_version`.
//!
//! Runs have a small integer `seq` beside their public id, so that the tables below them stay narrow. A metric that
//! is not a number is `is_nan = 1, value = 0`, because `SQLite` would store `NaN` as `NULL`; ±Inf are plain values.
//! `metrics` is the whole history, sorted as "latest" is decided (timestamp, step, NaN after numbers, value);
//! `latest_metrics` has one row per run and key, kept by the same write, with the smallest and largest number seen.
//! `latest_metrics_by_key` holds one metric of all runs side by side: what a search reads.

use std::path::Path;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::failure::QueryResult;
use crate::error::{Error, Result};

/// "mlop": marks a file as ours, so that another program's database is not written to.
pub(super) const APPLICATION_ID: i64 = 0x6d6c_6f70;

/// Never edit an entry that a person may have run: append one.
pub(super) const MIGRATIONS: &[&str] = &[FIRST, PINS, DRIFT, RELEASES];

/// Entry by entry, what stands in for a migration in a database that may only be read and has not seen it: empty
/// temporary tables of this connection. Without the first there is nothing to read.
pub(super) const STAND_INS: &[&str] = &["", PINS_STAND_IN, DRIFT_STAND_IN, RELEASES_STAND_IN];

const PINS: &str = "
CREATE TABLE model_pins (
  model INTEGER NOT NULL,
  version INTEGER NOT NULL,
  pinned_ms INTEGER NOT NULL,
  actor TEXT NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (model, version),
  FOREIGN KEY (model, version) REFERENCES model_versions (model, version)
) STRICT, WITHOUT ROWID;
";

const PINS_STAND_IN: &str = "
CREATE TEMP TABLE model_pins (
  model INTEGER NOT NULL, version INTEGER NOT NULL, pinned_ms INTEGER NOT NULL, actor TEXT NOT NULL, reason TEXT NOT NULL
) STRICT;
";

/// SHA-256 of the manifest of a version's release; that of its checkpoint stands in `model_versions`.
const RELEASES: &str = "
CREATE TABLE release_manifests (
  model INTEGER NOT NULL,
  version INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  PRIMARY KEY (model, version),
  FOREIGN KEY (model, version) REFERENCES model_versions (model, version)
) STRICT, WITHOUT ROWID;
";

const RELEASES_STAND_IN: &str = "
CREATE TEMP TABLE release_manifests (
  model INTEGER NOT NULL, version INTEGER NOT NULL, sha256 TEXT NOT NULL
) STRICT;
";

const DRIFT: &str = "
CREATE TABLE drift_events (
  id TEXT NOT NULL PRIMARY KEY,
  model TEXT NOT NULL,
  version INTEGER NOT NULL CHECK (version > 0),
  feature TEXT NOT NULL,
  statistic TEXT NOT NULL,
  value REAL,
  threshold REAL,
  severity TEXT NOT NULL CHECK (severity IN ('normal', 'slight', 'significant', 'severe')),
  window_from_ms INTEGER NOT NULL,
  window_to_ms INTEGER NOT NULL CHECK (window_to_ms >= window_from_ms),
  n INTEGER NOT NULL,
  full_window INTEGER NOT NULL CHECK (full_window IN (0, 1)),
  recorded_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX drift_events_by_model ON drift_events (model, window_to_ms);
CREATE TABLE drift_resets (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  model TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  actor TEXT NOT NULL,
  reason TEXT NOT NULL
) STRICT;
CREATE INDEX drift_resets_by_model ON drift_resets (model, id);
";

const DRIFT_STAND_IN: &str = "
CREATE TEMP TABLE drift_events (
  id TEXT, model TEXT, version INTEGER, feature TEXT, statistic TEXT, value REAL, threshold REAL, severity TEXT,
  window_from_ms INTEGER, window_to_ms INTEGER, n INTEGER, full_window INTEGER, recorded_ms INTEGER
) STRICT;
CREATE TEMP TABLE drift_resets (id INTEGER PRIMARY KEY, model TEXT, at_ms INTEGER, actor TEXT, reason TEXT) STRICT;
";

const FIRST: &str = "
PRAGMA application_id = 0x6d6c6f70;

CREATE TABLE experiments (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  description TEXT NOT NULL,
  lifecycle TEXT NOT NULL DEFAULT 'active' CHECK (lifecycle IN ('active', 'deleted')),
  created_ms INTEGER NOT NULL,
  updated_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE experiment_tags (
  experiment_id INTEGER NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (experiment_id, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  experiment_id INTEGER NOT NULL REFERENCES experiments (id),
  name TEXT NOT NULL,
  command TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED')),
  lifecycle TEXT NOT NULL DEFAULT 'active' CHECK (lifecycle IN ('active', 'deleted')),
  deleted_with_experiment INTEGER NOT NULL DEFAULT 0,
  start_ms INTEGER NOT NULL,
  end_ms INTEGER,
  pid INTEGER,
  boot_id TEXT,
  process_started INTEGER
) STRICT;
CREATE INDEX runs_by_start ON runs (lifecycle, start_ms DESC, id);
CREATE INDEX runs_by_experiment ON runs (experiment_id, lifecycle, start_ms DESC, id);
CREATE INDEX runs_running ON runs (status) WHERE status = 'RUNNING';

CREATE TABLE params (
  run INTEGER NOT NULL REFERENCES runs (seq) ON DELETE CASCADE,
  key TEXT NOT NULL,
  number REAL,
  value TEXT NOT NULL,
  PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE tags (
  run INTEGER NOT NULL REFERENCES runs (seq) ON DELETE CASCADE,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE metrics (
  run INTEGER NOT NULL REFERENCES runs (seq) ON DELETE CASCADE,
  key TEXT NOT NULL,
  timestamp_ms INTEGER NOT NULL,
  step INTEGER NOT NULL,
  is_nan INTEGER NOT NULL,
  value REAL NOT NULL,
  PRIMARY KEY (run, key, timestamp_ms, step, is_nan, value)
) STRICT, WITHOUT ROWID;
CREATE TABLE latest_metrics (
  run INTEGER NOT NULL REFERENCES runs (seq) ON DELETE CASCADE,
  key TEXT NOT NULL,
  timestamp_ms INTEGER NOT NULL,
  step INTEGER NOT NULL,
  is_nan INTEGER NOT NULL,
  value REAL NOT NULL,
  min REAL,
  max REAL,
  PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX latest_metrics_by_key ON latest_metrics (key, run, is_nan, value);
CREATE TABLE artifacts (
  run INTEGER NOT NULL REFERENCES runs (seq) ON DELETE CASCADE,
  path TEXT NOT NULL,
  size INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  PRIMARY KEY (run, path)
) STRICT, WITHOUT ROWID;
CREATE TABLE inputs (
  run INTEGER NOT NULL REFERENCES runs (seq) ON DELETE CASCADE,
  context TEXT NOT NULL,
  name TEXT NOT NULL,
  digest TEXT NOT NULL,
  source TEXT NOT NULL,
  rows INTEGER NOT NULL,
  PRIMARY KEY (run, context, name, digest)
) STRICT, WITHOUT ROWID;

CREATE TABLE registered_models (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  created_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE model_versions (
  model INTEGER NOT NULL REFERENCES registered_models (id),
  version INTEGER NOT NULL CHECK (version > 0),
  run INTEGER REFERENCES runs (seq),
  stage TEXT NOT NULL DEFAULT 'None' CHECK (stage IN ('None', 'Staging', 'Production', 'Archived')),
  created_ms INTEGER NOT NULL,
  updated_ms INTEGER NOT NULL,
  manifest_sha256 TEXT NOT NULL,
  description TEXT NOT NULL,
  PRIMARY KEY (model, version)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX one_production ON model_versions (model) WHERE stage = 'Production';
CREATE INDEX model_versions_by_run ON model_versions (run) WHERE run IS NOT NULL;
CREATE TABLE model_aliases (
  model INTEGER NOT NULL,
  alias TEXT NOT NULL,
  version INTEGER NOT NULL,
  PRIMARY KEY (model, alias),
  FOREIGN KEY (model, version) REFERENCES model_versions (model, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX model_aliases_by_version ON model_aliases (model, version);

CREATE TABLE ledger (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  model TEXT NOT NULL,
  version INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  action TEXT NOT NULL,
  from_stage TEXT,
  to_stage TEXT,
  previous INTEGER,
  actor TEXT NOT NULL,
  forced INTEGER NOT NULL,
  reason TEXT NOT NULL,
  evidence TEXT NOT NULL
) STRICT;
CREATE INDEX ledger_by_model ON ledger (model, id);
CREATE TRIGGER ledger_is_not_changed BEFORE UPDATE ON ledger
  BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER ledger_is_not_shortened BEFORE DELETE ON ledger
  BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
-- INSERT OR REPLACE deletes without the trigger above.
CREATE TRIGGER ledger_is_not_replaced BEFORE INSERT ON ledger
  WHEN EXISTS (SELECT 1 FROM ledger WHERE id = NEW.id)
  BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
";

/// What a file says about itself.
pub(super) struct Identity {
    /// How many migrations it has seen.
    pub version: usize,
    /// Whether something is in it that we did not make.
    pub foreign: bool,
}

/// Reads the identity in one snapshot; the caller holds a transaction.
pub(super) fn identity(connection: &Connection) -> QueryResult<Identity> {
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let version = number("PRAGMA user_version")?;
    let ours = number("PRAGMA application_id")? == APPLICATION_ID;
    let empty = number("SELECT count(*) FROM sqlite_schema")? == 0;
    Ok(Identity { version: usize::try_from(version).unwrap_or(usize::MAX), foreign: !(ours || empty && version == 0) })
}

/// Brings the database to the last of `migrations`, under one exclusive lock: two processes that open an old file at
/// once both ask for it, and the second finds the version already changed.
pub(super) fn migrate(connection: &Connection, migrations: &[&str], path: &Path) -> QueryResult<()> {
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Exclusive)?;
    let found = identity(&transaction)?;
    check(&found, migrations.len(), path)?;
    for migration in &migrations[found.version..] {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", i64::try_from(migrations.len()).expect("a short list"))?;
    Ok(transaction.commit()?)
}

/// Lets a database be read that an older version of this program wrote and this one may not change: what its schema
/// lacks is there, empty, in this connection only.
pub(super) fn stand_in(connection: &Connection, found: &Identity) -> QueryResult<()> {
    connection.execute_batch("PRAGMA temp_store = MEMORY")?;
    for stand_in in STAND_INS.get(found.version..).unwrap_or_default() {
        connection.execute_batch(stand_in)?;
    }
    Ok(())
}

/// Refuses what this program must not touch: another program's file, or one from a newer version of this one.
pub(super) fn check(found: &Identity, known: usize, path: &Path) -> Result<()> {
    if found.foreign {
        return Err(Error::failed(format!("`{}` is an SQLite database of another program", path.display()))
            .hint("give the path of a tracking database, or of a file that is not there yet"));
    }
    if found.version > known {
        let text = format!("`{}` has schema version {}, this program knows {known}", path.display(), found.version);
        return Err(Error::failed(text).hint("it was written by a newer version: update mlops"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::tracking::Tracker;

    #[test]
    fn an_empty_file_gets_the_schema_and_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/tracking.db");
        for _ in 0..2 {
            let tracker = Tracker::open(&path).unwrap();
            let found = tracker.read(identity).unwrap();
            assert_eq!((found.version, found.foreign), (MIGRATIONS.len(), false));
            assert_eq!(tracker.experiments(crate::tracking::View::All).unwrap(), vec![]);
        }
    }

    #[test]
    fn a_published_migration_is_never_edited() {
        let digests: Vec<String> = MIGRATIONS.iter().map(|text| crate::fs::sha256(text.as_bytes())).collect();
        let expected = [
            "60e69f54019879d411c07fad35193b6d6b8241c4539515c7a776fb18e449f07c",
            "e852f19d685b9afffe17946eb3d4f3c47db5ae5984d25e22e3e0d841251018ea",
            "6791d2632c1eb05c2550716583f746d34148bd77937996de11dbae529a22edce",
            "d907cb1202f9a0ce363f4e6a9a011001cae12927dbe37d8ea54f57a9846b0a0c",
        ];
        assert_eq!(digests, expected, "databases with the old text exist: append a migration instead");
        assert_eq!(MIGRATIONS.len(), STAND_INS.len(), "each migration says what stands in for it");
    }

    #[test]
    fn only_the_missing_migrations_run() {
        let connection = Connection::open_in_memory().unwrap();
        let first = "PRAGMA application_id = 0x6d6c6f70; CREATE TABLE a (x); INSERT INTO a VALUES (1);";
        let both = [first, "INSERT INTO a VALUES (2);"];
        migrate(&connection, &both[..1], Path::new("a.db")).unwrap();
        migrate(&connection, &both, Path::new("a.db")).unwrap();
        migrate(&connection, &both, Path::new("a.db")).unwrap();
        let sum: i64 = connection.query_row("SELECT sum(x) FROM a", [], |row| row.get(0)).unwrap();
        assert_eq!(sum, 3);
        // A migration that fails half-way leaves nothing.
        let broken = [both[0], both[1], "INSERT INTO a VALUES (3); INSERT INTO b VALUES (1);"];
        assert!(migrate(&connection, &broken, Path::new("a.db")).is_err());
        let sum: i64 = connection.query_row("SELECT sum(x) FROM a", [], |row| row.get(0)).unwrap();
        assert_eq!(sum, 3);
    }

    /// A database as the first version of this program left it: one version of one model.
    fn of_the_first_version(path: &Path) {
        let connection = Connection::open(path).unwrap();
        migrate(&connection, &MIGRATIONS[..1], path).unwrap();
        let rows = "INSERT INTO registered_models VALUES (1, 'reviews', 5);
            INSERT INTO model_versions VALUES (1, 1, NULL, 'Production', 5, 5, 'sha', 'old');
            INSERT INTO ledger VALUES (1, 'reviews', 1, 5, 'registered', NULL, 'None', NULL, 'kim', 0, '', 'null');";
        connection.execute_batch(rows).unwrap();
    }

    #[test]
    fn an_old_database_is_read_as_it_is_and_migrated_when_it_may_be() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old.db");
        of_the_first_version(&path);
        let before = std::fs::read(&path).unwrap();
        let reader = Tracker::open_read_only(&path).unwrap();
        let old = reader.versions("reviews").unwrap();
        assert_eq!((old.len(), old[0].description.as_str(), &old[0].pinned), (1, "old", &None));
        assert_eq!(reader.models().unwrap()[0].pinned, []);
        assert_eq!(reader.read(identity).unwrap().version, 1);
        assert_eq!(std::fs::read(&path).unwrap(), before, "reading changes nothing");
        drop(reader);

        let tracker = Tracker::open(&path).unwrap();
        assert_eq!(tracker.read(identity).unwrap().version, MIGRATIONS.len());
        assert_eq!(tracker.versions("reviews").unwrap(), old);
        assert_eq!(tracker.history("reviews").unwrap().len(), 1);
        tracker.pin_version("reviews", crate::names::Version(1), "audit", "kim", 9).unwrap();
        let reader = Tracker::open_read_only(&path).unwrap();
        assert_eq!(reader.versions("reviews").unwrap()[0].pinned.as_ref().unwrap().reason, "audit");
        // A file without our schema has nothing that could be read.
        let empty = folder.path().join("empty.db");
        Connection::open(&empty).unwrap().execute_batch("PRAGMA application_id = 0x6d6c6f70").unwrap();
        assert!(Tracker::open_read_only(&empty).err().unwrap().message.contains("has schema version 0"));
    }

    #[test]
    fn a_database_without_drift_events_is_read_as_one_that_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("second.db");
        let connection = Connection::open(&path).unwrap();
        migrate(&connection, &MIGRATIONS[..2], &path).unwrap();
        connection.execute_batch("INSERT INTO registered_models VALUES (1, 'reviews', 5)").unwrap();
        drop(connection);
        let before = std::fs::read(&path).unwrap();
        let reader = Tracker::open_read_only(&path).unwrap();
        assert_eq!(reader.drift_events("reviews", 0).unwrap(), []);
        assert_eq!(reader.last_drift_reset("reviews").unwrap(), None);
        assert_eq!(reader.models_with_drift().unwrap(), [""; 0]);
        assert!(reader.add_drift_reset("reviews", "kim", "", 9).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), before, "reading changes nothing");
        drop(reader);
        let tracker = Tracker::open(&path).unwrap();
        assert_eq!(tracker.read(identity).unwrap().version, MIGRATIONS.len());
        tracker.add_drift_reset("reviews", "kim", "new data", 9).unwrap();
        let reader = Tracker::open_read_only(&path).unwrap();
        assert_eq!(reader.last_drift_reset("reviews").unwrap().unwrap().reason, "new data");
    }

    #[test]
    fn a_newer_or_foreign_database_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let newer = folder.path().join("newer.db");
        drop(Tracker::open(&newer).unwrap());
        Connection::open(&newer).unwrap().pragma_update(None, "user_version", 99).unwrap();
        for opened in [Tracker::open(&newer), Tracker::open_read_only(&newer)] {
            let error = opened.err().unwrap();
            assert_eq!(error.kind, ErrorKind::Failed);
            assert!(error.message.ends_with("has schema version 99, this program knows 4"), "{error}");
            assert!(error.hint.unwrap().contains("update mlops"));
        }
        let foreign = folder.path().join("mlflow.db");
        Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE alembic_version (x)").unwrap();
        let before = std::fs::read(&foreign).unwrap();
        assert!(Tracker::open(&foreign).err().unwrap().message.contains("another program"));
        assert_eq!(std::fs::read(&foreign).unwrap(), before);
    }
}
