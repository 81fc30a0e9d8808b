//! `retrain` that is killed, or whose new version does not serve: production answers, and the next call goes on.

use serde_json::Value;

use super::retrain::{ARGUMENTS, AUGUST, RETRAIN, SEPTEMBER, ask, at, project, rows};
use super::support::{TestProject, armed};

/// The crash points between a roll-back and the note of it, and between the end and the notices.
pub const CRASH_POINTS: [&str; 2] = ["retrain.rolled_back", "retrain.before_notices"];

const STEPS: &[&str] = &["trigger", "extract", "validate", "train", "decide", "verify", "prune", "end"];

#[test]
fn what_does_not_serve_is_rolled_back() {
    let project = project();
    at(&project, AUGUST, ARGUMENTS).ok();
    let active = project.link("active").unwrap();
    project.write("data/rows.csv", rows(&[(9, 1)]));
    project.write("probe.sh", "echo \"$MLOPS_MODEL $MLOPS_VERSION\" > asked; echo 'no answer on port 80' >&2; exit 7");
    project.write("retrain.yaml", format!("{RETRAIN}verify: [sh, probe.sh]\n"));
    let crashed = project
        .command(ARGUMENTS)
        .env("MLOPS_NOW", SEPTEMBER)
        .env("MLOPS_CRASH_AT", armed(CRASH_POINTS[0]))
        .output()
        .unwrap();
    assert!(crashed.status.code().is_none());
    assert_eq!(project.link("active").unwrap(), active);
    let back = at(&project, SEPTEMBER, ARGUMENTS).code(1).json();
    assert_eq!(back["outcome"], "rolled_back");
    let why = back["state"]["verified"]["rolled_back"].as_str().unwrap();
    assert!(
        why.contains(" failed: `sh probe.sh` exited with 7 (no answer on port 80); see `")
            && why.ends_with("/verify.log`"),
        "{why}"
    );
    let version = back["state"]["decided"]["version"].as_u64().unwrap();
    assert_eq!(project.read("asked"), format!("points {version}\n"));
    assert_eq!(project.link("active").unwrap(), active);
    let history = project.run(&["--json", "models", "history", "points"]).ok().json();
    let lines = history["items"].as_array().unwrap();
    assert_eq!(lines.iter().filter(|line| line["action"] == "rolled_back").count(), 1, "{history}");
    // A clock that tries again is not told that all is well.
    let again = at(&project, SEPTEMBER, ARGUMENTS).code(1).json();
    assert_eq!((&again["already_done"], &again["outcome"]), (&Value::Bool(true), &Value::from("rolled_back")));
    // A program that hangs is ended with all that it has started.
    project.write("data/rows.csv", rows(&[(10, 1)]));
    project.write("retrain.yaml", format!("{RETRAIN}verify: [sh, -c, 'sleep 60 & sleep 60']\nverify_timeout: 1s\n"));
    let hung = at(&project, "2026-11-01T03:00:00Z", ARGUMENTS).code(1).json();
    let why = hung["state"]["verified"]["rolled_back"].as_str().unwrap();
    assert!(why.ends_with("`sh -c sleep 60 & sleep 60` had not ended after 1 s"), "{why}");
    assert_eq!(project.link("active").unwrap(), active);
}

#[test]
fn the_first_version_of_all_is_withdrawn_when_it_does_not_serve() {
    let project = project();
    project.write("retrain.yaml", format!("{RETRAIN}verify: ['false']\n"));
    let withdrawn = at(&project, AUGUST, &["retrain", "retrain.yaml"]).code(1);
    assert!(
        withdrawn.stdout.contains("verification of points v1 failed, nothing is in production"),
        "{}",
        withdrawn.stdout
    );
    assert_eq!(project.link("active"), None);
    let again = at(&project, AUGUST, ARGUMENTS).code(1).json();
    assert_eq!((&again["already_done"], &again["outcome"]), (&Value::Bool(true), &Value::from("rolled_back")));
}

#[test]
fn a_retrain_that_was_cut_short_is_closed_by_the_next_period() {
    let project = project();
    at(&project, AUGUST, ARGUMENTS).ok();
    let active = project.link("active").unwrap();
    project.write("retrain.yaml", format!("{RETRAIN}verify: ['false']\n"));
    project.write("data/rows.csv", rows(&[(9, 1)]));
    let kill = |moment: &str, point: &str| {
        let mut command = project.command(ARGUMENTS);
        command.env("MLOPS_NOW", moment).env("MLOPS_CRASH_AT", armed(point));
        assert!(command.status().unwrap().code().is_none(), "{point}");
    };
    let state = |period: &str| -> Value {
        let name = format!("experiments/monthly/retrain/{period}/state.json");
        serde_json::from_str(&project.read(&name)).unwrap()
    };
    // Killed after the switch, before the proof: the next month proves it, and rolls it back.
    kill(SEPTEMBER, "retrain.saved_decide");
    assert_ne!(project.link("active").unwrap(), active);
    project.write("data/rows.csv", rows(&[(10, 1)]));
    let next = at(&project, "2026-11-01T03:00:00Z", ARGUMENTS).code(1);
    assert!(next.stderr.contains("monthly 202610 had been cut short and was finished"), "{}", next.stderr);
    let before = state("202610");
    assert_eq!((&before["ended"]["how"], &before["told"]), (&"rolled_back".into(), &true.into()), "{before}");
    assert_eq!(project.link("active").unwrap(), active);
    // Killed before a decision: closed.
    kill("2026-12-01T03:00:00Z", "retrain.saved_extract");
    at(&project, "2027-01-01T03:00:00Z", ARGUMENTS).code(1);
    assert_eq!(state("202612")["ended"]["how"], "abandoned");
}

