//! `retrain`: from the newest rows to a version that serves, whatever happens in between.

use std::fmt::Write as _;
use std::process::Stdio;

use serde_json::Value;

use super::support::{TestProject, armed, config};

pub const RETRAIN: &str = "
name: monthly
data: {source: data/rows.csv, latest_by: at, limit: 200}
validate: {min_rows: 100}
candidates: [experiments/lr/config.yaml, experiments/forest/config.yaml]
";

/// 200 rows of a month with a rule that holds for nine rows in ten; `noise` turns more labels round.
fn month(month: usize, noise: usize) -> String {
    let mut text = String::new();
    for row in 0..200 {
        let at = month * 200 + row;
        let (a, b) = (((at as f64) * 12.9898).sin(), ((at as f64) * 78.233).cos());
        let label = usize::from(a + b > 0.0) ^ usize::from(row % 10 < noise);
        let (day, hour) = (row / 8 + 1, row % 8);
        writeln!(text, "p{at},{a:.6},{b:.6},{label},2026-{month:02}-{day:02}T{hour:02}:00:00Z").unwrap();
    }
    text
}

pub fn rows(months: &[(usize, usize)]) -> String {
    months.iter().fold("id,a,b,label,at\n".to_owned(), |text, (number, noise)| text + &month(*number, *noise))
}

/// A project with two candidates and a month of rows; nothing is in production.
pub fn project() -> TestProject {
    let project = TestProject::new();
    for (name, kind) in [("lr", "logistic_regression"), ("forest", "random_forest")] {
        let split = "{train: 0.6, validation: 0.2, test: 0.2, time: at}";
        let text = config(name, kind).replace("data/points.csv", "data/rows.csv").replace("{column: split}", split);
        project.write(&format!("experiments/{name}/config.yaml"), text);
    }
    project.write("retrain.yaml", RETRAIN);
    project.write("data/rows.csv", rows(&[(8, 1)]));
    project
}

pub fn at(project: &TestProject, moment: &str, arguments: &[&str]) -> super::support::Answer {
    project.run_with("MLOPS_NOW", moment, arguments)
}

pub const AUGUST: &str = "2026-09-01T03:00:00Z";
pub const SEPTEMBER: &str = "2026-10-01T03:00:00Z";
pub const ARGUMENTS: &[&str] = &["--json", "retrain", "retrain.yaml"];

pub fn ask(project: &TestProject, model: &str) -> String {
    project.run(&["predict", model, "--input", "data/rows.csv", "--no-record"]).ok().stdout
}

#[test]
fn a_month_is_retrained_once() {
    let project = project();
    let first = at(&project, AUGUST, ARGUMENTS).ok().json();
    assert_eq!((first["outcome"].as_str(), first["period"].as_str()), (Some("promoted"), Some("202609")), "{first}");
    let state = &first["state"];
    assert_eq!(state["extracted"]["snapshot"], "data/snapshots/training_dataset_202609.parquet");
    assert_eq!(state["extracted"]["facts"]["written"], 200);
    assert_eq!(state["extracted"]["time"]["to"], "2026-08-25T07:00:00Z");
    assert_eq!(state["trained"].as_array().unwrap().len(), 2);
    assert_eq!(state["decided"]["production"], Value::Null);
    assert!(state["verified"]["golden_rows"].as_u64() > Some(0));
    let snapshot = super::support::Parquet::read(&project.path("data/snapshots/training_dataset_202609.parquet"));
    assert_eq!(
        (snapshot.height(), snapshot.columns()),
        (200, ["id", "a", "b", "label", "at"].map(str::to_owned).to_vec())
    );
    assert!(project.path("data/snapshots/training_dataset_202609.json").is_file());
    let tree = project.tree();
    let again = at(&project, AUGUST, ARGUMENTS).ok().json();
    assert_eq!((&again["already_done"], &again["outcome"]), (&Value::Bool(true), &first["outcome"]));
    assert_eq!(project.tree(), tree);
    let told = at(&project, AUGUST, &["retrain", "retrain.yaml"]).ok().stdout;
    let version = state["decided"]["version"].as_u64().unwrap();
    assert_eq!(told, format!("monthly 202609: already done (v{version}, promoted); `--force` does it once more\n"));
    // The next month: the same candidates on newer rows, against production on rows that neither has learned from.
    project.write("data/rows.csv", rows(&[(8, 1), (9, 1)]));
    let policy =
        "require: [{metric: f1, min: 0.5}]\nversus_production: {metric: f1, mode: non_inferiority, margin: 0.3}";
    project.write("gate.yaml", policy);
    project.write("retrain.yaml", format!("{RETRAIN}policy: gate.yaml\n"));
    let second = at(&project, SEPTEMBER, ARGUMENTS).ok().json();
    assert_eq!((second["outcome"].as_str(), second["period"].as_str()), (Some("promoted"), Some("202610")), "{second}");
    let (extracted, decided) = (&second["state"]["extracted"], &second["state"]["decided"]);
    assert_eq!((extracted["new_rows"].as_u64(), extracted["facts"]["rows"].as_u64()), (Some(200), Some(200)));
    assert_eq!((decided["production"].as_u64(), decided["compared_rows"].as_u64()), (Some(version), Some(40)));
    assert!(decided["production_value"].as_f64().unwrap() > 0.5);
    let forced = at(&project, SEPTEMBER, &["--json", "retrain", "retrain.yaml", "--force"]).ok().json();
    assert_eq!(forced["period"], "202610_2");
    // Production has been trained on most of these rows: its own test rows are what is left.
    assert_eq!(forced["state"]["extracted"]["new_rows"], 0);
    assert_eq!(forced["state"]["decided"]["compared_rows"], 40);
    let listed = project.run(&["--json", "runs", "search", "command = 'retrain'"]).ok().json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 3);
}

