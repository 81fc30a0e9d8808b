//! `drift-check summary` and `drift-check reset`: events, the rule, what a reset does and leaves behind.

use mlops::names::{ModelName, Version};
use mlops::tracking::{DriftEvent, Severity, Tracker};
use serde_json::{Value, json};

use super::support::TestProject;

const DAY_MS: i64 = 86_400_000;

fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// An event of a window, an hour long, that ended so many days before `now_ms`.
fn event(now_ms: i64, days_ago: i64, feature: &str, severity: Severity, value: f64) -> DriftEvent {
    let model = ModelName::parse("points").unwrap();
    let to_ms = now_ms - days_ago * DAY_MS;
    DriftEvent {
        id: DriftEvent::identify(&model, feature, "kl", &to_ms.to_string()),
        model,
        version: Version(1),
        feature: feature.into(),
        statistic: "kl".into(),
        value,
        threshold: 0.02,
        severity,
        window_from_ms: to_ms - 3_600_000,
        window_to_ms: to_ms,
        n: 1000,
        full_window: true,
        recorded_ms: to_ms + 60_000,
    }
}

fn project() -> TestProject {
    let project = TestProject::with_points();
    project.train("lr", &[]);
    project.run(&["promote", "points"]).ok();
    project
}

fn add(project: &TestProject, events: &[DriftEvent]) -> usize {
    Tracker::open(&project.path("experiments/tracking.db")).unwrap().add_drift_events(events).unwrap()
}

fn summary(project: &TestProject, more: &[&str]) -> Value {
    project.run(&[&["--json", "drift-check", "summary", "points"], more].concat()).ok().json()
}

#[test]
fn five_windows_ask_for_a_retrain_and_a_reset_ends_it() {
    let project = project();
    let now_ms = now();
    let mut events: Vec<DriftEvent> = (1..=4).map(|day| event(now_ms, day, "score", Severity::Slight, 0.3)).collect();
    // Two columns of one window count once; what has no scale of its own does not drown the usual statistic.
    events.push(event(now_ms, 1, "a", Severity::Normal, 0.05));
    assert_eq!(add(&project, &events), 5);
    let four = summary(&project, &[]);
    assert_eq!((&four["count"], &four["windows"], &four["should_retrain"]), (&5.into(), &4.into(), &false.into()));
    assert_eq!(four["reasons"], json!(["4 drifted windows in 7 days (needs 5, or one severe on a full window)"]));
    assert_eq!(summary(&project, &["--windows", "4"])["should_retrain"], true);
    assert_eq!(summary(&project, &["--windows", "4", "--within", "2"])["should_retrain"], false);

    assert_eq!(add(&project, &[event(now_ms, 5, "score", Severity::Significant, 0.6)]), 1);
    assert_eq!(add(&project, &events), 0, "the same events again are nothing new");
    let five = summary(&project, &[]);
    assert_eq!((&five["count"], &five["windows"], &five["should_retrain"]), (&6.into(), &5.into(), &true.into()));
    assert_eq!((&five["statistic"], &five["max"]), (&"kl".into(), &0.6.into()));
    assert!((five["average"].as_f64().unwrap() - 1.85 / 6.0).abs() < 1e-12);
    assert_eq!(five["severities"], json!({"normal": 1, "slight": 4, "significant": 1, "severe": 0}));
    assert_eq!(five["reasons"], json!(["5 drifted windows in 7 days (at least 5)"]));

    let reset = project.run(&["--json", "drift-check", "reset", "points", "--reason", "retrained: v2"]).ok().json();
    assert_eq!((&reset["set_aside"], &reset["reason"]), (&6.into(), &"retrained: v2".into()));
    assert_eq!(reset["cooling_down_until_ms"].as_i64(), Some(reset["at_ms"].as_i64().unwrap() + 7 * DAY_MS));
    let after = summary(&project, &[]);
    assert_eq!((&after["count"], &after["set_aside"], &after["should_retrain"]), (&0.into(), &6.into(), &false.into()));
    assert_eq!((&after["max"], &after["statistic"]), (&Value::Null, &Value::Null));
    assert!(after["events"].as_array().unwrap().iter().all(|event| event["standing"] == "before_reset"), "events stay");
    assert_eq!(
        (&after["last_reset"]["reason"], &after["last_reset"]["at_ms"]),
        (&"retrained: v2".into(), &reset["at_ms"])
    );
    let line = &project.run(&["--json", "models", "history", "points"]).ok().json()["items"][2];
    assert_eq!(
        (&line["action"], &line["actor"], &line["version"]),
        (&"drift_reset".into(), &"tester".into(), &1.into())
    );
    // A reset leaves a run, which is not listed among those of training.
    let runs = project.run(&["--json", "runs", "list"]).ok().json();
    assert_eq!(runs["items"].as_array().unwrap().len(), 1);
    let all = project.run(&["--json", "runs", "list", "--commands"]).ok().json();
    assert!(all["items"].as_array().unwrap().iter().any(|run| run["command"] == "drift-check"), "{all}");
}

