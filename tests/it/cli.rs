//! The door: help, exit codes, JSON on success and on error, streams, where the root is.

use std::process::Stdio;

use serde_json::Value;

use super::support::TestProject;

#[test]
fn help_and_version_go_to_stdout_with_0() {
    let project = TestProject::new();
    for arguments in
        [&["--help"][..], &["-h"], &["help"], &["help", "train"], &["train", "--help"], &["runs", "search", "--help"]]
    {
        let answer = project.run(arguments).ok();
        assert!(answer.stdout.contains("Usage: mlops") && answer.stderr.is_empty(), "{arguments:?}: {answer:?}");
    }
    assert_eq!(project.run(&["--version"]).ok().stdout, concat!("mlops ", env!("CARGO_PKG_VERSION"), "\n"));
    let help = project.run(&["--help"]).ok().stdout;
    let position = |text: &str| help.find(text).unwrap_or_else(|| panic!("{text} in:\n{help}"));
    assert!(position("Examples:") < position("Usage:"), "examples come first");
    for code in ["0 ", "1 ", "2 ", "3 ", "4 ", "75 ", "130 "] {
        position(&format!("\n  {code}"));
    }
    let commands = [
        "init",
        "embed",
        "train",
        "evaluate",
        "compare",
        "promote",
        "rollback",
        "predict",
        "drift-check",
        "runs",
        "experiments",
        "models",
        "doctor",
        "notify",
        "schedule",
        "schema",
        "completions",
        "man",
    ];
    for command in commands {
        position(&format!("\n  {command}"));
        project.run(&[command, "--help"]).ok();
    }
}

#[test]
fn a_wrong_usage_is_2_and_goes_to_stderr() {
    let project = TestProject::new();
    for arguments in [
        &[][..],
        &["trian"],
        &["train"],
        &["train", "--bogus", "x"],
        &["--threads", "0", "runs", "list"],
        &["--color", "red", "runs", "list"],
    ] {
        let answer = project.run(arguments).code(2);
        assert!(answer.stdout.is_empty() && !answer.stderr.is_empty(), "{arguments:?}: {answer:?}");
    }
    assert!(project.run(&["trian"]).stderr.contains("some similar subcommands exist: 'retrain', 'train'"));
}

#[test]
fn an_error_is_one_json_document_with_json() {
    let project = TestProject::with_points();
    project.write("experiments/bad/config.yaml", project.read("experiments/lr/config.yaml").replace("f1", "f11"));
    project.write("broken.csv", "a,b\nx,y\n");
    project.train("lr", &[]);
    let cases: [(&[&str], i32, &str); 6] = [
        (&["train", "none.yaml"], 2, "invalid"),
        (&["train", "--bogus"], 2, "invalid"),
        (&["train", "experiments/bad/config.yaml"], 2, "invalid"),
        (&["predict", "nobody", "--input", "data/points.csv"], 4, "not_found"),
        (&["predict", "points/1", "--input", "broken.csv"], 2, "invalid"),
        (&["runs", "show", "ffff"], 4, "not_found"),
    ];
    for (arguments, code, word) in cases {
        let answer = project.run(&[&["--json"], arguments].concat()).code(code);
        let document = answer.json();
        assert_eq!(
            (document["error"]["code"].as_str(), document["format_version"].as_u64()),
            (Some(word), Some(1)),
            "{arguments:?}"
        );
        assert!(document["error"]["message"].as_str().unwrap().len() > 5 && answer.stderr.is_empty(), "{answer:?}");
    }
    let problems = project.run(&["--json", "train", "experiments/bad/config.yaml"]).json()["error"]["problems"].take();
    let first = &problems[0];
    assert_eq!((first["line"].as_u64(), first["hint"].as_str()), (Some(7), Some("did you mean `f1`?")), "{problems}");
}

