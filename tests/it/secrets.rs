//! The value of `${NAME}` in a source may be a secret: it stands in no error, record, note or notice.

use crate::retrain::RETRAIN;
use crate::support::{TestProject, config};

const VALUE: &str = "hunter2secret";

/// Fails where the secret stands in any file of the project, the tracking database included.
#[track_caller]
fn nowhere_in(project: &TestProject) {
    let mut open = vec![project.root().to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.is_file() {
                let bytes = std::fs::read(&path).unwrap();
                assert!(!bytes.windows(VALUE.len()).any(|window| window == VALUE.as_bytes()), "{}", path.display());
            }
        }
    }
}

#[test]
fn errors_of_every_command_that_reads_rows_show_the_name() {
    let project = TestProject::with_points();
    project.train("lr", &[]);
    project.run(&["promote", "points/1", "--force", "--reason", "the first"]).ok();
    let secret = config("hidden", "logistic_regression").replace("data/points.csv", "${PLACE}/points.csv");
    project.write("experiments/hidden/config.yaml", secret);
    project.write("retrain.yaml", RETRAIN.replace("data/rows.csv", "${PLACE}/rows.csv").replace("forest", "hidden"));
    let hidden = "experiments/hidden/config.yaml";
    for arguments in [
        &["train", hidden][..],
        &["--json", "train", hidden],
        &["predict", "points", "--input", "${PLACE}/new.csv"],
        &["evaluate", "points", "--data", "${PLACE}/test.csv"],
        &["drift-check", "points", "--current", "${PLACE}/new.csv"],
        &["drift-check", "--reference", "${PLACE}/old.csv", "--current", "data/points.csv"],
        &["recommend", "points", "--items", "${PLACE}/items.csv", "--query", "a"],
        &["embed", "--input", "${PLACE}/new.csv", "--text-column", "text", "--output", "vectors.parquet"],
        &["retrain", "retrain.yaml"],
        &["--json", "retrain", "retrain.yaml"],
    ] {
        let answer = project.run_with("PLACE", &format!("/mnt/{VALUE}"), arguments);
        assert_ne!(answer.code, Some(0), "{arguments:?}");
        let texts = answer.stdout + &answer.stderr;
        assert!(!texts.contains(VALUE), "{arguments:?}: {texts}");
    }
    nowhere_in(&project);
    let runs = project.run(&["--json", "runs", "search", "status = 'FAILED'"]).ok().json();
    let errors = runs["items"].as_array().unwrap().iter().map(|run| run["tags"]["error"].as_str().unwrap());
    let errors: Vec<&str> = errors.collect();
    assert!(errors.iter().any(|error| error.contains("`${PLACE}/points.csv`")), "{errors:?}");
}
