//! The file: opened with the settings that let several processes share it, created, found damaged, set aside.
//!
//! WAL lets readers and one writer work at once; a second writer waits its turn. Creating and setting aside happen under
//! a kernel lock beside the file, so that of several processes one does it and the others find it done.

use std::fs::{self, File};
use std::io::{ErrorKind as IoErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use crate::error::{Context, Error, Result};
use crate::fs::{Lock, create_dir, create_shared};
use crate::mounts::network_file_system;

/// "mlvc": marks a file as a cache of ours, so that another program's database is not written to.
const APPLICATION_ID: i64 = 0x6d6c_7663;
const VERSION: i64 = 1;
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
pub(super) const DAY_MS: i64 = 86_400_000;

/// Measured with 768 dimensions: with pages of 4 KiB (one vector each, a quarter of the file empty) writing takes twice
/// and reading 1.3 times as long; pages of 64 KiB gain nothing, and each small put writes four times as much.
const CREATE: &str = "PRAGMA page_size = 16384; PRAGMA journal_mode = WAL;";
/// The log is cut back after a large put.
const SETTINGS: &str = "PRAGMA synchronous = NORMAL; PRAGMA cache_size = -32768; PRAGMA journal_size_limit = 33554432;";
const SCHEMA: &str = "
CREATE TABLE embedders (
  id INTEGER PRIMARY KEY,
  digest TEXT NOT NULL UNIQUE,
  dimensions INTEGER NOT NULL
) STRICT;
CREATE TABLE vectors (
  id INTEGER PRIMARY KEY,
  embedder INTEGER NOT NULL,
  key BLOB NOT NULL,
  checksum INTEGER NOT NULL,
  vector BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX vectors_by_key ON vectors (embedder, key);
CREATE TABLE batches (
  first INTEGER PRIMARY KEY,
  last INTEGER NOT NULL,
  embedder INTEGER NOT NULL,
  used_day INTEGER NOT NULL
) STRICT;
CREATE TABLE files (
  path BLOB PRIMARY KEY,
  stamp TEXT NOT NULL,
  sha256 TEXT NOT NULL
) STRICT, WITHOUT ROWID;
PRAGMA application_id = 0x6d6c7663;
PRAGMA user_version = 1;
";

/// The cache. Threads share it as it is; each process opens its own.
#[derive(Debug)]
pub struct Cache {
    connection: Mutex<Connection>,
    path: PathBuf,
    inode: u64,
    pub(super) now_ms: i64,
}

/// What lies at the cache's path.
enum Found {
    Cache,
    Nothing,
    Damage,
}

impl Cache {
    /// Opens the cache, creating its folder and file when they are not there. A damaged file is set aside and a new one
    /// begun; then there is a note that says so. `now_ms`: milliseconds since 1970.
    ///
    /// # Errors
    /// `Failed` when the file is another program's or a newer one's, lies on a network file system, or the disk refuses;
    /// `Busy` when another process keeps it for long.
    pub fn open(path: &Path, now_ms: i64) -> Result<(Self, Option<String>)> {
        let path = std::path::absolute(path).context(|| format!("`{}` is not a file's path", path.display()))?;
        if let Some(kind) = network_file_system(&path) {
            let message =
                format!("the embedding cache `{}` would lie on a network file system ({kind})", path.display());
            return Err(Error::failed(message).hint("SQLite's write-ahead log is not safe there: use a local disk"));
        }
        create_dir(path.parent().unwrap_or(Path::new("/")))?;
        let _lock = Lock::take(&beside(&path, ".lock"), "opening the embedding cache", BUSY_TIMEOUT)?;
        let mut cache = Self { connection: Mutex::new(connect(&path)?), path, inode: 0, now_ms };
        let mut note = None;
        match cache.look()? {
            Found::Cache => {}
            Found::Nothing => cache.create()?,
            Found::Damage => {
                let aside = set_aside(&cache.path)?;
                note = Some(format!(
                    "the embedding cache `{}` was damaged: it is now `{}`, and a new one was begun",
                    cache.path.display(),
                    aside.display()
                ));
                cache.connection = Mutex::new(connect(&cache.path)?);
                cache.create()?;
            }
        }
        cache.batch(SETTINGS)?;
        cache.inode = fs::metadata(&cache.path).map_or(0, |file| file.ino());
        Ok((cache, note))
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number of today since 1970 (UTC).
    pub(super) fn today(&self) -> i64 {
        self.now_ms.div_euclid(DAY_MS)
    }

    fn look(&self) -> Result<Found> {
        let identity = self.transaction(TransactionBehavior::Deferred, |connection| {
            let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
            Ok((
                number("PRAGMA application_id")?,
                number("PRAGMA user_version")?,
                number("SELECT COUNT(*) FROM sqlite_schema")?,
            ))
        });
        let path = self.path.display();
        match identity {
            Ok((APPLICATION_ID, VERSION, _)) => Ok(Found::Cache),
            Ok((0, 0, 0)) => Ok(Found::Nothing),
            Ok((APPLICATION_ID, version, _)) => Err(Error::failed(format!(
                "the embedding cache `{path}` has version {version}, this program reads {VERSION}"
            ))
            .hint("another version of this program made it: use that, or remove the file")),
            Ok(_) => Err(not_ours(&self.path)),
            Err(cause) => match cause.sqlite_error_code() {
                Some(ErrorCode::DatabaseCorrupt) => Ok(Found::Damage),
                // A disk that lost its power leaves zeros; anything else may be a file that someone needs.
                Some(ErrorCode::NotADatabase) if begins_with_zeros(&self.path) => Ok(Found::Damage),
                Some(ErrorCode::NotADatabase) => Err(not_ours(&self.path).caused_by(cause)),
                _ => Err(self.trouble(cause)),
            },
        }
    }

    fn create(&self) -> Result<()> {
        self.batch(CREATE)?;
        self.write(|connection| connection.execute_batch(SCHEMA))
    }

    /// Statements that are no transaction of their own.
    pub(super) fn batch(&self, sql: &str) -> Result<()> {
        let done = self.lock().execute_batch(sql);
        done.map_err(|cause| self.trouble(cause))
    }

    /// A thread that panicked has rolled its transaction back, so the connection behind a poisoned lock is sound.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queries that all see the same moment.
    pub(super) fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        self.transaction(TransactionBehavior::Deferred, work).map_err(|cause| self.trouble(cause))
    }

    /// Changes that all happen or none.
    pub(super) fn write<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        self.transaction(TransactionBehavior::Immediate, work).map_err(|cause| self.trouble(cause))
    }

    fn transaction<T>(
        &self,
        behavior: TransactionBehavior,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let connection = self.lock();
        let transaction = Transaction::new_unchecked(&connection, behavior)?;
        let value = work(&transaction)?;
        transaction.commit()?;
        Ok(value)
    }

    /// The error to tell; a damaged file is set aside.
    fn trouble(&self, cause: rusqlite::Error) -> Error {
        let path = self.path.display();
        let error = match cause.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Error::busy(format!("the embedding cache `{path}` is held by another process"))
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                let error = Error::failed(format!("the embedding cache `{path}` is damaged"));
                match self.leave() {
                    Ok(Some(aside)) => {
                        error.hint(format!("it is now `{}`; the next run begins a new one", aside.display()))
                    }
                    Ok(None) => error.hint("another process has begun a new one"),
                    Err(_) => error.hint("remove the file: it holds nothing that cannot be computed again"),
                }
            }
            Some(ErrorCode::DiskFull) => Error::failed(format!("no space is left for the embedding cache `{path}`"))
                .hint("`mlops gc` removes old vectors; `--no-cache` does without"),
            Some(ErrorCode::ReadOnly) => Error::failed(format!("the embedding cache `{path}` cannot be written to")),
            Some(ErrorCode::CannotOpen) => Error::failed(format!("the embedding cache `{path}` cannot be opened")),
            _ => Error::failed(format!("the embedding cache `{path}` failed")),
        };
        error.caused_by(cause)
    }

    /// Sets the damaged file aside, unless the file at this path is no longer the one that was opened.
    fn leave(&self) -> Result<Option<PathBuf>> {
        let _lock = Lock::take(&beside(&self.path, ".lock"), "leaving a damaged embedding cache", BUSY_TIMEOUT)?;
        let here = fs::metadata(&self.path).is_ok_and(|file| file.ino() == self.inode);
        if here { set_aside(&self.path).map(Some) } else { Ok(None) }
    }
}

