//! The points of ROC and precision–recall curves, from the scores of a class, and their thinning for the eye.
//!
//! Rows are taken from the highest score down; rows of one score come together, so a curve has a point for each
//! distinct score. ROC: (FP / negatives, TP / positives) from (0, 0) to (1, 1). Precision–recall: (TP / positives,
//! TP / called), beginning at (0, precision of the highest score). Neither is defined with one class only.

use crate::stats::ranks::{area, average_precision, descending};

/// The most points of a drawn curve.
const MOST: usize = 480;

/// A curve with its name.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// What it is of: a class, a model.
    pub name: String,
    /// The points, by rising first coordinate.
    pub points: Vec<(f64, f64)>,
    /// The area under it: ROC-AUC, average precision.
    pub area: f64,
}

/// Rows of one score, highest first: (of the class, others).
fn ties(scores: &[f64], truth: &[bool]) -> Vec<(u64, u64)> {
    let mut groups: Vec<(u64, u64)> = Vec::new();
    let mut level = f64::NAN;
    for row in descending(scores.iter().copied()) {
        let row = row as usize;
        if scores[row] != level {
            groups.push((0, 0));
            level = scores[row];
        }
        let group = groups.last_mut().expect("a group was begun");
        if truth[row] { group.0 += 1 } else { group.1 += 1 }
    }
    groups
}

/// The ROC curve of a class: `truth` says which rows are of it. None with one class only.
#[must_use]
pub fn roc(name: &str, scores: &[f64], truth: &[bool]) -> Option<Curve> {
    let groups = ties(scores, truth);
    let area = area(groups.iter().copied())?;
    let (positives, negatives) = groups.iter().fold((0, 0), |sum, group| (sum.0 + group.0, sum.1 + group.1));
    let (mut hits, mut alarms) = (0, 0);
    let mut points = vec![(0.0, 0.0)];
    for (of, others) in groups {
        hits += of;
        alarms += others;
        points.push((alarms as f64 / negatives as f64, hits as f64 / positives as f64));
    }
    Some(Curve { name: name.to_owned(), points: along(&points), area })
}

/// The precision–recall curve of a class. None without a row of it.
#[must_use]
pub fn precision_recall(name: &str, scores: &[f64], truth: &[bool]) -> Option<Curve> {
    let groups = ties(scores, truth);
    let area = average_precision(groups.iter().copied())?;
    let positives: u64 = groups.iter().map(|group| group.0).sum();
    let (mut hits, mut called) = (0, 0);
    let mut points = Vec::with_capacity(groups.len() + 1);
    for (of, others) in groups {
        hits += of;
        called += of + others;
        let precision = hits as f64 / called as f64;
        if points.is_empty() {
            points.push((0.0, precision));
        }
        points.push((hits as f64 / positives as f64, precision));
    }
    Some(Curve { name: name.to_owned(), points: by_column(&points), area })
}

/// Thins a rising curve from (0, 0) to (1, 1): a point for each step along it, which the eye cannot tell from all.
fn along(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let points = without_straight(points);
    if points.len() <= MOST {
        return points;
    }
    let step = 2.0 / (MOST - 2) as f64;
    let mut kept = vec![points[0]];
    let mut next = step;
    for point in &points[1..points.len() - 1] {
        if point.0 + point.1 >= next {
            kept.push(*point);
            next = point.0 + point.1 + step;
        }
    }
    kept.push(points[points.len() - 1]);
    kept
}

/// Thins a curve that rises in its first coordinate: of each column the first, lowest, highest and last point.
fn by_column(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let points = without_straight(points);
    if points.len() <= MOST {
        return points;
    }
    let columns = MOST / 4;
    let column = |point: &(f64, f64)| ((point.0 * columns as f64) as usize).min(columns - 1);
    let mut kept = Vec::with_capacity(MOST);
    for group in points.chunk_by(|left, right| column(left) == column(right)) {
        let last = group.len() - 1;
        let lowest = (0..group.len()).fold(0, |best, at| if group[at].1 < group[best].1 { at } else { best });
        let highest = (0..group.len()).fold(0, |best, at| if group[at].1 > group[best].1 { at } else { best });
        let mut picked = [0, lowest, highest, last];
        picked.sort_unstable();
        kept.extend(picked.into_iter().map(|at| group[at]));
    }
    kept.dedup();
    kept
}

