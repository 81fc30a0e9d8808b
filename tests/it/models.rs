//! `mlops models`: where versions stand today and stood then, pins, evidence, and what rows and folders say of each other.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::support::{TestProject, config};

/// What `show --at` must give back: stages, aliases, pins, the version in production.
#[derive(Debug, Clone, PartialEq)]
struct Standing {
    stages: BTreeMap<u64, String>,
    aliases: BTreeMap<String, u64>,
    pinned: Vec<u64>,
    production: Value,
    previous: Option<String>,
}

fn items(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

fn number(value: &Value) -> u64 {
    value["version"].as_u64().unwrap()
}

/// Where everything stands now, by the rows and links.
fn now(project: &TestProject) -> Standing {
    let shown = project.run(&["--json", "models", "show", "points"]).ok().json();
    let versions = items(&shown["versions"]);
    let aliases = shown["model"]["aliases"].as_object().unwrap();
    Standing {
        stages: versions.iter().map(|one| (number(one), one["stage"].as_str().unwrap().to_owned())).collect(),
        aliases: aliases.iter().map(|(alias, version)| (alias.clone(), version.as_u64().unwrap())).collect(),
        pinned: versions.iter().filter(|one| !one["pinned"].is_null()).map(number).collect(),
        production: shown["model"]["production"].clone(),
        previous: project.link("previous"),
    }
}

/// Where everything stood at a moment, by the ledger.
fn then(project: &TestProject, at_ms: i64) -> Standing {
    let at = jiff::Timestamp::from_millisecond(at_ms).unwrap().to_string();
    let shown = project.run(&["--json", "models", "show", "points", "--at", &at]).ok().json();
    let versions = items(&shown["versions"]);
    let aliases = items(&shown["aliases"]).iter();
    Standing {
        stages: versions.iter().map(|one| (number(one), one["stage"].as_str().unwrap().to_owned())).collect(),
        aliases: aliases.map(|one| (one["alias"].as_str().unwrap().to_owned(), number(one))).collect(),
        pinned: versions.iter().filter(|one| !one["pinned"].is_null()).map(number).collect(),
        production: shown["production"].clone(),
        previous: shown["previous"].as_u64().map(|version| format!("v{version}")),
    }
}

#[test]
fn every_moment_of_the_past_is_what_was_seen_then() {
    let project = TestProject::with_points();
    let steps: [&[&str]; 16] = [
        &["train", "experiments/lr/config.yaml"],
        &["promote", "points/1"],
        &["models", "alias", "points/1", "champion"],
        &["train", "experiments/lr/config.yaml"],
        &["promote", "points/2", "--to", "staging"],
        &["models", "pin", "points/2", "--reason", "audit"],
        &["promote", "points/2"],
        &["models", "alias", "points/2", "champion"],
        &["rollback", "points"],
        &["models", "alias", "points/2", "champion", "--remove"],
        &["models", "pin", "points/2", "--remove"],
        &["models", "delete", "points/2", "--yes"],
        &["train", "experiments/lr/config.yaml"],
        &["models", "archive", "points/1", "--yes"],
        &["promote", "points/3"],
        &["gc", "--older-than", "0d", "--keep-last", "0", "--yes"],
    ];
    let mut seen: Vec<(i64, Standing)> = Vec::new();
    let mut lines = 0;
    for step in steps {
        project.run(step).ok();
        let history = project.run(&["--json", "models", "history", "points"]).ok().json();
        let ledger = items(&history["items"]);
        assert!(ledger.len() > lines || step[0] == "gc", "{step:?} left no line in the ledger");
        lines = ledger.len();
        seen.push((ledger.last().unwrap()["at_ms"].as_i64().unwrap(), now(&project)));
    }
    for (step, (at_ms, standing)) in steps.iter().zip(&seen) {
        assert_eq!(then(&project, *at_ms), *standing, "after {step:?}");
    }
    // Before the first line there was nothing.
    let before = jiff::Timestamp::from_millisecond(seen[0].0 - 1).unwrap().to_string();
    let early = project.run(&["models", "show", "points", "--at", &before]).code(4);
    assert!(early.stderr.contains("model `points` had no version yet at "), "{}", early.stderr);
    assert!(early.stderr.contains("hint: its first was registered at "), "{}", early.stderr);
}

#[test]
fn a_date_is_the_end_of_that_day_and_a_wrong_one_is_refused() {
    let project = TestProject::with_points();
    project.train("lr", &[]);
    project.run(&["models", "pin", "points/1", "--reason", "audit\u{1b}[31m"]).ok();
    project.run(&["promote", "points"]).ok();
    let strict = config("lr", "logistic_regression").replace("min: 0.55", "min: 0.99");
    project.write("experiments/lr/config.yaml", strict);
    project.train("lr", &[]);
    project.run(&["promote", "points"]).code(3);
    project.run(&["models", "alias", "points/1", "champion"]).ok();
    let told = project.run(&["models", "show", "points", "--at", "2999-12-31"]).ok().stdout;
    assert!(told.starts_with("points at 2999-12-31 23:59:59 UTC\n"), "{told}");
    insta::assert_snapshot!(project.redact(&told), @r"
    points at 2999-12-31 <time> UTC

    version  stage then  since (UTC)  by  how  today  why
    v1  Production  <date> <time>  tester  promoted  Production  the gate passed
    v2  Staging  <date> <time>  tester  promoted  Staging  held in Staging: f1 0.8571 (needs >= 0.99)

    in production  v1
    alias  @champion v1, since <date> <time> by tester
    pinned  v1, since <date> <time> by tester: audit\u{1b}[31m

    v1 came to Production on this evidence
    gate  yes  require  f1 >= 0.55  is 0.8571
    gate  yes  parity  ONNX parity <= 1e-5  is 2.744e-8  8 golden rows, tract 0.23.9
    golden rows  8
    release  model.onnx, preprocessor.json, within 3e-8 of the model by tract 0.23.9

    v2 came to Staging on this evidence
    gate  no  require  f1 >= 0.99  is 0.8571
    gate  yes  parity  ONNX parity <= 1e-5  is 2.744e-8  8 golden rows, tract 0.23.9
    golden rows  8
    ");
    let json = project.run(&["--json", "models", "show", "points", "--at", "2999-12-31"]).ok().json();
    assert_eq!((&json["at"], &json["production"]), (&"2999-12-31T23:59:59Z".into(), &1.into()));
    assert_eq!(json["versions"][1]["decision"]["evidence"]["checks"][0]["passed"], false);
    project.run(&["models", "show", "points", "--at", "2001-01-01"]).code(4);
    project.run(&["models", "show", "point", "--at", "2999-12-31"]).code(4);
    let wrong = project.run(&["models", "show", "points", "--at", "last week"]).code(2);
    insta::assert_snapshot!(wrong.stderr, @"
    error: `last week` is no moment
    hint: a date (`2026-07-03`: the end of that day, UTC) or a time (`2026-07-03T10:00`, `2026-07-03T10:00:05Z`)
    ");
}

#[test]
fn history_shows_what_each_decision_rested_on() {
    let project = TestProject::with_points();
    let strict = config("lr", "logistic_regression").replace("min: 0.55", "min: 0.99");
    project.write("experiments/lr/config.yaml", strict);
    project.train("lr", &[]);
    project.run(&["promote", "points"]).code(3);
    project.run(&["promote", "points", "--force", "--reason", "agreed with Kim"]).ok();
    let plain = project.run(&["models", "history", "points"]).ok().stdout;
    assert!(!plain.contains("gate"), "{plain}");
    let told = project.run(&["models", "history", "points", "--evidence"]).ok().stdout;
    assert_eq!(told, project.run(&["models", "history", "points", "--verbose"]).ok().stdout);
    let refused =
        "    gate         no  require  f1 >= 0.99  is 0.8571\n    gate         yes  parity  ONNX parity <= 1e-5";
    assert_eq!(told.matches(refused).count(), 3, "{told}");
    assert!(told.contains("    release      model.onnx, preprocessor.json, within "), "{told}");
    let forced = told.lines().position(|line| line.contains("promoted (forced)")).unwrap();
    assert_eq!(told.lines().nth(forced + 1).unwrap().trim_end(), "    gate         no  require  f1 >= 0.99  is 0.8571");
    // The first line is the registration: which run made it, and which files it was.
    assert!(told.lines().nth(2).unwrap().starts_with("    manifest sha256"), "{told}");
}

#[test]
fn what_is_pinned_stays_and_every_reason_is_told() {
    let project = TestProject::with_points();
    project.train("lr", &[]);
    project.run(&["promote", "points"]).ok();
    let pinned = project.run(&["models", "pin", "points@production", "--reason", "audit"]).ok();
    assert_eq!(pinned.stdout, "points v1 is pinned: neither `gc` nor `models delete` removes it\n");
    project.run(&["models", "alias", "points/1", "champion"]).ok();
    let refused = project.run(&["models", "delete", "points/1", "--yes"]).code(3);
    insta::assert_snapshot!(refused.stderr, @"
    error: `points` v1 is in Production, has the alias `champion`, is pinned by tester (audit)
    hint: first: archive it, or promote another version in its place; remove the alias or point it to another version; `mlops models pin VERSION --remove` takes the pin away
    ");
    let shown = project.run(&["models", "show", "points"]).ok().stdout;
    assert!(shown.contains("by tester") && shown.contains("is pinned since 20") && shown.contains(": audit\n"));
    assert!(shown.contains("experiments, validated, production (active)"), "{shown}");
    project.run(&["models", "pin", "points"]).code(2);
    project.run(&["models", "pin", "points/9"]).code(4);
    project.run(&["models", "pin", "points/1", "--remove"]).ok();
    project.run(&["models", "pin", "points/1", "--remove"]).code(4);
    assert!(!project.run(&["models", "show", "points"]).ok().stdout.contains("pinned"));
    let history = project.run(&["--json", "models", "history", "points"]).ok().json();
    let pins: Vec<&Value> = items(&history["items"])
        .iter()
        .map(|line| &line["action"])
        .filter(|action| action.as_str().unwrap().contains("pin"))
        .collect();
    assert_eq!(pins, ["pinned", "unpinned"]);
}

#[test]
fn models_alone_lists_and_says_where_rows_and_folders_disagree() {
    let project = TestProject::with_points();
    for _ in 0..3 {
        project.train("lr", &[]);
        project.run(&["promote", "points"]).ok();
    }
    project.train("lr", &[]);
    project.run(&["promote", "points", "--to", "staging"]).ok();
    let alone = project.run(&["models"]).ok();
    assert_eq!(alone.stdout, project.run(&["models", "list"]).ok().stdout);
    insta::assert_snapshot!(project.redact(&alone.stdout), @"
    model  versions  latest  staging  production  aliases  pinned  on disk
    points  4  v4  v4  v3  –  –  experiments 4, validated 4, production v3 (previous v2)
    ");
    let json = project.run(&["--json", "models"]).ok().json();
    let disk = json!({"experiments": [1, 2, 3, 4], "validated": [1, 2, 3, 4], "production": [2, 3], "active": 3, "previous": 2});
    assert_eq!((&json["items"][0]["on_disk"], &json["items"][0]["disagreements"]), (&disk, &json!([])));

    std::fs::remove_dir_all(project.path("checkpoints/validated/points/v4")).unwrap();
    std::fs::remove_file(project.path("production/points/active")).unwrap();
    for command in [&["models"][..], &["models", "show", "points"]] {
        let told = project.run(command).ok().stdout;
        let warned = "points: rows and folders disagree (`mlops doctor --fix` heals it)
  v4 is in Staging, but has no validated copy
  `active` points to nothing, the ledger says v3
";
        assert!(told.ends_with(warned), "{told}");
    }
    project.run(&["doctor"]).code(1);
    project.run(&["doctor", "--fix"]).ok();
    assert_eq!(project.run(&["models"]).ok().stdout, alone.stdout);
    // A copy that rotted is copied again.
    let rotten = "checkpoints/validated/points/v4/model.safetensors";
    let whole = std::fs::read(project.path(rotten)).unwrap();
    project.write(rotten, "rot");
    project.run(&["doctor"]).code(1);
    project.run(&["doctor", "--fix"]).ok();
    assert_eq!(std::fs::read(project.path(rotten)).unwrap(), whole);
    project.run(&["doctor"]).ok();
}
