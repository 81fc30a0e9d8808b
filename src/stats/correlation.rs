//! Correlation of two lists of numbers.
//!
//! Pearson: r = Σ (x − x̄)(y − ȳ) / √(Σ (x − x̄)² · Σ (y − ȳ)²). Spearman: Pearson of the ranks, equal values sharing the
//! mean of theirs. Both −1…1, none when one of the lists is constant or has fewer than two numbers. Numbers are finite.
//! Checked against SciPy 1.17 (`pearsonr`, `spearmanr`).

/// Pearson's correlation of two lists of one length; none where one of them is constant.
#[must_use]
pub fn pearson(left: &[f64], right: &[f64]) -> Option<f64> {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    // A list of one number has rounding for a spread: it is asked for itself.
    let constant = |values: &[f64]| values.windows(2).all(|pair| pair[0] == pair[1]);
    if constant(left) || constant(right) || left.len() != right.len() {
        return None;
    }
    let (middle, other) = (mean(left), mean(right));
    let (mut both, mut one, mut two) = (0.0, 0.0, 0.0);
    for (x, y) in left.iter().zip(right) {
        both += (x - middle) * (y - other);
        one += (x - middle).powi(2);
        two += (y - other).powi(2);
    }
    let scale = one.sqrt() * two.sqrt();
    (scale > 0.0).then(|| (both / scale).clamp(-1.0, 1.0))
}

/// Spearman's correlation of two lists of one length; none where one of them is constant.
#[must_use]
pub fn spearman(left: &[f64], right: &[f64]) -> Option<f64> {
    pearson(&midranks(left), &midranks(right))
}

/// The rank of each value from 1; equal values share the mean of theirs.
#[must_use]
pub fn midranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    // −0.0 + 0.0 is 0.0: the two zeros are one value.
    order.sort_by(|left, right| (values[*left] + 0.0).total_cmp(&(values[*right] + 0.0)));
    let mut ranks = vec![0.0; values.len()];
    let mut below = 0;
    for tie in order.chunk_by(|left, right| values[*left] == values[*right]) {
        let rank = below as f64 + f64::midpoint(tie.len() as f64, 1.0);
        tie.iter().for_each(|at| ranks[*at] = rank);
        below += tie.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SciPy 1.17.1: `pearsonr(x, y).statistic`, `spearmanr(x, y).statistic`.
    #[test]
    fn agrees_with_scipy() {
        let x = [0.1, 1.0, 10.0, 0.1, 3.0, 1.0, 100.0, 0.01];
        let y = [0.71, 0.78, 0.80, 0.70, 0.80, 0.79, 0.77, 0.55];
        let close = |got: Option<f64>, want: f64| (got.expect("defined") - want).abs() < 1e-14;
        assert!(close(pearson(&x, &y), GOLDEN[0]), "{:?}", pearson(&x, &y));
        assert!(close(spearman(&x, &y), GOLDEN[1]), "{:?}", spearman(&x, &y));
        assert_eq!(midranks(&[0.0, 5.0, -0.0, 1.0, 5.0, 5.0]), [1.5, 5.0, 1.5, 3.0, 5.0, 5.0]);
    }

    const GOLDEN: [f64; 2] = [0.200_337_639_172_020_16, 0.739_407_519_087_401_2];

    #[test]
    fn what_does_not_vary_has_no_correlation() {
        assert_eq!(pearson(&[0.1, 0.1, 0.1], &[1.0, 2.0, 3.0]), None);
        assert_eq!(spearman(&[1.0, 2.0], &[3.0, 3.0]), None);
        assert_eq!(pearson(&[1.0], &[1.0]), None);
        assert_eq!(pearson(&[], &[]), None);
        assert!((pearson(&[1.0, 2.0], &[5.0, -5.0]).expect("defined") + 1.0).abs() < 1e-15);
    }
}
