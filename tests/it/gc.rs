//! `mlops gc`: deleted runs, leftovers and old vectors go for good; what is referenced never does.

use std::path::Path;

use super::support::TestProject;

#[test]
fn deleted_runs_leftovers_and_old_vectors_go_and_nothing_else() {
    let project = TestProject::with_points();
    let trained = project.train("lr", &[]);
    let run = project.run(&["--json", "evaluate", "points/1"]).ok().json();
    let (id, folder) = (run["run_id"].as_str().unwrap(), run["run_folder"].as_str().unwrap());
    // A run that a version came from cannot be deleted, so it cannot be collected.
    project.run(&["runs", "delete", trained["run_id"].as_str().unwrap()]).code(3);
    project.run(&["runs", "delete", id]).ok();
    // No process has a number that large.
    let name = format!(".v9.{}-{}.tmp", u32::MAX, mlops::fs::namespace());
    let left = project.path("checkpoints/experiments/points").join(name);
    std::fs::create_dir_all(&left).unwrap();

    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/tiny-bert-mean");
    project.write("data/texts.csv", "text\n하나\n둘\n셋\n");
    let embed = ["embed", "--input", "data/texts.csv", "--text-column", "text", "--output", "v.npy", "--model"];
    project.run(&[&embed[..], &[&model.display().to_string()]].concat()).ok();

    let before = project.tree();
    let planned = project.run(&["--json", "gc", "--dry-run"]).ok().json();
    assert_eq!(planned["runs"][0]["run_id"], id);
    assert_eq!((&planned["cache"]["vectors"], &planned["cache_kept"]), (&0.into(), &3.into()));
    let names = |tree: &[(std::path::PathBuf, Vec<u8>)]| tree.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
    assert_eq!(names(&project.tree()), names(&before), "a plan changes nothing");
    // Without a terminal nothing goes unless `--yes` says so.
    assert!(project.run(&["gc"]).code(2).stderr.contains("--yes"));

    project.run(&["gc", "--yes", "--cache-max", "0B"]).ok();
    assert!(!project.path(folder).exists() && !left.exists());
    project.run(&["runs", "restore", id]).code(4);
    project.run(&["predict", "points/1", "--input", "data/points.csv"]).ok();
    let after = project.run(&["--json", "gc", "--dry-run"]).ok().json();
    assert_eq!((after["runs"].as_array().unwrap().len(), &after["cache_kept"]), (0, &0.into()));
    assert!(project.run(&["gc"]).ok().stdout.contains("nothing to remove"));
}
