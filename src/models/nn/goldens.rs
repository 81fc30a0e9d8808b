//! Whole networks against references: trajectories of SGD and Adam in float64, derivatives against finite differences, the same
//! bytes for any number of threads, resumption.
//!
//! `trajectories.json` is of made-up data (what made it stands in the file). The project's other trajectories are of five queries of
//! MQ2008, which may not be copied into the repository: the ignored tests read them from the folder `MLOPS_SHARED_DATA`
//! (`MLOPS_SHARED_DATA=… cargo test --release --lib -- --ignored shared`).

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::activation::Activation;
use super::losses::{LOSSES, Loss};
use super::optimizer::{Rule, Settings as OptimizerSettings};
use super::scheduler::Schedule;
use super::{Context, Keep, Lists, Network, Settings, Shape, Trainer};
use crate::catalog::{Params, find};
use crate::kernels::Real;

const TRAJECTORIES: &str = include_str!("../../../tests/fixtures/ranking/trajectories.json");

/// A file of the project's shared data.
fn shared(path: &str) -> String {
    let folder = std::env::var("MLOPS_SHARED_DATA").expect("MLOPS_SHARED_DATA names the folder of the shared data");
    std::fs::read_to_string(Path::new(&folder).join(path)).expect("the shared data are whole")
}

fn loss(kind: &str, params: &Value) -> Box<dyn Loss> {
    let kind = find("loss", LOSSES, kind).unwrap();
    kind.configure(&Params::checked(kind.params(), &serde_json::from_value(params.clone()).unwrap()).unwrap()).unwrap()
}

fn named(name: &str) -> Box<dyn Loss> {
    match name {
        "ranknet_mean" => loss("ranknet", &json!({"reduction": "mean"})),
        "lambdarank_sum" => loss("lambdarank", &json!({})),
        "lambdaloss_ndcg2pp_mu10_log2" => loss("lambdaloss", &json!({})),
        "listnet_softmax" => loss("listnet", &json!({})),
        "listmle_sum" => loss("listmle", &json!({"ties": "file", "reduction": "sum"})),
        "approx_ndcg_alpha10" => loss("approxndcg", &json!({})),
        "approx_ndcg_alpha1" => loss("approxndcg", &json!({"temperature": 1.0})),
        "mse" => loss("mse", &json!({})),
        other => panic!("no loss {other}"),
    }
}

fn shape(n_features: usize, hidden: &[usize]) -> Shape {
    Shape { n_features, hidden: hidden.to_vec(), activation: Activation::Relu, dropout: 0.0, batch_norm: false }
}

fn settings(rule: Rule, learning_rate: f64) -> Settings {
    Settings {
        epochs: 6,
        batch_lists: 4,
        optimizer: OptimizerSettings { rule, weight_decay: 0.0, clip: None },
        learning_rate,
        schedule: Schedule::Constant,
        warm_up: 0,
        patience: None,
        keep: Keep::Best,
        identity: String::new(),
        rows: 0,
        seed: 3,
    }
}

/// The five queries of the shared data.
fn five_queries<T: Real>() -> Lists<T> {
    let text = shared("golden/ranking_train.txt");
    let (mut features, mut grades, mut starts, mut last) = (Vec::new(), Vec::new(), vec![], String::new());
    for line in text.lines() {
        let mut fields = line.split('#').next().unwrap().split_whitespace();
        let grade: u8 = fields.next().unwrap().parse().unwrap();
        let query = fields.next().unwrap();
        if query != last {
            starts.push(grades.len());
            last = query.to_owned();
        }
        grades.push(grade);
        features.extend(fields.map(|field| field.split_once(':').unwrap().1.parse::<f32>().unwrap()));
    }
    starts.push(grades.len());
    let mut lists = Lists::new(&features, 46, &grades, &starts).unwrap();
    // The references read the decimals as f64.
    let pitch = lists.features.pitch;
    let decimals = text.lines().flat_map(|line| line.split('#').next().unwrap().split_whitespace().skip(2));
    for (at, field) in decimals.enumerate() {
        let value: f64 = field.split_once(':').unwrap().1.parse().unwrap();
        lists.features.as_mut_slice()[at / 46 * pitch + at % 46] = T::of(value);
    }
    lists
}

