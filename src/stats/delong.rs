//! DeLong's test: the areas under two ROC curves over the same rows, their covariance, and whether they differ.
//!
//! With P positive and N negative rows, the placement of a positive row is the part of the negatives that it stands
//! above, that of a negative row the part of the positives that stand above it, ties half. The mean placement of either
//! kind is the AUC, and Cov(AUC₁, AUC₂) = cov⁺/P + cov⁻/N with the sample covariances (P − 1, N − 1) of the placements
//! (DeLong, DeLong and Clarke-Pearson, Biometrics 1988, 44, 837–845). Placements come from one sort of each score (Sun
//! and Xu 2014), so the whole is O(n log n); the two sorts run in parallel. z = (AUC₂ − AUC₁)/√Var.
//!
//! Where both orders are perfect or constant there is no spread, though the areas differ: the variance is then taken to
//! be that of one area under chance, (P + N + 1)/(12·P·N), so that six rows do not prove anything. Checked against the
//! definition over all pairs, and the golden values of the team's statistics notes.

use crate::stats::distributions::{normal_quantile, normal_two_sided};

/// Two areas and what joins them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeLong {
    /// The areas, first and second score.
    pub areas: [f64; 2],
    /// Their covariance matrix.
    pub covariance: [[f64; 2]; 2],
    /// The standard error of the difference of the areas.
    pub standard_error: f64,
}

/// The test of two scores of the same rows; none without two rows of each kind. Scores are not NaN.
#[must_use]
pub fn delong(positive: &[bool], first: &[f64], second: &[f64]) -> Option<DeLong> {
    let positives = positive.iter().filter(|positive| **positive).count();
    let negatives = positive.len() - positives;
    if positives < 2 || negatives < 2 {
        return None;
    }
    let ((first, first_area), (second, second_area)) = rayon::join(
        || placements(positive, first, positives, negatives),
        || placements(positive, second, positives, negatives),
    );
    let areas = [first_area, second_area];
    // Sums of squares and products about the means: [aa, ab, bb] of positive and of negative rows.
    let mut sums = [[0.0; 3]; 2];
    for ((first, second), positive) in first.iter().zip(&second).zip(positive) {
        let (first, second) = (first - areas[0], second - areas[1]);
        let sum = &mut sums[usize::from(!positive)];
        sum[0] += first * first;
        sum[1] += first * second;
        sum[2] += second * second;
    }
    let of_rows = |rows: usize| ((rows - 1) * rows) as f64;
    let [aa, ab, bb] = [0, 1, 2].map(|at| sums[0][at] / of_rows(positives) + sums[1][at] / of_rows(negatives));
    let chance = (positive.len() + 1) as f64 / (12.0 * positives as f64 * negatives as f64);
    let variance = match (aa - 2.0 * ab + bb).max(0.0) {
        // No spread beside the effect: every row says the same, and rounding is all that is left of the variance.
        spread if spread < 1e-9 * (areas[0] - areas[1]).powi(2) && (areas[0] - areas[1]).abs() > 1e-12 => chance,
        spread => spread,
    };
    Some(DeLong { areas, covariance: [[aa, ab], [ab, bb]], standard_error: variance.sqrt() })
}

impl DeLong {
    /// The second area less the first.
    #[must_use]
    pub fn effect(&self) -> f64 {
        self.areas[1] - self.areas[0]
    }

    /// The difference in standard errors; 0 where there is none.
    #[must_use]
    pub fn z(&self) -> f64 {
        if self.standard_error == 0.0 { 0.0 } else { self.effect() / self.standard_error }
    }

    /// The two-sided p-value.
    #[must_use]
    pub fn p(&self) -> f64 {
        normal_two_sided(self.z())
    }

    /// The interval of the difference at `level`, within −1…1.
    #[must_use]
    pub fn interval(&self, level: f64) -> (f64, f64) {
        let half = normal_quantile(f64::midpoint(1.0, level)) * self.standard_error;
        ((self.effect() - half).max(-1.0), (self.effect() + half).min(1.0))
    }
}

