//! The last full window of a version's log: distinct windows, counted from its first record.
//!
//! With windows of `w` records, window `k` is the records `(k−1)·w+1 ..= k·w` by their numbers. Two checks without `w`
//! new records between them see the same window, so an event of it counts once. Records keep the times that they were
//! logged with; their order is that of their numbers. A record that is damaged, or whose time is more than a day in the
//! future, keeps its place and is left out; a window that lacks more than a tenth of its records is not full.
//!
//! Files are read from their ends, block by block: a window costs what a window costs, however long the history is.

use std::path::Path;

use super::append::{LOCK, lock};
use super::months::{Backwards, Month, last_number, months};
use super::record::{Entry, Line, decode};
use crate::error::{Context, Error, Result};
use crate::names::{ModelName, Version};
use crate::registry::Layout;

/// How far ahead of now a time may be: clocks of two machines differ, and days end at different hours.
const AHEAD_MS: i64 = 86_400_000;
/// How far a time may go back without being told: writers of the same moment come in any order.
const BACK_MS: i64 = 60_000;

/// A window of logged predictions.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// The version.
    pub version: Version,
    /// How many records a full window has.
    pub size: usize,
    /// The number of its first record, from 1.
    pub first: u64,
    /// How many of its records have been logged: `size`, or fewer while the first window is filling.
    pub seen: usize,
    /// The records that can be used, in the order in which they were logged.
    pub entries: Vec<Entry>,
    /// Records of this version that were logged in all.
    pub total: u64,
    /// Records that were logged after this window: too few for the next one.
    pub newer: u64,
    /// Records that were lost between the window's beginning and the end of the log: cut or damaged.
    pub lost_records: usize,
    /// Records of the window whose time is more than a day in the future; they are not among `entries`.
    pub future: usize,
    /// Places in the window where the time goes back by more than a minute.
    pub clock_set_back: usize,
}

impl Window {
    /// True when all records of the window were logged and at least nine tenths of them can be used.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.seen == self.size && self.entries.len() * 10 >= self.size * 9
    }

    /// `full`, or `warming_up 317/1000`.
    #[must_use]
    pub fn state(&self) -> String {
        if self.is_full() {
            return "full".to_owned();
        }
        let usable = if self.seen < self.size { self.seen } else { self.entries.len() };
        format!("warming_up {usable}/{}", self.size)
    }

    /// The earliest and the latest time of the entries, in milliseconds since the epoch.
    #[must_use]
    pub fn span(&self) -> Option<(i64, i64)> {
        let times = || self.entries.iter().map(|entry| entry.at_ms);
        times().min().zip(times().max())
    }

    /// The name of this window, the same for everyone who reads it: what an event's id is made of.
    #[must_use]
    pub fn key(&self) -> String {
        let last = self.first + self.size as u64 - 1;
        let from = self.span().map_or(0, |(from, _)| from);
        format!("log {} {}-{last} from {from}", self.version, self.first)
    }

    /// What a person should be told: losses, times of the future, a clock that went back.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let records = |count: usize| if count == 1 { "1 record".to_owned() } else { format!("{count} records") };
        let mut notes = Vec::new();
        if self.lost_records > 0 {
            let lost = records(self.lost_records);
            notes.push(format!("{lost} of the prediction log cannot be read (cut or damaged); the others are used"));
        }
        if self.future > 0 {
            let future = records(self.future);
            notes.push(format!("{future} of the prediction log left out: logged more than a day in the future"));
        }
        if self.clock_set_back > 0 {
            let places =
                if self.clock_set_back == 1 { "once".into() } else { format!("{} times", self.clock_set_back) };
            notes.push(format!("in the prediction log time runs backwards {places}: the clock was set back"));
        }
        notes
    }
}

