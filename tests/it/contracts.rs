//! What every entry of a catalog must do: families, metrics, feature steps. A new entry is held to it at once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use mlops::catalog::{Named, Params};
use mlops::data::{Dataset, Features, Targets, Task};
use mlops::embeddings::EmbedContext;
use mlops::error::{ErrorKind, Result};
use mlops::features::{Batch, QueryBounds, STEPS, Signal, StepKind, Takes};
use mlops::metrics::{Direction, METRICS, Scored};
use mlops::models::{Event, FAMILIES, Family, FitContext, Model};
use ndarray::Array2;
use serde_json::{Value, json};

static GO_ON: AtomicBool = AtomicBool::new(false);
static STOP: AtomicBool = AtomicBool::new(true);

/// Three clouds in five dimensions, `n_classes` of them, with some rows in the wrong cloud.
fn clouds(n_classes: usize) -> Dataset {
    let rows = 60 * n_classes;
    let class = |row: usize| row % n_classes;
    let value = |(row, column): (usize, usize)| {
        let noise = ((row * 31 + column * 17) as f32 * 12.9898).sin();
        let cloud = if row % 11 == 0 { class(row + 1) } else { class(row) };
        noise + if column == cloud { 1.2 } else { 0.0 }
    };
    Dataset {
        features: Features::Dense(Array2::from_shape_fn((rows, 5), value)),
        targets: Targets::Classes {
            index: (0..rows).map(class).collect(),
            labels: (0..n_classes).map(|class| format!("c{class}")).collect(),
        },
        ids: (0..rows).map(|row| row.to_string()).collect(),
    }
}

fn params(list: &[mlops::catalog::Param], given: &[(&str, Value)]) -> Params {
    let given: BTreeMap<String, Value> =
        given.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Params::checked(list, &given).unwrap()
}

/// The kinds of model that learn classes; those that rank have `contracts_ranking`.
fn classifiers() -> impl Iterator<Item = &'static &'static dyn Family> {
    FAMILIES.iter().filter(|family| family.task() == Task::Classification)
}

fn fit(family: &dyn Family, data: &Dataset, seed: u64) -> Box<dyn Model> {
    let estimator = family.configure(&params(family.params(), &[])).unwrap();
    estimator.fit(data, &FitContext::new(seed, &|_| {}, &GO_ON)).unwrap()
}

/// The name and the bytes of every file in a folder.
fn bytes(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())).collect()
}

fn saved(model: &dyn Model) -> BTreeMap<String, Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    model.save(folder.path()).unwrap();
    bytes(folder.path())
}

fn accuracy(model: &dyn Model, data: &Dataset) -> f64 {
    let probabilities = model.predict(&data.features).unwrap();
    let best = |row: ndarray::ArrayView1<'_, f64>| (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap();
    let right =
        probabilities.rows().into_iter().zip(data.targets.classes()).filter(|(row, class)| best(*row) == **class);
    right.count() as f64 / data.ids.len() as f64
}

#[test]
fn there_is_something_to_hold_to_the_contract() {
    let names = |names: Vec<&str>, known: &[&str]| known.iter().all(|name| names.contains(name));
    assert!(names(
        FAMILIES.iter().map(|one| one.name()).collect(),
        &["baseline", "decision_tree", "logistic_regression", "random_forest"]
    ));
    assert!(names(METRICS.iter().map(|one| one.name()).collect(), &["accuracy", "f1", "log_loss", "roc_auc"]));
    assert!(names(STEPS.iter().map(|one| one.name()).collect(), &["embedding", "min_max", "standardize", "tfidf"]));
}

