//! `mlops train`: what it prints, what it writes, that it can be repeated, and the numbers of a known data set.

use serde_json::Value;

use super::support::{TestProject, config};

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn the_reviews_have_the_metrics_of_scikit_learn() {
    // scikit-learn 1.9.1, TfidfVectorizer(char_wb, (2, 4), min_df=2, sublinear_tf) and LogisticRegression(balanced) on
    // the same rows: accuracy 0.813, f1 0.816, roc_auc 0.889.
    let project = TestProject::with_reviews();
    let trained = project.train("reviews_lr", &[]);
    let test = &trained["metrics"]["test"];
    assert_eq!(test["rows"], 1000);
    for (metric, expected) in [("accuracy", 0.813), ("f1", 0.8158), ("roc_auc", 0.8892)] {
        let value = number(&test["metrics"][metric]["value"]);
        assert!((value - expected).abs() < 5e-4, "{metric}: expected {expected}, got {value}");
        let [low, high] = ["low", "high"].map(|end| number(&test["metrics"][metric][end]));
        assert!(low < value && value < high && high - low < 0.08, "{metric}: {low}–{high}");
    }
    assert_eq!(trained["facts"]["converged"], 1.0);
}

#[test]
fn a_run_is_told_as_text() {
    let project = TestProject::with_points();
    let answer = project.run(&["train", "experiments/lr/config.yaml"]).ok();
    assert_eq!(answer.stderr, "");
    insta::assert_snapshot!(project.redact(&answer.stdout), @r#"
    points v1  logistic_regression of experiment lr
    rows  200: 120 train, 40 validation, 40 test
    classes  "1" (the positive class), "0"
    fit  2 features in <duration>, 6 iterations

    metric  train  validation  test  95 % (test)
    f1  0.7478  0.8333  0.8571  0.726–0.937
    accuracy  0.7583  0.8500  0.8500  0.737–0.950
    log_loss  0.4778  0.3505  0.3604  0.280–0.435

    model  checkpoints/experiments/points/v1
    run  <run>  experiments/lr/runs/<run id>

    next: mlops promote points/1
    "#);
}

#[test]
fn several_configs_are_trained_and_the_best_is_promoted() {
    let project = TestProject::with_points();
    let configs = ["experiments/lr/config.yaml", "experiments/forest/config.yaml"];
    let answer = project.run(&["train", configs[0], configs[1], "--promote", "--quiet"]).ok();
    assert_eq!(answer.stderr, "");
    insta::assert_snapshot!(project.redact(&answer.stdout), @"
    points v1  f1 0.8571  checkpoints/experiments/points/v1
    points v2  f1 0.8837  checkpoints/experiments/points/v2
    candidate  version  validation  test
    points/1  points v1  0.8333  0.8571  best
    points/2  points v2  0.6190  0.8837

    gate  f1  >= 0.55  0.8571  yes
    gate  ONNX parity  <= 1e-5  3e-8  yes  8 golden rows, tract 0.23.9
    points v1 went from None to Production
    active  production/points/active -> v1  (8 golden rows answered as in training)
    release  model.onnx, preprocessor.json, model_metadata.json, model_card.md
    ");
    assert!(project.link("active").is_some());
}

#[test]
fn every_file_of_the_run_and_of_the_version_is_there() {
    let project = TestProject::with_points();
    let trained = project.train("lr", &["--name", "first"]);
    let run = format!("experiments/lr/runs/{}", trained["run_id"].as_str().unwrap());
    let names = |folder: &str| {
        let entries = std::fs::read_dir(project.path(folder)).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let files = [
        "config.yaml",
        "data.json",
        "environment.json",
        "importance.json",
        "metrics.json",
        "predictions.parquet",
        "rows.parquet",
        "training_history.json",
    ];
    assert_eq!(names(&run), files);
    let files = [
        "config.yaml",
        "features.json",
        "golden.json",
        "manifest.json",
        "model.safetensors",
        "reference.json",
        "schema.json",
    ];
    assert_eq!(names("checkpoints/experiments/points/v1"), files);
    for name in ["metrics.json", "training_history.json"] {
        assert_eq!(project.read(&format!("experiments/lr/{name}")), project.read(&format!("{run}/{name}")), "{name}");
    }
    let metrics: Value = serde_json::from_str(&project.read("experiments/lr/metrics.json")).unwrap();
    assert_eq!(metrics["run_id"], trained["run_id"]);
    assert_eq!(metrics["splits"]["test"]["metrics"]["f1"], trained["metrics"]["test"]["metrics"]["f1"]);
    let environment: Value = serde_json::from_str(&project.read(&format!("{run}/environment.json"))).unwrap();
    for key in ["seed", "data_fingerprint", "test_ids", "threads", "mlops_version", "command_line"] {
        assert!(environment[key].is_string(), "{key}: {environment}");
    }
}

#[test]
fn the_rendered_config_trains_the_same_model() {
    let project = TestProject::with_points();
    let first = project.train("lr", &["--set", "model.params.C=0.25", "--set", "seed=9"]);
    let rendered = project.read(&format!("experiments/lr/runs/{}/config.yaml", first["run_id"].as_str().unwrap()));
    for expected in ["C: 0.25", "seed: 9", "max_iter: ", "otherwise: staging"] {
        assert!(rendered.contains(expected), "{expected} in:\n{rendered}");
    }
    project.write("experiments/again/config.yaml", &rendered);
    project.run(&["train", "experiments/again/config.yaml"]).ok();
    let model = |version: u32| {
        std::fs::read(project.path(&format!("checkpoints/experiments/points/v{version}/model.safetensors"))).unwrap()
    };
    assert_eq!(model(1), model(2));
}

#[test]
fn same_seed_same_bytes_and_another_seed_other_bytes() {
    let project = TestProject::with_points();
    for more in [&["--threads", "1"][..], &["--threads", "3"], &["--set", "seed=7"]] {
        project.train("forest", more);
    }
    let file = |version: u32, name: &str| {
        std::fs::read(project.path(&format!("checkpoints/experiments/points/v{version}/{name}"))).unwrap()
    };
    for name in ["model.safetensors", "golden.json", "reference.json", "schema.json", "features.json", "config.yaml"] {
        assert_eq!(file(1, name), file(2, name), "{name}");
    }
    assert_ne!(file(1, "model.safetensors"), file(3, "model.safetensors"));
}

#[test]
fn a_failed_run_leaves_no_version_and_says_why() {
    let project = TestProject::with_points();
    let mut rows = project.read("data/points.csv");
    rows += "p200,zero,0.5,1,train\n";
    project.write("data/points.csv", &rows);
    let answer = project.run(&["train", "experiments/lr/config.yaml"]).code(2);
    insta::assert_snapshot!(project.redact(&answer.stderr), @"
    error: data/points.csv: row 201, column `a`: expected a number, got `zero`
    ");
    assert!(!project.path("checkpoints/experiments/points/v1").exists());
    let run = project.run(&["--json", "runs", "list"]).ok().json()["items"][0].take();
    assert_eq!(run["status"], "FAILED", "{run}");
    assert!(run["tags"]["error"].as_str().unwrap().contains("zero"), "{run}");
    project.run(&["runs", "show", "@latest"]).code(4);
}

#[test]
fn every_problem_of_every_config_is_told_before_a_row_is_read() {
    let project = TestProject::with_points();
    project.write("experiments/a/config.yaml", config("a", "logistic_regresion"));
    project.write("experiments/b/config.yaml", config("b", "random_forest").replace("n_estimators", "n_trees"));
    let answer = project.run(&["train", "experiments/a/config.yaml", "experiments/b/config.yaml"]).code(2);
    insta::assert_snapshot!(project.redact(&answer.stderr), @"
    error: unknown kind of model `logistic_regresion`
    --> experiments/a/config.yaml:6  model.kind
    |
    6 | model: {name: points, kind: logistic_regresion, params: {}}
    |
    hint: did you mean `logistic_regression`?

    error: unknown parameter `n_trees`
    --> experiments/b/config.yaml:6  model.params.n_trees
    |
    6 | model: {name: points, kind: random_forest, params: {n_trees: 10}}
    |
    hint: known: n_estimators, criterion, max_depth, min_samples_split, min_samples_leaf, max_features, class_weight, bootstrap

    error: 2 problems in 2 configs
    ");
    assert!(!project.path("experiments/tracking.db").exists());
}

#[test]
fn a_fit_that_does_not_converge_is_told() {
    let project = TestProject::with_points();
    let answer = project.run(&["train", "experiments/lr/config.yaml", "--set", "model.params.max_iter=1"]).ok();
    assert!(answer.stderr.starts_with("warning: "), "{}", answer.stderr);
    let run = project.run(&["--json", "runs", "show", "@latest"]).ok().json();
    assert_eq!(run["run"]["metrics"]["converged"], 0.0, "{run}");
}
