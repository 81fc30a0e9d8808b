//! `mlops gc`: deleted runs, leftovers and old vectors go for good; what is referenced never does.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use super::support::{Answer, TestProject};

/// The crash points of removing a version.
pub const CRASH_POINTS: [&str; 2] = ["prune.after_rows", "prune.after_rename"];

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

/// Trains so many versions of `points`.
fn versions(project: &TestProject, number: usize) {
    for _ in 0..number {
        project.train("lr", &[]);
    }
}

/// The reasons for which versions stay, by version.
fn reasons(document: &Value) -> Vec<(u64, Vec<String>)> {
    let texts = |value: &Value| {
        value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let kept = document["versions_kept"].as_array().unwrap();
    kept.iter().map(|one| (one["version"].as_u64().unwrap(), texts(&one["reasons"]))).collect()
}

fn numbers(versions: &Value) -> Vec<u64> {
    versions.as_array().unwrap().iter().map(|one| one["version"].as_u64().unwrap()).collect()
}

#[track_caller]
fn healthy(project: &TestProject) {
    let doctor = project.run(&["--json", "doctor"]).ok().json();
    assert!(doctor["items"].as_array().unwrap().iter().all(|one| one["state"] == "ok"), "{doctor}");
    let models = project.run(&["--json", "models"]).ok().json();
    assert_eq!(models["items"][0]["disagreements"], serde_json::json!([]));
}

#[test]
fn old_versions_go_and_what_somebody_depends_on_stays() {
    let project = TestProject::with_points();
    versions(&project, 4);
    project.run(&["models", "alias", "points/2", "champion"]).ok();
    project.run(&["models", "pin", "points/3", "--reason", "audit"]).ok();
    let measured = project.run(&["--json", "evaluate", "points/4"]).ok().json()["run_id"].take();
    for _ in [5, 6] {
        versions(&project, 1);
        project.run(&["promote", "points"]).ok();
    }
    versions(&project, 1);
    project.run(&["promote", "points/7", "--to", "staging"]).ok();
    versions(&project, 2);
    // Predicting with a version and promoting it once bind nobody to it.
    project.run(&["predict", "points/1", "--input", "data/points.csv"]).ok();
    for version in [1, 2, 3, 4, 5, 6, 7, 9] {
        project.age(version, 200);
    }
    healthy(&project);

    let policy = ["gc", "--older-than", "180d", "--keep-last", "1"];
    let before = project.tree();
    let planned = project.run(&[&["--json"], &policy[..], &["--dry-run"]].concat()).ok().json();
    assert_eq!(numbers(&planned["versions"]), [1]);
    assert!(planned["versions"][0]["reason"].as_str().unwrap().starts_with("made 200d ago, older than 180d"));
    let mut kept = reasons(&planned);
    let young = kept.remove(6);
    assert!(young.0 == 8 && young.1.len() == 1 && young.1[0].starts_with("younger than 180d: made "), "{young:?}");
    let run = format!("measured by run {}", &measured.as_str().unwrap()[..8]);
    let expected: [(u64, Vec<&str>); 7] = [
        (2, vec!["alias @champion"]),
        (3, vec!["pinned by tester: audit"]),
        (4, vec![&run]),
        (5, vec!["previous: a rollback goes to it", "parent of v6, which is in production"]),
        (6, vec!["in production", "parent of v7, which is in staging"]),
        (7, vec!["in staging"]),
        (9, vec!["the last one"]),
    ];
    let expected = expected.map(|(version, reasons)| (version, reasons.into_iter().map(str::to_owned).collect()));
    assert_eq!(kept, expected);
    let told = project.run(&[&policy[..], &["--dry-run"]].concat()).ok().stdout;
    assert!(told.contains("would remove  points v1") && told.contains("in production; parent of v7"), "{told}");
    assert!(project.run(&policy).code(2).stderr.contains("remove 1 model version for good?"));
    // Without an age no version goes, also when all else does.
    project.run(&["gc", "--yes"]).ok();
    assert_eq!(project.tree(), before);

    let done = project.run(&[&["--json", "--yes"], &policy[..]].concat()).ok().json();
    assert_eq!((numbers(&done["versions"]), &done["bytes"]), (vec![1], &planned["bytes"]));
    assert!(done["bytes"].as_u64().unwrap() > 1000);
    assert!(!project.path("checkpoints/experiments/points/v1").exists());
    let gone = project.run(&["predict", "points/1", "--input", "data/points.csv"]).code(4);
    assert!(gone.stderr.starts_with("error: `points` v1 was pruned on 20"), "{}", gone.stderr);
    healthy(&project);
    let history = project.run(&["--json", "models", "history", "points"]).ok().json();
    let last = history["items"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["action"], &last["version"], &last["from"]), (&"pruned".into(), &1.into(), &"None".into()));
    assert_eq!(last["evidence"]["rule"]["keep_last"], 1);
    // Its run is a thing of its own, and its number is not given again.
    let first = history["items"][0]["evidence"]["run_id"].as_str().unwrap();
    project.run(&["runs", "show", first]).ok();
    assert_eq!(project.train("lr", &[])["version"], 10);
    // What bound them has gone: so do they, but for what is in use and young.
    project.run(&["models", "alias", "points/2", "champion", "--remove"]).ok();
    project.run(&["models", "pin", "points/3", "--remove"]).ok();
    project.run(&["runs", "delete", measured.as_str().unwrap()]).ok();
    let done = project.run(&[&["--json", "--yes"], &policy[..]].concat()).ok().json();
    assert_eq!(numbers(&done["versions"]), [2, 3, 4, 9]);
    project.run(&["rollback", "points"]).ok();
    healthy(&project);
}

