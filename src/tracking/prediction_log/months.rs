//! The files of a version's log and their ends: which months there are, the last record, lines from the end backwards.
//!
//! A file is read from its end in blocks, so that the last window of fifty million records costs what a window costs. In
//! each file the numbers rise; between files they need not (a clock that was set back writes into an earlier month), so
//! every file is asked for its end.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::record::{FORMAT_VERSION, LONGEST, Line, decode};
use crate::error::{Context, Error, Result};
use crate::names::Version;

const ENDING: &str = ".ndjson";
const BLOCK: u64 = 64 << 10;

/// A month's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Month {
    /// `2026-11`.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
}

/// The file of the month that a moment falls into, UTC.
pub(super) fn month_of(at_ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(at_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m").to_string()
}

/// The first millisecond after a month; none when the name is no month.
pub(super) fn end_of(month: &str) -> Option<i64> {
    let first: jiff::civil::Date = format!("{month}-01").parse().ok()?;
    let next = first.checked_add(jiff::Span::new().months(1)).ok()?;
    Some(next.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

/// The path of a month.
pub(super) fn path_of(folder: &Path, month: &str) -> PathBuf {
    folder.join(format!("{month}{ENDING}"))
}

/// The months of a version, by name; none when there is no log.
///
/// # Errors
/// `Failed` when the folder cannot be listed.
pub(super) fn months(folder: &Path) -> Result<Vec<Month>> {
    let cannot = || format!("cannot list `{}`", folder.display());
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(Error::failed(cannot()).caused_by(cause)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.context(cannot)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(month) = name.strip_suffix(ENDING).filter(|month| month.len() == 7 && end_of(month).is_some()) {
            found.push(Month { name: month.to_owned(), path: entry.path() });
        }
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

/// The lines of a file from its end to its beginning.
pub(super) struct Backwards {
    file: File,
    path: PathBuf,
    /// Where the part that was not read yet ends.
    unread: u64,
    /// What was read and not given yet.
    held: Vec<u8>,
    /// The line at hand is longer than any record: its bytes are dropped.
    overlong: bool,
    finished: bool,
}

impl Backwards {
    /// The lines of the first `length` bytes of a file.
    ///
    /// # Errors
    /// `Failed` when it cannot be read, or a newer version of this program wrote it.
    pub fn open(path: &Path, length: u64) -> Result<Self> {
        let cannot = || format!("cannot read `{}`", path.display());
        let file = File::open(path).context(cannot)?;
        let mut opened = Self {
            file,
            path: path.to_owned(),
            unread: length,
            held: Vec::new(),
            overlong: false,
            finished: length == 0,
        };
        opened.check_head(length)?;
        let mut last = [0];
        if length > 0 {
            opened.file.read_exact_at(&mut last, length - 1).context(cannot)?;
            opened.unread -= u64::from(last[0] == b'\n');
        }
        Ok(opened)
    }

    fn check_head(&self, length: u64) -> Result<()> {
        let mut bytes = vec![0; 1024.min(length as usize)];
        self.file.read_exact_at(&mut bytes, 0).context(|| format!("cannot read `{}`", self.path.display()))?;
        let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        match decode(first, Version(1)) {
            Line::Head(head) if head.format_version > FORMAT_VERSION => Err(Error::failed(format!(
                "`{}` has format version {}, this program knows {FORMAT_VERSION}",
                self.path.display(),
                head.format_version
            ))
            .hint("it was written by a newer version: update mlops")),
            _ => Ok(()),
        }
    }

    /// The line before the last one given, without its line feed; empty where it was longer than any record.
    ///
    /// # Errors
    /// `Failed` when the disk refuses.
    pub fn next(&mut self) -> Result<Option<Vec<u8>>> {
        if self.finished {
            return Ok(None);
        }
        let mut searched = 0;
        loop {
            let unsearched = self.held.len() - searched;
            if let Some(at) = self.held[..unsearched].iter().rposition(|byte| *byte == b'\n') {
                let line = self.held.split_off(at + 1);
                self.held.pop();
                return Ok(Some(self.given(line)));
            }
            if self.unread == 0 {
                self.finished = true;
                let line = std::mem::take(&mut self.held);
                return Ok(Some(self.given(line)));
            }
            if self.held.len() > LONGEST {
                self.held.clear();
                self.overlong = true;
            }
            searched = self.held.len();
            let size = BLOCK.min(self.unread);
            self.unread -= size;
            let mut block = vec![0; size as usize];
            let cannot = || format!("cannot read `{}`", self.path.display());
            self.file.read_exact_at(&mut block, self.unread).context(cannot)?;
            block.append(&mut self.held);
            self.held = block;
        }
    }

    fn given(&mut self, line: Vec<u8>) -> Vec<u8> {
        if std::mem::take(&mut self.overlong) { Vec::new() } else { line }
    }
}

/// The number of the last whole record of a file of this length; 0 when it has none.
///
/// # Errors
/// `Failed` when it cannot be read.
pub(super) fn last_number(path: &Path, length: u64) -> Result<u64> {
    let mut lines = Backwards::open(path, length)?;
    while let Some(line) = lines.next()? {
        if let Line::Record(number, _) = decode(&line, Version(1)) {
            return Ok(number);
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_utc_and_end_where_the_next_begins() {
        // `date -u -d 2026-12-01 +%s` is 1796083200.
        let december = 1_796_083_200_000;
        assert_eq!((month_of(december - 1), month_of(december)), ("2026-11".into(), "2026-12".into()));
        assert_eq!(end_of("2026-11"), Some(december));
        assert_eq!(month_of(i64::MAX), "1970-01");
        assert_eq!([end_of("2026-13"), end_of("append"), end_of("2026-1")], [None, None, None]);
    }

    #[test]
    fn lines_come_from_the_end_whatever_their_length() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let long = "x".repeat(BLOCK as usize);
        for text in ["", "a", "a\n", "\n", "a\nb", "a\nb\n", "\n\na\n\n", &format!("a\n{long}\nb{long}{long}\n{long}")]
        {
            std::fs::write(&path, text).unwrap();
            let mut lines = Backwards::open(&path, text.len() as u64).unwrap();
            let mut found = Vec::new();
            while let Some(line) = lines.next().unwrap() {
                found.push(String::from_utf8(line).unwrap());
            }
            found.reverse();
            let expected: Vec<&str> =
                if text.is_empty() { vec![] } else { text.strip_suffix('\n').unwrap_or(text).split('\n').collect() };
            assert_eq!(found, expected, "{text:.20}");
        }
    }

    #[test]
    fn a_line_beyond_the_limit_is_rubbish_and_its_neighbours_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let text = [b"first\n".to_vec(), vec![0; LONGEST + 3 * BLOCK as usize], b"\nlast\n".to_vec()].concat();
        std::fs::write(&path, &text).unwrap();
        let mut lines = Backwards::open(&path, text.len() as u64).unwrap();
        let found: Vec<Vec<u8>> = std::iter::from_fn(|| lines.next().unwrap()).collect();
        assert_eq!(found, [b"last".to_vec(), vec![], b"first".to_vec()]);
    }
}
