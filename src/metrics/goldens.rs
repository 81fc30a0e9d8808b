//! Every metric against scikit-learn 1.9.1, and what every metric must keep.
//!
//! Five sets: two classes with ties, two classes with 10 % positives (one of them with probability 0), three classes,
//! and the first and third again with rows that count 0 to 3 times. Probabilities are twentieths, so that ties are
//! many and the decision threshold is met exactly. `scikit-learn` saw the counts as `sample_weight`; that repeated
//! rows give it the same numbers was checked there as well.

use ndarray::Array2;

use crate::metrics::evaluation::predicted_classes;
use crate::metrics::metric::{Reads, Scored, Value};
use crate::metrics::orders::orders;
use crate::metrics::{METRICS, Metric};

const BINARY_TRUTH: [usize; 24] = [0, 0, 0, 1, 1, 0, 1, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 0, 1];
const BINARY_TWENTIETHS: [u8; 24] = [6, 4, 0, 11, 13, 5, 6, 3, 1, 1, 18, 9, 13, 17, 2, 5, 5, 5, 0, 5, 19, 6, 9, 14];
const BINARY_COUNTS: [u32; 24] = [1, 2, 2, 0, 0, 2, 2, 3, 3, 1, 0, 1, 3, 1, 3, 2, 2, 0, 2, 1, 3, 0, 0, 2];
const RARE_TRUTH: [usize; 40] = [
    0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0,
    0, 0,
];
const RARE_TWENTIETHS: [u8; 40] = [
    10, 8, 5, 14, 4, 10, 5, 8, 0, 7, 0, 0, 4, 1, 6, 15, 1, 2, 6, 7, 4, 4, 8, 7, 0, 5, 5, 0, 6, 1, 9, 6, 5, 2, 4, 0, 0,
    7, 0, 9,
];
const THREE_TRUTH: [usize; 30] =
    [1, 1, 0, 2, 2, 1, 2, 1, 0, 0, 0, 2, 0, 1, 0, 2, 0, 1, 2, 1, 2, 2, 2, 2, 1, 1, 2, 1, 2, 2];
const THREE_TWENTIETHS: [u8; 90] = [
    4, 12, 4, 8, 5, 7, 13, 2, 5, 3, 6, 11, 7, 2, 11, 15, 3, 2, 4, 13, 3, 7, 11, 2, 14, 2, 4, 6, 9, 5, 15, 2, 3, 9, 1,
    10, 13, 3, 4, 8, 7, 5, 6, 8, 6, 11, 4, 5, 12, 5, 3, 3, 11, 6, 3, 0, 17, 0, 15, 5, 2, 6, 12, 1, 0, 19, 1, 2, 17, 1,
    0, 19, 5, 9, 6, 4, 5, 11, 1, 0, 19, 3, 14, 3, 5, 3, 12, 4, 1, 15,
];
const THREE_COUNTS: [u32; 30] =
    [2, 3, 2, 1, 1, 1, 2, 2, 1, 0, 2, 0, 0, 1, 3, 1, 2, 0, 1, 3, 3, 2, 3, 1, 0, 0, 0, 3, 3, 0];

/// In the order binary, rare, three, binary with counts, three with counts.
#[expect(clippy::unreadable_literal, reason = "the numbers as scikit-learn prints them")]
const GOLDENS: [(&str, [f64; 5]); 19] = [
    ("accuracy", [0.875, 0.9, 0.7333333333333333, 0.9166666666666666, 0.7441860465116279]),
    (
        "average_precision",
        [0.9555555555555556, 0.5590909090909091, 0.7739563360615991, 0.9871794871794872, 0.8106395154553049],
    ),
    ("balanced_accuracy", [0.85, 0.7222222222222222, 0.7201465201465201, 0.875, 0.7333333333333334]),
    ("brier", [0.10572916666666665, 0.11068750000000001, 0.38499999999999995, 0.07152777777777779, 0.3590697674418605]),
    ("f1", [0.8235294117647058, 0.5, 0.7121929824561404, 0.8571428571428571, 0.7281510759771629]),
    ("f1_macro", [0.8633776091081593, 0.7222222222222222, 0.7121929824561404, 0.8991596638655461, 0.7281510759771629]),
    ("f1_micro", [0.875, 0.9, 0.7333333333333333, 0.9166666666666666, 0.7441860465116279]),
    ("f1_weighted", [0.8700189753320683, 0.9, 0.7376929824561403, 0.9131652661064424, 0.754664950822686]),
    ("log_loss", [0.3470098213954261, 1.199240710038447, 0.6751358613574021, 0.25983607834532013, 0.6495003197360134]),
    ("mcc", [0.7592566023652966, 0.4444444444444444, 0.5969698555495613, 0.816496580927726, 0.6181541059032015]),
    ("precision", [1.0, 0.5, 0.7129629629629629, 1.0, 0.7350427350427351]),
    (
        "precision_macro",
        [0.9117647058823529, 0.7222222222222222, 0.7129629629629629, 0.9444444444444444, 0.7350427350427351],
    ),
    ("precision_micro", [0.875, 0.9, 0.7333333333333333, 0.9166666666666666, 0.7441860465116279]),
    ("precision_weighted", [0.8970588235294118, 0.9, 0.749074074074074, 0.9259259259259258, 0.7763864042933811]),
    ("recall", [0.7, 0.5, 0.7201465201465201, 0.75, 0.7333333333333334]),
    ("recall_macro", [0.85, 0.7222222222222222, 0.7201465201465201, 0.875, 0.7333333333333334]),
    ("recall_micro", [0.875, 0.9, 0.7333333333333333, 0.9166666666666666, 0.7441860465116279]),
    ("recall_weighted", [0.875, 0.9, 0.7333333333333333, 0.9166666666666666, 0.7441860465116279]),
    ("roc_auc", [0.975, 0.65625, 0.8835944043169107, 0.9965277777777778, 0.8877513227513227]),
];

