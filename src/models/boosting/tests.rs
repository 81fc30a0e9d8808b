//! Golden numbers are LightGBM 4.7.0's, on data by formula that Python makes bit for bit the same:
//! `lgb.train({objective, num_leaves: 7, min_data_in_leaf: 5, learning_rate: 0.2, deterministic: True, …}, data, 12)`,
//! then `predict(x, raw_score=True)[7::60]` and the sum of absolute values of all.

use std::ops::ControlFlow;

use ndarray::Array2;

use super::*;
use crate::data::dataset::{Csr, Features};

const RANK: ([f64; 5], f64) = (
    [
        1.210_231_681_905_851_2,
        1.317_107_118_518_378,
        -2.260_521_703_851_31,
        -1.532_774_093_718_588,
        -0.614_852_697_627_794,
    ],
    518.004_930_439_753,
);
const BINARY: ([f64; 5], f64) = (
    [
        3.157_752_979_371_74,
        3.157_752_979_371_741,
        -3.083_194_548_728_446_4,
        3.157_752_979_371_737,
        3.157_752_979_371_741,
    ],
    936.589_479_798_887_9,
);
const LIMITED: ([f64; 5], f64) = (
    [
        2.642_135_871_546_556_4,
        2.710_937_260_811_407_5,
        -2.609_543_110_571_104_7,
        -0.195_906_873_794_491_4,
        2.578_316_400_715_005_2,
    ],
    651.710_640_831_482_1,
);

/// 300 rows of 6 features, of which one is half negative and one half zero; labels 0 to 4; 15 queries of 20.
fn data() -> (Array2<f32>, Vec<u8>, Vec<usize>) {
    let cell = |i: usize, j: usize| (i * 37 + j * 101 + i * j * 17 + i * i * (j + 3)) % 997;
    let matrix = Array2::from_shape_fn((300, 6), |(i, j)| match (j, cell(i, j)) {
        (2, cell) => cell as f32 / 997.0 - 0.5,
        (4, cell) if cell < 500 => 0.0,
        (_, cell) => cell as f32 / 997.0,
    });
    let label = |i: usize| cell(i, 0) * 3 / 997 + usize::from(cell(i, 1) > 500) + usize::from(cell(i, 2) > 800);
    (matrix, (0..300).map(|i| label(i) as u8).collect(), (0..=300).step_by(20).collect())
}

fn plan() -> Plan {
    let limits = Limits { min_data_in_leaf: 5, ..Limits::default() };
    Plan { n_trees: 12, learning_rate: 0.2, num_leaves: 7, limits, ..Plan::default() }
}

fn ranking(sigmoid: Sigmoid) -> Lambda {
    let (_, labels, offsets) = data();
    Lambda::new(labels, &offsets, Rules { sigmoid, ..Rules::default() }).unwrap()
}

fn logistic() -> Logistic {
    Logistic::new(data().1.into_iter().map(|label| label > 1).collect()).unwrap()
}

fn fit(plan: &Plan, objective: &dyn Objective) -> Boosted {
    plan.fit(&Features::Dense(data().0), objective, 1, &mut |_| Ok(ControlFlow::Continue(()))).unwrap()
}

fn check(model: &Boosted, expected: [f64; 5], sum: f64, tolerance: f64) {
    let scores = model.predict(&Features::Dense(data().0)).unwrap();
    for (score, expected) in scores.iter().skip(7).step_by(60).zip(expected) {
        assert!((score - expected).abs() < tolerance, "{score} {expected}");
    }
    let found: f64 = scores.iter().map(|score| score.abs()).sum();
    assert!((found - sum).abs() < tolerance * 100.0, "{found} {sum}");
}

#[test]
fn ranking_agrees_with_lightgbm() {
    let expected = RANK;
    let model = fit(&plan(), &ranking(Sigmoid::Table));
    check(&model, expected.0, expected.1, 1e-12);
    assert_eq!(model.importance(Importance::Splits), [24.0, 26.0, 22.0, 0.0, 0.0, 0.0]);
    let gains = model.importance(Importance::Gain);
    for (gain, expected) in gains.iter().zip([105.827_584_818_005_56, 43.595_781_423_151_49, 55.463_367_100_805_044]) {
        assert!((gain - expected).abs() < 1e-4, "{gain} {expected}");
    }
    // The table's places are 5e-5 apart.
    check(&fit(&plan(), &ranking(Sigmoid::Exact)), expected.0, expected.1, 1e-3);
}

#[test]
fn classification_agrees_with_lightgbm() {
    let model = fit(&plan(), &logistic());
    check(&model, BINARY.0, BINARY.1, 1e-5);
    assert_eq!(model.importance(Importance::Splits), [24.0, 24.0, 24.0, 0.0, 0.0, 0.0]);
    // lambda_l1=0.5, lambda_l2=2, max_depth=3, max_bin=16, min_gain_to_split=0.2
    let limits = Limits { lambda_l1: 0.5, lambda_l2: 2.0, min_gain_to_split: 0.2, ..plan().limits };
    let binning = Binning { max_bin: 16, ..Binning::default() };
    let model = fit(&Plan { limits, binning, max_depth: 3, ..plan() }, &logistic());
    check(&model, LIMITED.0, LIMITED.1, 1e-5);
    assert_eq!(model.importance(Importance::Splits), [25.0, 24.0, 11.0, 1.0, 0.0, 2.0]);
    assert!(model.trees().iter().all(|tree| tree.depth() <= 3));
}

