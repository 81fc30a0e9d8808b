//! `mlops promote` and `mlops rollback`: the gate, the stages, the ledger, the links.

use serde_json::Value;

use super::support::{TestProject, config};

/// The ledger without times: `v1 promoted: None > Production, tester: the gate passed`.
fn ledger(project: &TestProject) -> Vec<String> {
    let document = project.run(&["--json", "models", "history", "points"]).ok().json();
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let line = |entry: &Value| {
        let forced = if entry["forced"] == true { " forced" } else { "" };
        let [action, from, to, actor, reason] =
            ["action", "from", "to", "actor", "reason"].map(|key| text(&entry[key]));
        let reason = if reason.is_empty() { reason } else { format!(": {reason}") };
        format!("v{} {action}{forced}: {from} > {to}, {actor}{reason}", entry["version"])
    };
    document["items"].as_array().unwrap().iter().map(line).collect()
}

#[test]
fn a_passed_gate_leads_to_production() {
    let project = TestProject::with_points();
    project.train("lr", &[]);
    let answer = project.run(&["promote", "points"]).ok();
    assert_eq!(answer.stderr, "");
    insta::assert_snapshot!(project.redact(&answer.stdout), @"
    gate  f1  >= 0.55  0.8571  yes
    gate  ONNX parity  <= 1e-5  3e-8  yes  8 golden rows, tract 0.23.9
    points v1 went from None to Production
    active  production/points/active -> v1  (8 golden rows answered as in training)
    release  model.onnx, preprocessor.json, model_metadata.json, model_card.md
    ");
    assert_eq!((project.link("active").as_deref(), project.link("previous")), (Some("v1"), None));
    let file = |name: &str| std::fs::read(project.path(name)).unwrap();
    for (name, there) in [
        ("manifest.json", "checkpoint_manifest.json"),
        ("model.safetensors", "model.safetensors"),
        ("config.yaml", "config.yaml"),
        ("golden.json", "golden.json"),
    ] {
        assert_eq!(
            file(&format!("production/points/active/{there}")),
            file(&format!("checkpoints/experiments/points/v1/{name}"))
        );
    }
    let names = ["model.onnx", "preprocessor.json", "model_metadata.json", "model_card.md"];
    assert!(names.iter().all(|name| project.path(&format!("production/points/active/{name}")).is_file()));
    let metadata: Value = serde_json::from_slice(&file("production/points/active/model_metadata.json")).unwrap();
    assert_eq!((&metadata["model_id"], &metadata["status"]), (&"points/1".into(), &"Production".into()));
    let onnx = mlops::fs::sha256(&file("production/points/active/model.onnx"));
    assert_eq!(metadata["files"]["model.onnx"]["sha256"], onnx);
    assert!(metadata["parity"]["worst"].as_f64().unwrap() < 1e-5);
    assert!(metadata["latency"]["repetitions"].as_u64().unwrap() >= 1000);
    project.run(&["models", "verify", "points@production"]).ok();
}

#[test]
fn a_refused_gate_leads_to_staging_and_exit_3() {
    let project = TestProject::with_points();
    let strict = config("lr", "logistic_regression").replace("min: 0.55", "min: 0.99");
    project.write("experiments/lr/config.yaml", strict);
    project.train("lr", &[]);
    let answer = project.run(&["promote", "points"]).code(3);
    insta::assert_snapshot!(project.redact(&answer.stdout), @"
    gate  f1  >= 0.99  0.8571  no
    gate  ONNX parity  <= 1e-5  3e-8  yes  8 golden rows, tract 0.23.9
    points v1 is held in Staging: f1 0.8571 (needs >= 0.99)
    ");
    assert_eq!(project.stages(), ["Staging"]);
    assert_eq!(project.link("active"), None);
    assert!(project.path("checkpoints/validated/points/v1/manifest.json").is_file());
    let again = project.run(&["--json", "promote", "points"]).code(3).json();
    assert_eq!((&again["passed"], &again["to"]), (&Value::Bool(false), &Value::from("Staging")));
    let history = ledger(&project).join("\n");
    insta::assert_snapshot!(history, @"
    v1 registered: - > None, tester
    v1 refused: None > -, tester: f1 0.8571 (needs >= 0.99)
    v1 promoted: None > Staging, tester: held in Staging: f1 0.8571 (needs >= 0.99)
    v1 refused: Staging > -, tester: f1 0.8571 (needs >= 0.99)
    ");
    // The same through `train --promote`.
    project.run(&["train", "experiments/lr/config.yaml", "--promote"]).code(3);
    assert_eq!(project.stages(), ["Staging", "Staging"]);
}

#[test]
fn otherwise_none_leaves_a_refused_version_where_it_is() {
    let project = TestProject::with_points();
    let strict = config("lr", "logistic_regression").replace("min: 0.55}]", "min: 0.99}], otherwise: none");
    project.write("experiments/lr/config.yaml", strict);
    project.train("lr", &[]);
    project.run(&["promote", "points"]).code(3);
    assert_eq!(project.stages(), ["None"]);
}

#[test]
fn the_gate_is_literal() {
    // The rule is `value >= min`: the very value passes, the next number above it does not.
    let project = TestProject::with_points();
    let trained = project.train("lr", &[]);
    let value = trained["metrics"]["test"]["metrics"]["f1"]["value"].as_f64().unwrap();
    for (min, code) in [(value, 0), (value.next_up(), 3)] {
        let rule = config("lr", "logistic_regression").replace("min: 0.55", &format!("min: {min:?}"));
        project.write("experiments/lr/config.yaml", rule);
        project.train("lr", &[]);
        project.run(&["promote", "points"]).code(code);
    }
    let rule = config("lr", "logistic_regression").replace("metric: f1, min: 0.55", "metric: log_loss, max: 0.01");
    project.write("experiments/lr/config.yaml", rule);
    project.train("lr", &[]);
    let refused = project.run(&["--json", "promote", "points"]).code(3).json();
    assert_eq!(refused["checks"][0]["rule"], "<= 0.01");
    assert_eq!(project.link("active").as_deref(), Some("v2"));
}

#[test]
fn all_rules_must_hold() {
    let project = TestProject::with_points();
    let rules = "[{metric: f1, min: 0.1}, {metric: accuracy, min: 0.999}, {metric: log_loss, min: 0, max: 9}]";
    let strict = config("lr", "logistic_regression").replace("[{metric: f1, min: 0.55}]", rules);
    project.write("experiments/lr/config.yaml", strict);
    project.train("lr", &[]);
    let refused = project.run(&["--json", "promote", "points"]).code(3).json();
    let passed: Vec<bool> = refused["checks"].as_array().unwrap().iter().map(|one| one["passed"] == true).collect();
    assert_eq!(passed, [true, false, true, true]);
}

#[test]
fn best_takes_the_best_by_the_metrics_own_direction() {
    let project = TestProject::with_points();
    let scores: Vec<Value> =
        ["lr", "forest"].map(|name| project.train(name, &[])["metrics"]["validation"]["metrics"].take()).into();
    for (metric, higher) in [("f1", true), ("log_loss", false)] {
        let values: Vec<f64> = scores.iter().map(|one| one[metric]["value"].as_f64().unwrap()).collect();
        assert!((values[0] - values[1]).abs() > 1e-9, "{metric} must tell the two apart: {values:?}");
        let expected = if (values[0] > values[1]) == higher { 1 } else { 2 };
        let chosen = project.run(&["--json", "promote", "--best", metric, "lr", "forest", "--dry-run"]).ok().json();
        assert_eq!(chosen["version"], expected, "{metric}: {values:?}");
        assert_eq!(chosen["candidates"].as_array().unwrap().len(), 2);
    }
    let several = project.run(&["promote", "points/1", "points/2"]).code(2);
    assert!(several.stderr.contains("2 models are named"), "{}", several.stderr);
}

#[test]
fn best_refuses_candidates_that_were_tested_on_different_rows() {
    let project = TestProject::with_points();
    project.train("lr", &[]);
    let other = config("forest", "random_forest").replace("{column: split}", "{train: 0.5, test: 0.5}");
    project.write("experiments/forest/config.yaml", other);
    project.train("forest", &[]);
    let refused = project.run(&["promote", "--best", "f1", "lr", "forest"]).code(2);
    assert!(refused.stderr.contains("different rows"), "{}", refused.stderr);
    project.run(&["promote", "--best", "f1", "lr", "forest", "--allow-different-data", "--dry-run"]).ok();
}

#[test]
fn the_previous_holder_is_archived_and_rollback_brings_it_back() {
    let project = TestProject::with_points();
    let rows = "{\"id\": \"q\", \"a\": 0.4, \"b\": 0.2}\n";
    let ask = || project.pipe(rows, &["predict", "points", "--input", "-", "--no-record"]).ok().stdout;
    project.train("lr", &[]);
    project.run(&["promote", "points"]).ok();
    let first = ask();
    project.train("lr", &["--set", "model.params.C=0.01"]);
    project.run(&["promote", "points"]).ok();
    let second = ask();
    assert_ne!(first, second);
    assert_eq!(project.stages(), ["Archived", "Production"]);
    assert_eq!((project.link("active").as_deref(), project.link("previous").as_deref()), (Some("v2"), Some("v1")));

    let answer = project.run(&["rollback", "points", "--reason", "complaints"]).ok();
    insta::assert_snapshot!(project.redact(&answer.stdout), @"
    points v1 is in production again, v2 is archived
    active  production/points/active -> v1  (8 golden rows answered as in training)
    ");
    assert_eq!(project.stages(), ["Production", "Archived"]);
    // The version that was rolled back is not what the next rollback goes to.
    assert_eq!((project.link("active").as_deref(), project.link("previous").as_deref()), (Some("v1"), None));
    assert_eq!(ask(), first);
    insta::assert_snapshot!(ledger(&project).join("\n"), @"
    v1 registered: - > None, tester
    v1 promoted: None > Production, tester: the gate passed
    v2 registered: - > None, tester
    v1 archived: Production > Archived, tester: replaced by v2
    v2 promoted: None > Production, tester: the gate passed
    v2 archived: Production > Archived, tester: replaced by v1
    v1 rolled_back: Archived > Production, tester: complaints
    ");
    project.run(&["doctor"]).ok();
}

#[test]
fn a_second_rollback_goes_further_back() {
    let project = TestProject::with_points();
    for c in ["1", "0.1", "0.01"] {
        project.train("lr", &["--set", &format!("model.params.C={c}")]);
        project.run(&["promote", "points"]).ok();
    }
    for (active, previous) in [("v2", Some("v1")), ("v1", None)] {
        project.run(&["rollback", "points"]).ok();
        assert_eq!((project.link("active").as_deref(), project.link("previous").as_deref()), (Some(active), previous));
    }
    let answer = project.run(&["rollback", "points"]).code(4);
    assert!(answer.stderr.contains("hint: `mlops promote points/3` goes forward"), "{}", answer.stderr);
    project.run(&["promote", "points/3"]).ok();
    assert_eq!((project.link("active").as_deref(), project.link("previous").as_deref()), (Some("v3"), Some("v1")));
    project.run(&["doctor"]).ok();
}

#[test]
fn there_is_nothing_to_roll_back_to_at_first() {
    let project = TestProject::with_points();
    project.run(&["rollback", "points"]).code(4);
    project.train("lr", &[]);
    project.run(&["rollback", "points"]).code(4);
    project.run(&["promote", "points"]).ok();
    let answer = project.run(&["rollback", "points"]).code(4);
    insta::assert_snapshot!(answer.stderr, @"
    error: nothing to roll back to: points v1 is the oldest version that can be used
    hint: `mlops models history points` shows all decisions
    ");
    assert_eq!(project.link("active").as_deref(), Some("v1"));
}

#[test]
fn force_needs_a_reason_and_is_written_down() {
    let project = TestProject::with_points();
    let strict = config("lr", "logistic_regression").replace("min: 0.55", "min: 0.99");
    project.write("experiments/lr/config.yaml", strict);
    project.train("lr", &[]);
    let answer = project.run(&["promote", "points", "--force"]).code(2);
    assert!(answer.stderr.contains("needs a reason"), "{}", answer.stderr);
    assert_eq!(project.stages(), ["None"]);
    let answer = project.run(&["promote", "points", "--force", "--reason", "agreed with Kim"]).ok();
    insta::assert_snapshot!(project.redact(&answer.stdout), @"
    gate  f1  >= 0.99  0.8571  no
    gate  ONNX parity  <= 1e-5  3e-8  yes  8 golden rows, tract 0.23.9
    points v1 went from None to Production, forced against the gate
    active  production/points/active -> v1  (8 golden rows answered as in training)
    release  model.onnx, preprocessor.json, model_metadata.json, model_card.md
    ");
    assert_eq!(project.stages(), ["Production"]);
    assert_eq!(ledger(&project).last().unwrap(), "v1 promoted forced: None > Production, tester: agreed with Kim");
}

#[test]
fn a_dry_run_changes_nothing() {
    let project = TestProject::with_points();
    project.train("lr", &[]);
    let (tree, history) = (project.tree(), ledger(&project));
    let answer = project.run(&["promote", "points", "--dry-run"]).ok();
    insta::assert_snapshot!(project.redact(&answer.stdout), @"
    gate  f1  >= 0.55  0.8571  yes
    gate  ONNX parity  <= 1e-5  3e-8  yes  8 golden rows, tract 0.23.9
    points v1 would go from None to Production
    ");
    assert_eq!((project.tree(), ledger(&project), project.stages()), (tree, history, vec!["None".to_owned()]));
}

#[test]
fn promoting_twice_leaves_a_line_and_changes_nothing() {
    let project = TestProject::with_points();
    project.train("lr", &[]);
    project.run(&["promote", "points"]).ok();
    let (tree, history) = (project.tree(), ledger(&project));
    let answer = project.run(&["promote", "points"]).ok();
    assert!(answer.stdout.contains("points v1 stays in Production"), "{}", answer.stdout);
    assert_eq!(project.tree(), tree);
    let now = ledger(&project);
    assert_eq!(now[..history.len()], history[..]);
    assert_eq!(now.len(), history.len() + 1);
    let history = project.run(&["--json", "models", "history", "points", "--evidence"]).ok().json();
    let last = history["items"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["action"], &last["to"]), (&"confirmed".into(), &serde_json::Value::Null));
    assert!(!last["evidence"]["checks"].as_array().unwrap().is_empty(), "{last}");
    // Neither a rollback nor what served when is confused by it.
    let shown = project.run(&["--json", "models", "show", "points"]).ok().json();
    assert_eq!(shown["model"]["production"], 1, "{shown}");
}

#[test]
fn a_damaged_version_is_never_promoted() {
    let project = TestProject::with_points();
    project.train("lr", &[]);
    project.run(&["promote", "points"]).ok();
    project.train("lr", &["--set", "model.params.C=0.01"]);
    let path = project.path("checkpoints/experiments/points/v2/model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let answer = project.run(&["promote", "points"]).code(1);
    assert!(answer.stderr.contains("model.safetensors` is damaged"), "{}", answer.stderr);
    project.run(&["models", "verify", "points/2"]).code(1);
    assert_eq!(project.stages(), ["Production", "None"]);
    assert_eq!(project.link("active").as_deref(), Some("v1"));
}

#[test]
fn staging_is_reached_without_a_gate() {
    let project = TestProject::with_points();
    let strict = config("lr", "logistic_regression").replace("min: 0.55", "min: 0.99");
    project.write("experiments/lr/config.yaml", strict);
    project.train("lr", &[]);
    project.run(&["promote", "points", "--to", "staging"]).ok();
    assert_eq!(project.stages(), ["Staging"]);
    project.run(&["predict", "points@staging", "--input", "data/points.csv", "--no-record"]).ok();
}
