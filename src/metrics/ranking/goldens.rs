//! All 25 cases, the aggregates and LETOR's script of `golden/ranking.json`, to 1e-12.

use std::collections::BTreeMap;

use serde_json::Value;

use super::convention::{Convention, Discount, Divisor, Empty, Gain, Ties};
use super::{Draws, Queries, Ranked, RankingMetric as _, Wanted, evaluate, grades, letor_script, ndcg};

const GOLDEN: &str = include_str!("../../../tests/fixtures/ranking/golden.json");
const NO_DRAWS: Draws = Draws { replicates: 0, seed: 0, level: 0.95 };

fn numbers(value: &Value) -> Vec<f64> {
    serde_json::from_value(value.clone()).unwrap()
}

/// `ndcg@3:exp2/log2p1/stable`, `err4@3`, `ap@all/min`, … of one list.
fn value(key: &str, scores: &[f64], labels: &[u8]) -> Option<f64> {
    let (name, rest) = key.split_once('@').unwrap();
    let (at, how) = rest.split_once([':', '/']).unwrap_or((rest, ""));
    let at: Option<usize> = (at != "all").then(|| at.parse().unwrap());
    let has = |word: &str| how.split('/').any(|part| part == word);
    let convention = Convention {
        gain: if has("linear") { Gain::Linear } else { Gain::Exponential },
        discount: if has("letor") { Discount::Letor } else { Discount::Log2 },
        ties: if has("average") { Ties::Average } else { Ties::Stable },
        divisor: if has("min") { Divisor::AtMostK } else { Divisor::Relevant },
        ..Convention::new(if name == "err2" { 2 } else { 4 })
    };
    let list = Ranked::new(scores, labels, &convention).unwrap();
    let of = |name: &str| Wanted::parse(name).unwrap().metric.of_list(&list, at);
    match name {
        "dcg" => Some(ndcg::dcg(&list, at)),
        "idcg" => Some(ndcg::ideal(&list, at)),
        "ndcg" => ndcg::Ndcg.of_list(&list, at),
        "err2" | "err4" => of("err"),
        "rr" => of("mrr"),
        "ap" => of("map"),
        "p" => of("p@1"),
        "recall" => of("recall@1"),
        "hit" => of("hit@1"),
        other => panic!("no metric {other}"),
    }
}

#[test]
fn all_cases_agree() {
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    let cases = golden["metric_cases"].as_array().unwrap();
    let mut checked = 0;
    for case in cases {
        let (scores, labels) = (numbers(&case["scores"]), grades(&numbers(&case["labels"])).unwrap());
        for (key, expected) in case["expected"].as_object().unwrap() {
            match (value(key, &scores, &labels), expected.as_f64()) {
                (Some(got), Some(expected)) => {
                    assert!((got - expected).abs() < 1e-12, "{key} of {}: {got}", case["name"]);
                }
                (got, expected) => assert_eq!(got, expected, "{key} of {}", case["name"]),
            }
            checked += 1;
        }
    }
    assert!(cases.len() == 25 && checked > 2300, "{checked}");
}

fn starts(qids: &Value) -> Vec<usize> {
    let qids: Vec<String> = serde_json::from_value(qids.clone()).unwrap();
    let inner = (1..qids.len()).filter(|at| qids[*at] != qids[at - 1]);
    std::iter::once(0).chain(inner).chain([qids.len()]).collect()
}

