//! A release: the files of a checkpoint, and what other systems need to serve it: `model.onnx`, `preprocessor.json`,
//! `model_metadata.json`, `model_card.md`. It is made beside the validated versions when a version is promoted to
//! production; the parity of the exported file with the model is part of the gate.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::export::{Exported, MODEL_FILE, exported, release_files};
use super::gate::Subject;
use super::latency::{Benchmark, Latency, REPETITIONS, Timing, measure};
use super::parity::Parity;
use super::report::{Stored, ece};
use super::session::Session;
use super::training_record::timestamp;
use crate::bundle::{Bundle, Golden, Schema};
use crate::config::ExperimentConfig;
use crate::data::{Input, Task};
use crate::error::{Context, Result};
use crate::fs::write_atomic;
use crate::metrics::{self, Estimate, Evaluation, RankingFacts};
use crate::project::Located;
use crate::registry::{Manifest, facts_of, is_released, release};
use crate::report::metadata::{self, DataFacts, Metadata, Port};
use crate::report::model_card::{self, DataWindow, Modality, ModelCard, OnnxFile, Subgroup};

/// What was released.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Released {
    /// SHA-256 of the exported files.
    pub files: BTreeMap<String, String>,
    /// How near the exported file is to the model.
    pub parity: Parity,
    /// Microseconds of an answer from features to probabilities, one row: the median.
    pub p50_us: f64,
}

/// Makes the release of a version that passed its gate or was forced through it; none when it has one already, whose parity
/// was checked then.
///
/// # Errors
/// `Refused` when the exported file does not say what the model says, `Invalid` for a kind that cannot be exported,
/// `Failed` when the version is damaged or the disk refuses.
pub fn make(session: &Session<'_>, subject: &Subject, forced: Option<&str>) -> Result<Option<Released>> {
    let project = session.project;
    let (model, version) = (&subject.located.model, subject.located.version);
    if is_released(&project.layout, model, version) {
        return Ok(None);
    }
    session.stage("measuring latency")?;
    let bundle = Bundle::load(&subject.located.folder)?;
    let latency = measured(session, &bundle, &subject.located, &[], Measured::ModelAndFile)?;
    session.stage("exporting")?;
    let mut exported = None;
    release(&project.layout, model, version, |folder| {
        let made = release_files(session, &bundle, &subject.located, folder)?;
        let facts = Facts { forced, ..Facts::read(session, subject, &bundle.schema, &made, &latency)? };
        write_atomic(&folder.join(model_card::FILE), facts.card().written().as_bytes())?;
        write_atomic(&folder.join(metadata::FILE), facts.metadata(folder)?.to_json()?.as_bytes())?;
        exported = Some(made);
        Ok(())
    })?;
    let exported = exported.expect("a release was filled");
    let files = exported.files.into_iter().map(|(name, facts)| (name, facts.sha256)).collect();
    let p50_us = latency.timing("model", 1).map_or(f64::NAN, |timing| timing.p50_us);
    Ok(Some(Released { files, parity: exported.parity, p50_us }))
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measured {
    /// The model alone.
    Model,
    /// The model and its exported file.
    ModelAndFile,
}

/// Measures how long a version takes from its features to probabilities; without sizes, the usual ones.
///
/// # Errors
/// `Invalid` without golden rows, `Failed` when they cannot be read.
pub fn measured(
    session: &Session<'_>,
    bundle: &Bundle,
    located: &Located,
    batch_sizes: &[usize],
    what: Measured,
) -> Result<Latency> {
    let golden = Golden::read(&located.folder)?;
    // A thousand texts through a sentence encoder would take half a minute.
    let pipeline = what == Measured::ModelAndFile && bundle.features.embedder_identity().is_none();
    let benchmark = Benchmark { repetitions: REPETITIONS, batch_sizes: batch_sizes.to_vec(), pipeline };
    let runtime = (what == Measured::ModelAndFile).then(|| exported(bundle, located)).transpose()?;
    measure(session, bundle, runtime.as_ref(), &golden, &benchmark)
}

/// What is known of a version.
struct Facts<'a> {
    subject: &'a Subject,
    manifest: Manifest,
    schema: &'a Schema,
    stored: Option<Stored>,
    exported: &'a Exported,
    latency: &'a Latency,
    validated_at: String,
    forced: Option<&'a str>,
}

impl<'a> Facts<'a> {
    fn read(
        session: &Session<'_>,
        subject: &'a Subject,
        schema: &'a Schema,
        exported: &'a Exported,
        latency: &'a Latency,
    ) -> Result<Self> {
        let project = session.project;
        let checkpoint = project.layout.checkpoint(&subject.located.model, subject.located.version);
        let (manifest, _) = Manifest::read(&checkpoint)?;
        let stored = subject.run.clone().map(|run| Stored::of(project, run)).transpose()?;
        let validated_at = timestamp(project.now_ms());
        Ok(Self { subject, manifest, schema, stored, exported, latency, validated_at, forced: None })
    }

