//! Golden numbers: `tests/fixtures/ranking/lightgbm_lambdas.json`.

use serde_json::Value;

use super::{Lambda, Objective, Rules, Sigmoid};

fn goldens() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/ranking/lightgbm_lambdas.json");
    let mut all: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    serde_json::from_value(all["cases"].take()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

fn gradients(labels: &[u8], scores: &[f64], rules: Rules) -> Vec<[f32; 2]> {
    let lambda = Lambda::new(labels.to_vec(), &[0, labels.len()], rules).unwrap();
    let mut found = vec![[0.0; 2]; labels.len()];
    lambda.gradients(scores, &mut found);
    found
}

#[test]
fn lambdas_are_those_of_lightgbm() {
    let mut compared = 0;
    for case in goldens() {
        let labels: Vec<u8> = numbers(&case["labels"]).into_iter().map(|label| label as u8).collect();
        let scores = numbers(&case["scores"]);
        for (name, expected) in case["expected"].as_object().unwrap() {
            let truncation = if name.starts_with("k30") { 30 } else { 3 };
            for (sigmoid, tolerance) in [(Sigmoid::Exact, 1e-6), (Sigmoid::Table, 2e-4)] {
                let rules = Rules { truncation, norm: name.ends_with("true"), sigmoid, ..Rules::default() };
                let found = gradients(&labels, &scores, rules);
                for (part, key) in ["grad", "hess"].into_iter().enumerate() {
                    for (found, expected) in found.iter().zip(numbers(&expected[key])) {
                        let difference = (f64::from(found[part]) - expected).abs();
                        assert!(
                            difference < tolerance * expected.abs().max(1.0),
                            "{} {name} {key}: {difference}",
                            case["name"]
                        );
                        compared += 1;
                    }
                }
            }
        }
    }
    assert_eq!(compared, 11 * 4 * 2 * 2 * 10 + 16);
}

#[test]
fn scores_far_apart_agree_with_the_limit() {
    // Beyond the width that products of exponentials allow: p is 0 or 1.
    let labels = [0, 2, 1, 0, 3];
    let rules = Rules { norm: false, sigmoid: Sigmoid::Exact, ..Rules::default() };
    let wide = gradients(&labels, &[0.0, 250.0, -250.0, 500.0, -500.0], rules);
    let less = gradients(&labels, &[0.0, 70.0, -70.0, 140.0, -140.0], rules);
    assert!(wide.iter().flatten().all(|value| value.is_finite()));
    for (wide, less) in wide.iter().zip(&less) {
        assert!((wide[0] - less[0]).abs() < 1e-6);
    }
}

#[test]
fn one_way_of_adding_up_for_any_number_of_threads_and_long_lists() {
    let n = 700;
    let labels: Vec<u8> = (0..n).map(|i| (i * i % 5) as u8).collect();
    let scores: Vec<f64> = (0..n).map(|i| ((i * 37) % 101) as f64 / 50.0).collect();
    let offsets: Vec<usize> = (0..=n).step_by(70).collect();
    let run = |threads, sigmoid| {
        let lambda = Lambda::new(labels.clone(), &offsets, Rules { sigmoid, ..Rules::default() }).unwrap();
        let mut found = vec![[0.0; 2]; n];
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| lambda.gradients(&scores, &mut found));
        found
    };
    let (one, table) = (run(1, Sigmoid::Exact), run(1, Sigmoid::Table));
    assert!(
        [2, 4].iter().all(|threads| run(*threads, Sigmoid::Exact) == one && run(*threads, Sigmoid::Table) == table)
    );
    for (exact, table) in one.iter().zip(&table) {
        assert!((exact[0] - table[0]).abs() < 1e-4 && (exact[1] - table[1]).abs() < 1e-4);
    }
    // A query's gradients add up to nothing.
    for query in one.chunks(70) {
        assert!(query.iter().map(|values| f64::from(values[0])).sum::<f64>().abs() < 1e-5);
    }
}

#[test]
fn every_processor_adds_up_the_same() {
    let (n, n_queries) = (90, 40);
    let labels: Vec<u8> = (0..n * n_queries).map(|i| (i * i % 7 % 5) as u8).collect();
    let offsets: Vec<usize> = (0..=n_queries).map(|query| query * n).collect();
    let scores: Vec<f64> = (0..n * n_queries).map(|i| ((i * 37 + i / n) % 1013) as f64 / 200.0).collect();
    #[cfg(target_arch = "x86_64")]
    let narrower = pulp::x86::V3::try_new().map(pulp::Arch::V3);
    #[cfg(not(target_arch = "x86_64"))]
    let narrower = None;
    for sigmoid in [Sigmoid::Exact, Sigmoid::Table] {
        let mut lambda = Lambda::new(labels.clone(), &offsets, Rules { sigmoid, ..Rules::default() }).unwrap();
        let mut of_arch = |arch| {
            lambda.arch = arch;
            let mut found = vec![[0.0; 2]; labels.len()];
            lambda.gradients(&scores, &mut found);
            found
        };
        let plain = of_arch(pulp::Arch::Scalar);
        assert!(plain.iter().any(|values| values[0] != 0.0));
        assert_eq!(of_arch(pulp::Arch::new()), plain);
        if let Some(arch) = narrower {
            assert_eq!(of_arch(arch), plain);
        }
    }
}

#[test]
fn nothing_to_learn_is_zero_and_bad_input_is_refused() {
    for labels in [vec![], vec![3], vec![2, 2, 2]] {
        let found = gradients(&labels, &vec![1.0; labels.len()], Rules::default());
        assert!(found.iter().all(|values| *values == [0.0; 2]));
    }
    assert_eq!(Lambda::new(vec![1, 1, 0, 1], &[0, 2, 2, 4], Rules::default()).unwrap().n_silent(), 2);
    let message = |labels: Vec<u8>, offsets: &[usize], rules| Lambda::new(labels, offsets, rules).unwrap_err().message;
    assert_eq!(message(vec![1, 32], &[0, 2], Rules::default()), "label 32 of row 2 is above 31");
    assert!(message(vec![1, 2], &[0, 3], Rules::default()).contains("2 rows"));
    assert!(message(vec![1, 2], &[0, 2], Rules { sigma: 0.0, ..Rules::default() }).contains("sigma 0"));
    assert!(message(vec![1, 2], &[0, 2], Rules { truncation: 0, ..Rules::default() }).contains("truncation 0"));
}