fn set<T: Real>(network: &mut Network<T>, values: impl Fn(&str) -> Vec<f64>) {
    assert!(network.set_named(|name| Some(values(name).into_iter().map(T::of).collect())));
}

fn numbers(value: &Value) -> Vec<f64> {
    serde_json::from_value(value.clone()).unwrap()
}

fn close(name: &str, got: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len(), "{name}");
    for (got, expected) in got.iter().zip(expected) {
        assert!((got - expected).abs() <= tolerance * expected.abs().max(1.0), "{name}: {got} is not {expected}");
    }
}

fn sgd<T: Real>(tolerance: f64) {
    let lists = five_queries::<T>();
    let golden: Value = serde_json::from_str(&shared("golden/ranking.json")).unwrap();
    for (name, run) in golden["sgd_trajectory"]["runs"].as_object().unwrap() {
        let loss = named(name);
        let mut network = Network::<T>::zeros(&shape(46, &[]));
        let start: Vec<f64> = (1..=46).map(|j| 0.01 * (f64::from(j * 7919 % 13) - 6.0)).collect();
        set(&mut network, |name| if name == "score.weight" { start.clone() } else { vec![0.0] });
        let mut trainer = Trainer::new(network, settings(Rule::Sgd { momentum: 0.0 }, 0.1));
        for epoch in 1..=10 {
            let mut losses = Vec::new();
            for list in 0..lists.len() {
                losses.push(trainer.step(&lists, &*loss, &[list], 0.1));
                // The reference has no bias.
                let weights = trainer.network.named()[0].2.clone();
                assert!(trainer.network.set_named(|name| Some(if name == "score.weight" {
                    weights.clone()
                } else {
                    vec![T::of(0.0)]
                })));
            }
            if epoch == 1 || epoch == 10 {
                let expected = &run[format!("epoch{epoch}")];
                close(name, &losses, &numbers(&expected["loss_per_query_before_step"]), tolerance);
                let weights: Vec<f64> = trainer.network.named()[0].2.iter().map(|weight| weight.wide()).collect();
                close(name, &weights, &numbers(&expected["w"]), tolerance);
            }
        }
    }
}

fn adam<T: Real>(tolerance: f64) {
    let lists = five_queries::<T>();
    let golden: Value = serde_json::from_str(&shared("golden/ranking.json")).unwrap();
    let start = |name: &str| -> Vec<f64> {
        let hidden = (0..8).map(f64::from);
        match name {
            "layers.0.weight" => {
                let row = |h: f64| (0..46).map(move |j| 0.1 * (1.0 + 3.0 * h + 0.7 * f64::from(j)).sin());
                hidden.flat_map(row).collect()
            }
            "layers.0.bias" => hidden.map(|h| 0.01 * h).collect(),
            "score.weight" => hidden.map(|h| 0.2 * h.cos()).collect(),
            _ => vec![0.0],
        }
    };
    for (name, run) in golden["adam_trajectory"]["runs"].as_object().unwrap() {
        let loss = named(name);
        let mut network = Network::<T>::zeros(&shape(46, &[8]));
        set(&mut network, start);
        let mut trainer = Trainer::new(network, settings(Rule::ADAM, 0.01));
        let losses: Vec<f64> = (0..30).map(|_| trainer.step(&lists, &*loss, &[0, 1, 2, 3, 4], 0.01)).collect();
        close(name, &losses, &numbers(&run["loss_by_step"]), tolerance);
        close(name, &trainer.network.scorer().score(&lists.features), &numbers(&run["final_scores"]), tolerance);
        let weights: Vec<f64> = trainer.network.named()[2].2.iter().map(|weight| weight.wide()).collect();
        close(name, &weights, &numbers(&run["final_w2"]), tolerance);
    }
}

