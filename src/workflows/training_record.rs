//! What a training run leaves behind: its folder, the version in the registry, its rows in the database.

use std::collections::BTreeMap;

use serde_json::Number;

use super::prepared::Prepared;
use super::session::Session;
use crate::bundle::{Bundle, Golden};
use crate::config::ExperimentConfig;
use crate::data::{Features, Input, Part};
use crate::drift::Reference;
use crate::embeddings::TextReport;
use crate::error::Result;
use crate::features::{Batch, QueryBounds, Signal};
use crate::fs::{crash_point, write_atomic};
use crate::metrics::Evaluation;
use crate::metrics::threshold::Chosen;
use crate::models::Event;
use crate::names::Version;
use crate::registry::{Manifest, publish};
use crate::runs::data_window::DataWindow;
use crate::runs::metrics_file::{self, OfTraining};
use crate::runs::record::{Recorder, write_json};
use crate::runs::tags::code_tags;
use crate::runs::timestamp::timestamp;
use crate::tracking;

/// What was heard during the fit.
#[derive(Default)]
pub(super) struct History {
    pub rows: Vec<BTreeMap<String, Number>>,
    steps: Vec<(String, f64, usize)>,
    pub warnings: Vec<String>,
}

impl History {
    pub fn hear(&mut self, event: &Event<'_>) {
        match event {
            Event::Progress { .. } => {}
            Event::Epoch(row) => {
                crash_point(&format!("train.epoch_{}", row.epoch));
                // A value that is no number has no place in JSON.
                let values =
                    row.values.iter().filter_map(|(key, value)| Some((key.clone(), Number::from_f64(*value)?)));
                self.rows.push([("epoch".to_owned(), Number::from(row.epoch))].into_iter().chain(values).collect());
                // How long it took is no result.
                let results = row.values.iter().filter(|(key, _)| key != "seconds");
                self.steps.extend(results.map(|(key, value)| (key.clone(), *value, row.epoch)));
            }
            Event::Warning(text) => self.warnings.push((*text).to_owned()),
            Event::Metric { key, value, step } => {
                self.steps.push(((*key).to_owned(), *value, *step));
                let (number, value) = (Number::from(*step), Number::from_f64(*value));
                let value = value.map(|value| ((*key).to_owned(), value));
                match self.rows.last_mut() {
                    Some(row) if row.get("step") == Some(&number) => row.extend(value),
                    _ => self.rows.push([("step".to_owned(), number)].into_iter().chain(value).collect()),
                }
            }
        }
    }
}

/// The features that weigh most, by name, heaviest first.
fn importance(weights: &[f64], bundle: &Bundle, config: &ExperimentConfig) -> Vec<serde_json::Value> {
    const MOST: usize = 1000;
    // Of a LETOR file the schema knows the names, the config does not.
    let columns = match &bundle.schema.columns.input {
        Input::Numbers(names) => names,
        _ => &config.data.columns.features,
    };
    let names = bundle.features.feature_names().or_else(|| (columns.len() == weights.len()).then(|| columns.clone()));
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by(|left, right| weights[*right].total_cmp(&weights[*left]).then(left.cmp(right)));
    let entry = |feature: usize| {
        let name = names.as_ref().map_or_else(|| format!("feature {feature}"), |names| names[feature].clone());
        serde_json::json!({"feature": name, "importance": weights[feature]})
    };
    order.into_iter().take(MOST).map(entry).collect()
}

/// What rows there were, what became of them, and from when to when they are.
fn data_window(config: &ExperimentConfig, prepared: &Prepared) -> DataWindow {
    DataWindow {
        format_version: 1,
        source: config.data.place(),
        fingerprint: prepared.fingerprint.clone(),
        rows: prepared.counts,
        time: prepared.rows.time.clone(),
    }
}

/// The metrics of the parts.
pub(super) struct Judged<'a> {
    pub metrics: &'a BTreeMap<Part, Evaluation>,
    /// The threshold, where it was chosen.
    pub chosen: Option<&'a Chosen>,
}

