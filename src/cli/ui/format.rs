//! Numbers and times as people read them.

use crate::metrics::Estimate;
pub use crate::report::numbers::{count, estimate, optional, plural, value};
pub use crate::text::plain;

/// An estimate's interval.
pub fn interval(estimate: &Estimate) -> String {
    match (estimate.low, estimate.high) {
        (Some(low), Some(high)) => format!("{low:.3}–{high:.3}"),
        _ => String::new(),
    }
}

/// Seconds: `0.21 s`, `3 min 20 s`.
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
pub fn time(ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([seconds(0.0042), seconds(1.5), seconds(200.0)], ["4.2 ms", "1.50 s", "3 min 20 s"]);
    }
}