#[test]
fn ages_are_asked_of_the_manifest_and_wrong_ones_are_refused() {
    let project = TestProject::with_points();
    versions(&project, 3);
    // Somebody wrote into the folder: it is not what was registered, and left for a person.
    let name = "checkpoints/experiments/points/v1/manifest.json";
    project.write(name, project.read(name).replace("\"created_at\": \"20", "\"created_at\": \"19"));
    let planned = project.run(&["--json", "gc", "--older-than", "0d", "--keep-last", "1", "--dry-run"]).ok().json();
    assert_eq!(numbers(&planned["versions"]), [2]);
    assert!(reasons(&planned)[0].1[0].contains("not what was registered"), "{planned}");
    // The default keeps the last three.
    let planned = project.run(&["--json", "gc", "--older-than", "0h", "--dry-run"]).ok().json();
    assert_eq!(numbers(&planned["versions"]), [0; 0]);
    for wrong in
        [&["--older-than", "6mo"][..], &["--older-than", "-3d"], &["--older-than", "180"], &["--keep-last", "2"]]
    {
        project.run(&[&["gc", "--dry-run"], wrong].concat()).code(2);
    }
    // The nine versions of nothing.
    TestProject::new().run(&["gc", "--older-than", "0d", "--yes"]).ok();
}

#[test]
fn a_removal_that_was_killed_is_finished_by_gc_or_doctor() {
    let remove: [&[&str]; 2] =
        [&["gc", "--older-than", "0d", "--keep-last", "1", "--yes"], &["models", "delete", "points/1", "--yes"]];
    for point in CRASH_POINTS {
        for (command, heal) in remove.into_iter().zip([&["doctor", "--fix"][..], &["gc", "--yes"]]) {
            let project = TestProject::with_points();
            versions(&project, 1);
            project.run(&["promote", "points/1", "--to", "staging"]).ok();
            versions(&project, 1);
            project.run(&["models", "archive", "points/1"]).ok();
            assert_eq!(project.crash_at(point, command).signal, Some(6), "{point}");
            // The row decides: it is gone for everybody, and its folders are what is left to be removed.
            let gone = project.run(&["predict", "points/1", "--input", "data/points.csv", "--no-record"]).code(4);
            assert!(gone.stderr.contains("v1 was "), "{}", gone.stderr);
            project.run(&["doctor"]).code(1);
            project.run(heal).ok();
            healthy(&project);
            let left = |folder: &str| std::fs::read_dir(project.path(folder)).unwrap().count();
            assert_eq!((left("checkpoints/experiments/points"), left("checkpoints/validated/points")), (1, 0));
            assert_eq!(project.train("lr", &[])["version"], 3, "{point}");
            project.run(&["promote", "points"]).ok();
        }
    }
}

#[test]
fn pruning_and_promoting_at_once_lose_nothing() {
    let start = |project: &TestProject, arguments: &[&str]| {
        project.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let prune = ["gc", "--older-than", "0d", "--keep-last", "0", "--yes"];
    for _ in 0..4 {
        let project = TestProject::with_points();
        versions(&project, 2);
        let others: [&[&str]; 4] = [&["promote", "points/1"], &prune, &prune, &["models", "pin", "points/2"]];
        let answers: Vec<Answer> = others
            .map(|arguments| start(&project, arguments))
            .into_iter()
            .map(|child| child.wait_with_output().unwrap().into())
            .collect();
        let ledger = project.run(&["--json", "models", "history", "points"]).ok().json();
        let gone = |version: u64| {
            let lines = ledger["items"].as_array().unwrap();
            lines.iter().filter(|line| line["action"] == "pruned" && line["version"] == version).count()
        };
        for (version, answer, link) in [(1, &answers[0], project.link("active")), (2, &answers[3], None)] {
            let selector = format!("points/{version}");
            if answer.code == Some(0) {
                assert_eq!(gone(version), 0, "v{version} was promoted or pinned, and pruned");
                project.run(&["models", "verify", &selector]).ok();
                assert!(version == 2 || link.as_deref() == Some("v1"));
            } else {
                assert_eq!(gone(version), 1, "{answer:?}");
                project.run(&["models", "verify", &selector]).code(4);
            }
        }
        assert!(answers[1].code == Some(0) && answers[2].code == Some(0), "{answers:?}");
        healthy(&project);
    }
}
