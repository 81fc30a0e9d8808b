//! Two rankings of the same documents, query by query.
//!
//! Both sides are valued by **the baseline's convention**, whatever the candidate was judged by: one name must not be two metrics.
//! Both stand in the baseline's order, which therefore breaks the ties of both. Queries that the convention leaves out (those
//! without a relevant document, by `empty: skip`) are left out of both.

use super::paired::Paired;
use super::predictions::Predictions;
use crate::comparison::{Difference, Options, compare_values};
use crate::error::{Cause, Error, Result};
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
        let convention = *convention_of(&self.baseline)?;
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
        let wanted = Wanted::parse(metric).map_err(|error| error.because(Cause::NotComparable))?;
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
fn values(side: &Predictions, metric: &Wanted, convention: Convention) -> Result<Vec<f64>> {
    let (grades, starts) = (side.grades(), side.starts());
    let queries = Queries { scores: &side.scores, grades: &grades, starts: &starts };
    let mut found = evaluate(&queries, &[*metric], &convention, Draws::NONE)
        .map_err(|error| error.because(Cause::NotComparable))?;
    Ok(found.pop().map(|estimate| estimate.per_query).unwrap_or_default())
}

/// By what the predictions of a ranking were judged.
pub(super) fn convention_of(side: &Predictions) -> Result<&Convention> {
    side.convention
        .as_ref()
        .ok_or_else(|| Error::failed("the predictions do not say by which conventions they were judged"))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::comparison::{TestKind, Unit, Verdict};
    use crate::error::ErrorKind;
    use crate::metrics::ranking::Empty;
    use crate::names::RunId;
    use crate::runs::paired::{Overlap, pair};
    use crate::tracking::{Run, Status};

    /// A run with this first digit.
    pub fn run(digit: char) -> Run {
        Run {
            id: RunId::parse(&digit.to_string().repeat(32)).unwrap(),
            experiment_id: 1,
            experiment: "ranks".into(),
            name: "train".into(),
            command: "train".into(),
            status: Status::Finished,
            lifecycle: "active".into(),
            start_ms: 0,
            end_ms: Some(1),
            params: BTreeMap::new(),
            metrics: BTreeMap::new(),
            tags: BTreeMap::new(),
        }
    }

    fn noise(row: usize, step: f64) -> f64 {
        ((row + 1) as f64 * step).fract()
    }

    /// 40 queries of 6 documents, every seventh without a relevant one; scores that know so much of the grades.
    fn ranked(knows: f64, step: f64, empty: Empty) -> Predictions {
        let rows = 40 * 6;
        let grade = |row: usize| if row / 6 % 7 == 3 { 0 } else { (noise(row, 0.754_877_666).powi(3) * 3.2) as usize };
        Predictions {
            // Documents of other queries have the same ids.
            ids: (0..rows).map(|row| format!("d{}", row % 6)).collect(),
            parts: vec!["test".into(); rows],
            queries: (0..rows).map(|row| format!("q{}", row / 6)).collect(),
            labels: (0..32).map(|grade| grade.to_string()).collect(),
            truth: (0..rows).map(grade).collect(),
            scores: (0..rows).map(|row| knows * grade(row) as f64 + noise(row, step)).collect(),
            convention: Some(Convention { empty, ..Convention::new(3) }),
            ..Predictions::default()
        }
    }

    fn both(empty: Empty, other: Empty) -> (Predictions, Predictions) {
        (ranked(0.2, 0.569_840_290, empty), ranked(0.3, 0.618_033_989, other))
    }

    fn paired(left: &Predictions, right: &Predictions, overlap: Overlap) -> Result<Paired> {
        pair((&run('a'), left), (&run('b'), right), overlap)
    }

    #[test]
    fn queries_are_judged_as_scipy_does() {
        // SciPy 1.17.1 on the NDCG@3 of these lists (NumPy, stable sort): permutation_test(samples, 1e6) and
        // bootstrap(BCa, 1e5) of the mean difference.
        let (left, right) = both(Empty::Zero, Empty::Zero);
        let found = paired(&left, &right, Overlap::All).unwrap().difference("ndcg@3", &Options::default()).unwrap();
        let near = |value: Option<f64>, expected: f64, by: f64| (value.unwrap() - expected).abs() < by;
        assert!(
            near(found.baseline, 0.476_321_585_803_604_1, 1e-12)
                && near(found.candidate, 0.623_273_252_217_975_8, 1e-12)
        );
        assert!(near(found.effect, 0.146_951_666_414_371_68, 1e-12));
        assert!(near(found.p, 0.033_29, 0.006), "{:?}", found.p);
        assert!(near(found.low, 0.022_9, 0.01) && near(found.high, 0.278_5, 0.01), "{:?} {:?}", found.low, found.high);
        assert_eq!((found.n, found.unit, found.verdict), (40, Unit::Queries, Verdict::Better));
        assert_eq!((found.kind, found.differing), (TestKind::Permutation, Some(25)));
        assert_eq!(found.test, "paired sign-flip permutation, 10,000");
    }

    #[test]
    fn empty_queries_are_skipped_in_both_and_the_baseline_says_so() {
        let (left, right) = both(Empty::Skip, Empty::One);
        let pair = paired(&left, &right, Overlap::All).unwrap();
        let found = pair.difference("ndcg@3", &Options::default()).unwrap();
        assert_eq!(found.n, 34);
        assert!((found.baseline.unwrap() - 0.560_378_336_239_534_3).abs() < 1e-12);
        assert!((found.candidate.unwrap() - 0.733_262_649_668_206_8).abs() < 1e-12);
        let told = pair.other_convention().unwrap();
        assert!(told.contains("are skipped); the candidate") && told.ends_with("count 1)"), "{told}");
        let (left, right) = both(Empty::Zero, Empty::Zero);
        assert_eq!(paired(&left, &right, Overlap::All).unwrap().other_convention(), None);
    }

    #[test]
    fn documents_are_known_by_query_and_id_whatever_their_order() {
        let (left, right) = both(Empty::Zero, Empty::Zero);
        let plain = paired(&left, &right, Overlap::All).unwrap();
        let turned = right.rows(&(0..right.len()).rev().collect::<Vec<_>>());
        let found = paired(&left, &turned, Overlap::All).unwrap();
        assert_eq!(found.candidate, plain.candidate);
        // A query of which one document is missing is none that both have answered.
        let cut = right.rows(&(0..right.len()).filter(|row| *row != 7).collect::<Vec<_>>());
        let error = paired(&left, &cut, Overlap::All).err().unwrap();
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert_eq!(
            error.message,
            "runs aaaaaaaa (240 documents) and bbbbbbbb (239 documents) answered different documents: 234 are the same in \
             queries that are the same in both"
        );
        let some = paired(&left, &cut, Overlap::Some).unwrap();
        assert_eq!((some.ids().len(), some.baseline.starts().len()), (234, 40));
        assert!(!some.baseline.queries.contains(&"q1".to_owned()));
        let mut other = right.clone();
        other.truth[8] = 9;
        let error = paired(&left, &other, Overlap::All).err().unwrap();
        assert!(error.message.starts_with("document `d2` of query `q1` has the label `"), "{}", error.message);
    }

    #[test]
    fn other_tasks_and_other_metrics_are_refused() {
        let (left, right) = both(Empty::Zero, Empty::Zero);
        let classes = Predictions { labels: vec!["no".into(), "yes".into()], ..Predictions::default() };
        let error = paired(&left, &classes, Overlap::All).err().unwrap();
        assert_eq!(error.message, "run aaaaaaaa is a ranking, run bbbbbbbb is a classification");
        let pair = paired(&left, &right, Overlap::All).unwrap();
        assert!(pair.difference("f1", &Options::default()).unwrap_err().message.contains("f1"));
        let wrong = Options { test: TestKind::McNemar, ..Options::default() };
        let error = pair.difference("map", &wrong).unwrap_err();
        assert_eq!(error.message, "the test `mcnemar` does not fit the values of `map`");
    }

    /// The pair of the tests, for others.
    pub fn sample() -> Paired {
        let (left, right) = both(Empty::Zero, Empty::Zero);
        paired(&left, &right, Overlap::All).unwrap()
    }
}