/// Writes the run's folder; gives the environment that was written.
pub(super) fn write_run(
    recorder: &Recorder<'_>,
    config: &ExperimentConfig,
    prepared: &Prepared,
    bundle: &Bundle,
    history: &History,
    judged: &Judged<'_>,
) -> Result<BTreeMap<String, String>> {
    let parts: Vec<String> = prepared.rows.parts.iter().map(|part| part.name().to_owned()).collect();
    let rows = &prepared.rows;
    let queries: Vec<String> = (0..rows.ids.len()).filter_map(|at| rows.query(at).map(str::to_owned)).collect();
    recorder.rows(&queries, &rows.ids, &parts, &prepared.digests)?;
    let threshold = (bundle.schema.threshold(), judged.chosen);
    let (names, primary) = ((&config.experiment.name, &recorder.id), config.evaluation.primary.as_str());
    recorder.json(metrics_file::FILE, &OfTraining::new(names, primary, threshold, judged.metrics))?;
    recorder.json("training_history.json", &history.rows)?;
    recorder.json("data.json", &data_window(config, prepared))?;
    if let Some(weights) = bundle.model.importance() {
        recorder.json("importance.json", &importance(&weights, bundle, config))?;
    }
    recorder.environment(&[
        ("seed", config.seed.to_string()),
        ("data_fingerprint", prepared.fingerprint.clone()),
        ("test_ids", prepared.rows.ids_digest(&prepared.parts[2].positions)),
    ])
}

/// What the model says of a few raw rows.
pub(super) fn golden_of(session: &Session<'_>, bundle: &Bundle, rows: Batch) -> Result<Golden> {
    let (texts, vectors) = match &rows.signal {
        Signal::Texts(texts) => (texts.clone(), Vec::new()),
        Signal::Matrix(Features::Dense(matrix)) => {
            (Vec::new(), matrix.rows().into_iter().map(|row| row.to_vec()).collect())
        }
        Signal::Matrix(Features::Sparse(_)) => (Vec::new(), Vec::new()),
    };
    let starts = match &rows.queries {
        QueryBounds::Starts(starts) => starts.to_vec(),
        QueryBounds::Absent => Vec::new(),
    };
    // These texts are test rows, which have been reported: there is no second report.
    let (prediction, _) = bundle.predict(rows, &session.embedding)?;
    let scores = prediction.scores.rows().into_iter().map(|row| row.to_vec()).collect();
    Ok(Golden { format_version: 1, texts, vectors, scores, starts })
}

/// What is published as a version.
pub(super) struct Published<'a> {
    pub bundle: &'a Bundle,
    pub golden: &'a Golden,
    /// What drift checks compare with; none for rankers.
    pub reference: Option<&'a Reference>,
    pub rendered: &'a str,
    pub fingerprint: &'a str,
}

/// Publishes the next version of the model and registers it, under the model's lock.
pub(super) fn publish_version(
    session: &Session<'_>,
    recorder: &Recorder<'_>,
    config: &ExperimentConfig,
    published: &Published<'_>,
) -> Result<Version> {
    let Published { bundle, golden, reference, rendered, fingerprint } = published;
    let project = session.project;
    let model = &config.model.name;
    let _lock = project.lock(model, "training")?;
    let version = project.next_version(model)?;
    let manifest = Manifest {
        format_version: 1,
        model: model.clone(),
        version,
        run_id: recorder.id.clone(),
        parent: project.production_version(model)?,
        created_at: timestamp(project.now_ms()),
        data_fingerprint: (*fingerprint).to_owned(),
        embedder: bundle.features.embedder(),
        embedder_identity: bundle.features.embedder_identity(),
        checkpoint: None,
        files: BTreeMap::new(),
    };
    let sealed = publish(&project.layout, manifest, |folder| {
        bundle.save(folder)?;
        write_atomic(&folder.join("config.yaml"), rendered.as_bytes())?;
        if let Some(reference) = reference {
            reference.write(folder)?;
        }
        write_json(&folder.join("golden.json"), *golden)
    })?;
    crash_point("train.before_register");
    // The run knows its version before anybody can promote it: a folder without its row is adopted by `doctor`.
    let tags = [("model".to_owned(), model.to_string()), ("version".to_owned(), version.0.to_string())];
    let manifest = recorder.artifact(&project.layout.checkpoint(model, version).join("manifest.json"))?;
    let batch = tracking::Batch { tags: &tags, artifacts: &[manifest], ..tracking::Batch::default() };
    project.tracker()?.log_batch(&recorder.id, &batch)?;
    let description = format!("{} of experiment {}", config.model.kind, config.experiment.name);
    let actor = &project.surroundings.actor;
    project.tracker()?.register_version(
        model,
        version,
        Some(&recorder.id),
        &sealed,
        &description,
        actor,
        project.now_ms(),
    )?;
    Ok(version)
}

