//! ERR@k: Σ 1/rank · Rᵢ · Π before (1 − Rⱼ), R = (2^grade − 1) / 2^gmax: the mean of 1 / (rank at which the user is satisfied).
//!
//! Chapelle et al., CIKM 2009. gmax is explicit: the highest grade of the training labels, stored with the model; a grade above it
//! counts as gmax. 0 where no document is relevant.

use super::list::Ranked;
use super::metric::RankingMetric;
use crate::catalog::Named;

/// The metric `err`.
#[derive(Debug, Clone, Copy)]
pub struct ExpectedReciprocalRank;

impl Named for ExpectedReciprocalRank {
    fn name(&self) -> &'static str {
        "err"
    }

    fn about(&self) -> &'static str {
        "expected reciprocal of the rank at which a user finds what is sought"
    }
}

impl RankingMetric for ExpectedReciprocalRank {
    fn of_list(&self, list: &Ranked<'_>, at: Option<usize>) -> Option<f64> {
        let highest = list.convention.highest_grade;
        let (mut goes_on, mut sum) = (1.0, 0.0);
        for (rank, grade) in list.grades[..list.cut(at)].iter().enumerate() {
            let satisfied = (f64::from((*grade).min(highest)).exp2() - 1.0) / f64::from(highest).exp2();
            sum += goes_on * satisfied / (rank + 1) as f64;
            goes_on *= 1.0 - satisfied;
        }
        Some(sum)
    }

    fn reads_grades(&self) -> bool {
        true
    }

    fn zero_when_empty(&self) -> bool {
        true
    }
}
