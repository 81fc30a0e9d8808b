//! A barrier around foreign readers: polars panics on some damaged Parquet files. Such a panic becomes an error that names
//! the file, and prints nothing.

use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, resume_unwind, set_hook, take_hook};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use polars::prelude::{ParquetReader, SerReader};

use crate::error::{Context, Error, Result};

/// Barriers that are open at this moment.
static OPEN: AtomicUsize = AtomicUsize::new(0);
/// What the last foreign panic has said.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

/// The most rows that a file may claim: more cannot be numbered.
const MOST_ROWS: usize = u32::MAX as usize;

/// Whether a panic comes from code that is not ours: paths of this crate are relative.
fn is_foreign(info: &PanicHookInfo<'_>) -> bool {
    info.location().is_some_and(|location| location.file().starts_with('/'))
}

/// Keeps foreign panics quiet while a barrier is open, on whatever thread they happen; all others are as loud as before.
fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |info| {
            if OPEN.load(Ordering::Relaxed) == 0 || !is_foreign(info) {
                usual(info);
                return;
            }
            let text = info.payload_as_str().unwrap_or("it gave up").lines().next().unwrap_or_default().to_owned();
            *PANIC.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
        }));
    });
}

/// Runs a reading of the file; a panic of the foreign reader becomes `damaged`, with what the reader has said as its cause.
///
/// # Errors
/// What the reading says, or `damaged`.
pub fn guarded<T>(damaged: impl FnOnce() -> Error, work: impl FnOnce() -> Result<T>) -> Result<T> {
    install_hook();
    OPEN.fetch_add(1, Ordering::Relaxed);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    OPEN.fetch_sub(1, Ordering::Relaxed);
    outcome.unwrap_or_else(|payload| match PANIC.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(text) => Err(damaged().caused_by(text)),
        // A mistake of ours is one.
        None => resume_unwind(payload),
    })
}

/// Refuses a Parquet file whose metadata claim what the file cannot hold, before a buffer of that size is asked for.
///
/// # Errors
/// `damaged`, when it does; what the reader says of the metadata.
pub fn check_claims(path: &Path, damaged: impl Fn() -> Error) -> Result<()> {
    let file = std::fs::File::open(path).context(|| format!("cannot read `{}`", path.display()))?;
    let length = file.metadata().context(|| format!("cannot read `{}`", path.display()))?.len();
    let mut reader = ParquetReader::new(file);
    let metadata = reader.get_metadata().map_err(|cause| damaged().caused_by(cause))?;
    let rows: usize = metadata.row_groups.iter().map(|group| group.num_rows().min(MOST_ROWS)).sum();
    if metadata.num_rows != rows || rows > MOST_ROWS {
        return Err(damaged().caused_by(format!(
            "it claims {} rows, its {} groups have {rows}",
            metadata.num_rows,
            metadata.row_groups.len()
        )));
    }
    for group in &metadata.row_groups {
        for column in group.parquet_columns() {
            let (start, end) = (column.byte_range().start, column.byte_range().end);
            if start > end || end > length {
                let cause = format!("a column lies at bytes {start} to {end}, the file has {length}");
                return Err(damaged().caused_by(cause));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::parquet_file::{self, Values};
    use crate::data::sources::column_names;

    #[test]
    fn damaged_files_are_errors_that_name_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let ids: Vec<String> = (0..300).map(|row| format!("row {row}")).collect();
        let numbers: Vec<Option<f64>> = (0..300).map(|row| (row % 7 > 0).then(|| f64::from(row).sin())).collect();
        let columns = [("id", Values::Text(&ids)), ("x", Values::Numbers(&numbers))];
        let whole = parquet_file::bytes(&columns, &[]).unwrap();
        let path = folder.path().join("rows.parquet");
        let mut refused = 0;
        for at in (0..whole.len()).step_by(3) {
            let mut bytes = whole.clone();
            match at % 4 {
                0 => bytes.truncate(at),
                1 => bytes[at] ^= 1 << (at % 8),
                2 => bytes[at] = 0xff,
                _ => bytes[at] = 0,
            }
            std::fs::write(&path, &bytes).unwrap();
            // Some changes make another file that is whole: no panic comes out of either reader.
            let read = parquet_file::read(&path);
            if let Err(error) = &read {
                refused += 1;
                assert!(error.message.contains("rows.parquet"), "{at}: {error}");
            }
            let _ = column_names(&path.display().to_string(), None, folder.path());
        }
        assert!(refused > 100, "{refused}");
    }

    #[test]
    fn a_foreign_panic_is_an_error_and_one_of_ours_is_not() {
        let damaged = || Error::failed("`x` is damaged");
        let foreign = guarded(damaged, || Ok(Vec::<u8>::with_capacity(usize::MAX)));
        assert_eq!(foreign.map(|_| ()).unwrap_err().message, "`x` is damaged");
        assert_eq!(guarded(damaged, || Ok(1)).unwrap(), 1);
    }
}
