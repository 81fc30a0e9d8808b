//! One reader of times: for splits by time, the newest rows of a retrain, and the windows of drift checks.
//!
//! A column has one form. ISO 8601 dates and times (also `2026/01/01` and `2026.01.01`), digits without separators
//! (`20260220`, `202602`, `20260301085000`), and seconds, milliseconds or microseconds since 1970, these only from 1990 to
//! 2100. A column that mixes forms or units, or times with and without an offset, is refused.

use jiff::Timestamp;
use jiff::civil::{self, DateTime};
use jiff::tz::TimeZone;

use crate::error::{Error, Result};

/// What a number is that is no time of any form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    /// A place in an order, such as a year or a counter.
    Order,
    /// A mistake.
    Refused,
}

/// The form of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    WithOffset,
    WithoutOffset,
    Day,
    Month,
    Second,
    EpochSeconds,
    EpochMilliseconds,
    EpochMicroseconds,
    Number,
}

impl Form {
    fn name(self) -> &'static str {
        match self {
            Self::WithOffset => "a time with an offset from UTC",
            Self::WithoutOffset => "a time without an offset from UTC",
            Self::Day => "a day as YYYYMMDD",
            Self::Month => "a month as YYYYMM",
            Self::Second => "a time as YYYYMMDDhhmmss",
            Self::EpochSeconds => "seconds since 1970",
            Self::EpochMilliseconds => "milliseconds since 1970",
            Self::EpochMicroseconds => "microseconds since 1970",
            Self::Number => "a plain number",
        }
    }

    /// Digits of one length are in the order of their numbers, whatever they count.
    fn is_in_order_as_number(self) -> bool {
        matches!(self, Self::Day | Self::Month | Self::Number)
    }
}

/// 1990-01-01 and 2100-01-01, in seconds since 1970.
const EPOCHS: std::ops::RangeInclusive<f64> = 631_152_000.0..=4_102_444_800.0;
/// Years that digits without separators may begin with.
const YEARS: std::ops::RangeInclusive<i16> = 1900..=2100;

/// What a cell says, before its zone is known.
enum Value {
    Seconds(f64),
    Local(DateTime),
}

fn digits(text: &str) -> Option<(Form, DateTime)> {
    let part = |from: usize, to: usize| text.get(from..to)?.parse::<i16>().ok();
    let small = |from: usize, to: usize| i8::try_from(part(from, to)?).ok();
    let year = part(0, 4).filter(|year| YEARS.contains(year))?;
    let (form, day, time) = match text.len() {
        6 => (Form::Month, 1, [0; 3]),
        8 => (Form::Day, small(6, 8)?, [0; 3]),
        14 => (Form::Second, small(6, 8)?, [small(8, 10)?, small(10, 12)?, small(12, 14)?]),
        _ => return None,
    };
    let date = civil::Date::new(year, small(4, 6)?, day).ok()?;
    let time = civil::Time::new(time[0], time[1], time[2], 0).ok()?;
    Some((form, date.to_datetime(time)))
}

/// `2026/1/5 10:00` and `2026.01.05` as ISO 8601 has them.
fn with_hyphens(text: &str) -> String {
    let end = text.find([' ', 'T', 't']).unwrap_or(text.len());
    let (date, rest) = text.split_at(end);
    let parts: Vec<&str> = date.split(['/', '.', '-']).filter(|part| !part.is_empty()).collect();
    let is_number = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit()) && part.len() <= 4;
    match parts.as_slice() {
        [year, month, day] if year.len() == 4 && parts.iter().all(is_number) => {
            format!("{year}-{month:0>2}-{day:0>2}{rest}")
        }
        [year, month] if year.len() == 4 && date.contains(['-', '/']) && parts.iter().all(is_number) => {
            format!("{year}-{month:0>2}-01{rest}")
        }
        _ => text.to_owned(),
    }
}

fn parse(cell: &str) -> Option<(Form, Value)> {
    let text = cell.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit())
        && let Some((form, time)) = digits(text)
    {
        return Some((form, Value::Local(time)));
    }
    let text = with_hyphens(text);
    if let Ok(number) = text.parse::<f64>() {
        let units = [(Form::EpochSeconds, 1.0), (Form::EpochMilliseconds, 1e3), (Form::EpochMicroseconds, 1e6)];
        let unit = units.into_iter().find(|(_, unit)| EPOCHS.contains(&(number / unit)));
        let (form, unit) = unit.unwrap_or((Form::Number, 1.0));
        return number.is_finite().then_some((form, Value::Seconds(number / unit)));
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some((Form::WithOffset, Value::Seconds(time.as_millisecond() as f64 / 1000.0)));
    }
    Some((Form::WithoutOffset, Value::Local(text.parse::<DateTime>().ok()?)))
}

/// The times of a column, in seconds since 1970.
#[derive(Debug, Clone)]
pub struct TimeColumn {
    zone: TimeZone,
    numbers: Numbers,
    /// The form of the column, and the first cell that has it.
    form: Option<(Form, String)>,
}

const HINT: &str = "write 2026-07-03, 2026-07-03T10:00:00Z, 20260703, or seconds since 1970";

impl TimeColumn {
    /// A column whose times without an offset are of this zone: a name of the IANA database, UTC when absent.
    ///
    /// # Errors
    /// `Invalid` when there is no such zone.
    pub fn new(zone: Option<&str>, numbers: Numbers) -> Result<Self> {
        let zone = match zone {
            None | Some("UTC") => TimeZone::UTC,
            Some(name) => TimeZone::get(name).map_err(|cause| {
                Error::invalid(format!("`{name}` is not a time zone of this machine")).caused_by(cause)
            })?,
        };
        Ok(Self { zone, numbers, form: None })
    }