#[test]
fn every_command_answers_with_one_json_document() {
    let project = TestProject::with_points();
    let run = project.train("lr", &[])["run_id"].as_str().unwrap().to_owned();
    project.train("forest", &[]);
    let commands: [&[&str]; 20] = [
        &["train", "experiments/lr/config.yaml", "--promote"],
        &["evaluate", "points"],
        &["compare", "lr", "forest"],
        &["promote", "points/2"],
        &["rollback", "points"],
        &["predict", "points", "--input", "data/points.csv"],
        &["predict", "points", "--input", "data/points.csv", "--output", "out.csv"],
        &["runs", "list"],
        &["runs", "search", "metrics.f1 > 0"],
        &["runs", "show", &run],
        &["runs", "best"],
        &["runs", "history", &run, "f1"],
        &["runs", "create", "--experiment", "by hand"],
        &["experiments", "list"],
        &["experiments", "show", "lr"],
        &["models", "list"],
        &["models", "show", "points"],
        &["models", "history", "points"],
        &["models", "verify", "points"],
        &["doctor"],
    ];
    for command in commands {
        let answer = project.run(&[&["--json"], command].concat()).ok();
        let document = answer.json();
        assert_eq!(document["format_version"], 1, "{command:?}");
        // `runs best` answers as `runs show`: the same document.
        let name = document["command"].as_str().unwrap().replace("runs show", "runs");
        assert!(command.join(" ").starts_with(&name), "{command:?}: {name}");
        assert_eq!(answer.stderr, "", "{command:?}");
    }
    for list in ["models", "features", "metrics", "sources", "statistics"] {
        let document = project.run(&["--json", "schema", "--list", list]).ok().json();
        assert!(document["items"].as_array().unwrap().len() >= 2, "{list}");
    }
    let schema: Value = serde_json::from_str(&project.run(&["schema"]).ok().stdout).unwrap();
    assert!(schema["properties"]["model"].is_object());
}

#[test]
fn a_pipe_that_closes_early_is_no_failure() {
    let project = TestProject::with_points();
    project.train("lr", &[]);
    project.run(&["promote", "points"]).ok();
    for arguments in [
        &["predict", "points", "--input", "data/points.csv"][..],
        &["--help"],
        &["schema"],
        &["--json", "runs", "list"],
    ] {
        let mut child = project.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            (output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()),
            (Some(0), ""),
            "{arguments:?}"
        );
    }
}

#[test]
fn colours_only_where_they_are_wanted() {
    let project = TestProject::with_points();
    project.train("lr", &[]);
    let escapes = |arguments: &[&str]| project.run(arguments).ok().stdout.contains('\u{1b}');
    assert!(!escapes(&["models", "show", "points"]));
    assert!(escapes(&["--color", "always", "models", "show", "points"]));
    assert!(!escapes(&["--color", "never", "models", "show", "points"]));
    let forced = project.command(&["models", "show", "points"]).env_remove("NO_COLOR").output().unwrap();
    assert!(!forced.stdout.contains(&0x1b), "no terminal, no colour");
}

#[test]
fn the_root_is_found_upward_or_named() {
    let project = TestProject::with_points();
    project.train("lr", &[]);
    let below = project.path("experiments/lr");
    let rows = "../../data/points.csv";
    let here = project.command(&["predict", "points/1", "--input", rows]).current_dir(&below).output().unwrap();
    assert_eq!((here.status.code(), here.stdout.split(|byte| *byte == b'\n').count()), (Some(0), 202));
    let elsewhere = tempfile::tempdir().unwrap();
    let lost = project.command(&["runs", "list"]).current_dir(elsewhere.path()).output().unwrap();
    assert_eq!(lost.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&lost.stderr).contains("no project at"), "{lost:?}");
    let root = project.root().to_str().unwrap();
    let named =
        project.command(&["--root", root, "models", "show", "points"]).current_dir(elsewhere.path()).output().unwrap();
    assert_eq!(named.status.code(), Some(0));
    let by_variable = project
        .command(&["models", "show", "points"])
        .env("MLOPS_ROOT", root)
        .current_dir(elsewhere.path())
        .output()
        .unwrap();
    assert_eq!(by_variable.stdout, named.stdout);
    project.run(&["--root", "nowhere", "runs", "list"]).code(2);
}

