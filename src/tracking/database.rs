//! The file: opened with the settings that let several processes share it, and the two kinds of transaction.
//!
//! WAL lets readers and one writer work at once; `busy_timeout` makes a second writer wait its turn; every write
//! begins `IMMEDIATE`, so that it waits at its start and cannot lose a race half-way ("database is locked"). A read
//! is one transaction too: all its queries see the same moment. WAL keeps an index in shared memory, which machines
//! on a network file system do not share: there the file would be damaged, so it is refused.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use super::failure::{Failure, QueryResult};
use super::migrations::{self, MIGRATIONS};
use crate::error::{Error, Result};
use crate::mounts::network_file_system;

const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// The tracking database. Shared by threads as it is; each process opens its own.
#[derive(Debug)]
pub struct Tracker {
    connection: Mutex<Connection>,
    path: PathBuf,
}

impl Tracker {
    /// Opens the database, creating its folder, the file and the schema when they are not there.
    ///
    /// # Errors
    /// `Failed` when the file is not ours, is damaged, is newer than this program, or lies on a network file system.
    pub fn open(path: &Path) -> Result<Self> {
        let path = located(path)?;
        crate::fs::create_dir(path.parent().unwrap_or(Path::new("/")))?;
        // A database that cannot be created is told by SQLite, as one that cannot be opened.
        let _ = crate::fs::create_shared(&path);
        let tracker = Self::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        let found = tracker.read(migrations::identity)?;
        migrations::check(&found, MIGRATIONS.len(), &tracker.path)?;
        {
            let connection = tracker.lock();
            use_wal(&connection, &tracker.path)?;
            if found.version < MIGRATIONS.len() {
                migrations::migrate(&connection, MIGRATIONS, &tracker.path)
                    .map_err(|failure| failure.at(&tracker.path))?;
            }
        }
        Ok(tracker)
    }

    /// Opens an existing database; every write is then an error.
    ///
    /// # Errors
    /// `NotFound` when there is none; else as `open`, and `Failed` when it has no schema yet. One of an older program is read as
    /// it is.
    pub fn open_read_only(path: &Path) -> Result<Self> {
        let path = located(path)?;
        if !path.exists() {
            return Err(Error::not_found(format!("`{}` is not there", path.display()))
                .hint("nothing has been tracked yet: `mlops train` writes the first run"));
        }
        let open = |file: &Path, flags: OpenFlags| {
            let tracker = Self { path: path.clone(), ..Self::connect(file.to_path_buf(), flags)? };
            let found = tracker.read(migrations::identity)?;
            Ok((tracker, found))
        };
        let opened = open(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).or_else(|error: Error| {
            // In a folder that cannot be written there is no room for the log's index. Without a log none is needed,
            // and nobody can be writing: the file may be read as it is.
            if log_of(&path).exists() {
                return Err(error);
            }
            open(&immutable(&path), OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI).map_err(|_| error)
        });
        let (tracker, found) = opened?;
        migrations::check(&found, MIGRATIONS.len(), &tracker.path)?;
        migrations::stand_in(&tracker.lock(), &found).map_err(|failure| failure.at(&tracker.path))?;
        if found.version == 0 {
            let text = format!(
                "`{}` has schema version {}, this program needs {}",
                tracker.path.display(),
                found.version,
                MIGRATIONS.len()
            );
            return Err(Error::failed(text).hint("a command that writes, such as `mlops doctor --fix`, updates it"));
        }
        Ok(tracker)
    }

