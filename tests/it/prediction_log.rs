//! `predict --log`: what is logged, many processes at once, processes that are killed, a full disk, no project.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::{Child, Stdio};

use mlops::names::{ModelName, Version};
use mlops::registry::Layout;
use mlops::tracking::prediction_log::{Window, last_window};
use serde_json::Value;

use super::support::{Answer, TestProject, points};

/// The crash points around the write.
pub const CRASH_POINTS: [&str; 2] = ["prediction_log.before_append", "prediction_log.after_append"];

const LOG: &[&str] =
    &["predict", "points", "--input", "data/points.csv", "--output", "out.csv", "--no-record", "--log"];

fn project() -> TestProject {
    let project = TestProject::with_points();
    project.train("lr", &[]);
    project.run(&["promote", "points"]).ok();
    project
}

/// Every file of the log of `points` v1, with its path.
fn files(project: &TestProject) -> Vec<(std::path::PathBuf, String)> {
    let folder = std::fs::read_dir(project.path("data/predictions/points/v1")).into_iter().flatten();
    let paths = folder.map(|entry| entry.unwrap().path());
    let months = paths.filter(|path| path.extension().is_some_and(|ending| ending == "ndjson"));
    months.map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

/// The records of the log, without the heads.
fn records(project: &TestProject) -> Vec<Value> {
    let texts: String = files(project).into_iter().map(|(_, text)| text).collect();
    let lines = texts.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("{line}")));
    lines.filter(|line| line.get("format_version").is_none()).collect()
}

fn window(project: &TestProject, size: usize) -> Window {
    let (layout, model) = (Layout::new(project.root().to_path_buf()), ModelName::parse("points").unwrap());
    let now_ms = jiff::Timestamp::now().as_millisecond();
    last_window(&layout, &model, Version(1), size, now_ms).unwrap()
}

fn start(project: &TestProject, arguments: &[&str]) -> Child {
    project.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn what_was_said_is_logged_with_the_numbers_of_the_row() {
    let project = project();
    let before = jiff::Timestamp::now().as_millisecond();
    let said = project.run(&["--json", "predict", "points", "--input", "data/points.csv", "--log"]).ok().json();
    assert_eq!((&said["logged"]["rows"], &said["logged"]["failure"]), (&200.into(), &Value::Null));
    let logged = records(&project);
    assert_eq!(logged.len(), 200);
    for (at, ((record, row), (_, a, b, ..))) in
        logged.iter().zip(said["rows"].as_array().unwrap()).zip(points()).enumerate()
    {
        assert_eq!((&record["n"], &record["id"]), (&(at + 1).into(), &row["id"]));
        assert_eq!((&record["prediction"], &record["score"]), (&row["prediction"], &row["probabilities"][1]));
        assert!((record["facts"]["a"].as_f64().unwrap() - a).abs() < 1e-6, "{record}");
        assert!((record["facts"]["b"].as_f64().unwrap() - b).abs() < 1e-6, "{record}");
        assert!((before..=before + 600_000).contains(&record["at_ms"].as_i64().unwrap()));
    }
    let found = window(&project, 200);
    assert!(found.is_full() && found.lost_records == 0);
    assert_eq!(found.entries[7].id, "p7");

    let told = project.run(LOG).ok();
    assert_eq!(told.stdout, "points v1: 200 rows -> out.csv; 200 logged\n");
    assert_eq!(window(&project, 200).first, 201);
    // Without the flag nothing is logged, and the answer does not speak of it.
    let told = project.run(&LOG[..7]).ok();
    assert_eq!(told.stdout, "points v1: 200 rows -> out.csv\n");
    assert_eq!(records(&project).len(), 400);
}

#[test]
fn scores_are_the_models_own_and_texts_are_logged_by_their_length_only() {
    let project = TestProject::with_reviews();
    project.train("reviews_lr", &["--set", "evaluation.bootstrap=0", "--set", "model.params.class_weight=balanced"]);
    let input = "{\"id\": \"a\", \"text\": \"정말 좋아요\"}\n{\"id\": \"b\", \"text\": \" \"}\n{\"id\": \"c\", \"text\": \"최악\"}\n";
    let asked = ["--json", "predict", "reviews/1", "--input", "-", "--log"];
    let said = project.pipe(input, &asked).ok().json();
    let text =
        project.read(&format!("data/predictions/reviews/v1/{}.ndjson", jiff::Timestamp::now().strftime("%Y-%m")));
    let lines: Vec<Value> = text.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "a row without a text has no prediction");
    assert_eq!(said["logged"]["rows"], 2);
    assert_eq!((&lines[0]["id"], &lines[0]["facts"]), (&"a".into(), &serde_json::json!({"text_length": 6.0})));
    assert_eq!((&lines[1]["id"], &lines[1]["facts"]), (&"c".into(), &serde_json::json!({"text_length": 2.0})));
    assert_eq!(
        lines[1]["score"], said["rows"][2]["scores"][1],
        "the score that decides, not the calibrated probability"
    );
    assert!(!text.contains("좋아요"), "the text itself stays out");
}

