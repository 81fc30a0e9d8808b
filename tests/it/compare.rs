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
    run  experiment  model  f1  gain  accuracy  precision  recall  roc_auc  average_precision  log_loss
    <run>  forest  points v2  0.8837  +0.0266  best  0.8750  0.9048  0.8636  0.9318  0.9489  1.1413
    <run>  lr  points v1  0.8571  baseline  0.8500  0.9000  0.8182  0.9646  0.9733  0.3604

    params that differ
    run  model.C  model.bootstrap  model.criterion  model.fit_intercept  model.kind  model.max_depth
    <run>  –  true  gini  –  random_forest  null
    <run>  1.0  –  –  true  logistic_regression  –
    … and 6 more (`--json` shows all)

    f1 against points v1, row by row
    run  model  gain  95 % interval  p  verdict  rows needed (80 % power)  rows  test
    <run>  points v2  +0.0266  [-0.1011, +0.1669]  0.716  inconclusive  2,085  40  paired bootstrap, 10,000 replicates, BCa
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

/// `answers[row]` of the test rows, from the predictions that a run left.
fn answers(project: &TestProject, experiment: &str, run: &str) -> Vec<bool> {
    let path = project.path(&format!("experiments/{experiment}/runs/{run}/predictions.parquet"));
    let table = super::support::Parquet::read(&path);
    let (parts, labels, predicted) = (table.texts("split"), table.texts("label"), table.texts("predicted"));
    let rows = (0..parts.len()).filter(|row| parts[*row] == "test");
    rows.map(|row| labels[row] == predicted[row]).collect()
}

#[test]
fn why_names_the_rows_that_changed() {
    let (project, [lr, forest]) = trained();
    let document = project.run(&["--json", "compare", "lr", "forest", "--metric", "accuracy", "--why"]).ok().json();
    let (old, new) = (answers(&project, "lr", &lr), answers(&project, "forest", &forest));
    let count = |was: bool, is: bool| old.iter().zip(&new).filter(|(old, new)| (**old, **new) == (was, is)).count();
    let (won, lost) = (count(false, true), count(true, false));
    assert!(won > 0 && lost > 0, "the test needs both");
    let flips = &document["flips"][0];
    assert_eq!((flips["won"].as_u64(), flips["lost"].as_u64()), (Some(won as u64), Some(lost as u64)));
    assert_eq!(flips["examples"].as_array().unwrap().len(), won + lost);
    let difference = document["rows"].as_array().unwrap().iter().find_map(|row| row.get("difference")).unwrap();
    assert_eq!((&difference["kind"], &difference["n"]), (&Value::from("mcnemar"), &Value::from(40)));
    assert_eq!(difference["discordant"]["n01"].as_u64(), Some(won as u64));
    assert_eq!(difference["discordant"]["n10"].as_u64(), Some(lost as u64));
}

#[test]
fn fail_on_regression_tells_worse_from_unclear() {
    let project = TestProject::with_reviews();
    for more in [&[][..], &["--set", "model.params.C=0.0001"][..], &["--set", "model.params.C=1.1"][..]] {
        project.train("reviews_lr", more);
    }
    let run = |items: &[&str], code: i32| {
        project.run(&[&["compare"], items, &["--metric", "accuracy", "--fail-on", "regression"]].concat()).code(code);
    };
    run(&["reviews/1", "reviews/2"], 3);
    run(&["reviews/2", "reviews/1"], 0);
    run(&["reviews/1", "reviews/3"], 5);
    // Of several candidates the worst decides.
    run(&["reviews_lr", "--baseline", "reviews/1"], 3);
    run(&["reviews_lr"], 2);
    project.run(&["compare", "reviews/1", "reviews/2"]).ok();
}

#[test]
fn a_test_that_cannot_be_made_is_an_error() {
    let (project, [lr, _]) = trained();
    std::fs::remove_file(project.path(&format!("experiments/lr/runs/{lr}/predictions.parquet"))).unwrap();
    let error = project.run(&["compare", "lr", "forest"]).code(2).stderr;
    assert!(error.contains("has no stored predictions") && error.contains("`--no-test`"), "{error}");
    let table = project.run(&["compare", "lr", "forest", "--no-test"]).ok().stdout;
    assert!(table.contains("forest") && !table.contains("paired"), "{table}");
    for asked in [["--baseline", "lr"], ["--test", "mcnemar"], ["--fail-on", "regression"]] {
        let error = project.run(&[&["compare", "lr", "forest"][..], &asked].concat()).code(2).stderr;
        assert!(error.contains("has no stored predictions"), "{error}");
    }
    project.run(&["compare", "lr", "forest", "--why"]).code(2);
    let (project, _) = trained();
    let said = |more: &[&str]| project.run(&[&["compare", "lr", "forest"], more].concat()).code(2).stderr;
    assert!(said(&["--test", "delong"]).contains("does not fit `f1`"));
    assert!(said(&["--test", "mcnemr"]).contains("unknown test `mcnemr`"), "{}", said(&["--test", "mcnemr"]));
    assert!(said(&["--metric", "n_iter", "--baseline", "lr"]).contains("has no direction"));
    assert!(said(&["--metric", "seconds_fit", "--baseline", "lr"]).contains("no metric of rows"));
    project.run(&["compare", "lr", "forest", "--metric", "n_features", "--order", "lower"]).code(2);
}

