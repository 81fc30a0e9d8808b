//! Our estimators beside those of an independent library, linfa, on the same rows.

use std::sync::atomic::AtomicBool;

use linfa::prelude::{Fit, Predict};
use linfa_trees::SplitQuality;
use mlops::catalog::{Params, find};
use mlops::data::{Dataset, Features, Targets};
use mlops::models::{FAMILIES, FitContext, Model};
use mlops::tensors::Tensors;
use ndarray::{Array1, Array2};
use serde_json::Value;

static GO_ON: AtomicBool = AtomicBool::new(false);
const ROWS: usize = 300;
const WIDTH: usize = 4;

/// A number between -1 and 1 that looks random (the finaliser of splitmix64).
fn scattered(seed: u64) -> f64 {
    let mut bits = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

/// Rows whose class follows a noisy linear rule; f32 holds the values exactly, and hardly two are the same.
fn rows() -> (Array2<f64>, Vec<usize>) {
    let cell = |(row, column): (usize, usize)| {
        (scattered((row * 10 + column + 1) as u64) * f64::from(1 << 20)).round() / f64::from(1 << 19)
    };
    let matrix = Array2::from_shape_fn((ROWS, WIDTH), cell);
    let rule = |row: usize| 1.5 * matrix[[row, 0]] - matrix[[row, 1]] + 0.5 * matrix[[row, 2]] + 0.7;
    let noise = |row: usize| 2.0 * scattered((row * 10 + 9) as u64);
    let classes = (0..ROWS).map(|row| usize::from(rule(row) + noise(row) > 0.0)).collect();
    (matrix, classes)
}

fn fit(family: &str, params: &[(&str, Value)]) -> Box<dyn Model> {
    let (matrix, index) = rows();
    let family = find("kind of model", FAMILIES, family).unwrap();
    let given = params.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let estimator = family.configure(&Params::checked(family.params(), &given).unwrap()).unwrap();
    let data = Dataset {
        features: Features::Dense(matrix.mapv(|value| value as f32)),
        targets: Targets::Classes { index, labels: vec!["no".into(), "yes".into()] },
        ids: (0..ROWS).map(|row| row.to_string()).collect(),
    };
    estimator.fit(&data, &FitContext { seed: 1, observe: &|_| {}, interrupted: &GO_ON }).unwrap()
}

fn probabilities(model: &dyn Model) -> Array1<f64> {
    let features = Features::Dense(rows().0.mapv(|value| value as f32));
    model.predict(&features).unwrap().column(1).to_owned()
}

#[test]
fn logistic_regression_agrees_with_linfa() {
    // linfa minimises Σ log loss + alpha/2 ‖w‖², we (as scikit-learn) C Σ log loss + ½ ‖w‖², both with a free
    // intercept: alpha = 1/C. Both are run to convergence; what is left is below 1e-5.
    for c in [0.05, 1.0, 20.0] {
        let (matrix, classes) = rows();
        let data = linfa::Dataset::new(matrix.clone(), Array1::from_iter(classes.iter().map(|class| *class == 1)));
        let theirs = linfa_logistic::LogisticRegression::default()
            .alpha(1.0 / c)
            .gradient_tolerance(1e-8)
            .max_iterations(1000)
            .fit(&data)
            .unwrap();
        let ours = fit("logistic_regression", &[("C", c.into()), ("tol", 1e-9.into()), ("max_iter", 1000.into())]);
        let expected = theirs.predict_probabilities(&matrix);
        // linfa gives the probability of its own positive class, which is the label it saw first or the larger one.
        let given = probabilities(&*ours);
        let same = |expected: &Array1<f64>| (&given - expected).iter().all(|one| one.abs() < 1e-5);
        let turned = expected.mapv(|p| 1.0 - p);
        assert!(same(&expected) || same(&turned), "C = {c}: {given} {expected}");
        let folder = tempfile::tempdir().unwrap();
        ours.save(folder.path()).unwrap();
        let mut tensors = Tensors::load(&folder.path().join("model.safetensors")).unwrap();
        let (_, weights) = tensors.take_f64("coef").unwrap();
        let sign = if same(&expected) { 1.0 } else { -1.0 };
        for (weight, expected) in weights.iter().zip(theirs.params()) {
            assert!((weight - sign * expected).abs() < 1e-4, "C = {c}: {weights:?} {}", theirs.params());
        }
        assert_eq!(weights.len(), WIDTH);
    }
}

#[test]
fn the_penalty_shrinks_the_weights() {
    // Without this the test above could hold for a C that is ignored on both sides.
    let spread = |c: f64| {
        let given = probabilities(&*fit("logistic_regression", &[("C", c.into())]));
        given.iter().map(|p| (p - 0.5).abs()).sum::<f64>()
    };
    assert!(spread(0.001) < 0.5 * spread(1.0));
}

#[test]
fn decision_tree_agrees_with_linfa_on_training_accuracy() {
    // Both grow greedily by the Gini impurity; without ties between splits they grow the same tree. (On values with
    // repeats linfa 0.8 looks for the next value among all rows, not those of the node, and misses splits.)
    let (matrix, classes) = rows();
    let accuracy = |predicted: Vec<usize>| {
        predicted.iter().zip(&classes).filter(|(left, right)| left == right).count() as f64 / ROWS as f64
    };
    let mut reached = Vec::new();
    for depth in [1, 2, 3, 4, 5, 6, 8] {
        let data = linfa::Dataset::new(matrix.clone(), Array1::from(classes.clone()));
        let theirs = linfa_trees::DecisionTree::params()
            .split_quality(SplitQuality::Gini)
            .max_depth(Some(depth))
            .fit(&data)
            .unwrap();
        let expected = accuracy(theirs.predict(&matrix).to_vec());
        let ours = fit("decision_tree", &[("max_depth", depth.into())]);
        let given = accuracy(probabilities(&*ours).iter().map(|p| usize::from(*p > 0.5)).collect());
        assert!((given - expected).abs() < 1e-12, "depth {depth}: {given}, linfa {expected}");
        reached.push(given);
    }
    assert!(reached.is_sorted() && reached[0] < 0.9 && reached[6] > 0.95, "{reached:?}");
}