#[test]
fn what_is_refused_leaves_production_as_it_was() {
    let project = project();
    at(&project, AUGUST, ARGUMENTS).ok();
    let before = (project.link("active"), ask(&project, "points"));
    // Labels of September are noise: the rule of the candidates' gate refuses them.
    project.write("data/rows.csv", rows(&[(9, 5)]));
    let strict = "require: [{metric: accuracy, min: 0.95}]";
    project.write("gate.yaml", strict);
    project.write("retrain.yaml", format!("{RETRAIN}policy: gate.yaml\n"));
    let refused = at(&project, SEPTEMBER, ARGUMENTS).code(3).json();
    assert_eq!(
        (refused["outcome"].as_str(), &refused["state"]["verified"]["golden_rows"]),
        (Some("refused"), &Value::from(0))
    );
    assert_eq!((project.link("active"), project.read("data/rows.csv").len() > 1), (before.0.clone(), true));
    let told = at(&project, SEPTEMBER, &["retrain", "retrain.yaml"]).ok().stdout;
    assert!(told.starts_with("monthly 202610: already done (v") && told.contains(", refused)"), "{told}");
    let history = project.run(&["--json", "models", "history", "points"]).ok().json();
    let refusals = history["items"].as_array().unwrap().iter().filter(|line| line["action"] == "refused").count();
    assert_eq!(refusals, 1);
    project.write("data/rows.csv", rows(&[(8, 1)]));
    assert_eq!(ask(&project, "points"), before.1);
}

