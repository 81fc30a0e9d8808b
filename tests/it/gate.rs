//! The gate: bounds, comparison with production, guardrails, policy files, and what the ledger keeps of them.

use serde_json::Value;

use super::support::{TestProject, config};

/// A project with one version of `points` in production and a second one that answers otherwise.
fn with_production() -> TestProject {
    let project = TestProject::with_points();
    project.train("lr", &[]);
    project.run(&["promote", "points"]).ok();
    project.train("forest", &[]);
    project
}

/// The one line of a gate that a policy makes.
#[track_caller]
fn judged(project: &TestProject, policy: &str, code: i32) -> Value {
    project.write("gate.yaml", policy);
    let arguments = ["--json", "promote", "points/2", "--policy", "gate.yaml", "--dry-run"];
    project.run(&arguments).code(code).json()
}

/// What each line says.
fn verdicts(document: &Value) -> Vec<String> {
    let lines = document["checks"].as_array().unwrap().iter();
    // Every gate in front of production has the line about the exported file.
    let lines = lines.filter(|line| line["kind"] != "parity" || line["verdict"] != "pass");
    lines.map(|line| format!("{}: {}", line["metric"].as_str().unwrap(), line["verdict"].as_str().unwrap())).collect()
}

#[test]
fn a_bound_on_the_interval_is_inconclusive_between_the_two() {
    let project = with_production();
    let value = judged(&project, "require: [{metric: f1, min: 0.1}]", 0)["checks"][0]["value"].as_f64().unwrap();
    let rule = |min: f64| format!("require: [{{metric: f1, min: {min:?}, bound: lower}}]");
    assert_eq!(verdicts(&judged(&project, &rule(0.1), 0)), ["f1: pass"]);
    assert_eq!(verdicts(&judged(&project, &rule(value - 0.001), 5)), ["f1: inconclusive"]);
    assert_eq!(verdicts(&judged(&project, &rule(value + 0.001), 3)), ["f1: fail"]);
    let lenient = format!("{}\ninconclusive: promote", rule(value - 0.001));
    assert_eq!(judged(&project, &lenient, 0)["passed"], true);
}

#[test]
fn against_production_noise_is_not_promoted() {
    let project = with_production();
    // A forest that is a little better on 40 rows: nobody can say.
    let better = judged(&project, "versus_production: {metric: f1}", 5);
    assert_eq!(verdicts(&better), ["f1: inconclusive"]);
    let line = &better["checks"][0];
    assert!(line["value"].as_f64().unwrap() > 0.0, "{line}");
    assert_eq!((&line["kind"], &line["difference"]["n"]), (&Value::from("versus_production"), &Value::from(40)));
    assert_eq!(better["compared_on"]["rows"], 40);
    let wide = "versus_production: {metric: f1, mode: non_inferiority, margin: 0.9}";
    assert_eq!(verdicts(&judged(&project, wide, 0)), ["f1: pass"]);
    let effect = "versus_production: {metric: f1, mode: minimum_effect, min_effect: 0.9}";
    assert_eq!(verdicts(&judged(&project, effect, 3)), ["f1: fail"]);
    // The same model again is no better: its interval is [0, 0].
    project.train("lr", &[]);
    project.write("gate.yaml", "versus_production: {metric: f1, mode: non_inferiority, margin: 0.01}");
    project.run(&["promote", "points/3", "--policy", "gate.yaml", "--dry-run"]).ok();
    project.write("gate.yaml", "versus_production: {metric: accuracy}");
    let same = project.run(&["promote", "points/3", "--policy", "gate.yaml", "--dry-run"]);
    assert!([Some(3), Some(5)].contains(&same.code), "an equal version was promoted: {}", same.stdout);
}

#[test]
fn without_production_there_is_nothing_to_hold_against() {
    let project = TestProject::with_points();
    project.train("lr", &[]);
    project.write("gate.yaml", "versus_production: {metric: f1}\nguardrails: {size: {max_ratio: 1.5}}");
    let first = project.run(&["--json", "promote", "points", "--policy", "gate.yaml"]).ok().json();
    assert_eq!(verdicts(&first), ["f1: not_applicable", "size: not_applicable"]);
    assert_eq!(first["to"], "Production");
}

