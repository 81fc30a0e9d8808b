//! Learning curves: what a fit told of each step, one panel a quantity; training and validation share a panel.

use std::collections::BTreeMap;

use super::canvas::{
    Axes, HEAD, LEFT, LEFT_TOP, Look, SIZE, Sheet, Style, Ticks, drawn, int, line, look, mark, plain, plane, px, text,
};
use crate::error::Result;

/// The most panels.
const MOST: usize = 4;
/// The most points of a curve.
const POINTS: usize = 400;

/// Learning curves of a fit.
#[derive(Debug, Clone, Copy)]
pub struct Learning<'a> {
    /// What stands above.
    pub title: &'a str,
    /// How many steps.
    pub subtitle: &'a str,
    /// What was told of each step: `step` and quantities by name.
    pub history: &'a [BTreeMap<String, f64>],
}

/// A quantity, and its curves by where it was measured.
type Panel = (String, Vec<(String, Vec<(f64, f64)>)>);

/// The quantities that have at least one number, each with its curves.
fn panels(history: &[BTreeMap<String, f64>]) -> Vec<Panel> {
    let mut panels: BTreeMap<String, BTreeMap<String, Vec<(f64, f64)>>> = BTreeMap::new();
    for (at, row) in history.iter().enumerate() {
        let step = row.get("step").copied().unwrap_or(at as f64);
        for (key, value) in row.iter().filter(|(key, value)| *key != "step" && value.is_finite()) {
            let place = ["train_", "validation_"].iter().find(|place| key.starts_with(**place));
            let name = place.map_or(key.as_str(), |place| &key[place.len()..]);
            let place = place.map_or("", |place| place.trim_end_matches('_'));
            panels.entry(name.to_owned()).or_default().entry(place.to_owned()).or_default().push((step, *value));
        }
    }
    panels.into_iter().map(|(name, curves)| (name, curves.into_iter().collect())).collect()
}

/// Every so many points, and the last.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let step = points.len().div_ceil(POINTS).max(1);
    let last = points.len().saturating_sub(1);
    points.iter().enumerate().filter(|(at, _)| at % step == 0 || *at == last).map(|(_, point)| *point).collect()
}

/// The least and the greatest of some numbers, a little apart where they are one.
fn range(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let (low, high) = (values.clone().fold(f64::INFINITY, f64::min), values.fold(f64::NEG_INFINITY, f64::max));
    if high > low { (low, high) } else { (low - low.abs().max(1.0) * 0.05, high + high.abs().max(1.0) * 0.05) }
}

/// Draws learning curves; none where the history holds no number.
///
/// # Errors
/// `Failed` when plotters does.
pub fn learning(given: &Learning<'_>) -> Result<Option<String>> {
    let panels = panels(given.history);
    let shown = panels.len().min(MOST);
    if shown == 0 {
        return Ok(None);
    }
    let (columns, rows) = if shown == 1 { (1, 1) } else { (2, shown.div_ceil(2)) };
    let height = if rows == 1 { SIZE.1 } else { HEAD + 16 + 250 * int(rows) };
    let size = ((SIZE.0 - 12) / int(columns), (height - HEAD - 8) / int(rows));
    let sheet = Sheet { title: given.title, subtitle: given.subtitle, size: (SIZE.0, height) };
    let svg = drawn(&sheet, |root| {
        for (at, (name, curves)) in panels.iter().take(shown).enumerate() {
            let corner = (4 + size.0 * int(at % columns), HEAD + size.1 * int(at / columns));
            let all = || curves.iter().flat_map(|(_, points)| points.iter());
            let (from, to) = range(all().map(|point| point.0));
            let (low, high) = range(all().map(|point| point.1));
            let room = (high - low) * 0.04;
            let axes = Axes { x: from..to, y: low - room..high + room, x_name: "step", y_name: "", ticks: Ticks::Both };
            let bold = Style { weight: plotters::style::FontStyle::Bold, ..plain(12.0) };
            text(root, (px(corner.0 + 10), px(corner.1)), name, bold, LEFT_TOP)?;
            let plane = plane(root, (corner.0, corner.1 + 16), (size.0, size.1 - 26), &axes)?;
            for (at, (place, points)) in curves.iter().enumerate() {
                let look = look(at);
                let points = thinned(points);
                plane.line(&points, &look)?;
                for point in points.iter().step_by((points.len() / 8).max(1)) {
                    mark(root, plane.at(*point), &look)?;
                }
                if !place.is_empty() {
                    named(root, (corner.0 + size.0 - 190 + 95 * int(at), corner.1 + 7), place, &look)?;
                }
            }
        }
        Ok(())
    })?;
    Ok(Some(svg))
}

/// A name with its line and mark.
fn named(root: &super::canvas::Area<'_>, at: (i32, i32), name: &str, look: &Look) -> Result<(), super::canvas::Fault> {
    line(root, &[(px(at.0), px(at.1)), (px(at.0 + 24), px(at.1))], look)?;
    mark(root, (px(at.0 + 12), px(at.1)), look)?;
    text(root, (px(at.0 + 30), px(at.1)), name, plain(11.0), LEFT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plots::samples::check;

    fn row(step: usize, keys: &[&str]) -> BTreeMap<String, f64> {
        let value = |at: usize| 1.0 / (1.0 + step as f64 * (at + 1) as f64 / 10.0);
        let mut row: BTreeMap<String, f64> =
            keys.iter().enumerate().map(|(at, key)| ((*key).to_owned(), value(at))).collect();
        row.insert("step".into(), step as f64);
        row
    }

    #[test]
    fn training_and_validation_share_a_panel() {
        let keys = ["train_loss", "validation_loss", "validation_ndcg@10", "learning_rate"];
        let history: Vec<_> = (0..60).map(|step| row(step, &keys)).collect();
        let names: Vec<String> = panels(&history).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["learning_rate", "loss", "ndcg@10"]);
        let given = Learning { title: "학습", subtitle: "60 steps", history: &history };
        let svg = check(|| learning(&given).unwrap().unwrap());
        for word in ["학습", "validation", "ndcg@10", "step"] {
            assert!(svg.contains(word), "{word}");
        }
    }

    #[test]
    fn one_step_many_steps_no_numbers() {
        for steps in [1, 2, 100_000] {
            let mut history: Vec<_> = (0..steps).map(|step| row(step, &["train_loss"])).collect();
            history[0].insert("train_loss".into(), f64::NAN);
            let given = Learning { title: "t", subtitle: "s", history: &history };
            let drawn = learning(&given).unwrap();
            assert_eq!(drawn.is_some(), steps > 1, "{steps}");
            if steps > 1 {
                let svg = check(|| learning(&given).unwrap().unwrap());
                assert!(svg.len() < 40_000, "{}", svg.len());
            }
        }
        assert!(learning(&Learning { title: "", subtitle: "", history: &[] }).unwrap().is_none());
    }
}