/// The last full window of `size` records of a version; the first one, partial, while it is filling. A version without a
/// log has an empty one. `now_ms` tells which times are of the future.
///
/// # Errors
/// `Invalid` for a window of no records, `Failed` when a file cannot be read.
pub fn last_window(layout: &Layout, model: &ModelName, version: Version, size: usize, now_ms: i64) -> Result<Window> {
    if size == 0 {
        return Err(Error::invalid("a window of 0 predictions").hint("1000 is usual"));
    }
    let files = snapshot(&layout.predictions_of(model, version))?;
    let mut total = 0;
    for (month, length) in &files {
        total = total.max(last_number(&month.path, *length)?);
    }
    let full = total / size as u64;
    let first = full.saturating_sub(1) * size as u64 + 1;
    let last = first + size as u64 - 1;
    let mut found: Vec<(u64, Entry)> = Vec::new();
    let (mut damaged, mut after, mut future) = (0, 0, 0);
    for (month, length) in &files {
        let mut lines = Backwards::open(&month.path, *length)?;
        while let Some(line) = lines.next()? {
            match decode(&line, version) {
                Line::Record(number, _) if number < first => break,
                Line::Record(number, _) if number > last => after += 1,
                Line::Record(_, entry) if entry.at_ms > now_ms.saturating_add(AHEAD_MS) => future += 1,
                Line::Record(number, entry) => found.push((number, entry)),
                Line::Head(_) => {}
                Line::Damaged => damaged += 1,
            }
        }
    }
    found.sort_by_key(|(number, _)| *number);
    let missing = (total + 1).saturating_sub(first) as usize;
    let missing = missing.saturating_sub(found.len() + future + after);
    let entries: Vec<Entry> = found.into_iter().map(|(_, entry)| entry).collect();
    let clock_set_back = entries.windows(2).filter(|pair| pair[1].at_ms < pair[0].at_ms - BACK_MS).count();
    Ok(Window {
        version,
        size,
        first,
        seen: total.min(last).saturating_sub(first - 1) as usize,
        entries,
        total,
        newer: total.saturating_sub(last),
        // A cut record has no number, a damaged one leaves a gap: whichever tells of more.
        lost_records: missing.max(damaged),
        future,
        clock_set_back,
    })
}

/// The months with their lengths at one moment. Without the lock a record that is just being written would look cut; where
/// the folder cannot be written nobody writes.
fn snapshot(folder: &Path) -> Result<Vec<(Month, u64)>> {
    let locked = if folder.join(LOCK).exists() { lock(folder).ok() } else { None };
    let length = |month: Month| {
        let facts = std::fs::metadata(&month.path).context(|| format!("cannot read `{}`", month.path.display()))?;
        Ok((month, facts.len()))
    };
    let files = months(folder)?.into_iter().map(length).collect();
    drop(locked);
    files
}