/// The network and the lists that `trajectories.json` describes.
fn made<T: Real>(rule: Rule, key: &str, tolerance: f64) {
    let golden: Value = serde_json::from_str(TRAJECTORIES).unwrap();
    let x = |row: usize, j: usize| (1.0 + 0.7 * row as f64 + 1.3 * j as f64 + 0.11 * (row * j) as f64).sin();
    let grades: Vec<u8> = (0..40).map(|row| ((row * row + row / 8) % 4) as u8).collect();
    let mut lists = Lists::<T>::new(&[0.0; 240], 6, &grades, &[0, 8, 16, 24, 32, 40]).unwrap();
    let pitch = lists.features.pitch;
    for at in 0..240 {
        lists.features.as_mut_slice()[at / 6 * pitch + at % 6] = T::of(x(at / 6, at % 6));
    }
    let start = |name: &str| -> Vec<f64> {
        let hidden = (0..5).map(f64::from);
        match name {
            "layers.0.weight" => {
                hidden.flat_map(|h| (0..6).map(move |j| 0.3 * (1.0 + 3.0 * h + 0.7 * f64::from(j)).sin())).collect()
            }
            "layers.0.bias" => hidden.map(|h| 0.01 * h).collect(),
            "score.weight" => hidden.map(|h| 0.5 * h.cos()).collect(),
            _ => vec![0.0],
        }
    };
    let runs = golden[key].as_object().unwrap();
    assert_eq!(runs.len(), 8);
    for (name, run) in runs {
        let loss = named(name);
        let mut network = Network::<T>::zeros(&shape(6, &[5]));
        set(&mut network, start);
        let mut trainer = Trainer::new(network, settings(rule, 0.01));
        let losses: Vec<f64> = (0..30).map(|_| trainer.step(&lists, &*loss, &[0, 1, 2, 3, 4], 0.01)).collect();
        close(name, &losses, &numbers(&run["loss_by_step"]), tolerance);
        close(name, &trainer.network.scorer().score(&lists.features), &numbers(&run["final_scores"]), tolerance);
    }
}

#[test]
fn trajectories_are_the_references_in_f64() {
    made::<f64>(Rule::ADAM, "adam", 1e-7);
    made::<f64>(Rule::Sgd { momentum: 0.9 }, "sgd", 1e-9);
}

#[test]
#[ignore = "needs the folder MLOPS_SHARED_DATA"]
fn trajectories_of_the_shared_data_are_the_references_in_f64() {
    sgd::<f64>(1e-9);
    adam::<f64>(1e-6);
}

#[test]
fn trajectories_are_close_in_f32() {
    made::<f32>(Rule::ADAM, "adam", 1e-4);
    made::<f32>(Rule::Sgd { momentum: 0.9 }, "sgd", 1e-4);
}

#[test]
#[ignore = "needs the folder MLOPS_SHARED_DATA"]
fn trajectories_of_the_shared_data_are_close_in_f32() {
    sgd::<f32>(1e-4);
    adam::<f32>(1e-4);
}

/// Lists of 1 to 40 documents.
fn lists<T: Real>(n_lists: usize, n_features: usize) -> Lists<T> {
    let mut starts = vec![0];
    (0..n_lists).for_each(|list| starts.push(starts[list] + 1 + list * 17 % 40));
    let n = starts[n_lists];
    let features: Vec<f32> = (0..n * n_features).map(|at| (at as f32 * 0.37 + (at % 11) as f32).sin()).collect();
    let grades: Vec<u8> = (0..n).map(|row| (2.0 + 2.0 * features[row * n_features]) as u8).collect();
    Lists::new(&features, n_features, &grades, &starts).unwrap()
}

