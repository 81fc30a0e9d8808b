//! Numbers, times and paths as people read them.

use std::path::Path;

use crate::metrics::Estimate;
pub use crate::report::numbers::{count, estimate, optional, percent, plural, value, with_interval};
pub use crate::text::plain;

/// An estimate's interval.
#[must_use]
pub fn interval(estimate: &Estimate) -> String {
    match (estimate.low, estimate.high) {
        (Some(low), Some(high)) => format!("{low:.3}–{high:.3}"),
        _ => String::new(),
    }
}

/// A p-value: three digits, and a bound where it is smaller.
#[must_use]
pub fn probability(p: Option<f64>) -> String {
    match p {
        None => "–".into(),
        Some(p) if p < 0.001 => "< .001".into(),
        Some(p) => format!("{p:.3}"),
    }
}

/// A number of queries.
#[must_use]
pub fn queries(number: usize) -> String {
    if number == 1 { "1 query".into() } else { format!("{} queries", count(number)) }
}

/// A size in bytes: `12,345 bytes`.
#[must_use]
pub fn bytes(number: u64) -> String {
    plural(usize::try_from(number).unwrap_or(usize::MAX), "byte")
}

/// Seconds: `0.21 s`, `3 min 20 s`.
#[must_use]
pub fn seconds(seconds: f64) -> String {
    if seconds < 0.01 {
        format!("{:.1} ms", seconds * 1000.0)
    } else if seconds < 60.0 {
        format!("{seconds:.2} s")
    } else {
        format!("{:.0} min {:.0} s", (seconds / 60.0).floor(), seconds % 60.0)
    }
}

/// A time in UTC, to the second.
#[must_use]
pub fn time(ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A path as a person would write it: without a leading `./`.
#[must_use]
pub fn shown(path: &Path) -> String {
    path.strip_prefix(".").unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([seconds(0.0042), seconds(1.5), seconds(200.0)], ["4.2 ms", "1.50 s", "3 min 20 s"]);
        assert_eq!([probability(None), probability(Some(0.0004)), probability(Some(0.5))], ["–", "< .001", "0.500"]);
        assert_eq!(
            [bytes(1), bytes(1234), queries(1), queries(2000)],
            ["1 byte", "1,234 bytes", "1 query", "2,000 queries"]
        );
    }
}