/// The versions of a model that have a log, oldest first.
#[must_use]
pub fn logged_versions(layout: &Layout, model: &ModelName) -> Vec<Version> {
    let entries = std::fs::read_dir(layout.predictions().join(model.as_str())).into_iter().flatten();
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut versions: Vec<Version> = names.filter_map(|name| Version::parse(&name).ok()).collect();
    versions.sort_unstable();
    versions.retain(|version| months(&layout.predictions_of(model, *version)).is_ok_and(|months| !months.is_empty()));
    versions
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::append::append;
    use super::super::retention::{old_months, remove_month};
    use super::*;

    const NOW: i64 = 1_795_276_800_000;
    const MINUTE_MS: i64 = 60_000;

    struct Log {
        folder: tempfile::TempDir,
        layout: Layout,
        model: ModelName,
    }

    impl Log {
        /// A log with a record a second, from `NOW` on.
        fn with(records: i64) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let layout = Layout::new(folder.path().to_path_buf());
            let log = Self { folder, layout, model: ModelName::parse("reviews").unwrap() };
            log.add(&(0..records).map(|at| NOW + at * 1000).collect::<Vec<_>>());
            log
        }

        fn add(&self, times: &[i64]) {
            let entry = |at_ms: &i64| {
                let facts = BTreeMap::from([("text_length".to_owned(), 3.0)]);
                let (id, prediction) = (at_ms.to_string(), "1".to_owned());
                Entry { at_ms: *at_ms, version: Version(1), id, score: 0.25, prediction, facts }
            };
            append(&self.layout, &self.model, &times.iter().map(entry).collect::<Vec<_>>()).unwrap();
        }

        fn window(&self, size: usize) -> Window {
            last_window(&self.layout, &self.model, Version(1), size, NOW).unwrap()
        }

        fn file(&self) -> std::path::PathBuf {
            self.folder.path().join("data/predictions/reviews/v1/2026-11.ndjson")
        }

        /// Changes the lines of the file; line 0 is the head.
        fn edit(&self, change: impl FnOnce(&mut Vec<String>)) {
            let mut lines: Vec<String> =
                std::fs::read_to_string(self.file()).unwrap().lines().map(str::to_owned).collect();
            change(&mut lines);
            std::fs::write(self.file(), lines.join("\n") + "\n").unwrap();
        }
    }

    #[test]
    fn windows_are_counted_from_the_first_record_and_do_not_overlap() {
        let log = Log::with(9);
        let filling = log.window(10);
        assert_eq!((filling.is_full(), filling.state().as_str(), filling.entries.len()), (false, "warming_up 9/10", 9));
        log.add(&[NOW + 9000]);
        let first = log.window(10);
        assert_eq!((first.is_full(), first.state().as_str(), first.first, first.newer), (true, "full", 1, 0));
        assert_eq!(first.span(), Some((NOW, NOW + 9000)));
        let key = first.key();
        assert_eq!(key, "log v1 1-10 from 1795276800000");
        for more in 1..10 {
            log.add(&[NOW + 9000 + more * 1000]);
            let again = log.window(10);
            assert_eq!((again.key(), again.entries.len(), again.newer), (key.clone(), 10, more as u64));
        }
        log.add(&[NOW + 19_000]);
        let second = log.window(10);
        assert_eq!((second.first, second.span(), second.total), (11, Some((NOW + 10_000, NOW + 19_000)), 20));
        assert_ne!(second.key(), key);
        assert_eq!(log.window(7).first, 8);
        assert_eq!(log.window(20).entries[13].id, (NOW + 13_000).to_string());
        assert_eq!(log.window(21).state(), "warming_up 20/21");
    }

    #[test]
    fn a_version_without_a_log_has_an_empty_window() {
        let log = Log::with(3);
        let empty = last_window(&log.layout, &log.model, Version(2), 1000, NOW).unwrap();
        assert_eq!((empty.state().as_str(), empty.total, empty.span()), ("warming_up 0/1000", 0, None));
        assert_eq!(empty.notes(), [""; 0]);
        assert_eq!(logged_versions(&log.layout, &log.model), [Version(1)]);
        assert!(!log.folder.path().join("data/predictions/reviews/v2").exists(), "reading makes nothing");
        let error = last_window(&log.layout, &log.model, Version(1), 0, NOW).unwrap_err();
        assert_eq!(error.kind, crate::error::ErrorKind::Invalid);
    }

    #[test]
    fn damage_in_the_middle_is_counted_and_the_rest_is_read() {
        let log = Log::with(40);
        // In the window: half a record, NULs, a record without its line feed. Before it: not read at all.
        log.edit(|lines| {
            lines[5] = "rubbish".into();
            lines[25].truncate(30);
            lines[30] = "\0".repeat(20);
            let next = lines.remove(36);
            lines[35] += &next;
        });
        let window = log.window(40);
        assert_eq!((window.entries.len(), window.lost_records), (35, 5));
        assert_eq!((window.is_full(), window.state().as_str()), (false, "warming_up 35/40"));
        let window = log.window(20);
        assert_eq!((window.first, window.entries.len(), window.lost_records), (21, 16, 4));
        let expected = "4 records of the prediction log cannot be read (cut or damaged); the others are used";
        assert_eq!(window.notes(), [expected]);
        log.edit(|lines| lines[0] = "{\"format_version\":2}".into());
        let error = last_window(&log.layout, &log.model, Version(1), 20, NOW).unwrap_err();
        assert!(error.message.ends_with("has format version 2, this program knows 1"), "{error}");
    }

    #[test]
    fn a_tenth_may_be_missing_from_a_full_window() {
        let log = Log::with(20);
        log.edit(|lines| lines[3] = "x".into());
        log.edit(|lines| lines[8] = "x".into());
        assert!(log.window(20).is_full());
        log.edit(|lines| lines[9] = "x".into());
        assert!(!log.window(20).is_full());
    }

    #[test]
    fn times_of_the_future_are_left_out_and_a_clock_that_went_back_is_told() {
        let log = Log::with(0);
        let day = 86_400_000;
        log.add(&[NOW, NOW + day, NOW + day + 1, NOW - 2 * MINUTE_MS, NOW - 3 * MINUTE_MS, NOW, NOW - 10 * MINUTE_MS]);
        let window = log.window(7);
        assert_eq!((window.entries.len(), window.future, window.seen, window.lost_records), (6, 1, 7, 0));
        assert_eq!(window.clock_set_back, 2, "a minute back is not told");
        assert_eq!(
            window.notes(),
            [
                "1 record of the prediction log left out: logged more than a day in the future",
                "in the prediction log time runs backwards 2 times: the clock was set back",
            ]
        );
        assert_eq!(window.span(), Some((NOW - 10 * MINUTE_MS, NOW + day)));
        let later = last_window(&log.layout, &log.model, Version(1), 7, NOW + day).unwrap();
        assert_eq!((later.entries.len(), later.future, later.first), (7, 0, window.first));
    }

    #[test]
    fn old_months_go_and_the_numbers_go_on() {
        let log = Log::with(3);
        let december = NOW + 31 * 86_400_000;
        log.add(&[december]);
        let end_of_november = 1_796_083_200_000;
        assert_eq!(old_months(&log.layout, end_of_november - 1).unwrap(), []);
        let old = old_months(&log.layout, end_of_november).unwrap();
        assert_eq!(
            old.iter().map(|one| (one.month.as_str(), one.version)).collect::<Vec<_>>(),
            [("2026-11", Version(1))]
        );
        assert_eq!(old[0].bytes, std::fs::metadata(log.file()).unwrap().len());
        remove_month(&log.layout, &old[0]).unwrap();
        assert!(!log.file().exists());
        log.add(&[december + 1, december + 2]);
        let window = last_window(&log.layout, &log.model, Version(1), 3, december).unwrap();
        assert_eq!((window.first, window.total, window.entries.len()), (4, 6, 3));
    }
}
