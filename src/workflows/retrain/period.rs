//! The period that a moment falls into, in UTC: `202611`, `2026W47`, `20261121`.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::config::Period;
use crate::error::{Context, Result};

/// The name of the period of this moment (milliseconds since the epoch): it sorts by time, and is safe in a file's name.
///
/// # Errors
/// `Failed` for a moment outside the calendar.
pub fn period_of(period: Period, now_ms: i64) -> Result<String> {
    let moment = Timestamp::from_millisecond(now_ms).context(|| "the clock is outside the calendar".into())?;
    let day = moment.to_zoned(TimeZone::UTC).date();
    Ok(match period {
        Period::Month => format!("{:04}{:02}", day.year(), day.month()),
        Period::Week => {
            let week = day.iso_week_date();
            format!("{:04}W{:02}", week.year(), week.week())
        }
        Period::Day => format!("{:04}{:02}{:02}", day.year(), day.month(), day.day()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_those_of_the_calendar() {
        // `date -u -d @1798761599 +'%Y%m %GW%V %Y%m%d'` and one second later.
        let at = |period, seconds: i64| period_of(period, seconds * 1000).unwrap();
        let last = 1_798_761_599;
        assert_eq!(
            [Period::Month, Period::Week, Period::Day].map(|one| at(one, last)),
            ["202612", "2026W53", "20261231"]
        );
        let next = [Period::Month, Period::Week, Period::Day].map(|one| at(one, last + 1));
        assert_eq!(next, ["202701", "2026W53", "20270101"]);
        assert!(period_of(Period::Day, i64::MAX).is_err());
    }
}
