//! Times of the tests, for `cargo test --release --lib -- --ignored --nocapture timing`; the peer is
//! `benches/peers/compare_scipy.py`. Medians of 7, on whatever the machine has.

use std::io::Write as _;
use std::time::Instant;

use super::compare::{compare, compare_values};
use super::options::Options;
use super::paired::{Answers, Pair};
use super::test_kind::TestKind;
use crate::metrics::average_precision::AveragePrecision;
use crate::metrics::metric::{Direction, Metric};
use crate::metrics::roc_auc::RocAuc;
use crate::metrics::table::{F1, F1_MACRO, LOG_LOSS};

/// A number in 0…1 that looks random.
fn noise(row: usize, step: f64) -> f64 {
    ((row + 1) as f64 * step).fract()
}

/// True classes, and the scores of a model.
fn model(rows: usize, step: f64, knows: f64) -> (Vec<usize>, Vec<f64>, Vec<usize>) {
    let truth: Vec<usize> = (0..rows).map(|row| usize::from(noise(row, 0.754_877_666) < 0.4)).collect();
    let positive: Vec<f64> =
        (0..rows).map(|row| knows * truth[row] as f64 + (1.0 - knows) * noise(row, step)).collect();
    let predicted = positive.iter().map(|p| usize::from(*p >= 0.5)).collect();
    (truth, positive.iter().flat_map(|p| [1.0 - p, *p]).collect(), predicted)
}

fn report(what: &str, limit_ms: f64, run: impl Fn()) {
    let time = || {
        let start = Instant::now();
        run();
        1000.0 * start.elapsed().as_secs_f64()
    };
    time();
    let mut times: Vec<f64> = (0..7).map(|_| time()).collect();
    times.sort_unstable_by(f64::total_cmp);
    let (median, least, most) = (times[3], times[0], times[6]);
    writeln!(std::io::stdout().lock(), "{what}: median {median:.1} ms ({least:.1} to {most:.1}), limit {limit_ms} ms")
        .expect("the terminal takes it");
    assert!(median <= limit_ms, "{what}: {median:.1} ms");
}

fn of_rows(rows: usize, metric: &dyn Metric, limit_ms: f64) {
    let (truth, scores, predicted) = model(rows, 0.569_840_29, 0.2);
    let (_, other_scores, other_predicted) = model(rows, 0.618_033_989, 0.25);
    let baseline = Answers { predicted: &predicted, scores: &scores, probabilities: &scores };
    let candidate = Answers { predicted: &other_predicted, scores: &other_scores, probabilities: &other_scores };
    let pair = Pair { truth: &truth, n_classes: 2, baseline, candidate };
    let what = format!("{}, {rows} rows", metric.name());
    report(&what, limit_ms, || {
        let difference = compare(metric, &pair, &Options::default()).expect("everything fits");
        assert!(difference.p.is_some(), "{difference:?}");
    });
}

#[test]
#[ignore = "takes the machine for itself"]
fn timing() {
    of_rows(100_000, &F1, 50.0);
    of_rows(100_000, &F1_MACRO, 50.0);
    of_rows(1_000_000, &RocAuc, 500.0);
    let positive: Vec<bool> = (0..1_000_000).map(|row| noise(row, 0.754_877_666) < 0.4).collect();
    let scores = |step| (0..1_000_000).map(|row| noise(row, step)).collect::<Vec<f64>>();
    let (first, second) = (scores(0.569_840_29), scores(0.618_033_989));
    report("DeLong alone, 1,000,000 rows", 500.0, || {
        assert!(crate::stats::delong::delong(&positive, &first, &second).is_some());
    });
    of_rows(100_000, &LOG_LOSS, 10_000.0);
    of_rows(10_000, &AveragePrecision, 10_000.0);
    let values = |step| (0..10_000).map(|row| noise(row, step)).collect::<Vec<f64>>();
    let (left, right) = (values(0.569_840_29), values(0.618_033_989));
    let differences: Vec<f64> = left.iter().zip(&right).map(|(left, right)| right - left).collect();
    report("sign flips, 10,000 of 10,000", 1000.0, || {
        assert!(crate::stats::sign_flip::sign_flip(&differences, 10_000, 0).p > 0.0);
    });
    let options = Options { test: TestKind::Permutation, ..Options::default() };
    report("permutation and its interval, 10,000 queries", 1000.0, || {
        let difference = compare_values("ndcg", Direction::Maximize, (&left, &right), &options);
        assert!(difference.expect("everything fits").p.is_some());
    });
}