#[test]
fn many_processes_log_at_once_and_every_record_is_whole() {
    let project = project();
    for _ in 0..3 {
        let running: Vec<Child> = (0..8).map(|_| start(&project, LOG)).collect();
        for child in running {
            let answer: Answer = child.wait_with_output().unwrap().into();
            assert_eq!((answer.code, answer.stderr.as_str()), (Some(0), ""));
        }
    }
    let logged = records(&project);
    let numbers: Vec<u64> = logged.iter().map(|record| record["n"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=4800).collect::<Vec<_>>());
    // Each process's batch stands together.
    for batch in logged.chunks(200) {
        let ids: Vec<&str> = batch.iter().map(|record| record["id"].as_str().unwrap()).collect();
        assert_eq!(ids, (0..200).map(|row| format!("p{row}")).collect::<Vec<_>>());
    }
    let found = window(&project, 4800);
    assert_eq!((found.is_full(), found.lost_records), (true, 0));
}

#[test]
fn a_process_that_dies_around_the_write_loses_its_own_rows_at_most() {
    let project = project();
    project.run(LOG).ok();
    for (point, logged) in CRASH_POINTS.iter().zip([200, 400]) {
        let died = project.crash_at(point, LOG);
        assert_eq!(died.signal, Some(6), "{point} was not reached");
        assert_eq!((records(&project).len(), window(&project, 1000).total), (logged, logged as u64), "{point}");
    }
    project.run(LOG).ok();
    let numbers: BTreeSet<u64> = records(&project).iter().map(|record| record["n"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=600).collect());
}

