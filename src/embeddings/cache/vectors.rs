//! Vectors by key, many at a time.
//!
//! `vectors` grows at its end, in the order of arrival, and a small index leads from key to row. A look-up goes through
//! the index in key order and then through the rows in row order: texts that were embedded together are read back in
//! one sweep over the file.
//!
//! Each put writes rows with consecutive ids: a batch. Batches carry the day of their last use, which a look-up moves on
//! at most once a day, so that reading never rewrites rows.

use ndarray::{ArrayView2, ArrayViewMut2};
use rusqlite::{Connection, OptionalExtension, ffi, params};
use sha2::{Digest, Sha256};

use super::file::Cache;
use crate::error::{Error, Result};
use crate::fs::crash_point;

/// Small puts of one embedder and one day share a batch up to this many vectors.
const BATCH: i64 = 65_536;

/// What a text is found by: its SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key([u8; 32]);

impl Key {
    /// The key of a text, exactly as it goes into the tokenizer.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }
}

impl Cache {
    /// Copies the vectors of `keys` into the rows of `vectors` (`n_keys × dimensions`). Returns the rows that are not in
    /// the cache, ascending; these rows stay as they were.
    ///
    /// # Errors
    /// `Invalid` when the embedder's vectors have another length, `Failed` when the file is damaged or cannot be read;
    /// then some rows may have been written.
    pub fn get_many(&self, embedder: &str, keys: &[Key], mut vectors: ArrayViewMut2<'_, f32>) -> Result<Vec<usize>> {
        same_length(keys.len(), vectors.nrows())?;
        let dimensions = vectors.ncols();
        let (found, stale) = self.read(|connection| {
            let Some((id, expected)) = embedder_of(connection, embedder)? else {
                return Ok((Ok(Vec::new()), Vec::new()));
            };
            if expected != dimensions {
                return Ok((Err(expected), Vec::new()));
            }
            let found = locate(connection, id, keys)?;
            copy(connection, keys, &found, &mut vectors)?;
            let stale = stale_batches(connection, id, self.today(), &found)?;
            Ok((Ok(found), stale))
        })?;
        let found = found.map_err(|expected| self.wrong_width(embedder, expected, dimensions))?;
        if !stale.is_empty() {
            // The vectors have been read: a day that stays behind only lets them be pruned earlier.
            let _ = self.write(|connection| {
                let mut update = connection.prepare_cached("UPDATE batches SET used_day = ?1 WHERE first = ?2")?;
                stale.iter().try_for_each(|first| update.execute([self.today(), *first]).map(drop))
            });
        }
        let mut missing = vec![true; keys.len()];
        found.iter().for_each(|(_, row)| missing[*row] = false);
        Ok((0..keys.len()).filter(|row| missing[*row]).collect())
    }

    /// Keeps vectors (`n_keys × dimensions`), all or none; what is there already stays. Other writers wait meanwhile: a
    /// caller with very many puts them in pieces.
    ///
    /// # Errors
    /// `Invalid` when the embedder's vectors have another length, `Busy` when another process keeps writing, `Failed`
    /// when the disk is full, the file is read-only or damaged.
    pub fn put_many(&self, embedder: &str, keys: &[Key], vectors: ArrayView2<'_, f32>) -> Result<()> {
        same_length(keys.len(), vectors.nrows())?;
        if keys.is_empty() {
            return Ok(());
        }
        let dimensions = vectors.ncols();
        let kept = self.write(|connection| {
            let id = match embedder_of(connection, embedder)? {
                Some((_, expected)) if expected != dimensions => return Ok(Err(expected)),
                Some((id, _)) => id,
                None => {
                    let insert = "INSERT INTO embedders (digest, dimensions) VALUES (?1, ?2)";
                    connection.execute(insert, params![embedder, dimensions.cast_signed() as i64])?;
                    connection.last_insert_rowid()
                }
            };
            insert(connection, id, keys, vectors)?;
            batch(connection, id, self.today())?;
            crash_point("cache.before_commit");
            Ok(Ok(()))
        })?;
        kept.map_err(|expected| self.wrong_width(embedder, expected, dimensions))
    }

    fn wrong_width(&self, embedder: &str, expected: usize, got: usize) -> Error {
        let path = self.path().display();
        Error::invalid(format!(
            "the vectors of embedder `{embedder}` have {expected} dimensions in the cache `{path}`, got {got}"
        ))
    }
}

