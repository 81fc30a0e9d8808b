//! A ranking metric over the rank at which the list is cut: a dot each with its 95 % interval as whiskers, and the number above it.

use super::canvas::{Axes, BLUE, HEAD, MIDDLE, SIZE, Sheet, Ticks, drawn, look, mark, plain, plane, px, text, whisker};
use crate::error::Result;

/// The metric at one cut.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cut {
    /// k.
    pub k: usize,
    /// The mean over the queries.
    pub value: f64,
    /// Its 95 % interval.
    pub interval: Option<(f64, f64)>,
}

/// A metric over its cuts.
#[derive(Debug, Clone, Copy)]
pub struct ByRank<'a> {
    /// What stands above.
    pub title: &'a str,
    /// Queries, level of the interval.
    pub subtitle: &'a str,
    /// The name of the upright axis: `NDCG@k`.
    pub metric: &'a str,
    /// The cuts, by rising k.
    pub cuts: &'a [Cut],
}

/// Draws a metric over its cuts; cuts whose value is no number are left out.
///
/// # Errors
/// `Failed` when plotters does.
pub fn by_rank(given: &ByRank<'_>) -> Result<String> {
    let cuts: Vec<&Cut> = given.cuts.iter().filter(|cut| cut.value.is_finite()).collect();
    let ends = |cut: &Cut| cut.interval.unwrap_or((cut.value, cut.value));
    let low = cuts.iter().map(|cut| ends(cut).0).fold(f64::INFINITY, f64::min);
    let high = cuts.iter().map(|cut| ends(cut).1).fold(f64::NEG_INFINITY, f64::max);
    let (low, high) = if low.is_finite() { (low, high) } else { (0.0, 1.0) };
    let room = (high - low).max(0.02) * 0.12;
    let most = cuts.last().map_or(10, |cut| cut.k) as f64;
    let axes = Axes {
        x: 0.5..most + 0.5,
        y: (low - room).max(0.0)..high + room,
        x_name: "k",
        y_name: given.metric,
        ticks: Ticks::Both,
    };
    let sheet = Sheet { title: given.title, subtitle: given.subtitle, size: SIZE };
    drawn(&sheet, |root| {
        let plane = plane(root, (4, HEAD), (SIZE.0 - 12, SIZE.1 - HEAD - 8), &axes)?;
        let points: Vec<(f64, f64)> = cuts.iter().map(|cut| (cut.k as f64, cut.value)).collect();
        plane.line(&points, &look(0))?;
        for cut in &cuts {
            let at = |y: f64| plane.at((cut.k as f64, y));
            let (low, high) = ends(cut);
            if cut.interval.is_some() {
                whisker(root, at(low), at(high), BLUE)?;
            }
            mark(root, at(cut.value), &look(0))?;
            let (x, y) = at(high);
            text(root, (x, y - px(11)), &format!("{:.3}", cut.value), plain(10.5), MIDDLE)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plots::samples::check;

    #[test]
    fn cuts_with_and_without_intervals() {
        let cut = |k: usize| Cut {
            k,
            value: 0.4 + k as f64 / 50.0,
            interval: Some((0.35 + k as f64 / 50.0, 0.45 + k as f64 / 50.0)),
        };
        let all: Vec<Cut> = (1..=10).map(cut).collect();
        let bare = [Cut { interval: None, ..cut(1) }, Cut { value: f64::NAN, ..cut(2) }];
        for (cuts, marks) in [(&all[..], 10), (&bare, 1), (&[], 0)] {
            let svg = check(|| {
                by_rank(&ByRank { title: "순위 <k>", subtitle: "50 queries", metric: "NDCG@k", cuts }).unwrap()
            });
            assert_eq!(svg.matches("<circle").count(), marks);
        }
    }
}
