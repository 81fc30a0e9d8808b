//! Numbers, intervals and times as people read them: in tables, captions and on the terminal.

use crate::metrics::Estimate;

/// A whole number with thousands separated: `50,000`.
#[must_use]
pub fn count(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 row`, `2 rows`.
#[must_use]
pub fn plural(number: usize, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// A metric's value.
#[must_use]
pub fn value(number: f64) -> String {
    let size = number.abs();
    if number.is_nan() {
        "NaN".into()
    } else if number == 0.0 {
        "0".into()
    } else if !(0.001..100_000.0).contains(&size) {
        format!("{number:.3e}")
    } else if size >= 100.0 || number.fract() == 0.0 && size >= 1.0 {
        format!("{number:.0}")
    } else {
        format!("{number:.4}")
    }
}

/// An optional value.
#[must_use]
pub fn optional(number: Option<f64>) -> String {
    number.map_or_else(|| "–".into(), value)
}

/// A value with its interval: `0.8160 [0.790, 0.840]`; the value alone where there is none.
#[must_use]
pub fn with_interval(number: f64, interval: Option<(f64, f64)>) -> String {
    match interval {
        Some((low, high)) => format!("{} [{low:.3}, {high:.3}]", value(number)),
        None => value(number),
    }
}

/// An estimate: its value, or why there is none.
#[must_use]
pub fn estimate(estimate: &Estimate) -> String {
    match (estimate.value, &estimate.reason) {
        (Some(number), _) => value(number),
        (None, Some(reason)) => format!("n/a ({reason})"),
        (None, None) => "n/a".into(),
    }
}

/// An estimate with its interval, or why there is none.
#[must_use]
pub fn estimate_with_interval(given: &Estimate) -> String {
    given.value.map_or_else(|| estimate(given), |number| with_interval(number, given.low.zip(given.high)))
}

/// A share in percent: `8.2 %`.
#[must_use]
pub fn percent(part: f64, whole: f64) -> String {
    if whole > 0.0 { format!("{:.1} %", 100.0 * part / whole) } else { "–".into() }
}

/// The label of a tick, as short as the distance between ticks allows: `0.2`, `1,500`, `1e-6`.
#[must_use]
pub fn tick(number: f64, span: f64) -> String {
    let size = number.abs().max(span.abs() / 10.0);
    if number.abs() < span.abs() * 1e-9 {
        return "0".into();
    }
    if !(1e-4..1e6).contains(&size) {
        return format!("{number:.1e}");
    }
    if span >= 20.0 {
        let whole = count(number.abs().round() as usize);
        return if number < 0.0 { format!("−{whole}") } else { whole };
    }
    let places = (2.0 - span.abs().log10()).ceil().clamp(1.0, 6.0) as usize;
    let text = format!("{number:.places$}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    text.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([count(0), count(999), count(1000), count(1_234_567)], ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [value(0.81234), value(0.0), value(24.0), value(1e-9), value(154.3)],
            ["0.8123", "0", "24", "1.000e-9", "154"]
        );
        assert_eq!(with_interval(0.816, Some((0.79, 0.8404))), "0.8160 [0.790, 0.840]");
        assert_eq!([percent(412.0, 5000.0), percent(0.0, 0.0)], ["8.2 %", "–"]);
        let none = Estimate { value: None, reason: Some("1 class".into()), low: None, high: None };
        assert_eq!(estimate_with_interval(&none), "n/a (1 class)");
    }

    #[test]
    fn ticks_are_as_short_as_they_can_be() {
        assert_eq!([tick(0.2, 1.0), tick(1.0, 1.0), tick(0.0, 1.0)], ["0.2", "1", "0"]);
        assert_eq!([tick(1500.0, 4000.0), tick(-20.0, 100.0), tick(0.3604, 0.01)], ["1,500", "−20", "0.3604"]);
        assert_eq!([tick(2e-7, 1e-6), tick(3e7, 1e8), tick(-0.25, 0.5)], ["2.0e-7", "3.0e7", "−0.25"]);
    }
}