/// What goes into the database before the version is published: a version always has its metrics.
pub(super) struct Log<'a> {
    pub prepared: &'a Prepared,
    pub environment: &'a BTreeMap<String, String>,
    pub history: &'a History,
    pub metrics: &'a BTreeMap<Part, Evaluation>,
    pub facts: &'a BTreeMap<String, f64>,
    /// The threshold, where it was chosen.
    pub threshold: Option<f64>,
}

/// What a sentence encoder has to say of the texts: how many were cut, and how many tokens it does not know.
fn texts_seen(report: &TextReport) -> impl Iterator<Item = (&'static str, f64)> {
    let seen = report.truncation.as_ref().map(|truncation| {
        let unknown = report.unknown as f64 / report.tokens.max(1) as f64;
        [("texts_truncated", truncation.truncated as f64), ("unknown_token_rate", unknown)]
    });
    seen.into_iter().flatten()
}

/// Logs metrics, tags, inputs and artifacts of the run.
pub(super) fn log(
    session: &Session<'_>,
    recorder: &Recorder<'_>,
    config: &ExperimentConfig,
    log: &Log<'_>,
) -> Result<()> {
    let prepared = log.prepared;
    let mut metrics: Vec<tracking::Metric> = Vec::new();
    for (part, evaluation) in log.metrics {
        metrics.extend(recorder.metrics_of(*part, evaluation));
    }
    metrics.extend(log.facts.iter().map(|(name, value)| recorder.metric(name, *value)));
    metrics.extend(texts_seen(&prepared.texts).map(|(name, value)| recorder.metric(name, value)));
    let now = session.project.now_ms();
    let step = |(key, value, step): &(String, f64, usize)| tracking::Metric {
        key: key.clone(),
        value: *value,
        timestamp_ms: now,
        step: i64::try_from(*step).unwrap_or(i64::MAX),
    };
    metrics.extend(log.history.steps.iter().map(step));
    let mut tags: BTreeMap<String, String> = config.experiment.tags.clone();
    tags.extend(code_tags(log.environment));
    tags.insert("primary".into(), config.evaluation.primary.clone());
    tags.extend(log.threshold.map(|threshold| ("threshold".to_owned(), threshold.to_string())));
    tags.insert("data_fingerprint".into(), prepared.fingerprint.clone());
    tags.insert("test_ids".into(), prepared.rows.ids_digest(&prepared.parts[2].positions));
    let input = |(part, rows): (Part, usize)| tracking::Input {
        name: config.data.place(),
        digest: prepared.fingerprint.clone(),
        source: config.data.place(),
        rows: rows as u64,
        context: part.name().to_owned(),
    };
    let counts = prepared.parts.iter().map(|part| (part.part, part.positions.len()));
    let inputs: Vec<tracking::Input> = counts.filter(|(_, rows)| *rows > 0).map(input).collect();
    session.project.tracker()?.log_batch(
        &recorder.id,
        &tracking::Batch {
            metrics: &metrics,
            tags: &tags.into_iter().collect::<Vec<_>>(),
            artifacts: &recorder.artifacts()?,
            inputs: &inputs,
            ..tracking::Batch::default()
        },
    )
}
