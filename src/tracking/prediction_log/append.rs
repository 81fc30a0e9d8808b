//! Appending: one `write(2)` with `O_APPEND` for each batch, under a kernel lock that all writers of a version share.
//!
//! Under the lock the writer learns the number of the last record, and closes a record that was cut (by a crash or a full
//! disk) with a line feed, so that only that one is lost. The lock's file holds a hint, `month length number`, written
//! *before* the records: it is believed only while that month's file has exactly this length, and then saves looking at
//! the end of every file. When the disk refuses half-way, the file is cut back to where it was.
//!
//! Nothing is flushed to the disk: a process that dies loses nothing that `append` has returned from; a power cut may
//! take the last seconds, and the reader counts what it left damaged.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use super::months::{last_number, month_of, months, path_of};
use super::record::{Entry, FORMAT_VERSION, Head, NUMBER, encode};
use crate::error::{Context, Error, Result};
use crate::fs::{crash_point, create_dir, lock_within};
use crate::names::{ModelName, Version};
use crate::registry::Layout;

/// The most records of one write: about a megabyte.
pub const BATCH: usize = 4096;

/// The file that is locked.
pub(super) const LOCK: &str = "append.lock";

/// How long a writer waits for the others: a prediction must not wait for ever.
const WAIT: Duration = Duration::from_secs(10);

/// Appends predictions to the logs of their versions, in this order.
///
/// # Errors
/// `Failed` when the disk refuses (then a whole batch, at most [`BATCH`] entries, is not there), `Busy` when another
/// writer keeps the lock for ten seconds.
pub fn append(layout: &Layout, model: &ModelName, entries: &[Entry]) -> Result<()> {
    let mut versions: BTreeMap<Version, Vec<&Entry>> = BTreeMap::new();
    entries.iter().for_each(|entry| versions.entry(entry.version).or_default().push(entry));
    for (version, entries) in versions {
        let folder = layout.predictions_of(model, version);
        create_dir(&folder)?;
        let head = Head { format_version: FORMAT_VERSION, model: model.to_string(), version: version.0 };
        let head = serde_json::to_string(&head).context(|| "cannot write the head of a log".into())?;
        for batch in entries.chunks(BATCH) {
            append_batch(&folder, &head, batch)?;
        }
    }
    Ok(())
}

/// Takes the lock of a version's log; the file holds it until it is closed.
///
/// # Errors
/// `Busy` when another keeps it for ten seconds, `Failed` when the disk refuses.
pub(super) fn lock(folder: &Path) -> Result<File> {
    let path = folder.join(LOCK);
    let cannot = || format!("cannot lock `{}`", path.display());
    let file = OpenOptions::new().create(true).read(true).write(true).truncate(false).open(&path).context(cannot)?;
    if !lock_within(&file, WAIT).context(cannot)? {
        return Err(Error::busy(format!("`{}` is held by another process for longer than 10 seconds", path.display())));
    }
    Ok(file)
}

fn append_batch(folder: &Path, head: &str, batch: &[&Entry]) -> Result<()> {
    let Some(first) = batch.first() else { return Ok(()) };
    let (mut bodies, mut ends) = (Vec::with_capacity(batch.len() * 160), Vec::with_capacity(batch.len()));
    for entry in batch {
        encode(entry, &mut bodies)?;
        ends.push(bodies.len());
    }
    let month = month_of(first.at_ms);
    let path = path_of(folder, &month);
    let cannot = || format!("cannot log {} predictions to `{}`", batch.len(), path.display());
    let locked = lock(folder)?;
    let mut file = OpenOptions::new().create(true).append(true).read(true).open(&path).context(cannot)?;
    let length = file.metadata().context(cannot)?.len();
    let mut number = match hinted(&locked, folder) {
        Some(number) => number,
        None => last_of_all(folder)?,
    };
    let mut text = Vec::with_capacity(bodies.len() + batch.len() * 16 + head.len() + 1);
    if length == 0 {
        text.extend_from_slice(head.as_bytes());
        text.push(b'\n');
    } else if !ends_whole(&file, length).context(cannot)? {
        text.push(b'\n');
    }
    let mut start = 0;
    for end in ends {
        number += 1;
        text.extend_from_slice(NUMBER.as_bytes());
        text.extend_from_slice(number.to_string().as_bytes());
        text.push(b',');
        text.extend_from_slice(&bodies[start..end]);
        start = end;
    }
    hint(&locked, &format!("{month} {} {number}", length + text.len() as u64)).context(cannot)?;
    crash_point("prediction_log.before_append");
    if let Err(cause) = file.write_all(&text) {
        // What cannot be cut back is closed by the next writer and counted by the reader.
        let _ = file.set_len(length);
        let error = Error::failed(cannot()).caused_by(cause);
        return Err(error.hint("the log is as it was before; is the disk full, or the file larger than is allowed?"));
    }
    crash_point("prediction_log.after_append");
    Ok(())
}

