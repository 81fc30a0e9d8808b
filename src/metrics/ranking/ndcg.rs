//! NDCG@k: Σ gain · discount down to rank k over the same sum of the ideal order, which is cut at k too.
//!
//! Järvelin and Kekäläinen, ACM TOIS 20 (2002), with the gain 2^grade − 1 of Burges et al. (2005). By `Ties::Average` every document of a
//! group of equal scores has the group's mean gain (`McSherry` and Najork, ECIR 2008; scikit-learn 1.9's default). Not defined where
//! no document has a gain. Golden: y = 2, 1, 0 with scores .1, .9, .5 → .6885, linear .7602.

use super::convention::Ties;
use super::list::Ranked;
use super::metric::RankingMetric;
use crate::catalog::Named;

/// The metric `ndcg`.
#[derive(Debug, Clone, Copy)]
pub struct Ndcg;

impl Named for Ndcg {
    fn name(&self) -> &'static str {
        "ndcg"
    }

    fn about(&self) -> &'static str {
        "gain of the documents, discounted by rank, over that of the best order"
    }
}

impl RankingMetric for Ndcg {
    fn reads_grades(&self) -> bool {
        true
    }

    fn of_list(&self, list: &Ranked<'_>, at: Option<usize>) -> Option<f64> {
        let best = ideal(list, at);
        (best > 0.0).then(|| dcg(list, at) / best)
    }
}

/// Σ gain · discount down to rank `at`.
#[must_use]
pub fn dcg(list: &Ranked<'_>, at: Option<usize>) -> f64 {
    let (cut, convention) = (list.cut(at), list.convention);
    if convention.ties == Ties::Stable {
        return sum(list, &list.grades[..cut]);
    }
    let (mut total, mut start) = (0.0, 0);
    for end in &list.tie_ends {
        let gains: f64 = list.grades[start..*end].iter().map(|grade| convention.gain.of(*grade)).sum();
        let discounts: f64 = (start..(*end).min(cut)).map(|rank| convention.discount.factor(rank + 1)).sum();
        total += gains / (*end - start) as f64 * discounts;
        start = *end;
    }
    total
}

/// The same of the best order.
#[must_use]
pub fn ideal(list: &Ranked<'_>, at: Option<usize>) -> f64 {
    sum(list, &list.ideal[..list.cut(at)])
}

fn sum(list: &Ranked<'_>, grades: &[u8]) -> f64 {
    let convention = list.convention;
    let gain = |(rank, grade): (usize, &u8)| convention.gain.of(*grade) * convention.discount.factor(rank + 1);
    grades.iter().enumerate().map(gain).sum()
}

#[cfg(test)]
mod tests {
    use super::Ndcg;
    use crate::metrics::ranking::{Convention, Gain, Ranked, RankingMetric as _, Ties};

    #[test]
    fn golden_values() {
        let value = |scores: &[f64], grades: &[u8], convention: Convention| {
            Ndcg.of_list(&Ranked::new(scores, grades, &convention).unwrap(), None)
        };
        let close = |value: Option<f64>, expected: f64| (value.unwrap() - expected).abs() < 5e-5;
        let plain = Convention::new(2);
        assert!(close(value(&[0.1, 0.9, 0.5], &[2, 1, 0], plain), 0.6885));
        assert!(close(value(&[0.1, 0.9, 0.5], &[2, 1, 0], Convention { gain: Gain::Linear, ..plain }), 0.7602));
        assert!(close(value(&[0.0; 3], &[3, 0, 0], Convention { ties: Ties::Average, ..plain }), 0.7103));
        assert!(close(value(&[0.0; 3], &[3, 0, 0], plain), 1.0));
        assert!(close(value(&[0.0; 3], &[0, 0, 3], plain), 0.5));
        assert_eq!(value(&[0.0; 3], &[0, 0, 0], plain), None);
        assert_eq!(value(&[], &[], plain), None);
    }
}