    fn config(&self) -> &ExperimentConfig {
        &self.subject.config
    }

    fn evaluation(&self) -> Option<&Evaluation> {
        self.stored.as_ref().and_then(Stored::judged).map(|(_, evaluation)| evaluation)
    }

    /// The metrics on the test rows; from the database, without intervals, where the run's folder is gone.
    fn metrics(&self) -> BTreeMap<String, Estimate> {
        let known = self.evaluation().map(|evaluation| evaluation.metrics.clone());
        known.unwrap_or_else(|| {
            let logged = self.stored.iter().flat_map(|stored| stored.run.metrics.keys());
            // `validation_f1` and `seconds_fit` are no metrics of the test rows.
            let metrics =
                logged.filter(|name| metrics::name(self.schema.task(), name).is_ok_and(|known| known == **name));
            metrics.filter_map(|name| Some((name.clone(), self.stored.as_ref()?.estimate(name)?))).collect()
        })
    }

    /// For ranking, over which queries and by which conventions the metrics are.
    fn queries(&self) -> Option<RankingFacts> {
        self.evaluation().and_then(|evaluation| Some(evaluation.queries()?.facts.clone()))
    }

    fn ranking(&self) -> Option<metadata::Ranking> {
        (self.schema.task() == Task::Ranking).then(|| metadata::Ranking {
            query: self.schema.columns.query.clone(),
            features: match &self.schema.columns.input {
                Input::Numbers(names) => names.clone(),
                _ => Vec::new(),
            },
            highest_grade: self.schema.highest_grade(),
            metrics_are_of: self.queries(),
        })
    }

    /// The class names; none for ranking.
    fn labels(&self) -> &[String] {
        if self.schema.task() == Task::Ranking { &[] } else { self.schema.labels() }
    }

    fn rows(&self) -> BTreeMap<String, u64> {
        let inputs = self.stored.iter().flat_map(|stored| &stored.inputs);
        inputs.map(|input| (input.context.clone(), input.rows)).collect()
    }

    fn metadata(&self, folder: &Path) -> Result<Metadata> {
        let (config, manifest) = (self.config(), &self.manifest);
        let latency = serde_json::to_value(self.latency).context(|| "cannot write the latency".into())?;
        let parity = serde_json::to_value(&self.exported.parity).context(|| "cannot write the parity".into())?;
        Ok(Metadata {
            format_version: metadata::FORMAT_VERSION,
            model_id: format!("{}/{}", manifest.model, manifest.version.0),
            model: manifest.model.clone(),
            version: manifest.version,
            experiment_id: config.experiment.name.to_string(),
            run_id: manifest.run_id.clone(),
            task: self.schema.task().name().to_owned(),
            kind: self.schema.kind.clone(),
            created_at: manifest.created_at.clone(),
            validated_at: self.forced.is_none().then(|| self.validated_at.clone()),
            forced: self.forced.map(str::to_owned),
            status: "Production".into(),
            metrics: self.metrics(),
            input: self.exported.inputs.iter().map(|port| port_of(port, self.about_input())).collect(),
            output: self.exported.outputs.iter().map(|port| port_of(port, self.about_output())).collect(),
            labels: self.labels().to_vec(),
            threshold: (self.labels().len() == 2).then_some(self.schema.threshold()),
            ranking: self.ranking(),
            embedder: manifest.embedder_identity.clone().or_else(|| manifest.embedder.clone().map(Into::into)),
            data: DataFacts {
                source: config.data.place(),
                fingerprint: manifest.data_fingerprint.clone(),
                rows: self.rows(),
            },
            files: facts_of(folder)?,
            parity: Some(parity),
            latency: Some(latency),
        })
    }

