//! A metric of several runs, best first: a dot each with its 95 % interval as whiskers, and the number beside it.

use super::canvas::{
    Axes, BLUE, HEAD, INK, LEFT, MIDDLE, REFERENCE, RIGHT, Sheet, Style, Ticks, drawn, fitted, int, look, mark, plain,
    plane, px, text, whisker,
};
use crate::error::Result;
use crate::report::numbers::with_interval;

/// The most runs that are drawn.
pub const MOST: usize = 30;

/// One run.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// The value of the metric.
    pub value: f64,
    /// Its 95 % interval.
    pub interval: Option<(f64, f64)>,
}

/// A comparison of runs.
#[derive(Debug, Clone, Copy)]
pub struct Comparison<'a> {
    /// What stands above.
    pub title: &'a str,
    /// Rows, level of the interval.
    pub subtitle: &'a str,
    /// The metric.
    pub metric: &'a str,
    /// The runs, best first.
    pub entries: &'a [Entry],
}

/// Draws a comparison: the first `MOST` runs whose value is a number.
///
/// # Errors
/// `Failed` when plotters does.
pub fn comparison(given: &Comparison<'_>) -> Result<String> {
    let entries: Vec<&Entry> = given.entries.iter().filter(|entry| entry.value.is_finite()).take(MOST).collect();
    let ends = entries.iter().flat_map(|entry| {
        let (low, high) = entry.interval.unwrap_or((entry.value, entry.value));
        [low, high, entry.value].into_iter().filter(|end| end.is_finite())
    });
    let (low, high) = (ends.clone().fold(f64::INFINITY, f64::min), ends.fold(f64::NEG_INFINITY, f64::max));
    let (low, high) = if low.is_finite() { (low, high) } else { (0.0, 1.0) };
    let room = if high > low { (high - low) * 0.06 } else { low.abs().max(1.0) * 0.05 };
    let n = entries.len().max(1);
    let pitch = if n <= 12 { 26 } else { 18 };
    let height = HEAD + 60 + pitch * int(n);
    let sheet = Sheet { title: given.title, subtitle: given.subtitle, size: (640, height) };
    let axes = Axes { x: low - room..high + room, y: 0.0..n as f64, x_name: "", y_name: "", ticks: Ticks::Level };
    let (left, right) = (210, 150);
    drawn(&sheet, |root| {
        let plane = plane(root, (left, HEAD), (640 - left - right, height - HEAD - 26), &axes)?;
        text(root, (px((left + 640 - right) / 2), px(height - 14)), given.metric, plain(12.0), MIDDLE)?;
        if let Some(best) = entries.first() {
            plane.line(&[(best.value, 0.0), (best.value, n as f64)], &REFERENCE)?;
        }
        for (row, entry) in entries.iter().enumerate() {
            let at = |x: f64| plane.at((x, n as f64 - row as f64 - 0.5));
            let y = at(entry.value).1;
            if let Some((low, high)) = entry.interval.filter(|(low, high)| low.is_finite() && high.is_finite()) {
                whisker(root, at(low), at(high), BLUE)?;
            }
            mark(root, at(entry.value), &look(0))?;
            text(root, (px(left - 10), y), &fitted(&entry.name, 11.5, px(left - 24)), plain(11.5), RIGHT)?;
            let weight = if row == 0 { plotters::style::FontStyle::Bold } else { plotters::style::FontStyle::Normal };
            let style = Style { size: 10.5, colour: INK, weight };
            text(root, (px(640 - right + 2), y), &with_interval(entry.value, entry.interval), style, LEFT)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plots::samples::check;

    #[test]
    fn one_run_many_runs_and_equal_ones() {
        let entry = |at: usize| Entry {
            name: format!("실험 {at} <긴 이름이 여기에 서 있습니다 아주 길게>"),
            value: 0.8 - at as f64 / 100.0,
            interval: (!at.is_multiple_of(3)).then(|| (0.75 - at as f64 / 100.0, 0.85 - at as f64 / 100.0)),
        };
        let many: Vec<Entry> = (0..50).map(entry).collect();
        let equal = vec![Entry { value: 0.5, interval: None, ..entry(0) }; 2];
        let nan = [Entry { value: f64::NAN, ..entry(0) }];
        for (entries, marks) in [(&many[..], MOST), (&many[..1], 1), (&equal, 2), (&nan, 0)] {
            let given = Comparison { title: "비교", subtitle: "95 %", metric: "f1", entries };
            let svg = check(|| comparison(&given).unwrap());
            assert_eq!(svg.matches("<circle").count(), marks);
        }
    }
}
