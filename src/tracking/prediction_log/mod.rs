//! The prediction log: what a version said, one JSON line a prediction, appended by many processes at once.
//!
//! `data/predictions/<model>/<version>/2026-11.ndjson`: a file a month, its first line a head with the format. A record
//! has a number, counted up from 1 over all months of the version under one kernel lock, so that a window of 1,000 is
//! the records 1001–2000 whoever asks and whenever. `record` is a line, `months` the files and their ends, `append` the
//! writer, `window` the reader, `retention` what becomes of old months.

mod append;
mod months;
mod record;
mod retention;
mod window;

pub use append::{BATCH, append};
pub use record::Entry;
pub use retention::{OldMonth, old_months, remove_month};
pub use window::{Window, last_window, logged_versions};
