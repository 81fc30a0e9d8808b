//! `mlops schedule print`: what is printed is given to the parsers that will read it (systemd-analyze, `PyYAML`, Python,
//! actionlint, where they are) and to shells, with a program that keeps its arguments in place of ours.
//!
//! Python is asked where `MLOPS_TEST_PYTHON` names one with `PyYAML` and Jinja (`.ci/run` makes it).

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use jiff::civil::{DateTime, datetime};
use mlops::schedule::Cron;
use serde_json::{Value, json};

use super::support::TestProject;

/// A folder whose name breaks naive quoting.
const AWKWARD: &str = "my 100% \"한글\" $HOME it's {{ x }} ${{ y }} \\%";

/// A project at an awkward path, and a program there that keeps its arguments.
struct Scene {
    project: TestProject,
    root: PathBuf,
    program: PathBuf,
    config: PathBuf,
}

impl Scene {
    fn new(config: &str) -> Self {
        let project = TestProject::new();
        let root = project.path(AWKWARD);
        let config = root.join("experiments").join(config);
        std::fs::create_dir_all(config.parent().unwrap()).unwrap();
        std::fs::write(&config, "model: 합격 예측\nnotify: [{slack: \"${SLACK_WEBHOOK_URL}\"}]\n").unwrap();
        let program = root.join("mlops");
        let script = "#!/bin/sh\nfor word; do printf '%s\\0' \"$word\"; done > \"$KEPT\"\nexit \"${CODE:-0}\"\n";
        std::fs::write(&program, script).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&program, mode).unwrap();
        Self { project, root, program, config }
    }

    /// What is printed, as JSON.
    fn print(&self, what: &[&str], more: &[&str]) -> Value {
        let (root, program) = (self.root.to_str().unwrap(), self.program.to_str().unwrap());
        let binary = if more.contains(&"--binary") { &[][..] } else { &["--binary", program] };
        let given = [&["--json", "--root", root, "schedule", "print"], what, binary, more].concat();
        self.project.run(&given).ok().json()
    }

    fn retrain(&self, more: &[&str]) -> Value {
        self.print(&["retrain", self.config.to_str().unwrap()], more)
    }

    /// The arguments that a retrain must get.
    fn expected(&self, more: &[&str]) -> Vec<String> {
        let (config, root) = (self.config.to_str().unwrap(), self.root.to_str().unwrap());
        let words = [&["retrain", config, "--wait", "10m", "--root", root, "--quiet"], more].concat();
        words.into_iter().map(str::to_owned).collect()
    }

    /// Runs a command; how it ended, and the arguments that the program was given.
    fn kept(&self, mut command: Command, code: u8) -> (Output, Vec<String>) {
        let kept = self.project.path("kept");
        let _ = std::fs::remove_file(&kept);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", "/nowhere");
        command.env("KEPT", &kept).env("CODE", code.to_string()).env("GITHUB_OUTPUT", self.project.path("output"));
        let output = command.output().unwrap();
        let words = std::fs::read_to_string(&kept).unwrap_or_default();
        (output, words.split_terminator('\0').map(str::to_owned).collect())
    }
}

fn text(document: &Value, file: usize) -> &str {
    document["files"][file]["text"].as_str().unwrap()
}

/// Says, past the test harness, that a check was left out.
fn left_out(what: &str) {
    let _ = writeln!(std::io::stderr(), "left out: {what}");
}

/// Runs a tool; none where it is not installed.
fn tool(name: &str, arguments: &[&std::ffi::OsStr]) -> Option<Output> {
    let output = Command::new(name).args(arguments).env("TZ", "UTC").output().ok();
    if output.is_none() {
        left_out(&format!("{name} is not installed"));
    }
    output
}