#[test]
fn names_are_unique_and_explained() {
    fn check<T: Named + ?Sized>(catalog: &[&T]) {
        let mut names: Vec<&str> = catalog.iter().map(|one| one.name()).collect();
        assert!(catalog.iter().all(|one| one.about().len() > 10), "{names:?}");
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
    check(FAMILIES);
    check(METRICS);
    check(STEPS);
    check(mlops::data::sources::SOURCES);
    check(mlops::drift::STATISTICS);
}

#[test]
fn a_family_gives_probabilities_and_beats_the_baseline() {
    for classes in [2, 3] {
        let data = clouds(classes);
        let baseline = FAMILIES.iter().find(|family| family.name() == "baseline").unwrap();
        let least = accuracy(&*fit(*baseline, &data, 1), &data);
        for family in classifiers() {
            let model = fit(*family, &data, 1);
            let probabilities = model.predict(&data.features).unwrap();
            assert_eq!(probabilities.dim(), (data.ids.len(), classes), "{}", family.name());
            for row in probabilities.rows() {
                assert!(
                    (row.sum() - 1.0).abs() < 1e-9 && row.iter().all(|p| (0.0..=1.0).contains(p)),
                    "{}: {row}",
                    family.name()
                );
            }
            let reached = accuracy(&*model, &data);
            let wanted = if family.name() == "baseline" { least } else { least + 0.3 };
            assert!(reached >= wanted, "{} with {classes} classes: {reached}, baseline {least}", family.name());
            assert!(
                model
                    .importance()
                    .is_none_or(|weights| weights.len() == 5 && weights.iter().all(|weight| *weight >= 0.0))
            );
        }
    }
}

#[test]
fn a_saved_model_comes_back_with_the_same_answers() {
    for classes in [2, 3] {
        let data = clouds(classes);
        for family in classifiers() {
            let model = fit(*family, &data, 1);
            let folder = tempfile::tempdir().unwrap();
            model.save(folder.path()).unwrap();
            let loaded = family.load(folder.path()).unwrap();
            assert_eq!(
                loaded.predict(&data.features).unwrap(),
                model.predict(&data.features).unwrap(),
                "{}",
                family.name()
            );
            assert_eq!(saved(&*loaded), bytes(folder.path()), "{}", family.name());
            let narrow = Features::Dense(Array2::zeros((2, 4)));
            if family.name() != "baseline" {
                assert_eq!(loaded.predict(&narrow).unwrap_err().kind, ErrorKind::Invalid, "{}", family.name());
            }
            for name in bytes(folder.path()).keys() {
                std::fs::write(folder.path().join(name), b"{}").unwrap();
            }
            assert!(family.load(folder.path()).is_err(), "{} reads a damaged file", family.name());
        }
    }
}

#[test]
fn same_seed_same_bytes_on_any_number_of_threads() {
    let data = clouds(3);
    for family in classifiers() {
        let on = |threads: usize, seed: u64| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| saved(&*fit(*family, &data, seed)))
        };
        let one = on(1, 7);
        assert!(!one.is_empty());
        assert_eq!(one, on(1, 7), "{}", family.name());
        assert_eq!(one, on(3, 7), "{} on 3 threads", family.name());
        if family.name() == "random_forest" {
            assert_ne!(one, on(1, 8), "another seed is another forest");
        }
    }
}

#[test]
fn dense_and_sparse_features_mean_the_same() {
    let data = clouds(2);
    let Features::Dense(matrix) = &data.features else { panic!("clouds are dense") };
    let sparse = mlops::data::Csr {
        n_cols: 5,
        indptr: (0..=matrix.nrows()).map(|row| row * 5).collect(),
        indices: (0..matrix.len()).map(|at| (at % 5) as u32).collect(),
        values: matrix.iter().copied().collect(),
    };
    let same = Dataset { features: Features::Sparse(sparse), ..data.clone() };
    for family in classifiers() {
        let (dense, sparse) = (fit(*family, &data, 1), fit(*family, &same, 1));
        let difference = dense.predict(&data.features).unwrap() - sparse.predict(&same.features).unwrap();
        assert!(difference.iter().all(|one| one.abs() < 1e-6), "{}", family.name());
    }
}

#[test]
fn unknown_and_wrong_parameters_are_refused() {
    let lists = FAMILIES.iter().flat_map(|one| [one.params(), one.training()]);
    for list in lists.chain(STEPS.iter().map(|one| one.params())) {
        let unknown = Params::checked(list, &BTreeMap::from([("no_such_parameter".to_owned(), json!(1))])).unwrap_err();
        assert_eq!(unknown[0].message, "unknown parameter `no_such_parameter`");
        for param in list {
            assert_eq!(param.check(&param.default_value()), None, "the default of `{}` fits", param.name);
            assert!(!param.about.is_empty() && param.schema().is_object(), "{}", param.name);
        }
    }
}

