//! The gain of each query from one model to another, best first: bars above 0 where the candidate is better, below where it is worse,
//! a dashed line at the mean gain.

use plotters::style::RGBColor;

use super::canvas::{
    Axes, BLUE, HEAD, INK, REFERENCE, RIGHT, SIZE, SOLID, Sheet, Ticks, drawn, filled, line, look, plain, plane, px,
    text,
};
use crate::error::Result;
use crate::report::numbers::count;

/// The most bars: of more queries every so many is drawn.
const MOST: usize = 280;

/// The gains of queries.
#[derive(Debug, Clone, Copy)]
pub struct Gains<'a> {
    /// What stands above.
    pub title: &'a str,
    /// Queries, mean gain and its interval.
    pub subtitle: &'a str,
    /// The name of the upright axis: `gain in ndcg@10`.
    pub metric: &'a str,
    /// The gain of each query, best first.
    pub gains: &'a [f64],
}

/// Draws the gains of queries.
///
/// # Errors
/// `Failed` when plotters does.
pub fn gains(given: &Gains<'_>) -> Result<String> {
    let gains: Vec<f64> = given.gains.iter().copied().filter(|gain| gain.is_finite()).collect();
    let n = gains.len();
    let bars = n.min(MOST);
    let (most, least) = (gains.first().copied().unwrap_or(0.0).max(0.0), gains.last().copied().unwrap_or(0.0).min(0.0));
    let room = (most - least).max(1e-3) * 0.08;
    let axes = Axes {
        x: 0.0..n.max(1) as f64,
        y: least - room..most + room,
        x_name: "queries, those that gain most first",
        y_name: given.metric,
        ticks: Ticks::Both,
    };
    let sheet = Sheet { title: given.title, subtitle: given.subtitle, size: SIZE };
    drawn(&sheet, |root| {
        let plane = plane(root, (4, HEAD), (SIZE.0 - 12, SIZE.1 - HEAD - 8), &axes)?;
        let orange: RGBColor = look(1).colour;
        for bar in 0..bars {
            // The middle query of those that the bar stands for.
            let gain = gains[(2 * bar + 1) * n / (2 * bars)];
            let edge = |bar: usize| (bar * n) as f64 / bars as f64;
            let (from, to) = (plane.at((edge(bar), gain.max(0.0))), plane.at((edge(bar + 1), gain.min(0.0))));
            let gap = i32::from(to.0 - from.0 > 6);
            let colour = if gain < 0.0 { orange } else { BLUE };
            if gain != 0.0 {
                filled(root, (from.0 + gap, from.1), (to.0 - gap, to.1.max(from.1 + 1)), &colour)?;
            }
        }
        let (start, end) = (plane.at((0.0, 0.0)), plane.at((n.max(1) as f64, 0.0)));
        line(root, &[start, end], &SOLID)?;
        let better = gains.iter().filter(|gain| **gain > 0.0).count();
        let worse = gains.iter().filter(|gain| **gain < 0.0).count();
        if n > 0 {
            let mean = gains.iter().sum::<f64>() / n as f64;
            let (from, to) = (plane.at((0.0, mean)), plane.at((n as f64, mean)));
            line(root, &[from, to], &REFERENCE)?;
            let lift = if mean < 0.0 { px(10) } else { -px(9) };
            text(root, (to.0 - px(6), to.1 + lift), &format!("mean {mean:+.4}"), plain(11.0), RIGHT)?;
        }
        let told = format!("{} better, {} worse, {} the same", count(better), count(worse), count(n - better - worse));
        let style = super::canvas::Style { colour: INK, ..plain(11.5) };
        let corner = plane.at((n.max(1) as f64, most + room));
        let at = (corner.0 - px(6), corner.1 + px(10));
        text(root, at, &told, style, RIGHT)?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plots::samples::check;

    #[test]
    fn many_queries_few_and_none() {
        let falling =
            |n: usize| -> Vec<f64> { (0..n).map(|query| 0.6 - 1.1 * (query as f64 + 0.5) / n as f64).collect() };
        let (many, few) = (falling(5000), [0.5, 0.0, -0.25]);
        for (gains_of, told) in [
            (&many[..], "2,727 better, 2,273 worse, 0 the same"),
            (&few, "1 better, 1 worse, 1 the same"),
            (&[0.0; 4], "0 better, 0 worse, 4 the same"),
            (&[], "0 better, 0 worse, 0 the same"),
        ] {
            let given = Gains { title: "v2 <대> v1", subtitle: "n", metric: "gain in ndcg@10", gains: gains_of };
            let svg = check(|| gains(&given).unwrap());
            assert!(svg.contains(told), "{told}");
            assert!(svg.matches("<rect").count() <= MOST + 1);
        }
    }
}
