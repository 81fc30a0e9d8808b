//! The period that a moment falls into, in the config's time zone: `202611`, `2026W47`, `20261121`.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::config::Period;
use crate::error::{Context, Result};

/// The name of the period of this moment (milliseconds since the epoch), safe in a file's name.
///
/// # Errors
/// `Failed` for a time zone that this machine does not know and for a moment outside the calendar.
pub fn period_of(period: Period, timezone: &str, now_ms: i64) -> Result<String> {
    let moment = Timestamp::from_millisecond(now_ms).context(|| "the clock is outside the calendar".into())?;
    let zone = if timezone == "UTC" { TimeZone::UTC } else { zone(timezone)? };
    let day = moment.to_zoned(zone).date();
    Ok(match period {
        Period::Month => format!("{:04}{:02}", day.year(), day.month()),
        Period::Week => {
            let week = day.iso_week_date();
            format!("{:04}W{:02}", week.year(), week.week())
        }
        Period::Day => format!("{:04}{:02}{:02}", day.year(), day.month(), day.day()),
    })
}

fn zone(name: &str) -> Result<TimeZone> {
    TimeZone::get(name).context(|| format!("this machine does not know the time zone `{name}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_those_of_the_calendar() {
        // `date -u -d @1798761599 +'%Y%m %GW%V %Y%m%d'` and one second later.
        let at = |period, seconds: i64| period_of(period, "UTC", seconds * 1000).unwrap();
        let all = [Period::Month, Period::Week, Period::Day];
        let last = 1_798_761_599;
        assert_eq!(all.map(|one| at(one, last)), ["202612", "2026W53", "20261231"]);
        assert_eq!(all.map(|one| at(one, last + 1)), ["202701", "2026W53", "20270101"]);
        assert!(period_of(Period::Day, "UTC", i64::MAX).is_err());
        assert!(period_of(Period::Day, "Seoul", 0).is_err());
        // Where the machine has a database of time zones, the day of Seoul begins nine hours earlier.
        if TimeZone::get("Asia/Seoul").is_ok() {
            let seoul = |seconds: i64| period_of(Period::Day, "Asia/Seoul", seconds * 1000).unwrap();
            assert_eq!([seoul(last - 9 * 3600), seoul(last - 9 * 3600 + 1)], ["20261231", "20270101"]);
        }
    }
}
