//! Rankings compared, gated and reported: query by query, under one convention.

use serde_json::Value;

use super::support::{Parquet, TestProject, letor, ranking_config};

/// A project whose `ranker` has a boosted version 1 and a neural version 2, tested on 60 queries.
fn two() -> TestProject {
    let project = TestProject::with_rankings(&["lambdamart", "ranknet"]);
    project.write("data/test.txt", letor(32, 60));
    project.train("lambdamart", &[]);
    project.train("ranknet", &["--set", "training.epochs=1"]);
    project
}

#[track_caller]
fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// The mean over the test queries of a column of `per_query.parquet`.
fn mean_of(project: &TestProject, run: &str, column: &str) -> f64 {
    let row: Value = project.run(&["--json", "runs", "show", run]).ok().json();
    let experiment = row["run"]["experiment"].as_str().or(row["experiment"].as_str()).unwrap().to_owned();
    let id = row["run"]["run_id"].as_str().or(row["run_id"].as_str()).unwrap().to_owned();
    let file = Parquet::read(&project.path(&format!("experiments/{experiment}/runs/{id}/per_query.parquet")));
    let (parts, values) = (file.texts("split"), file.numbers(column));
    let tested: Vec<f64> =
        parts.iter().zip(values).filter(|(part, _)| *part == "test").map(|(_, value)| value).collect();
    assert_eq!(tested.len(), 60);
    tested.iter().sum::<f64>() / 60.0
}

