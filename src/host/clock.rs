//! The clock of the machine, or one that was set for a rehearsal.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::{Error, Result};

/// Milliseconds since the epoch by the machine's clock.
pub fn machine_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A clock that runs with the machine's, at a distance from it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock {
    offset_ms: i64,
}

impl Clock {
    /// A clock that stands at this moment (`MLOPS_NOW`) and goes on from there.
    ///
    /// # Errors
    /// `Invalid` when the text is no moment.
    pub fn starting_at(text: &str) -> Result<Self> {
        let moment: jiff::Timestamp = text.parse().map_err(|cause| {
            Error::invalid(format!("`MLOPS_NOW={text}` is no moment"))
                .hint("MLOPS_NOW=2026-11-01T03:00:00Z")
                .caused_by(cause)
        })?;
        Ok(Self { offset_ms: moment.as_millisecond() - machine_ms() })
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub fn now_ms(self) -> i64 {
        machine_ms() + self.offset_ms
    }
}
