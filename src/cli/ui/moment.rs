//! Moments and durations as people write them: `2026-07-03`, `2026-07-03T10:00`, `180d`.

use crate::error::{Error, Result};

/// The last millisecond of a unit that begins at 0.
const SECOND_MS: i64 = 1000;
const DAY_MS: i64 = 86_400_000;
/// A hundred years: more is a slip of the finger.
const LONGEST_MS: i64 = 36_500 * DAY_MS;

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

/// A duration in milliseconds: a whole number of days, weeks or hours.
///
/// # Errors
/// What is wrong, as the command line tells it.
pub fn duration(text: &str) -> std::result::Result<i64, String> {
    let wrong = || format!("`{text}` is no age: write days, weeks or hours, such as 180d, 26w, 36h");
    let unit = match text.chars().next_back() {
        Some('d' | 'D') => DAY_MS,
        Some('w' | 'W') => 7 * DAY_MS,
        Some('h' | 'H') => DAY_MS / 24,
        _ => return Err(wrong()),
    };
    let number = &text[..text.len() - 1];
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let found = number.parse::<i64>().ok().and_then(|number| number.checked_mul(unit));
    found.filter(|ms| *ms <= LONGEST_MS).ok_or_else(|| format!("`{text}` is more than a hundred years"))
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

    #[test]
    fn ages_need_a_unit() {
        for (text, days) in [("180d", 180), ("26w", 182), ("0d", 0), ("48h", 2), ("2W", 14)] {
            assert_eq!(duration(text), Ok(days * DAY_MS), "{text}");
        }
        for bad in ["", "d", "180", "-3d", "1.5d", "6mo", "6m", "１d", "99999999d", "9223372036854775807w", "日"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