#[test]
fn rows_that_are_not_fit_are_refused_and_taken_anew() {
    let project = project();
    at(&project, AUGUST, ARGUMENTS).ok();
    let active = project.link("active");
    let refuse = |rows: String, what: &str| {
        project.write("data/rows.csv", rows);
        let error = at(&project, SEPTEMBER, ARGUMENTS).code(3).json();
        let message = error["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(what), "{message}");
        assert_eq!(project.link("active"), active);
    };
    let good = rows(&[(9, 1)]);
    refuse(good.lines().take(61).map(|line| format!("{line}\n")).collect(), "60 rows, at least 100 are needed");
    let cells = |change: &dyn Fn(&mut Vec<String>)| -> String {
        let line = |(number, line): (usize, &str)| {
            let mut cells: Vec<String> = line.split(',').map(str::to_owned).collect();
            if number > 0 {
                change(&mut cells);
            }
            cells.join(",") + "\n"
        };
        good.lines().enumerate().map(line).collect()
    };
    refuse(cells(&|cells| cells[3] = "1".into()), "all labels are the same: `1`");
    refuse(cells(&|cells| cells[1].clear()), "column `a` is null in every row");
    refuse(cells(&|cells| cells[1] = format!("x{}", cells[1])), "column `a` held numbers in 202609 and holds text now");
    refuse(good.replace("id,a,b", "id,x,b"), "`data/rows.csv` has no column `a`");
    // What was refused is not kept for the month: mended rows are learned from.
    project.write("data/rows.csv", &good);
    let mended = at(&project, SEPTEMBER, ARGUMENTS).ok().json();
    assert_eq!(mended["outcome"], "promoted", "{mended}");
}

#[test]
fn one_candidate_that_fails_does_not_stop_the_others() {
    let project = project();
    project.write(
        "retrain.yaml",
        RETRAIN
            .replace("experiments/lr/config.yaml", "{config: experiments/lr/config.yaml, set: {data.positive: maybe}}"),
    );
    let some = at(&project, AUGUST, ARGUMENTS).ok().json();
    let trained = some["state"]["trained"].as_array().unwrap();
    assert!(trained[0]["error"].as_str().unwrap().contains("maybe"), "{some}");
    assert_eq!(
        (some["outcome"].as_str(), &trained[1]["version"]),
        (Some("promoted"), &some["state"]["decided"]["version"])
    );
    let all = "[{config: experiments/lr/config.yaml, set: {data.positive: maybe}}]";
    project.write("retrain.yaml", RETRAIN.replace("[experiments/lr/config.yaml, experiments/forest/config.yaml]", all));
    let active = project.link("active");
    let none = at(&project, SEPTEMBER, ARGUMENTS).code(1).json();
    assert!(none["error"]["message"].as_str().unwrap().starts_with("no candidate could be trained: lr: "), "{none}");
    assert_eq!(project.link("active"), active);
    project.write("retrain.yaml", RETRAIN);
    at(&project, SEPTEMBER, ARGUMENTS).ok();
}

#[test]
fn without_a_rule_of_its_own_a_clearly_worse_candidate_is_refused() {
    let project = project();
    for name in ["lr", "forest"] {
        let path = format!("experiments/{name}/config.yaml");
        let config = project.read(&path);
        let bare: String =
            config.lines().filter(|line| !line.starts_with("promotion")).map(|l| format!("{l}\n")).collect();
        project.write(&path, bare);
    }
    at(&project, AUGUST, ARGUMENTS).ok();
    let active = project.link("active");
    project.write("data/rows.csv", rows(&[(9, 1)]));
    let lr = project.read("experiments/lr/config.yaml");
    let nothing =
        lr.replace("kind: logistic_regression, params: {}", "kind: baseline, params: {strategy: most_frequent}");
    project.write("experiments/lr/config.yaml", nothing);
    project.write("retrain.yaml", RETRAIN.replace(", experiments/forest/config.yaml", ""));
    let worse = at(&project, SEPTEMBER, ARGUMENTS).code(3).json();
    assert_eq!(worse["outcome"], "refused", "{worse}");
    let lines = worse["state"]["decided"]["checks"].as_array().unwrap().clone();
    assert_eq!((&lines[0]["kind"], &lines[0]["verdict"]), (&"versus_production".into(), &"fail".into()), "{worse}");
    assert_eq!(project.link("active"), active);
    project.write("retrain.yaml", "name: monthly\ncandidates: []\n");
    let none = at(&project, SEPTEMBER, &["retrain", "retrain.yaml"]).code(2);
    assert!(none.stderr.contains("a retrain needs a candidate"), "{}", none.stderr);
}

#[test]
fn a_gate_that_leads_to_staging_stages() {
    let project = project();
    for name in ["lr", "forest"] {
        let path = format!("experiments/{name}/config.yaml");
        project.write(&path, project.read(&path).replace("promotion: {", "promotion: {to: staging, "));
    }
    let staged = at(&project, AUGUST, ARGUMENTS).ok().json();
    assert_eq!(staged["outcome"], "staged", "{staged}");
    assert_eq!(project.link("active"), None);
    let again = at(&project, AUGUST, ARGUMENTS).ok().json();
    assert_eq!((&again["already_done"], &again["outcome"]), (&Value::Bool(true), &Value::from("staged")));
    let lr = project.read("experiments/lr/config.yaml");
    project.write("experiments/lr/config.yaml", lr.replace("bootstrap: 100", "bootstrap: 100, primary: log_loss"));
    let mixed = at(&project, SEPTEMBER, ARGUMENTS).code(2).json();
    assert!(mixed["error"]["message"].as_str().unwrap().contains("two primary metrics"), "{mixed}");
}

#[test]
fn one_retrain_of_a_model_at_a_time() {
    let project = project();
    project.write("probe.sh", "touch began; while [ ! -e go ]; do sleep 0.02; done");
    project.write("retrain.yaml", format!("{RETRAIN}verify: [sh, probe.sh]\n"));
    let mut first = project.command(ARGUMENTS).env("MLOPS_NOW", AUGUST).stdout(Stdio::null()).spawn().unwrap();
    while !project.path("began").exists() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let busy = at(&project, AUGUST, ARGUMENTS).code(75).json();
    let message = busy["error"]["message"].as_str().unwrap();
    assert!(message.contains(&format!("process {} (retrain monthly since 2026-09-01T03:0", first.id())), "{message}");
    let waits = project
        .command(&["--json", "retrain", "retrain.yaml", "--wait", "1m"])
        .env("MLOPS_NOW", AUGUST)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    project.write("go", "");
    assert!(first.wait().unwrap().success());
    let waited: super::support::Answer = waits.wait_with_output().unwrap().into();
    assert_eq!(waited.ok().json()["already_done"], true);
}

#[test]
fn triggers_say_whether_there_is_anything_to_do() {
    let project = project();
    project.write("retrain.yaml", format!("{RETRAIN}when: [drift, new_rows >= 150]\n"));
    let first = at(&project, AUGUST, ARGUMENTS).ok().json();
    assert_eq!(first["state"]["triggered"]["reasons"][0], "nothing is in production yet", "{first}");
    let text = rows(&[(8, 1), (9, 1)]);
    let some: String = text.lines().take(301).map(|line| format!("{line}\n")).collect();
    project.write("data/rows.csv", some);
    let few = at(&project, SEPTEMBER, ARGUMENTS).ok().json();
    assert_eq!(
        (few["outcome"].as_str(), few["reasons"][0].as_str()),
        (Some("skipped"), Some("100 new rows, 150 begin a retrain"))
    );
    assert!(!project.path("data/snapshots/training_dataset_202610.parquet").exists());
    project.write("data/rows.csv", text);
    let enough = at(&project, SEPTEMBER, ARGUMENTS).ok().json();
    assert_eq!(enough["state"]["triggered"]["reasons"][0], "200 new rows (at least 150)", "{enough}");
    assert_eq!(enough["outcome"], "promoted");
    project.write("retrain.yaml", format!("{RETRAIN}when: drift\n"));
    let calm = at(&project, "2026-11-01T03:00:00Z", ARGUMENTS).ok().json();
    assert_eq!(calm["outcome"], "skipped", "{calm}");
    assert_eq!(
        at(&project, "2026-11-01T03:00:00Z", &["--json", "retrain", "retrain.yaml", "--force"]).ok().json()["outcome"],
        "promoted"
    );
}

#[test]
fn a_dry_run_changes_nothing() {
    let project = project();
    let tree = project.tree();
    let plan = at(&project, AUGUST, &["retrain", "retrain.yaml", "--dry-run"]).ok();
    assert_eq!(project.tree(), tree);
    insta::assert_snapshot!(project.redact(&plan.stdout), @r"
    monthly 202609
    trigger  nothing is in production yet; a new month
    extract  the latest 200 rows by `at` of data/rows.csv -> data/snapshots/training_dataset_202609.parquet
    validate  at least 100 rows, 10 of each class
    train  lr (logistic_regression), forest (random_forest)
    decide  the candidate's own gate, nothing is in production: absolute rules only
    verify  golden rows through production/points/active; else roll back
    prune  versions older than 180 days beyond the last 3: none now
    nothing was changed
    ");
}

#[test]
fn old_versions_and_snapshots_go() {
    let project = project();
    project.write("retrain.yaml", format!("{RETRAIN}prune: {{older_than: 40d, keep_last: 1}}\n"));
    let mut pruned = Vec::new();
    for number in 1..=6 {
        project.write("data/rows.csv", rows(&[(number, 1)]));
        let done = at(&project, &format!("2026-{:02}-01T03:00:00Z", number + 1), ARGUMENTS).ok().json();
        let versions = done["state"]["pruned"]["versions"].as_array().unwrap();
        pruned.extend(versions.iter().map(|version| version.as_u64().unwrap()));
        assert_eq!(project.stages().len() + pruned.len(), 2 * number, "{done}");
    }
    // Of January's two versions one served: it is as old as the other, and nothing holds it any more.
    assert!(pruned.contains(&1) && pruned.contains(&2), "{pruned:?}");
    let snapshot =
        |month: usize| project.path(&format!("data/snapshots/training_dataset_2026{month:02}.parquet")).exists();
    assert_eq!([2, 3, 6, 7].map(snapshot), [false, false, true, true]);
    assert!(!project.path("data/snapshots/training_dataset_202602.json").exists());
    project.run(&["doctor"]).ok();
}

#[test]
fn a_wrong_config_tells_all_its_problems() {
    let project = project();
    project.write("retrain.yaml", "name: a/b\nperiod: year\nwhen: drfit\ndata: {limit: 5}\nvalidate: {max_null_rate: {a: 2}}\nprune: {older_than: 6m}\nnotfy: []\n");
    let wrong = project.run(&["retrain", "retrain.yaml"]).code(2);
    insta::assert_snapshot!(wrong.stderr, @r"
    error: `candidates` is missing: the experiment configs to train
     --> retrain.yaml:1  candidates
      |
    1 | name: a/b
      |

    error: `a/b` cannot be an experiment name: the character '/' is not allowed
     --> retrain.yaml:1  name
      |
    1 | name: a/b
      |
    hint: letters (of any script), digits, `_`, `-`, `.` and inner spaces are allowed

    error: `year` is no period
     --> retrain.yaml:2  period
      |
    2 | period: year
      |
    hint: known: month, week, day

    error: `drfit` begins no retrain
     --> retrain.yaml:3  when
      |
    3 | when: drfit
      |
    hint: `always`, `drift` or `new_rows >= 500`

    error: which rows are the latest is not said
     --> retrain.yaml:4  data.limit
      |
    4 | data: {limit: 5}
      |
    hint: latest_by: created_at (or a `query` that orders its rows, the latest first)

    error: a share lies between 0 and 1, got 2
     --> retrain.yaml:5  validate.max_null_rate.a
      |
    5 | validate: {max_null_rate: {a: 2}}
      |

    error: `6m` is no age: write days, weeks or hours, such as 180d, 26w, 36h
     --> retrain.yaml:6  prune.older_than
      |
    6 | prune: {older_than: 6m}
      |

    error: unknown key `notfy`
     --> retrain.yaml:7  notfy
      |
    7 | notfy: []
      |
    hint: did you mean `notify`?

    error: 8 problems in `retrain.yaml`
    ");
    let missing = project.run(&["retrain", "nothing.yaml"]).code(2);
    insta::assert_snapshot!(missing.stderr, @r"
    error: there is no retrain config `nothing.yaml`
    ");
    project.write("retrain.yaml", RETRAIN.replace("experiments/forest", "experiments/nothing"));
    let candidate = project.run(&["retrain", "retrain.yaml"]).code(2);
    assert!(candidate.stderr.contains("experiments/nothing/config.yaml"), "{}", candidate.stderr);
}

#[test]
fn a_production_folder_that_was_edited_is_named() {
    let project = project();
    at(&project, AUGUST, ARGUMENTS).ok();
    let active = project.link("active").unwrap();
    project.write(&format!("production/points/{active}/schema.json"), "{}");
    project.write("data/rows.csv", rows(&[(9, 1)]));
    let error = at(&project, SEPTEMBER, ARGUMENTS).code(1).json();
    assert!(error["error"]["message"].as_str().unwrap().contains("schema.json"), "{error}");
}

#[test]
fn people_and_prometheus_are_told() {
    let project = project();
    let (address, heard) = super::notify::server("200 OK");
    let (broken, _) = super::notify::server("500 Internal Server Error");
    project.write("metrics/README", "");
    let told = format!(
        "{RETRAIN}textfile_dir: metrics
notify:
  - {{slack: '${{SLACK}}', on: [success, refusal, failure]}}
  - {{webhook: {broken}/secret, attempts: 1}}
"
    );
    project.write("retrain.yaml", &told);
    let run = |moment: &str, point: &str| -> super::support::Answer {
        let mut command = project.command(ARGUMENTS);
        command.env("MLOPS_NOW", moment).env("SLACK", format!("{address}/hook"));
        if !point.is_empty() {
            command.env("MLOPS_CRASH_AT", armed(point));
        }
        command.output().unwrap().into()
    };
    let titles = || -> Vec<String> {
        let heard = heard.lock().unwrap();
        heard.iter().map(|(_, body)| body["text"].as_str().unwrap().to_owned()).collect()
    };
    let metric = |name: &str| -> f64 {
        let text = project.read("metrics/mlops_retrain_points.prom");
        let line = text.lines().find(|line| line.starts_with(&format!("{name}{{"))).unwrap_or_else(|| panic!("{text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    // Killed before anybody was told: the next call tells, once.
    assert_eq!(run(AUGUST, super::retrain_killed::CRASH_POINTS[1]).signal, Some(6));
    assert_eq!(titles(), [""; 0]);
    let first = run(AUGUST, "").ok();
    assert!(first.stderr.contains("a notice did not reach webhook"), "{}", first.stderr);
    assert!(!first.stderr.contains("secret") && !first.stdout.contains("secret"), "{}", first.stderr);
    assert_eq!(first.json()["notices"].as_array().unwrap().len(), 2);
    run(AUGUST, "").ok();
    assert_eq!(titles().len(), 1);
    assert!(titles()[0].contains("monthly 202609: promoted"), "{:?}", titles());
    // 2026-09-01T03:00Z is 1,788,231,600 s.
    assert_eq!((metric("mlops_retrain_last_success_timestamp_seconds") / 100.0).floor(), 17_882_316.0);
    assert_eq!(metric("mlops_retrain_rows"), 200.0);
    // Rows that are not fit: a refusal, and the last success stays.
    project.write("data/rows.csv", "id,a,b,label,at\n");
    run(SEPTEMBER, "").code(3);
    assert!(titles()[1].contains("monthly 202610: refused"), "{:?}", titles());
    assert_eq!((metric("mlops_retrain_last_success_timestamp_seconds") / 100.0).floor(), 17_882_316.0);
    assert!(metric("mlops_retrain_last_completion_timestamp_seconds") > 1_790_000_000.0);
    // No candidate can be trained: a failure.
    project.write("data/rows.csv", rows(&[(9, 1)]));
    let wrong = "[{config: experiments/lr/config.yaml, set: {data.positive: maybe}}]";
    project.write("retrain.yaml", told.replace("[experiments/lr/config.yaml, experiments/forest/config.yaml]", wrong));
    run(SEPTEMBER, "").code(1);
    assert!(titles()[2].contains("monthly 202610: failed"), "{:?}", titles());
    // A folder of metrics that is not there is a note.
    project.write("retrain.yaml", told.replace("textfile_dir: metrics", "textfile_dir: nowhere"));
    let noted = run(SEPTEMBER, "").ok();
    assert!(noted.stderr.contains("no metrics were written: there is no folder"), "{}", noted.stderr);
}

#[test]
fn the_rehearsal_of_readme_runs() {
    let project = TestProject::new();
    let repository = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["data/months", "experiments/reviews_monthly"] {
        for entry in std::fs::read_dir(repository.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let name = format!("{folder}/{}", path.file_name().unwrap().to_string_lossy());
                project.write(&name, std::fs::read(&path).unwrap());
            }
        }
    }
    let mut script = std::process::Command::new("sh");
    script.arg("experiments/reviews_monthly/rehearse.sh").current_dir(project.root());
    script.env("MLOPS", env!("CARGO_BIN_EXE_mlops")).env("NO_COLOR", "1");
    let output: super::support::Answer = script.output().unwrap().into();
    let said = output.ok().stdout;
    for expected in [
        "monthly v1 is in production",
        "no drift in 3 columns",
        "nothing to do: no drift to retrain for",
        "retrain needed: 5 drifted windows in 7 days (at least 5)",
        " on 600 rows unseen by both; difference [",
        "monthly v3 is in production (was v1)",
        "already done (v3, promoted)",
        "monthly v1 is in production again, v3 is archived",
    ] {
        assert!(said.contains(expected), "{expected}:\n{said}");
    }
}
