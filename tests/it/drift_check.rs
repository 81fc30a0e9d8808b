//! `mlops drift-check`: a model on a file and on its log, one file against another, what is plainly wrong, what bad
//! input gets, and what a check leaves behind.

use std::fmt::Write as _;

use serde_json::Value;

use super::support::{Answer, TestProject};

/// Rows with two features, a rating, a city, a time and a label; `moved` is added to `a`.
fn rows(n: usize, moved: f64, cities: &[&str]) -> String {
    let mut text = "id,a,b,stars,city,when,label\n".to_owned();
    let noise = |row: usize, salt: f64| {
        let value = ((row as f64) * 12.9898 + salt).sin() * 43_758.545_3;
        value - value.floor()
    };
    for row in 0..n {
        // Two uniform numbers make a normal one (Box and Muller).
        let a = (-2.0 * noise(row, 0.1).ln()).sqrt() * (std::f64::consts::TAU * noise(row, 0.7)).cos() + moved;
        let (b, city) = (noise(row, 1.3), cities[(noise(row, 2.1) * cities.len() as f64) as usize]);
        let stars = (noise(row, 3.7) * 5.0) as usize + 1;
        let when = format!("2026-10-01T{:02}:{:02}:00Z", row / 60 % 24, row % 60);
        let label = usize::from(a + b > 0.5);
        writeln!(text, "r{row},{a:.5},{b:.5},{stars},{city},{when},{label}").unwrap();
    }
    text
}

const CITIES: &[&str] = &["Seoul", "Busan", "Daegu"];
const CONFIG: &str = "experiment: {name: d}
data:
  source: data/train.csv
  columns: {id: id, features: [a, b], label: label}
model: {name: d, kind: logistic_regression}
evaluation: {bootstrap: 0}
drift: {columns: [stars, city]}
";

fn project() -> TestProject {
    let project = TestProject::new();
    project.write("data/train.csv", rows(3000, 0.0, CITIES));
    let other: String = rows(6000, 0.0, CITIES)
        .lines()
        .enumerate()
        .filter(|(row, _)| *row == 0 || *row > 4800)
        .map(|(_, line)| format!("{line}\n"))
        .collect();
    project.write("data/same.csv", other);
    project.write("data/moved.csv", rows(1200, 0.4, CITIES));
    project.write("experiments/d/config.yaml", CONFIG);
    project.train("d", &[]);
    project
}

fn check(project: &TestProject, arguments: &[&str]) -> Value {
    project.run(&[&["--json", "drift-check"], arguments].concat()).ok().json()
}

fn column<'a>(answer: &'a Value, name: &str) -> &'a Value {
    let columns = answer["columns"].as_array().unwrap();
    columns.iter().find(|column| column["name"] == name).unwrap_or_else(|| panic!("no {name}: {answer}"))
}

fn findings(answer: &Value) -> Vec<(String, String)> {
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let all = answer["findings"].as_array().unwrap().iter();
    all.map(|finding| (text(finding, "finding"), text(finding, "column"))).collect()
}

