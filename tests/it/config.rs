//! Configs: every valid fixture loads and comes back from its rendered form; every invalid one is refused with all its
//! problems at once, word for word (`fixtures/configs/invalid/*.txt`); stored ones of earlier builds are read
//! (`fixtures/configs/stored`).
//!
//! `MLOPS_WRITE_FIXTURES=1 cargo test --test it config` writes the texts, `experiments/config.schema.json` and
//! `docs/config.md` anew; read the difference before it is kept.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use mlops::config::{Override, Threshold, load, load_policy, load_retrain, load_stored, reference, resolve, schema};
use mlops::error::ErrorKind;

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

/// A config as the build before the lists of fields stored it, byte for byte, and one of the first build.
#[test]
fn a_stored_config_is_read_and_rendered_the_same() {
    for path in fixtures("stored") {
        let text = std::fs::read_to_string(&path).unwrap();
        let config = load_stored(&path).unwrap_or_else(|error| panic!("{}: {:?}", path.display(), error.problems));
        let rendered = config.rendered().unwrap();
        if path.file_name().unwrap().to_str().unwrap().starts_with("first_build") {
            // What it lacks is filled in; nothing that it says is lost.
            let lines: Vec<&str> = rendered.lines().collect();
            assert!(text.lines().all(|line| lines.contains(&line)), "{}:\n{rendered}", path.display());
        } else {
            assert_eq!(rendered, text, "{}", path.display());
        }
        resolve(config).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

/// A stored config is refused for what cannot be understood, not for what a check of today would say of a new one.
#[test]
fn a_stored_config_is_not_checked_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    let stored = load(&fixtures("valid").into_iter().find(|path| path.ends_with("reviews_lr.yaml")).unwrap(), &[]);
    let text = stored.unwrap().config.rendered().unwrap();
    let read = |from: &str, to: &str| {
        assert!(text.contains(from), "{from} is not in {text}");
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
        load_stored(&path)
    };
    // A metric that is gone, a bound that was moved, a parameter that is gone, a parameter that is new.
    assert_eq!(read("- metric: f1", "- metric: f_one").unwrap().promotion.require[0].metric, "f_one");
    assert_eq!(read("bootstrap: 1000", "bootstrap: 1000000").unwrap().evaluation.bootstrap, 1_000_000);
    let config = read("    C: 1.0\n", "    penalty: l2\n").unwrap();
    assert_eq!(serde_json::to_value(&config.model.params).unwrap()["C"], 1.0);
    assert!(serde_json::to_value(&config.model.params).unwrap().get("penalty").is_none());
    // A kind that this build does not have is kept, and said where the model is needed.
    let config = read("kind: logistic_regression", "kind: perceptron").unwrap();
    assert_eq!(config.model.kind, "perceptron");
    assert!(resolve(config).err().unwrap().message.contains("unknown kind of model `perceptron`"));
    for (from, to, why) in [
        ("seed: 42", "sead: 42", "unknown key `sead`"),
        ("to: production", "to: heaven", "`heaven` is not a stage here"),
        ("seed: 42", "seed: 42\ndrift: {statistic: kll}", "unknown drift statistic `kll`"),
        ("seed: 42", "seed: x", "expected a whole number of at least 0, got `x`"),
    ] {
        let error = read(from, to).unwrap_err();
        assert_eq!((error.kind, error.problems[0].message.as_str()), (ErrorKind::Failed, why));
        assert!(error.message.ends_with("config.yaml` is damaged"), "{}", error.message);
    }
    std::fs::write(&path, "").unwrap();
    assert_eq!(load_stored(&path).unwrap_err().kind, ErrorKind::Failed);
    assert_eq!(load_stored(&folder.path().join("none.yaml")).unwrap_err().kind, ErrorKind::NotFound);
}

#[test]
fn candidates_of_a_retrain_are_files_or_sections() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("retrain.yaml");
    let read = |text: &str| {
        std::fs::write(&path, text).unwrap();
        load_retrain(&path)
    };
    let good = read(
        "name: monthly\ntimezone: UTC\ncandidates:\n  - lr.yaml\n  - {config: forest.yaml}\n  \
         - config: forest.yaml\n    set: {seed: 7, evaluation.metrics: [f1], data.query: select 1}\n",
    );
    let [word, plain, set] = <[_; 3]>::try_from(good.unwrap().config.candidates).unwrap();
    assert_eq!((word.config.as_str(), word.set.len()), ("lr.yaml", 0));
    assert_eq!((plain.config.as_str(), plain.set.len()), ("forest.yaml", 0));
    let expected = ["data.query=select 1", "evaluation.metrics=[\"f1\"]", "seed=7"];
    assert_eq!(set.set, expected.map(|text| Override::parse(text).unwrap()));
    assert_eq!(read("name: monthly\ncandidates: lr.yaml\n").unwrap().config.candidates, [word]);
    let error = read(
        "name: monthly\ntimezone: Asia/Seoul; rm\ncandidates:\n  - {config: a.yaml, set: {\"\": 1}}\n  \
         - {set: {seed: 1}}\n  - [a.yaml]\n  - {config: a.yaml, sets: {}}\n",
    );
    let problems: Vec<(usize, String, String)> =
        error.unwrap_err().problems.into_iter().map(|one| (one.line, one.path, one.message)).collect();
    let expected = [
        (2, "timezone", "`Asia/Seoul; rm` is not a time zone"),
        (4, "candidates[0].set.", "`--set =1` is not `key=value`"),
        (5, "candidates[1].config", "`candidates[1].config` is missing: the candidate's experiment config"),
        (6, "candidates[2]", "expected a mapping `key: value`, got a list"),
        (6, "candidates[2].config", "`candidates[2].config` is missing: the candidate's experiment config"),
        (7, "candidates[3].sets", "unknown key `sets`"),
    ];
    assert_eq!(problems, expected.map(|(line, path, message)| (line, path.to_owned(), message.to_owned())));
}

