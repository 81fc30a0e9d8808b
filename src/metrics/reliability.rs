//! Calibration: do rows of which the model says 30 % turn out so 30 times in 100?
//!
//! The rows are sorted by the probability p of the positive class and cut into 10 bins of equal count (the first bins
//! have one row more where it does not divide). In bin b with n(b) rows, p̄(b) is the mean probability and ȳ(b) the part
//! that came true; ECE = Σ n(b)/n · |p̄(b) − ȳ(b)|, 0…1. With more than two classes p is the probability of the class
//! that is called (top label) and a row comes true when that class is right. Rows of one probability may lie across a
//! cut: each bin then takes its share of them with their common outcome, so that the order of the rows moves nothing.
//! Fewer than 10 rows give a bin each. With distinct probabilities and n a multiple of 10 the bins are those of
//! scikit-learn 1.9 (`calibration_curve`, `strategy="quantile"`).
//!
//! ECE is never 0: chance alone moves ȳ. What a perfectly calibrated model would show is simulated from the model's own
//! probabilities: outcomes are drawn from p, and the mean and the 95 % quantile of their ECE stand beside it. With
//! p uniform that mean is about .10 at n = 100, .044 at 500, .014 at 5,000. Below the quantile the model is as
//! calibrated as so many rows can show. The interval of ȳ(b) is Wilson's.

use serde::{Deserialize, Serialize};

use crate::metrics::metric::{Scored, Value};
use crate::stats::bernoulli::{self, Trial};
use crate::stats::quantile::quantile;
use crate::stats::ranks::descending;
use crate::stats::wilson::wilson_interval;

/// The bins of the table.
const BINS: u64 = 10;
/// Rows that are drawn in a simulation; the more rows, the fewer replicates are needed for the same precision.
const DRAWS: usize = 20_000_000;

/// How the probabilities agree with what happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reliability {
    /// The class whose probability is looked at; none for the probability of the class that is called (top label).
    pub positive: Option<String>,
    /// The expected calibration error.
    pub ece: f64,
    /// What a perfectly calibrated model would show; none where nothing was simulated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub null: Option<Null>,
    /// From the lowest probability to the highest.
    pub bins: Vec<Bin>,
}

/// The ECE of a perfectly calibrated model with the same probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Null {
    /// Its mean.
    pub mean: f64,
    /// Its 95 % quantile.
    pub high: f64,
    /// The part of the simulated values that reach the observed one: (b + 1) / (replicates + 1).
    pub p: f64,
    /// How often outcomes were drawn.
    pub replicates: usize,
}

/// One bin of the reliability table.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Its rows.
    pub rows: u64,
    /// The lowest probability in it.
    pub from: f64,
    /// The highest.
    pub to: f64,
    /// The mean probability.
    pub predicted: f64,
    /// The part of the rows that came true.
    pub observed: f64,
    /// The lower end of the 95 % interval of `observed`.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Reliability {
    /// True when the error is within what chance shows of a perfectly calibrated model; none where that is not known.
    #[must_use]
    pub fn within_chance(&self) -> Option<bool> {
        self.null.map(|null| self.ece <= null.high)
    }
}

/// Rows of one probability, and how many of them came true.
#[derive(Debug, Clone, Copy)]
struct Tie {
    probability: f64,
    rows: u64,
    hits: u64,
}

/// So many rows of a tie lie in a bin.
#[derive(Debug, Clone, Copy)]
struct Share {
    tie: usize,
    bin: usize,
    rows: u64,
}

