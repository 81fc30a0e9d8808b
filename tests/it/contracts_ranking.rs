//! What every kind of model that ranks must do. A new one is held to it at once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use mlops::catalog::{Params, find};
use mlops::data::{Csr, Dataset, Features, Targets, Task};
use mlops::embeddings::EmbedContext;
use mlops::error::{ErrorKind, Result};
use mlops::features::{Batch, QueryBounds, STEPS, Signal};
use mlops::metrics::ranking::{Convention, Draws, Queries, Wanted, evaluate};
use mlops::models::{Event, FAMILIES, Family, FitContext, Model};
use mlops::onnx::{Facts, Graph, Kind, Runtime};
use ndarray::Array2;
use serde_json::{Value, json};

static GO_ON: AtomicBool = AtomicBool::new(false);
static STOP: AtomicBool = AtomicBool::new(true);

const DOCUMENTS: usize = 8;

fn rankers() -> impl Iterator<Item = &'static &'static dyn Family> {
    FAMILIES.iter().filter(|family| family.task() == Task::Ranking)
}

/// Queries of 8 documents with 5 features; the grade (0 to 3) grows with the first two, and there is noise in it.
fn queries(first: usize, n_queries: usize) -> Dataset {
    let n = n_queries * DOCUMENTS;
    let noise = |row: usize, column: usize| (((row + first * DOCUMENTS) * 31 + column * 17) as f32 * 12.9898).sin();
    let features = Array2::from_shape_fn((n, 5), |(row, column)| noise(row, column));
    let grade = |row: usize| {
        let worth = features[[row, 0]] + 0.7 * features[[row, 1]] + 0.3 * noise(row, 9);
        [-0.5, 0.4, 1.1].iter().filter(|limit| worth > **limit).count() as u8
    };
    let grades = (0..n).map(grade).collect();
    Dataset {
        targets: Targets::Relevance { grades, starts: (0..=n).step_by(DOCUMENTS).collect() },
        features: Features::Dense(features),
        ids: (0..n).map(|row| row.to_string()).collect(),
    }
}

/// Parameters of both sections; neural kinds with few epochs.
fn params(family: &dyn Family, given: &[(&str, Value)]) -> Params {
    let quick: &[(&str, Value)] = if family.training().iter().any(|param| param.name == "epochs") {
        &[("epochs", json!(15)), ("learning_rate", json!(0.01))]
    } else {
        &[("min_data_in_leaf", json!(5)), ("n_estimators", json!(40))]
    };
    let given: BTreeMap<String, Value> =
        quick.iter().chain(given).map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Params::checked(&[family.params(), family.training()].concat(), &given).unwrap()
}

fn try_fit(family: &dyn Family, train: &Dataset, valid: Option<&Dataset>, seed: u64) -> Result<Box<dyn Model>> {
    let estimator = family.configure(&params(family, &[])).unwrap();
    estimator.fit(train, &FitContext::new(seed, &|_| {}, &GO_ON).valid(valid))
}

fn fit(family: &dyn Family, train: &Dataset, valid: Option<&Dataset>, seed: u64) -> Box<dyn Model> {
    try_fit(family, train, valid, seed).unwrap()
}

fn ndcg(scores: &[f64], data: &Dataset) -> f64 {
    let Targets::Relevance { grades, starts } = &data.targets else { panic!("made with grades") };
    let draws = Draws { replicates: 0, seed: 0, level: 0.95 };
    let queries = Queries { scores, grades, starts };
    evaluate(&queries, &[Wanted::parse("ndcg@5").unwrap()], &Convention::new(3), draws).unwrap()[0].value.unwrap()
}

fn scores(model: &dyn Model, features: &Features) -> Vec<f64> {
    let scores = model.predict(features).unwrap();
    assert_eq!(scores.dim(), (features.n_rows(), 1));
    scores.into_raw_vec_and_offset().0
}

fn bytes(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())).collect()
}

fn saved(model: &dyn Model) -> BTreeMap<String, Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    model.save(folder.path()).unwrap();
    bytes(folder.path())
}

