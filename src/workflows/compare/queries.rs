//! `--why` of a ranking: the queries whose value moved, those first that moved most, and the documents that moved them.
//!
//! Of a query's documents those are named whose discount 1/log2(rank + 1) changed most: a step at the top of the list counts more
//! than one further down.

use serde::Serialize;

use crate::error::Result;
use crate::metrics::ranking::{Discount, Wanted};
use crate::names::RunId;
use crate::runs::paired::Paired;
use crate::stats::ranks::descending;
use crate::tracking::Run;

/// Documents that are named of each query.
const DOCUMENTS: usize = 3;

/// A query whose value changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QueryChange {
    /// The query.
    pub query: String,
    /// Its documents.
    pub documents: usize,
    /// Those that are relevant.
    pub relevant: usize,
    /// Its value with the baseline.
    pub baseline: f64,
    /// Its value with the candidate.
    pub candidate: f64,
    /// How much better (positive) or worse it is.
    pub gain: f64,
    /// The documents that moved most.
    pub moved: Vec<MovedDocument>,
}

/// A document that stands at another rank.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MovedDocument {
    /// The document.
    pub id: String,
    /// Its grade.
    pub grade: usize,
    /// Its rank with the baseline, from 1.
    pub baseline_rank: usize,
    /// Its rank with the candidate.
    pub candidate_rank: usize,
}

/// The queries whose value changed with one candidate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QueryChanges {
    /// The candidate.
    pub candidate: RunId,
    /// The baseline.
    pub baseline: RunId,
    /// The metric.
    pub metric: String,
    /// Queries in all.
    pub queries: usize,
    /// Queries that the candidate ranks better.
    pub better: usize,
    /// Queries that it ranks worse.
    pub worse: usize,
    /// The gain of every query, best first.
    #[serde(skip)]
    pub gains: Vec<f64>,
    /// The queries that changed, by how far they moved.
    pub examples: Vec<QueryChange>,
}

/// The changed queries of one candidate.
pub(super) fn moved(baseline: &Run, candidate: &Run, paired: &Paired, metric: &str) -> Result<QueryChanges> {
    let wanted = Wanted::parse(metric)?;
    let values = paired.query_values(&wanted)?;
    let starts = paired.baseline.starts();
    let relevant_from = paired.baseline.convention.map_or(1, |convention| usize::from(convention.relevant_from));
    let mut found = QueryChanges {
        candidate: candidate.id.clone(),
        baseline: baseline.id.clone(),
        metric: wanted.name(),
        queries: values.places.len(),
        better: 0,
        worse: 0,
        gains: Vec::new(),
        examples: Vec::new(),
    };
    for ((place, old), new) in values.places.iter().zip(&values.baseline).zip(&values.candidate) {
        // All ranking metrics are better when they are higher.
        let gain = new - old;
        found.gains.push(gain);
        if gain == 0.0 {
            continue;
        }
        found.better += usize::from(gain > 0.0);
        found.worse += usize::from(gain < 0.0);
        let rows = starts[*place]..starts[place + 1];
        let relevant = paired.truth()[rows.clone()].iter().filter(|grade| **grade >= relevant_from).count();
        found.examples.push(QueryChange {
            query: paired.baseline.queries[rows.start].clone(),
            documents: rows.len(),
            relevant,
            baseline: *old,
            candidate: *new,
            gain,
            moved: documents(paired, rows),
        });
    }
    found.gains.sort_by(|left, right| right.total_cmp(left));
    found
        .examples
        .sort_by(|left, right| right.gain.abs().total_cmp(&left.gain.abs()).then_with(|| left.query.cmp(&right.query)));
    Ok(found)
}

/// The rank of each document, from 1; ties in the order in which they stand.
fn ranks(scores: &[f64]) -> Vec<usize> {
    let mut ranks = vec![0; scores.len()];
    for (rank, document) in descending(scores.iter().copied()).into_iter().enumerate() {
        ranks[document as usize] = rank + 1;
    }
    ranks
}

fn documents(paired: &Paired, rows: std::ops::Range<usize>) -> Vec<MovedDocument> {
    let [old, new] = [&paired.baseline, &paired.candidate].map(|side| ranks(&side.scores[rows.clone()]));
    let step = |at: &usize| (Discount::Log2.factor(old[*at]) - Discount::Log2.factor(new[*at])).abs();
    let mut moved: Vec<usize> = (0..old.len()).filter(|at| old[*at] != new[*at]).collect();
    moved.sort_by(|left, right| step(right).total_cmp(&step(left)).then(left.cmp(right)));
    let named = moved.into_iter().take(DOCUMENTS).map(|at| MovedDocument {
        id: paired.ids()[rows.start + at].clone(),
        grade: paired.truth()[rows.start + at],
        baseline_rank: old[at],
        candidate_rank: new[at],
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::paired_ranking::tests::{run, sample};

    #[test]
    fn queries_that_moved_come_first_with_the_documents_that_moved_them() {
        let found = moved(&run('a'), &run('b'), &sample(), "ndcg@3").unwrap();
        // NumPy on the same lists, see `paired_ranking`.
        assert_eq!((found.queries, found.better, found.worse), (40, 16, 9));
        assert_eq!(found.examples.len(), 25);
        let first = &found.examples[0];
        assert_eq!((first.baseline, first.candidate, first.gain), (0.0, 1.0, 1.0));
        assert_eq!((first.documents, first.relevant), (6, 1));
        assert!(found.examples.windows(2).all(|pair| pair[0].gain.abs() >= pair[1].gain.abs()));
        let names: Vec<&str> = found.examples.iter().take(3).map(|query| query.query.as_str()).collect();
        assert_eq!(names, ["q26", "q39", "q9"]);
        assert_eq!((found.gains.len(), found.gains[0]), (40, 1.0));
        assert!(found.gains.is_sorted_by(|left, right| left >= right));
        for query in &found.examples {
            assert!(!query.moved.is_empty() && query.moved.len() <= DOCUMENTS, "{query:?}");
            let step = |one: &MovedDocument| {
                (Discount::Log2.factor(one.baseline_rank) - Discount::Log2.factor(one.candidate_rank)).abs()
            };
            assert!(query.moved.windows(2).all(|pair| step(&pair[0]) >= step(&pair[1])), "{query:?}");
        }
        assert!(moved(&run('a'), &run('b'), &sample(), "f1").is_err());
    }

    #[test]
    fn equal_scores_stand_in_their_order() {
        assert_eq!(ranks(&[0.5, 2.0, 0.5, -0.0, 0.0]), [2, 1, 3, 4, 5]);
        assert_eq!(ranks(&[]), [] as [usize; 0]);
    }
}