/// The rows by ascending probability.
fn ties(scored: &Scored<'_>) -> Vec<Tie> {
    let positive = scored.view.positive(scored.n_classes);
    let said = |row: usize| -> (f64, usize) {
        let probabilities = &scored.probabilities[row * scored.n_classes..(row + 1) * scored.n_classes];
        if let Some(class) = positive {
            return (probabilities[class], class);
        }
        let highest = |best: usize, class: usize| if probabilities[class] > probabilities[best] { class } else { best };
        let class = (0..scored.n_classes).fold(0, highest);
        (probabilities[class], class)
    };
    let known = scored.orders.filter(|_| positive.is_some());
    let sorted = known.map_or_else(
        || descending((0..scored.truth.len()).map(|row| said(row).0).collect::<Vec<_>>().into_iter()),
        <[u32]>::to_vec,
    );
    let mut ties: Vec<Tie> = Vec::new();
    for row in sorted.into_iter().rev().map(|row| row as usize).filter(|row| scored.count(*row) > 0) {
        let (probability, class) = said(row);
        let (rows, hit) = (scored.count(row), u64::from(scored.truth[row] == class));
        match ties.last_mut() {
            Some(tie) if tie.probability >= probability => {
                tie.rows += rows;
                tie.hits += rows * hit;
            }
            _ => ties.push(Tie { probability, rows, hits: rows * hit }),
        }
    }
    ties
}

/// Puts the ties into bins of equal count; the first bins have one row more where it does not divide. A tie stays whole,
/// in the bin where it begins: rows of one probability are no different bins, however many they are.
fn shares(ties: &[Tie]) -> Vec<Share> {
    let total: u64 = ties.iter().map(|tie| tie.rows).sum();
    let bins = BINS.min(total).max(1);
    let (room, longer) = (total / bins, total % bins);
    let long = longer * (room + 1);
    let mut start = 0;
    let share = |(tie, found): (usize, &Tie)| {
        let bin = if start < long { start / (room + 1) } else { longer + (start - long) / room.max(1) };
        start += found.rows;
        Share { tie, bin: bin as usize, rows: found.rows }
    };
    ties.iter().enumerate().map(share).collect()
}

/// Σ over bins of |rows that came true − sum of probabilities|, over all rows.
fn error(ties: &[Tie], shares: &[Share], hits: impl Fn(usize) -> u64) -> f64 {
    let (mut gaps, mut total) = ([0.0; BINS as usize], 0);
    for share in shares {
        let tie = &ties[share.tie];
        let part = share.rows as f64 / tie.rows as f64;
        gaps[share.bin] += hits(share.tie) as f64 * part - tie.probability * share.rows as f64;
        total += share.rows;
    }
    gaps.iter().map(|gap: &f64| gap.abs()).sum::<f64>() / total as f64
}

/// The expected calibration error.
///
/// # Errors
/// `no rows` when none counts.
pub(super) fn expected_error(scored: &Scored<'_>) -> Value {
    let ties = ties(scored);
    if ties.is_empty() {
        return Err("no rows");
    }
    Ok(error(&ties, &shares(&ties), |tie| ties[tie].hits))
}

/// The reliability table; with a seed, beside what a perfectly calibrated model would show. None without rows.
#[must_use]
pub fn reliability(scored: &Scored<'_>, labels: &[String], seed: Option<u64>) -> Option<Reliability> {
    let ties = ties(scored);
    let shares = shares(&ties);
    let mut bins: Vec<Bin> = Vec::new();
    for of_bin in shares.chunk_by(|left, right| left.bin == right.bin) {
        let rows: u64 = of_bin.iter().map(|share| share.rows).sum();
        let mean = |value: &dyn Fn(&Tie) -> f64| {
            of_bin.iter().map(|share| value(&ties[share.tie]) * share.rows as f64).sum::<f64>() / rows as f64
        };
        let observed = mean(&|tie| tie.hits as f64 / tie.rows as f64);
        let (low, high) = wilson_interval((observed * rows as f64).round() as u64, rows, 0.95);
        let (first, last) = (of_bin.first()?, of_bin.last()?);
        bins.push(Bin {
            rows,
            from: ties[first.tie].probability,
            to: ties[last.tie].probability,
            predicted: mean(&|tie| tie.probability),
            observed,
            low,
            high,
        });
    }
    if bins.is_empty() {
        return None;
    }
    let ece = error(&ties, &shares, |tie| ties[tie].hits);
    let null = seed.map(|seed| simulated(&ties, &shares, ece, seed));
    let positive = scored.view.positive(scored.n_classes).map(|class| labels[class].clone());
    Some(Reliability { positive, ece, null, bins })
}

