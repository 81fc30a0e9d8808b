//! Numbers and times as people read them.

use crate::metrics::Estimate;

/// A whole number with thousands separated: `50,000`.
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
pub fn plural(number: usize, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// A metric's value.
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

/// A text that somebody else wrote, on one line and harmless on a terminal: control characters and those that turn the
/// direction of writing are shown, not obeyed.
pub fn plain(text: &str) -> String {
    let turns =
        |letter: char| matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' | '\r' | '\t' => shown.push(' '),
            letter if letter.is_control() || turns(letter) => shown.extend(letter.escape_unicode()),
            letter => shown.push(letter),
        }
    }
    shown
}

/// An optional value.
pub fn optional(number: Option<f64>) -> String {
    number.map_or_else(|| "–".into(), value)
}

/// An estimate: its value, or why there is none.
pub fn estimate(estimate: &Estimate) -> String {
    match (estimate.value, &estimate.reason) {
        (Some(number), _) => value(number),
        (None, Some(reason)) => format!("n/a ({reason})"),
        (None, None) => "n/a".into(),
    }
}

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
    fn what_others_wrote_is_shown_and_not_obeyed() {
        assert_eq!(plain("합격 – ok"), "합격 – ok");
        assert_eq!(plain("a\nb\u{1b}[31m\u{202e}c\u{9b}"), "a b\\u{1b}[31m\\u{202e}c\\u{9b}");
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!([count(0), count(999), count(1000), count(1_234_567)], ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [value(0.81234), value(0.0), value(24.0), value(1e-9), value(154.3)],
            ["0.8123", "0", "24", "1.000e-9", "154"]
        );
        assert_eq!([seconds(0.0042), seconds(1.5), seconds(200.0)], ["4.2 ms", "1.50 s", "3 min 20 s"]);
    }
}
