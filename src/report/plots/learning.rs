//! Learning curves: what a fit told of each step or epoch, one panel a quantity; training and validation share a panel. A dashed
//! line stands at the epoch that was kept.

use std::collections::BTreeMap;

use super::canvas::{
    Axes, HEAD, LEFT, LEFT_TOP, Look, REFERENCE, SIZE, Sheet, Style, Ticks, drawn, int, line, look, mark, plain, plane,
    px, text,
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
    /// What was told of each step: `step` or `epoch`, and quantities by name.
    pub history: &'a [BTreeMap<String, f64>],
    /// The step or epoch whose model was kept, where it is not the last.
    pub kept: Option<f64>,
}

/// What the history counts: epochs, or steps.
fn counted(history: &[BTreeMap<String, f64>]) -> &'static str {
    if history.iter().any(|row| row.contains_key("epoch")) { "epoch" } else { "step" }
}

/// The prefixes of quantities, and where these were measured.
const PLACES: [(&str, &str); 3] = [("train_", "train"), ("validation_", "validation"), ("val_", "validation")];

/// A quantity, and its curves by where it was measured.
type Panel = (String, Vec<(String, Vec<(f64, f64)>)>);

/// The quantities that have at least one number, each with its curves.
fn panels(history: &[BTreeMap<String, f64>]) -> Vec<Panel> {
    let mut panels: BTreeMap<String, BTreeMap<String, Vec<(f64, f64)>>> = BTreeMap::new();
    let counted = counted(history);
    for (at, row) in history.iter().enumerate() {
        let step = row.get(counted).copied().unwrap_or(at as f64);
        // How long a step took is no result: it would be other bytes each time.
        let told = row
            .iter()
            .filter(|(key, value)| !["step", "epoch", "seconds"].contains(&key.as_str()) && value.is_finite());
        for (key, value) in told {
            let place = PLACES.iter().find(|(prefix, _)| key.starts_with(prefix));
            let name = place.map_or(key.as_str(), |(prefix, _)| &key[prefix.len()..]);
            let place = place.map_or("", |(_, place)| place);
            panels.entry(name.to_owned()).or_default().entry(place.to_owned()).or_default().push((step, *value));
        }
    }
    // A rate that never changed is a parameter; one that did explains the others, and comes after them.
    let changed = |curves: &BTreeMap<String, Vec<(f64, f64)>>| {
        let first = curves.values().flatten().next().map(|point| point.1);
        curves.values().flatten().any(|point| Some(point.1) != first)
    };
    let mut panels: Vec<_> =
        panels.into_iter().filter(|(name, curves)| name != "learning_rate" || changed(curves)).collect();
    panels.sort_by_key(|(name, _)| name == "learning_rate");
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
    let apart = if high == 0.0 { 1.0 } else { high.abs() } * 0.05;
    if high > low { (low, high) } else { (low - apart, high + apart) }
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
            let axes = Axes {
                x: from..to,
                y: low - room..high + room,
                x_name: counted(given.history),
                y_name: "",
                ticks: Ticks::Both,
            };
            let bold = Style { weight: plotters::style::FontStyle::Bold, ..plain(12.0) };
            text(root, (px(corner.0 + 10), px(corner.1)), name, bold, LEFT_TOP)?;
            let plane = plane(root, (corner.0, corner.1 + 16), (size.0, size.1 - 26), &axes)?;
            if let Some(kept) = given.kept.filter(|kept| (from..to).contains(kept)) {
                plane.line(&[(kept, low - room), (kept, high + room)], &REFERENCE)?;
                let top = plane.at((kept, high + room));
                text(root, (top.0 + px(4), top.1 + px(8)), "kept", plain(10.5), LEFT)?;
            }
            for (at, (place, points)) in curves.iter().enumerate() {
                let look = look(at);
                let points = thinned(points);
                plane.line(&points, &look)?;
                for point in points.iter().step_by((points.len() / 8).max(1)) {
                    mark(root, plane.at(*point), &look)?;
                }
                if !place.is_empty() {
                    draw_label(root, (corner.0 + size.0 - 190 + 95 * int(at), corner.1 + 7), place, &look)?;
                }
            }
        }
        Ok(())
    })?;
    Ok(Some(svg))
}

/// A name with its line and mark.
fn draw_label(
    root: &super::canvas::Area<'_>,
    at: (i32, i32),
    name: &str,
    look: &Look,
) -> Result<(), super::canvas::Fault> {
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
        assert_eq!(names, ["loss", "ndcg@10", "learning_rate"]);
        let given = Learning { title: "학습", subtitle: "60 steps", history: &history, kept: None };
        let svg = check(|| learning(&given).unwrap().unwrap());
        for word in ["학습", "validation", "ndcg@10", "step"] {
            assert!(svg.contains(word), "{word}");
        }
    }

    #[test]
    fn epochs_are_counted_and_the_kept_one_is_marked() {
        let history: Vec<_> = (1..=12)
            .map(|epoch| {
                let mut row = row(epoch, &["loss", "val_ndcg@10", "learning_rate", "seconds"]);
                row.remove("step");
                row.insert("epoch".into(), epoch as f64);
                row
            })
            .collect();
        let found = panels(&history);
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["loss", "ndcg@10", "learning_rate"]);
        assert_eq!((found[1].1[0].0.as_str(), found[1].1[0].1[0].0), ("validation", 1.0));
        let constant: Vec<_> = history
            .iter()
            .map(|row| {
                row.iter()
                    .map(|(key, value)| (key.clone(), if key == "learning_rate" { 0.1 } else { *value }))
                    .collect()
            })
            .collect();
        assert_eq!(panels(&constant).len(), 2, "a rate that never changes is no curve");
        let drawn = |kept| {
            check(|| learning(&Learning { title: "t", subtitle: "s", history: &history, kept }).unwrap().unwrap())
        };
        let svg = drawn(Some(4.0));
        assert!(svg.contains("epoch") && svg.contains("kept"));
        assert!(!drawn(Some(12.0)).contains("kept"), "the last one needs no mark");
    }

    #[test]
    fn one_step_many_steps_no_numbers() {
        for steps in [1, 2, 100_000] {
            let mut history: Vec<_> = (0..steps).map(|step| row(step, &["train_loss"])).collect();
            history[0].insert("train_loss".into(), f64::NAN);
            let given = Learning { title: "t", subtitle: "s", history: &history, kept: None };
            let drawn = learning(&given).unwrap();
            assert_eq!(drawn.is_some(), steps > 1, "{steps}");
            if steps > 1 {
                let svg = check(|| learning(&given).unwrap().unwrap());
                assert!(svg.len() < 40_000, "{}", svg.len());
            }
        }
        assert!(learning(&Learning { title: "", subtitle: "", history: &[], kept: None }).unwrap().is_none());
    }
}
