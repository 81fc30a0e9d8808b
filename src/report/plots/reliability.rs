//! Reliability: how often rows came true, over the probability that the model gave them.
//!
//! A dot a bin with the 95 % interval of its rate; on the dashed diagonal a model is calibrated. Bars below show how
//! the rows lie over the bins' mean probabilities.

use super::canvas::{
    BLUE, EDGE, GREY, HEAD, LEFT, REFERENCE, SIZE, Sheet, drawn, filled, int, look, mark, plain, plane, px, text, unit,
    whisker,
};
use crate::error::Result;
use crate::metrics::reliability::Bin;
use crate::report::numbers::count;

/// A reliability diagram.
#[derive(Debug, Clone, Copy)]
pub struct Reliability<'a> {
    /// What stands above.
    pub title: &'a str,
    /// Rows, class, calibration error.
    pub subtitle: &'a str,
    /// The bins, from the lowest probability to the highest.
    pub bins: &'a [Bin],
}

/// Draws a reliability diagram.
///
/// # Errors
/// `Failed` when plotters does.
pub fn reliability(given: &Reliability<'_>) -> Result<String> {
    let sheet = Sheet { title: given.title, subtitle: given.subtitle, size: SIZE };
    let axes = unit("mean predicted probability", "observed rate");
    let bins: Vec<&Bin> =
        given.bins.iter().filter(|bin| bin.predicted.is_finite() && bin.observed.is_finite()).collect();
    drawn(&sheet, |root| {
        let plane = plane(root, (4, HEAD), (372, 362), &axes)?;
        plane.line(&[(0.0, 0.0), (1.0, 1.0)], &REFERENCE)?;
        let points: Vec<(f64, f64)> = bins.iter().map(|bin| (bin.predicted, bin.observed)).collect();
        plane.line(&points, &look(0))?;
        for bin in &bins {
            let at = |y: f64| plane.at((bin.predicted, y));
            whisker(root, at(bin.low), at(bin.high), BLUE)?;
            mark(root, at(bin.observed), &look(0))?;
        }
        // The bins as a table beside the plot: exact numbers, whatever the picture is.
        let left = 396;
        for (x, name) in [(0, "predicted"), (68, "observed"), (132, "rows")] {
            text(root, (px(left + x), px(HEAD + 16)), name, plain(11.5), LEFT)?;
        }
        let most = bins.iter().map(|bin| bin.rows).max().unwrap_or(1).max(1);
        for (row, bin) in bins.iter().take(14).enumerate() {
            let y = HEAD + 38 + 20 * int(row);
            let cell = |x: i32, cell: String| text(root, (px(left + x), px(y)), &cell, plain(11.5), LEFT);
            cell(0, format!("{:.3}", bin.predicted))?;
            cell(68, format!("{:.3}", bin.observed))?;
            cell(132, count(bin.rows as usize))?;
            let room = SIZE.0 - EDGE - (left + 180);
            let long = (f64::from(room) * bin.rows as f64 / most as f64).round().max(1.0) as i32;
            filled(root, (px(left + 180), px(y - 6)), (px(left + 180 + long), px(y + 6)), &GREY)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plots::samples::check;

    #[test]
    fn bins_with_intervals() {
        let bin = |at: u64| {
            let p = at as f64 / 10.0;
            Bin {
                rows: 100 + at,
                from: p,
                to: p,
                predicted: p,
                observed: p * p,
                low: (p * p - 0.1).max(0.0),
                high: (p * p + 0.1).min(1.0),
            }
        };
        let bins: Vec<Bin> = (0..10).map(bin).collect();
        let nan = [Bin { observed: f64::NAN, ..bins[0] }];
        for bins in [&bins[..], &bins[..1], &nan, &[]] {
            let svg = check(|| reliability(&Reliability { title: "보정", subtitle: "n = 1,045", bins }).unwrap());
            assert!(svg.contains("보정"));
        }
    }
}
