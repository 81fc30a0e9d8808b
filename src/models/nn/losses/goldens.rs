//! The losses against `golden/ranking.json` (float64 references of 26 losses on 24 lists; LightGBM's λ), against finite
//! differences, and on lists from which nothing can be learned.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{LOSSES, List, Loss, Scratch};
use crate::catalog::{Params, find};

/// The file is small enough to be part of the tests.
const GOLDEN: &str = include_str!("../../../../tests/fixtures/ranking/golden.json");

/// Each name of the file: the kind and its parameters.
fn named() -> Vec<(&'static str, &'static str, Value)> {
    let lambda = |more: Value| {
        let mut all = json!({"truncate": "exact"});
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    vec![
        ("mse", "mse", json!({})),
        ("ranknet_mean", "ranknet", json!({"reduction": "mean"})),
        ("ranknet_sum", "ranknet", json!({"reduction": "sum"})),
        ("ranknet_sum_sigma2", "ranknet", json!({"reduction": "sum", "sigma": 2.0})),
        ("ranknet_sum_half_ties", "ranknet", json!({"reduction": "sum", "ties": "half"})),
        ("lambdarank_sum", "lambdarank", json!({})),
        ("lambdarank_mean", "lambdarank", json!({"normalisation": "pairs"})),
        ("lambdarank_sum_sigma2", "lambdarank", json!({"sigma": 2.0})),
        ("lambdarank_sum_linear_gain", "lambdarank", json!({"gain": "linear"})),
        ("lambdarank_sum_k3_lightgbm", "lambdarank", json!({"truncation": 3})),
        ("lambdarank_sum_k3_exact", "lambdarank", lambda(json!({"truncation": 3}))),
        ("lambdarank_sum_k3_both", "lambdarank", json!({"truncation": 3, "truncate": "both"})),
        ("lambdaloss_lambdarank_log2", "lambdaloss", json!({"weights": "lambdarank"})),
        ("lambdaloss_ndcg2_log2", "lambdaloss", json!({"weights": "ndcg2"})),
        ("lambdaloss_ndcg2pp_mu10_log2", "lambdaloss", json!({})),
        ("listnet_softmax", "listnet", json!({})),
        ("listnet_labels", "listnet", json!({"target": "labels"})),
        ("listnet_gain", "listnet", json!({"target": "gain"})),
        ("listmle_sum", "listmle", json!({"ties": "file", "reduction": "sum"})),
        ("listmle_mean", "listmle", json!({"ties": "file"})),
        ("listmle_sum_k3", "listmle", json!({"ties": "file", "reduction": "sum", "truncation": 3})),
        ("plistmle_sum", "listmle", json!({"ties": "file", "reduction": "sum", "weights": "position"})),
        ("listmle_dcg_sum", "listmle", json!({"ties": "file", "reduction": "sum", "weights": "dcg"})),
        ("approx_ndcg_alpha10", "approxndcg", json!({})),
        ("approx_ndcg_alpha1", "approxndcg", json!({"temperature": 1.0})),
        ("neural_ndcg_tau1", "neuralndcg", json!({})),
    ]
}

fn loss(kind: &str, params: &Value) -> Box<dyn Loss> {
    let kind = find("loss", LOSSES, kind).unwrap();
    let given: BTreeMap<String, Value> = serde_json::from_value(params.clone()).unwrap();
    kind.configure(&Params::checked(kind.params(), &given).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    serde_json::from_value(value.clone()).unwrap()
}

fn grades(value: &Value) -> Vec<u8> {
    numbers(value).into_iter().map(|grade| grade as u8).collect()
}

fn of_list(loss: &dyn Loss, scores: &[f64], grades: &[u8]) -> (f64, Vec<f64>) {
    let mut gradient = vec![f64::NAN; scores.len()];
    let value = loss.of_list(&List { scores, grades, key: 7, epoch: 0 }, &mut gradient, &mut Scratch::default());
    (value, gradient)
}

fn off(got: f64, expected: f64) -> f64 {
    (got - expected).abs() / expected.abs().max(1.0)
}

#[test]
fn values_and_gradients_of_26_losses_on_24_lists() {
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    let (cases, named) = (golden["loss_cases"].as_array().unwrap(), named());
    assert_eq!((cases.len(), named.len()), (24, 26));
    for case in cases {
        let (scores, grades) = (numbers(&case["scores"]), grades(&case["labels"]));
        for (name, kind, params) in &named {
            let expected = &case["losses"][name];
            let (value, gradient) = of_list(&*loss(kind, params), &scores, &grades);
            let most = numbers(&expected["grad"]).iter().zip(&gradient).map(|(e, g)| off(*g, *e)).fold(0.0, f64::max);
            let most = most.max(off(value, expected["value"].as_f64().unwrap()));
            assert!(most < 1e-12, "{name} on {}: {most:e}", case["name"]);
        }
    }
}

#[test]
fn lambdas_are_those_of_lightgbm() {
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    let cases = golden["lightgbm_lambdas"].as_array().unwrap();
    assert_eq!(cases.len(), 11);
    for case in cases {
        for k in [3, 30] {
            for (norm, normalisation) in [(true, "lightgbm"), (false, "none")] {
                let loss = loss("lambdarank", &json!({"truncation": k, "normalisation": normalisation}));
                let (_, gradient) = of_list(&*loss, &numbers(&case["scores"]), &grades(&case["labels"]));
                let expected = numbers(&case["expected"][format!("k{k}_norm_{norm}")]["grad"]);
                let most = expected.iter().zip(&gradient).map(|(e, g)| off(*g, *e)).fold(0.0, f64::max);
                // LightGBM's 0.01 is an f32.
                assert!(most < 1e-6, "{} k {k} norm {norm}: {most:e}", case["name"]);
            }
        }
    }
}

/// Distinct scores and grades of all kinds.
fn list(n: usize) -> (Vec<f64>, Vec<u8>) {
    let scores = (0..n).map(|at| (1.0 + 2.7 * at as f64).sin() * 1.5).collect();
    (scores, (0..n).map(|at| (at * at % 5) as u8).collect())
}

#[test]
fn gradients_are_finite_differences() {
    let (scores, grades) = list(23);
    let (mut checked, step) = (0, 1e-6);
    for (name, kind, params) in named() {
        // Weights by rank are constant in the derivative of the λ losses; NeuralSort's kinks and tolerance are not smooth.
        if kind.starts_with("lambda") || kind == "neuralndcg" {
            continue;
        }
        let loss = loss(kind, &params);
        let (_, gradient) = of_list(&*loss, &scores, &grades);
        for at in 0..scores.len() {
            let value = |by: f64| {
                let mut moved = scores.clone();
                moved[at] += by;
                of_list(&*loss, &moved, &grades).0
            };
            let expected = (value(step) - value(-step)) / (2.0 * step);
            // What f64 leaves of a difference of two values of this size.
            let room = 2e-8 * expected.abs().max(1.0) + 1e-9 * value(0.0).abs();
            assert!((gradient[at] - expected).abs() <= room, "{name} {at}: {} is not {expected}", gradient[at]);
        }
        checked += 1;
    }
    assert_eq!(checked, 15);
}

#[test]
fn lists_that_teach_nothing_have_no_gradient_and_no_nan() {
    for (name, kind, params) in named() {
        let loss = loss(kind, &params);
        for (scores, grades) in [(vec![], vec![]), (vec![0.3], vec![2]), (vec![0.3, -1.0, 4.0], vec![0, 0, 0])] {
            let (value, gradient) = of_list(&*loss, &scores, &grades);
            assert!(value.is_finite() && gradient.iter().all(|slope| slope.is_finite()), "{name} on {grades:?}");
            let pulls = gradient.iter().any(|slope| *slope != 0.0);
            let may = matches!(kind, "mse" | "listnet" | "listmle") || name == "ranknet_sum_half_ties";
            assert!(may || !pulls, "{name} on {grades:?}: {gradient:?}");
        }
        let (value, _) = of_list(&*loss, &[0.1, f64::NAN, 0.2], &[1, 0, 2]);
        assert!(value.is_nan(), "{name} hides NaN");
    }
}

#[test]
fn equal_grades_are_drawn_by_key_and_epoch() {
    let (scores, grades) = list(40);
    let value = |ties: &str, key, epoch| {
        let list = List { scores: &scores, grades: &grades, key, epoch };
        loss("listmle", &json!({"ties": ties})).of_list(&list, &mut [0.0; 40], &mut Scratch::default())
    };
    assert_eq!(value("random", 1, 1), value("random", 1, 1));
    assert!((2..10).all(|other| value("random", other, 1) != value("random", 1, 1)));
    assert!((2..10).all(|other| value("random", 1, other) != value("random", 1, 1)));
    assert_eq!(value("once", 1, 1), value("once", 1, 2));
    assert_ne!(value("once", 1, 1), value("once", 2, 1));
    assert_eq!(value("file", 1, 1), value("file", 2, 2));
    assert_ne!(value("file", 1, 1), value("once", 1, 1));
}
