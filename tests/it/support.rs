//! A hermetic project in a temporary folder, and the built binary run in it with a clean environment.

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use polars::prelude::{DataFrame, ParquetReader, SerReader};
use serde_json::Value;

/// The sample data of the repository: 5,000 Korean reviews.
pub const REVIEWS: &str = include_str!("../../data/reviews.csv");
/// The config that learns them with tf-idf and logistic regression.
pub const REVIEWS_LR: &str = include_str!("../../experiments/reviews_lr/config.yaml");

/// Every kind of model that ranks.
pub const RANKING_KINDS: &[&str] = &[
    "lambdamart",
    "ranknet",
    "lambdarank",
    "lambdaloss",
    "listnet",
    "listmle",
    "approxndcg",
    "neuralndcg",
    "pointwise_mse",
];

/// A project in a temporary folder.
pub struct TestProject {
    folder: tempfile::TempDir,
}

/// What a run of the binary gave.
#[derive(Debug)]
pub struct Answer {
    /// The exit code; none when a signal ended the process.
    pub code: Option<i32>,
    /// The signal that ended the process.
    pub signal: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Answer {
    /// Checks the exit code and gives the answer back; both streams are shown when it is another one.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Checks for success.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.code(0)
    }

    /// The one JSON document on stdout.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}:\n{}\n{}", self.stdout, self.stderr))
    }
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            signal: output.status.signal(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl TestProject {
    /// An empty project.
    pub fn new() -> Self {
        let project = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(project.path("experiments")).unwrap();
        std::fs::create_dir(project.path("tmp")).unwrap();
        project
    }

    /// A project with the points of `points_csv` and two experiments, `lr` and `forest`, of one model, `points`.
    pub fn with_points() -> Self {
        let project = Self::new();
        project.write("data/points.csv", points_csv());
        project.write("experiments/lr/config.yaml", config("lr", "logistic_regression"));
        project.write("experiments/forest/config.yaml", config("forest", "random_forest"));
        project
    }

    /// A project with the sample reviews.
    pub fn with_reviews() -> Self {
        let project = Self::new();
        project.write("data/reviews.csv", REVIEWS);
        project.write("experiments/reviews_lr/config.yaml", REVIEWS_LR);
        project
    }

    /// A project with ranked documents and an experiment of the model `ranker` for each of these kinds, named after it.
    pub fn with_rankings(kinds: &[&str]) -> Self {
        let project = Self::new();
        for (name, first, count) in [("train", 0, 24), ("vali", 24, 8), ("test", 32, 12)] {
            project.write(&format!("data/{name}.txt"), letor(first, count));
        }
        for kind in kinds {
            project.write(&format!("experiments/{kind}/config.yaml"), ranking_config(kind, kind));
        }
        project
    }

    /// Another project with the same content.
    pub fn copy(&self) -> Self {
        let project = Self { folder: tempfile::tempdir().unwrap() };
        let from = format!("{}/.", self.root().display());
        assert!(Command::new("cp").arg("-a").arg(from).arg(project.root()).status().unwrap().success());
        project
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[track_caller]
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Every file and link below the root with its content, to see that nothing has changed. SQLite's side files and
    /// locks come and go with readers.
    pub fn tree(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let (mut found, mut open) = (Vec::new(), vec![self.root().to_path_buf()]);
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                if path.is_symlink() {
                    let target = std::fs::read_link(&path).unwrap();
                    found.push((path, target.to_string_lossy().into_owned().into_bytes()));
                } else if path.is_dir() {
                    open.push(path);
                } else if path.extension().is_none_or(|ending| ending != "lock") && !name.starts_with("tracking.db") {
                    let content = std::fs::read(&path).unwrap();
                    found.push((path, content));
                }
            }
        }
        found.sort();
        found
    }

    /// The binary with these arguments, in the project's root, with nothing of our own environment but the path.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mlops"));
        command.args(arguments).current_dir(self.root()).env_clear().stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.root()).env("TMPDIR", self.path("tmp")).env("USER", "tester").env("NO_COLOR", "1");
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Answer {
        self.command(arguments).output().unwrap().into()
    }

    /// Runs with an environment variable more.
    pub fn run_with(&self, name: &str, value: &str, arguments: &[&str]) -> Answer {
        self.command(arguments).env(name, value).output().unwrap().into()
    }

    /// Runs until the process aborts at this crash point.
    pub fn crash_at(&self, point: &str, arguments: &[&str]) -> Answer {
        self.run_with("MLOPS_CRASH_AT", &armed(point), arguments)
    }

    /// Runs with this on stdin.
    pub fn pipe(&self, input: &str, arguments: &[&str]) -> Answer {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap().into()
    }

    /// Trains an experiment by its name and gives the first outcome.
    #[track_caller]
    pub fn train(&self, experiment: &str, more: &[&str]) -> Value {
        let config = format!("experiments/{experiment}/config.yaml");
        let arguments = [&["--json", "train", &config], more].concat();
        self.run(&arguments).ok().json()["trained"][0].take()
    }

    /// What a link of `production/points/` points to.
    pub fn link(&self, name: &str) -> Option<String> {
        let link = std::fs::read_link(self.path(&format!("production/points/{name}")));
        link.ok().map(|target| target.to_string_lossy().into_owned())
    }

    /// The stage of each version of `points`.
    #[track_caller]
    pub fn stages(&self) -> Vec<String> {
        let document = self.run(&["--json", "models", "show", "points"]).ok().json();
        let mut versions: Vec<(u64, String)> = document["versions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| (one["version"].as_u64().unwrap(), one["stage"].as_str().unwrap().to_owned()))
            .collect();
        versions.sort();
        versions.into_iter().map(|(_, stage)| stage).collect()
    }

    /// Makes a version of `points` older by so many days: manifest, copies and row say so, and agree. No file's own time
    /// changes with it.
    pub fn age(&self, version: u64, days: i64) {
        let name = format!("checkpoints/experiments/points/v{version}/manifest.json");
        let mut manifest: Value = serde_json::from_str(&self.read(&name)).unwrap();
        let made: jiff::Timestamp = manifest["created_at"].as_str().unwrap().parse().unwrap();
        let older = made - jiff::SignedDuration::from_hours(24 * days);
        manifest["created_at"] = older.to_string().into();
        let text = serde_json::to_string_pretty(&manifest).unwrap();
        self.write(&name, &text);
        let database = rusqlite::Connection::open(self.path("experiments/tracking.db")).unwrap();
        for copy in ["checkpoints/validated", "production"] {
            let name = format!("{copy}/points/v{version}/manifest.json");
            let sealed = format!("{copy}/points/v{version}/checkpoint_manifest.json");
            if !self.path(&sealed).is_file() {
                if self.path(&name).is_file() {
                    self.write(&name, &text);
                }
                continue;
            }
            // A release names the checkpoint's manifest, and the ledger and the file beside `active` name its own.
            self.write(&sealed, &text);
            let mut release: Value = serde_json::from_str(&self.read(&name)).unwrap();
            release["created_at"] = manifest["created_at"].clone();
            release["checkpoint"] = mlops::fs::sha256(text.as_bytes()).into();
            let facts = serde_json::json!({"size": text.len(), "sha256": release["checkpoint"]});
            release["files"]["checkpoint_manifest.json"] = facts;
            let before = mlops::fs::sha256(self.read(&name).as_bytes());
            let release = serde_json::to_string_pretty(&release).unwrap();
            self.write(&name, &release);
            let now = mlops::fs::sha256(release.as_bytes());
            database.execute("UPDATE release_manifests SET sha256 = ?1 WHERE sha256 = ?2", [&now, &before]).unwrap();
            let sums = "production/points/SHA256SUMS";
            if self.path(sums).is_file() {
                self.write(sums, self.read(sums).replace(&before, &now));
            }
        }
        let row = "UPDATE model_versions SET created_ms = created_ms - ?1, manifest_sha256 = ?2 WHERE version = ?3";
        let changed = database.execute(
            row,
            rusqlite::params![days * 86_400_000, mlops::fs::sha256(text.as_bytes()), i64::try_from(version).unwrap()],
        );
        assert_eq!(changed, Ok(1));
    }

    /// `text` without what differs from run to run.
    pub fn redact(&self, text: &str) -> String {
        redact(&text.replace(&self.root().display().to_string(), "<root>"))
    }
}