/// A file of the repository that is made from the lists of fields.
fn is_fresh(name: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("MLOPS_WRITE_FIXTURES").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, made).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == made, "`{name}` is stale; CONTRIBUTING.md says how it is written anew");
}

#[test]
fn the_schema_and_the_reference_in_the_repository_are_fresh() {
    let schema = serde_json::to_string_pretty(&schema::schema()).unwrap() + "\n";
    is_fresh("experiments/config.schema.json", &schema);
    is_fresh("docs/config.md", &reference());
    let page = reference();
    for key in [
        "| `seed` | whole number | `42` |",
        "### `data.split`",
        "### `promotion.guardrails.latency`",
        "Only for ranking.",
    ] {
        assert!(page.contains(key), "{key} is not in {page}");
    }
}

/// All shipped configs, by the kind of file.
fn shipped() -> [(&'static str, Vec<PathBuf>); 3] {
    let experiments = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    let folders = std::fs::read_dir(&experiments).unwrap().map(|entry| entry.unwrap().path());
    let mut configs: Vec<PathBuf> =
        folders.map(|folder| folder.join("config.yaml")).filter(|path| path.is_file()).collect();
    assert!(configs.len() >= 10, "{configs:?}");
    configs.extend(fixtures("valid"));
    let policies = fixtures("policies");
    [("", configs), ("--retrain", vec![experiments.join("reviews_monthly/retrain.yaml")]), ("--policy", policies)]
}

#[test]
fn shipped_configs_load() {
    let [(_, configs), (_, retrains), (_, policies)] = shipped();
    for path in configs {
        load(&path, &[]).unwrap_or_else(|error| panic!("{}: {:?}", path.display(), error.problems));
    }
    for path in retrains {
        load_retrain(&path).unwrap_or_else(|error| panic!("{}: {:?}", path.display(), error.problems));
    }
    for path in policies {
        load_policy(&path).unwrap_or_else(|error| panic!("{}: {:?}", path.display(), error.problems));
    }
}

/// An independent JSON Schema library accepts what the decoder accepts, and refuses what it refuses.
#[test]
fn shipped_configs_are_valid_by_their_json_schema() {
    let Some(python) = std::env::var_os("MLOPS_TEST_PYTHON") else {
        let _ = writeln!(std::io::stderr(), "left out: JSON Schemas (MLOPS_TEST_PYTHON names no Python)");
        return;
    };
    let project = TestProject::new();
    let validate = |flag: &str, files: &[PathBuf]| {
        let arguments: Vec<&str> = ["schema", flag].into_iter().filter(|word| !word.is_empty()).collect();
        project.write("schema.json", project.run(&arguments).ok().stdout);
        let mut command = Command::new(&python);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/configs/validate.py"));
        let output = command.arg(project.path("schema.json")).args(files).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let answer: std::collections::BTreeMap<PathBuf, Vec<String>> = serde_json::from_slice(&output.stdout).unwrap();
        answer
    };
    for (flag, files) in shipped() {
        for (path, problems) in validate(flag, &files) {
            assert!(problems.is_empty(), "{}: {problems:#?}", path.display());
        }
    }
    // What only a lookup across sections can tell, or a sum, is beyond a schema.
    let beyond = ["json_fields_without_text", "key_twice", "names", "not_yaml", "shares", "split_twice"]
        .into_iter()
        .chain(["steps_that_do_not_fit", "texts_without_a_step", "empty"]);
    let beyond: Vec<String> = beyond.map(|name| format!("{name}.yaml")).collect();
    let mut invalid = fixtures("invalid");
    invalid.retain(|path| !beyond.iter().any(|name| path.ends_with(name)));
    for (path, problems) in validate("", &invalid) {
        assert!(!problems.is_empty(), "{} is valid by the schema", path.display());
    }
}
