//! Times as they are written into the files of runs and versions.

/// A time in UTC, to the second.
#[must_use]
pub fn timestamp(now_ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(now_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
