//! An evaluation of rankings as a person reads it: metrics with their intervals and what they would be by the other words for
//! queries without a relevant document, the conventions, the grades, the numbers of LETOR's script.

use super::ui::style::dim;
use super::ui::{Align, format, table};
use crate::metrics::ranking::{Empty, LetorScript};
use crate::metrics::{Evaluation, QueryDetail, RankingFacts};

/// The metrics, those to show first; where there are empty queries also by the other conventions for them.
pub fn metrics(evaluation: &Evaluation, facts: &RankingFacts, shown: &[String]) -> String {
    let mut columns = vec![("metric", Align::Left), ("value", Align::Right), ("95 %", Align::Right)];
    let others: Vec<usize> = match facts.empty {
        0 => Vec::new(),
        _ => (0..Empty::ALL.len()).filter(|at| Empty::ALL[*at] != facts.convention.empty).collect(),
    };
    columns.extend(others.iter().map(|at| (heading(Empty::ALL[*at]), Align::Right)));
    let more = evaluation.metrics.keys().filter(|name| !shown.contains(name));
    let row = |name: &String| {
        let estimate = evaluation.metrics.get(name)?;
        let mut row = vec![name.clone(), format::estimate(estimate), format::interval(estimate)];
        let by = facts.by_empty.get(name).copied().unwrap_or_default();
        row.extend(others.iter().map(|at| by[*at].map_or_else(|| "n/a".to_owned(), |value| format!("{value:.4}"))));
        Some(row)
    };
    let rows: Vec<Vec<String>> = shown.iter().chain(more).filter_map(row).collect();
    table(&columns, &rows)
}

/// What the column is called that says what a metric would be by this word.
fn heading(empty: Empty) -> &'static str {
    match empty {
        Empty::Zero => "empty as 0",
        Empty::Skip => "empty skipped",
        Empty::One => "empty as 1",
    }
}

/// What must be said beside the numbers: over which queries, by which conventions, which grades there are.
pub fn conventions(detail: &QueryDetail) -> String {
    let QueryDetail { grades, facts } = detail;
    let convention = &facts.convention;
    let mut text = match facts.empty {
        0 => format!("over {}, each with a relevant document\n", queries(facts.queries)),
        empty => format!(
            "over {}; {} of them without a relevant document, {}\n",
            queries(facts.queries),
            format::count(empty),
            match convention.empty {
                Empty::Zero => "which count 0",
                Empty::Skip => "which are left out",
                Empty::One => "which count 1 (0 in precision, hit and err)",
            }
        ),
    };
    text += &format!("{}\n", convention.told());
    let grades: Vec<String> =
        grades.iter().map(|(grade, count)| format!("{grade}: {}", format::count(*count))).collect();
    text += &format!("documents by grade  {}\n", grades.join(", "));
    dim(text.trim_end()) + "\n"
}

fn queries(count: usize) -> String {
    if count == 1 { "1 query".to_owned() } else { format!("{} queries", format::count(count)) }
}

/// The numbers of LETOR's script.
pub fn letor(script: &LetorScript) -> String {
    let columns = [("k", Align::Right), ("NDCG@k", Align::Right), ("P@k", Align::Right)];
    let rows: Vec<Vec<String>> = script
        .ndcg
        .iter()
        .zip(&script.precision)
        .zip(1..)
        .map(|((ndcg, precision), k): (_, usize)| vec![k.to_string(), format!("{ndcg:.4}"), format!("{precision:.4}")])
        .collect();
    format!(
        "as LETOR 4.0's Eval-Score-4.0.pl counts\n{}MAP {:.4}  MeanNDCG {:.4}\n{}",
        table(&columns, &rows),
        script.map,
        script.mean_ndcg,
        dim("its discounts are 1, 1, log2(3), log2(4), …; NDCG@k is 0 for a query with fewer than k documents\n")
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::metrics::ranking::{Convention, Gain, Ties};
    use crate::metrics::{Detail, Estimate};

    fn evaluation(empty: usize, convention: Convention) -> (Evaluation, QueryDetail) {
        let estimate = Estimate { value: Some(0.4257), reason: None, low: Some(0.41), high: Some(0.4401) };
        let by_empty = BTreeMap::from([("ndcg@10".to_owned(), [Some(0.4257), Some(0.471), Some(0.523)])]);
        let facts = RankingFacts { queries: 1043, empty, convention, by_empty };
        let detail = QueryDetail { grades: BTreeMap::from([(0, 4000), (2, 1000)]), facts };
        let metrics = BTreeMap::from([("ndcg@10".to_owned(), estimate)]);
        (Evaluation { rows: 5000, metrics, detail: Detail::Queries(detail.clone()) }, detail)
    }

    #[test]
    fn numbers_stand_beside_their_conventions() {
        let (found, detail) = evaluation(112, Convention::new(2));
        let text = metrics(&found, &detail.facts, &["ndcg@10".into()]) + &conventions(&detail);
        insta::assert_snapshot!(text, @"
        metric    value         95 %  empty skipped  empty as 1
        ndcg@10  0.4257  0.410–0.440         0.4710      0.5230
        over 1,043 queries; 112 of them without a relevant document, which count 0
        gain 2^grade − 1, discount log2(rank + 1), equal scores in the order of the data, AP over all relevant documents; relevant from grade 1, highest grade 2
        documents by grade  0: 4,000, 2: 1,000
        ");
        let (found, detail) =
            evaluation(0, Convention { gain: Gain::Linear, ties: Ties::Average, ..Convention::new(4) });
        let text = metrics(&found, &detail.facts, &[]) + &conventions(&detail);
        assert!(text.starts_with("metric    value         95 %\n"), "{text}");
        assert!(text.contains("over 1,043 queries, each with a relevant document\ngain grade, "), "{text}");
    }

    #[test]
    fn the_script_has_a_row_a_rank() {
        let script = LetorScript { precision: vec![0.5, 0.25], map: 0.4, ndcg: vec![0.3, 0.2], mean_ndcg: 0.45 };
        let text = letor(&script);
        assert!(text.contains("2  0.2000  0.2500\nMAP 0.4000  MeanNDCG 0.4500\n"), "{text}");
    }
}
