//! A version that stands before the gate, with what is stored of it.

use std::collections::HashSet;
use std::sync::OnceLock;

use super::super::release::export::Export;
use super::super::session::Session;
use crate::config::ExperimentConfig;
use crate::error::{Cause, Error, Result};
use crate::metrics::Evaluation;
use crate::names::ExperimentName;
use crate::once::get_or_try_init;
use crate::project::{Located, Project};
use crate::registry::Manifest;
use crate::runs::known_rows::KnownRows;
use crate::runs::metrics_file::{self, MetricsFile};
use crate::runs::opened::Opened;
use crate::runs::paired::{all_answers, answers};
use crate::runs::predictions::Predictions;
use crate::runs::recorded::recorded_file;
use crate::runs::stored_config::stored_config;
use crate::tracking::{Filter, Run, Search, Status, View};

/// A version with its run, its config and, on demand, its answers.
pub struct Subject {
    /// Where it lies.
    pub located: Located,
    /// The run that made it; none when its row is gone.
    pub run: Option<Run>,
    /// The config that it was trained with.
    pub config: ExperimentConfig,
    evaluation: OnceLock<Option<Evaluation>>,
    answers: OnceLock<Predictions>,
    opened: OnceLock<Opened>,
    export: OnceLock<Export>,
}

impl Subject {
    /// Opens a version.
    ///
    /// # Errors
    /// `Failed` when its config or the database cannot be read.
    pub fn open(project: &Project, located: Located) -> Result<Self> {
        let row = project.reader()?.version(located.model.as_str(), located.version)?;
        let run = row.run_id.as_ref().map(|run| project.reader()?.run(run.as_str())).transpose()?;
        let config = stored_config(&located)?;
        let (evaluation, answers, opened, export) = Default::default();
        Ok(Self { located, run, config, evaluation, answers, opened, export })
    }

    /// A version whose model is open already.
    ///
    /// # Errors
    /// As `open`.
    pub fn of(project: &Project, opened: Opened) -> Result<Self> {
        let subject = Self::open(project, opened.located.clone())?;
        Ok(Self { opened: OnceLock::from(opened), ..subject })
    }

    /// The model itself, opened when it is first asked for.
    ///
    /// # Errors
    /// `Failed` when it is damaged.
    pub fn opened(&self) -> Result<&Opened> {
        get_or_try_init(&self.opened, || Opened::open(self.located.clone()))
    }

    /// Its exported file, made and compared with the model when it is first asked for.
    ///
    /// # Errors
    /// As `Export::build`.
    pub fn export(&self, session: &Session<'_>) -> Result<&Export> {
        get_or_try_init(&self.export, || Export::build(session, self.opened()?))
    }

    /// The value of a metric on its test rows.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<f64> {
        self.run.as_ref()?.metrics.get(name).copied().filter(|value| !value.is_nan())
    }

    /// The metrics of its test rows with their intervals, as training wrote them; none when the run's folder is gone.
    ///
    /// # Errors
    /// `Failed` when the file is damaged.
    pub fn evaluation(&self, project: &Project) -> Result<Option<&Evaluation>> {
        let read = || {
            let Some(run) = &self.run else { return Ok(None) };
            recorded_file(project, run, metrics_file::FILE)?;
            let folder = project.layout.run(&ExperimentName::parse(&run.experiment)?, &run.id);
            Ok(MetricsFile::read(&folder)?.and_then(MetricsFile::test))
        };
        Ok(get_or_try_init(&self.evaluation, read)?.as_ref())
    }

    /// Its answers about its test rows.
    ///
    /// # Errors
    /// `Invalid` when there are none.
    pub fn answers(&self, project: &Project) -> Result<&Predictions> {
        get_or_try_init(&self.answers, || {
            let run = self.run.as_ref().ok_or_else(|| {
                let (model, version) = (&self.located.model, self.located.version);
                Error::invalid(format!("the run that made {model} {version} is gone, and its answers with it"))
                    .because(Cause::NotComparable)
            })?;
            answers(project, run)
        })
    }

    /// The bytes of its files, as they were trained.
    ///
    /// # Errors
    /// `Failed` when the manifest cannot be read.
    pub fn bytes(&self, project: &Project) -> Result<u64> {
        let checkpoint = project.layout.checkpoint(&self.located.model, self.located.version);
        let folder = if checkpoint.is_dir() { &checkpoint } else { &self.located.folder };
        let (manifest, _) = Manifest::read(folder)?;
        Ok(manifest.files.values().map(|facts| facts.size).sum())
    }

    /// The runs in which it answered rows: its training run (by its test rows), and every finished evaluation.
    ///
    /// # Errors
    /// `Failed` when the database cannot be read.
    pub fn answered(&self, project: &Project) -> Result<Vec<Run>> {
        let filter = Filter::command("evaluate")
            .and(Filter::status(Status::Finished))
            .and(Filter::tag("model").equals(self.located.model.as_str()))
            .and(Filter::tag("version").equals(self.located.version.0.to_string()));
        let limit = usize::MAX >> 1;
        let search =
            Search { experiments: &[], filter: Some(&filter), order: &[], limit, offset: 0, view: View::Active };
        let mut runs = project.reader()?.search_runs(&search)?;
        runs.extend(self.run.clone());
        Ok(runs)
    }

    /// The rows that this version was trained and tested on; none when its run was of a build that did not write them.
    ///
    /// # Errors
    /// `Failed` when the file is damaged.
    pub fn known_rows(&self, project: &Project) -> Result<Option<KnownRows>> {
        self.run.as_ref().map_or(Ok(None), |run| KnownRows::of(project, run))
    }

    /// For runs that did not write their rows: whether rows that a run answered may have been among those that this
    /// version was trained on. It is seen by their neighbours: the validation rows of the same file, else more rows of it
    /// than the test rows; without an id column by the file's path.
    ///
    /// # Errors
    /// `Failed` when the database cannot be read.
    pub fn may_be_trained_on(&self, project: &Project, run: &Run, ids: &[String]) -> Result<bool> {
        if run.command == "train" {
            return Ok(false);
        }
        let inputs = project.reader()?.inputs(&run.id)?;
        let parts: Vec<&str> = inputs.iter().map(|input| input.context.as_str()).collect();
        if parts.iter().all(|part| *part == "test") {
            return Ok(false);
        }
        let place = |source: &str| project.layout.root().join(source).canonicalize().ok();
        let own = place(&self.config.data.source);
        if parts.iter().any(|part| *part != "all")
            || inputs.iter().any(|input| input.source == self.config.data.source)
            || (own.is_some() && inputs.iter().any(|input| place(&input.source) == own))
        {
            return Ok(true);
        }
        let Some(trained) = self.run.as_ref().filter(|_| self.config.data.columns.id.is_some()) else {
            return Ok(false);
        };
        let known = match all_answers(project, trained) {
            Err(error) if error.cause() == Some(&Cause::NotComparable) => return Ok(false),
            known => known?,
        };
        let of = |part: &str| known.part(part).ids.into_iter().collect::<HashSet<_>>();
        let (validation, test) = (of("validation"), of("test"));
        let tested = ids.iter().filter(|id| test.contains(*id)).count();
        let more = validation.is_empty() && tested > 0 && ids.len() > tested;
        Ok(more || ids.iter().any(|id| validation.contains(id)))
    }
}