/// How often a version has gone to production.
fn promotions(project: &TestProject) -> usize {
    let history = project.run(&["--json", "models", "history", "points"]).ok().json();
    history["items"].as_array().unwrap().iter().filter(|line| line["to"] == "Production").count()
}

/// Kills a retrain at a crash point of a month that has a version in production, and goes on.
fn crash_and_go_on((base, promoted): (&TestProject, usize), point: &str, before: &str) {
    let project = base.copy();
    let crashed =
        project.command(ARGUMENTS).env("MLOPS_NOW", SEPTEMBER).env("MLOPS_CRASH_AT", armed(point)).output().unwrap();
    assert!(crashed.status.code().is_none(), "{point} is not reached");
    // What answers is what was in production, or what has been decided on.
    let decided = promotions(&project) > promoted;
    assert_eq!(ask(&project, "points") == before, !decided, "{point}");
    let done = at(&project, SEPTEMBER, ARGUMENTS).ok().json();
    assert_eq!(done["outcome"], "promoted", "{point}: {done}");
    let ended = ["retrain.saved_end", CRASH_POINTS[1]].contains(&point);
    assert_eq!(done["already_done"], ended, "{point}: {done}");
    let version = done["state"]["decided"]["version"].as_u64().unwrap();
    assert_eq!(project.link("active"), Some(format!("v{version}")), "{point}");
    assert_eq!(done["state"]["decided"]["production"], 1, "{point}: {done}");
    assert_eq!(promotions(&project), promoted + 1, "{point}");
    let again = at(&project, SEPTEMBER, ARGUMENTS).ok().json();
    assert_eq!(again["already_done"], true, "{point}");
    let doctor = project.run(&["--json", "doctor", "--fix"]).ok().json();
    let healthy = |one: &Value| ["ok", "fixed"].contains(&one["state"].as_str().unwrap());
    assert!(doctor["items"].as_array().unwrap().iter().all(healthy), "{point}: {doctor}");
    // A training that had published its version and not ended is made again.
    let more = usize::from(["train.before_register", "run.before_finish"].contains(&point));
    assert!((4..=4 + more).contains(&project.stages().len()), "{point}");
    let running = project.run(&["--json", "runs", "search", "status = 'RUNNING'"]).ok().json();
    assert_eq!(running["items"].as_array().unwrap().len(), 0, "{point}");
}

#[test]
fn a_retrain_that_was_killed_goes_on_at_every_step() {
    let base = project();
    at(&base, AUGUST, ARGUMENTS).ok();
    base.run(&["promote", "points/1"]);
    let active = base.link("active").unwrap();
    if active != "v1" {
        base.run(&["promote", "points/1", "--force", "--reason", "for the test"]).ok();
    }
    base.write("data/rows.csv", rows(&[(8, 1), (9, 1)]));
    let before = ask(&base, "points");
    let own = STEPS.iter().flat_map(|step| ["before", "after", "saved"].map(|place| format!("retrain.{place}_{step}")));
    let inner = [
        "run.started",
        "train.before_publish",
        "publish.before_rename",
        "train.before_register",
        "run.before_finish",
        "promote.before_rows",
        "promote.after_rows",
        "mirror.before_active",
        "switch.before_rename",
        "mirror.between_links",
    ];
    let inner = inner.into_iter().chain([CRASH_POINTS[1]]);
    let points: Vec<String> = own.chain(inner.map(str::to_owned)).collect();
    // Nobody touches the base while it is copied: its database has files that come and go.
    let promoted = promotions(&base);
    std::thread::scope(|scope| {
        for half in points.chunks(points.len().div_ceil(2)) {
            let (base, before) = (&base, &before);
            scope.spawn(move || half.iter().for_each(|point| crash_and_go_on((base, promoted), point, before)));
        }
    });
}

#[test]
fn another_config_is_another_training() {
    let project = project();
    // Killed when both candidates were trained.
    let mut crash = project.command(ARGUMENTS);
    crash.env("MLOPS_NOW", AUGUST).env("MLOPS_CRASH_AT", armed("retrain.before_decide"));
    assert!(crash.status().unwrap().code().is_none());
    assert_eq!(project.stages().len(), 2);
    let lr = project.read("experiments/lr/config.yaml");
    project.write("experiments/lr/config.yaml", lr.replace("params: {}", "params: {C: 0.5}"));
    let done = at(&project, AUGUST, &["--json", "retrain", "retrain.yaml", "--force"]).ok().json();
    let versions: Vec<u64> =
        done["state"]["trained"].as_array().unwrap().iter().map(|one| one["version"].as_u64().unwrap()).collect();
    // The forest is the same config on the same rows: it is found again.
    assert_eq!(versions, [3, 2], "{done}");
}