fn connect(path: &Path) -> Result<Connection> {
    // One that cannot be created is told by SQLite, as one that cannot be opened.
    let _ = create_shared(path);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = Connection::open_with_flags(path, flags);
    let waiting = opened.and_then(|connection| connection.busy_timeout(BUSY_TIMEOUT).map(|()| connection));
    waiting.context(|| format!("cannot open the embedding cache `{}`", path.display()))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Renames the file and its log: a log without its file would be read into the next one. Of several damaged files the
/// last is kept.
fn set_aside(path: &Path) -> Result<PathBuf> {
    let aside = beside(path, ".damaged");
    for part in ["-wal", "-shm", ""] {
        match fs::rename(beside(path, part), beside(&aside, part)) {
            Err(cause) if cause.kind() != IoErrorKind::NotFound => {
                return Err(
                    Error::failed(format!("cannot set the damaged `{}` aside", path.display())).caused_by(cause)
                );
            }
            _ => {}
        }
    }
    Ok(aside)
}

fn begins_with_zeros(path: &Path) -> bool {
    let mut start = [1; 16];
    File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == [0; 16]
}

fn not_ours(path: &Path) -> Error {
    Error::failed(format!("`{}` is not an embedding cache", path.display())).hint("give another path, or remove it")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use ndarray::Array2;

    use super::*;
    use crate::embeddings::cache::Key;
    use crate::error::ErrorKind;

    fn keys(n: usize) -> Vec<Key> {
        (0..n).map(|at| Key::of(&at.to_string())).collect()
    }

    /// A closed cache with 2,000 vectors of 64 numbers.
    fn filled(path: &Path) {
        let (cache, note) = Cache::open(path, 0).unwrap();
        assert_eq!(note, None);
        cache.put_many("e", &keys(2000), Array2::from_elem((2000, 64), 1.5).view()).unwrap();
    }

    fn found(cache: &Cache) -> Result<usize> {
        let missing = cache.get_many("e", &keys(2000), Array2::zeros((2000, 64)).view_mut())?;
        Ok(2000 - missing.len())
    }

    #[test]
    fn the_settings_hold_and_threads_may_share() {
        fn shared<T: Send + Sync>(_: &T) {}
        let folder = tempfile::tempdir().unwrap();
        let (cache, _) = Cache::open(&folder.path().join("deep/c.db"), 0).unwrap();
        shared(&cache);
        let setting = |name: &str| {
            let sql = format!("PRAGMA {name}");
            cache.lock().query_row(&sql, [], |row| row.get::<_, rusqlite::types::Value>(0)).unwrap()
        };
        assert_eq!(setting("journal_mode"), "wal".to_owned().into());
        assert_eq!(setting("page_size"), 16_384.into());
        assert_eq!(setting("synchronous"), 1.into());
        assert_eq!(setting("busy_timeout"), 10_000.into());
        assert_eq!((setting("application_id"), setting("user_version")), (APPLICATION_ID.into(), VERSION.into()));
    }

    #[test]
    fn many_may_create_it_at_once() {
        let folder = tempfile::tempdir().unwrap();
        for round in 0..5 {
            let path = folder.path().join(format!("{round}/c.db"));
            std::thread::scope(|scope| {
                let opening: Vec<_> = (0..8).map(|_| scope.spawn(|| Cache::open(&path, 0).map(drop))).collect();
                opening.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
            });
        }
    }

    #[test]
    fn what_is_not_ours_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.db");
        let refused = |path: &Path| Cache::open(path, 0).err().unwrap();
        let text = "this is a text file, and a long one at that: ".repeat(50);
        fs::write(&path, &text).unwrap();
        let error = refused(&path);
        assert_eq!(
            (error.kind, error.message),
            (ErrorKind::Failed, format!("`{}` is not an embedding cache", path.display()))
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), text);

        let other = folder.path().join("other.db");
        Connection::open(&other).unwrap().execute_batch("CREATE TABLE a (b)").unwrap();
        assert!(refused(&other).message.ends_with("is not an embedding cache"));

        let newer = folder.path().join("newer.db");
        filled(&newer);
        Connection::open(&newer).unwrap().execute_batch("PRAGMA user_version = 7").unwrap();
        let message = refused(&newer).message;
        assert!(message.ends_with("newer.db` has version 7, this program reads 1"), "{message}");
        assert!(newer.exists() && !beside(&newer, ".damaged").exists());

        assert!(refused(folder.path()).message.starts_with("cannot open the embedding cache"));
        assert!(refused(&path.join("c.db")).message.starts_with("cannot create the folder"));
    }

    #[test]
    fn damage_that_shows_at_opening_begins_a_new_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.db");
        let zeros: fn(&File) = |file| file.write_all_at(&[0; 16_384], 0).unwrap();
        let schema: fn(&File) = |file| file.write_all_at(&[0xff; 16_000], 100).unwrap();
        let cut: fn(&File) = |file| file.set_len(5 * 16_384).unwrap();
        for (damage, what) in [(zeros, "zeros"), (schema, "schema"), (cut, "cut")] {
            filled(&path);
            damage(&File::options().write(true).open(&path).unwrap());
            let (cache, note) = Cache::open(&path, 0).unwrap();
            let note = note.unwrap_or_else(|| panic!("{what}: no note"));
            assert!(note.ends_with("c.db.damaged`, and a new one was begun"), "{note}");
            assert_eq!(found(&cache).unwrap(), 0, "{what}");
            drop(cache);
            assert_eq!(Cache::open(&path, 0).unwrap().1, None, "{what}: the new one is whole");
            fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn damage_that_shows_later_is_an_error_once_and_then_a_new_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.db");
        let rubbish: fn(&File) = |file| file.write_all_at(&[0x55; 16_384], 3 * 16_384 + 99).unwrap();
        let one_bit: fn(&File) = |file| {
            // 1.5 as f32 ends in 0x3f: some vector's number becomes another, which SQLite does not see.
            let (mut page, at) = ([0; 16_384], 8 * 16_384);
            file.read_exact_at(&mut page, at).unwrap();
            let byte = page.windows(8).position(|eight| eight == [0, 0, 0xc0, 0x3f, 0, 0, 0xc0, 0x3f]).unwrap();
            file.write_all_at(&[0xc1], at + byte as u64 + 2).unwrap();
        };
        for (damage, what) in [(rubbish, "rubbish"), (one_bit, "one bit")] {
            filled(&path);
            damage(&File::options().read(true).write(true).open(&path).unwrap());
            let (cache, note) = Cache::open(&path, 0).unwrap();
            assert_eq!(note, None, "{what}");
            let error = found(&cache).err().unwrap_or_else(|| panic!("{what}: not seen"));
            assert_eq!(error.message, format!("the embedding cache `{}` is damaged", path.display()), "{what}");
            assert!(error.hint.unwrap().contains("c.db.damaged`; the next run begins a new one"), "{what}");
            let (next, note) = Cache::open(&path, 0).unwrap();
            assert_eq!((note, found(&next).unwrap()), (None, 0), "{what}");
            next.put_many("e", &keys(2000), Array2::from_elem((2000, 64), 1.5).view()).unwrap();
            assert!(found(&cache).is_err(), "{what}: the damaged file is still the old one's");
            drop(cache);
            assert_eq!(found(&next).unwrap(), 2000, "{what}: the old one's end does not touch the new file");
            drop(next);
            fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn a_full_disk_and_a_read_only_file_are_named_and_change_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.db");
        filled(&path);
        let (cache, _) = Cache::open(&path, 0).unwrap();
        let more = Array2::from_elem((2000, 64), 2.5);
        let put = || cache.put_many("f", &keys(2000), more.view()).unwrap_err();
        cache.batch("PRAGMA max_page_count = 60").unwrap();
        let error = put();
        assert!(error.message.starts_with("no space is left for the embedding cache `/"), "{error}");
        cache.batch("PRAGMA max_page_count = 1000000; PRAGMA query_only = ON").unwrap();
        let error = put();
        assert!(error.message.ends_with("c.db` cannot be written to"), "{error} {:?}", error.causes());
        assert_eq!(found(&cache).unwrap(), 2000);
        cache.batch("PRAGMA query_only = OFF").unwrap();
        assert_eq!(cache.get_many("f", &keys(2000), Array2::zeros((2000, 64)).view_mut()).unwrap().len(), 2000);
        cache.put_many("f", &keys(2000), more.view()).unwrap();
    }
}