#[test]
fn a_wish_to_stop_is_heard_and_progress_is_told() {
    let data = clouds(2);
    for family in classifiers().filter(|family| ["logistic_regression", "random_forest"].contains(&family.name())) {
        let estimator = family.configure(&params(family.params(), &[])).unwrap();
        let stopped = estimator.fit(&data, &FitContext::new(1, &|_| {}, &STOP));
        assert_eq!(stopped.err().map(|error| error.kind), Some(ErrorKind::Interrupted), "{}", family.name());
        let told = Mutex::new(0);
        let observe = |event: &Event<'_>| *told.lock().unwrap() += usize::from(matches!(event, Event::Progress { .. }));
        estimator.fit(&data, &FitContext::new(1, &observe, &GO_ON)).unwrap();
        assert!(*told.lock().unwrap() > 0, "{}", family.name());
    }
}

/// Truth and three sets of probabilities of the positive class: perfect, fair, inverted.
fn scored(metric: &dyn mlops::metrics::Metric, positive: &[f64]) -> std::result::Result<f64, &'static str> {
    let truth = [0, 0, 0, 1, 1, 0, 1, 1];
    let predicted: Vec<usize> = positive.iter().map(|p| usize::from(*p >= 0.5)).collect();
    let probabilities: Vec<f64> = positive.iter().flat_map(|p| [1.0 - p, *p]).collect();
    metric.score(&Scored::new(&truth, &predicted, &probabilities, 2))
}

#[test]
fn perfect_predictions_are_the_best_of_every_metric() {
    let perfect = [0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0];
    let fair = [0.1, 0.4, 0.6, 0.7, 0.4, 0.2, 0.8, 0.9];
    let inverted = perfect.map(|p| 0.99 - 0.98 * p);
    for metric in METRICS {
        let [perfect, fair, inverted] = [perfect, fair, inverted].map(|positive| scored(*metric, &positive).unwrap());
        let better = |left, right| metric.direction().better(left, right);
        assert!(better(perfect, fair) && better(fair, inverted), "{}: {perfect} {fair} {inverted}", metric.name());
        let best = if metric.direction() == Direction::Maximize { 1.0 } else { 0.0 };
        assert!((perfect - best).abs() < 1e-9, "{}: {perfect}", metric.name());
        // What a metric declares is what its values do: of a loss, perfect predictions have less.
        let declared = if perfect < inverted { Direction::Minimize } else { Direction::Maximize };
        assert_eq!(metric.direction(), declared, "{}", metric.name());
    }
}

#[test]
fn a_row_that_counts_twice_is_two_rows() {
    let (truth, predicted) = ([0, 1, 1, 0], [0, 1, 0, 1]);
    let probabilities = [0.8, 0.2, 0.3, 0.7, 0.6, 0.4, 0.45, 0.55];
    let twice: Vec<usize> = vec![0, 1, 1, 1, 0];
    let of = |values: &[usize]| twice.iter().zip([0, 1, 1, 2, 3]).map(|(_, row)| values[row]).collect::<Vec<_>>();
    let rows: Vec<f64> =
        [0, 1, 1, 2, 3].iter().flat_map(|row| [probabilities[row * 2], probabilities[row * 2 + 1]]).collect();
    for metric in METRICS {
        let counted = Scored { counts: Some(&[1, 2, 1, 1]), ..Scored::new(&truth, &predicted, &probabilities, 2) };
        let written = metric.score(&Scored::new(&of(&truth), &of(&predicted), &rows, 2)).unwrap();
        assert!((metric.score(&counted).unwrap() - written).abs() < 1e-12, "{}", metric.name());
    }
}

#[test]
fn no_rows_are_a_reason_never_a_number() {
    for metric in METRICS {
        assert!(metric.score(&Scored::new(&[], &[], &[], 2)).is_err(), "{}", metric.name());
    }
}

