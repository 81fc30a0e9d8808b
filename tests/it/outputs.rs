//! Where answers are written: any path works, and is recorded.

use serde_json::Value;

use crate::support::TestProject;

const HASHING: &str = include_str!("../../experiments/reviews_hashing/config.yaml");

/// The paths of all artifacts of the newest run of a command, and its status.
fn recorded(project: &TestProject, command: &str) -> (Vec<String>, Value) {
    let runs = project.run(&["--json", "runs", "search", &format!("command = '{command}'")]).ok().json();
    let id = runs["items"][0]["run_id"].as_str().unwrap().to_owned();
    let details = project.run(&["--json", "runs", "show", &id]).ok().json();
    let paths = details["artifacts"].as_array().unwrap().iter();
    let paths = paths.map(|one| one["path"].as_str().unwrap().to_owned()).collect();
    (paths, details["run"]["status"].clone())
}

#[test]
fn outputs_outside_of_the_project_are_recorded_by_their_absolute_path() {
    let project = TestProject::with_reviews();
    let elsewhere = tempfile::tempdir().unwrap();
    let place = elsewhere.path().canonicalize().unwrap();
    project.write("experiments/reviews_hashing/config.yaml", HASHING);
    let inside = project.path("e.parquet").display().to_string();
    let outside = place.join("e.parquet").display().to_string();
    let up = format!("../{}/up.parquet", place.file_name().unwrap().to_str().unwrap());
    let real = std::fs::canonicalize(place.join("..")).unwrap() == std::fs::canonicalize(project.path("..")).unwrap();
    assert!(real, "both temporary folders lie beside each other");
    for (output, expected) in [
        (inside.as_str(), "e.parquet".to_owned()),
        (outside.as_str(), outside.clone()),
        (up.as_str(), place.join("up.parquet").display().to_string()),
        ("data/../e2.parquet", "e2.parquet".to_owned()),
    ] {
        project.run(&["embed", "experiments/reviews_hashing/config.yaml", "--output", output]).ok();
        let (paths, status) = recorded(&project, "embed");
        assert!(paths.contains(&expected), "{output}: {paths:?}");
        assert_eq!(status, "FINISHED", "{output}");
        let arguments = ["embed", "--input", "data/reviews.csv", "--text-column", "text", "--output", output];
        project.run(&arguments).ok();
        assert_eq!(recorded(&project, "embed"), (vec![expected], "FINISHED".into()), "{output}");
    }
}

#[test]
fn an_export_outside_of_the_project_leaves_a_finished_run() {
    let project = TestProject::with_points();
    project.train("lr", &[]);
    let elsewhere = tempfile::tempdir().unwrap();
    let folder = elsewhere.path().canonicalize().unwrap().join("out");
    project.run(&["export", "points/1", "--output", &folder.display().to_string()]).ok();
    let (paths, status) = recorded(&project, "export");
    assert_eq!(status, "FINISHED");
    assert!(paths.contains(&folder.join("model.onnx").display().to_string()), "{paths:?}");
    let killed = project.run(&["--json", "runs", "search", "status = 'KILLED'"]).ok().json();
    assert_eq!(killed["items"].as_array().map(Vec::len), Some(0), "{killed}");
}

#[test]
fn a_file_that_a_script_logs_is_recorded_by_its_place() {
    let project = TestProject::with_points();
    let run = project.run(&["--json", "runs", "create", "--experiment", "by_hand"]).ok().json();
    let id = run["run_id"].as_str().unwrap();
    let absolute = project.path("data/points.csv").display().to_string();
    for path in ["data/points.csv", "data/../data/points.csv", &absolute] {
        project.run(&["runs", "log", id, "--artifact", path]).ok();
    }
    let details = project.run(&["--json", "runs", "show", id]).ok().json();
    assert_eq!(details["artifacts"].as_array().map(Vec::len), Some(1), "{details}");
    assert_eq!(details["artifacts"][0]["path"], "data/points.csv");
}
