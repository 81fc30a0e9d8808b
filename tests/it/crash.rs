//! A process that dies at any crash point: production goes on answering, `doctor --fix` heals, the next one works.

use std::collections::BTreeSet;
use std::path::Path;

use super::support::TestProject;

/// Which version answers after the crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answers {
    /// The one of before: nothing was decided yet.
    Before,
    /// The one that was decided on: the decision is one transaction, and stands.
    After,
}

const TRAIN: &[&str] = &["train", "experiments/lr/config.yaml"];
const PROMOTE: &[&str] = &["promote", "points/3"];
const ROLLBACK: &[&str] = &["rollback", "points"];

/// Every crash point, a command that reaches it, and which version answers afterwards, by the ledger (`points`) and by
/// the link (`production/points/active`).
const POINTS: &[(&str, &[&str], Answers, Answers)] = &[
    ("run.started", TRAIN, Answers::Before, Answers::Before),
    ("train.before_publish", TRAIN, Answers::Before, Answers::Before),
    ("publish.before_rename", TRAIN, Answers::Before, Answers::Before),
    ("train.before_register", TRAIN, Answers::Before, Answers::Before),
    ("run.before_finish", TRAIN, Answers::Before, Answers::Before),
    ("publish.before_rename", PROMOTE, Answers::Before, Answers::Before),
    ("exchange.before_renames", PROMOTE, Answers::Before, Answers::Before),
    ("exchange.between_renames", PROMOTE, Answers::Before, Answers::Before),
    ("promote.before_rows", PROMOTE, Answers::Before, Answers::Before),
    ("promote.after_rows", PROMOTE, Answers::After, Answers::Before),
    ("mirror.before_active", PROMOTE, Answers::After, Answers::Before),
    ("switch.before_rename", PROMOTE, Answers::After, Answers::Before),
    ("mirror.between_links", PROMOTE, Answers::After, Answers::After),
    ("rollback.after_rows", ROLLBACK, Answers::After, Answers::Before),
    ("mirror.before_active", ROLLBACK, Answers::After, Answers::Before),
    ("switch.before_rename", ROLLBACK, Answers::After, Answers::Before),
    ("mirror.between_links", ROLLBACK, Answers::After, Answers::After),
];

fn collect(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else {
            let text = std::fs::read_to_string(&path).unwrap();
            let named = text.split("crash_point(\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
            found.extend(named);
        }
    }
}

#[test]
fn every_crash_point_of_the_sources_is_tested() {
    let mut found = BTreeSet::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    let here = POINTS.iter().map(|(name, ..)| *name);
    let elsewhere = [super::sentence::CRASH_POINT].into_iter().chain(super::retrain_killed::CRASH_POINTS);
    let elsewhere = elsewhere.chain(super::gc::CRASH_POINTS).chain(super::prediction_log::CRASH_POINTS);
    let tested: BTreeSet<String> = here.chain(elsewhere).map(str::to_owned).collect();
    assert_eq!(found, tested);
}

/// Names of temporary files and folders.
fn leftovers(project: &TestProject) -> Vec<String> {
    let (mut found, mut open) = (Vec::new(), vec![project.root().to_path_buf()]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.to_string_lossy().ends_with(".tmp") {
                found.push(path.display().to_string());
            } else if path.is_dir() && !path.is_symlink() {
                open.push(path);
            }
        }
    }
    found
}

/// Three versions: v1 was in production, v2 is, v3 is in Staging. Their answers differ.
fn three_versions() -> TestProject {
    let project = TestProject::with_points();
    for c in ["1", "0.1", "0.01"] {
        let set = format!("model.params.C={c}");
        project.train("lr", &["--set", &set]);
        if c != "0.01" {
            project.run(&["promote", "points"]).ok();
        }
    }
    // Its copy among the validated ones gives way to its release.
    project.run(&["promote", "points/3", "--to", "staging"]).ok();
    project
}

#[track_caller]
fn ask(project: &TestProject, model: &str) -> String {
    project.run(&["predict", model, "--input", "data/points.csv", "--no-record"]).ok().stdout
}