/// The value of `MLOPS_CRASH_AT` for a process that this one starts: only the parent may arm a crash point.
pub fn armed(point: &str) -> String {
    format!("{point}@{}", std::process::id())
}

/// A Parquet file, whole.
pub struct Parquet(DataFrame);

impl Parquet {
    pub fn read(path: &Path) -> Self {
        Self(ParquetReader::new(std::fs::File::open(path).unwrap()).finish().unwrap())
    }

    pub fn height(&self) -> usize {
        self.0.height()
    }

    pub fn columns(&self) -> Vec<String> {
        self.0.get_column_names().into_iter().map(ToString::to_string).collect()
    }

    pub fn numbers(&self, column: &str) -> Vec<f64> {
        self.0.column(column).unwrap().f64().unwrap().iter().map(|cell| cell.unwrap()).collect()
    }

    pub fn texts(&self, column: &str) -> Vec<String> {
        self.0.column(column).unwrap().str().unwrap().iter().map(|cell| cell.unwrap().to_owned()).collect()
    }
}

/// The points of a formula: label 1 where a + b > 0, with one label in ten turned round; 120 train, 40 validation,
/// 40 test.
pub fn points() -> Vec<(usize, f64, f64, usize, &'static str)> {
    let point = |row: usize| {
        let a = ((row as f64) * 12.9898).sin();
        let b = ((row as f64) * 78.233).cos();
        let label = usize::from(a + b > 0.0) ^ usize::from(row % 10 == 7);
        (row, a, b, label, ["train", "train", "train", "validation", "test"][row % 5])
    };
    (0..200).map(point).collect()
}

