//! Reliability: how often rows came true, over the probability that the model gave them.
//!
//! A dot a bin with the 95 % interval of its rate; on the dashed diagonal a model is calibrated. Bars below show how
//! the rows lie over the bins' mean probabilities.

use super::canvas::{
    BLUE, EDGE, GREY, HEAD, LEFT, REFERENCE, SIZE, Sheet, drawn, filled, int, look, mark, plain, plane, px, text, unit,
    whisker,
};
use crate::error::Result;
use crate::report::numbers::count;

/// One bin of rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// Rows in it.
    pub rows: u64,
    /// Their mean probability.
    pub predicted: f64,
    /// The part of them that came true.
    pub observed: f64,
    /// The lower end of the 95 % interval of `observed`.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// The most bins.
const BINS: usize = 10;
/// The 97.5 % quantile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// Bins of equal count by probability, with Wilson's 95 % interval of each rate; fewer rows than bins give one each.
/// Rows of one probability stay in one bin, so that the order of the rows moves nothing.
#[must_use]
pub fn equal_bins(probabilities: &[f64], came_true: &[bool]) -> Vec<Bin> {
    let mut rows: Vec<(f64, bool)> = probabilities.iter().copied().zip(came_true.iter().copied()).collect();
    rows.sort_by(|left, right| left.0.total_cmp(&right.0));
    let mut bins: Vec<Bin> = Vec::new();
    let mut from = 0;
    for bin in 1..=BINS {
        let mut to = rows.len() * bin / BINS;
        while to > from && to < rows.len() && rows[to].0 == rows[to - 1].0 {
            to += 1;
        }
        if to > from {
            bins.push(bin_of(&rows[from..to]));
            from = to;
        }
    }
    bins
}

fn bin_of(rows: &[(f64, bool)]) -> Bin {
    let n = rows.len() as f64;
    let observed = rows.iter().filter(|row| row.1).count() as f64 / n;
    let middle = (observed + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let half = Z / (1.0 + Z * Z / n) * (observed * (1.0 - observed) / n + Z * Z / (4.0 * n * n)).sqrt();
    Bin {
        rows: rows.len() as u64,
        predicted: rows.iter().map(|row| row.0).sum::<f64>() / n,
        observed,
        low: (middle - half).max(0.0),
        high: (middle + half).min(1.0),
    }
}

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
    fn bins_are_of_equal_count_and_keep_ties_together() {
        let probabilities: Vec<f64> = (0..100).map(|row| f64::from((row * 37) % 100) / 100.0).collect();
        let came_true: Vec<bool> = probabilities.iter().map(|p| *p >= 0.5).collect();
        let bins = equal_bins(&probabilities, &came_true);
        assert_eq!(bins.iter().map(|bin| bin.rows).collect::<Vec<_>>(), [10; 10]);
        assert!((bins[0].predicted - 0.045).abs() < 1e-12 && bins[0].observed == 0.0 && bins[9].observed == 1.0);
        // statsmodels 0.14: proportion_confint(0, 10, method="wilson") = (0, .2775).
        assert!(bins[0].low == 0.0 && (bins[0].high - 0.277_533).abs() < 1e-6, "{}", bins[0].high);
        assert_eq!(equal_bins(&[0.5; 30], &[true; 30]).len(), 1);
        assert_eq!(equal_bins(&[0.1, 0.9], &[false, true]).len(), 2);
        assert!(equal_bins(&[], &[]).is_empty());
    }

    #[test]
    fn bins_with_intervals() {
        let bin = |at: u64| {
            let p = at as f64 / 10.0;
            Bin {
                rows: 100 + at,
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
