//! Our estimators beside those of independent libraries, linfa and scikit-learn, on the same rows.

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
    estimator.fit(&data, &FitContext::new(1, &|_| {}, &GO_ON)).unwrap()
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

/// 1,000 rows × 8 features from the fractional parts of sines, the class from an interaction with noise: any language
/// makes the same numbers.
fn sines() -> (Array2<f32>, Vec<usize>) {
    let fraction = |value: f64| value - value.floor();
    let cell = |(row, column): (usize, usize)| {
        let angle = (row + 1) as f64 * 12.9898 + (column + 1) as f64 * 78.233;
        fraction(angle.sin() * 43_758.545_3) as f32
    };
    let matrix = Array2::from_shape_fn((1000, 8), cell);
    let noise = |row: usize| fraction(((row + 1) as f64 * 4.1414).sin() * 9301.7);
    let rule = |row: usize| f64::from(matrix[[row, 0]] + matrix[[row, 1]] * matrix[[row, 2]]) + 0.8 * noise(row);
    let classes = (0..1000).map(|row| usize::from(rule(row) > 1.3)).collect();
    (matrix, classes)
}

#[test]
fn random_forest_agrees_with_scikit_learn_in_auc() {
    // scikit-learn 1.9.1, RandomForestClassifier(50, max_depth=8, class_weight=…, random_state=0…9), fitted on the first
    // 500 rows: mean ROC-AUC on the others 0.86462 (no weights) and 0.86471 (balanced), SD over seeds 0.004 and 0.005.
    let (matrix, classes) = sines();
    let family = find("kind of model", FAMILIES, "random_forest").unwrap();
    let auc = *mlops::metrics::METRICS.iter().find(|metric| metric.name() == "roc_auc").unwrap();
    let part = |range: std::ops::Range<usize>| Features::Dense(matrix.slice(ndarray::s![range, ..]).to_owned());
    let data = Dataset {
        features: part(0..500),
        targets: Targets::Classes { index: classes[..500].to_vec(), labels: vec!["no".into(), "yes".into()] },
        ids: (0..500).map(|row| row.to_string()).collect(),
    };
    for (weight, expected) in [("none", 0.864_62), ("balanced", 0.864_71)] {
        let given = [("n_estimators", 50.into()), ("max_depth", 8.into()), ("class_weight", weight.into())];
        let given = given.into_iter().map(|(name, value): (&str, Value)| (name.to_owned(), value)).collect();
        let estimator = family.configure(&Params::checked(family.params(), &given).unwrap()).unwrap();
        let score = |seed: u64| {
            let model = estimator.fit(&data, &FitContext::new(seed, &|_| {}, &GO_ON)).unwrap();
            let answers = model.predict(&part(500..1000)).unwrap();
            let labels = ["no".to_owned(), "yes".to_owned()];
            let judged = mlops::metrics::evaluate(&classes[500..], &answers, &labels, 0.5, &[auc], None).unwrap();
            judged.metrics["roc_auc"].value.unwrap()
        };
        let mean = (0..10).map(score).sum::<f64>() / 10.0;
        assert!((mean - expected).abs() < 0.01, "{weight}: {mean}, scikit-learn {expected}");
    }
}