    fn seconds(&self, value: &Value) -> Option<f64> {
        match value {
            Value::Seconds(seconds) => Some(*seconds),
            Value::Local(time) => {
                let time = self.zone.to_ambiguous_zoned(*time).compatible().ok()?;
                Some(time.timestamp().as_millisecond() as f64 / 1000.0)
            }
        }
    }

    fn join(&mut self, form: Form, cell: &str) -> Result<()> {
        let Some((known, example)) = &mut self.form else {
            self.form = Some((form, cell.to_owned()));
            return Ok(());
        };
        if *known == form {
            return Ok(());
        }
        if self.numbers == Numbers::Order && known.is_in_order_as_number() && form.is_in_order_as_number() {
            *known = Form::Number;
            return Ok(());
        }
        let message =
            format!("the column mixes forms of time: `{example}` is {}, `{cell}` is {}", known.name(), form.name());
        Err(Error::invalid(message).hint("write all times of a column in one form"))
    }

    /// The time of a cell.
    ///
    /// # Errors
    /// `Invalid` when it is no time, or of another form than the cells before.
    pub fn read(&mut self, cell: &str) -> Result<f64> {
        let cell = cell.trim();
        let wrong = || Error::invalid(format!("`{cell}` is no time")).hint(HINT);
        let (form, value) = parse(cell).ok_or_else(wrong)?;
        if form == Form::Number && self.numbers == Numbers::Refused {
            return Err(Error::invalid(format!(
                "`{cell}` is no time: as seconds since 1970 it is not from 1990 to 2100"
            ))
            .hint(HINT));
        }
        self.join(form, cell)?;
        self.seconds(&value).ok_or_else(wrong)
    }

    /// The times of all cells; an error comes with the position of its cell.
    ///
    /// # Errors
    /// As `read`.
    pub fn read_all<'c>(
        &mut self,
        cells: impl Iterator<Item = &'c str> + Clone,
    ) -> std::result::Result<Vec<f64>, (usize, Error)> {
        let read = |(at, cell)| self.read(cell).map_err(|error| (at, error));
        let times = cells.clone().enumerate().map(read).collect::<std::result::Result<Vec<f64>, _>>()?;
        // Digits among which some are no day or month are numbers, all of them.
        if self.is_order() {
            return Ok(cells.map(|cell| cell.trim().parse().unwrap_or(f64::NAN)).collect());
        }
        Ok(times)
    }

    /// Whether the cells so far are plain numbers: places in an order, and no times.
    #[must_use]
    pub fn is_order(&self) -> bool {
        matches!(self.form, Some((Form::Number, _)))
    }

    /// Joins what another part of the same column has seen.
    ///
    /// # Errors
    /// `Invalid` when its form is another.
    pub fn join_part(&mut self, other: &Self) -> Result<()> {
        other.form.as_ref().map_or(Ok(()), |(form, example)| self.join(*form, example))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(cell: &str) -> Result<f64> {
        TimeColumn::new(None, Numbers::Refused)?.read(cell)
    }

    /// 2026-02-20, at the beginning of the day in UTC.
    const DAY: f64 = 1_771_545_600.0;

    #[test]
    fn one_day_in_every_form() {
        for cell in [
            "2026-02-20",
            "2026/02/20",
            "2026.02.20",
            "2026/2/20",
            "20260220",
            "20260220000000",
            "2026-02-20T00:00:00Z",
            "2026-02-20 09:00:00+09:00",
            "2026/02/20 00:00:00",
            "1771545600",
            "1771545600000",
            "1771545600000000",
        ] {
            assert_eq!(seconds(cell).unwrap(), DAY, "{cell}");
        }
        assert_eq!(seconds("202602").unwrap(), DAY - 19.0 * 86_400.0);
        assert_eq!(seconds("2026-02").unwrap(), DAY - 19.0 * 86_400.0);
    }

    #[test]
    fn numbers_of_no_plausible_time_are_refused_or_an_order() {
        for cell in ["46073.41", "12.5", "99999999", "20261301", "2026", "gestern", "1e300", ""] {
            assert!(seconds(cell).is_err(), "{cell}");
        }
        let mut order = TimeColumn::new(None, Numbers::Order).unwrap();
        assert_eq!(order.read_all(["3", "202602", "202699"].into_iter()).unwrap(), [3.0, 202_602.0, 202_699.0]);
        assert!(order.is_order());
    }

    #[test]
    fn mixed_columns_are_refused_with_two_examples() {
        for (left, right) in [
            ("2026-02-20", "2026-02-20T00:00:00Z"),
            ("20260220", "2026-02-20"),
            ("1771545600", "1771545600000"),
            ("20260220", "1771545600"),
        ] {
            for numbers in [Numbers::Refused, Numbers::Order] {
                let mut column = TimeColumn::new(None, numbers).unwrap();
                column.read(left).unwrap();
                let message = column.read(right).unwrap_err().message;
                assert!(message.contains(&format!("`{left}`")) && message.contains(&format!("`{right}`")), "{message}");
            }
        }
    }

    #[test]
    fn times_without_an_offset_are_of_the_zone() {
        let mut seoul = TimeColumn::new(Some("Asia/Seoul"), Numbers::Refused).unwrap();
        assert_eq!(seoul.read("2026-02-20 09:00").unwrap(), DAY);
        let mut seoul = TimeColumn::new(Some("Asia/Seoul"), Numbers::Refused).unwrap();
        assert_eq!(seoul.read("20260220090000").unwrap(), DAY);
        assert!(TimeColumn::new(Some("Mars/Base"), Numbers::Refused).is_err());
    }
}
