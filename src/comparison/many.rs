//! Several candidates against one baseline on the same rows: the best of many is better by luck.
//!
//! Holm's correction over all of them: the chance that even one equal candidate is called better or worse stays below
//! 1 − level. Verdicts are decided again by the corrected p; intervals stay as they are, each for itself. Differences
//! without a p have no part in it.

use super::difference::Difference;
use crate::stats::adjust::holm;

/// Corrects the p-values of the differences and decides their verdicts again.
pub fn correct_for_many(differences: &mut [Difference]) {
    let tested: Vec<usize> = (0..differences.len()).filter(|at| differences[*at].p.is_some()).collect();
    let p: Vec<f64> = tested.iter().filter_map(|at| differences[*at].p).collect();
    for (at, adjusted) in tested.into_iter().zip(holm(&p)) {
        differences[at].adjusted_p = Some(adjusted);
        differences[at].decide();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::compare::compare_values;
    use crate::comparison::difference::Verdict;
    use crate::comparison::options::Options;
    use crate::comparison::test_kind::TestKind;
    use crate::metrics::Direction;

    /// A candidate that is better by `gain` on the whole.
    fn candidate(gain: f64) -> Difference {
        let gains: Vec<f64> = (0..100).map(|row| gain + (f64::from(row) * 0.618_034).fract() - 0.5).collect();
        let options = Options { test: TestKind::T, ..Options::default() };
        compare_values("ndcg", Direction::Maximize, (&vec![0.0; 100], &gains), &options).expect("they fit")
    }

    #[test]
    fn the_best_of_many_must_be_better_than_luck() {
        // t of about 2.3, 1.4 and 8: p of 0.02, 0.17 and 0.
        let mut all = [candidate(0.067), candidate(0.04), candidate(0.23)];
        assert_eq!(all.each_ref().map(|one| one.verdict), [Verdict::Better, Verdict::Inconclusive, Verdict::Better]);
        let before = all.each_ref().map(|one| one.p.expect("tested"));
        let untested = compare_values("ndcg", Direction::Maximize, (&[], &[]), &Options::default()).expect("no error");
        let mut with_untested = [all.as_slice(), &[untested]].concat();
        correct_for_many(&mut with_untested);
        assert_eq!((with_untested[3].adjusted_p, with_untested[3].verdict), (None, Verdict::Inconclusive));
        correct_for_many(&mut all);
        assert_eq!(all[..], with_untested[..3]);
        assert_eq!(all[2].adjusted_p, Some(3.0 * before[2]));
        assert_eq!(all[0].adjusted_p, Some((2.0 * before[0]).max(3.0 * before[2])));
        assert_eq!(
            all.each_ref().map(|one| one.verdict),
            [Verdict::Inconclusive, Verdict::Inconclusive, Verdict::Better]
        );
    }
}