/// The placement of each row, by a walk from the highest score down, and the area, counted as in `ranks::area`.
fn placements(positive: &[bool], scores: &[f64], positives: usize, negatives: usize) -> (Vec<f64>, f64) {
    // Sorted with their rows and kinds, so that the walk reads in order; within a tie the order does not matter.
    let rows = scores.iter().zip(0_u32..).zip(positive);
    // −0.0 + 0.0 is 0.0: the two zeros are one score.
    let mut sorted: Vec<(f64, u32, bool)> = rows.map(|((score, row), kind)| (score + 0.0, row, *kind)).collect();
    sorted.sort_unstable_by(|left, right| right.0.total_cmp(&left.0));
    let mut placements = vec![0.0; scores.len()];
    let (mut positives_above, mut negatives_above, mut halves) = (0, 0, 0_u128);
    for group in sorted.chunk_by(|left, right| left.0 == right.0) {
        let in_group = group.iter().filter(|(.., positive)| *positive).count();
        let others = group.len() - in_group;
        // Twice the counts are whole numbers.
        let of_negative = (2 * positives_above + in_group) as f64 / (2 * positives) as f64;
        let of_positive = (2 * (negatives - negatives_above) - others) as f64 / (2 * negatives) as f64;
        for (_, row, positive) in group {
            placements[*row as usize] = if *positive { of_positive } else { of_negative };
        }
        halves += others as u128 * (2 * positives_above + in_group) as u128;
        positives_above += in_group;
        negatives_above += others;
    }
    (placements, halves as f64 / (2.0 * positives as f64 * negatives as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition: every pair of a positive and a negative row.
    fn slowly(positive: &[bool], scores: [&[f64]; 2]) -> [[f64; 2]; 2] {
        let rows = |kind| (0..positive.len()).filter(move |row| positive[*row] == kind).collect::<Vec<_>>();
        let (yes, no) = (rows(true), rows(false));
        let wins = |of: usize, up: usize, down: usize| {
            let (up, down) = (scores[of][up], scores[of][down]);
            f64::from(u8::from(up > down)) + 0.5 * f64::from(u8::from(up == down))
        };
        let part = |left: usize, right: usize| {
            let over = |rows: &[usize], others: &[usize], of: usize, swap: bool| {
                let one = |row: &usize| {
                    let sum: f64 = others
                        .iter()
                        .map(|other| if swap { wins(of, *other, *row) } else { wins(of, *row, *other) })
                        .sum();
                    sum / others.len() as f64
                };
                rows.iter().map(one).collect::<Vec<f64>>()
            };
            let covariance = |rows: &[usize], others: &[usize], swap| {
                let (a, b) = (over(rows, others, left, swap), over(rows, others, right, swap));
                let n = rows.len() as f64;
                let (mean_a, mean_b) = (a.iter().sum::<f64>() / n, b.iter().sum::<f64>() / n);
                a.iter().zip(&b).map(|(a, b)| (a - mean_a) * (b - mean_b)).sum::<f64>() / (n - 1.0) / n
            };
            covariance(&yes, &no, false) + covariance(&no, &yes, true)
        };
        [[part(0, 0), part(0, 1)], [part(1, 0), part(1, 1)]]
    }

    #[test]
    fn golden_values() {
        let positive: Vec<bool> = (0..12).map(|row| row < 5).collect();
        let a = [0.9, 0.8, 0.7, 0.6, 0.35, 0.5, 0.4, 0.3, 0.3, 0.2, 0.1, 0.05];
        let b = [0.9, 0.5, 0.6, 0.4, 0.35, 0.7, 0.5, 0.3, 0.2, 0.4, 0.1, 0.2];
        let test = delong(&positive, &b, &a).expect("both kinds");
        assert!((test.areas[1] - 0.942_857).abs() < 1e-6 && (test.areas[0] - 0.771_429).abs() < 1e-6);
        assert!(
            (test.z() - 1.610_775).abs() < 1e-6 && (test.p() - 0.107_229).abs() < 1e-6,
            "{} {}",
            test.z(),
            test.p()
        );
        let (low, high) = test.interval(0.95);
        assert!((low - (0.171_429 - 1.959_964 * 0.106_426)).abs() < 1e-5 && high > 0.37, "{low} {high}");
        let back = delong(&positive, &a, &b).expect("both kinds");
        assert!((back.z() + test.z()).abs() < 1e-12);
    }

    #[test]
    fn covariance_is_that_of_the_definition() {
        for rows in [7, 40, 111] {
            let noise = |row: usize, step: f64| ((row + 1) as f64 * step).fract();
            let positive: Vec<bool> = (0..rows).map(|row| noise(row, 0.618_034) < 0.4).collect();
            // Tenths, so that there are ties within and between the kinds.
            let score = |step: f64, gain: f64| -> Vec<f64> {
                let of = |row: usize| 10.0 * noise(row, step) + if positive[row] { gain } else { 0.0 };
                (0..rows).map(|row| of(row).floor()).collect()
            };
            let (a, b) = (score(0.414_214, 2.0), score(0.732_051, 3.0));
            let got = delong(&positive, &a, &b).expect("both kinds");
            let want = slowly(&positive, [&a, &b]);
            for (got, want) in got.covariance.as_flattened().iter().zip(want.as_flattened()) {
                assert!((got - want).abs() < 1e-14, "{got}, not {want}");
            }
        }
    }

    #[test]
    fn no_spread_and_too_few_rows() {
        let positive = [true, true, true, false, false, false];
        let (perfect, flat) = ([0.9, 0.8, 0.7, 0.3, 0.2, 0.1], [0.5; 6]);
        let same = delong(&positive, &perfect, &perfect).expect("both kinds");
        assert_eq!((same.z(), same.p(), same.interval(0.95)), (0.0, 1.0, (0.0, 0.0)));
        // z = 0.5 / √(7/108) = 1.964.
        let few = delong(&positive, &flat, &perfect).expect("both kinds");
        assert!((few.z() - 1.963_961).abs() < 1e-6, "{}", few.z());
        assert_eq!(delong(&[true, false, false], &[0.5; 3], &[0.5; 3]), None);
    }
}
