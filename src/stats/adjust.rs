//! p-values of many tests at once.
//!
//! Sorted p₁ ≤ … ≤ pₘ. Holm (the chance of even one false alarm): max over j ≤ i of (m − j + 1)·pⱼ. Benjamini and
//! Hochberg (the part of the alarms that is false): min over j ≥ i of m·pⱼ/j. Both at most 1, in the order given.
//! Checked against statsmodels 0.15.0 (`multipletests`, `holm` and `fdr_bh`) and Benjamini and Hochberg 1995.

/// Holm's adjusted p-values.
#[must_use]
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut adjusted = vec![1.0; p.len()];
    let mut highest: f64 = 0.0;
    for (rank, at) in ascending(p).into_iter().enumerate() {
        highest = highest.max((p.len() - rank) as f64 * p[at]).min(1.0);
        adjusted[at] = highest;
    }
    adjusted
}

/// Benjamini and Hochberg's adjusted p-values.
#[must_use]
pub fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    let mut adjusted = vec![1.0; p.len()];
    let mut lowest: f64 = 1.0;
    for (rank, at) in ascending(p).into_iter().enumerate().rev() {
        lowest = lowest.min(p.len() as f64 * p[at] / (rank + 1) as f64);
        adjusted[at] = lowest;
    }
    adjusted
}

fn ascending(p: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|left, right| p[*left].total_cmp(&p[*right]));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The 15 p-values of Benjamini and Hochberg 1995.
    const P: [f64; 15] = [
        0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590,
        1.0,
    ];

    fn close(got: &[f64], want: &[f64]) {
        assert!(
            got.len() == want.len() && got.iter().zip(want).all(|(got, want)| (got - want).abs() < 1e-12),
            "{got:?}"
        );
    }

    #[test]
    fn benjamini_and_hochberg_reject_the_first_four() {
        let adjusted = benjamini_hochberg(&P);
        assert_eq!(
            adjusted.iter().map(|p| *p <= 0.05).collect::<Vec<_>>(),
            (0..15).map(|at| at < 4).collect::<Vec<_>>()
        );
        close(&adjusted[..6], &[0.0015, 0.003, 0.0095, 0.035_625, 0.0603, 0.063_857_142_857_142_86]);
        close(&adjusted[11..], &[0.714_875, 0.753_230_769_230_769_3, 0.813_214_285_714_285_7, 1.0]);
    }

    #[test]
    fn holm_steps_down() {
        close(&holm(&P)[..8], &[0.0015, 0.0056, 0.0247, 0.114, 0.2211, 0.278, 0.278, 0.278]);
        close(&holm(&P)[9..], &[1.0; 6]);
    }

    #[test]
    fn the_order_given_is_kept() {
        let p = [0.04, 0.01, 0.03, 0.03];
        close(&holm(&p), &[0.09, 0.04, 0.09, 0.09]);
        close(&benjamini_hochberg(&p), &[0.04, 0.04, 0.04, 0.04]);
        close(&holm(&[0.2]), &[0.2]);
        close(&holm(&[]), &[]);
    }
}
