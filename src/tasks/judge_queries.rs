//! Judging rankings: every metric of the config and a standard set over the queries of a part, with the facts that must be
//! said beside them. `train` and `evaluate` judge with this and nothing else.
//!
//! The value of a metric is the mean of its values per query, by the convention for queries without a relevant document; its
//! interval is the percentile bootstrap of queries. The conventions are those of `metrics::ranking`.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::metrics::ranking::{Convention, Draws, Queries, RankingEstimate, Wanted, evaluate};
use crate::metrics::{Detail, Estimate, Evaluation, QueryDetail, RankingFacts};

/// What is always computed and stored, whatever the config shows: runs of two experiments have these in common.
pub const STANDARD: [&str; 12] = [
    "ndcg@1",
    "ndcg@3",
    "ndcg@5",
    "ndcg@10",
    "ndcg",
    "map",
    "mrr",
    "precision@1",
    "precision@5",
    "precision@10",
    "recall@10",
    "err@10",
];

/// Documents of queries that a model has scored. The order of a query's documents is the order of ties.
#[derive(Debug, Clone, Copy)]
pub struct RankedAnswers<'a> {
    /// The score of each document, higher is better.
    pub scores: &'a [f64],
    /// Its grade.
    pub grades: &'a [u8],
    /// Query `i` has the documents `starts[i]..starts[i + 1]`.
    pub starts: &'a [usize],
}

/// The metrics to compute: the primary one, those of the config, the standard set; each once, in this order.
///
/// # Errors
/// `Invalid` for a name that is no ranking metric.
pub fn wanted(metrics: &[String], primary: &str) -> Result<Vec<Wanted>> {
    let named = [primary].into_iter().chain(metrics.iter().map(String::as_str));
    let mut wanted: Vec<Wanted> = Vec::new();
    for name in named.chain(STANDARD) {
        let metric = Wanted::parse(name)?;
        if wanted.iter().all(|known| known.name() != metric.name()) {
            wanted.push(metric);
        }
    }
    Ok(wanted)
}

/// All that is said of the queries, and the values of each query by metric; no intervals with 0 replicates.
///
/// # Errors
/// `Invalid` for a NaN score (naming the query), without queries, or for lengths that do not fit.
pub fn judge_ranking(
    convention: Convention,
    wanted: &[Wanted],
    answered: &RankedAnswers<'_>,
    draws: Draws,
) -> Result<(Evaluation, Vec<RankingEstimate>)> {
    let RankedAnswers { scores, grades, starts } = *answered;
    let estimates = evaluate(&Queries { scores, grades, starts }, wanted, &convention, draws)?;
    let mut by_grade: BTreeMap<u8, usize> = BTreeMap::new();
    grades.iter().for_each(|grade| *by_grade.entry(*grade).or_default() += 1);
    let facts = RankingFacts {
        queries: starts.len() - 1,
        empty: starts.windows(2).filter(|ends| convention.relevant(&grades[ends[0]..ends[1]]) == 0).count(),
        convention,
        by_empty: estimates.iter().map(|estimate| (estimate.name.clone(), estimate.by_empty)).collect(),
    };
    let evaluation = Evaluation {
        rows: grades.len(),
        metrics: estimates.iter().map(|estimate| (estimate.name.clone(), stored(estimate))).collect(),
        detail: Detail::Queries(QueryDetail { grades: by_grade, facts }),
    };
    Ok((evaluation, estimates))
}

