//! How a metric lies over the queries: bars of equal width from 0 to 1 with their counts, a solid line at the mean, a dashed one at
//! the median.

use super::canvas::{
    Axes, BLUE, HEAD, LEFT, MIDDLE, REFERENCE, RIGHT, SIZE, SOLID, Sheet, Ticks, drawn, filled, line, plain, plane, px,
    text,
};
use crate::error::Result;
use crate::report::numbers::count;
use crate::stats::quantile::quantile;

/// Bars.
const BINS: usize = 20;

/// The values of queries.
#[derive(Debug, Clone, Copy)]
pub struct Spread<'a> {
    /// What stands above.
    pub title: &'a str,
    /// Queries, mean and quartiles.
    pub subtitle: &'a str,
    /// The metric.
    pub metric: &'a str,
    /// The value of each query, 0…1; others are left out.
    pub values: &'a [f64],
}

/// How many values lie in each bar; 1 belongs to the last.
fn bars(values: &[f64]) -> [usize; BINS] {
    let mut bars = [0; BINS];
    for value in values {
        bars[((value * BINS as f64) as usize).min(BINS - 1)] += 1;
    }
    bars
}

/// Draws the values of queries.
///
/// # Errors
/// `Failed` when plotters does.
pub fn spread(given: &Spread<'_>) -> Result<String> {
    let mut values: Vec<f64> = given.values.iter().copied().filter(|value| (0.0..=1.0).contains(value)).collect();
    values.sort_by(f64::total_cmp);
    let bars = bars(&values);
    let most = bars.iter().max().copied().unwrap_or(1).max(1) as f64;
    let axes = Axes { x: 0.0..1.0, y: 0.0..most * 1.14, x_name: given.metric, y_name: "queries", ticks: Ticks::Both };
    let sheet = Sheet { title: given.title, subtitle: given.subtitle, size: SIZE };
    drawn(&sheet, |root| {
        let plane = plane(root, (4, HEAD + 18), (SIZE.0 - 12, SIZE.1 - HEAD - 26), &axes)?;
        for (at, queries) in bars.iter().enumerate().filter(|(_, queries)| **queries > 0) {
            let edge = |place: usize| place as f64 / BINS as f64;
            let (from, to) = (plane.at((edge(at), *queries as f64)), plane.at((edge(at + 1), 0.0)));
            filled(root, (from.0 + px(1), from.1), (to.0 - px(1), to.1), &BLUE)?;
            let middle = i32::midpoint(from.0, to.0);
            text(root, (middle, from.1 - px(8)), &count(*queries), plain(10.0), MIDDLE)?;
        }
        let median = quantile(&values, 0.5);
        let mean = (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
        let left = mean.zip(median).is_some_and(|(mean, median)| mean <= median);
        for (name, value, look, on_left) in [("mean", mean, &SOLID, left), ("median", median, &REFERENCE, !left)] {
            let Some(value) = value else { continue };
            let (top, foot) = (plane.at((value, most * 1.14)), plane.at((value, 0.0)));
            line(root, &[(top.0, top.1 - px(12)), foot], look)?;
            // The two names stand away from each other, and stay on the sheet.
            let room = px(90);
            let on_left = (on_left && top.0 > room) || top.0 > px(SIZE.0) - room;
            let (shift, anchor) = if on_left { (-px(4), RIGHT) } else { (px(4), LEFT) };
            let lift = if name == "mean" { px(13) } else { px(1) };
            text(root, (top.0 + shift, top.1 - lift), &format!("{name} {value:.3}"), plain(11.0), anchor)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plots::samples::check;

    #[test]
    fn every_value_is_in_one_bar() {
        assert_eq!(bars(&[0.0, 0.049, 0.05, 0.999, 1.0])[..2], [2, 1]);
        assert_eq!(bars(&[0.0, 0.049, 0.05, 0.999, 1.0])[BINS - 1], 2);
    }

    #[test]
    fn many_queries_one_query_none() {
        let many: Vec<f64> = (0..1000).map(|query| (f64::from(query) * 0.618_034).fract().powi(2)).collect();
        let odd = [0.5, f64::NAN, 2.0];
        // One box is the ground.
        for (values, boxes) in [(&many[..], BINS + 1), (&odd[..], 2), (&[1.0; 7], 2), (&[0.0; 3], 2), (&[], 1)] {
            let given = Spread { title: "분포", subtitle: "n = 1,000", metric: "ndcg@10", values };
            let svg = check(|| spread(&given).unwrap());
            assert_eq!(svg.matches("<rect").count(), boxes);
            assert_eq!(svg.contains("mean"), !values.is_empty());
        }
    }
}