#[test]
fn derivatives_of_all_layers_are_finite_differences() {
    let lists = lists::<f64>(9, 5);
    let batch: Vec<usize> = (0..9).collect();
    let loss = loss("ranknet", &json!({"reduction": "mean"}));
    for (activation, batch_norm, dropout) in [
        (Activation::Relu, false, 0.0),
        (Activation::Gelu, false, 0.0),
        (Activation::Relu, true, 0.0),
        (Activation::Gelu, true, 0.0),
        (Activation::Relu, false, 0.3),
        (Activation::Gelu, true, 0.3),
    ] {
        let shape = Shape { activation, dropout, batch_norm, ..shape(5, &[7, 4]) };
        let network = Network::<f64>::new(&shape, 5);
        let start = network.parameters().to_vec();
        // A rate of 1 with plain SGD: the step is the gradient.
        let value = |parameters: &[f64], rate: f64| {
            let mut network = network.clone();
            network.set_parameters(parameters);
            let mut trainer = Trainer::new(network, settings(Rule::Sgd { momentum: 0.0 }, 1.0));
            let value = trainer.step(&lists, &*loss, &batch, rate);
            (value, trainer.network.parameters().to_vec())
        };
        let (_, moved) = value(&start, 1.0);
        let (mut largest, step) = (0.0_f64, 1e-6);
        for at in (0..start.len()).filter(|at| start[*at] != 0.0) {
            let at_offset = |by: f64| {
                let mut parameters = start.clone();
                parameters[at] += by;
                value(&parameters, 0.0).0
            };
            let (got, expected) = (start[at] - moved[at], (at_offset(step) - at_offset(-step)) / (2.0 * step));
            assert!(
                (got - expected).abs() < 2e-7,
                "{activation:?} {batch_norm} {dropout}, {at}: {got} is not {expected}"
            );
            largest = largest.max(got.abs());
        }
        assert!(largest > 1e-3);
    }
}

fn train(threads: usize, network: &Network<f32>, settings: &Settings, context: &Context<'_>) -> Trainer<f32> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let (train, valid) = (lists::<f32>(60, 9), lists::<f32>(20, 9));
    let mut trainer = match &context.checkpoint {
        Some((path, _)) if path.exists() => Trainer::resume(path, network.clone(), settings.clone()).unwrap(),
        _ => Trainer::new(network.clone(), settings.clone()),
    };
    let measure = |scores: &[f64]| {
        let off = scores.iter().zip(&valid.grades).map(|(score, grade)| (score - f64::from(*grade)).abs());
        Ok(vec![("closeness".to_owned(), -off.sum::<f64>())])
    };
    let result = pool.install(|| trainer.run(&train, Some((&valid, &measure)), &*loss("listmle", &json!({})), context));
    assert_eq!(result.is_err(), context.interrupted.load(Ordering::Relaxed));
    trainer
}

fn everything(rule: Rule) -> (Network<f32>, Settings) {
    let shape = Shape { activation: Activation::Gelu, dropout: 0.2, batch_norm: true, ..shape(9, &[20, 12]) };
    let optimizer = OptimizerSettings { rule, weight_decay: 0.01, clip: Some(0.5) };
    let schedule = Schedule::Plateau { factor: 0.5, patience: 0, least: 1e-5 };
    let settings = Settings { optimizer, schedule, warm_up: 2, epochs: 8, ..settings(rule, 0.02) };
    (Network::new(&shape, 1), settings)
}

#[test]
fn the_same_bytes_for_any_number_of_threads_and_after_an_interruption() {
    let folder = tempfile::tempdir().unwrap();
    for rule in [Rule::Sgd { momentum: 0.9 }, Rule::ADAM, Rule::ADAM_W] {
        let (network, settings) = everything(rule);
        let never = AtomicBool::new(false);
        let silent = Context { observe: &|_| (), interrupted: &never, clock: &|| 0.0, checkpoint: None };
        let whole = train(1, &network, &settings, &silent);
        assert!(whole.state.history.len() == 8 && whole.network.parameters() != network.parameters());
        for threads in [2, 4] {
            let other = train(threads, &network, &settings, &silent);
            assert_eq!((other.network.parameters(), &other.state), (whole.network.parameters(), &whole.state));
        }
        // Interrupted after the third epoch, then resumed with another number of threads.
        let path = folder.path().join(format!("{rule:?}"));
        let stop = AtomicBool::new(false);
        let context = Context {
            observe: &|row| stop.store(row.epoch == 3, Ordering::Relaxed),
            interrupted: &stop,
            clock: &|| 0.0,
            checkpoint: Some((path.clone(), 100)),
        };
        let part = train(2, &network, &settings, &context);
        assert_eq!(part.state.epoch, 3);
        stop.store(false, Ordering::Relaxed);
        let silent = Context { checkpoint: Some((path, 100)), ..silent };
        let resumed = train(1, &network, &settings, &silent);
        assert_eq!((resumed.network.parameters(), &resumed.state), (whole.network.parameters(), &whole.state));
        assert_eq!(resumed.network.running, whole.network.running);
    }
}

