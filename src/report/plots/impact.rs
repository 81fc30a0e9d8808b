//! How much each hyper-parameter moves a metric: bars of importance with their stability interval.

use super::canvas::{
    Axes, BLUE, HEAD, INK, LEFT, MIDDLE, RIGHT, Sheet, Ticks, drawn, filled, fitted, int, plain, plane, px, text,
    whisker,
};
use crate::error::Result;

/// The most parameters that are drawn.
const MOST: usize = 20;

/// One parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// Its name.
    pub parameter: String,
    /// Its share of what all parameters explain, 0…1.
    pub importance: f64,
    /// The ends of the stability interval.
    pub interval: Option<(f64, f64)>,
}

/// The importance of parameters.
#[derive(Debug, Clone, Copy)]
pub struct Impact<'a> {
    /// What stands above.
    pub title: &'a str,
    /// Runs, method, level of the interval.
    pub subtitle: &'a str,
    /// The parameters, most important first.
    pub bars: &'a [Bar],
}

/// Draws the importance of parameters.
///
/// # Errors
/// `Failed` when plotters does.
pub fn impact(given: &Impact<'_>) -> Result<String> {
    let bars: Vec<&Bar> = given.bars.iter().filter(|bar| bar.importance.is_finite()).take(MOST).collect();
    let n = bars.len().max(1);
    let height = HEAD + 60 + 26 * int(n);
    let sheet = Sheet { title: given.title, subtitle: given.subtitle, size: (640, height) };
    let most = bars.iter().flat_map(|bar| [bar.importance, bar.interval.map_or(0.0, |(_, high)| high)]);
    let most = most.filter(|end| end.is_finite()).fold(0.05, f64::max);
    let axes = Axes { x: 0.0..most * 1.04, y: 0.0..n as f64, x_name: "", y_name: "", ticks: Ticks::Level };
    let (left, right) = (220, 70);
    drawn(&sheet, |root| {
        let plane = plane(root, (left, HEAD), (640 - left - right, height - HEAD - 26), &axes)?;
        text(root, (px((left + 640 - right) / 2), px(height - 14)), "importance", plain(12.0), MIDDLE)?;
        for (row, bar) in bars.iter().enumerate() {
            let at = |x: f64| plane.at((x, n as f64 - row as f64 - 0.5));
            let (from, to) = (at(0.0), at(bar.importance.max(0.0)));
            filled(root, (from.0, from.1 - px(7)), (to.0, to.1 + px(7)), &BLUE)?;
            if let Some((low, high)) = bar.interval.filter(|(low, high)| low.is_finite() && high.is_finite()) {
                whisker(root, at(low.max(0.0)), at(high.max(0.0)), INK)?;
            }
            text(root, (px(left - 10), from.1), &fitted(&bar.parameter, 11.5, px(left - 24)), plain(11.5), RIGHT)?;
            text(root, (px(640 - right + 4), from.1), &format!("{:.3}", bar.importance), plain(11.0), LEFT)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plots::samples::check;

    #[test]
    fn bars_with_and_without_intervals() {
        let bar = |at: usize| Bar {
            parameter: format!("model.파라미터_{at}&<긴 이름>"),
            importance: 0.6 / (1 + at) as f64,
            interval: at.is_multiple_of(2).then(|| (0.4 / (1 + at) as f64, 0.9 / (1 + at) as f64)),
        };
        let many: Vec<Bar> = (0..25).map(bar).collect();
        let zero = [Bar { importance: 0.0, interval: None, ..bar(0) }, Bar { importance: f64::NAN, ..bar(1) }];
        for (bars, boxes) in [(&many[..], MOST), (&many[..3], 3), (&zero, 1), (&[], 0)] {
            let svg = check(|| impact(&Impact { title: "영향", subtitle: "30 runs", bars }).unwrap());
            // One box is the ground.
            assert_eq!(svg.matches("<rect").count(), boxes + 1);
        }
    }
}
