//! The digests of large files, so that the weights of a model are hashed once.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rusqlite::{OptionalExtension, params};

use super::file::Cache;
use crate::error::{Context, Result};
use crate::fs::sha256_file;

/// A file that changed this short a time before it was hashed may change again without a new time stamp.
const SETTLED_MS: i64 = 2_000;

impl Cache {
    /// SHA-256 of a file, as hexadecimal text; remembered, so that large weights are hashed once.
    ///
    /// # Errors
    /// `Failed` when the file cannot be read. What the cache itself refuses is no error here.
    pub fn file_digest(&self, path: &Path) -> Result<String> {
        let stamped = || -> std::io::Result<(PathBuf, Stamp)> {
            let path = fs::canonicalize(path)?;
            let stamp = Stamp::of(&fs::metadata(&path)?);
            Ok((path, stamp))
        };
        let cannot = || format!("cannot read `{}`", path.display());
        let (real, stamp) = stamped().context(cannot)?;
        let known = self.read(|connection| {
            let mut select = connection.prepare_cached("SELECT sha256 FROM files WHERE path = ?1 AND stamp = ?2")?;
            select.query_row(params![real.as_os_str().as_bytes(), stamp.text], |row| row.get(0)).optional()
        });
        if let Ok(Some(digest)) = known {
            return Ok(digest);
        }
        let (_, digest) = sha256_file(&real)?;
        let (_, after) = stamped().context(cannot)?;
        if stamp.text == after.text && stamp.changed_ms < self.now_ms - SETTLED_MS {
            let _ = self.write(|connection| {
                let insert = "INSERT OR REPLACE INTO files (path, stamp, sha256) VALUES (?1, ?2, ?3)";
                connection.execute(insert, params![real.as_os_str().as_bytes(), stamp.text, digest])
            });
        }
        Ok(digest)
    }
}

/// What changes when a file's content does.
struct Stamp {
    text: String,
    changed_ms: i64,
}

impl Stamp {
    fn of(file: &fs::Metadata) -> Self {
        // The time of the last change of the inode as well: a copy may keep the time of the original.
        let text = format!(
            "{}-{}.{}-{}.{}-{}-{}",
            file.size(),
            file.mtime(),
            file.mtime_nsec(),
            file.ctime(),
            file.ctime_nsec(),
            file.dev(),
            file.ino()
        );
        Self { text, changed_ms: file.mtime().max(file.ctime()) * 1000 + 999 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Remembered digests; each is replaced by a mark, so that a remembered one can be told from a new one.
    fn mark(cache: &Cache) -> usize {
        cache.write(|connection| connection.execute("UPDATE files SET sha256 = 'remembered'", [])).unwrap()
    }

    #[test]
    fn a_file_is_hashed_again_only_when_it_changed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("weights");
        fs::write(&file, "abc").unwrap();
        let changed = fs::metadata(&file).unwrap().mtime() * 1000;
        let path = folder.path().join("c.db");
        let (cache, _) = Cache::open(&path, changed).unwrap();
        // FIPS 180-2, appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(cache.file_digest(&file).unwrap(), abc);
        assert_eq!(mark(&cache), 0, "it has just changed and may change again");
        let (cache, _) = Cache::open(&path, changed + 10_000).unwrap();
        assert_eq!(cache.file_digest(&file).unwrap(), abc);
        assert_eq!(mark(&cache), 1);
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(cache.file_digest(&link).unwrap(), "remembered");
        // The same length and the same time of change, as `touch -r` would leave it.
        let time = fs::metadata(&file).unwrap().modified().unwrap();
        fs::write(&file, "abd").unwrap();
        fs::File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
        assert_eq!(cache.file_digest(&file).unwrap(), crate::fs::sha256(b"abd"));
        let error = cache.file_digest(&folder.path().join("none")).unwrap_err();
        assert!(error.message.starts_with("cannot read `/"), "{error}");
    }
}