#[test]
fn every_ranker_beats_a_random_order_by_far_on_queries_it_has_not_seen() {
    let (train, valid, test) = (queries(0, 120), queries(500, 30), queries(900, 60));
    let random: Vec<f64> = (0..test.ids.len()).map(|row| ((row * 7919) % 1009) as f64).collect();
    let random = ndcg(&random, &test);
    assert!(random < 0.72, "{random}");
    let names: Vec<&str> = rankers().map(|family| family.name()).collect();
    assert!(
        ["lambdamart", "ranknet", "lambdarank", "listnet", "listmle", "approxndcg"]
            .iter()
            .all(|name| names.contains(name))
    );
    for family in rankers() {
        let model = fit(*family, &train, Some(&valid), 1);
        let reached = ndcg(&scores(&*model, &test.features), &test);
        assert!(reached > random + 0.2, "{}: {reached}, random {random}", family.name());
        assert!(!model.facts().is_empty());
        let five = |weights: Vec<f64>| weights.len() == 5 && weights.iter().all(|weight| *weight >= 0.0);
        assert!(model.importance().is_none_or(five), "{}", family.name());
    }
}

#[test]
fn default_steps_are_steps_that_fit_a_matrix() {
    for family in FAMILIES {
        for name in family.default_steps() {
            let kind = find("feature step", STEPS, name).unwrap();
            let step = kind.configure(&Params::checked(kind.params(), &BTreeMap::new()).unwrap()).unwrap();
            let features = queries(0, 2).features;
            let bounds = QueryBounds::single(features.n_rows());
            let train = Batch::new(Signal::Matrix(features), bounds, None);
            step.fit_transform(train, &EmbedContext::bare(".".as_ref())).unwrap();
        }
        let names: Vec<&str> = family.params().iter().chain(family.training()).map(|param| param.name).collect();
        let mut unique = names.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), names.len(), "{}: a name is in one section", family.name());
    }
}

#[test]
fn a_saved_ranker_comes_back_with_the_same_scores() {
    let (train, valid) = (queries(0, 60), queries(500, 20));
    for family in rankers() {
        let model = fit(*family, &train, Some(&valid), 1);
        let folder = tempfile::tempdir().unwrap();
        model.save(folder.path()).unwrap();
        let loaded = family.load(folder.path()).unwrap();
        assert_eq!(scores(&*loaded, &valid.features), scores(&*model, &valid.features), "{}", family.name());
        assert_eq!((saved(&*loaded), loaded.facts()), (bytes(folder.path()), model.facts()), "{}", family.name());
        let narrow = loaded.predict(&Features::Dense(Array2::zeros((2, 4)))).unwrap_err();
        assert_eq!((narrow.kind, narrow.message.as_str()), (ErrorKind::Invalid, "expected 5 features, got 4"));
        for name in bytes(folder.path()).keys() {
            let whole = std::fs::read(folder.path().join(name)).unwrap();
            std::fs::write(folder.path().join(name), b"{}").unwrap();
            assert!(family.load(folder.path()).is_err(), "{} reads a damaged `{name}`", family.name());
            std::fs::write(folder.path().join(name), whole).unwrap();
        }
    }
}

#[test]
fn same_seed_same_bytes_on_any_number_of_threads() {
    let (train, valid) = (queries(0, 60), queries(500, 20));
    for family in rankers() {
        let on = |threads: usize, seed: u64| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| saved(&*fit(*family, &train, Some(&valid), seed)))
        };
        let one = on(1, 7);
        assert_eq!(one, on(1, 7), "{}", family.name());
        assert_eq!(one, on(3, 7), "{} on 3 threads", family.name());
        if !family.default_steps().is_empty() {
            assert_ne!(one, on(1, 8), "{}: another seed is another network", family.name());
        }
    }
}

#[test]
fn dense_and_sparse_features_mean_the_same() {
    let data = queries(0, 40);
    let Features::Dense(matrix) = &data.features else { panic!("made dense") };
    let matrix = matrix.mapv(|value| if value.abs() < 0.3 { 0.0 } else { value });
    let mut sparse = Csr { n_cols: 5, indptr: vec![0], ..Csr::default() };
    for row in matrix.rows() {
        for (column, value) in row.iter().enumerate().filter(|(_, value)| **value != 0.0) {
            sparse.indices.push(column as u32);
            sparse.values.push(*value);
        }
        sparse.indptr.push(sparse.values.len());
    }
    let full = Dataset { features: Features::Dense(matrix), ..data.clone() };
    let same = Dataset { features: Features::Sparse(sparse), ..data };
    for family in rankers() {
        let (dense, sparse) = (fit(*family, &full, None, 1), fit(*family, &same, None, 1));
        assert_eq!(scores(&*dense, &full.features), scores(&*sparse, &same.features), "{}", family.name());
    }
}