#[test]
fn the_reference_is_frozen_with_the_version_and_travels_with_it() {
    let project = project();
    let reference: Value = serde_json::from_str(&project.read("checkpoints/experiments/d/v1/reference.json")).unwrap();
    assert_eq!(reference["format_version"], 1);
    let told: Vec<(&str, &str, &str)> = reference["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| {
            (column["name"].as_str().unwrap(), column["role"].as_str().unwrap(), column["rows"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        told,
        [
            ("prediction_score", "score", "validation"),
            ("label", "label", "train"),
            ("stars", "column", "train"),
            ("city", "column", "train"),
            ("a", "feature", "train"),
            ("b", "feature", "train"),
        ]
    );
    let manifest: Value = serde_json::from_str(&project.read("checkpoints/experiments/d/v1/manifest.json")).unwrap();
    assert!(manifest["files"]["reference.json"]["sha256"].is_string());
    let metrics = project.read("experiments/d/metrics.json");
    assert!(!metrics.contains("city"), "watched columns are no subgroups");
    project.run(&["promote", "d"]).ok();
    assert_eq!(
        project.read("production/d/v1/reference.json"),
        project.read("checkpoints/experiments/d/v1/reference.json")
    );
    // The same seed, the same bytes, whatever the threads.
    project.train("d", &["--threads", "1"]);
    assert_eq!(
        project.read("checkpoints/experiments/d/v2/reference.json"),
        project.read("checkpoints/experiments/d/v1/reference.json")
    );
}

#[test]
fn the_same_rows_do_not_drift_and_moved_ones_do() {
    let project = project();
    let same = check(&project, &["d", "--current", "data/same.csv"]);
    assert_eq!(
        (&same["drift_detected"], &same["severity"], &same["events_recorded"]),
        (&false.into(), &"normal".into(), &0.into()),
        "{same}"
    );
    assert_eq!(same["columns"].as_array().unwrap().len(), 6);
    // What the original API returned, of the prediction score.
    for key in
        ["drift_detected", "kl_divergence", "threshold", "buffer_size", "buffer_mean", "buffer_std", "should_retrain"]
    {
        assert!(!same[key].is_null(), "{key}");
    }
    assert_eq!((&same["column"], &same["buffer_size"]), (&"prediction_score".into(), &1200.into()));
    let moved = check(&project, &["d", "--current", "data/moved.csv", "--time", "when"]);
    assert_eq!(moved["drift_detected"], true);
    for (name, drift) in
        [("a", true), ("prediction_score", true), ("label", true), ("b", false), ("stars", false), ("city", false)]
    {
        let column = column(&moved, name);
        assert_eq!(column["drift"], drift, "{column}");
        assert_eq!(column["value"].as_f64() > column["threshold"].as_f64(), drift, "{column}");
    }
    assert!(column(&moved, "a")["mean"].as_f64().unwrap() > 0.3);
    assert_eq!(moved["window"]["from_ms"], 1_790_812_800_000_i64);
    assert_eq!((&moved["events_recorded"], &moved["window"]["full"]), (&3.into(), &true.into()));
    // The same rows again are the same window.
    let again = check(&project, &["d", "--current", "data/moved.csv", "--time", "when"]);
    assert_eq!(again["events_recorded"], 0);
    let summary = project.run(&["--json", "drift-check", "summary", "d", "--days", "3650"]).ok().json();
    assert_eq!(summary["events"].as_array().unwrap().len(), 3, "{summary}");
    let run = project.run(&["--json", "runs", "list", "--commands"]).ok().json()["items"][0].take();
    assert_eq!((&run["command"], &run["tags"]["version"]), (&"drift-check".into(), &"1".into()));
}

#[test]
fn the_answer_is_the_same_for_any_number_of_threads() {
    let project = project();
    let ask = |threads: &str| {
        let mut answer = check(
            &project,
            &[
                "d",
                "--current",
                "data/moved.csv",
                "--no-event",
                "--statistic",
                "ks",
                "--threads",
                threads,
                "--time",
                "when",
            ],
        );
        answer["window"] = Value::Null;
        answer
    };
    assert_eq!(ask("1"), ask("3"));
}

#[test]
fn the_exit_code_follows_the_bar() {
    let project = project();
    let code = |file: &str, bar: &str| {
        project.run(&["drift-check", "d", "--current", file, "--fail-on", bar, "--no-event"]).code.unwrap()
    };
    assert_eq!(
        [code("data/same.csv", "drift"), code("data/moved.csv", "drift"), code("data/moved.csv", "severe")],
        [0, 3, 0]
    );
    // Significant is what the test says; by the bands it is a severity.
    let bands = ["drift-check", "d", "--current", "data/moved.csv", "--fail-on", "significant", "--rule", "bands"];
    assert_eq!(
        [
            code("data/same.csv", "significant"),
            code("data/moved.csv", "significant"),
            project.run(&bands).code.unwrap()
        ],
        [0, 3, 0]
    );
    project.write("data/far.csv", rows(1200, 4.0, CITIES));
    assert_eq!(code("data/far.csv", "severe"), 3);
    project.run(&["drift-check", "d", "--current", "data/far.csv", "--fail-on", "bad"]).code(2);
    // The literal rule: a move of 0.4 is far from KL 0.3.
    let bands = check(&project, &["d", "--current", "data/moved.csv", "--rule", "bands", "--no-event"]);
    assert_eq!((&bands["drift_detected"], &bands["threshold"]), (&false.into(), &0.3.into()));
    let far = check(&project, &["d", "--current", "data/far.csv", "--rule", "bands", "--no-event"]);
    assert_eq!((&far["drift_detected"], &far["severity"]), (&true.into(), &"severe".into()));
}

#[test]
fn a_table_for_people_and_the_bins_that_moved() {
    let project = project();
    project.write("data/new.csv", rows(1000, 0.0, &["Seoul", "Jeju"]));
    let told = project.run(&["drift-check", "d", "--current", "data/new.csv"]).ok().stdout;
    assert!(told.starts_with("d v1: 1,000 rows of data/new.csv (α 0.01, Holm over the columns)\n"), "{told}");
    assert!(
        told.contains("unseen_categories city:") && told.contains("of categories that the reference never had: `Jeju`"),
        "{told}"
    );
    assert!(told.contains("drift in 1 of 6 columns, worst severity: severe"), "{told}");
    assert!(told.contains("retrain needed: ") || told.contains("retrain not needed: "), "{told}");
    let why = project.run(&["drift-check", "explain", "d", "--current", "data/new.csv"]).ok().stdout;
    let unseen = why.lines().find(|line| line.starts_with("UNSEEN")).unwrap_or_else(|| panic!("{why}"));
    assert!(unseen.contains("0.0 %"), "{why}");
    assert!(!why.contains("\nstars"), "only what drifts");
    let one = project
        .run(&["drift-check", "explain", "d", "--current", "data/new.csv", "--column", "stars", "--top", "2"])
        .ok()
        .stdout;
    assert!(one.contains("\nstars kl") && one.contains("… and 3 more"), "{one}");
    let wrong = project.run(&["drift-check", "explain", "d", "--current", "data/new.csv", "--column", "star"]).code(2);
    assert!(wrong.stderr.contains("did you mean `stars`?"), "{}", wrong.stderr);
    let bins = check(&project, &["d", "--current", "data/new.csv", "--no-event"]);
    let added: f64 =
        column(&bins, "city")["bins"].as_array().unwrap().iter().map(|bin| bin["contribution"].as_f64().unwrap()).sum();
    assert!((added - column(&bins, "city")["kl_divergence"].as_f64().unwrap()).abs() < 1e-9);
}

/// Rewrites the cells of a column.
fn with(text: &str, column: &str, cell: impl Fn(usize, &str) -> String) -> String {
    let at = text.lines().next().unwrap().split(',').position(|name| name == column).unwrap();
    let line = |(row, line): (usize, &str)| {
        let cells = line
            .split(',')
            .enumerate()
            .map(|(place, old)| if place == at && row > 0 { cell(row, old) } else { old.to_owned() });
        cells.collect::<Vec<_>>().join(",") + "\n"
    };
    text.lines().enumerate().map(line).collect()
}

#[test]
fn what_is_plainly_wrong_has_a_name() {
    let project = project();
    let same = project.read("data/same.csv");
    let found = |text: String, expected: &[(&str, &str)]| {
        project.write("data/wrong.csv", text);
        let answer = check(&project, &["d", "--current", "data/wrong.csv", "--no-event"]);
        let values = answer["columns"].as_array().unwrap().iter().map(|column| &column["value"]);
        assert!(values.into_iter().all(|value| value.is_null() || value.as_f64().unwrap().is_finite()));
        let found = findings(&answer);
        let found: Vec<(&str, &str)> = found.iter().map(|(finding, column)| (&**finding, &**column)).collect();
        assert_eq!(found, expected, "{answer}");
    };
    found(with(&same, "city", |_, _| String::new()), &[("all_null", "city")]);
    found(with(&same, "city", |_, _| "Seoul".into()), &[("constant", "city")]);
    found(with(&same, "stars", |_, _| "three".into()), &[("type_change", "stars")]);
    found(with(&same, "city", |row, _| row.to_string()), &[("type_change", "city")]);
    let some = |row: usize, old: &str| if row.is_multiple_of(20) { String::new() } else { old.into() };
    found(with(&same, "stars", some), &[("null_rate", "stars")]);
    let one = |word: &'static str| move |row: usize, old: &str| if row == 9 { word.to_owned() } else { old.into() };
    found(with(&same, "stars", one("x")), &[("not_a_number", "stars")]);
    found(with(&same, "b", one("inf")), &[("not_predicted", "prediction_score"), ("infinite", "b")]);
    found(with(&same, "a", |_, _| "abc".into()), &[("not_predicted", "prediction_score"), ("type_change", "a")]);
    found(same.replacen("stars", "rating", 1), &[("missing_column", "stars")]);
    // Labels come later.
    found(same.replacen(",label", ",outcome", 1), &[]);
}

#[test]
fn bad_input_is_told() {
    let project = project();
    let same = project.read("data/same.csv");
    let ask = |text: &str, more: &[&str]| -> Answer {
        project.write("data/bad.csv", text);
        project.run(&[&["drift-check", "d", "--current", "data/bad.csv"], more].concat())
    };
    let first = same.lines().take(2).collect::<Vec<_>>().join("\n");
    let one = ask(&first, &["--fail-on", "drift"]).code(5);
    assert!(one.stdout.contains("1 value: too few to judge, 20 are needed"), "{}", one.stdout);
    assert!(ask("", &[]).code(2).stderr.contains("is empty"));
    assert!(ask("id,a,b,stars,city,when,label\n", &[]).code(2).stderr.contains("has no rows"));
    let future = ask(&with(&same, "when", |_, _| "2999-01-01T00:00:00Z".into()), &["--time", "when"]).code(2);
    assert!(
        future.stderr.contains("row 1, column `when`: `2999-01-01T00:00:00Z` lies in the future"),
        "{}",
        future.stderr
    );
    let no_time = ask(&with(&same, "when", |_, _| "soon".into()), &["--time", "when"]).code(2);
    assert!(no_time.stderr.contains("`soon` is no time"), "{}", no_time.stderr);
    assert!(ask(&same, &["--time", "wen"]).code(2).stderr.contains("did you mean `when`?"));
    assert!(ask(&same, &["--statistic", "psii"]).code(2).stderr.contains("did you mean `psi`?"));
    assert!(ask(&same, &["--alpha", "2"]).code(2).stderr.contains("α lies above 0 and below 0.5"));
    assert!(ask(&same, &["--false-alarms", "often"]).code(2).stderr.contains("is not a rate"));
    assert!(project.run(&["drift-check", "d"]).code(2).stderr.contains("--from-log"));
    project.run(&["drift-check"]).code(2);
    project.run(&["drift-check", "nobody", "--current", "data/same.csv"]).code(4);
    project.run(&["drift-check", "d", "--current", "data/none.csv"]).code(2);
    std::fs::remove_file(project.path("checkpoints/experiments/d/v1/reference.json")).unwrap();
    project.run(&["drift-check", "d", "--current", "data/same.csv"]).code(1);
}

#[test]
fn a_version_without_a_reference_says_what_to_do() {
    let project = project();
    // As an older build left it: the manifest does not know the file. (A version in the registry is held against its hash.)
    let elsewhere = tempfile::tempdir().unwrap();
    let folder = elsewhere.path().join("v1");
    std::fs::create_dir(&folder).unwrap();
    for entry in std::fs::read_dir(project.path("checkpoints/experiments/d/v1")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
    }
    std::fs::remove_file(folder.join("reference.json")).unwrap();
    let text = std::fs::read_to_string(folder.join("manifest.json")).unwrap();
    let mut manifest: Value = serde_json::from_str(&text).unwrap();
    manifest["files"].as_object_mut().unwrap().remove("reference.json");
    std::fs::write(folder.join("manifest.json"), serde_json::to_string_pretty(&manifest).unwrap()).unwrap();
    let data = project.path("data/same.csv").display().to_string();
    let mut command = project.command(&["drift-check", "./v1", "--current", &data]);
    let answer: Answer = command.current_dir(elsewhere.path()).output().unwrap().into();
    let answer = answer.code(4);
    assert!(
        answer.stderr.contains("has no reference.json") && answer.stderr.contains("train it again"),
        "{}",
        answer.stderr
    );
}

#[test]
fn two_files_need_no_project() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
    write("may.csv", rows(3000, 0.0, CITIES));
    write("june.csv", rows(1200, 0.4, CITIES));
    let project = TestProject::new();
    let run = |arguments: &[&str]| -> Answer {
        project.command(arguments).current_dir(folder.path()).output().unwrap().into()
    };
    let answer = run(&["--json", "drift-check", "--reference", "may.csv", "--current", "june.csv"]).ok().json();
    let names: Vec<&str> =
        answer["columns"].as_array().unwrap().iter().map(|column| column["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["a", "b", "stars", "city", "label"]);
    assert!(answer["notes"][0].as_str().unwrap().contains("`id` is left out"), "{answer}");
    assert_eq!((&column(&answer, "a")["drift"], &column(&answer, "b")["drift"]), (&true.into(), &false.into()));
    assert_eq!(
        (&answer["drift_detected"], &answer["model"], &answer["column"]),
        (&true.into(), &Value::Null, &"a".into())
    );
    // scipy 1.17.1 on the same two columns: ks_2samp and wasserstein_distance / std.
    let ks = run(&[
        "--json",
        "drift-check",
        "--reference",
        "may.csv",
        "--current",
        "june.csv",
        "--columns",
        "a",
        "--statistic",
        "ks",
    ])
    .ok()
    .json();
    assert!(
        (column(&ks, "a")["value"].as_f64().unwrap() - 0.153_166_666_666_666_67).abs() < 1e-9,
        "{}",
        column(&ks, "a")["value"]
    );
    let moved = run(&[
        "--json",
        "drift-check",
        "--reference",
        "may.csv",
        "--current",
        "june.csv",
        "--columns",
        "a",
        "--statistic",
        "wasserstein",
    ])
    .ok()
    .json();
    assert!(
        (column(&moved, "a")["value"].as_f64().unwrap() - 0.384_668_026_570_805_2).abs() < 1e-9,
        "{}",
        column(&moved, "a")["value"]
    );
    let missing = run(&["drift-check", "--reference", "may.csv", "--current", "june.csv", "--columns", "aa"]).code(2);
    assert!(missing.stderr.contains("has no column `aa`"), "{}", missing.stderr);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left behind");
}

#[test]
fn the_log_is_checked_in_full_windows() {
    let project = project();
    project.run(&["promote", "d"]).ok();
    let log = |file: &str| project.run(&["predict", "d", "--input", file, "--output", "out.csv", "--log"]).ok();
    project.write(
        "data/some.csv",
        project.read("data/same.csv").lines().take(318).map(|line| format!("{line}\n")).collect::<String>(),
    );
    log("data/some.csv");
    let partial = project.run(&["drift-check", "d", "--from-log", "--fail-on", "drift"]).ok().stdout;
    assert!(partial.contains("warming_up 317/1000"), "{partial}");
    let warming = check(&project, &["d", "--from-log"]);
    assert_eq!((&warming["state"], &warming["events_recorded"]), (&"warming_up 317/1000".into(), &0.into()));
    log("data/same.csv");
    let full = check(&project, &["d", "--from-log"]);
    assert_eq!(
        (&full["drift_detected"], &full["buffer_size"], &full["state"]),
        (&false.into(), &1000.into(), &"checked".into()),
        "{full}"
    );
    project.write("data/far.csv", rows(1000, 4.0, CITIES));
    log("data/far.csv");
    let far = check(&project, &["d", "--from-log", "--window", "500"]);
    assert_eq!((&far["severity"], &far["window"]["full"]), (&"severe".into(), &true.into()));
    assert_eq!(far["should_retrain"], true, "one severe event on a full window: {far}");
    let names: Vec<&str> =
        far["columns"].as_array().unwrap().iter().map(|column| column["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["prediction_score", "a", "b"]);
    assert_eq!(check(&project, &["d", "--from-log", "--window", "500"])["events_recorded"], 0);
}

#[test]
fn texts_and_vectors_have_columns_of_their_own() {
    let project = TestProject::with_reviews();
    let config = project.read("experiments/reviews_lr/config.yaml");
    let start = config.find("features:").unwrap();
    let end = start + config[start..].find("\nmodel:").unwrap();
    let config =
        format!("{}features:\n  - embedding: {{model: hashing, dimensions: 64}}{}", &config[..start], &config[end..]);
    project.write("experiments/reviews_lr/config.yaml", config);
    project.train("reviews_lr", &["--set", "evaluation.bootstrap=0"]);
    let reviews = project.read("data/reviews.csv");
    let header = reviews.lines().next().unwrap();
    let picked: Vec<&str> = reviews.lines().skip(1).step_by(5).collect();
    project.write("data/picked.csv", format!("{header}\n{}\n", picked.join("\n")));
    let same = check(&project, &["reviews", "--current", "data/picked.csv", "--no-event"]);
    let names: Vec<&str> =
        same["columns"].as_array().unwrap().iter().map(|column| column["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["prediction_score", "label", "text_length", "vector_norm", "centroid_cosine", "vectors"],
        "{same}"
    );
    assert_eq!(column(&same, "vectors")["statistic"], "domain_classifier");
    assert_eq!(column(&same, "vectors")["drift"], false, "{}", column(&same, "vectors"));
    // Another language, and longer: every column of the text sees it.
    let english: String = (0..600)
        .map(|row| {
            format!(
                "{row},the quick brown fox number {} jumps over the lazy dog again and again {},1,test\n",
                row % 7,
                row % 11
            )
        })
        .collect();
    project.write("data/english.csv", format!("id,text,label,split\n{english}"));
    let other = check(&project, &["reviews", "--current", "data/english.csv", "--no-event"]);
    for name in ["text_length", "vectors", "centroid_cosine"] {
        assert_eq!(column(&other, name)["drift"], true, "{}", column(&other, name));
    }
    assert_eq!(column(&other, "vectors")["severity"], "severe");
}

#[test]
fn people_and_prometheus_are_told() {
    let project = project();
    let (address, heard) = super::notify::server("200 OK");
    project.write("metrics/README", "");
    project.write("channels.yaml", format!("- {{webhook: {address}/hook, on: drift}}\n"));
    let check = |file: &str| {
        let more = ["--textfile-dir", "metrics", "--notify", "channels.yaml"];
        project.run(&[&["drift-check", "d", "--current", file][..], &more].concat()).ok();
    };
    check("data/same.csv");
    assert!(heard.lock().unwrap().is_empty());
    let metrics = project.read("metrics/mlops_drift_d.prom");
    assert!(metrics.contains("mlops_drift_severity{model=\"d\"} 0"), "{metrics}");
    check("data/moved.csv");
    check("data/moved.csv");
    // The second check of the same rows is no news.
    let heard = heard.lock().unwrap();
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].1["event"], "drift");
    assert!(heard[0].1["title"].as_str().unwrap().starts_with("d v1: drift"), "{}", heard[0].1);
}

#[test]
fn a_window_that_is_not_full_is_told_and_makes_no_event() {
    let project = project();
    let moved: String = project.read("data/moved.csv").lines().take(701).map(|line| format!("{line}\n")).collect();
    project.write("data/part.csv", moved);
    let part = ["--json", "drift-check", "d", "--current", "data/part.csv", "--fail-on", "drift"];
    let answer = project.run(&part).code(3).json();
    assert_eq!((&answer["drift_detected"], &answer["events_recorded"]), (&true.into(), &0.into()), "{answer}");
    assert_eq!(answer["notes"][0], "only 700 rows (a window has 1,000): shown, not recorded as an event");
    assert_eq!(project.run(&["--json", "drift-check", "summary", "d"]).ok().json()["events"], Value::Array(Vec::new()));
    let full = project.run(&[&part[..], &["--window", "700"]].concat()).code(3).json();
    assert!(full["events_recorded"].as_u64() > Some(0) && full["notes"] == Value::Array(Vec::new()), "{full}");
}

#[test]
fn files_without_times_that_are_checked_together_are_one_window() {
    let project = project();
    let at = |moment: &str, arguments: &[&str]| -> Value {
        let output =
            project.command(&[&["--json", "drift-check"], arguments].concat()).env("MLOPS_NOW", moment).output();
        Answer::from(output.unwrap()).ok().json()
    };
    let check = |moment: &str, file: usize| {
        project.write("data/day.csv", rows(1000 + file, 0.5, CITIES));
        assert!(at(moment, &["d", "--current", "data/day.csv"])["events_recorded"].as_u64() > Some(0));
    };
    (0..5).for_each(|file| check(&format!("2026-10-05T10:20:0{file}Z"), file));
    let now = "2026-10-05T12:00:00Z";
    let together = at(now, &["summary", "d"]);
    assert_eq!((&together["windows"], &together["should_retrain"]), (&1.into(), &false.into()), "{together}");
    check("2026-10-05T11:00:00Z", 5);
    assert_eq!(at(now, &["summary", "d"])["windows"], 2);
}

#[test]
fn what_one_version_saw_does_not_hide_what_the_next_one_sees() {
    let project = project();
    project.run(&["promote", "d"]).ok();
    let recorded = || check(&project, &["d", "--current", "data/moved.csv"])["events_recorded"].as_u64().unwrap();
    assert_eq!([recorded(), recorded()], [3, 0]);
    project.train("d", &["--set", "model.params.C=0.5"]);
    project.run(&["promote", "d/2", "--force", "--reason", "a test"]).ok();
    assert_eq!([recorded(), recorded()], [3, 0]);
    let summary = project.run(&["--json", "drift-check", "summary", "d"]).ok().json();
    assert_eq!((&summary["count"], &summary["set_aside"]), (&3.into(), &3.into()), "{summary}");
}

#[test]
fn what_a_variable_stands_for_is_not_told() {
    let project = project();
    let secret = project.path("data/hunter2secret");
    std::fs::create_dir_all(&secret).unwrap();
    std::fs::write(secret.join("moved.csv"), project.read("data/moved.csv")).unwrap();
    std::fs::write(secret.join("bad.csv"), project.read("data/moved.csv").replace(",a,", ",aa,")).unwrap();
    std::fs::write(secret.join("empty.csv"), "").unwrap();
    let run = |arguments: &[&str]| -> Answer {
        let mut command = project.command(&[&["drift-check"], arguments].concat());
        let answer: Answer = command.env("PLACE", secret.to_str().unwrap()).output().unwrap().into();
        let told = format!("{}{}", answer.stdout, answer.stderr);
        assert!(!told.contains("hunter2"), "{told}");
        assert!(told.contains("${PLACE}"), "{told}");
        answer
    };
    run(&["d", "--current", "${PLACE}/moved.csv"]).ok();
    run(&["d", "--current", "${PLACE}/bad.csv"]).ok();
    for file in ["${PLACE}/none.csv", "${PLACE}/empty.csv"] {
        run(&["d", "--current", file]).code(2);
        run(&["--reference", file, "--current", "${PLACE}/moved.csv"]).code(2);
        run(&["--reference", "${PLACE}/moved.csv", "--current", file]).code(2);
    }
    run(&["--reference", "${PLACE}/moved.csv", "--current", "${PLACE}/moved.csv"]).ok();
    let runs = project.run(&["--json", "runs", "list", "--commands"]).ok().stdout;
    assert!(runs.contains("${PLACE}/moved.csv"), "{runs}");
    for file in ["experiments/tracking.db", "experiments/tracking.db-wal"] {
        let bytes = std::fs::read(project.path(file)).unwrap_or_default();
        assert!(!bytes.windows(7).any(|window| window == b"hunter2"), "{file}");
    }
}

#[test]
fn a_window_that_memory_cannot_hold_is_refused() {
    let project = project();
    let told = project.run(&["drift-check", "d", "--from-log", "--window", "1000001"]).code(2).stderr;
    assert!(told.contains("a window of 1,000,001 predictions: 1,000,000 of the log at most"), "{told}");
}