    fn about_input(&self) -> &'static str {
        match self.schema.task() {
            Task::Classification => "what `preprocessor.json` makes of a row",
            Task::Ranking => "documents with the features of `ranking.features`, as `preprocessor.json` prepares them",
        }
    }

    fn about_output(&self) -> &'static str {
        match self.schema.task() {
            Task::Classification => "see `meaning` in `preprocessor.json`",
            Task::Ranking => "higher is better, beside other documents of the same query",
        }
    }

    fn card(&self) -> ModelCard {
        let (config, manifest) = (self.config(), &self.manifest);
        let input = config.columns().input;
        let window = self.stored.as_ref().and_then(|stored| stored.window.as_ref());
        let evaluation = self.evaluation();
        // These tags of the experiment say what nothing else can.
        let tag = |key: &str| config.experiment.tags.get(key).cloned();
        let others = config.experiment.tags.iter();
        let others = others.filter(|(key, _)| !["language", "license", "intended_use"].contains(&key.as_str()));
        let encoder = self.manifest.embedder_identity.is_some();
        ModelCard {
            model: manifest.model.to_string(),
            version: manifest.version.0,
            experiment: config.experiment.name.to_string(),
            run_id: manifest.run_id.to_string(),
            description: config.experiment.description.clone(),
            kind: self.schema.kind.clone(),
            modality: match (self.schema.task(), input) {
                (Task::Ranking, _) => Modality::Ranking,
                (Task::Classification, Input::Text { .. }) => Modality::Text,
                (Task::Classification, _) => Modality::Numbers,
            },
            languages: tag("language").iter().flat_map(|text| text.split(',')).map(|code| code.trim().into()).collect(),
            license: tag("license"),
            tags: others.map(|(key, value)| format!("{key}:{value}")).collect(),
            intended_use: tag("intended_use"),
            data: DataWindow {
                source: config.data.place(),
                fingerprint: manifest.data_fingerprint.clone(),
                rows: self.rows(),
                time: window.and_then(|window| window.time.clone()).map(|time| (time.from, time.to)),
                split: "test".into(),
            },
            metrics: self.metrics(),
            primary: config.evaluation.primary.clone(),
            labels: self.labels().to_vec(),
            positive: (self.labels().len() == 2).then(|| self.labels()[1].clone()),
            threshold: (self.labels().len() == 2).then_some(self.schema.threshold()),
            ranking: self.queries(),
            subgroups: evaluation
                .map(|evaluation| subgroups(evaluation, &config.evaluation.primary))
                .unwrap_or_default(),
            calibration: match self.schema.task() {
                Task::Classification => evaluation.and_then(|evaluation| evaluation.classes()?.reliability.as_ref()).map(ece),
                Task::Ranking => {
                    Some("Scores of a ranking are no probabilities: there is nothing to calibrate.".into())
                }
            },
            truncation: if encoder {
                self.stored.as_ref().and_then(truncation)
            } else {
                Some("No encoder reads the rows: nothing is cut.".into())
            },
            latency: self.latency.timings.iter().map(|timing| told(timing, self.schema.task())).collect(),
            measured_on: measured_on(self.latency),
            limits: self.forced.map(|why| format!("It was promoted against its gate: {why}.")).into_iter().collect(),
            onnx: Some(OnnxFile { file: MODEL_FILE.into(), input: self.exported.inputs[0].name.clone() }),
        }
    }
}

fn port_of(port: &crate::onnx::Port, about: &str) -> Port {
    let extent = |extent: &String| extent.parse().ok();
    let (name, shape) = (port.name.clone(), port.shape.iter().map(extent).collect());
    let dtype = serde_json::to_value(port.dtype).ok().and_then(|name| name.as_str().map(str::to_owned));
    Port { name, dtype: dtype.unwrap_or_default(), shape, about: about.into() }
}

/// A timing as the card has it, in milliseconds.
fn told(timing: &Timing, task: Task) -> (String, u64, [f64; 3]) {
    let what = match (timing.subject.as_str(), task) {
        ("model", _) => "mlops, from ready features",
        ("onnx", _) => "the ONNX file, from the graph's input",
        (_, Task::Classification) => "mlops, from the raw row",
        (_, Task::Ranking) => "mlops, from the raw features of a query's documents",
    };
    (what.to_owned(), timing.batch_size as u64, [timing.p50_us, timing.p95_us, timing.p99_us].map(|us| us / 1000.0))
}

fn measured_on(latency: &Latency) -> String {
    let fact = |key: &str| latency.machine.get(key).cloned().unwrap_or_default();
    format!(
        "{} repetitions each, {} threads (the file: 1, by {}), {} cores, {}.",
        latency.repetitions,
        latency.threads,
        latency.runtime,
        fact("cores"),
        fact("arch")
    )
}

/// The primary metric of each subgroup.
fn subgroups(evaluation: &Evaluation, primary: &str) -> Vec<Subgroup> {
    let columns = evaluation.classes().into_iter().flat_map(|classes| &classes.subgroups);
    let rows = columns.flat_map(|(column, found)| found.groups.iter().map(move |group| (column, group)));
    let line = |(column, group): (&String, &crate::metrics::Subgroup)| {
        let estimate = group.metrics.get(primary)?.clone();
        let (column, value, rows) = (column.clone(), group.value.clone(), group.rows as u64);
        Some(Subgroup { column, value, rows, metric: primary.to_owned(), estimate })
    };
    rows.filter_map(line).collect()
}

/// How many texts were cut, where an encoder read them.
fn truncation(stored: &Stored) -> Option<String> {
    let cut = stored.run.metrics.get("texts_truncated")?;
    Some(format!("{cut:.0} of the texts were longer than the encoder reads and were cut"))
}