struct Set {
    truth: Vec<usize>,
    probabilities: Array2<f64>,
    counts: Option<Vec<u32>>,
}

fn sets() -> [Set; 5] {
    let two = |truth: &[usize], twentieths: &[u8], counts: Option<&[u32]>| {
        let positive = twentieths.iter().map(|part| f64::from(*part) / 20.0);
        let flat: Vec<f64> = positive.flat_map(|p| [1.0 - p, p]).collect();
        Set { truth: truth.to_vec(), probabilities: matrix(flat, 2), counts: counts.map(<[u32]>::to_vec) }
    };
    let three = |counts: Option<&[u32]>| {
        let flat = THREE_TWENTIETHS.iter().map(|part| f64::from(*part) / 20.0).collect();
        Set { truth: THREE_TRUTH.to_vec(), probabilities: matrix(flat, 3), counts: counts.map(<[u32]>::to_vec) }
    };
    [
        two(&BINARY_TRUTH, &BINARY_TWENTIETHS, None),
        two(&RARE_TRUTH, &RARE_TWENTIETHS, None),
        three(None),
        two(&BINARY_TRUTH, &BINARY_TWENTIETHS, Some(&BINARY_COUNTS)),
        three(Some(&THREE_COUNTS)),
    ]
}

fn matrix(flat: Vec<f64>, columns: usize) -> Array2<f64> {
    Array2::from_shape_vec((flat.len() / columns, columns), flat).expect("whole rows")
}

fn score(metric: &dyn Metric, set: &Set, sorted: bool) -> Value {
    let (flat, classes) = (set.probabilities.as_slice().expect("row-major"), set.probabilities.ncols());
    let (predicted, order) = (predicted_classes(&set.probabilities, 0.5), orders(flat, classes));
    let scored = Scored::new(&set.truth, &predicted, flat, classes);
    metric.score(&Scored { counts: set.counts.as_deref(), orders: sorted.then_some(&order), ..scored })
}

fn close(left: Value, right: Value) -> bool {
    match (left, right) {
        (Ok(left), Ok(right)) => (left - right).abs() < 1e-12,
        (left, right) => left == right,
    }
}

#[test]
fn every_metric_is_that_of_scikit_learn() {
    // Those of the calibrated probabilities are the same functions under another name.
    let plain: Vec<_> = METRICS.iter().filter(|metric| !metric.of_probabilities()).collect();
    let names: Vec<_> = plain.iter().map(|metric| metric.name()).collect();
    assert_eq!(names, GOLDENS.map(|(name, _)| name));
    for (metric, (name, wanted)) in plain.into_iter().zip(GOLDENS) {
        for (at, (set, want)) in sets().iter().zip(wanted).enumerate() {
            for sorted in [false, true] {
                let got = score(*metric, set, sorted);
                assert!(close(got, Ok(want)), "{name} of set {at}, sorted {sorted}: {got:?}, not {want}");
            }
        }
    }
}

#[test]
fn the_catalog_is_sorted_and_every_entry_says_what_it_is() {
    assert!(METRICS.windows(2).all(|pair| pair[0].name() < pair[1].name()));
    let mut abouts: Vec<_> = METRICS.iter().map(|metric| metric.about()).collect();
    abouts.sort_unstable();
    abouts.dedup();
    assert_eq!(abouts.len(), METRICS.len(), "two metrics say the same of themselves");
    assert!(abouts.iter().all(|about| about.len() > 15 && !about.ends_with('.')));
}

#[test]
fn metrics_read_what_they_say() {
    for set in &sets()[..3] {
        let (flat, classes) = (set.probabilities.as_slice().expect("row-major"), set.probabilities.ncols());
        let predicted = predicted_classes(&set.probabilities, 0.5);
        let scored = Scored::new(&set.truth, &predicted, flat, classes);
        for metric in METRICS {
            let value = metric.score(&scored);
            if let Some(rows) = metric.of_rows(&scored) {
                let mean = rows.iter().sum::<f64>() / rows.len() as f64;
                assert!(close(value, Ok(mean)), "{} is the mean of its rows", metric.name());
            }
            if metric.reads() == Reads::Labels {
                let blind = Scored { probabilities: &[], ..scored };
                assert_eq!(metric.score(&blind), value, "{} reads no scores", metric.name());
            }
        }
        let of_labels = METRICS.iter().filter(|metric| metric.reads() == Reads::Labels).count();
        let of_rows = METRICS.iter().filter(|metric| metric.of_rows(&scored).is_some()).count();
        assert_eq!((of_labels, of_rows), (15, 5));
    }
}

#[test]
fn counts_are_repetition() {
    for seed in 0..40 {
        for mut set in sets().into_iter().take(3) {
            let mut counts = vec![0; set.truth.len()];
            crate::stats::bootstrap::resample(seed, 0, &mut counts);
            // Few rows: some metrics are then not defined, and both sides must say so.
            let keep = 3 + seed as usize / 2;
            counts[keep.min(set.truth.len())..].fill(0);
            let rows: Vec<usize> =
                counts.iter().enumerate().flat_map(|(row, count)| std::iter::repeat_n(row, *count as usize)).collect();
            let repeated = Set {
                truth: rows.iter().map(|row| set.truth[*row]).collect(),
                probabilities: set.probabilities.select(ndarray::Axis(0), &rows),
                counts: None,
            };
            set.counts = Some(counts);
            for metric in METRICS {
                let (got, want) = (score(*metric, &set, true), score(*metric, &repeated, false));
                assert!(close(got, want), "{}, seed {seed}: {got:?}, not {want:?}", metric.name());
            }
        }
    }
}
