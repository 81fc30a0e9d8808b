//! `train --resume`: going on where an interrupted training stood.
//!
//! While a network trains, its run's folder holds `checkpoint.safetensors` (`models::nn::checkpoint`) and `checkpoint.json`, which
//! says for which config and which rows it is good. Both go when such a training is done. A later training of the same config on the
//! same rows copies the newest of them into its own folder and goes on; it ends with the bytes of an uninterrupted one.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::session::Session;
use crate::config::{Experiment, ExperimentConfig};
use crate::error::{Error, ErrorKind, Result};
use crate::fs::{create_dir, read_text, sha256, write_atomic};
use crate::names::RunId;
use crate::runs::record::{Recorder, write_json};
use crate::tracking::{Filter, Run, Search, Status, View};

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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// The trainings of the experiment that did not end well and have a checkpoint, newest first.
fn interrupted(session: &Session<'_>, config: &ExperimentConfig) -> Result<Vec<(Run, Earlier)>> {
    let (project, name) = (session.project, &config.experiment.name);
    let tracker = project.tracker()?;
    let experiment = tracker.ensure_experiment(name, &config.experiment.description, project.now_ms())?;
    let ended = Filter::status(Status::Killed).or(Filter::status(Status::Failed));
    let search = Search {
        experiments: &[experiment.id],
        filter: Some(&Filter::command("train").and(ended)),
        order: &[],
        limit: 1_000_000,
        offset: 0,
        view: View::Active,
    };
    let runs = tracker.search_runs(&search)?.into_iter();
    Ok(runs.filter_map(|run| Some((run.clone(), earlier_of(session, &run, config)?))).collect())
}

/// Why a run failed.
fn reason(run: &Run) -> &str {
    run.tags.get("error").map_or("nobody knows why", String::as_str)
}

/// The checkpoint to go on from.
///
/// # Errors
/// `NotFound` when there is none, `Invalid` when it is of another config or the kind keeps none, `Busy` when its run still works.
pub(super) fn earlier(session: &Session<'_>, experiment: &Experiment, resume: &Resume) -> Result<Earlier> {
    let (tracker, config) = (session.project.tracker()?, &experiment.config);
    let name = &config.experiment.name;
    if !experiment.family.keeps_checkpoints() {
        return Err(Error::invalid(format!("`{}` keeps no checkpoints to go on from", experiment.family.name()))
            .hint("train without `--resume`: the same seed gives the same model"));
    }
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
    let mut others = 0;
    for (run, found) in interrupted(session, config)? {
        if found.head.config != wanted {
            others += 1;
        } else if run.status == Status::Killed {
            return Ok(found);
        } else {
            // The same again might fail the same way: that is a person's choice.
            let message = format!("run {} of this config failed: {}", run.id.short(), reason(&run));
            return Err(no_checkpoint(&message)
                .hint(format!("`--resume={}` goes on from its last good epoch all the same", run.id.short())));
        }
    }
    let but = match others {
        0 => String::new(),
        1 => "; one is of another config".to_owned(),
        several => format!("; {several} are of other configs"),
    };
    Err(no_checkpoint(&format!("no interrupted run of `{name}` has a checkpoint for this config{but}")))
}

fn no_checkpoint(message: &str) -> Error {
    Error::not_found(message).hint("neural kinds keep one while they train; start anew without `--resume`")
}

/// Where a training keeps its checkpoint.
pub(super) struct Checkpoint {
    /// The file; none for kinds that keep none.
    pub file: Option<PathBuf>,
    folder: PathBuf,
    earlier: Option<Earlier>,
    head: Head,
}

impl Checkpoint {
    /// Prepares the run's folder; the checkpoint of an earlier run is copied into it.
    ///
    /// # Errors
    /// `Invalid` when the rows are not those of the earlier run, `NotFound` when its checkpoint has gone since, `Failed` when
    /// the disk refuses.
    pub fn prepare(
        recorder: &Recorder<'_>,
        experiment: &Experiment,
        fingerprint: &str,
        earlier: Option<Earlier>,
    ) -> Result<Self> {
        let folder = recorder.folder.clone();
        let head =
            Head { format_version: 1, config: digest(&experiment.config)?, data_fingerprint: fingerprint.to_owned() };
        if !experiment.family.keeps_checkpoints() {
            return Ok(Self { file: None, folder, earlier, head });
        }
        create_dir(&folder)?;
        if let Some(earlier) = &earlier {
            if earlier.head.data_fingerprint != fingerprint {
                return Err(Error::invalid(format!("the rows are not those of run {}", earlier.run.short()))
                    .hint("a resumed training must see the same rows; start anew without `--resume`"));
            }
            let from = earlier.folder.join(CHECKPOINT);
            let gone =
                |_| no_checkpoint(&format!("the checkpoint of run {} has gone: it is used up", earlier.run.short()));
            write_atomic(&folder.join(CHECKPOINT), &std::fs::read(from).map_err(gone)?)?;
        }
        write_json(&folder.join(HEAD), &head)?;
        Ok(Self { file: Some(folder.join(CHECKPOINT)), folder, earlier, head })
    }

    /// Whether the training goes on from an earlier one.
    pub fn resumes(&self) -> bool {
        self.earlier.is_some()
    }

    /// Removes what is used up: this training is done, and with it all that were interrupted on the way to it.
    pub fn done(self, session: &Session<'_>, config: &ExperimentConfig) {
        if self.file.is_none() {
            return;
        }
        let others = interrupted(session, config).unwrap_or_default().into_iter().map(|(_, found)| found);
        let same = others.filter(|found| found.head == self.head).map(|found| found.folder);
        // What cannot be removed is in nobody's way.
        for folder in same.chain([self.folder]) {
            [HEAD, CHECKPOINT].iter().for_each(|name| drop(std::fs::remove_file(folder.join(name))));
        }
    }

    /// Says in an error how to go on, where there is something to go on from.
    pub fn explain(self, error: Error) -> Error {
        let kept = self.file.is_some_and(|file| file.is_file());
        if error.kind == ErrorKind::Interrupted && kept {
            return error.hint("`--resume` with the same config goes on from the last epoch");
        }
        if !kept {
            // A head alone is of no use.
            drop(std::fs::remove_file(self.folder.join(HEAD)));
        }
        error
    }
}
