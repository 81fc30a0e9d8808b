//! Orders, and what follows from the order of two kinds of rows.
//!
//! The area under the ROC curve is the chance that a positive row stands above a negative one, ties counting half:
//! AUC = (Σ over pairs [s⁺ > s⁻] + ½[s⁺ = s⁻]) / (P·N), which is the Mann–Whitney statistic with midranks. The pairs
//! are counted in whole numbers, so the order of the rows within a tie cannot move the last digit.
//!
//! Average precision is Σₖ (Rₖ − Rₖ₋₁)·Pₖ over the distinct scores from the highest down, with Rₖ and Pₖ the recall and
//! precision when everything down to the k-th score is taken: the step function, never the interpolated trapezoid.
//!
//! Both read the rows as tie groups `(positives, negatives)` from the highest score down. Checked against
//! scikit-learn 1.9 (`roc_auc_score`, `average_precision_score`).

/// The positions of `scores` from the highest to the lowest; equal ones by position.
#[must_use]
pub fn descending(scores: impl ExactSizeIterator<Item = f64>) -> Vec<u32> {
    // −0.0 + 0.0 is 0.0: the two zeros are one score.
    let mut keyed: Vec<(f64, u32)> = scores.map(|score| score + 0.0).zip(0..).collect();
    keyed.sort_unstable_by(|left, right| right.0.total_cmp(&left.0).then(left.1.cmp(&right.1)));
    keyed.into_iter().map(|(_, at)| at).collect()
}

/// The area under the ROC curve of tie groups `(positives, negatives)`, highest score first; none without both kinds.
#[must_use]
pub fn area(groups: impl Iterator<Item = (u64, u64)>) -> Option<f64> {
    let (mut positives, mut negatives, mut halves) = (0_u64, 0_u64, 0_u128);
    for (positive, negative) in groups {
        halves += u128::from(negative) * u128::from(2 * positives + positive);
        positives += positive;
        negatives += negative;
    }
    let pairs = 2.0 * positives as f64 * negatives as f64;
    (pairs > 0.0).then(|| halves as f64 / pairs)
}

/// The average precision of tie groups `(positives, negatives)`, highest score first; none without positives.
#[must_use]
pub fn average_precision(groups: impl Iterator<Item = (u64, u64)>) -> Option<f64> {
    let (mut positives, mut taken, mut sum) = (0_u64, 0_u64, 0.0);
    for (positive, negative) in groups {
        positives += positive;
        taken += positive + negative;
        if positive > 0 {
            sum += positive as f64 * (positives as f64 / taken as f64);
        }
    }
    (positives > 0).then(|| sum / positives as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_from_the_highest_down_and_ties_by_position() {
        assert_eq!(descending([0.2, 0.0, 0.9, -0.0, 0.2, 0.0].into_iter()), [2, 0, 4, 1, 3, 5]);
    }

    #[test]
    fn area_counts_pairs_and_half_of_the_ties() {
        // Positives .9 .5 .5, negatives .7 .5 .1: pairs won 3 + 1 + 1, ties 2 halves, of 9.
        let groups = [(1, 0), (0, 1), (2, 1), (0, 1)];
        assert_eq!(area(groups.into_iter()), Some(6.0 / 9.0));
        assert_eq!(area([(5, 7)].into_iter()), Some(0.5));
        assert_eq!(area([(3, 0)].into_iter()), None);
    }

    #[test]
    fn average_precision_steps_over_tie_groups() {
        // Recall 1/3 at precision 1, then 2/3 more at precision 3/5; groups of weight 0 change nothing.
        let groups = [(0, 0), (1, 0), (0, 1), (2, 1), (0, 0), (0, 1)];
        assert_eq!(average_precision(groups.into_iter()), Some((1.0 + 2.0 * 0.6) / 3.0));
        assert_eq!(average_precision([(0, 4)].into_iter()), None);
    }
}