#[test]
fn other_rows_need_an_evaluation_of_both() {
    let project = with_production();
    let other = config("other", "logistic_regression").replace("{column: split}", "{train: 0.5, test: 0.5}");
    project.write("experiments/other/config.yaml", other);
    project.train("other", &[]);
    project.write("gate.yaml", "versus_production: {metric: f1, mode: non_inferiority, margin: 0.9}");
    let judge = |code| {
        let arguments = ["--json", "promote", "points/3", "--policy", "gate.yaml", "--dry-run"];
        project.run(&arguments).code(code).json()
    };
    let none = judge(3);
    assert_eq!(verdicts(&none), ["f1: fail"]);
    let detail = none["checks"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("mlops evaluate points/3 --data") && detail.contains("points/1"), "{detail}");
    // What a model says of the rows that it was trained on decides nothing.
    for version in ["points/1", "points/3"] {
        project.run(&["evaluate", version, "--data", "data/points.csv", "--include-known"]).ok();
    }
    let fresh = judge(0);
    let on = &fresh["compared_on"];
    assert_eq!((on["rows"].as_u64(), on["learned"].as_u64()), (Some(19), Some(181)), "{fresh}");
    project.write("data/new.csv", super::support::points_csv().replace("\np", "\nnew"));
    for version in ["points/1", "points/3"] {
        project.run(&["evaluate", version, "--data", "data/new.csv"]).ok();
    }
    let both = judge(0);
    assert_eq!((verdicts(&both), &both["compared_on"]["rows"]), (vec!["f1: pass".to_owned()], &Value::from(200)));
    let few = "versus_production: {metric: f1, mode: non_inferiority, margin: 0.9}\nminimum: {rows: 150}";
    project.write("gate.yaml", few);
    let lines = verdicts(&judge(3));
    assert_eq!(lines, ["test rows: fail", "f1: pass", "compared rows: pass"]);
}

#[test]
fn guardrails_and_minimum_are_lines_of_their_own() {
    let project = with_production();
    let policy = |text: &str, code| verdicts(&judged(&project, text, code));
    assert_eq!(policy("minimum: {rows: 40, positives: 10}", 0), ["test rows: pass", "positive test rows: pass"]);
    assert_eq!(policy("minimum: {rows: 41, positives: 99}", 3), ["test rows: fail", "positive test rows: fail"]);
    assert_eq!(policy("guardrails: {size: {max_mb: 1, max_ratio: 1000}}", 0), ["size (MB): pass", "size ratio: pass"]);
    assert_eq!(
        policy("guardrails: {size: {max_mb: 0.001, max_ratio: 0.1}}", 3),
        ["size (MB): fail", "size ratio: fail"]
    );
    assert_eq!(policy("guardrails: {calibration: {max_ece: 1}}", 0), ["ece: pass"]);
    assert_eq!(policy("guardrails: {calibration: {max_ece: 0.0001}}", 3), ["ece: fail"]);
    assert_eq!(policy("guardrails: {latency: {max_ratio: 100000}}", 0), ["latency p95: pass"]);
    assert_eq!(
        policy("guardrails: {latency: {max_ratio: 0.000001, quantile: p50, batch: 4}}", 3),
        ["latency p50: fail"]
    );
}