#[test]
fn any_number_of_threads_grows_the_same_trees() {
    let drawn = Plan { feature_fraction: 0.5, bagging_fraction: 0.6, bagging_freq: 2, ..plan() };
    // More rows than go to one thread at a time.
    let matrix = Array2::from_shape_fn((20_000, 20), |(i, j)| ((i * 37 + j * 101 + i * j) % 997) as f32 / 997.0);
    let labels: Vec<u8> = (0..20_000).map(|i| ((i * 7 + i / 11) % 4) as u8).collect();
    let offsets: Vec<usize> = (0..=20_000).step_by(50).collect();
    let objective = Lambda::new(labels, &offsets, Rules::default()).unwrap();
    let features = Features::Dense(matrix);
    for plan in [Plan { n_trees: 5, ..plan() }, Plan { n_trees: 5, ..drawn }] {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| plan.fit(&features, &objective, 3, &mut |_| Ok(ControlFlow::Continue(()))).unwrap())
        };
        let one = run(1);
        assert_eq!(one.trees().len(), 5);
        assert!([2, 4].iter().all(|threads| run(*threads) == one));
    }
}

#[test]
fn sparse_features_grow_the_same_trees() {
    let (matrix, ..) = data();
    let mut sparse = Csr { n_cols: 6, indptr: vec![0], ..Csr::default() };
    for row in matrix.rows() {
        for (column, value) in row.iter().enumerate().filter(|(_, value)| **value != 0.0) {
            sparse.indices.push(column as u32);
            sparse.values.push(*value);
        }
        sparse.indptr.push(sparse.indices.len());
    }
    let bagged = Plan { bagging_fraction: 0.7, bagging_freq: 1, ..plan() };
    let (dense, sparse) = (Features::Dense(matrix), Features::Sparse(sparse));
    let run =
        |features| bagged.fit(features, &ranking(Sigmoid::Exact), 5, &mut |_| Ok(ControlFlow::Continue(()))).unwrap();
    let model = run(&dense);
    assert_eq!(model, run(&sparse));
    assert_eq!(model.predict(&dense).unwrap(), model.predict(&sparse).unwrap());
}

#[test]
fn a_saved_model_scores_the_same_and_damage_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let model = fit(&plan(), &logistic());
    model.save(folder.path()).unwrap();
    assert_eq!(Boosted::load(folder.path()).unwrap(), model);
    let path = folder.path().join("model.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 8]).unwrap();
    assert!(Boosted::load(folder.path()).is_err());
    let other = Features::Dense(Array2::zeros((2, 5)));
    assert_eq!(model.predict(&other).unwrap_err().message, "expected 6 features, got 5");
}

#[test]
fn the_watch_sees_every_tree_and_may_end_the_fit() {
    let features = Features::Dense(data().0);
    for bagging_freq in [0, 3] {
        let plan = Plan { bagging_freq, bagging_fraction: 0.5, ..plan() };
        let (mut watched, mut rounds) = (Watched::new(&features), 0);
        let mut watch = |round: &Round<'_>| {
            rounds += 1;
            assert_eq!(round.model.trees().len(), rounds);
            // The training rows as they were followed, and as anyone else sees them.
            for (one, other) in round.scores.iter().zip(watched.scores(round.model)?) {
                assert!((one - other).abs() < 1e-12);
            }
            Ok(if rounds == 8 { ControlFlow::Break(5) } else { ControlFlow::Continue(()) })
        };
        assert_eq!(plan.fit(&features, &logistic(), 1, &mut watch).unwrap().trees().len(), 5);
        assert_eq!(rounds, 8);
    }
}

#[test]
fn a_fit_with_patience_keeps_the_best_trees() {
    let features = Features::Dense(data().0);
    let (mut patience, mut rounds) = (Patience::new(3, true), 0);
    let mut watch = |round: &Round<'_>| {
        rounds += 1;
        // Better and better, but worse from the fifth tree on.
        let n_trees = round.model.trees().len();
        Ok(patience.see(n_trees, if n_trees < 5 { n_trees as f64 } else { 0.0 }))
    };
    let model = plan().fit(&features, &logistic(), 1, &mut watch).unwrap();
    assert_eq!((model.trees().len(), rounds), (4, 7));
}

#[test]
fn nothing_to_learn_and_wrong_input() {
    let features = Features::Dense(data().0);
    let go = &mut |_: &Round<'_>| Ok(ControlFlow::Continue(()));
    let silent = Lambda::new(vec![2; 300], &[0, 300], Rules::default()).unwrap();
    let model = plan().fit(&features, &silent, 1, go).unwrap();
    assert!(model.trees().is_empty());
    assert_eq!(model.predict(&features).unwrap(), vec![0.0; 300]);
    let mut message = |plan: Plan| plan.fit(&features, &silent, 1, go).unwrap_err().message;
    assert_eq!(message(Plan { num_leaves: 1, ..plan() }), "`num_leaves` expects 2 to 32768");
    assert_eq!(message(Plan { learning_rate: f64::NAN, ..plan() }), "`learning_rate` expects above 0");
    assert_eq!(message(Plan { bagging_fraction: 1.5, ..plan() }), "`bagging_fraction` expects above 0 and at most 1");
    let go = &mut |_: &Round<'_>| Ok(ControlFlow::Continue(()));
    let mut wrong = data().0;
    wrong[[3, 1]] = f32::NAN;
    let error = plan().fit(&Features::Dense(wrong), &silent, 1, go).unwrap_err();
    assert!(error.message.contains("feature 2 of row 4"));
    // One feature that is the same everywhere, and fewer rows than two leaves take.
    let constant = Features::Dense(Array2::ones((300, 1)));
    assert!(plan().fit(&constant, &logistic(), 1, go).unwrap().trees().is_empty());
    let few = Features::Dense(Array2::from_shape_fn((4, 1), |(i, _)| i as f32));
    let objective = Logistic::new(vec![true, false, true, false]).unwrap();
    assert!(plan().fit(&few, &objective, 1, go).unwrap().trees().is_empty());
}