/// The points as CSV.
pub fn points_csv() -> String {
    let mut text = "id,a,b,label,split\n".to_owned();
    for (row, a, b, label, split) in points() {
        writeln!(text, "p{row},{a:.6},{b:.6},{label},{split}").unwrap();
    }
    text
}

/// A config for the points.
pub fn config(experiment: &str, kind: &str) -> String {
    let params = if kind == "random_forest" { "{n_estimators: 10}" } else { "{}" };
    format!(
        "experiment: {{name: {experiment}}}
data:
  source: data/points.csv
  columns: {{id: id, features: [a, b], label: label}}
  split: {{column: split}}
model: {{name: points, kind: {kind}, params: {params}}}
evaluation: {{metrics: [f1, accuracy, log_loss], bootstrap: 100}}
promotion: {{require: [{{metric: f1, min: 0.55}}]}}
"
    )
}

/// Ranked documents of a formula as LETOR text: queries `first..first + count` of 8 documents; the grade follows features 1 and 2,
/// features 3 and 4 are noise. Every seventh query has no relevant document.
pub fn letor(first: usize, count: usize) -> String {
    let mut text = String::new();
    for query in first..first + count {
        for document in 0..8 {
            let at = (query * 8 + document) as f64;
            let [a, b, c, d] = [12.9898, 78.233, 37.719, 4.581].map(|factor| ((at + 1.0) * factor).sin() * 0.5 + 0.5);
            let grade = if query % 7 == 3 { 0 } else { ((a + b) * 1.5) as u8 };
            writeln!(text, "{grade} qid:q{query} 1:{a:.4} 2:{b:.4} 3:{c:.4} 4:{d:.4} # docid = d{query}-{document}")
                .unwrap();
        }
    }
    text
}

/// A config that ranks `data/{train,vali,test}.txt`.
pub fn ranking_config(experiment: &str, kind: &str) -> String {
    let params = if kind == "lambdamart" { "{n_estimators: 8, min_data_in_leaf: 4}" } else { "{hidden_dims: [8]}" };
    let training = if kind == "lambdamart" {
        "{}"
    } else {
        "{epochs: 5, batch_size: 4, learning_rate: 0.01, checkpoint_every: 1}"
    };
    format!(
        "experiment: {{name: {experiment}}}
seed: 1
task: ranking
data:
  files: {{train: data/train.txt, validation: data/vali.txt, test: data/test.txt}}
model: {{name: ranker, kind: {kind}, params: {params}}}
training: {training}
evaluation: {{metrics: [ndcg@10, map, mrr], bootstrap: 100}}
promotion: {{require: [{{metric: ndcg@10, min: 0.3}}]}}
"
    )
}

/// `text` with run ids, times, durations and process ids replaced; columns are set apart by two spaces, because their
/// width follows the durations.
pub fn redact(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let mut words: Vec<String> = Vec::new();
        for cell in line.split("  ").map(str::trim_end).filter(|cell| !cell.trim().is_empty()) {
            let cell = if words.is_empty() && line.starts_with("  ") { cell.trim() } else { cell.trim_start() };
            words.push(cell.split(' ').map(word).collect::<Vec<_>>().join(" "));
        }
        let line = words.join("  ");
        durations(&line)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn word(word: &str) -> String {
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    let parts = word.split('/').map(|part| match part.len() {
        32 if is_hex(part) => "<run id>".to_owned(),
        8 if is_hex(part) => "<run>".to_owned(),
        10 if part.starts_with("20") && part.matches('-').count() == 2 => "<date>".to_owned(),
        _ => part.to_owned(),
    });
    let word = parts.collect::<Vec<_>>().join("/");
    let is_clock = [5, 8].contains(&word.len()) && word.split(':').count() == word.len() / 3 + 1;
    if is_clock && word.split(':').all(|part| part.parse::<u8>().is_ok()) { "<time>".to_owned() } else { word }
}

fn durations(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let mut kept: Vec<String> = Vec::new();
    for word in words {
        let unit = word.trim_end_matches(',');
        let number = kept.last().is_some_and(|last| last.parse::<f64>().is_ok());
        if number && ["s", "ms", "min"].contains(&unit) {
            kept.pop();
            kept.push(format!("<duration>{}", &word[unit.len()..]));
        } else {
            kept.push(word.to_owned());
        }
    }
    kept.join(" ")
}

#[test]
fn redaction_replaces_what_differs() {
    let id = "8588c7c631ff0481575eb4ef43add7e5";
    let text = format!("run   8588c7c6  a/runs/{id}\nfit  3 in 0.02 s, 10 times\n2026-11-20 17:22:35  took  9.6 ms\n");
    let expected = "run  <run>  a/runs/<run id>\nfit  3 in <duration>, 10 times\n<date> <time>  took  <duration>";
    assert_eq!(redact(&text), expected);
}
