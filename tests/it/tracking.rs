//! The tracking database through the command line: runs by hand, search, best, history, experiments, aliases.

use serde_json::Value;

use super::support::TestProject;

/// A run made by hand; gives its id.
fn create(project: &TestProject, experiment: &str, name: &str) -> String {
    let answer = project.run(&["runs", "create", "--experiment", experiment, "--name", name]).ok();
    answer.stdout.trim().to_owned()
}

fn show(project: &TestProject, run: &str) -> Value {
    project.run(&["--json", "runs", "show", run]).ok().json()
}

/// Names of the runs that a command lists.
fn names(project: &TestProject, arguments: &[&str]) -> Vec<String> {
    let document = project.run(&[&["--json", "runs"], arguments].concat()).ok().json();
    let items = document["items"].as_array().unwrap().iter();
    items.map(|run| run["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_command_leaves_its_run_and_only_training_is_listed() {
    let project = TestProject::with_points();
    project.run(&["init"]).ok();
    for arguments in [
        &["train", "experiments/lr/config.yaml", "experiments/forest/config.yaml"][..],
        &["evaluate", "points/1"],
        &["compare", "points/1", "points/2"],
        &["promote", "points/1", "--dry-run"],
        &["promote", "points/1", "--to", "production", "--force", "--reason", "first"],
        &["promote", "points/2", "--to", "production", "--force", "--reason", "second"],
        &["rollback", "points"],
        &["predict", "points", "--input", "data/points.csv"],
        &["embed", "--input", "data/reviews.csv", "--text-column", "text", "--output", "vectors.parquet"],
    ] {
        project.run(arguments).ok();
    }
    let commands = |arguments: &[&str]| {
        let document = project.run(&[&["--json", "runs", "list"], arguments].concat()).ok().json();
        let items = document["items"].as_array().unwrap().iter();
        items.map(|run| run["command"].as_str().unwrap().to_owned()).rev().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(commands(&[]), "train train evaluate embed");
    assert_eq!(commands(&["--commands"]), "init train train evaluate compare promote promote rollback predict embed");
    let run = |filter: &str| {
        let found = project.run(&["--json", "runs", "search", filter]).ok().json()["items"][0].take();
        project.run(&["--json", "runs", "show", found["run_id"].as_str().unwrap()]).ok().json()
    };
    let promoted = run("command = 'promote' AND tags.version = '2'");
    assert_eq!(
        (&promoted["run"]["tags"]["decision"], &promoted["run"]["tags"]["seed"]),
        (&"promoted".into(), &"42".into())
    );
    let embedded = run("command = 'embed'");
    assert_eq!(embedded["artifacts"][0]["path"], "vectors.parquet");
    assert_eq!(embedded["run"]["metrics"]["rows"], 5000.0);
    // What only says that something was done is neither the latest nor the best run.
    assert_eq!(show(&project, "@latest")["run"]["command"], "embed");
    assert_eq!(show(&project, "@best:f1")["run"]["command"], "train");
}

#[test]
fn a_run_by_hand_is_created_logged_finished_and_shown() {
    let project = TestProject::new();
    let id = create(&project, "by hand", "first");
    assert_eq!(id.len(), 32);
    project.write("notes.txt", "abc");
    project.run(&["runs", "log", &id, "--param", "lr=0.1", "--metric", "loss=0.5@1", "--metric", "loss=0.25@2"]).ok();
    project.run(&["runs", "log", &id[..8], "--tag", "team=ml", "--artifact", "notes.txt"]).ok();
    let run = show(&project, &id);
    assert_eq!((&run["run"]["status"], &run["run"]["metrics"]["loss"]), (&Value::from("RUNNING"), &Value::from(0.25)));
    // Another command does not take the run for one whose process has died.
    project.run(&["runs", "finish", &id]).ok();
    let run = show(&project, &id);
    assert_eq!((&run["run"]["status"], &run["run"]["params"]["lr"]), (&Value::from("FINISHED"), &Value::from("0.1")));
    assert_eq!(run["run"]["tags"]["team"], "ml");
    // FIPS 180-2, appendix B.1.
    let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(
        (&run["artifacts"][0]["sha256"], &run["artifacts"][0]["size"]),
        (&Value::from(expected), &Value::from(3))
    );
    insta::assert_snapshot!(project.redact(&project.run(&["runs", "show", &id]).ok().stdout), @"
    <run id>  first
    experiment  by hand
    command  manual
    status  FINISHED
    started  <date> <time> UTC, <duration>

    metrics
    loss  0.2500

    params
    lr  0.1

    tags
    team  ml

    artifacts
    notes.txt  3 bytes, sha256 ba7816bf8f01…
    ");
}

#[test]
fn a_param_is_written_once_and_a_finished_run_is_closed() {
    let project = TestProject::new();
    let id = create(&project, "a", "one");
    project.run(&["runs", "log", &id, "--param", "lr=0.1"]).ok();
    project.run(&["runs", "log", &id, "--param", "lr=0.1"]).ok();
    let answer = project.run(&["runs", "log", &id, "--param", "lr=0.2"]).code(2);
    insta::assert_snapshot!(project.redact(&answer.stderr), @"
    error: param `lr` is `0.1` and cannot become `0.2`
    hint: a param is written once: start a new run for the new value, or log it under another key
    ");
    project.run(&["runs", "log", &id, "--metric", "loss=zero"]).code(2);
    project.run(&["runs", "log", &id, "--param", "=1"]).code(2);
    project.run(&["runs", "finish", &id, "--status", "failed"]).ok();
    assert_eq!(show(&project, &id)["run"]["status"], "FAILED");
    project.run(&["runs", "finish", &id, "--status", "asleep"]).code(2);
}

#[test]
fn history_gives_every_step_in_order() {
    let project = TestProject::new();
    let id = create(&project, "a", "one");
    project
        .run(&["runs", "log", &id, "--metric", "loss=0.5@2", "--metric", "loss=0.7@1", "--metric", "loss=nan@3"])
        .ok();
    let document = project.run(&["--json", "runs", "history", &id, "loss"]).ok().json();
    let points: Vec<(i64, Option<f64>)> = document["points"]
        .as_array()
        .unwrap()
        .iter()
        .map(|point| (point["step"].as_i64().unwrap(), point["value"].as_f64()))
        .collect();
    assert_eq!(points, [(1, Some(0.7)), (2, Some(0.5)), (3, None)]);
    let missing = project.run(&["runs", "history", &id, "los"]).code(4);
    assert!(missing.stderr.contains("did you mean `loss`?"), "{}", missing.stderr);
}

#[test]
fn search_filters_orders_and_pages() {
    let project = TestProject::new();
    for (name, f1, kind) in
        [("low", "0.2", "lr"), ("high", "0.9", "lr"), ("middle", "0.5", "forest"), ("broken", "nan", "forest")]
    {
        let id = create(&project, if name == "low" { "old" } else { "new" }, name);
        let [f1, kind] = [format!("f1={f1}"), format!("kind={kind}")];
        project.run(&["runs", "log", &id, "--metric", &f1, "--param", &kind, "--tag", "team=ml-a"]).ok();
        project.run(&["runs", "finish", &id]).ok();
    }
    let search = |filter: &str| {
        let mut found = names(&project, &["search", filter]);
        found.sort();
        found
    };
    assert_eq!(search("metrics.f1 > 0.3"), ["high", "middle"]);
    assert_eq!(search("metrics.f1 > 0.3 AND params.kind = 'lr'"), ["high"]);
    assert_eq!(search("NOT params.kind = 'lr' OR metrics.f1 < 0.3"), ["broken", "low", "middle"]);
    assert_eq!(search("tags.team LIKE 'ml%' AND (run_name = 'low' OR run_name = 'high')"), ["high", "low"]);
    assert_eq!(search("params.kind IN ('forest', 'svm')"), ["broken", "middle"]);
    assert_eq!(search("status = 'FAILED'"), [""; 0]);
    let ordered = ["search", "status = 'FINISHED'", "--order", "metrics.f1 DESC"];
    assert_eq!(names(&project, &ordered)[..3], ["high", "middle", "low"]);
    assert_eq!(names(&project, &[&ordered[..], &["-n", "1", "--offset", "1"]].concat()), ["middle"]);
    assert_eq!(names(&project, &["list", "--experiment", "old"]), ["low"]);
    let wrong = project.run(&["runs", "search", "metrics.f1 >"]).code(2);
    insta::assert_snapshot!(wrong.stderr, @"
    error: filter, column 13: expected a number, got the end
      metrics.f1 >
                  ^
    ");
    project.run(&["runs", "list", "--experiment", "none"]).code(4);

    let best =
        |more: &[&str]| project.run(&[&["--json", "runs", "best"], more].concat()).ok().json()["run"]["name"].take();
    assert_eq!(best(&["--metric", "f1"]), "high");
    assert_eq!(best(&["--metric", "f1", "--minimize"]), "low");
    assert_eq!(best(&["--metric", "f1", "--experiment", "old"]), "low");
    project.run(&["runs", "best", "--metric", "auc"]).code(4);
}

#[test]
fn deleted_runs_are_hidden_until_restored() {
    let project = TestProject::new();
    let [keep, gone] = ["keep", "gone"].map(|name| create(&project, "a", name));
    // A typo among several deletes none.
    project.run(&["runs", "delete", &gone, "ffffffff"]).code(4);
    assert_eq!(names(&project, &["list"]).len(), 2);
    project.run(&["runs", "delete", &gone]).ok();
    assert_eq!(names(&project, &["list"]), ["keep"]);
    assert_eq!(names(&project, &["list", "--deleted"]), ["gone"]);
    assert_eq!(names(&project, &["list", "--all"]).len(), 2);
    project.run(&["runs", "log", &gone, "--tag", "a=b"]).code(2);
    project.run(&["runs", "restore", &gone]).ok();
    assert_eq!(names(&project, &["list"]).len(), 2);
    project.run(&["runs", "show", &keep[..6]]).ok();
}

#[test]
fn a_run_that_a_version_needs_is_not_deleted() {
    let project = TestProject::with_points();
    let run = project.train("lr", &[])["run_id"].as_str().unwrap().to_owned();
    let refused = project.run(&["runs", "delete", &run]).code(3);
    assert!(refused.stderr.contains("points"), "{}", refused.stderr);
    project.run(&["promote", "points"]).ok();
    let refused = project.run(&["experiments", "delete", "lr"]).code(3);
    assert!(refused.stderr.contains("`points` v1 (Production)"), "{}", refused.stderr);
    assert_eq!(names(&project, &["list"]).len(), 1);
}

#[test]
fn experiments_are_created_shown_deleted_and_restored() {
    let project = TestProject::new();
    project.run(&["experiments", "create", "churn", "--description", "who leaves", "--tag", "team=ml"]).ok();
    project.run(&["experiments", "create", "churn"]).code(2);
    project.run(&["experiments", "create", "../churn"]).code(2);
    let id = create(&project, "churn", "one");
    project.run(&["runs", "log", &id, "--metric", "f1=0.5"]).ok();
    project.run(&["runs", "finish", &id]).ok();
    let shown = project.run(&["--json", "experiments", "show", "churn"]).ok().json();
    assert_eq!(shown["experiment"]["tags"]["team"], "ml");
    assert_eq!(shown["statistics"]["metrics"]["f1"]["mean"], 0.5);
    insta::assert_snapshot!(project.redact(&project.run(&["experiments", "list"]).ok().stdout), @"
    id  experiment  runs  state  updated (UTC)  description
    1  churn  1  active  <date> <time>  who leaves
    ");
    project.run(&["experiments", "delete", "churn"]).ok();
    assert!(names(&project, &["list"]).is_empty());
    project.run(&["experiments", "restore", "churn"]).ok();
    assert_eq!(names(&project, &["list"]), ["one"]);
    let missing = project.run(&["experiments", "show", "chrun"]).code(4);
    assert!(missing.stderr.contains("churn"), "{}", missing.stderr);
}

#[test]
fn aliases_name_versions_and_archived_ones_leave_production() {
    let project = TestProject::with_points();
    project.train("lr", &[]);
    project.train("lr", &["--set", "seed=7"]);
    project.run(&["models", "alias", "points/1", "champion"]).ok();
    project.run(&["predict", "points@champion", "--input", "data/points.csv", "--no-record"]).ok();
    project.run(&["predict", "models:/points@champion", "--input", "data/points.csv", "--no-record"]).ok();
    project.run(&["models", "alias", "points/1", "production"]).code(2);
    project.run(&["models", "delete", "points/1", "--yes"]).code(3);
    project.run(&["models", "alias", "points/1", "champion", "--remove"]).ok();
    project.run(&["predict", "points@champion", "--input", "data/points.csv", "--no-record"]).code(4);

    project.run(&["promote", "points/1"]).ok();
    project.run(&["models", "archive", "points/1"]).code(2);
    project.run(&["models", "archive", "points/1", "--yes", "--reason", "old"]).ok();
    assert_eq!((project.stages(), project.link("active")), (vec!["Archived".to_owned(), "None".to_owned()], None));
    project.run(&["models", "delete", "points/1"]).code(2);
    project.run(&["models", "delete", "points/1", "--yes"]).ok();
    assert!(!project.path("checkpoints/experiments/points/v1").exists());
    assert_eq!(project.train("lr", &[])["version"], 3, "a number is never given twice");
    project.run(&["doctor"]).ok();
    insta::assert_snapshot!(project.redact(&project.run(&["models", "show", "points"]).ok().stdout), @"
    points

    version  stage  on disk  run  made (UTC)  f1  accuracy  roc_auc  log_loss  description
    v2  None  experiments  <run>  <date> <time>  0.8571  0.8500  0.9646  0.3604  logistic_regression of experiment lr
    v3  None  experiments  <run>  <date> <time>  0.8571  0.8500  0.9646  0.3604  logistic_regression of experiment lr
    ");
    insta::assert_snapshot!(project.redact(&project.run(&["models", "list"]).ok().stdout), @"
    model  versions  latest  staging  production  aliases  pinned  on disk
    points  2  v3  –  –  –  –  experiments 2
    ");
    insta::assert_snapshot!(project.redact(&project.run(&["models", "history", "points"]).ok().stdout), @"
    when (UTC)  version  what  from  to  who  why
    <date> <time>  v1  registered  –  None  tester
    <date> <time>  v2  registered  –  None  tester
    <date> <time>  v1  alias_set champion  –  –  tester
    <date> <time>  v1  alias_removed champion  –  –  tester
    <date> <time>  v1  promoted  None  Production  tester  the gate passed
    <date> <time>  v1  archived  Production  Archived  tester  old
    <date> <time>  v1  deleted  Archived  –  tester
    <date> <time>  v3  registered  –  None  tester
    ");
    insta::assert_snapshot!(project.redact(&project.run(&["runs", "list"]).ok().stdout), @"
    run  started (UTC)  experiment  command  status  f1  accuracy  roc_auc  log_loss  took
    <run>  <date> <time>  lr  train  FINISHED  0.8571  0.8500  0.9646  0.3604  <duration>
    <run>  <date> <time>  lr  train  FINISHED  0.8571  0.8500  0.9646  0.3604  <duration>
    <run>  <date> <time>  lr  train  FINISHED  0.8571  0.8500  0.9646  0.3604  <duration>
    ");
}