    /// What SQLite's own check finds wrong with the file; nothing when it is whole.
    ///
    /// # Errors
    /// `Failed` when the check cannot run.
    pub fn integrity(&self) -> Result<Vec<String>> {
        self.read(|connection| {
            let mut statement = connection.prepare("PRAGMA integrity_check")?;
            let lines =
                statement.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
            Ok(lines.into_iter().filter(|line| line != "ok").collect())
        })
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn connect(path: PathBuf, flags: OpenFlags) -> Result<Self> {
        let cannot = |cause: rusqlite::Error| {
            Error::failed(format!("cannot open the tracking database `{}`", path.display())).caused_by(cause)
        };
        // The connection is behind a mutex of ours, so SQLite's own would be a second one.
        let connection = Connection::open_with_flags(&path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(cannot)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(cannot)?;
        connection
            .execute_batch("PRAGMA foreign_keys = ON; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -16384;")
            .map_err(|cause| Failure::from(cause).at(&path))?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(Self { connection: Mutex::new(connection), path })
    }

    /// A thread that panicked has rolled its transaction back, so the connection behind a poisoned lock is sound.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queries that all see the same moment.
    pub(super) fn read<T>(&self, work: impl FnOnce(&Connection) -> QueryResult<T>) -> Result<T> {
        self.transaction(TransactionBehavior::Deferred, work).map_err(|failure| failure.at(&self.path))
    }

    /// Changes that all happen or none.
    pub(super) fn write<T>(&self, work: impl FnOnce(&Connection) -> QueryResult<T>) -> Result<T> {
        self.checked_for_writing()
            .and_then(|()| self.transaction(TransactionBehavior::Immediate, work))
            .map_err(|failure| failure.at(&self.path))
    }

    /// What stands in for a table that an older file lacks could be written to, and would be gone at the end.
    fn checked_for_writing(&self) -> QueryResult<()> {
        if self.lock().is_readonly("main")? {
            let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_READONLY);
            return Err(rusqlite::Error::SqliteFailure(code, None).into());
        }
        Ok(())
    }

    fn transaction<T>(
        &self,
        behavior: TransactionBehavior,
        work: impl FnOnce(&Connection) -> QueryResult<T>,
    ) -> QueryResult<T> {
        let connection = self.lock();
        let transaction = Transaction::new_unchecked(&connection, behavior)?;
        let value = work(&transaction)?;
        transaction.commit()?;
        Ok(value)
    }
}

/// The write-ahead log beside a database.
fn log_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

/// The URI that opens a database as a file that nobody changes.
fn immutable(path: &Path) -> PathBuf {
    let text = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    PathBuf::from(format!("file://{text}?immutable=1"))
}

/// The absolute path, so that one that begins with `file:` is not read as a URI; refused on a network file system.
fn located(path: &Path) -> Result<PathBuf> {
    let path = std::path::absolute(path)
        .map_err(|cause| Error::invalid(format!("`{}` is not a file's path", path.display())).caused_by(cause))?;
    match network_file_system(&path) {
        Some(kind) => Err(Error::failed(format!(
            "the tracking database `{}` would lie on a network file system ({kind})",
            path.display()
        ))
        .hint("SQLite's write-ahead log is not safe there: keep the project on a local disk")),
        None => Ok(path),
    }
}

/// Turns the write-ahead log on. It is a property of the file, so this changes something only once; then other
/// processes may be doing the same, and `SQLite` answers "busy" at once instead of waiting.
fn use_wal(connection: &Connection, path: &Path) -> Result<()> {
    let mode = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, String>(0));
    let failed = |cause: rusqlite::Error| Failure::from(cause).at(path);
    if mode("PRAGMA journal_mode").map_err(failed)? == "wal" {
        return Ok(());
    }
    let mut waited = Duration::ZERO;
    loop {
        match mode("PRAGMA journal_mode = WAL") {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(mode) => {
                return Err(Error::failed(format!(
                    "the tracking database stays in journal mode {mode}, WAL is needed: `{}`",
                    path.display()
                )));
            }
            Err(cause) if cause.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && waited < BUSY_TIMEOUT => {
                std::thread::sleep(RETRY_PAUSE);
                waited += RETRY_PAUSE;
            }
            Err(cause) => return Err(failed(cause)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn the_settings_hold_and_threads_may_share() {
        fn shared<T: Send + Sync>(_: &T) {}
        let folder = tempfile::tempdir().unwrap();
        let tracker = Tracker::open(&folder.path().join("t.db")).unwrap();
        shared(&tracker);
        let setting = |sql: &str| {
            let connection = tracker.lock();
            connection.query_row(sql, [], |row| row.get::<_, rusqlite::types::Value>(0)).unwrap()
        };
        assert_eq!(setting("PRAGMA journal_mode"), "wal".to_owned().into());
        assert_eq!(setting("PRAGMA busy_timeout"), 10_000.into());
        assert_eq!(setting("PRAGMA foreign_keys"), 1.into());
        assert_eq!(setting("PRAGMA synchronous"), 1.into());
    }

    #[test]
    fn what_is_not_a_database_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        assert_eq!(Tracker::open_read_only(&path).err().unwrap().kind, ErrorKind::NotFound);
        assert!(!path.exists());
        std::fs::write(&path, "this is a text file, and a long one at that: ".repeat(50)).unwrap();
        let error = Tracker::open(&path).err().unwrap();
        assert_eq!(error.kind, ErrorKind::Failed);
        assert!(error.message.starts_with("the tracking database is not an SQLite file: `/"), "{error}");
        assert!(Tracker::open(folder.path()).err().unwrap().message.starts_with("cannot open"));
    }

    #[test]
    fn a_read_only_tracker_reads_and_refuses_to_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        let writer = Tracker::open(&path).unwrap();
        let name = crate::names::ExperimentName::parse("a").unwrap();
        writer.ensure_experiment(&name, "", 1).unwrap();
        let reader = Tracker::open_read_only(&path).unwrap();
        assert_eq!(reader.experiment("a").unwrap().id, 1);
        let error = reader.restore_experiment(1, 2).unwrap_err();
        let expected = format!("the tracking database cannot be written to: `{}`", path.display());
        assert_eq!(error.message, expected, "{:?}", error.causes());
    }

    #[test]
    fn many_processes_may_create_it_at_once() {
        let folder = tempfile::tempdir().unwrap();
        for round in 0..5 {
            let path = folder.path().join(format!("{round}/t.db"));
            std::thread::scope(|scope| {
                let opening: Vec<_> = (0..8).map(|_| scope.spawn(|| Tracker::open(&path).map(drop))).collect();
                for thread in opening {
                    thread.join().unwrap().unwrap();
                }
            });
        }
    }
}