fn simulated(ties: &[Tie], shares: &[Share], observed: f64, seed: u64) -> Null {
    let trials: Vec<Trial> = ties.iter().map(|tie| Trial { probability: tie.probability, rows: tie.rows }).collect();
    let rows: u64 = ties.iter().map(|tie| tie.rows).sum();
    let replicates = (DRAWS / rows.max(1) as usize).clamp(200, 1000);
    let mut errors = bernoulli::replicates(&trials, replicates, seed, |hits| error(ties, shares, |tie| hits[tie]));
    let reached = errors.iter().filter(|error| **error >= observed).count();
    errors.sort_unstable_by(f64::total_cmp);
    Null {
        mean: errors.iter().sum::<f64>() / replicates as f64,
        high: quantile(&errors, 0.95).expect("there are replicates"),
        p: (reached + 1) as f64 / (replicates + 1) as f64,
        replicates,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::metric::{Average, View};

    fn two(positive: &[f64]) -> Vec<f64> {
        positive.iter().flat_map(|p| [1.0 - p, *p]).collect()
    }

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|class| format!("c{class}")).collect()
    }

    /// scikit-learn 1.9.1: `y, p` as below, `t, m = calibration_curve(y, p, n_bins=10, strategy="quantile")`,
    /// `abs(t − m).mean()` (all bins have 4 rows).
    #[test]
    fn bins_are_those_of_scikit_learn() {
        let p: Vec<f64> = (0..40).map(|row| (f64::from(row * 17 % 40) + 0.5) / 40.0).collect();
        let truth: Vec<usize> =
            p.iter().enumerate().map(|(row, p)| usize::from(*p + ((row * 7 % 13) as f64 / 13.0 - 0.5) > 0.5)).collect();
        let flat = two(&p);
        let scored = Scored::new(&truth, &[], &flat, 2);
        let table = reliability(&scored, &names(2), None).expect("there are rows");
        let observed: Vec<f64> = table.bins.iter().map(|bin| bin.observed).collect();
        assert_eq!(observed, GOLDEN_OBSERVED);
        for (bin, want) in table.bins.iter().zip(GOLDEN_PREDICTED) {
            assert!((bin.predicted - want).abs() < 1e-12 && bin.rows == 4, "{bin:?} {want}");
        }
        assert!((table.ece - GOLDEN_ECE).abs() < 1e-12 && table.null.is_none(), "{}", table.ece);
        assert_eq!(expected_error(&scored), Ok(table.ece));
        // Class 0's table is the same one, seen from the other side.
        let other = Scored { view: View { positive: Some(0), average: None }, ..scored };
        let other = reliability(&other, &names(2), None).expect("there are rows");
        assert!((other.ece - table.ece).abs() < 1e-12 && other.positive.as_deref() == Some("c0"));
        assert!((other.bins[0].predicted - (1.0 - table.bins[9].predicted)).abs() < 1e-12);
    }

    const GOLDEN_OBSERVED: [f64; 10] = [0.0, 0.0, 0.25, 0.25, 0.25, 0.25, 0.75, 0.5, 0.75, 0.75];
    const GOLDEN_PREDICTED: [f64; 10] = [0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95];
    const GOLDEN_ECE: f64 = 0.145;

    #[test]
    fn ties_stay_whole_and_the_order_of_rows_moves_nothing() {
        // One probability for all is one bin, with the common outcome 3/12.
        let truth = [1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let flat = two(&[0.4; 12]);
        let table = reliability(&Scored::new(&truth, &[], &flat, 2), &names(2), None).expect("there are rows");
        assert_eq!(table.bins.iter().map(|bin| bin.rows).collect::<Vec<_>>(), [12]);
        assert!((table.ece - 0.15).abs() < 1e-15 && table.bins.iter().all(|bin| (bin.observed - 0.25).abs() < 1e-15));
        assert_eq!(reliability(&Scored::new(&[], &[], &[], 2), &names(2), Some(1)), None);
        assert_eq!(expected_error(&Scored::new(&[], &[], &[], 2)), Err("no rows"));
        // Three rows are three bins: |0 − .2|, |1 − .5|, |1 − .9| over 3.
        let few = two(&[0.9, 0.2, 0.5]);
        let error = expected_error(&Scored::new(&[1, 0, 1], &[], &few, 2)).expect("there are rows");
        assert!((error - 0.8 / 3.0).abs() < 1e-15, "{error}");
    }

    #[test]
    fn more_classes_are_judged_by_the_class_that_is_called() {
        let flat = [0.2, 0.5, 0.3, 0.6, 0.3, 0.1, 0.1, 0.1, 0.8];
        let scored = Scored::new(&[1, 1, 2], &[1, 0, 2], &flat, 3);
        let table = reliability(&scored, &names(3), None).expect("there are rows");
        // .5 right, .6 wrong, .8 right.
        assert!((table.ece - (0.5 + 0.6 + 0.2) / 3.0).abs() < 1e-15 && table.positive.is_none(), "{}", table.ece);
        let one = Scored { view: View { average: Some(Average::Binary), positive: Some(2) }, ..scored };
        let error = expected_error(&one).expect("there are rows");
        assert!((error - (0.3 + 0.1 + 0.2) / 3.0).abs() < 1e-15, "{error}");
    }

    /// The mean ECE of outcomes drawn from p itself, uniform in 0…1, in 10 bins of equal count: .103 at n = 100, .044 at 500,
    /// .014 at 5,000 (simulated in Python, 4,000 to 150 draws).
    #[test]
    fn the_null_value_is_that_of_a_calibrated_model() {
        for (rows, wanted, tolerance) in [(100, 0.103, 0.006), (500, 0.044, 0.002), (5000, 0.014, 0.0006)] {
            let p: Vec<f64> = (0..rows).map(|row| (f64::from(row) + 0.5) / f64::from(rows)).collect();
            // Outcomes as regular as can be: the observed error is far below chance.
            let truth: Vec<usize> = p
                .iter()
                .scan(0.0, |sum: &mut f64, p| {
                    let before = sum.floor();
                    *sum += p;
                    Some(usize::from(sum.floor() > before))
                })
                .collect();
            let flat = two(&p);
            let scored = Scored::new(&truth, &[], &flat, 2);
            let table = reliability(&scored, &names(2), Some(3)).expect("there are rows");
            let null = table.null.expect("simulated");
            assert!((null.mean - wanted).abs() < tolerance, "n = {rows}: {null:?}");
            assert!(null.high > null.mean && null.p > 0.99 && table.within_chance() == Some(true), "{null:?}");
            assert_eq!(reliability(&scored, &names(2), Some(3)), Some(table));
        }
    }

    #[test]
    fn a_model_that_is_wrong_is_seen() {
        // It says 20 % or 80 %; half of either come true.
        let p: Vec<f64> = (0..400).map(|row| if row % 2 == 0 { 0.2 } else { 0.8 }).collect();
        let truth: Vec<usize> = (0..400).map(|row| row / 2 % 2).collect();
        let flat = two(&p);
        let table = reliability(&Scored::new(&truth, &[], &flat, 2), &names(2), Some(1)).expect("there are rows");
        let null = table.null.expect("simulated");
        assert!((table.ece - 0.3).abs() < 1e-12 && table.within_chance() == Some(false));
        assert!((null.p - 1.0 / 1001.0).abs() < 1e-15 && null.high < 0.1, "{null:?}");
        // Wilson of 100/200: statsmodels 0.15 gives .4313609, .5686391.
        assert!((table.bins[0].low - 0.431_360_9).abs() < 1e-6 && (table.bins[0].high - 0.568_639_1).abs() < 1e-6);
    }
}