fn same_length(keys: usize, rows: usize) -> Result<()> {
    if keys == rows { Ok(()) } else { Err(Error::invalid(format!("{keys} keys for {rows} rows of vectors"))) }
}

/// The embedder's id and the length of its vectors.
fn embedder_of(connection: &Connection, digest: &str) -> rusqlite::Result<Option<(i64, usize)>> {
    let mut select = connection.prepare_cached("SELECT id, dimensions FROM embedders WHERE digest = ?1")?;
    select.query_row([digest], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as usize))).optional()
}

/// The keys that are there: id of the vector and number of the key, by id.
fn locate(connection: &Connection, embedder: i64, keys: &[Key]) -> rusqlite::Result<Vec<(i64, usize)>> {
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_unstable_by_key(|row| keys[*row]);
    let mut select = connection.prepare_cached("SELECT id FROM vectors WHERE embedder = ?1 AND key = ?2")?;
    let mut found = Vec::with_capacity(keys.len());
    for row in order {
        if let Some(id) = select.query_row(params![embedder, &keys[row].0], |row| row.get(0)).optional()? {
            found.push((id, row));
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn copy(
    connection: &Connection,
    keys: &[Key],
    found: &[(i64, usize)],
    vectors: &mut ArrayViewMut2<'_, f32>,
) -> rusqlite::Result<()> {
    let mut select = connection.prepare_cached("SELECT checksum, vector FROM vectors WHERE id = ?1")?;
    for (id, at) in found {
        let mut rows = select.query([id])?;
        let row = rows.next()?.ok_or_else(|| damaged(*id))?;
        let (numbers, rest) = row.get_ref(1)?.as_blob()?.as_chunks::<4>();
        let whole = numbers.len() == vectors.ncols() && rest.is_empty();
        if !whole || row.get::<_, i64>(0)? != checksum(&keys[*at], numbers) {
            return Err(damaged(*id));
        }
        let targets = vectors.row_mut(*at).into_iter();
        targets.zip(numbers).for_each(|(target, bytes)| *target = f32::from_le_bytes(*bytes));
    }
    Ok(())
}

/// Damage that `SQLite` does not see.
fn damaged(id: i64) -> rusqlite::Error {
    let message = format!("vector {id} is not what was written");
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), Some(message))
}

/// Ties a vector to its key: a wrong vector would be worse than none. Four sums, so that one product need not wait for
/// the other; each step can be undone, so one changed number always changes the result.
fn checksum(key: &Key, numbers: &[[u8; 4]]) -> i64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let step = |state: u64, bytes: &[u8; 4]| {
        let mixed = (state ^ u64::from(u32::from_le_bytes(*bytes))).wrapping_mul(FACTOR);
        mixed ^ (mixed >> 32)
    };
    let mut sums: [u64; 4] = std::array::from_fn(|lane| lane as u64 + 1);
    let (fours, rest) = numbers.as_chunks::<4>();
    for four in key.0.as_chunks::<4>().0.as_chunks::<4>().0.iter().chain(fours) {
        sums.iter_mut().zip(four).for_each(|(sum, bytes)| *sum = step(*sum, bytes));
    }
    sums.iter_mut().zip(rest).for_each(|(sum, bytes)| *sum = step(*sum, bytes));
    sums.into_iter().fold(0_u64, |total, sum| (total ^ sum).wrapping_mul(FACTOR).rotate_left(29)).cast_signed()
}

fn insert(connection: &Connection, embedder: i64, keys: &[Key], vectors: ArrayView2<'_, f32>) -> rusqlite::Result<()> {
    let sql = "INSERT OR IGNORE INTO vectors (embedder, key, checksum, vector) VALUES (?1, ?2, ?3, ?4)";
    let mut insert = connection.prepare_cached(sql)?;
    let mut bytes = vec![[0; 4]; vectors.ncols()];
    for (key, row) in keys.iter().zip(vectors.rows()) {
        bytes.iter_mut().zip(row).for_each(|(bytes, value)| *bytes = value.to_le_bytes());
        insert.execute(params![embedder, &key.0, checksum(key, &bytes), bytes.as_flattened()])?;
    }
    Ok(())
}