#[test]
fn two_versions_are_compared_query_by_query() {
    let project = two();
    let document = project.run(&["--json", "compare", "ranker/1", "ranker/2", "--why"]).ok().json();
    assert_eq!(document["metric"], "ndcg@10");
    let rows = document["rows"].as_array().unwrap();
    let candidate = rows.iter().find(|row| row["baseline"] == false).unwrap();
    let found = &candidate["difference"];
    assert_eq!((&found["unit"], &found["n"], &found["kind"]), (&"queries".into(), &60.into(), &"permutation".into()));
    assert_eq!(found["test"], "paired sign-flip permutation, 10,000");
    for row in rows {
        let side = if row["baseline"] == true { "baseline" } else { "candidate" };
        let run = row["run_id"].as_str().unwrap();
        assert!((number(&found[side]) - mean_of(&project, run, "ndcg@10")).abs() < 1e-12);
        assert!((number(&found[side]) - number(&row["value"])).abs() < 1e-12);
    }
    let moved = &document["queries"][0];
    assert_eq!((&moved["metric"], &moved["queries"]), (&"ndcg@10".into(), &60.into()));
    let first = &moved["examples"][0];
    assert!((number(&first["candidate"]) - number(&first["baseline"]) - number(&first["gain"])).abs() < 1e-12);
    assert_eq!(first["documents"], 8);
    assert!(first["moved"][0]["id"].as_str().unwrap().starts_with('d'), "{first}");
    assert!(document.get("flips").is_none());
    let text = project.run(&["compare", "ranker/1", "ranker/2", "--why"]).ok().stdout;
    for line in [
        "ndcg@10 against ranker v1, query by query",
        "queries needed (80 % power)",
        "queries whose ndcg@10 changed from",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
}

#[test]
fn a_regression_and_many_candidates_have_their_exit_codes() {
    let project = two();
    // A model against itself: nothing tells the two apart, and nothing is wrong.
    project.train("lambdamart", &[]);
    project.run(&["compare", "ranker/1", "ranker/3", "--fail-on", "regression"]).ok();
    // Documents in an order that knows nothing.
    let random = ["--set", "training.learning_rate=1e-9", "--set", "training.epochs=1"];
    let bad = project.train("ranknet", &random)["version"].as_u64().unwrap();
    let bad = format!("ranker/{bad}");
    let arguments = ["--json", "compare", "ranker/2", &bad, "ranker/3", "--baseline", "ranker/1"];
    let document = project.run(&arguments).ok().json();
    let tested: Vec<&Value> =
        document["rows"].as_array().unwrap().iter().filter(|row| row["baseline"] == false).collect();
    assert_eq!(tested.len(), 3);
    for row in tested {
        let found = &row["difference"];
        assert!(number(&found["adjusted_p"]) >= number(&found["p"]), "{found}");
    }
    project.run(&["compare", "ranker/1", &bad, "--fail-on", "regression"]).code(3);
    project.run(&["compare", "ranker/1", &bad, "--test", "bootstrap", "--metric", "map"]).ok();
    let error = project.run(&["compare", "ranker/1", &bad, "--test", "mcnemar"]).code(2).stderr;
    assert!(error.contains("the test `mcnemar` does not fit the values of `ndcg@10`"), "{error}");
    // What the fit told of its epochs.
    let columns = ["compare", "ranker/2", &bad, "--columns", "min loss step,max val_ndcg@10"];
    let text = project.run(&columns).ok().stdout;
    let line = text.lines().find(|line| line.contains("ranker v2")).unwrap();
    let cells: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(cells[cells.len() - 2], "1", "the least loss is of the one epoch: {text}");
    assert!(text.contains("max val_ndcg@10"), "{text}");
}

#[test]
fn other_queries_tasks_and_missing_predictions_are_refused() {
    let project = two();
    project.write("data/test.txt", letor(32, 59));
    project.train("lambdamart", &[]);
    let error = project.run(&["compare", "ranker/1", "ranker/3"]).code(2).stderr;
    assert!(error.contains("were tested on different rows"), "{error}");
    let both = ["--json", "compare", "ranker/1", "ranker/3", "--allow-different-data"];
    let document = project.run(&both).ok().json();
    let rows = document["rows"].as_array().unwrap();
    assert_eq!(rows.iter().find_map(|row| row["difference"]["n"].as_u64()), Some(59));
    let points = TestProject::with_points();
    project.write("data/points.csv", points.read("data/points.csv"));
    project.write("experiments/lr/config.yaml", points.read("experiments/lr/config.yaml"));
    project.train("lr", &[]);
    let other = ["compare", "ranker/1", "points/1", "--allow-different-data", "--metric", "seconds_fit", "--no-test"];
    project.run(&other).ok();
    let other = ["compare", "ranker/1", "points/1", "--allow-different-data", "--test", "permutation"];
    let error = project.run(&other).code(2).stderr;
    assert!(error.contains("is a ranking") && error.contains("is a classification"), "{error}");
    let run = project.run(&["--json", "compare", "ranker/1", "ranker/2"]).ok().json();
    let id = run["rows"][0]["run_id"].as_str().unwrap().to_owned();
    let experiment = run["rows"][0]["experiment"].as_str().unwrap().to_owned();
    std::fs::remove_file(project.path(&format!("experiments/{experiment}/runs/{id}/predictions.parquet"))).unwrap();
    let error = project.run(&["compare", "ranker/1", "ranker/2"]).code(2).stderr;
    assert!(error.contains("has no stored predictions"), "{error}");
}

#[test]
fn other_conventions_are_valued_by_the_baselines() {
    let project = two();
    let config =
        ranking_config("ones", "lambdamart").replace("bootstrap: 100", "bootstrap: 100, ranking: {empty: one}");
    project.write("experiments/ones/config.yaml", config);
    project.train("ones", &[]);
    // The same model: higher by nothing but the convention.
    let document = project.run(&["--json", "compare", "ranker/1", "ranker/3"]).ok().json();
    let rows = document["rows"].as_array().unwrap();
    let values: Vec<f64> = rows.iter().map(|row| number(&row["value"])).collect();
    assert_eq!(values[0], values[1]);
    let other = rows.iter().find(|row| row["baseline"] == false).unwrap();
    assert_eq!(other["columns"]["map"], Value::Null);
    assert_eq!(other["difference"]["effect"], 0.0);
    let note = document["notes"][0].as_str().unwrap();
    assert!(note.contains("count 1)") && note.contains("count 0)"), "{note}");
    let error = project.run(&["compare", "ranker/1", "ranker/2", "ranker/3"]).code(2).stderr;
    assert!(error.contains("judged by other conventions") && error.contains("--baseline"), "{error}");
}

#[test]
fn the_gate_holds_a_ranking_against_production_on_queries() {
    let project = two();
    project.run(&["promote", "ranker/1"]).ok();
    let judged = |policy: &str, code: i32| {
        project.write("gate.yaml", policy);
        project.run(&["--json", "promote", "ranker/2", "--policy", "gate.yaml", "--dry-run"]).code(code).json()
    };
    let wide = judged("versus_production: {metric: ndcg@10, mode: non_inferiority, margin: 0.9}", 0);
    let line = &wide["checks"][0];
    assert_eq!((&line["verdict"], &line["difference"]["unit"]), (&"pass".into(), &"queries".into()));
    assert!(line["detail"].as_str().unwrap().contains("60 queries"), "{line}");
    assert_eq!((&wide["compared_on"]["queries"], &wide["compared_on"]["rows"]), (&60.into(), &480.into()));
    judged("versus_production: {metric: map, mode: minimum_effect, min_effect: 0.9}", 3);
    let value = number(&judged("require: {metric: ndcg@10, min: 0.1}", 0)["checks"][0]["value"]);
    let bound = |min: f64| format!("require: {{metric: ndcg@10, min: {min:?}, bound: lower}}");
    judged(&bound(0.1), 0);
    judged(&bound(value - 0.0001), 5);
    judged(&bound(value + 0.0001), 3);
    let minimum = judged("minimum: {rows: 480, positives: 10, queries: 61}", 3);
    let lines: Vec<String> = minimum["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|line| line["kind"] == "minimum")
        .map(|line| format!("{} {}", line["metric"].as_str().unwrap(), line["verdict"].as_str().unwrap()))
        .collect();
    assert_eq!(lines[..3], ["test documents pass", "relevant test documents pass", "test queries fail"]);
    assert_eq!(judged("guardrails: {size: {max_mb: 50}}", 0)["checks"][0]["verdict"], "pass");
    for (rule, why) in [
        ("require: {metric: f1, min: 0.1}", "`f1` is a metric of classification, and the task is ranking"),
        ("guardrails: {calibration: {max_ece: 0.1}}", "`guardrails.calibration`"),
        ("guardrails: {subgroups: {column: x, metric: f1, min: 0.1}}", "`guardrails.subgroups`"),
    ] {
        project.write("gate.yaml", rule);
        let error = project.run(&["promote", "ranker/2", "--policy", "gate.yaml", "--dry-run"]).code(2).stderr;
        assert!(error.contains(why), "{error}");
    }
    let best = project.run(&["--json", "promote", "ranker/1", "ranker/2", "--best", "p@5", "--dry-run"]);
    assert_eq!(best.json()["candidates"].as_array().unwrap().len(), 2);
}

#[test]
fn queries_that_one_version_learned_from_do_not_judge() {
    let project = two();
    project.run(&["promote", "ranker/1"]).ok();
    // The third version has learned from half of what the first two were tested on; its own test rows are the same ones.
    project.write("data/train.txt", letor(0, 24) + &letor(32, 30));
    project.train("ranknet", &[]);
    project.write("gate.yaml", "versus_production: {metric: ndcg@10, mode: non_inferiority, margin: 0.9}");
    let arguments = ["--json", "promote", "ranker/3", "--policy", "gate.yaml", "--dry-run"];
    let document = project.run(&arguments).ok().json();
    let on = &document["compared_on"];
    assert_eq!((&on["queries"], &on["rows"], &on["learned"]), (&30.into(), &240.into(), &240.into()));
    let detail = document["checks"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("240 more documents left out: one of the two learned from their queries"), "{detail}");
}

#[test]
fn reports_say_the_conventions_and_draw_the_queries() {
    let project = two();
    let report = |item: &str| project.run(&["report", item]).ok().stdout;
    let text = report("ranker/2");
    let heads: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let expected =
        ["Gate", "Data window", "Metrics", "Queries", "Learning curves", "Parameters", "Environment", "History"];
    assert_eq!(heads, expected);
    for line in [
        "over 60 queries (8 without relevant documents count 0; skipped 0.",
        "| metric | test [95 % interval], 60 queries |",
        "Conventions: gain 2^grade",
        "| queries without relevant documents | count 0 | are skipped | count 1 |",
        "_Figure: NDCG by rank: ranker v2; test rows, 60 queries, whiskers: 95 % interval",
        "_Figure: ndcg@10 of each query: ranker v2",
        "The queries with the lowest ndcg@10, of those with a relevant document:",
        "_Figure: Learning curves: ranker v2; 1 epoch",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    for word in ["Confusion", "ROC", "Average:"] {
        assert!(!text.contains(word), "{word}");
    }
    assert!(report("ranker/1").contains("## Feature importance"));
    let experiment = report("ranknet");
    assert!(experiment.contains("## Leaderboard") && experiment.contains("## The best run"), "{experiment}");
    let page = |name: &str| {
        project.run(&["report", "ranker/2", "--out", name]).ok();
        project.read(name)
    };
    assert_eq!(page("a.html"), page("b.html"));
    project.run(&["compare", "ranker/1", "ranker/2", "--why", "--report", "c.md"]).ok();
    let compared = project.read("c.md");
    assert!(
        compared.contains("## Queries that moved") && compared.contains("queries needed (80 % power)"),
        "{compared}"
    );
    assert!(project.read("c_files/gains.svg").contains("better"));
}