fn crash_and_heal(point: &str, command: &[&str], by_name: Answers, by_link: Answers) {
    let project = three_versions();
    let wanted = if command == ROLLBACK { "points/1" } else { "points/3" };
    let expected = |answers: Answers| ask(&project, if answers == Answers::Before { "points/2" } else { wanted });
    let (expected_by_name, expected_by_link) = (expected(by_name), expected(by_link));
    assert_ne!(ask(&project, "points/2"), ask(&project, wanted));

    let crashed = project.crash_at(point, command);
    assert_eq!(crashed.signal, Some(6), "{point} is not reached by {command:?}: {crashed:?}");
    assert_eq!(ask(&project, "production/points/active"), expected_by_link, "{point}: the link");
    assert_eq!(ask(&project, "points"), expected_by_name, "{point}: the ledger");

    let fixed = project.run(&["--json", "doctor", "--fix"]).ok().json();
    let states = |document: &serde_json::Value| -> BTreeSet<String> {
        document["items"].as_array().unwrap().iter().map(|one| one["state"].as_str().unwrap().to_owned()).collect()
    };
    assert!(states(&fixed).is_subset(&BTreeSet::from(["ok".to_owned(), "fixed".to_owned()])), "{point}: {fixed}");
    let healed = project.run(&["--json", "doctor"]).ok().json();
    assert_eq!(states(&healed), BTreeSet::from(["ok".to_owned()]), "{point}: {healed}");
    assert_eq!(leftovers(&project), [""; 0], "{point}");
    // Ledger and link say the same, and it is what was decided.
    assert_eq!(ask(&project, "points"), expected_by_name, "{point}");
    assert_eq!(ask(&project, "production/points/active"), expected_by_name, "{point}");
    let running = project.run(&["--json", "runs", "search", "status = 'RUNNING'"]).ok().json();
    assert_eq!(running["items"].as_array().unwrap().len(), 0, "{point}");

    let next = project.train("lr", &["--set", "model.params.C=5"])["version"].as_u64().unwrap();
    assert!(next > 3, "{point}: v{next}");
    project.run(&["promote", "points"]).ok();
    assert_eq!(project.link("active"), Some(format!("v{next}")), "{point}");
    assert_eq!(ask(&project, "points"), ask(&project, &format!("points/{next}")), "{point}");
    project.run(&["rollback", "points"]).ok();
    assert_eq!(ask(&project, "points"), expected_by_name, "{point}: rolled back to what was there");
}

#[test]
fn a_crash_during_train_is_healed() {
    for (point, command, by_name, by_link) in POINTS.iter().filter(|(_, command, ..)| *command == TRAIN) {
        crash_and_heal(point, command, *by_name, *by_link);
    }
}

#[test]
fn a_crash_during_promote_is_healed() {
    for (point, command, by_name, by_link) in POINTS.iter().filter(|(_, command, ..)| *command == PROMOTE) {
        crash_and_heal(point, command, *by_name, *by_link);
    }
}

#[test]
fn a_crash_during_rollback_is_healed() {
    for (point, command, by_name, by_link) in POINTS.iter().filter(|(_, command, ..)| *command == ROLLBACK) {
        crash_and_heal(point, command, *by_name, *by_link);
    }
}

#[test]
fn the_next_promotion_heals_without_a_doctor() {
    for point in ["publish.before_rename", "promote.before_rows", "promote.after_rows", "mirror.between_links"] {
        let project = three_versions();
        assert_eq!(project.crash_at(point, PROMOTE).signal, Some(6), "{point}");
        project.run(PROMOTE).ok();
        assert_eq!(
            (project.link("active").as_deref(), project.link("previous").as_deref()),
            (Some("v3"), Some("v2")),
            "{point}"
        );
        assert_eq!(project.stages(), ["Archived", "Archived", "Production"], "{point}");
    }
}

#[test]
fn the_next_command_of_any_kind_heals_and_a_rollback_is_not_made_twice() {
    let project = three_versions();
    assert_eq!(project.crash_at("promote.after_rows", PROMOTE).signal, Some(6));
    assert_eq!(project.link("active").as_deref(), Some("v2"));
    let told = project.run(&["predict", "points", "--input", "data/points.csv", "--output", "out.csv"]).ok().stderr;
    assert!(told.contains("`production/points/active` pointed to v2, now to v3"), "{told}");
    assert_eq!((project.link("active").as_deref(), project.link("previous").as_deref()), (Some("v3"), Some("v2")));

    assert_eq!(project.crash_at("rollback.after_rows", ROLLBACK).signal, Some(6));
    let again = project.run(ROLLBACK).ok();
    assert!(again.stderr.contains("finished a rollback that was interrupted"), "{}", again.stderr);
    assert_eq!(project.link("active").as_deref(), Some("v2"));
    project.run(ROLLBACK).ok();
    assert_eq!(project.link("active").as_deref(), Some("v1"));
}

#[test]
fn an_unknown_crash_point_crashes_nothing() {
    let project = TestProject::with_points();
    project.crash_at("no.such.point", TRAIN).ok();
}

#[test]
fn a_crash_point_that_the_parent_has_not_armed_crashes_nothing() {
    let project = TestProject::with_points();
    // What a shell or a service file may have left behind: no process, or one that is not the parent.
    for value in ["run.started", "run.started@1"] {
        project.run_with("MLOPS_CRASH_AT", value, TRAIN).ok();
    }
    assert_eq!(project.crash_at("run.started", TRAIN).signal, Some(6));
}
