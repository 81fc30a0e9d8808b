//! What is held, and removing the part that is not worth its room.

use rusqlite::{Connection, OptionalExtension};

use super::file::{Cache, DAY_MS};
use crate::error::Result;

/// What the cache holds of one embedder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The embedder's digest.
    pub embedder: String,
    /// Length of a vector.
    pub dimensions: usize,
    /// Number of vectors.
    pub vectors: u64,
    /// Bytes of the vectors; the file is a few per cent larger.
    pub bytes: u64,
    /// The day of the last use: milliseconds since 1970 of its beginning (UTC).
    pub last_used_ms: i64,
}

/// What to remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prune {
    /// Vectors that were not used in the last so many days.
    UnusedFor {
        /// Days.
        days: u32,
    },
    /// The vectors whose last use is longest ago, the oldest first, until the rest has at most so many bytes.
    Above {
        /// Bytes of vectors.
        bytes: u64,
    },
    /// All vectors of the embedder with this digest.
    Embedder(String),
}

/// How much was, or would be, removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Pruned {
    /// Number of vectors.
    pub vectors: u64,
    /// Their bytes.
    pub bytes: u64,
}

struct Batch {
    first: i64,
    last: i64,
    embedder: i64,
    used_day: i64,
    vector_bytes: u64,
}

impl Cache {
    /// What is held, by embedder digest.
    ///
    /// # Errors
    /// As `get_many`.
    pub fn stats(&self) -> Result<Vec<Held>> {
        self.read(|connection| {
            let sql = "SELECT digest, dimensions, SUM(last - first + 1), MAX(used_day)
                       FROM batches JOIN embedders ON embedders.id = embedder GROUP BY embedder ORDER BY digest";
            let mut select = connection.prepare_cached(sql)?;
            let held = select.query_map([], |row| {
                let (dimensions, vectors) = (row.get::<_, i64>(1)? as usize, row.get::<_, i64>(2)? as u64);
                Ok(Held {
                    embedder: row.get(0)?,
                    dimensions,
                    vectors,
                    bytes: vectors * dimensions as u64 * 4,
                    last_used_ms: row.get::<_, i64>(3)? * DAY_MS,
                })
            })?;
            held.collect()
        })
    }

    /// What `prune` would remove.
    ///
    /// # Errors
    /// As `get_many`.
    pub fn would_prune(&self, policy: &Prune) -> Result<Pruned> {
        Ok(total(&self.read(|connection| doomed(connection, policy, self.today()))?))
    }

    /// Removes vectors, batch by batch; what was removed stays so when a later batch fails. The room is free for new
    /// vectors; `compact` gives it back to the disk.
    ///
    /// # Errors
    /// As `put_many`.
    pub fn prune(&self, policy: &Prune) -> Result<Pruned> {
        let doomed = self.read(|connection| doomed(connection, policy, self.today()))?;
        for batch in &doomed {
            self.write(|connection| {
                // The batch's own beginning and end, in case another process has pruned or extended it meanwhile.
                let sql = "SELECT last FROM batches WHERE first = ?1 AND embedder = ?2";
                let last: Option<i64> =
                    connection.query_row(sql, [batch.first, batch.embedder], |row| row.get(0)).optional()?;
                let Some(last) = last else { return Ok(()) };
                let end = batch.last.min(last);
                connection.execute("DELETE FROM vectors WHERE id BETWEEN ?1 AND ?2", [batch.first, end])?;
                if end < last {
                    connection.execute("UPDATE batches SET first = ?2 WHERE first = ?1", [batch.first, end + 1])?;
                } else {
                    connection.execute("DELETE FROM batches WHERE first = ?1", [batch.first])?;
                }
                Ok(())
            })?;
        }
        self.write(|connection| {
            connection.execute("DELETE FROM embedders WHERE id NOT IN (SELECT embedder FROM batches)", [])
        })?;
        Ok(total(&doomed))
    }

    /// Gives the room of removed vectors back to the disk; writes what remains anew.
    ///
    /// # Errors
    /// `Busy` while another process uses the cache, `Failed` when the disk has no room for the copy.
    pub fn compact(&self) -> Result<()> {
        self.batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE);")
    }
}

/// The batches, or their older parts, that a policy removes.
fn doomed(connection: &Connection, policy: &Prune, today: i64) -> rusqlite::Result<Vec<Batch>> {
    let sql = "SELECT first, last, embedder, used_day, dimensions, digest
               FROM batches JOIN embedders ON embedders.id = embedder ORDER BY used_day, first";
    let mut select = connection.prepare_cached(sql)?;
    let rows = select.query_map([], |row| {
        let vector_bytes = row.get::<_, i64>(4)? as u64 * 4;
        let batch =
            Batch { first: row.get(0)?, last: row.get(1)?, embedder: row.get(2)?, used_day: row.get(3)?, vector_bytes };
        Ok((batch, row.get::<_, String>(5)?))
    })?;
    let batches = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut excess = match policy {
        Prune::Above { bytes } => batches.iter().map(|(batch, _)| batch.bytes()).sum::<u64>().saturating_sub(*bytes),
        _ => 0,
    };
    let doomed = batches.into_iter().filter_map(|(mut batch, digest)| match policy {
        Prune::UnusedFor { days } => (batch.used_day < today - i64::from(*days)).then_some(batch),
        Prune::Embedder(wanted) => (digest == *wanted).then_some(batch),
        Prune::Above { .. } => {
            let vectors = excess.div_ceil(batch.vector_bytes.max(1)).min(batch.vectors());
            batch.last = batch.first + vectors.cast_signed() - 1;
            excess = excess.saturating_sub(batch.bytes());
            (vectors > 0).then_some(batch)
        }
    });
    Ok(doomed.collect())
}

