//! `train --resume`: going on where an interrupted training stood.
//!
//! While a network trains, its run's folder holds `checkpoint.safetensors` (`models::nn::checkpoint`) and `checkpoint.json`, which
//! says for which config and which rows it is good. Both go when the training is done. A later training of the same config on the
//! same rows copies the newest of them into its own folder and goes on; it ends with the bytes of an uninterrupted one.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::record::{Recorder, write_json};
use super::session::Session;
use crate::config::ExperimentConfig;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::fs::{create_dir, read_text, sha256, write_atomic};
use crate::names::RunId;
use crate::tracking::{Run, Search, Status, View};

const CHECKPOINT: &str = "checkpoint.safetensors";
const HEAD: &str = "checkpoint.json";

/// From which run to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resume {
    /// The newest that was interrupted with the same config.
    Newest,
    /// This one, by its id or the first digits of it.
    Run(String),
}

/// What a checkpoint is good for.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    format_version: u32,
    /// SHA-256 of the rendered config.
    config: String,
    /// That of the rows.
    data_fingerprint: String,
}

/// The checkpoint of an interrupted run.
#[derive(Debug)]
pub(super) struct Earlier {
    /// The run.
    pub run: RunId,
    folder: PathBuf,
    head: Head,
}

/// SHA-256 of the config as it is rendered.
fn digest(config: &ExperimentConfig) -> Result<String> {
    Ok(sha256(config.rendered()?.as_bytes()))
}

fn earlier_of(session: &Session<'_>, run: &Run, config: &ExperimentConfig) -> Option<Earlier> {
    let folder = session.project.layout.run(&config.experiment.name, &run.id);
    let head = read_text(&folder.join(HEAD)).ok()?;
    let head = serde_json::from_str(&head).ok()?;
    folder.join(CHECKPOINT).is_file().then(|| Earlier { run: run.id.clone(), folder, head })
}

/// The checkpoint to go on from.
///
/// # Errors
/// `NotFound` when there is none, `Invalid` when it is of another config, `Busy` when its run still works.
pub(super) fn earlier(session: &Session<'_>, config: &ExperimentConfig, resume: &Resume) -> Result<Earlier> {
    let tracker = session.project.tracker()?;
    let name = &config.experiment.name;
    let wanted = digest(config)?;
    if let Resume::Run(prefix) = resume {
        let run = tracker.run(prefix)?;
        if run.experiment != name.as_str() {
            return Err(Error::invalid(format!("run {} is of experiment `{}`", run.id.short(), run.experiment))
                .hint(format!("go on from one of `{name}`, or leave the run out: the newest is taken")));
        }
        if run.status == Status::Running {
            return Err(Error::busy(format!("run {} is still training", run.id.short())));
        }
        let found = earlier_of(session, &run, config);
        let found = found.ok_or_else(|| no_checkpoint(&format!("run {} has no checkpoint", run.id.short())))?;
        if found.head.config == wanted {
            return Ok(found);
        }
        return Err(Error::invalid(format!("run {} was of another config", run.id.short()))
            .hint("a resumed training must be of the same config; start anew without `--resume`"));
    }
    let experiment = tracker.ensure_experiment(name, &config.experiment.description, session.project.now_ms())?;
    let search =
        Search { experiments: &[experiment.id], filter: "", order: &[], limit: 1000, offset: 0, view: View::Active };
    let runs = tracker.search_runs(&search)?;
    let stopped = runs.iter().filter(|run| matches!(run.status, Status::Killed | Status::Failed));
    let mut others = 0;
    for found in stopped.filter_map(|run| earlier_of(session, run, config)) {
        if found.head.config == wanted {
            return Ok(found);
        }
        others += 1;
    }
    let but = if others > 0 { format!("; {others} are of other configs") } else { String::new() };
    Err(no_checkpoint(&format!("no interrupted run of `{name}` has a checkpoint for this config{but}")))
}

fn no_checkpoint(message: &str) -> Error {
    Error::not_found(message).hint("neural kinds keep one while they train; start anew without `--resume`")
}

/// Where a training keeps its checkpoint.
pub(super) struct Checkpoint {
    /// The file.
    pub file: PathBuf,
    head: PathBuf,
    earlier: Option<Earlier>,
}

impl Checkpoint {
    /// Prepares the run's folder; the checkpoint of an earlier run is copied into it.
    ///
    /// # Errors
    /// `Invalid` when the rows are not those of the earlier run, `Failed` when the disk refuses.
    pub fn prepare(
        recorder: &Recorder<'_>,
        config: &ExperimentConfig,
        fingerprint: &str,
        earlier: Option<Earlier>,
    ) -> Result<Self> {
        let at = |name: &str| recorder.folder.join(name);
        if let Some(earlier) = &earlier {
            if earlier.head.data_fingerprint != fingerprint {
                return Err(Error::invalid(format!("the rows are not those of run {}", earlier.run.short()))
                    .hint("a resumed training must see the same rows; start anew without `--resume`"));
            }
            let from = earlier.folder.join(CHECKPOINT);
            let bytes = std::fs::read(&from).context(|| format!("cannot read `{}`", from.display()))?;
            create_dir(&recorder.folder)?;
            write_atomic(&at(CHECKPOINT), &bytes)?;
        }
        create_dir(&recorder.folder)?;
        let head = Head { format_version: 1, config: digest(config)?, data_fingerprint: fingerprint.to_owned() };
        write_json(&at(HEAD), &head)?;
        Ok(Self { file: at(CHECKPOINT), head: at(HEAD), earlier })
    }

    /// Whether the training goes on from an earlier one.
    pub fn resumes(&self) -> bool {
        self.earlier.is_some()
    }

    /// Removes what is used up: this training is done, and so is the one that it went on from.
    pub fn done(self) {
        let earlier =
            self.earlier.iter().flat_map(|earlier| [earlier.folder.join(CHECKPOINT), earlier.folder.join(HEAD)]);
        // What cannot be removed is in nobody's way.
        earlier.chain([self.file, self.head]).for_each(|file| drop(std::fs::remove_file(file)));
    }

    /// Says in an error how to go on, where there is something to go on from.
    pub fn explain(self, error: Error) -> Error {
        if error.kind == ErrorKind::Interrupted && is_there(&self.file) {
            return error.hint("`--resume` with the same config goes on from the last epoch");
        }
        if !is_there(&self.file) {
            // A head alone is of no use.
            drop(std::fs::remove_file(&self.head));
        }
        error
    }
}

fn is_there(file: &Path) -> bool {
    file.is_file()
}