#[test]
fn a_wish_to_stop_is_heard_and_every_epoch_is_told() {
    let (train, valid) = (queries(0, 40), queries(500, 20));
    for family in rankers() {
        let estimator = family.configure(&params(*family, &[])).unwrap();
        let stopped = estimator.fit(&train, &FitContext::new(1, &|_| {}, &STOP).valid(Some(&valid)));
        assert_eq!(stopped.err().map(|error| error.kind), Some(ErrorKind::Interrupted), "{}", family.name());
        let (told, stop) = (Mutex::new(Vec::new()), AtomicBool::new(false));
        let observe = |event: &Event<'_>| {
            if let Event::Epoch(row) = event {
                told.lock().unwrap().push(row.epoch);
                assert!(row.line.contains(&format!(" {}/{}:", row.epoch, row.epochs)), "{}", row.line);
                assert!(row.values.iter().any(|(name, value)| name == "val_ndcg@10" && (0.0..=1.0).contains(value)));
                stop.store(row.epoch == 3, Ordering::Relaxed);
            }
        };
        let interrupted = estimator.fit(&train, &FitContext::new(1, &observe, &stop).valid(Some(&valid)));
        assert_eq!(interrupted.err().map(|error| error.kind), Some(ErrorKind::Interrupted), "{}", family.name());
        assert_eq!(*told.lock().unwrap(), [1, 2, 3], "{}", family.name());
    }
}

#[test]
fn what_no_ranker_can_learn_from_is_said() {
    let message = |family: &dyn Family, data: &Dataset| try_fit(family, data, None, 1).err().unwrap().message;
    for family in rankers() {
        let mut data = queries(0, 3);
        data.targets = Targets::Classes { index: vec![0; 24], labels: vec!["a".into()] };
        assert!(message(*family, &data).contains("have classes"), "{}", family.name());
        data.targets = Targets::Relevance { grades: vec![1; 24], starts: vec![0, 8, 16, 24] };
        let none = "none of the 3 training queries has documents of different grades";
        assert_eq!(message(*family, &data), none, "{}", family.name());
        let mut grades = vec![1; 24];
        grades[3] = 0;
        data.targets = Targets::Relevance { grades: grades.clone(), starts: vec![0, 8, 8, 24] };
        assert_eq!(message(*family, &data), "training query 2 has no documents", "{}", family.name());
        data.targets = Targets::Relevance { grades, starts: vec![0, 8, 16, 24] };
        if let Features::Dense(matrix) = &mut data.features {
            matrix[[9, 2]] = f32::NAN;
        }
        let nan = "training rows: feature 3 of row 10 (id `9`) is NaN or infinite";
        assert_eq!(message(*family, &data), nan, "{}", family.name());
    }
}

#[test]
fn every_ranker_that_exports_says_the_same_in_a_graph() {
    let (train, test) = (queries(0, 60), queries(900, 30));
    let Features::Dense(rows) = &test.features else { panic!("made dense") };
    for family in rankers() {
        let model = fit(*family, &train, None, 1);
        let mut graph = Graph::new("features", 5);
        let input = graph.input();
        let value = model.onnx(&mut graph, &input);
        assert_eq!(value.is_some(), family.exports(), "{}", family.name());
        let Some(value) = value else { continue };
        graph.output("score", &value, Kind::Float32, Some(1));
        let outputs = Runtime::new(&graph.bytes(&Facts::default())).unwrap().run(rows).unwrap();
        for (got, expected) in outputs["score"].floats().unwrap().iter().zip(scores(&*model, &test.features)) {
            let off = (f64::from(*got) - expected).abs();
            assert!(off <= 1e-5 * expected.abs().max(1.0), "{}: {got} is not {expected}", family.name());
        }
    }
}