impl Batch {
    fn vectors(&self) -> u64 {
        (self.last - self.first + 1) as u64
    }

    fn bytes(&self) -> u64 {
        self.vectors() * self.vector_bytes
    }
}

fn total(batches: &[Batch]) -> Pruned {
    Pruned { vectors: batches.iter().map(Batch::vectors).sum(), bytes: batches.iter().map(Batch::bytes).sum() }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ndarray::Array2;

    use super::*;
    use crate::embeddings::cache::Key;

    const N: usize = 1000;

    fn open(path: &Path, day: i64) -> Cache {
        Cache::open(path, day * DAY_MS + 3_600_000).unwrap().0
    }

    fn put(cache: &Cache, embedder: &str, texts: &str) {
        let vectors = Array2::from_elem((N, 256), 1.0);
        cache.put_many(embedder, &keys(texts), vectors.view()).unwrap();
    }

    fn keys(texts: &str) -> Vec<Key> {
        (0..N).map(|at| Key::of(&format!("{texts} {at}"))).collect()
    }

    /// How many of the texts are there.
    fn held(cache: &Cache, embedder: &str, texts: &str) -> usize {
        N - cache.get_many(embedder, &keys(texts), Array2::zeros((N, 256)).view_mut()).unwrap().len()
    }

    #[test]
    fn use_is_by_batch_and_day() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.db");
        put(&open(&path, 100), "a", "old");
        put(&open(&path, 101), "a", "used");
        put(&open(&path, 101), "b", "old");
        put(&open(&path, 101), "b", "old");
        let cache = open(&path, 140);
        assert_eq!(held(&cache, "a", "used"), N);
        let of = |embedder: &str, vectors: u64, day: i64| Held {
            embedder: embedder.into(),
            dimensions: 256,
            vectors,
            bytes: vectors * 1024,
            last_used_ms: day * DAY_MS,
        };
        assert_eq!(cache.stats().unwrap(), [of("a", 2000, 140), of("b", 1000, 101)]);
        let unused = Prune::UnusedFor { days: 39 };
        let expected = Pruned { vectors: 1000, bytes: 1_024_000 };
        assert_eq!(cache.would_prune(&unused).unwrap(), expected);
        assert_eq!(cache.would_prune(&Prune::UnusedFor { days: 38 }).unwrap().vectors, 2000);
        assert_eq!(cache.would_prune(&Prune::UnusedFor { days: 40 }).unwrap().vectors, 0);
        assert_eq!(cache.prune(&unused).unwrap(), expected);
        assert_eq!(cache.stats().unwrap(), [of("a", 1000, 140), of("b", 1000, 101)]);
        assert_eq!((held(&cache, "a", "old"), held(&cache, "a", "used")), (0, N));
        assert_eq!(cache.prune(&Prune::Embedder("b".into())).unwrap(), expected);
        assert_eq!(cache.stats().unwrap(), [of("a", 1000, 140)]);
        // Room is used again, and the ids with it.
        put(&cache, "c", "old");
        assert_eq!((held(&cache, "c", "old"), held(&cache, "b", "old"), held(&cache, "a", "used")), (N, 0, N));
    }

    #[test]
    fn a_budget_takes_the_oldest_and_no_more_than_it_must() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.db");
        put(&open(&path, 100), "a", "first");
        put(&open(&path, 101), "a", "second");
        let cache = open(&path, 102);
        put(&cache, "a", "third");
        assert_eq!(cache.prune(&Prune::Above { bytes: 3000 * 1024 }).unwrap(), Pruned::default());
        let pruned = cache.prune(&Prune::Above { bytes: 1500 * 1024 + 1023 }).unwrap();
        assert_eq!(pruned, Pruned { vectors: 1500, bytes: 1500 * 1024 });
        assert_eq!(cache.stats().unwrap()[0].vectors, 1500);
        assert_eq!((held(&cache, "a", "first"), held(&cache, "a", "second"), held(&cache, "a", "third")), (0, 500, N));
        let before = std::fs::metadata(&path).unwrap().len();
        cache.compact().unwrap();
        let after = std::fs::metadata(&path).unwrap().len();
        assert!(after < 2_000_000 && after < before, "{before} bytes became {after}");
        assert_eq!((held(&cache, "a", "second"), held(&cache, "a", "third")), (500, N));
        assert_eq!(cache.prune(&Prune::Above { bytes: 0 }).unwrap().vectors, 1500);
        assert_eq!(cache.stats().unwrap(), []);
    }
}