fn stored(estimate: &RankingEstimate) -> Estimate {
    let (low, high) = estimate.interval.unzip();
    let reason = estimate.value.is_none().then(|| "no query with a relevant document".to_owned());
    Estimate { value: estimate.value, reason, low, high }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::ranking::Empty;

    const NONE: Draws = Draws { replicates: 0, seed: 0, level: 0.95 };

    fn names(metrics: &[&str], primary: &str) -> Vec<String> {
        let metrics: Vec<String> = metrics.iter().map(ToString::to_string).collect();
        wanted(&metrics, primary).unwrap().iter().map(Wanted::name).collect()
    }

    #[test]
    fn the_primary_comes_first_and_nothing_twice() {
        let found = names(&["p@5", "ndcg@10", "hit@3", "hit@3"], "map");
        assert_eq!(found[..4], ["map", "precision@5", "ndcg@10", "hit@3"]);
        assert_eq!(found.len(), STANDARD.len() + 1, "{found:?}");
        assert!(wanted(&["f1".into()], "map").err().unwrap().message.contains("f1"));
    }

    #[test]
    fn an_evaluation_says_what_it_rests_on() {
        // Three queries: y = 2, 1, 0 by .1, .9, .5 (NDCG (1 + 3/2) / (3 + 1/log2 3) = .6885), one perfect, one without relevant documents.
        let scores = [0.1, 0.9, 0.5, 2.0, 1.0, 0.3, 0.2];
        let grades = [2, 1, 0, 1, 0, 0, 0];
        let starts = [0, 3, 5, 7];
        let answered = RankedAnswers { scores: &scores, grades: &grades, starts: &starts };
        let wanted = wanted(&[], "ndcg").unwrap();
        let convention = Convention::new(2);
        let (found, per_query) = judge_ranking(convention, &wanted, &answered, NONE).unwrap();
        assert_eq!(found.rows, 7);
        let json = serde_json::to_value(&found).unwrap();
        assert_eq!(json["confusion"], serde_json::json!([]));
        assert_eq!(
            (&json["labels"], &json["support"]),
            (&serde_json::json!(["0", "1", "2"]), &serde_json::json!([4, 2, 1]))
        );
        assert_eq!(serde_json::from_value::<Evaluation>(json).unwrap(), found);
        let QueryDetail { grades, facts } = found.queries().unwrap();
        assert_eq!(*grades, BTreeMap::from([(0, 4), (1, 2), (2, 1)]));
        assert_eq!((facts.queries, facts.empty), (3, 1));
        let ndcg = per_query[0].per_query.clone();
        assert!((ndcg[0] - 0.6885).abs() < 5e-5 && ndcg[1..] == [1.0, 0.0], "{ndcg:?}");
        let mean = ndcg.iter().sum::<f64>() / 3.0;
        assert_eq!(found.metrics["ndcg"], Estimate { value: Some(mean), reason: None, low: None, high: None });
        let [zero, skip, one] = facts.by_empty["ndcg"].map(Option::unwrap);
        assert_eq!(zero, mean);
        assert!((skip - mean * 1.5).abs() < 1e-12 && (one - (mean + 1.0 / 3.0)).abs() < 1e-12);
    }

    #[test]
    fn nothing_to_average_has_a_reason_and_intervals_are_drawn_where_asked() {
        let convention = Convention { empty: Empty::Skip, ..Convention::new(2) };
        let wanted = wanted(&[], "ndcg@10").unwrap();
        let scores = [0.5, 0.4, 0.3, 0.2, 0.3, 0.1];
        let of = |grades: &[u8; 6], draws| {
            let answered = RankedAnswers { scores: &scores, grades, starts: &[0, 2, 4, 6] };
            judge_ranking(convention, &wanted, &answered, draws).unwrap().0.metrics["ndcg@10"].clone()
        };
        let none = of(&[0; 6], NONE);
        assert_eq!((none.value, none.reason.as_deref()), (None, Some("no query with a relevant document")));
        let drawn = of(&[1, 0, 0, 1, 0, 1], Draws { replicates: 200, ..NONE });
        assert!(drawn.low.unwrap() < drawn.value.unwrap() && drawn.value.unwrap() < drawn.high.unwrap());
        let nan = RankedAnswers { scores: &[0.5, f64::NAN], grades: &[1, 0], starts: &[0, 1, 2] };
        assert_eq!(
            judge_ranking(convention, &wanted, &nan, NONE).unwrap_err().message,
            "query 2: the score of document 1 is NaN"
        );
    }
}
