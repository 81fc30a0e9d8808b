//! `mlops compare`: runs side by side on the same rows.

use serde_json::Value;

use super::support::{TestProject, config};

fn trained() -> (TestProject, [String; 2]) {
    let project = TestProject::with_points();
    let runs = ["lr", "forest"].map(|name| project.train(name, &[])["run_id"].as_str().unwrap().to_owned());
    (project, runs)
}

#[test]
fn the_best_comes_first() {
    let (project, _) = trained();
    let answer = project.run(&["compare", "lr", "forest"]).ok();
    insta::assert_snapshot!(project.redact(&answer.stdout), @"
    run  experiment  model  f1  accuracy  precision  recall  roc_auc  average_precision  log_loss
    <run>  forest  points v2  0.8837  best  0.8750  0.9048  0.8636  0.9318  0.9489  1.1413
    <run>  lr  points v1  0.8571  0.8500  0.9000  0.8182  0.9646  0.9733  0.3604

    params that differ
    run  model.C  model.bootstrap  model.criterion  model.fit_intercept  model.kind  model.max_depth
    <run>  –  true  gini  –  random_forest  null
    <run>  1.0  –  –  true  logistic_regression  –
    … and 6 more (`--json` shows all)
    ");
}

#[test]
fn runs_are_named_by_id_prefix_experiment_version_and_selector() {
    let (project, [lr, forest]) = trained();
    let ids = |items: &[&str]| {
        let document = project.run(&[&["--json", "compare"], items].concat()).ok().json();
        let rows = document["rows"].as_array().unwrap().iter();
        let mut ids: Vec<String> = rows.map(|row| row["run_id"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    };
    let mut both = vec![lr.clone(), forest.clone()];
    both.sort();
    for items in [
        [lr.as_str(), forest.as_str()],
        [&lr[..10], &forest[..10]],
        ["lr", "forest"],
        ["points/1", "points/2"],
        ["@latest", "lr"],
        ["@best:f1", "@best:log_loss"],
    ] {
        assert_eq!(ids(&items), both, "{items:?}");
    }
}

#[test]
fn a_gain_is_positive_where_it_is_better() {
    let (project, _) = trained();
    for metric in ["f1", "log_loss"] {
        let document =
            project.run(&["--json", "compare", "lr", "forest", "--metric", metric, "--baseline", "lr"]).ok().json();
        let rows = document["rows"].as_array().unwrap();
        assert_eq!(rows.iter().map(|row| row["best"] == true).collect::<Vec<_>>(), [true, false], "{metric}");
        let of = |name: &str| rows.iter().find(|row| row["experiment"] == name).unwrap();
        let value = |name: &str| of(name)["value"].as_f64().unwrap();
        let difference = value("forest") - value("lr");
        let expected = if metric == "f1" { difference } else { -difference };
        assert_eq!(of("forest")["gain"], Value::from(expected), "{metric}");
        assert_eq!(of("forest")["best"] == true, expected > 0.0, "{metric}");
        assert_eq!((&of("lr")["gain"], &of("lr")["baseline"]), (&Value::from(0.0), &Value::Bool(true)));
    }
}

#[test]
fn different_test_rows_are_not_compared() {
    let (project, _) = trained();
    let other = config("other", "logistic_regression").replace("{column: split}", "{train: 0.5, test: 0.5}");
    project.write("experiments/other/config.yaml", other);
    project.train("other", &[]);
    let answer = project.run(&["compare", "lr", "other"]).code(2);
    insta::assert_snapshot!(project.redact(&answer.stderr), @"
    error: runs <run> and <run> were tested on different rows: their metrics cannot be compared
    hint: `mlops evaluate MODEL --data …` gives both the same rows; `--allow-different-data` compares all the same
    ");
    project.run(&["compare", "lr", "other", "--allow-different-data"]).ok();
}

#[test]
fn what_cannot_be_compared_is_said() {
    let (project, [lr, _]) = trained();
    project.run(&["compare", "lr"]).code(2);
    project.run(&["compare", "lr", "nobody"]).code(4);
    project.run(&["compare", &lr, "deadbeef"]).code(4);
    let metric = project.run(&["compare", "lr", "forest", "--metric", "f2"]).code(2);
    assert!(metric.stderr.contains("did you mean `f1`?"), "{}", metric.stderr);
}

#[test]
fn top_leaves_out_and_says_how_many() {
    let (project, _) = trained();
    let document = project.run(&["--json", "compare", "lr", "forest", "--top", "1"]).ok().json();
    assert_eq!((document["rows"].as_array().unwrap().len(), &document["left_out"]), (1, &Value::from(1)));
    let kept = project.run(&["--json", "compare", "lr", "forest", "--top", "1", "--baseline", "lr"]).ok().json();
    assert!(kept["rows"].as_array().unwrap().iter().any(|row| row["baseline"] == true), "the baseline is always shown");
}