fn ends_whole(file: &File, length: u64) -> io::Result<bool> {
    let mut last = [0];
    file.read_exact_at(&mut last, length - 1)?;
    Ok(last[0] == b'\n')
}

/// The bytes of a hint. It always has as many: a file that is truncated and written again would be flushed to the disk
/// when it is closed (ext4's `auto_da_alloc`), which takes a millisecond.
const HINT: usize = 64;

/// The number of the last record, where the hint of the last writer still holds.
fn hinted(locked: &File, folder: &Path) -> Option<u64> {
    let mut bytes = [0; HINT];
    locked.read_exact_at(&mut bytes, 0).ok()?;
    let mut words = std::str::from_utf8(&bytes).ok()?.split_ascii_whitespace();
    let (month, length, number) = (words.next()?, words.next()?, words.next()?);
    let found = std::fs::metadata(path_of(folder, month)).ok()?.len();
    if found == length.parse::<u64>().ok()? { number.parse().ok() } else { None }
}

fn hint(locked: &File, text: &str) -> io::Result<()> {
    locked.write_all_at(format!("{text:<width$}\n", width = HINT - 1).as_bytes(), 0)
}

fn last_of_all(folder: &Path) -> Result<u64> {
    let mut last = 0;
    for month in months(folder)? {
        let length =
            std::fs::metadata(&month.path).context(|| format!("cannot read `{}`", month.path.display()))?.len();
        last = last.max(last_number(&month.path, length)?);
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::super::window::last_window;
    use super::*;

    const NOVEMBER: i64 = 1_795_276_800_000;

    struct Log {
        _folder: tempfile::TempDir,
        layout: Layout,
        model: ModelName,
    }

    impl Log {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let layout = Layout::new(folder.path().to_path_buf());
            Self { _folder: folder, layout, model: ModelName::parse("reviews").unwrap() }
        }

        fn entry(id: &str, at_ms: i64) -> Entry {
            let (id, prediction) = (id.to_owned(), "1".to_owned());
            Entry { at_ms, version: Version(1), id, score: 0.5, prediction, facts: BTreeMap::new() }
        }

        fn append(&self, id: &str) -> Result<()> {
            append(&self.layout, &self.model, &[Self::entry(id, NOVEMBER)])
        }

        fn folder(&self) -> std::path::PathBuf {
            self.layout.predictions_of(&self.model, Version(1))
        }

        fn file(&self) -> std::path::PathBuf {
            path_of(&self.folder(), "2026-11")
        }

        fn text(&self) -> String {
            std::fs::read_to_string(self.file()).unwrap()
        }

        /// The ids of a window of so many records, and how many were lost.
        fn ids(&self, size: usize) -> (Vec<String>, usize) {
            let window = last_window(&self.layout, &self.model, Version(1), size, NOVEMBER).unwrap();
            (window.entries.into_iter().map(|entry| entry.id).collect(), window.lost_records)
        }
    }

    #[test]
    fn records_are_numbered_over_months_and_a_clock_that_went_back() {
        let log = Log::new();
        let december = NOVEMBER + 31 * 86_400_000;
        for (id, at_ms) in [("a", NOVEMBER), ("b", december), ("c", NOVEMBER - 5), ("d", december)] {
            append(&log.layout, &log.model, &[Log::entry(id, at_ms)]).unwrap();
        }
        let expected = "{\"format_version\":1,\"model\":\"reviews\",\"version\":1}\n\
            {\"n\":1,\"at_ms\":1795276800000,\"id\":\"a\",\"score\":0.5,\"prediction\":\"1\",\"facts\":{}}\n\
            {\"n\":3,\"at_ms\":1795276799995,\"id\":\"c\",\"score\":0.5,\"prediction\":\"1\",\"facts\":{}}\n";
        assert_eq!(log.text(), expected);
        let window = last_window(&log.layout, &log.model, Version(1), 4, december).unwrap();
        assert!(window.is_full());
        assert_eq!(window.entries.iter().map(|entry| entry.id.as_str()).collect::<String>(), "abcd");
        assert_eq!(window.clock_set_back, 1);
    }

    #[test]
    fn a_hint_that_does_not_fit_is_not_believed() {
        let log = Log::new();
        log.append("a").unwrap();
        let hint = std::fs::read_to_string(log.folder().join(LOCK)).unwrap();
        assert_eq!(hint, format!("{:<63}\n", format!("2026-11 {} 1", log.text().len())));
        // A writer that died after its hint and before its records; rubbish; no file at all; a hint of a month that went.
        for hint in ["2026-11 9999 77", "2026-11 x 1", "\0\0", "", "2020-01 0 500"] {
            std::fs::write(log.folder().join(LOCK), format!("{hint:<63}\n")).unwrap();
            log.append("b").unwrap();
        }
        let (ids, lost) = log.ids(6);
        assert_eq!((ids.concat().as_str(), lost), ("abbbbb", 0));
    }

    #[test]
    fn a_cut_record_is_closed_and_only_it_is_lost() {
        let log = Log::new();
        log.append("a").unwrap();
        let whole = log.text();
        log.append("b").unwrap();
        let both = log.text();
        // Cut at every byte of the second record, its line feed included.
        for length in whole.len()..both.len() {
            std::fs::write(log.file(), &both[..length]).unwrap();
            // Without its line feed alone the record is whole.
            let complete = length == both.len() - 1;
            let lost = usize::from(length > whole.len() && !complete);
            let found = if complete { "ab" } else { "a" };
            assert_eq!((log.ids(10).0.concat().as_str(), log.ids(10).1), (found, lost), "{length}");
            log.append("c").unwrap();
            log.append("d").unwrap();
            assert_eq!((log.ids(10).0.concat(), log.ids(10).1), (format!("{found}cd"), lost), "{length}");
        }
    }

    #[test]
    fn a_full_disk_is_told_and_the_log_is_as_it_was() {
        let log = Log::new();
        std::fs::create_dir_all(log.folder()).unwrap();
        std::os::unix::fs::symlink("/dev/full", log.file()).unwrap();
        let error = log.append("a").unwrap_err();
        assert!(error.message.starts_with("cannot log 1 predictions to `"), "{error}");
        assert_eq!(error.causes(), ["No space left on device (os error 28)"]);
        std::fs::remove_file(log.file()).unwrap();
        log.append("b").unwrap();
        assert_eq!(log.ids(10), (vec!["b".to_owned()], 0));
    }

    #[test]
    fn threads_append_at_once_and_every_record_has_a_number_of_its_own() {
        let log = Log::new();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let log = &log;
                scope.spawn(move || (0..50).for_each(|at| log.append(&format!("{thread}-{at}")).unwrap()));
            }
        });
        let (mut ids, lost) = log.ids(400);
        assert_eq!((ids.len(), lost), (400, 0));
        let of_one: Vec<&String> = ids.iter().filter(|id| id.starts_with("3-")).collect();
        assert_eq!(of_one, (0..50).map(|at| format!("3-{at}")).collect::<Vec<_>>().iter().collect::<Vec<_>>());
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 400);
    }

    #[test]
    fn a_large_batch_is_cut_into_writes_and_each_version_has_its_log() {
        let log = Log::new();
        let mut entries: Vec<Entry> = (0..=BATCH).map(|at| Log::entry(&at.to_string(), NOVEMBER)).collect();
        entries[7].version = Version(2);
        append(&log.layout, &log.model, &entries).unwrap();
        let (ids, lost) = log.ids(BATCH);
        assert_eq!((ids.len(), lost, ids[7].as_str()), (BATCH, 0, "8"));
        let other = last_window(&log.layout, &log.model, Version(2), 10, NOVEMBER).unwrap();
        assert_eq!((other.entries, other.total), (vec![entries[7].clone()], 1));
        append(&log.layout, &log.model, &[]).unwrap();
    }
}
