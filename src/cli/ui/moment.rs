//! Moments as people write them: `2026-07-03`, `2026-07-03T10:00`.

use crate::error::{Error, Result};
use crate::text::DAY_MS;

/// The last millisecond of a unit that begins at 0.
const SECOND_MS: i64 = 1000;

/// A moment in milliseconds since the epoch. A date means the end of that day, a time the end of that second (tables
/// show whole seconds), each in UTC unless it says `+09:00`; a time with a fraction means just that.
///
/// # Errors
/// `Invalid` when it is no moment.
pub fn moment(text: &str) -> Result<i64> {
    let wrong = || {
        Error::invalid(format!("`{}` is no moment", text.chars().take(60).collect::<String>())).hint(
            "a date (`2026-07-03`: the end of that day, UTC) or a time (`2026-07-03T10:00`, `2026-07-03T10:00:05Z`)",
        )
    };
    let text = text.trim();
    let (start, unit) = if let Ok(timestamp) = text.parse::<jiff::Timestamp>() {
        (timestamp, SECOND_MS)
    } else {
        let bare = text.trim_end_matches(['Z', 'z']);
        let whole_day = !bare.contains(':');
        // With `Z` and without seconds there is no timestamp yet: it is read as the civil time that it is.
        let civil = bare.parse::<jiff::civil::DateTime>().map_err(|_| wrong())?;
        let zoned = civil.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| wrong())?;
        (zoned.timestamp(), if whole_day { DAY_MS } else { SECOND_MS })
    };
    let ms = start.as_millisecond();
    Ok(if ms % SECOND_MS == 0 { ms + unit - 1 } else { ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_to_their_end() {
        // 2026-07-03T00:00:00Z is 1,783,036,800 s: `date -u -d 2026-07-03 +%s`.
        let day = 1_783_036_800_000;
        let ten = day + 10 * 3_600_000;
        for (text, expected) in [
            ("2026-07-03", day + DAY_MS - 1),
            ("2026-07-03Z", day + DAY_MS - 1),
            ("2026-07-03T10:00", ten + 999),
            ("2026-07-03 10:00:00", ten + 999),
            ("2026-07-03T10:00:00Z", ten + 999),
            ("2026-07-03T10:00Z", ten + 999),
            ("2026-07-03T19:00+09:00", ten + 999),
            ("2026-07-03T10:00:00.250Z", ten + 250),
            ("2026-07-03T10:00:00.250", ten + 250),
        ] {
            assert_eq!(moment(text).unwrap(), expected, "{text}");
        }
        for bad in ["", "yesterday", "2026-13-01", "2026-02-30", "2026-07-03T25:00", "07/03/2026", "180d", "\u{1b}[31m"]
        {
            assert!(moment(bad).is_err(), "{bad}");
        }
    }
}
