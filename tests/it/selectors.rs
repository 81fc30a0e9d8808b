//! How models are named: a bare name is the registry's, a folder is written as a path, and every command takes a version.

use serde_json::Value;

use crate::support::TestProject;

/// Two versions of `points`: v1 in production.
fn two_versions() -> TestProject {
    let project = TestProject::with_points();
    project.train("lr", &[]);
    project.train("forest", &[]);
    project.run(&["promote", "points/1", "--force", "--reason", "the first"]).ok();
    project
}

/// Copies a model's folder as `cp -rL` does: links become folders.
fn copy_folder(project: &TestProject, from: &str, to: &str) {
    let status = std::process::Command::new("cp").args(["-rL", from, to]).current_dir(project.root()).status().unwrap();
    assert!(status.success());
}

/// The version that `predict` answers with, its answers, and what it has noted.
fn predict(project: &TestProject, model: &str, folder: &str) -> (Value, String) {
    let data = project.path("data/points.csv").display().to_string();
    let mut command = project.command(&["--json", "predict", model, "--input", &data, "--no-record"]);
    let answer: crate::support::Answer = command.current_dir(project.path(folder)).output().unwrap().into();
    let answer = answer.ok();
    (answer.json()["version"].take(), answer.stderr)
}

#[test]
fn a_folder_does_not_shadow_a_registered_name() {
    let project = two_versions();
    copy_folder(&project, "production/points", "points");
    copy_folder(&project, "production/points/v1", "points/2");
    project.run(&["promote", "points/2", "--force", "--reason", "the second"]).ok();
    assert_eq!(project.link("active").as_deref(), Some("v2"));
    for (model, version) in [("points", 2), ("points/1", 1), ("points/2", 2), ("points@production", 2)] {
        assert_eq!(predict(&project, model, ".").0, version, "{model}");
    }
    // The folders are used where they are written as paths.
    for model in ["./points", "./points/2", "./points/v1", "production/points/v1"] {
        assert_eq!(predict(&project, model, ".").0, 1, "{model}");
    }
    let notes = predict(&project, "points", ".").1;
    assert!(
        notes.contains("The folder `points` has the same name and is not used; write `./points` to use it"),
        "{notes}"
    );
    // In `production/` the folder of that name is the registry's own: no note.
    assert_eq!(predict(&project, "points", "production"), (2.into(), String::new()));
    let evaluated = project.run(&["--json", "evaluate", "points", "--data", "data/points.csv"]).ok().json();
    assert_eq!(evaluated["version"], 2, "{evaluated}");
}

#[test]
fn outside_of_a_project_a_name_is_that_of_a_folder() {
    let project = two_versions();
    let elsewhere = tempfile::tempdir().unwrap();
    let to = elsewhere.path().join("points").display().to_string();
    copy_folder(&project, "production/points", &to);
    let data = project.path("data/points.csv").display().to_string();
    for model in ["points", "./points", "points/v1"] {
        let mut command = project.command(&["predict", model, "--input", &data]);
        let answer: crate::support::Answer = command.current_dir(elsewhere.path()).output().unwrap().into();
        assert_eq!(answer.ok().stdout.lines().count(), 201, "{model}");
    }
    // In a project without such a model the folder is not taken for it.
    let empty = TestProject::new();
    copy_folder(&project, "production/points", &empty.path("points").display().to_string());
    empty.run(&["predict", "points", "--input", &data]).code(4);
    empty.run(&["predict", "./points", "--input", &data]).ok();
}

#[test]
fn runs_and_models_take_the_version_of_a_model() {
    let project = two_versions();
    project.run(&["models", "alias", "points/2", "champion"]).ok();
    let show = |arguments: &[&str]| project.run(&[&["--json"], arguments].concat()).ok().json();
    let versions = |document: &Value| -> Vec<u64> {
        document["versions"].as_array().unwrap().iter().map(|one| one["version"].as_u64().unwrap()).collect()
    };
    assert_eq!(versions(&show(&["models", "show", "points"])), [1, 2]);
    for (selector, version) in [("points/2", 2), ("points@champion", 2), ("points@production", 1), ("points/v1", 1)] {
        assert_eq!(versions(&show(&["models", "show", selector])), [version], "{selector}");
        let run = show(&["runs", "show", selector]);
        assert_eq!(run["run"]["tags"]["version"], version.to_string(), "{selector}");
        let entries = show(&["models", "history", selector]);
        let entries = entries["items"].as_array().unwrap();
        assert!(!entries.is_empty() && entries.iter().all(|entry| entry["version"] == version), "{selector}");
    }
    project.run(&["runs", "show", "points/7"]).code(4);
    project.run(&["models", "show", "points/7"]).code(4);
    project.run(&["models", "history", "points/7"]).code(4);
}
