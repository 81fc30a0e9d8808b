//! The small house of ranking metrics: a value for each query; higher is better for all of them.

use super::list::Ranked;
use crate::catalog::Named;

/// A number that says how well one list is ranked.
pub trait RankingMetric: Named + Sync {
    /// The value of a list, down to rank `at` or to its end; none where the list has nothing to find (by `Empty` it then counts 0,
    /// 1, or not).
    fn of_list(&self, list: &Ranked<'_>, at: Option<usize>) -> Option<f64>;

    /// Whether it needs a k.
    fn needs_cut(&self) -> bool {
        false
    }

    /// Whether it reads grades, not only which documents are relevant: a query is empty for it when all its grades are 0, wherever
    /// the convention begins to call documents relevant.
    fn reads_grades(&self) -> bool {
        false
    }

    /// Whether a query without a relevant document has the value 0 by definition, also where others count it as 1.
    fn zero_when_empty(&self) -> bool {
        false
    }
}