#[test]
fn severe_drift_asks_at_once_but_not_on_a_partial_window() {
    let project = project();
    let now_ms = now();
    let partial = DriftEvent { full_window: false, n: 317, ..event(now_ms, 1, "score", Severity::Severe, 1.4) };
    add(&project, &[partial]);
    assert_eq!(summary(&project, &[])["should_retrain"], false);
    add(&project, &[event(now_ms, 2, "score", Severity::Severe, 1.25)]);
    let found = summary(&project, &[]);
    assert_eq!(found["should_retrain"], true);
    assert_eq!(found["reasons"], json!(["1 severe event on a full window: kl of `score`"]));
    // Another version takes over: what was found for the one before is no reason to retrain this one.
    project.train("lr", &["--set", "model.params.C=0.01"]);
    project.run(&["promote", "points/2"]).ok();
    let found = summary(&project, &[]);
    assert_eq!((&found["should_retrain"], &found["events"][0]["standing"]), (&false.into(), &"other_version".into()));
}

#[test]
fn the_document_has_what_a_script_needs() {
    let project = project();
    let now_ms = now();
    add(&project, &[event(now_ms, 3, "score", Severity::Slight, 0.4), event(now_ms, 40, "a", Severity::Severe, 2.0)]);
    let found = summary(&project, &["--days", "30"]);
    let expected = json!({
        "format_version": 1,
        "command": "drift-check summary",
        "model": "points",
        "days": 30,
        "count": 1,
        "windows": 1,
        "statistic": "kl",
        "max": 0.4,
        "average": 0.4,
        "statistics": {"kl": {"count": 1, "max": 0.4, "average": 0.4}},
        "severities": {"normal": 0, "slight": 1, "significant": 0, "severe": 0},
        "should_retrain": false,
        "reasons": ["1 drifted window in 7 days (needs 5, or one severe on a full window)"],
        "rule": {"min_windows": 5, "days": 7, "cool_down_days": 7},
        "cooling_down_until_ms": null,
        "last_reset": null,
        "set_aside": 0,
        "events": [{
            "id": DriftEvent::identify(&ModelName::parse("points").unwrap(), "score", "kl", &(now_ms - 3 * DAY_MS).to_string()),
            "model": "points",
            "version": 1,
            "feature": "score",
            "statistic": "kl",
            "value": 0.4,
            "threshold": 0.02,
            "severity": "slight",
            "window_from_ms": now_ms - 3 * DAY_MS - 3_600_000,
            "window_to_ms": now_ms - 3 * DAY_MS,
            "n": 1000,
            "full_window": true,
            "recorded_ms": now_ms - 3 * DAY_MS + 60_000,
            "standing": "counts",
        }],
    });
    assert_eq!(found, expected);
    // Of the severe event of forty days ago the summary of fifty days tells, and the rule of seven days does not.
    let longer = summary(&project, &["--days", "50"]);
    assert_eq!((&longer["count"], &longer["should_retrain"]), (&2.into(), &false.into()));
    assert_eq!(summary(&project, &["--days", "50", "--within", "50"])["should_retrain"], true);
}

