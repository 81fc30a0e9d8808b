//! The decision threshold, chosen on rows that neither trained the model nor judge it.
//!
//! Every cut between two neighbouring scores, and 0.5, is tried: the threshold is the midpoint of the two, so that rows
//! as near the cut as those seen fall on the same side. The metric must read decided classes only; it is then a function
//! of the four counts of the confusion matrix, which change by one tie a step, so that n rows cost one sort. Of equal
//! values the cut nearest 0.5 is taken, then the lower one. Precision or recall of the positive class can be given a
//! least value, which the cut must keep: to choose recall alone calls every row positive.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::metrics::metric::{Metric, Reads, Scored};
use crate::stats::ranks::descending;

/// What the cut must keep.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Floors {
    /// The least precision of the positive class.
    pub precision: Option<f64>,
    /// Its least recall.
    pub recall: Option<f64>,
}

/// A chosen threshold and what it does on the rows that it was chosen on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chosen {
    /// The metric that it is best for.
    pub metric: String,
    /// The threshold.
    pub threshold: f64,
    /// The metric at the threshold, on the rows of the choice.
    pub value: f64,
    /// The metric at 0.5, on the same rows; none when it is not defined there.
    pub at_half: Option<f64>,
    /// How many rows the choice was made on.
    pub rows: usize,
}

/// The confusion matrix of two classes.
#[derive(Debug, Clone, Copy)]
struct Cells {
    true_negative: u32,
    false_positive: u32,
    false_negative: u32,
    true_positive: u32,
}

impl Cells {
    /// The value of a metric that reads decided classes: each cell is one row that counts so often.
    fn value(self, metric: &dyn Metric) -> Option<f64> {
        let counts = [self.true_negative, self.false_positive, self.false_negative, self.true_positive];
        let scored = Scored { counts: Some(&counts), ..Scored::new(&[0, 0, 1, 1], &[0, 1, 0, 1], &[], 2) };
        metric.score(&scored).ok().filter(|value| value.is_finite())
    }

    fn keeps(self, floors: Floors) -> bool {
        let positive = f64::from(self.true_positive);
        let part = |others: u32| if self.true_positive == 0 { 0.0 } else { positive / (positive + f64::from(others)) };
        floors.precision.is_none_or(|least| part(self.false_positive) >= least)
            && floors.recall.is_none_or(|least| part(self.false_negative) >= least)
    }
}

/// The cuts from the highest down: the threshold, and what it makes of the rows.
fn cuts(truth: &[usize], scores: &[f64]) -> Vec<(f64, Cells)> {
    let sorted: Vec<usize> = descending(scores.iter().copied()).into_iter().map(|row| row as usize).collect();
    let positives = truth.iter().filter(|class| **class == 1).count() as u32;
    let mut cells = Cells {
        true_negative: truth.len() as u32 - positives,
        false_positive: 0,
        false_negative: positives,
        true_positive: 0,
    };
    let (mut cuts, mut above) = (Vec::new(), 1.0);
    let cut = |above: f64, below: f64| {
        let middle = f64::midpoint(above, below);
        // Neighbouring numbers have no number between them: the row above must still be reached.
        if middle > below { middle } else { above }
    };
    for tie in sorted.chunk_by(|left, right| scores[*left] <= scores[*right]) {
        cuts.push((cut(above, scores[tie[0]]), cells));
        for row in tie {
            if truth[*row] == 1 {
                (cells.true_positive, cells.false_negative) = (cells.true_positive + 1, cells.false_negative - 1);
            } else {
                (cells.false_positive, cells.true_negative) = (cells.false_positive + 1, cells.true_negative - 1);
            }
        }
        above = scores[tie[0]];
    }
    cuts.push((cut(above, 0.0), cells));
    cuts
}

/// What 0.5 makes of the rows.
fn at_half(truth: &[usize], scores: &[f64]) -> Cells {
    let count = |class: usize, called: bool| {
        truth.iter().zip(scores).filter(|(truth, score)| **truth == class && (**score >= 0.5) == called).count() as u32
    };
    Cells {
        true_negative: count(0, false),
        false_positive: count(0, true),
        false_negative: count(1, false),
        true_positive: count(1, true),
    }
}