fn signal(kind: &dyn StepKind) -> Signal {
    match kind.takes() {
        Takes::Texts => {
            let words = ["좋은", "영화", "나쁜", "good", "movie", "정말", "지루한", "bad"];
            let text = |row: usize| (0..4).map(|at| words[(row * 3 + at * at) % 8]).collect::<Vec<_>>().join(" ");
            Signal::Texts((0..40).map(text).collect())
        }
        Takes::Matrix => Signal::Matrix(clouds(2).features),
    }
}

/// Rows of one query.
fn batch(signal: Signal) -> Batch {
    let n_rows = match &signal {
        Signal::Texts(texts) => texts.len(),
        Signal::Matrix(features) => features.n_rows(),
    };
    Batch::new(signal, QueryBounds::single(n_rows), None)
}

#[test]
fn a_saved_step_comes_back_and_transforms_the_same() {
    for kind in STEPS {
        let params = params(kind.params(), &[]);
        let fitted = || -> Result<_> {
            kind.configure(&params).unwrap().fit_transform(batch(signal(*kind)), &EmbedContext::bare(".".as_ref()))
        };
        let (step, features, _) = fitted().unwrap();
        assert_eq!(features.n_features(), step.n_features(), "{}", kind.name());
        assert!(features.n_features() > 0 && features.n_rows() >= 40);
        assert_eq!(
            step.transform(batch(signal(*kind)), &EmbedContext::bare(".".as_ref())).unwrap().0,
            features,
            "{}: fit and transform agree",
            kind.name()
        );
        let folder = tempfile::tempdir().unwrap();
        step.save(folder.path(), "x_").unwrap();
        let files = bytes(folder.path());
        assert!(files.keys().all(|name| name.starts_with("x_")), "{:?}", files.keys());
        let loaded = kind.load(&params, folder.path(), "x_").unwrap();
        assert_eq!(
            loaded.transform(batch(signal(*kind)), &EmbedContext::bare(".".as_ref())).unwrap().0,
            features,
            "{}",
            kind.name()
        );
        let (again, ..) = fitted().unwrap();
        let second = tempfile::tempdir().unwrap();
        again.save(second.path(), "x_").unwrap();
        assert_eq!(bytes(second.path()), files, "{}: same rows, same bytes", kind.name());
        if kind.reads_queries() {
            continue;
        }
        // A row is transformed the same whatever rows stand beside it.
        let first = match signal(*kind) {
            Signal::Texts(texts) => Signal::Texts(texts[..1].to_vec()),
            Signal::Matrix(Features::Dense(matrix)) => {
                Signal::Matrix(Features::Dense(matrix.slice(ndarray::s![..1, ..]).to_owned()))
            }
            Signal::Matrix(Features::Sparse(_)) => panic!("clouds are dense"),
        };
        let row = |features: &Features| match features {
            Features::Dense(matrix) => matrix.row(0).to_vec(),
            Features::Sparse(matrix) => {
                let (columns, values) = matrix.row(0);
                columns.iter().map(|column| *column as f32).chain(values.iter().copied()).collect()
            }
        };
        assert_eq!(
            row(&loaded.transform(batch(first), &EmbedContext::bare(".".as_ref())).unwrap().0),
            row(&features),
            "{}",
            kind.name()
        );
    }
}

#[test]
fn a_step_outside_the_graph_says_how_it_is_done() {
    for kind in STEPS {
        let step = kind.configure(&params(kind.params(), &[])).unwrap();
        let (fitted, features, _) =
            step.fit_transform(batch(signal(*kind)), &EmbedContext::bare(".".as_ref())).unwrap();
        let outside = fitted.outside();
        assert_eq!(outside.is_some(), kind.reads_queries() || kind.takes() == Takes::Texts, "{}", kind.name());
        let Some(outside) = outside else { continue };
        assert_eq!(outside.description["step"], kind.name());
        let (input, _) = fitted.graph_input(batch(signal(*kind)), &EmbedContext::bare(".".as_ref())).unwrap();
        assert_eq!(input.nrows(), features.n_rows(), "{}", kind.name());
    }
}