#[test]
fn aggregates_agree_by_every_convention() {
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    let mut checked = 0;
    for case in golden["aggregate_cases"].as_array().unwrap() {
        let (scores, labels) = (numbers(&case["scores"]), grades(&numbers(&case["labels"])).unwrap());
        let starts = starts(&case["qids"]);
        let queries = Queries { scores: &scores, grades: &labels, starts: &starts };
        for (how, expected) in case["expected"].as_object().unwrap() {
            let plain = Convention::new(4);
            let convention = match how.as_str() {
                "zero" => plain,
                "one" => Convention { empty: Empty::One, ..plain },
                "skip" => Convention { empty: Empty::Skip, ..plain },
                "linear_zero" => Convention { gain: Gain::Linear, ..plain },
                "ties_average_zero" => Convention { ties: Ties::Average, ..plain },
                _ => {
                    script(&queries, expected);
                    continue;
                }
            };
            for (key, expected) in expected.as_object().unwrap().iter().filter(|(key, _)| !key.starts_with("queries")) {
                let estimate = &evaluate(&queries, &[Wanted::parse(key).unwrap()], &convention, NO_DRAWS).unwrap()[0];
                match (estimate.value, expected.as_f64()) {
                    (Some(got), Some(wanted)) => assert!((got - wanted).abs() < 1e-12, "{how} {key}: {got} {wanted}"),
                    (got, wanted) => assert_eq!(got, wanted, "{how} {key}"),
                }
                let by_empty = estimate.by_empty[Empty::ALL.iter().position(|rule| *rule == convention.empty).unwrap()];
                assert_eq!(by_empty, estimate.value);
                checked += 1;
            }
            let counts =
                [&expected["queries"], &expected["queries_without_relevant"]].map(|count| count.as_u64().unwrap());
            let estimate = &evaluate(&queries, &[Wanted::parse("ndcg").unwrap()], &convention, NO_DRAWS).unwrap()[0];
            assert_eq!(counts, [estimate.queries as u64, estimate.empty as u64]);
        }
    }
    assert!(checked > 400, "{checked}");
}

fn script(queries: &Queries<'_>, expected: &Value) {
    let got = letor_script(queries).unwrap();
    let all = |values: &[f64], expected: &Value| {
        values.iter().zip(numbers(expected)).all(|(got, expected)| (got - expected).abs() < 1e-12)
    };
    assert!(all(&got.precision, &expected["P@1..10"]) && all(&got.ndcg, &expected["NDCG@1..10"]), "{got:?}");
    assert!((got.map - expected["MAP"].as_f64().unwrap()).abs() < 1e-12);
    assert!((got.mean_ndcg - expected["MeanNDCG"].as_f64().unwrap()).abs() < 1e-12);
}

#[test]
fn the_line_tells_all_three_and_the_interval() {
    let labels: Vec<u8> = (0..400).map(|at| if at < 40 { 0 } else { (at % 3) as u8 }).collect();
    let scores: Vec<f64> = (0..400).map(|at| f64::from(at).sin()).collect();
    let starts: Vec<usize> = (0..=100).map(|query| query * 4).collect();
    let queries = Queries { scores: &scores, grades: &labels, starts: &starts };
    let draws = Draws { replicates: 1000, seed: 1, level: 0.95 };
    let wanted = [Wanted::parse("ndcg@10").unwrap()];
    let estimate = &evaluate(&queries, &wanted, &Convention::new(2), draws).unwrap()[0];
    let (low, high) = estimate.interval.unwrap();
    let value = estimate.value.unwrap();
    // Ten of a hundred queries are empty.
    let [zero, skip, one] = estimate.by_empty.map(Option::unwrap);
    assert!((zero - 0.9 * skip).abs() < 1e-12 && (one - (zero + 0.1)).abs() < 1e-12 && zero == value);
    assert!(low < value && value < high && high - low < 0.15);
    let expected = format!(
        "ndcg@10 {value:.3} [{low:.3}, {high:.3}] over 100 queries (10 without relevant documents count 0; skipped {skip:.3}, as 1 {one:.3})"
    );
    assert_eq!((estimate.line(), estimate.per_query.len()), (expected, 100));
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let message = |text: &str| Wanted::parse(text).err().map(|error| error.message);
    assert_eq!(message("ndgc@10").unwrap(), "unknown ranking metric `ndgc`");
    assert_eq!(message("ndcg@0").unwrap(), "`ndcg@0`: k is a whole number of at least 1");
    assert_eq!(message("recall").unwrap(), "`recall` needs a k");
    let wanted: BTreeMap<&str, Wanted> = [("map", Wanted::parse("map").unwrap())].into();
    let queries = |scores: &[f64], starts: &[usize]| {
        evaluate(&Queries { scores, grades: &[0, 1], starts }, &[wanted["map"]], &Convention::new(2), NO_DRAWS)
            .unwrap_err()
            .message
    };
    assert_eq!(queries(&[0.0, f64::NAN], &[0, 1, 2]), "query 2: the score of document 1 is NaN");
    assert_eq!(queries(&[0.0], &[0, 2]), "expected 2 scores, got 1");
    assert_eq!(queries(&[0.0, 1.0], &[0]), "there are no queries");
}