#[test]
fn a_rule_that_nobody_can_measure_is_an_error_and_no_failed_line() {
    let project = TestProject::new();
    // So many words that a batch of 10,000 rows does not fit into the memory.
    let mut csv = "id,text,label,split\n".to_owned();
    for row in 0..60 {
        let words: Vec<String> = (0..1000).map(|word| format!("w{}", row * 1000 + word)).collect();
        csv += &format!("t{row},{},{},{}\n", words.join(" "), row % 2, if row % 4 < 2 { "train" } else { "test" });
    }
    project.write("data/words.csv", csv);
    let config = "experiment: {name: wide}
data:
  source: data/words.csv
  columns: {id: id, text: text, label: label}
  split: {column: split}
features: [{tfidf: {analyzer: word, ngram: [1, 1], min_df: 1}}]
model: {name: points, kind: baseline}
evaluation: {bootstrap: 100}
";
    project.write("experiments/wide/config.yaml", config);
    project.train("wide", &[]);
    project.run(&["promote", "points"]).ok();
    project.train("wide", &[]);
    project.write("gate.yaml", "guardrails: {latency: {max_ratio: 2, batch: 10000}}");
    let refused = project.run(&["promote", "points/2", "--policy", "gate.yaml"]).code(2);
    assert!(refused.stderr.contains("a batch of 10000 rows of 30000 columns does not fit"), "{}", refused.stderr);
    // Nothing was decided, so the ledger has no line about it.
    let history = project.run(&["--json", "models", "history", "points"]).ok().stdout;
    assert!(!history.contains("refused") && project.stages() == ["Production", "None"], "{history}");
}

#[test]
fn the_mistakes_of_a_candidates_config_are_told() {
    let project = TestProject::with_points();
    project.train("lr", &[]);
    let config = project.read("experiments/lr/config.yaml").replace("logistic_regression", "logistic");
    project.write("experiments/lr/config.yaml", config);
    let error = project.run(&["promote", "experiments/lr/config.yaml"]).code(2).stderr;
    assert!(error.contains("`logistic`") && !error.contains("no model"), "{error}");
    let absent = project.run(&["promote", "experiments/absent.yaml"]).stderr;
    assert!(absent.contains("absent.yaml"), "{absent}");
}

#[test]
fn subgroups_are_judged_one_by_one() {
    let project = TestProject::with_points();
    let csv = project.read("data/points.csv");
    let lines = csv.lines().enumerate().map(|(row, line)| match row {
        0 => format!("{line},side\n"),
        _ if row % 30 == 0 => format!("{line},rare\n"),
        _ => format!("{line},{}\n", if row % 2 == 0 { "left" } else { "right" }),
    });
    project.write("data/points.csv", lines.collect::<String>());
    for name in ["lr", "forest"] {
        let text = project.read(&format!("experiments/{name}/config.yaml"));
        let text = text.replace("bootstrap: 100}", "bootstrap: 100, subgroups: [side]}");
        project.write(&format!("experiments/{name}/config.yaml"), text);
    }
    project.train("lr", &[]);
    project.run(&["promote", "points"]).ok();
    project.train("forest", &[]);
    let rule = "guardrails: {subgroups: [{column: side, metric: accuracy, min: 0.1, max_drop: 1, min_rows: 12}]}";
    let found = judged(&project, rule, 0);
    let names = verdicts(&found);
    assert!(names.contains(&"accuracy (side=rare): not_applicable".to_owned()), "{names:?}");
    assert_eq!(names.iter().filter(|name| name.starts_with("accuracy (side=left)")).count(), 2, "{names:?}");
    let strict = rule.replace("min: 0.1", "min: 1.1");
    assert!(verdicts(&judged(&project, &strict, 3)).contains(&"accuracy (side=right): fail".to_owned()));
    let unknown = rule.replace("column: side", "column: region");
    project.write("gate.yaml", unknown);
    let error = project.run(&["promote", "points/2", "--policy", "gate.yaml", "--dry-run"]).code(2).stderr;
    assert!(error.contains("`region`") && error.contains("evaluation.subgroups: [region]"), "{error}");
}