#[test]
fn killed_writers_leave_a_log_that_is_read_and_written_on() {
    let project = project();
    // Several batches a process, so that some are killed between two and some in one.
    let mut rows = "id,a,b\n".to_owned();
    (0..20_000).for_each(|row| writeln!(rows, "{row},0.{row},-0.5").unwrap());
    project.write("data/many.csv", rows);
    let many: Vec<&str> =
        LOG.iter().map(|word| if *word == "data/points.csv" { "data/many.csv" } else { word }).collect();
    let length = || files(&project).iter().map(|(path, _)| std::fs::metadata(path).unwrap().len()).sum::<u64>();
    let mut killed = 0;
    for _ in 0..4 {
        let before = length();
        let mut running: Vec<Child> = (0..4).map(|_| start(&project, &many)).collect();
        while length() == before && running.iter_mut().any(|child| child.try_wait().unwrap().is_none()) {
            std::thread::yield_now();
        }
        for child in &mut running {
            killed += usize::from(child.try_wait().unwrap().is_none());
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
    assert!(killed > 0, "all were done before they could be killed");
    project.run(LOG).ok();
    let found = window(&project, usize::try_from(window(&project, 1).total).unwrap());
    assert!(found.lost_records <= killed, "{} records lost by {killed} processes", found.lost_records);
    assert_eq!(found.entries.len() as u64, found.total, "what has a number is whole");
    let last: Vec<&str> = found.entries[found.entries.len() - 200..].iter().map(|entry| entry.id.as_str()).collect();
    assert_eq!(last, (0..200).map(|row| format!("p{row}")).collect::<Vec<_>>());
}

#[test]
fn a_log_cut_in_the_middle_of_a_record_is_read_and_closed() {
    let project = project();
    project.run(LOG).ok();
    let (path, text) = files(&project).remove(0);
    std::fs::write(&path, &text[..text.len() - 10]).unwrap();
    let found = window(&project, 1000);
    assert_eq!((found.state().as_str(), found.entries.len(), found.lost_records), ("warming_up 199/1000", 199, 1));
    project.run(LOG).ok();
    let found = window(&project, 300);
    assert_eq!((found.is_full(), found.total, found.lost_records), (true, 399, 1));
    assert_eq!((found.entries[198].id.as_str(), found.entries[199].id.as_str()), ("p198", "p0"));
}

#[test]
fn a_full_disk_is_a_warning_and_the_answer_is_whole() {
    let project = project();
    let mut rows = "id,a,b\n".to_owned();
    (0..12_000).for_each(|row| writeln!(rows, "{row},0.{row},-0.5").unwrap());
    project.write("data/many.csv", rows);
    // No file may grow beyond a mebibyte: the first batch has room, the second has not. 2048 blocks of 512 bytes, or of
    // 1024 in other shells.
    let script = "trap '' XFSZ; ulimit -f 2048; exec \"$0\" predict points --input data/many.csv --no-record --log";
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_mlops")]).current_dir(project.root()).stdin(Stdio::null());
    let answer: Answer = shell.output().unwrap().into();
    let answer = answer.ok();
    assert_eq!(answer.stdout.lines().count(), 12_001);
    let warning = "warning: the predictions are not all in the log: cannot log 4096 predictions to `";
    assert!(answer.stderr.contains(warning) && answer.stderr.contains("File too large"), "{}", answer.stderr);
    let logged = records(&project);
    assert!(logged.len().is_multiple_of(4096) && !logged.is_empty(), "{} whole records", logged.len());
    assert_eq!(window(&project, 1000).lost_records, 0, "the part of a batch is cut back");
    project.run(LOG).ok();
    assert_eq!(window(&project, 1000).total as usize, logged.len() + 200);

    // A log that cannot be made at all.
    std::fs::remove_dir_all(project.path("data/predictions")).unwrap();
    project.write("data/predictions", "a file");
    let answer = project.run(&["--quiet", "--json", "predict", "points", "--input", "data/points.csv", "--log"]).ok();
    assert!(answer.stderr.contains("cannot create the folder"), "{}", answer.stderr);
    let document = answer.json();
    assert_eq!((document["rows"].as_array().unwrap().len(), &document["logged"]["rows"]), (200, &0.into()));
    assert!(document["logged"]["failure"].as_str().unwrap().contains("cannot create the folder"));
}

#[test]
fn a_folder_that_is_no_project_has_nowhere_to_log() {
    let project = project();
    let elsewhere = tempfile::tempdir().unwrap();
    let bare = elsewhere.path().join("v1");
    std::fs::create_dir(&bare).unwrap();
    for entry in std::fs::read_dir(project.path("production/points/v1")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, bare.join(path.file_name().unwrap())).unwrap();
    }
    std::fs::copy(project.path("data/points.csv"), elsewhere.path().join("points.csv")).unwrap();
    let ask = |more: &[&str]| -> Answer {
        let arguments = [&["predict", "v1", "--input", "points.csv"], more].concat();
        project.command(&arguments).current_dir(elsewhere.path()).output().unwrap().into()
    };
    ask(&[]).ok();
    let refused = ask(&["--log"]).code(2);
    assert!(refused.stderr.starts_with("error: there is nowhere to log predictions"), "{}", refused.stderr);
    assert!(refused.stdout.is_empty());
}

#[test]
fn old_months_go_when_asked() {
    let project = project();
    project.run(LOG).ok();
    let old = "data/predictions/points/v1/2025-01.ndjson";
    project.write(old, "{\"format_version\":1}\n");
    assert!(project.run(&["gc"]).ok().stdout.contains("nothing to remove"), "nothing goes unless it is asked for");
    let asked = ["--json", "gc", "--predictions-older-than", "31d"];
    let planned = project.run(&[&asked[..], &["--dry-run"]].concat()).ok().json();
    let found = &planned["predictions"];
    assert_eq!(
        (found.as_array().unwrap().len(), &found[0]["month"], &planned["bytes"]),
        (1, &"2025-01".into(), &21.into())
    );
    assert!(project.path(old).exists());
    project.run(&[&asked[..], &["--yes"]].concat()).ok();
    assert!(!project.path(old).exists());
    assert_eq!(records(&project).len(), 200);
}
