//! Recording a run: the row in the database, the folder with config, metrics, history, predictions and environment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::known_rows::{ROWS, digest_text};
use crate::config::ExperimentConfig;
use crate::data::parquet_file::{self, Values};
use crate::error::{Context, ErrorKind, Result};
use crate::fs::{create_dir, sha256_file, sync_files, write_atomic, write_relaxed};
use crate::metrics::Evaluation;
use crate::names::{ExperimentName, RunId};
use crate::project::Project;
use crate::tracking::{Artifact, Metric, NewRun, Status};

/// A run that is being recorded.
pub struct Recorder<'a> {
    project: &'a Project,
    /// The run's id.
    pub id: RunId,
    /// The run's folder.
    pub folder: PathBuf,
}

/// Which run to record.
#[derive(Debug, Clone, Copy)]
pub struct What<'a> {
    /// The experiment, made when it is new.
    pub experiment: &'a ExperimentName,
    /// One line about the experiment.
    pub description: &'a str,
    /// The verb.
    pub command: &'a str,
    /// The run's name; when empty, the command with the first digits of the id.
    pub name: &'a str,
}

/// Runs `work` as a recorded run: FINISHED when it succeeds, KILLED when interrupted, else FAILED with the error as a tag.
///
/// # Errors
/// What `work` says, or `Failed` when the database refuses.
pub fn recorded<T>(project: &Project, what: What<'_>, work: impl FnOnce(&Recorder<'_>) -> Result<T>) -> Result<T> {
    let tracker = project.tracker()?;
    let experiment = tracker.ensure_experiment(what.experiment, what.description, project.now_ms())?;
    let id = project.new_run_id();
    let named = if what.name.is_empty() { format!("{}-{}", what.command, id.short()) } else { what.name.to_owned() };
    let _working = project.working(&id);
    tracker.start_run(&NewRun {
        id: &id,
        experiment_id: experiment.id,
        name: &named,
        command: what.command,
        process: Some(&project.surroundings.process),
        start_ms: project.now_ms(),
    })?;
    crate::fs::crash_point("run.started");
    let folder = project.layout.run(what.experiment, &id);
    let recorder = Recorder { project, id, folder };
    let result = work(&recorder);
    let status = match &result {
        Ok(_) => Status::Finished,
        Err(error) if error.kind == ErrorKind::Interrupted => Status::Killed,
        Err(_) => Status::Failed,
    };
    if let Err(error) = &result {
        // The error itself is what the user must see; a tag that cannot be written must not hide it.
        let text: String = project.redactor().text(&error.message).chars().take(2000).collect();
        let _ = tracker.set_tags(&recorder.id, &[("error".to_owned(), text)]);
        let _ = tracker.finish_run(&recorder.id, status, project.now_ms());
        return result;
    }
    crate::fs::crash_point("run.before_finish");
    tracker.finish_run(&recorder.id, status, project.now_ms())?;
    result
}

/// One row of `predictions.parquet`, by column.
pub struct PredictionColumns<'a> {
    /// The id of each row.
    pub ids: &'a [String],
    /// The part of each row.
    pub parts: &'a [String],
    /// The true label of each row.
    pub labels: &'a [String],
    /// The predicted label of each row.
    pub predicted: &'a [String],
    /// The class names.
    pub classes: &'a [String],
    /// Scores, `n_rows × n_classes`.
    pub scores: &'a [Vec<f64>],
    /// Calibrated probabilities, `n_rows × n_classes`.
    pub probabilities: &'a [Vec<f64>],
    /// The value of each row in the columns that make groups; written as `by:<column>`.
    pub by: &'a BTreeMap<String, Vec<String>>,
}