#[test]
fn every_decision_is_kept_with_its_evidence() {
    let project = with_production();
    project.write("gate.yaml", "versus_production: {metric: f1}\notherwise: none");
    project.run(&["promote", "points/2", "--policy", "gate.yaml"]).code(5);
    assert_eq!(project.stages(), ["Production", "None"]);
    project.run(&["promote", "points/2", "--policy", "gate.yaml", "--force", "--reason", "agreed with Kim"]).ok();
    let document = project.run(&["--json", "models", "history", "points"]).ok().json();
    let lines = document["items"].as_array().unwrap();
    let of = |action: &str| lines.iter().rev().find(|line| line["action"] == action).unwrap();
    let (refused, forced) = (of("refused"), of("promoted"));
    assert!(refused["reason"].as_str().unwrap().contains("inconclusive"), "{refused}");
    assert_eq!((&forced["forced"], &forced["reason"]), (&Value::Bool(true), &Value::from("agreed with Kim")));
    for line in [refused, forced] {
        let evidence = &line["evidence"];
        assert_eq!((&evidence["verdict"], &evidence["policy"]["file"]), (&"inconclusive".into(), &"gate.yaml".into()));
        assert_eq!(evidence["rules"]["versus_production"][0]["metric"], "f1");
        assert_eq!(evidence["compared_on"]["rows"], 40);
        assert!(evidence["checks"][0]["difference"]["low"].is_number(), "{evidence}");
    }
}

#[test]
fn a_wrong_policy_is_told_with_its_lines() {
    let project = with_production();
    let said = |policy: &str| {
        project.write("gate.yaml", policy);
        project.redact(&project.run(&["promote", "points/2", "--policy", "gate.yaml"]).code(2).stderr)
    };
    insta::assert_snapshot!(said("require:\n  - {metric: f2, min: 0.5}\nversus_production: {metric: f1, mode: non_inferiority}\nguardrail: {}\n"), @"
    error: unknown metric `f2`
    --> gate.yaml:2  require[0].metric
    |
    2 |  - {metric: f2, min: 0.5}
    |
    hint: did you mean `f1`?

    error: `mode: non_inferiority` needs `margin`
    --> gate.yaml:3  versus_production
    |
    3 | versus_production: {metric: f1, mode: non_inferiority}
    |
    hint: margin: 0.01

    error: unknown key `guardrail`
    --> gate.yaml:4  guardrail
    |
    4 | guardrail: {}
    |
    hint: did you mean `guardrails`?

    error: 3 problems in `gate.yaml`
    ");
    assert!(said("").contains("is empty"));
    let missing = project.run(&["promote", "points/2", "--policy", "nowhere.yaml"]).code(2).stderr;
    assert!(missing.contains("there is no policy `nowhere.yaml`"), "{missing}");
}

#[test]
fn answers_that_are_gone_are_said() {
    let project = with_production();
    let document = project.run(&["--json", "compare", "lr", "forest"]).ok().json();
    let run = document["rows"].as_array().unwrap().iter().find(|row| row["experiment"] == "lr").unwrap();
    let folder = format!("experiments/lr/runs/{}", run["run_id"].as_str().unwrap());
    std::fs::remove_file(project.path(&format!("{folder}/predictions.parquet"))).unwrap();
    let line = judged(&project, "versus_production: {metric: f1}", 3);
    assert!(line["checks"][0]["detail"].as_str().unwrap().contains("no stored predictions"), "{line}");
}

#[test]
fn a_gate_in_front_of_staging_is_asked_too() {
    let project = TestProject::with_points();
    project.train("lr", &[]);
    project.write("gate.yaml", "to: staging\nrequire: {metric: f1, min: 0.99}");
    project.run(&["promote", "points", "--policy", "gate.yaml"]).code(3);
    assert_eq!(project.stages(), ["None"]);
    project.run(&["promote", "points", "--to", "staging"]).ok();
    let document = project.run(&["--json", "models", "history", "points"]).ok().json();
    let last = document["items"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["to"], &last["reason"]), (&"Staging".into(), &"no gate was asked".into()));
}

#[test]
fn a_version_that_cannot_be_exported_faithfully_is_refused_in_a_dry_run_too() {
    let project = TestProject::with_points();
    project.train("lr", &[]);
    let path = "checkpoints/experiments/points/v1/golden.json";
    let golden: Value = serde_json::from_str(&project.read(path)).unwrap();
    assert_eq!(golden["scores"].as_array().unwrap().len(), 8);
    let parity = project.run(&["--json", "promote", "points", "--dry-run"]).ok().json();
    let line = parity["checks"].as_array().unwrap().iter().find(|line| line["kind"] == "parity").unwrap().clone();
    assert!(line["value"].as_f64().unwrap() < 1e-5 && line["passed"] == true, "{line}");
}