#[test]
fn another_positive_label_is_another_question() {
    let project = TestProject::with_points();
    let turned = config("lr", "logistic_regression").replace("  split: {column", "  positive: 0\n  split: {column");
    project.train("lr", &[]);
    project.write("experiments/turned/config.yaml", turned.replace("name: lr", "name: turned"));
    project.train("turned", &[]);
    let error = project.run(&["compare", "lr", "turned", "--baseline", "lr"]).code(2).stderr;
    assert!(error.contains("the positive label `1`") && error.contains("the positive label `0`"), "{error}");
}

#[test]
fn columns_read_the_history_of_a_metric() {
    let project = TestProject::new();
    let id = project.run(&["runs", "create", "--experiment", "deep"]).ok().stdout.trim().to_owned();
    for point in ["loss=0.9@1", "loss=0.3@2", "loss=0.5@3", "f1=0.7@3"] {
        project.run(&["runs", "log", &id, "--metric", point]).ok();
    }
    let other = project.run(&["runs", "create", "--experiment", "deep"]).ok().stdout.trim().to_owned();
    for point in ["loss=0.8@1", "loss=0.4@2", "f1=0.6@2"] {
        project.run(&["runs", "log", &other, "--metric", point]).ok();
    }
    for run in [&id, &other] {
        project.run(&["runs", "finish", run]).ok();
    }
    let compare = |metric: &str, more: &[&str]| {
        let columns = "first loss,loss,max loss,min loss step,loss step";
        let asked = [&["--json", "compare", &id, &other, "--metric", metric, "--columns", columns], more].concat();
        project.run(&asked).ok().json()
    };
    let document = compare("min loss", &[]);
    let best = &document["rows"][0];
    assert_eq!((&best["run_id"], &best["value"], &best["best"]), (&id.as_str().into(), &0.3.into(), &true.into()));
    let columns = &best["columns"];
    let found = ["first loss", "loss", "max loss", "min loss step", "loss step"].map(|name| columns[name].as_f64());
    assert_eq!(found, [Some(0.9), Some(0.5), Some(0.9), Some(2.0), Some(3.0)]);
    // By the last value the other one is better, and so it is by the first step that was the best.
    assert_eq!(compare("loss", &[])["rows"][0]["run_id"], other.as_str());
    let sorted = compare("min loss", &["--sort", "f1"]);
    assert_eq!((&sorted["rows"][0]["run_id"], &sorted["rows"][0]["best"]), (&id.as_str().into(), &true.into()));
    project.run(&["compare", &id, &other, "--metric", "least loss step now"]).code(2);
}

#[test]
fn a_direction_that_is_known_is_not_turned_round() {
    let (project, _) = trained();
    let error = project.run(&["compare", "lr", "forest", "--metric", "f1", "--order", "lower"]).code(2).stderr;
    assert!(error.contains("`f1` is better when it is higher"), "{error}");
}

#[test]
fn the_same_answers_are_no_regression_and_other_views_are_other_metrics() {
    let project = TestProject::with_points();
    project.train("lr", &[]);
    project.train("lr", &[]);
    project.run(&["compare", "points/1", "points/2", "--fail-on", "regression"]).ok();
    project.run(&["evaluate", "points/1"]).ok();
    project.run(&["evaluate", "points/2", "--pos-label", "0"]).ok();
    let runs = project.run(&["--json", "runs", "search", "command = 'evaluate'"]).ok().json();
    let ids: Vec<&str> = runs["items"].as_array().unwrap().iter().map(|run| run["run_id"].as_str().unwrap()).collect();
    let error = project.run(&["compare", ids[0], ids[1]]).code(2).stderr;
    assert!(error.contains("positive 0") && error.contains("the model's own"), "{error}");
}

#[test]
fn every_candidate_counts_for_a_regression_shown_or_not() {
    let project = TestProject::with_reviews();
    for c in ["1", "0.0001"] {
        project.train("reviews_lr", &["--set", &format!("model.params.C={c}")]);
    }
    let arguments = ["compare", "reviews_lr", "--baseline", "reviews/1", "--top", "1", "--fail-on", "regression"];
    project.run(&arguments).code(3);
}

#[test]
fn a_comparison_can_be_a_paper() {
    let (project, _) = trained();
    for (name, form) in [("c.md", "# Comparison by f1"), ("c.html", "<title>Comparison by f1")] {
        let path = project.path(name).display().to_string();
        project.run(&["compare", "lr", "forest", "--why", "--report", &path]).ok();
        let text = project.read(name);
        for part in [form, "inconclusive", "Answers that changed", "paired bootstrap"] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }
    project.run(&["compare", "lr", "forest", "--report", "c.pdf"]).code(2);
}