/// What a Python script of the fixtures says; none where no Python is named.
fn python(script: &str, arguments: &[&std::ffi::OsStr]) -> Option<Value> {
    let Some(python) = std::env::var_os("MLOPS_TEST_PYTHON") else {
        left_out(&format!("{script}: MLOPS_TEST_PYTHON names no Python"));
        return None;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/schedule").join(script);
    let output = Command::new(python).arg(script).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// The documents of a YAML file, which `PyYAML` must read the same.
fn documents(scene: &Scene, text: &str) -> Vec<Value> {
    use serde::Deserialize as _;
    let read = serde_yaml::Deserializer::from_str(text).map(|one| Value::deserialize(one).unwrap());
    let read: Vec<Value> = read.collect();
    scene.project.write("sheet.yaml", text);
    if let Some(other) = python("yaml_as_json.py", &[scene.project.path("sheet.yaml").as_os_str()]) {
        assert_eq!(Value::from(read.clone()), other);
    }
    read
}

#[test]
fn a_crontab_line_runs_the_program_with_its_arguments() {
    for config in ["it's 50%/re train.yaml", "two\nlines%/\\\\retrain.yaml", "reviews/retrain.yaml"] {
        let scene = Scene::new(config);
        let more = ["--", "--textfile-dir", "/var/lib/100% \"node\" $exporter"];
        let document = scene.retrain(&[&["--cron"], &more[..]].concat());
        let text = text(&document, 0);
        let line = text.lines().last().unwrap().strip_prefix("0 3 1 * * ").unwrap();
        assert!(text.ends_with('\n') && text.lines().all(|line| !line.is_empty()));
        // cron ends the command at the first `%` that is not escaped, and takes the escape away.
        let command = line.replace("\\%", "\u{1}");
        assert!(!command.contains('%'), "{line}");
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(command.replace('\u{1}', "%"));
        let (output, words) = scene.kept(shell, 3);
        assert_eq!(words, scene.expected(&more[1..]), "{line}");
        assert_eq!(output.status.code(), Some(3));
        let log = scene.root.join("experiments").join(document["name"].as_str().unwrap().to_owned() + ".log");
        assert!(log.is_file(), "the output goes to {}", log.display());
    }
}

#[test]
fn a_drift_check_is_scheduled_daily() {
    let scene = Scene::new("retrain.yaml");
    let document = scene.print(&["drift-check", "합격 예측@production"], &["--cron", "--at", "@daily"]);
    assert_eq!(document["at"], "0 0 * * *");
    let usual = scene.print(&["drift-check", "합격 예측"], &["--cron"]);
    assert_eq!(usual["at"], "0 6 * * *");
    let line = text(&usual, 0).lines().last().unwrap().replace("0 6 * * * ", "").replace("\\%", "%");
    let mut shell = Command::new("bash");
    shell.arg("-c").arg(line);
    let (_, words) = scene.kept(shell, 0);
    let root = scene.root.to_str().unwrap();
    let expected = ["drift-check", "합격 예측", "--from-log", "--fail-on", "significant", "--root", root, "--quiet"];
    assert_eq!(words, expected);
}

/// The words of an `ExecStart=`, as systemd.service(5) reads them.
fn exec_start(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut any) = (Vec::new(), String::new(), false, false);
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => {
                quoted = !quoted;
                any = true;
            }
            '\\' => word.push(match letters.next().unwrap() {
                'n' => '\n',
                't' => '\t',
                other => other,
            }),
            ' ' if !quoted => words.extend(std::mem::take(&mut any).then(|| std::mem::take(&mut word))),
            '%' => word.extend(letters.next_if_eq(&'%')),
            other => {
                any = true;
                word.push(other);
            }
        }
    }
    words.push(word);
    let [program, arguments @ ..] = words.as_slice() else { unreachable!() };
    let unexpanded = arguments.iter().map(|word| word.replace("$$", "$"));
    std::iter::once(program.clone()).chain(unexpanded).collect()
}