/// Leaves out the points in the middle of level and upright stretches.
fn without_straight(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut kept: Vec<(f64, f64)> = Vec::new();
    for point in points {
        if let [.., before, last] = kept.as_slice()
            && (before.0 == last.0 && last.0 == point.0 || before.1 == last.1 && last.1 == point.1)
        {
            kept.pop();
        }
        kept.push(*point);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_of_a_few_rows_by_hand() {
        // scikit-learn 1.9: roc_curve gives fpr 0 0 .5 .5 1, tpr 0 .5 .5 1 1; average_precision_score .8333.
        let (scores, truth) = ([0.1, 0.4, 0.35, 0.8], [false, false, true, true]);
        let curve = roc("x", &scores, &truth).unwrap();
        assert_eq!(curve.points, [(0.0, 0.0), (0.0, 0.5), (0.5, 0.5), (0.5, 1.0), (1.0, 1.0)]);
        assert_eq!(curve.area, 0.75);
        let curve = precision_recall("x", &scores, &truth).unwrap();
        assert_eq!(curve.points, [(0.0, 1.0), (0.5, 1.0), (0.5, 0.5), (1.0, 2.0 / 3.0), (1.0, 0.5)]);
        assert!((curve.area - 5.0 / 6.0).abs() < 1e-12);
        // All rows of one score: a straight line.
        assert_eq!(roc("x", &[0.5; 4], &truth).unwrap().points, [(0.0, 0.0), (1.0, 1.0)]);
        assert_eq!(roc("x", &scores, &[true; 4]), None);
        assert_eq!(precision_recall("x", &scores, &[false; 4]), None);
    }

    /// How far a point is from the line between two others.
    fn distance(ends: &[(f64, f64)], (x, y): (f64, f64)) -> f64 {
        let ((from_x, from_y), (to_x, to_y)) = (ends[0], ends[1]);
        let (dx, dy) = (to_x - from_x, to_y - from_y);
        let along = ((x - from_x) * dx + (y - from_y) * dy) / (dx * dx + dy * dy).max(1e-300);
        let along = along.clamp(0.0, 1.0);
        (from_x + along * dx - x).hypot(from_y + along * dy - y)
    }

    #[test]
    fn long_curves_are_thinned_and_stay_where_they_are() {
        let noise = |row: usize, step: f64| (row as f64 * step).fract();
        let truth: Vec<bool> = (0..100_000).map(|row| noise(row, 0.618_034) < 0.3).collect();
        let scores: Vec<f64> =
            (0..100_000).map(|row| 0.3 * f64::from(u8::from(truth[row])) + 0.7 * noise(row, 0.414_214)).collect();
        let all: Vec<(f64, f64)> = {
            let (mut hits, mut alarms) = (0.0, 0.0);
            let step = |(of, others): (u64, u64)| {
                hits += of as f64;
                alarms += others as f64;
                (alarms, hits)
            };
            let points: Vec<(f64, f64)> = ties(&scores, &truth).into_iter().map(step).collect();
            let (alarms, hits) = points[points.len() - 1];
            points.into_iter().map(|(x, y)| (x / alarms, y / hits)).collect()
        };
        let curve = roc("x", &scores, &truth).unwrap();
        assert!(curve.points.len() <= 500 && curve.points.len() > 200, "{}", curve.points.len());
        assert_eq!((curve.points[0], curve.points[curve.points.len() - 1]), ((0.0, 0.0), (1.0, 1.0)));
        // Every true point is within 0.003 of the thinned curve: a pixel.
        for (x, y) in all.iter().step_by(97) {
            let near = curve.points.windows(2).map(|ends| distance(ends, (*x, *y)));
            assert!(near.fold(f64::INFINITY, f64::min) < 0.003);
        }
        let curve = precision_recall("x", &scores, &truth).unwrap();
        assert!(curve.points.len() <= 500, "{}", curve.points.len());
        assert!(curve.points.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    }
}