#[test]
fn the_text_is_what_a_person_reads() {
    let project = project();
    let now_ms = now();
    let partial = DriftEvent { full_window: false, n: 317, ..event(now_ms, 2, "a", Severity::Normal, 0.05) };
    add(&project, &[event(now_ms, 1, "score", Severity::Severe, 1.25), partial]);
    let told = project.run(&["drift-check", "summary", "points"]).ok().stdout;
    insta::assert_snapshot!(project.redact(&told), @r"
    points: 2 drift events in 2 windows in the last 7 days; kl: max 1.250, average 0.650
    severity: 1 severe, 1 normal
    retrain needed: 1 severe event on a full window: kl of `score`

    window from (UTC)  to  version  feature  statistic  value  threshold  severity  rows  counts
    <date> <time>  <date> <time>  v1  a  kl  0.050  0.020  normal  317 (partial)  yes
    <date> <time>  <date> <time>  v1  score  kl  1.250  0.020  severe  1000  yes
    ");
    let all = project.run(&["drift-check", "summary"]).ok().stdout;
    insta::assert_snapshot!(project.redact(&all), @r"
    model  events  windows  statistic  max  average  retrain  why
    points  2  2  kl  1.250  0.650  yes  1 severe event on a full window: kl of `score`
    ");
    let reset = project.run(&["drift-check", "reset", "points"]).ok().stdout;
    insta::assert_snapshot!(project.redact(&reset), @"points: 2 drift events set aside (reset by hand); no retrain is advised before <date> <time> UTC");
}

#[test]
fn unknown_models_and_wrong_numbers_are_told() {
    let project = project();
    let error = project.run(&["drift-check", "summary", "pionts"]).code(4).stderr;
    assert_eq!(error, "error: no model `pionts`\nhint: did you mean `points`?\n");
    project.run(&["drift-check", "reset", "pionts"]).code(4);
    project.run(&["drift-check", "summary", "../x"]).code(2);
    for wrong in [["--days", "0"], ["--days", "x"], ["--windows", "0"], ["--within", "0"], ["--cool-down", "99999"]] {
        project.run(&[&["drift-check", "summary", "points"], &wrong[..]].concat()).code(2);
    }
    let empty = TestProject::new();
    assert_eq!(empty.run(&["drift-check", "summary"]).ok().stdout, "no models yet\n");
    assert_eq!(empty.run(&["--json", "drift-check", "summary"]).ok().json()["items"], json!([]));
}

#[test]
fn an_older_database_that_may_only_be_read_has_no_events() {
    let project = project();
    let path = project.path("experiments/tracking.db");
    let database = rusqlite::Connection::open(&path).unwrap();
    database
        .execute_batch(
            "DROP TABLE drift_events; DROP TABLE drift_resets; DROP TABLE release_manifests;
             PRAGMA user_version = 2; PRAGMA wal_checkpoint(TRUNCATE)",
        )
        .unwrap();
    drop(database);
    // Opened for reading only, it is as good as empty; opened for writing, the tables are made.
    let reader = Tracker::open_read_only(&path).unwrap();
    assert_eq!((reader.drift_events("points", 0).unwrap(), reader.last_drift_reset("points").unwrap()), (vec![], None));
    let refused = reader.add_drift_events(&[event(now(), 1, "a", Severity::Slight, 0.4)]).unwrap_err();
    assert!(refused.message.contains("cannot be written to"), "{refused}");
    drop(reader);
    assert_eq!(summary(&project, &[])["count"], 0);
    assert_eq!(add(&project, &[event(now(), 1, "a", Severity::Slight, 0.4)]), 1);
    assert_eq!(summary(&project, &[])["count"], 1);
}
