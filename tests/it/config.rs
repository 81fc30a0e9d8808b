//! Configs: every valid fixture loads and comes back from its rendered form; every invalid one is refused with all its
//! problems at once, word for word (`fixtures/configs/invalid/*.txt`).
//!
//! `MLOPS_WRITE_FIXTURES=1 cargo test --test it config` writes the texts anew; read the difference before it is kept.

use std::path::{Path, PathBuf};

use mlops::config::{Override, Threshold, load, load_stored};

use super::support::{TestProject, config};

fn fixtures(kind: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/configs").join(kind);
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect();
    found.sort();
    assert!(found.len() >= 5, "{kind}: {found:?}");
    found
}

#[test]
fn a_valid_config_loads_and_its_rendered_form_says_the_same() {
    for path in fixtures("valid") {
        let experiment =
            load(&path, &[]).unwrap_or_else(|error| panic!("{}: {error} {:?}", path.display(), error.problems));
        let rendered = serde_yaml::to_string(&experiment.config).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let again = folder.path().join("config.yaml");
        std::fs::write(&again, &rendered).unwrap();
        let read = load_stored(&again).unwrap();
        assert_eq!(read, experiment.config, "{}:\n{rendered}", path.display());
        let loaded =
            load(&again, &[]).unwrap_or_else(|error| panic!("{}: {:?}\n{rendered}", path.display(), error.problems));
        assert_eq!(loaded.config, experiment.config, "{}:\n{rendered}", path.display());
    }
}

#[test]
fn an_invalid_config_is_refused_with_every_problem() {
    let project = TestProject::new();
    let write = std::env::var_os("MLOPS_WRITE_FIXTURES").is_some();
    for path in fixtures("invalid") {
        project.write("config.yaml", std::fs::read(&path).unwrap());
        let answer = project.run(&["train", "config.yaml"]).code(2);
        assert_eq!(answer.stdout, "");
        let expected = path.with_extension("txt");
        if write {
            std::fs::write(&expected, &answer.stderr).unwrap();
        }
        let text = std::fs::read_to_string(&expected).unwrap_or_default();
        assert!(answer.stderr == text, "{}: expected\n{text}\ngot\n{}", path.display(), answer.stderr);
        assert!(text.starts_with("error: "), "{}", path.display());
    }
    assert!(!project.path("experiments/tracking.db").exists(), "a refused config leaves no trace");
}

#[test]
fn defaults_are_those_that_are_documented() {
    let path = &fixtures("valid").into_iter().find(|path| path.ends_with("least.yaml")).unwrap();
    let config = load(path, &[]).unwrap().config;
    assert_eq!((config.seed, config.task.name(), config.model.name.as_str()), (42, "classification", "least"));
    assert_eq!((config.evaluation.primary.as_str(), config.evaluation.bootstrap), ("f1", 1000));
    let split = &config.data.split;
    assert_eq!(
        (split.train, split.validation, split.test, split.stratify),
        (Some(0.6), Some(0.2), Some(0.2), Some(true))
    );
    assert_eq!((config.promotion.to.as_str(), config.promotion.otherwise.as_str()), ("production", "staging"));
    assert_eq!(config.evaluation.threshold, Threshold::Fixed(0.5));
    assert!(config.promotion.require.is_empty() && config.evaluation.subgroups.is_empty());
}

#[test]
fn overrides_reach_every_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    std::fs::write(&path, config("lr", "logistic_regression")).unwrap();
    let set = |texts: &[&str]| {
        let overrides: Vec<Override> = texts.iter().map(|text| Override::parse(text).unwrap()).collect();
        load(&path, &overrides).map(|experiment| experiment.config)
    };
    let changed = set(&[
        "seed=7",
        "model.params.C=0.5",
        "promotion.require[0].min=0.7",
        "data.positive=yes",
        "evaluation.metrics=[mcc, f1]",
    ])
    .unwrap();
    assert_eq!(
        (changed.seed, changed.promotion.require[0].min, changed.data.positive.as_deref()),
        (7, Some(0.7), Some("yes"))
    );
    assert_eq!(changed.evaluation.metrics, ["mcc", "f1"]);
    assert_eq!(serde_json::to_value(&changed.model.params).unwrap()["C"], 0.5);
    for wrong in ["promotion.require[3].min=1", "seed.x=1", "model.params.D=1", "seed=[1", "nosuch=1"] {
        assert!(set(&[wrong]).is_err(), "{wrong}");
    }
    assert!(Override::parse("seed").is_err() && Override::parse("=1").is_err());
}

#[test]
fn a_variable_stands_for_its_value_and_is_missed() {
    let project = TestProject::with_points();
    project.write(
        "experiments/lr/config.yaml",
        config("lr", "logistic_regression").replace("data/points.csv", "${WHERE}/points.csv"),
    );
    let missed = project.run(&["train", "experiments/lr/config.yaml"]).code(2);
    assert!(missed.stderr.contains("the environment variable `WHERE` is not set"), "{}", missed.stderr);
    project.run_with("WHERE", "data", &["train", "experiments/lr/config.yaml"]).ok();
    let run = project.run(&["--json", "runs", "show", "@latest"]).ok().json();
    assert_eq!(run["run"]["params"]["data.source"], "${WHERE}/points.csv", "the value may be secret: the name is kept");
}