/// Chooses the threshold on the positive class's `scores` (0…1) that is best for `metric`. `truth` holds 0 and 1.
///
/// # Errors
/// `Invalid` when there are no rows of one of the classes, the metric reads more than decided classes, or no cut keeps
/// the floors.
pub fn choose(truth: &[usize], scores: &[f64], metric: &'static dyn Metric, floors: Floors) -> Result<Chosen> {
    if metric.reads() != Reads::Labels {
        return Err(Error::invalid(format!("`{}` does not depend on the decision threshold", metric.name()))
            .hint("choose a metric of decided classes, such as f1, accuracy, mcc"));
    }
    if let Some(absent) = [0, 1].into_iter().find(|class| !truth.contains(class)) {
        let which = if absent == 1 { "positive" } else { "negative" };
        return Err(Error::invalid(format!("the threshold cannot be chosen: no {which} row among {}", truth.len())));
    }
    let half = at_half(truth, scores);
    let mut best: Option<(f64, f64)> = None;
    for (threshold, cells) in std::iter::once((0.5, half)).chain(cuts(truth, scores)) {
        if !(threshold > 0.0 && threshold < 1.0 && cells.keeps(floors)) {
            continue;
        }
        let Some(value) = cells.value(metric) else { continue };
        let nearer = |other: f64| {
            (threshold - 0.5).abs() < (other - 0.5).abs()
                || (threshold + other - 1.0).abs() < 1e-15 && threshold < other
        };
        let better =
            best.is_none_or(|(other, best)| metric.direction().better(value, best) || value == best && nearer(other));
        if better {
            best = Some((threshold, value));
        }
    }
    let Some((threshold, value)) = best else {
        let floor = |name: &str, least: Option<f64>| least.map(|least| format!("{name} >= {least}"));
        let asked = [floor("precision", floors.precision), floor("recall", floors.recall)];
        let asked: Vec<String> = asked.into_iter().flatten().collect();
        return Err(Error::invalid(format!("no threshold keeps {} on {} rows", asked.join(" and "), truth.len()))
            .hint("lower `min_precision` or `min_recall` under `evaluation.threshold`"));
    };
    Ok(Chosen { metric: metric.name().to_owned(), threshold, value, at_half: half.value(metric), rows: truth.len() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{METRICS, roc_auc, table};

    const TRUTH: [usize; 8] = [0, 0, 1, 0, 1, 1, 0, 1];
    const SCORES: [f64; 8] = [0.1, 0.2, 0.25, 0.3, 0.4, 0.6, 0.35, 0.9];

    #[test]
    fn the_best_cut_is_found_by_hand() {
        // Cuts from the top: .75 → 1 of 4; .5 → 2/4, P 1; .375 → 3 of 3 found right, F1 6/7; .225 → 4 of 6, F1 .8.
        let chosen = choose(&TRUTH, &SCORES, &table::F1, Floors::default()).expect("both classes");
        assert!((chosen.threshold - 0.375).abs() < 1e-15 && (chosen.value - 6.0 / 7.0).abs() < 1e-15, "{chosen:?}");
        assert!((chosen.at_half.expect("defined") - 2.0 / 3.0).abs() < 1e-15 && chosen.rows == 8);
        let floor = Floors { precision: Some(0.6), recall: None };
        let chosen = choose(&TRUTH, &SCORES, &table::RECALL, floor).expect("both classes");
        assert!((chosen.threshold - 0.225).abs() < 1e-15 && chosen.value == 1.0, "{chosen:?}");
        // Of equal values the one nearest 0.5.
        let chosen = choose(&TRUTH, &SCORES, &table::PRECISION, Floors::default()).expect("both classes");
        assert_eq!((chosen.threshold, chosen.value), (0.5, 1.0));
    }

    /// Every metric that reads classes, by its own value over all rows at every threshold of a fine grid.
    #[test]
    fn no_threshold_is_better_than_the_chosen_one() {
        let rows = 300;
        let noise = |row: usize, step: f64| (row as f64 * step).fract();
        let truth: Vec<usize> = (0..rows).map(|row| usize::from(noise(row, 0.618_034) < 0.2)).collect();
        let scores: Vec<f64> = (0..rows)
            .map(|row| ((0.3 * truth[row] as f64 + 0.7 * noise(row, 0.414_214)) * 50.0).round() / 50.0)
            .collect();
        let at = |metric: &dyn Metric, threshold: f64| {
            let called: Vec<usize> = scores.iter().map(|score| usize::from(*score >= threshold)).collect();
            metric.score(&Scored::new(&truth, &called, &[], 2)).unwrap_or(f64::NAN)
        };
        for metric in METRICS.iter().filter(|metric| metric.reads() == Reads::Labels) {
            let chosen = choose(&truth, &scores, *metric, Floors::default()).expect("both classes");
            assert!((at(*metric, chosen.threshold) - chosen.value).abs() < 1e-12, "{}", metric.name());
            assert!((at(*metric, 0.5) - chosen.at_half.expect("defined")).abs() < 1e-12, "{}", metric.name());
            for step in 1..1000 {
                let value = at(*metric, f64::from(step) / 1000.0);
                assert!(!metric.direction().better(value, chosen.value + 1e-12), "{} at {step}", metric.name());
            }
        }
    }

    #[test]
    fn what_cannot_be_chosen_is_told() {
        let message = |truth: &[usize], metric: &'static dyn Metric, floors| {
            choose(truth, &SCORES[..truth.len()], metric, floors).expect_err("it cannot").message
        };
        assert!(message(&[1, 1], &table::F1, Floors::default()).contains("no negative row among 2"));
        assert!(message(&[], &table::F1, Floors::default()).contains("no negative row among 0"));
        assert!(message(&TRUTH, &roc_auc::RocAuc, Floors::default()).contains("does not depend"));
        let high = Floors { precision: Some(0.9), recall: Some(0.9) };
        assert_eq!(
            message(&TRUTH, &table::F1, high),
            "no threshold keeps precision >= 0.9 and recall >= 0.9 on 8 rows"
        );
        // Scores that cannot be told apart: all or none; 0.5 is tried too.
        let flat = choose(&[0, 1, 1], &[0.5; 3], &table::ACCURACY, Floors::default()).expect("both classes");
        assert_eq!((flat.threshold, flat.value), (0.5, 2.0 / 3.0));
    }
}