#[test]
fn systemd_reads_its_units() {
    let scene = Scene::new("two\nlines/re train.yaml");
    let folder = scene.project.path("units");
    let more = ["--systemd", "--timezone", "UTC", "--output", folder.to_str().unwrap()];
    let document = scene.retrain(&more);
    let written: Vec<PathBuf> = serde_json::from_value(document["written"].clone()).unwrap();
    assert_eq!(written.len(), 2);
    assert_eq!(std::fs::read_to_string(&written[1]).unwrap(), text(&document, 1));
    let runs = |document: &Value| {
        let line = text(document, 0).lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
        let words = exec_start(line);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        assert_eq!(scene.kept(command, 0).1, scene.expected(&[]), "{line}");
        words
    };
    assert_eq!(runs(&document)[0], "/bin/sh", "systemd takes no program with quotes in its path");
    let mut arguments = vec!["verify".as_ref()];
    arguments.extend(written.iter().map(|path| path.as_os_str()));
    if let Some(output) = tool("systemd-analyze", &arguments) {
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !told.contains(document["name"].as_str().unwrap()), "{told}");
        // What it must find is found: the check can fail.
        let broken = text(&document, 0).replace("ExecStart=", "ExecStart=/no/such/program ");
        std::fs::write(&written[0], broken).unwrap();
        let output = tool("systemd-analyze", &arguments).unwrap();
        assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    // A path without quotes is the program itself.
    let program = scene.project.path("tools 100% $x 한글/mlops");
    std::fs::create_dir(program.parent().unwrap()).unwrap();
    std::fs::copy(&scene.program, &program).unwrap();
    let direct = scene.retrain(&["--systemd", "--binary", program.to_str().unwrap()]);
    assert_eq!(runs(&direct)[0], program.to_str().unwrap());
    std::fs::write(&written[0], text(&direct, 0)).unwrap();
    if let Some(output) = tool("systemd-analyze", &arguments) {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    // The same files again are no question; another content is.
    std::fs::write(&written[0], text(&document, 0)).unwrap();
    scene.retrain(&more);
    std::fs::write(&written[0], "mine").unwrap();
    let (root, config) = (scene.root.to_str().unwrap(), scene.config.to_str().unwrap());
    let given =
        ["--root", root, "schedule", "print", "retrain", config, "--systemd", "--output", folder.to_str().unwrap()];
    assert!(scene.project.run(&given).code(2).stderr.contains("write over it?"));
    assert_eq!(std::fs::read_to_string(&written[0]).unwrap(), "mine");
}

/// The first four times of an expression from 2026 on, minute by minute.
fn next_times(cron: &Cron) -> Vec<DateTime> {
    let (mut at, mut found) = (datetime(2026, 1, 1, 0, 1, 0, 0), Vec::new());
    let number = |value: i8| u8::try_from(value).unwrap();
    while found.len() < 4 {
        let weekday = number(at.weekday().to_sunday_zero_offset());
        let (day, week) = (cron.day.allowed.contains(&number(at.day())), cron.weekday.allowed.contains(&weekday));
        let date = if cron.day.any || cron.weekday.any { day && week } else { day || week };
        if !date || !cron.month.allowed.contains(&number(at.month())) {
            at = at.date().tomorrow().unwrap().to_datetime(jiff::civil::Time::midnight());
            continue;
        }
        if cron.hour.allowed.contains(&number(at.hour())) && cron.minute.allowed.contains(&number(at.minute())) {
            found.push(at);
        }
        at = at.checked_add(jiff::SignedDuration::from_mins(1)).unwrap();
    }
    found
}

#[test]
fn systemd_means_the_same_times_as_cron() {
    let project = TestProject::new();
    project.write("retrain.yaml", "model: a\n");
    for at in [
        "0 3 1 * *",
        "*/15 8-18 * * mon-fri",
        "30 6 * * 7",
        "0 0 1,15 * 5",
        "5,10-20/5 */6 * jan-mar sat,sun",
        "0 12 29 2 *",
        "59 23 31 * *",
        "0 0 1-31/2 6-8 1",
        "* * * * *",
        "@weekly",
    ] {
        let document = project.run(&[
            "--json",
            "schedule",
            "print",
            "retrain",
            "retrain.yaml",
            "--systemd",
            "--at",
            at,
            "--timezone",
            "UTC",
        ]);
        let document = document.ok().json();
        let events: Vec<String> =
            text(&document, 1).lines().filter_map(|line| line.strip_prefix("OnCalendar=")).map(str::to_owned).collect();
        let mut times = BTreeSet::new();
        for event in &events {
            let base = ["calendar", "--iterations=4", "--base-time=2026-01-01 00:00:30 UTC", event];
            let Some(output) = tool("systemd-analyze", &base.map(AsRef::as_ref)) else { return };
            let told = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{event}: {}", String::from_utf8_lossy(&output.stderr));
            for line in told.lines().filter(|line| line.contains("Next elapse:") || line.contains("Iter. #")) {
                let words: Vec<&str> = line.split_whitespace().rev().take(3).collect();
                times.insert(format!("{}T{}", words[2], words[1]).parse::<DateTime>().unwrap());
            }
        }
        let found: Vec<DateTime> = times.into_iter().take(4).collect();
        assert_eq!(found, next_times(&Cron::parse(at).unwrap()), "{at}: {events:?}");
    }
}

#[test]
fn kubernetes_gets_a_cron_job() {
    let scene = Scene::new("two\nlines/re train.yaml");
    let document = scene.retrain(&["--k8s", "--image", "a/b:1", "--timezone", "asia/seoul", "--", "--x", "$(HOME) $$"]);
    let documents = documents(&scene, text(&document, 0));
    assert_eq!(documents[0]["kind"], "PersistentVolumeClaim");
    let (job, spec) = (&documents[1], &documents[1]["spec"]);
    assert_eq!((&job["apiVersion"], &job["kind"]), (&json!("batch/v1"), &json!("CronJob")));
    assert!(job["metadata"]["name"].as_str().unwrap().len() <= 52);
    assert_eq!((&spec["schedule"], &spec["timeZone"]), (&json!("0 3 1 * *"), &json!("Asia/Seoul")));
    assert_eq!(spec["concurrencyPolicy"], "Forbid");
    let run = &spec["jobTemplate"]["spec"];
    assert_eq!(run["template"]["spec"]["restartPolicy"], "Never", "podFailurePolicy wants it");
    assert_eq!(run["podFailurePolicy"]["rules"][1]["onExitCodes"]["values"], json!([2, 4]));
    let pod = &run["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(container["name"], run["podFailurePolicy"]["rules"][1]["onExitCodes"]["containerName"]);
    assert_eq!(container["volumeMounts"][0]["name"], pod["volumes"][0]["name"]);
    assert_eq!(pod["volumes"][0]["persistentVolumeClaim"]["claimName"], documents[0]["metadata"]["name"]);
    assert_eq!(container["env"][0]["valueFrom"]["secretKeyRef"]["key"], "SLACK_WEBHOOK_URL");
    // Kubernetes reads `$$` as `$`; the wrapper makes 0 of a "no" and passes on what is broken.
    let strings = |list: &Value| -> Vec<String> { serde_json::from_value(list.clone()).unwrap() };
    let command: Vec<String> = strings(&container["command"])
        .into_iter()
        .chain(strings(&container["args"]))
        .map(|word| word.replace("$$", "$"))
        .collect();
    for (code, seen) in [(0, 0), (3, 0), (5, 0), (1, 1), (2, 2), (75, 75)] {
        let mut shell = Command::new(&command[0]);
        shell.args(&command[1..]);
        let (output, words) = scene.kept(shell, code);
        assert_eq!(output.status.code(), Some(seen), "{code}");
        let expected = [
            "retrain",
            "/project/experiments/two\nlines/re train.yaml",
            "--wait",
            "10m",
            "--root",
            "/project",
            "--quiet",
            "--x",
            "$(HOME) $$",
        ];
        assert_eq!(words, expected);
    }
}

#[test]
fn airflow_gets_a_dag() {
    let scene = Scene::new("two\nlines/re train.yaml");
    let document = scene.retrain(&["--airflow", "--timezone", "Asia/Seoul", "--", "{{ ds }}", "{% x", "run.sh"]);
    let check = scene.print(&["drift-check", "합격 예측"], &["--airflow"]);
    for version in ["2", "3"] {
        scene.project.write("dag.py", text(&document, 0));
        let Some(read) = python("dag.py", &[scene.project.path("dag.py").as_os_str(), version.as_ref()]) else {
            return;
        };
        let dag = &read["dags"][0];
        assert_eq!((&dag["dag_id"], &dag["schedule"]), (&document["name"], &json!("0 3 1 * *")));
        assert_eq!((&dag["catchup"], &dag["max_active_runs"]), (&json!(false), &json!(1)));
        assert_eq!(dag["start_date"], json!([2025, 1, 1, "Asia/Seoul"]));
        let edges = json!([["validate", "drift_check"], ["drift_check", "retrain"], ["retrain", "report"]]);
        assert_eq!(read["edges"], edges);
        let task = |at: usize| &read["tasks"][at];
        assert_eq!((&task(0)["retries"], &task(2)["skip_on_exit_code"]), (&json!(0), &json!([3, 5])));
        assert_eq!((&task(1)["skip_on_exit_code"], &task(2)["trigger_rule"]), (&json!([3, 4]), &json!("none_failed")));
        let words = |at: usize| {
            let mut shell = Command::new("bash");
            shell.arg("-c").arg(task(at)["bash_command"].as_str().unwrap());
            scene.kept(shell, 0).1
        };
        let (root, config) = (scene.root.to_str().unwrap(), scene.config.to_str().unwrap());
        assert_eq!(words(0), ["retrain", config, "--dry-run", "--root", root, "--quiet"]);
        let drift = ["drift-check", "합격 예측", "--from-log", "--fail-on", "significant", "--root", root, "--quiet"];
        assert_eq!(words(1), drift);
        assert_eq!(words(2), scene.expected(&["{{ ds }}", "{% x", "run.sh"]));
        assert_eq!(words(3)[..3], ["report", "합격 예측", "--out"]);
        assert!(task(2)["bash_command"].as_str().unwrap().ends_with(".sh "), "it would be read as a file");
    }
    scene.project.write("dag.py", text(&check, 0));
    let read = python("dag.py", &[scene.project.path("dag.py").as_os_str()]).unwrap();
    assert_eq!(read["tasks"].as_array().unwrap().len(), 1);
}

#[test]
fn a_retrain_names_its_model_by_its_candidates() {
    let project = TestProject::with_points();
    project.write("retrain.yaml", "name: monthly\ncandidates: [experiments/lr/config.yaml]\n");
    let document = project.run(&["--json", "schedule", "print", "retrain", "retrain.yaml", "--airflow"]).ok().json();
    assert!(text(&document, 0).contains(" drift-check points --from-log "), "{}", text(&document, 0));
    project.write("retrain.yaml", "name: monthly\ncandidates: [none.yaml]\n");
    let document = project.run(&["--json", "schedule", "print", "retrain", "retrain.yaml", "--airflow"]).ok().json();
    assert!(text(&document, 0).contains("validate >> retrain\n"));
}

#[test]
fn github_gets_a_workflow() {
    let scene = Scene::new("two\nlines/re train.yaml");
    let document = scene.retrain(&["--github", "--at", "30 3 1 * *", "--", "${{ github.token }}"]);
    let workflow = documents(&scene, text(&document, 0)).remove(0);
    assert_eq!(workflow["on"]["schedule"], json!([{"cron": "30 3 1 * *"}]));
    assert_eq!(workflow["concurrency"]["cancel-in-progress"], false);
    let step = &workflow["jobs"]["retrain"]["steps"][0];
    assert_eq!(step["env"]["SLACK_WEBHOOK_URL"], "${{ secrets.SLACK_WEBHOOK_URL }}");
    let script = step["run"].as_str().unwrap();
    assert_eq!(script.matches("${{").count(), 2 * script.matches("${{ '${{' }}").count(), "no expression but our own");
    for (code, seen) in [(0, 0), (3, 0), (5, 0), (75, 0), (1, 1), (2, 2)] {
        let mut shell = Command::new("bash");
        // As GitHub calls it for `shell: bash`.
        shell.args(["--noprofile", "--norc", "-eo", "pipefail", "-c"]).arg(script.replace("${{ '${{' }}", "${{"));
        scene.project.write("output", "");
        let (output, words) = scene.kept(shell, code);
        assert_eq!(output.status.code(), Some(seen), "{code}");
        assert_eq!(words, scene.expected(&["${{ github.token }}"]));
        assert_eq!(scene.project.read("output"), format!("exit_code={code}\n"));
    }
    scene.project.write(".github/workflows/a.yml", text(&document, 0));
    let file = scene.project.path(".github/workflows/a.yml");
    if let Some(output) = tool("actionlint", &["-no-color".as_ref(), file.as_os_str()]) {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn what_is_wrong_is_told_and_nothing_is_written() {
    let project = TestProject::new();
    project.write("experiments/reviews/retrain.yaml", "model: reviews\n");
    project.write("broken.yaml", "a: [");
    let before = project.tree();
    let config = "experiments/reviews/retrain.yaml";
    for (arguments, why) in [
        (&["retrain", "none.yaml", "--cron"][..], "there is no config `none.yaml`"),
        (&["retrain", "broken.yaml", "--cron"], "a problem in `broken.yaml`"),
        (&["retrain", config, "--cron", "--at", "0 25 * * *"], "hour `25`: `25` is not 0 to 23"),
        (&["retrain", config, "--cron", "--at", "0 3 30 2 *"], "no such day ever comes"),
        (&["retrain", config, "--cron", "--timezone", "Asia/Soul"], "`Asia/Soul` is not a time zone"),
        (&["retrain", config, "--k8s"], "a CronJob needs an image"),
        (&["retrain", config, "--k8s", "--image", "a", "--log", "x"], "`--log` does not go with Kubernetes"),
        (&["retrain", config, "--cron", "--image", "a"], "`--image` goes with `--k8s`"),
        (&["retrain", config, "--cron", "--log", "none/x.log"], "its folder is not there"),
        (&["retrain", config, "--cron", "--log", "a\nb"], "cannot be the name of a log file"),
        (&["retrain", config, "--cron", "--name", "A b"], "`A b` cannot be the name of a job"),
        (&["retrain", config, "--cron", "--systemd"], "cannot be used with"),
        (&["drift-check", "a", "--airflow", "--model", "b"], "`--model` goes with a retrain"),
        (&["retrain", config], "required arguments were not provided"),
        (&["drift-check", "a/b/c", "--cron"], "is not a model version"),
        (&["drift-check", "$(id)", "--cron"], "cannot be a model name"),
    ] {
        let refused = project.run(&[&["schedule", "print"], arguments].concat()).code(2);
        assert!(refused.stderr.contains(why) && refused.stdout.is_empty(), "{arguments:?}: {}", refused.stderr);
    }
    let plain = project.run(&["schedule", "print", "retrain", config, "--cron"]).ok();
    assert_eq!(project.run(&["schedule", "print", "--cron", "retrain", config]).ok().stdout, plain.stdout);
    assert!(plain.stderr.is_empty());
    let told = project.run(&["schedule", "print", "drift-check", "reviws", "--cron"]).ok();
    assert!(told.stderr.contains("there is no model `reviws` yet"), "{}", told.stderr);
    assert_eq!(project.tree(), before);
    assert!(!project.path("experiments/tracking.db").exists());
}

#[test]
fn promtool_finds_nothing_in_our_metrics() {
    use mlops::report::prometheus::{DriftFacts, RetrainFacts, drift_metrics, retrain_metrics};
    let retrain = RetrainFacts {
        model: "합격 \"예측\"".into(),
        last_success_ms: Some(1),
        steps: vec![("train".into(), 1.5)],
        rows: Some(10),
        ..RetrainFacts::default()
    };
    let statistics = ["kl", "psi", "jensen_shannon", "ks", "wasserstein", "chi_square", "cramers_v", "domain_auc"];
    let drift = DriftFacts {
        statistics: statistics.map(|name| ("a\\b".to_owned(), name.to_owned(), 0.5)).to_vec(),
        ..DriftFacts::default()
    };
    for text in [retrain_metrics(&retrain), drift_metrics(&drift)] {
        let mut command = Command::new("promtool");
        command.args(["check", "metrics"]).stdin(std::process::Stdio::piped());
        let Ok(mut child) = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn()
        else {
            left_out("promtool is not installed");
            return;
        };
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}\n{text}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn files_that_a_job_is_given_are_named_from_the_root() {
    let project = TestProject::with_points();
    project.write("alerts.yaml", "- command: ['true']\n");
    let arguments = [
        "schedule",
        "print",
        "drift-check",
        "points",
        "--cron",
        "--binary",
        "/bin/mlops",
        "--",
        "--notify",
        "alerts.yaml",
    ];
    let line = project.run(&arguments).ok().stdout;
    let expected = format!("--notify {}/alerts.yaml", project.root().canonicalize().unwrap().display());
    assert!(line.contains(&expected), "{line}");
    let job =
        project.run(&[&arguments[..4], &["--k8s", "--image", "mlops", "--", "--notify=alerts.yaml"]].concat()).ok();
    assert!(job.stdout.contains("--notify=/project/alerts.yaml"), "{}", job.stdout);
}