/// Enters the rows at the end of the table that are in no batch yet.
fn batch(connection: &Connection, embedder: i64, today: i64) -> rusqlite::Result<()> {
    let last: Option<i64> = connection.query_row("SELECT MAX(id) FROM vectors", [], |row| row.get(0))?;
    let before = "SELECT first, last, embedder, used_day FROM batches ORDER BY first DESC LIMIT 1";
    let before: Option<[i64; 4]> =
        connection.query_row(before, [], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?])).optional()?;
    let (last, end) = (last.unwrap_or(0), before.map_or(0, |before| before[1]));
    match before {
        _ if last <= end => {}
        Some([first, _, of, day]) if of == embedder && day == today && last - first < BATCH => {
            connection.execute("UPDATE batches SET last = ?1 WHERE first = ?2", [last, first])?;
        }
        _ => {
            let insert = "INSERT INTO batches (first, last, embedder, used_day) VALUES (?1, ?2, ?3, ?4)";
            connection.execute(insert, [end + 1, last, embedder, today])?;
        }
    }
    Ok(())
}

/// The batches of the found vectors whose last use was on an earlier day.
fn stale_batches(
    connection: &Connection,
    embedder: i64,
    today: i64,
    found: &[(i64, usize)],
) -> rusqlite::Result<Vec<i64>> {
    let sql = "SELECT first, last FROM batches WHERE embedder = ?1 AND used_day < ?2";
    let mut select = connection.prepare_cached(sql)?;
    let batches = select.query_map([embedder, today], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let batches = batches.collect::<rusqlite::Result<Vec<(i64, i64)>>>()?;
    let touched = batches.into_iter().filter(|(first, last)| {
        let at = found.partition_point(|(id, _)| id < first);
        found.get(at).is_some_and(|(id, _)| id <= last)
    });
    Ok(touched.map(|(first, _)| first).collect())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::{Command, Stdio};

    use ndarray::{Array2, array, s};

    use super::*;
    use crate::error::ErrorKind;

    /// Tells a test in a process of its own which file to work on.
    const FILE: &str = "EMBEDDING_CACHE_TEST_FILE";

    fn keys(range: std::ops::Range<usize>) -> Vec<Key> {
        range.map(|at| Key::of(&at.to_string())).collect()
    }

    /// Vector `at` is [at, at / 2, −at].
    fn numbered(range: std::ops::Range<usize>) -> Array2<f32> {
        let (start, n) = (range.start, range.len());
        Array2::from_shape_fn((n, 3), |(row, column)| (start + row) as f32 * [1.0, 0.5, -1.0][column])
    }

    fn open(path: &Path, day: i64) -> Cache {
        Cache::open(path, day * super::super::file::DAY_MS).unwrap().0
    }

    /// Runs one test of this file in another process.
    fn child(test: &str, path: &Path) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let name = format!("{}::{test}", module_path!().split_once("::").unwrap().1);
        command.args(["--exact", &name, "--nocapture"]).env(FILE, path).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    #[test]
    fn what_was_put_comes_back_bit_for_bit_and_the_rest_is_listed() {
        let folder = tempfile::tempdir().unwrap();
        let cache = open(&folder.path().join("c.db"), 0);
        let keys = ["b", "", "가나", "b"].map(Key::of);
        let vectors = array![[0.1, -0.0], [f32::MIN_POSITIVE / 2.0, f32::MAX], [f32::INFINITY, 3.0], [0.1, -0.0]];
        // Columns of a larger matrix: rows whose numbers do not lie together.
        let wide = vectors.t().to_owned();
        cache.put_many("e", &keys, wide.t()).unwrap();
        let mut got = Array2::from_elem((6, 2), 9.0);
        let asked = [keys[2], Key::of("c"), keys[0], keys[0], keys[1], Key::of("d")];
        assert_eq!(cache.get_many("e", &asked, got.view_mut()).unwrap(), [1, 5]);
        let expected = array![
            [f32::INFINITY, 3.0],
            [9.0, 9.0],
            [0.1, -0.0],
            [0.1, -0.0],
            [f32::MIN_POSITIVE / 2.0, f32::MAX],
            [9.0, 9.0]
        ];
        assert_eq!(got.map(|value| value.to_bits()), expected.map(|value: &f32| value.to_bits()));
        assert_eq!(cache.get_many("other", &keys, got.slice_mut(s![..4, ..])).unwrap(), [0, 1, 2, 3]);
        // SHA-256 of nothing: FIPS 180-4.
        assert_eq!(crate::fs::hex(&keys[1].0[..4]), "e3b0c442");
    }

    #[test]
    fn another_length_is_refused_and_nothing_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let cache = open(&folder.path().join("c.db"), 0);
        cache.put_many("e", &keys(0..2), numbered(0..2).view()).unwrap();
        let wide = Array2::zeros((2, 4));
        let error = cache.put_many("e", &keys(2..4), wide.view()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(error.message.starts_with("the vectors of embedder `e` have 3 dimensions in the cache `/"), "{error}");
        assert!(error.message.ends_with("c.db`, got 4"), "{error}");
        assert_eq!(cache.get_many("e", &keys(0..2), wide.clone().view_mut()).unwrap_err().kind, ErrorKind::Invalid);
        assert_eq!(cache.get_many("e", &keys(0..3), numbered(0..3).view_mut()).unwrap(), [2]);
        let error = cache.put_many("e", &keys(2..4), numbered(2..5).view()).unwrap_err();
        assert_eq!(error.message, "2 keys for 3 rows of vectors");
    }

    #[test]
    fn a_changed_number_changes_the_checksum() {
        let numbers: Vec<[u8; 4]> = (0..7_u32).map(u32::to_le_bytes).collect();
        let whole = checksum(&Key::of("a"), &numbers);
        assert_ne!(checksum(&Key::of("b"), &numbers), whole);
        for at in 0..7 * 32 {
            let mut changed = numbers.clone();
            changed[at / 32][at % 32 / 8] ^= 1 << (at % 8);
            assert_ne!(checksum(&Key::of("a"), &changed), whole, "bit {at}");
        }
        assert_eq!(checksum(&Key::of("a"), &numbers), whole);
    }

    #[test]
    fn writer_in_a_process_of_its_own() {
        let Some(path) = std::env::var_os(FILE) else { return };
        let cache = open(Path::new(&path), 0);
        for start in (0..4000).step_by(50) {
            cache.put_many("e", &keys(start..start + 50), numbered(start..start + 50).view()).unwrap();
        }
    }

    #[test]
    fn processes_and_threads_write_and_read_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.db");
        let mut children: Vec<_> =
            (0..2).map(|_| child("writer_in_a_process_of_its_own", &path).spawn().unwrap()).collect();
        let cache = open(&path, 0);
        std::thread::scope(|scope| {
            for thread in 0..2 {
                let cache = &cache;
                scope.spawn(move || {
                    for start in (0..6000).step_by(200) {
                        let range = start..start + 200;
                        let of = format!("e{}", ["", "x"][thread]);
                        cache.put_many(&of, &keys(range.clone()), numbered(range.clone()).view()).unwrap();
                        let mut got = Array2::zeros((200, 3));
                        assert_eq!(cache.get_many(&of, &keys(range.clone()), got.view_mut()).unwrap(), [0; 0]);
                        assert_eq!(got, numbered(range));
                    }
                });
            }
        });
        assert!(children.iter_mut().all(|child| child.wait().unwrap().success()));
        for of in ["e", "ex"] {
            let mut got = Array2::zeros((6000, 3));
            assert_eq!(cache.get_many(of, &keys(0..6000), got.view_mut()).unwrap(), [0; 0]);
            assert_eq!(got, numbered(0..6000));
        }
        let held = cache.stats().unwrap();
        assert_eq!(held.iter().map(|held| held.vectors).collect::<Vec<_>>(), [6000, 6000], "none was kept twice");
    }

    #[test]
    fn put_that_dies_before_it_is_done() {
        let Some(path) = std::env::var_os(FILE) else { return };
        crate::fs::arm_crash_point("cache.before_commit".into());
        let wide = Array2::from_elem((20_000, 600), 1.0);
        let _ = open(Path::new(&path), 0).put_many("wide", &keys(0..20_000), wide.view());
    }

    #[test]
    fn a_killed_put_leaves_what_was_there_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.db");
        open(&path, 0).put_many("e", &keys(0..100), numbered(0..100).view()).unwrap();
        // 48 MB, more than the 32 MiB of memory that a connection has: part of it is in the log when the process dies.
        assert!(!child("put_that_dies_before_it_is_done", &path).status().unwrap().success());
        let log = std::fs::metadata(folder.path().join("c.db-wal")).unwrap().len();
        assert!(log > 1 << 20, "{log} bytes in the log");
        let cache = open(&path, 0);
        let mut got = Array2::zeros((200, 3));
        assert_eq!(cache.get_many("e", &keys(0..200), got.view_mut()).unwrap(), (100..200).collect::<Vec<_>>());
        assert_eq!(got.slice(s![..100, ..]), numbered(0..100));
        assert_eq!(cache.stats().unwrap().len(), 1);
        cache.put_many("e", &keys(50..150), numbered(50..150).view()).unwrap();
        assert_eq!(cache.get_many("e", &keys(0..200), got.view_mut()).unwrap().len(), 50);
    }
}
