//! Two rankings of the same documents, query by query.
//!
//! Both sides are valued by **the baseline's convention**, whatever the candidate was judged by: one name must not be two metrics.
//! Both stand in the baseline's order, which therefore breaks the ties of both. Queries that the convention leaves out (those
//! without a relevant document, by `empty: skip`) are left out of both.

use super::paired::Paired;
use super::predictions::Predictions;
use crate::comparison::{Difference, Options, compare_values};
use crate::error::{Error, Result};
use crate::metrics::direction;
use crate::metrics::ranking::{Convention, Draws, Queries, Wanted, evaluate};

/// The values of queries with two models.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QueryValues {
    /// The places of the queries among all of the pair.
    pub places: Vec<usize>,
    /// The value of each with the baseline.
    pub baseline: Vec<f64>,
    /// The value of each with the candidate.
    pub candidate: Vec<f64>,
}

impl Paired {
    /// The values of each query in a metric.
    ///
    /// # Errors
    /// `Invalid` when a score is NaN, or there are no queries.
    pub fn query_values(&self, metric: &Wanted) -> Result<QueryValues> {
        let convention = convention_of(&self.baseline)?;
        let [baseline, candidate] = [&self.baseline, &self.candidate].map(|side| values(side, metric, convention));
        let mut found = QueryValues::default();
        for (place, (baseline, candidate)) in baseline?.into_iter().zip(candidate?).enumerate() {
            if baseline.is_finite() && candidate.is_finite() {
                found.places.push(place);
                found.baseline.push(baseline);
                found.candidate.push(candidate);
            }
        }
        Ok(found)
    }

    /// The paired test of a ranking metric over the queries.
    pub(super) fn query_difference(&self, metric: &str, options: &Options) -> Result<Difference> {
        let wanted = Wanted::parse(metric)?;
        let values = self.query_values(&wanted)?;
        compare_values(&wanted.name(), direction(&wanted.name())?, (&values.baseline, &values.candidate), options)
    }

    /// What to say where the candidate was judged by other conventions than the baseline; none where it was not.
    #[must_use]
    pub fn other_convention(&self) -> Option<String> {
        let (old, new) = (self.baseline.convention.as_ref()?.words(), self.candidate.convention.as_ref()?.words());
        (old != new).then(|| {
            format!("both are valued by the baseline's conventions ({old}); the candidate was judged by others ({new})")
        })
    }
}

/// The value of each query, NaN where the convention leaves it out.
fn values(side: &Predictions, metric: &Wanted, convention: &Convention) -> Result<Vec<f64>> {
    let (grades, starts) = (side.grades(), side.starts());
    let queries = Queries { scores: &side.scores, grades: &grades, starts: &starts };
    let none = Draws { replicates: 0, seed: 0, level: 0.95 };
    let mut found = evaluate(&queries, &[*metric], convention, none)?;
    Ok(found.pop().map(|estimate| estimate.per_query).unwrap_or_default())
}

/// By what the predictions of a ranking were judged.
pub(super) fn convention_of(side: &Predictions) -> Result<&Convention> {
    side.convention
        .as_ref()
        .ok_or_else(|| Error::failed("the predictions do not say by which conventions they were judged"))
}