impl Recorder<'_> {
    /// Writes a JSON document into the run's folder.
    ///
    /// # Errors
    /// `Failed` when the disk refuses.
    pub fn json(&self, name: &str, document: &impl Serialize) -> Result<()> {
        write_relaxed(&self.folder.join(name), &json_bytes(document)?)
    }

    /// Writes the rendered config.
    ///
    /// # Errors
    /// `Failed` when the disk refuses.
    pub fn config(&self, config: &ExperimentConfig) -> Result<String> {
        let text = config.rendered()?;
        write_relaxed(&self.folder.join("config.yaml"), text.as_bytes())?;
        Ok(text)
    }

    /// Writes `environment.json`: what the run ran on and with.
    ///
    /// # Errors
    /// `Failed` when the disk refuses.
    pub fn environment(&self, more: &[(&str, String)]) -> Result<BTreeMap<String, String>> {
        let mut facts = (self.project.surroundings.environment)();
        facts.extend(more.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
        self.json("environment.json", &facts)?;
        Ok(facts)
    }

    /// Writes `predictions.parquet`.
    ///
    /// # Errors
    /// `Failed` when the disk refuses.
    pub fn predictions(&self, columns: &PredictionColumns<'_>) -> Result<()> {
        create_dir(&self.folder)?;
        let picked =
            |rows: &[Vec<f64>], class: usize| -> Vec<Option<f64>> { rows.iter().map(|row| Some(row[class])).collect() };
        let numbers: Vec<(String, Vec<Option<f64>>)> = if columns.classes.len() == 2 {
            vec![("probability".into(), picked(columns.probabilities, 1)), ("score".into(), picked(columns.scores, 1))]
        } else {
            let names = columns.classes.iter().enumerate();
            names
                .flat_map(|(class, name)| {
                    [
                        (format!("probability_{name}"), picked(columns.probabilities, class)),
                        (format!("score_{name}"), picked(columns.scores, class)),
                    ]
                })
                .collect()
        };
        let mut written = vec![
            ("id", Values::Text(columns.ids)),
            ("split", Values::Text(columns.parts)),
            ("label", Values::Text(columns.labels)),
            ("predicted", Values::Text(columns.predicted)),
        ];
        written.extend(numbers.iter().map(|(name, values)| (name.as_str(), Values::Numbers(values))));
        let by: Vec<(String, &Vec<String>)> =
            columns.by.iter().map(|(column, values)| (format!("by:{column}"), values)).collect();
        written.extend(by.iter().map(|(name, values)| (name.as_str(), Values::Text(values))));
        // As JSON: a label may hold a comma.
        let classes = serde_json::to_string(columns.classes).context(|| "cannot write the class names".into())?;
        let facts = [("mlops.run_id", self.id.to_string()), ("mlops.classes", classes)];
        write_relaxed(&self.folder.join("predictions.parquet"), &parquet_file::bytes(&written, &facts)?)
    }

    /// Writes `rows.parquet`: by which digests the rows are known again elsewhere, see `known_rows`; with the query of each row,
    /// by which the document of a ranking is known beside its id, empty where there are none.
    ///
    /// # Errors
    /// `Failed` when the disk refuses.
    pub fn rows(&self, queries: &[String], ids: &[String], parts: &[String], digests: &[u64]) -> Result<()> {
        create_dir(&self.folder)?;
        let digests: Vec<String> = digests.iter().copied().map(digest_text).collect();
        let mut columns =
            vec![("id", Values::Text(ids)), ("split", Values::Text(parts)), ("digest", Values::Text(&digests))];
        if !queries.is_empty() {
            columns.push(("query", Values::Text(queries)));
        }
        let facts = [("mlops.run_id", self.id.to_string())];
        write_relaxed(&self.folder.join(ROWS), &parquet_file::bytes(&columns, &facts)?)
    }

    /// Makes the run's folder last; then size and hash of every file in it, with paths relative to the project.
    ///
    /// # Errors
    /// `Failed` when one cannot be read.
    pub fn artifacts(&self) -> Result<Vec<Artifact>> {
        sync_files(&self.folder)?;
        let entries = std::fs::read_dir(&self.folder).context(|| format!("cannot list `{}`", self.folder.display()))?;
        let mut names: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
        // What is kept while a training works goes when it is done.
        names.retain(|path| path.file_stem().is_none_or(|stem| stem != "checkpoint"));
        names.sort();
        names.iter().map(|path| self.artifact(path)).collect()
    }

    /// Size and hash of a file.
    ///
    /// # Errors
    /// `Failed` when it cannot be read.
    pub fn artifact(&self, path: &Path) -> Result<Artifact> {
        artifact(self.project, path)
    }

    /// Tags the run.
    ///
    /// # Errors
    /// `Failed` when the database refuses.
    pub fn tag(&self, key: &str, value: &str) -> Result<()> {
        self.project.tracker()?.set_tags(&self.id, &[(key.to_owned(), value.to_owned())])
    }

    /// A metric at step 0, now.
    #[must_use]
    pub fn metric(&self, key: impl Into<String>, value: f64) -> Metric {
        Metric { key: key.into(), value, timestamp_ms: self.project.now_ms(), step: 0 }
    }

    /// The values of an evaluation as metrics: `f1` for the test rows, `validation_f1`, `train_f1`.
    #[must_use]
    pub fn metrics_of(&self, part: crate::data::Part, evaluation: &Evaluation) -> Vec<Metric> {
        let prefix = match part {
            crate::data::Part::Test => String::new(),
            other => format!("{}_", other.name()),
        };
        let values = evaluation.metrics.iter();
        values.filter_map(|(name, estimate)| Some(self.metric(format!("{prefix}{name}"), estimate.value?))).collect()
    }
}

/// Size and hash of a file. Its path is relative to the project where the file lies in it, else absolute.
///
/// # Errors
/// `Failed` when it cannot be read.
pub fn artifact(project: &Project, path: &Path) -> Result<Artifact> {
    let (size, sha256) = sha256_file(path)?;
    let real = |path: &Path| path.canonicalize().context(|| format!("cannot find `{}`", path.display()));
    let (file, root) = (real(path)?, real(project.layout.root())?);
    let place = file.strip_prefix(&root).unwrap_or(&file).display().to_string();
    // A name may hold a line break; a record may not.
    let path = place.replace(char::is_control, "\u{fffd}");
    Ok(Artifact { path, size, sha256 })
}

/// Writes a JSON document, pretty, with a final newline.
///
/// # Errors
/// `Failed` when the disk refuses.
pub fn write_json(path: &Path, document: &impl Serialize) -> Result<()> {
    write_atomic(path, &json_bytes(document)?)
}

fn json_bytes(document: &impl Serialize) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(document).context(|| "cannot write a JSON document".into())?;
    bytes.push(b'\n');
    Ok(bytes)
}