#[test]
fn a_checkpoint_of_other_settings_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let (network, settings) = everything(Rule::ADAM);
    Trainer::new(network.clone(), settings.clone()).save(&path).unwrap();
    let refused = |network: &Network<f32>, settings: Settings| {
        Trainer::resume(&path, network.clone(), settings).err().map(|error| error.message)
    };
    assert_eq!(refused(&network, Settings { epochs: 20, ..settings.clone() }), None);
    let message = refused(&network, Settings { learning_rate: 0.5, ..settings.clone() }).unwrap();
    assert!(message.ends_with("is of other settings"), "{message}");
    assert!(refused(&Network::new(&shape(9, &[20]), 1), settings.clone()).is_some());
    let whole = std::fs::read(&path).unwrap();
    // A bit of a number: the file can be read, and is not what was written.
    for at in [whole.len() - 1, whole.len() / 2, whole.len() - 4001] {
        let mut flipped = whole.clone();
        flipped[at] ^= 4;
        std::fs::write(&path, flipped).unwrap();
        assert!(refused(&network, settings.clone()).unwrap().ends_with("is damaged"), "byte {at}");
    }
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(refused(&network, settings).unwrap().ends_with("is damaged"));
}

#[test]
fn a_loss_that_is_no_number_stops_training_and_says_where() {
    let lists = lists::<f32>(12, 4);
    let network = Network::<f32>::new(&shape(4, &[8]), 1);
    let settings = Settings { learning_rate: 1e30, ..settings(Rule::Sgd { momentum: 0.0 }, 1e30) };
    let mut trainer = Trainer::new(network.clone(), settings);
    let never = AtomicBool::new(false);
    let context = Context { observe: &|_| (), interrupted: &never, clock: &|| 0.0, checkpoint: None };
    let error = trainer.run(&lists, None, &*loss("mse", &json!({})), &context).unwrap_err();
    assert!(
        error.message.starts_with("the loss is ") && error.message.contains(" in epoch 1, batch 2"),
        "{}",
        error.message
    );
    assert_eq!(trainer.network().parameters(), network.parameters());
}

#[test]
fn what_teaches_nothing_is_refused_and_one_list_is_enough() {
    let never = AtomicBool::new(false);
    let context = Context { observe: &|_| (), interrupted: &never, clock: &|| 0.0, checkpoint: None };
    let network = Network::<f32>::new(&shape(2, &[3]), 1);
    let features: Vec<f32> = (0..12).map(|at| (at as f32).cos()).collect();
    let alike = Lists::new(&features, 2, &[1, 1, 0, 0, 2, 2], &[0, 2, 4, 6]).unwrap();
    let mut trainer = Trainer::new(network.clone(), settings(Rule::ADAM, 0.01));
    let error = trainer.run(&alike, None, &*loss("ranknet", &json!({})), &context).unwrap_err();
    assert_eq!(error.message, "no training query has documents of different grades");
    // One list, and a list without a relevant document beside it.
    for (grades, starts) in [([0, 1, 2, 0, 0, 1], vec![0, 6]), ([0, 1, 2, 0, 0, 0], vec![0, 3, 6])] {
        let lists = Lists::new(&features, 2, &grades, &starts).unwrap();
        for kind in LOSSES {
            let mut trainer = Trainer::new(network.clone(), settings(Rule::ADAM, 0.01));
            let outcome = trainer.run(&lists, None, &*loss(kind.name(), &json!({})), &context).unwrap();
            assert!(outcome.history.iter().all(|row| row.loss.is_finite()), "{}", kind.name());
            assert!(trainer.network().parameters().iter().all(|value| value.is_finite()));
            assert_ne!(trainer.network().parameters(), network.parameters());
        }
    }
}

#[test]
fn a_document_has_one_score_in_any_company() {
    let lists = lists::<f32>(40, 9);
    let (network, _) = everything(Rule::ADAM);
    let whole = network.scorer().score(&lists.features);
    let alone = super::matrix::Matrix::<f32>::of_rows(&lists.features.rows(300..301)[..9], 9);
    assert_eq!(network.scorer().score(&alone), whole[300..301]);
}