#[test]
fn init_makes_a_project_that_runs() {
    let project = TestProject::new();
    let answer = project.run(&["init", "shop"]).ok();
    insta::assert_snapshot!(answer.stdout, @"
    wrote data/reviews.csv
    wrote experiments/reviews_lr/config.yaml
    wrote experiments/reviews_hashing/config.yaml
    wrote experiments/reviews_forest/config.yaml
    wrote .gitignore
    wrote experiments/config.schema.json

    next: cd shop && mlops train experiments/reviews_lr/config.yaml --promote
    ");
    project.write("shop/experiments/reviews_lr/config.yaml", "mine");
    let again = project.run(&["init", "shop"]).ok();
    assert!(again.stdout.contains("kept  experiments/reviews_lr/config.yaml"), "{}", again.stdout);
    assert_eq!(project.read("shop/experiments/reviews_lr/config.yaml"), "mine");
    let shop = project.path("shop");
    let config = "experiments/reviews_hashing/config.yaml";
    let trained = project.command(&["train", config, "--promote", "--quiet"]).current_dir(&shop).output().unwrap();
    assert_eq!(trained.status.code(), Some(0), "{trained:?}");
    let schema: Value = serde_json::from_str(&project.read("shop/experiments/config.schema.json")).unwrap();
    assert_eq!(Some(schema), serde_json::from_str(&project.run(&["schema"]).ok().stdout).ok());
}

#[test]
fn completions_and_manual_pages_are_made() {
    let project = TestProject::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(project.run(&["completions", shell]).ok().stdout.contains("rollback"), "{shell}");
    }
    assert!(project.run(&["man"]).ok().stdout.starts_with(".ie"));
    project.run(&["man", "--dir", "pages"]).ok();
    assert!(project.read("pages/mlops-runs-search.1").contains("search"));
}

#[test]
fn quiet_says_results_only() {
    let project = TestProject::with_points();
    let trained = project.run(&["-q", "train", "experiments/lr/config.yaml", "--set", "model.params.max_iter=1"]).ok();
    assert_eq!((trained.stdout.lines().count(), trained.stderr.as_str()), (1, ""));
    let told = project.run(&["-q", "predict", "points/1", "--input", "data/points.csv", "--output", "out.csv"]).ok();
    assert_eq!((told.stdout.as_str(), told.stderr.as_str()), ("", ""));
    assert_eq!(project.read("out.csv").lines().count(), 201);
}

#[test]
fn doctor_finds_what_is_wrong_and_heals_what_it_can() {
    let project = TestProject::with_points();
    project.train("lr", &[]);
    project.run(&["promote", "points"]).ok();
    project.run(&["doctor"]).ok();
    std::fs::remove_file(project.path("production/points/active")).unwrap();
    let namespace = mlops::fs::namespace();
    project.write(&format!("checkpoints/experiments/points/.v9.4194304-{namespace}.tmp/half"), "x");
    let sick = project.run(&["doctor"]).code(1);
    insta::assert_snapshot!(project.redact(&sick.stdout).replace(namespace, "NS"), @"
    state  what  detail
    ok  root  .
    ok  tracking database  whole
    ok  points v1  6 files, Production
    wrong  production/points  `active` points to nothing, the ledger says v1
    wrong  left by a process that died  ./checkpoints/experiments/points/.v9.4194304-NS.tmp

    `mlops doctor --fix` heals what is wrong
    ");
    project.run(&["doctor", "--fix"]).ok();
    assert_eq!(project.link("active").as_deref(), Some("v1"));
    project.run(&["doctor"]).ok();
    project.write("checkpoints/experiments/points/v1/schema.json", "{}");
    let broken = project.run(&["doctor", "--fix"]).code(1);
    assert!(broken.stdout.contains("schema.json` is damaged"), "{}", broken.stdout);
}
