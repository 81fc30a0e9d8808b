//! `train`: rows → split → features → fit → metrics → a version in the registry, recorded as a run.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Instant;

use serde::Serialize;

use super::reading::{RowCounts, check_classes, read_training_rows, signal};
use super::record::{PredictionColumns, Recorder, What, recorded, write_json};
use super::session::Session;
use crate::bundle::{Bundle, Golden, Prediction, Schema};
use crate::config::Experiment;
use crate::data::rows::{Inputs, Labels, Rows};
use crate::data::{Dataset, Features, Part, Targets};
use crate::error::{Context, Result};
use crate::features::Signal;
use crate::fs::{crash_point, write_atomic, write_relaxed};
use crate::metrics::{Evaluation, Intervals, METRICS, Metric, evaluate};
use crate::models::Event;
use crate::names::{ExperimentName, ModelName, RunId, Version};
use crate::registry::{Manifest, publish};
use crate::tracking;

/// What to train.
pub struct Request {
    /// The resolved config.
    pub experiment: Experiment,
    /// The run's name; empty for a made one.
    pub run_name: String,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// The run.
    pub run_id: RunId,
    /// Its experiment.
    pub experiment: ExperimentName,
    /// The registered model.
    pub model: ModelName,
    /// The new version.
    pub version: Version,
    /// The kind of model.
    pub kind: String,
    /// The version's folder.
    pub folder: PathBuf,
    /// The run's folder.
    pub run_folder: PathBuf,
    /// How many rows there were.
    pub rows: RowCounts,
    /// Columns of the feature matrix.
    pub n_features: usize,
    /// The class names; with two, the second is the positive one.
    pub labels: Vec<String>,
    /// The metrics of each part.
    pub metrics: BTreeMap<Part, Evaluation>,
    /// The metrics to show, the primary one first.
    pub shown: Vec<String>,
    /// Facts about the fit.
    pub facts: BTreeMap<String, f64>,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// Seconds of each stage.
    pub seconds: BTreeMap<String, f64>,
}

/// The stopwatch of the stages.
struct Watch {
    last: Instant,
    seconds: BTreeMap<String, f64>,
}

impl Watch {
    fn lap(&mut self, stage: &str) {
        let now = Instant::now();
        self.seconds.insert(stage.to_owned(), now.duration_since(self.last).as_secs_f64());
        self.last = now;
    }
}

/// Trains as the config says.
///
/// # Errors
/// `Invalid` when the data do not fit, `Interrupted`, `Failed` when the disk refuses; nothing half-written stays.
pub fn train(session: &Session<'_>, request: &Request) -> Result<Outcome> {
    let config = &request.experiment.config;
    let what = What {
        experiment: &config.experiment.name,
        description: &config.experiment.description,
        command: "train",
        name: &request.run_name,
    };
    let outcome = recorded(session, what, |recorder| run(session, &request.experiment, recorder))?;
    latest_results(session, &outcome)?;
    Ok(outcome)
}

/// `experiments/<name>/metrics.json` and `training_history.json` are those of the latest finished run.
fn latest_results(session: &Session<'_>, outcome: &Outcome) -> Result<()> {
    let folder = session.project.layout.experiment(&outcome.experiment);
    for name in ["metrics.json", "training_history.json"] {
        let bytes = std::fs::read(outcome.run_folder.join(name)).context(|| format!("cannot read `{name}`"))?;
        // Copies of what the run's folder keeps: they need not outlast a power cut.
        write_relaxed(&folder.join(name), &bytes)?;
    }
    Ok(())
}

/// The rows of a part: where they stand, and what they are.
struct PartRows {
    part: Part,
    positions: Vec<usize>,
    truth: Vec<usize>,
}

fn run(session: &Session<'_>, experiment: &Experiment, recorder: &Recorder<'_>) -> Result<Outcome> {
    let config = &experiment.config;
    let started = Instant::now();
    let mut watch = Watch { last: started, seconds: BTreeMap::new() };
    let rendered = recorder.config(config)?;
    session.project.tracker()?.log_params(&recorder.id, &config.flat_params())?;
    session.stage(&format!("reading {}", config.data.source))?;
    let labels = Labels::Learn { positive: config.data.positive.as_deref() };
    let mut rows = read_training_rows(session, config, labels)?;
    let fingerprint = rows.fingerprint();
    let parts: Vec<PartRows> = Part::ALL.map(|part| part_rows(&rows, part)).into();
    check_classes(&rows, &parts[0].positions)?;
    watch.lap("read");

    session.stage("fitting features")?;
    let golden_rows: Vec<usize> = parts[2].positions.iter().copied().take(8).collect();
    let golden_signal = signal(&rows, &golden_rows);
    let signals: Vec<Signal> = parts.iter().map(|part| signal(&rows, &part.positions)).collect();
    let counts = RowCounts::of(&rows);
    // The raw inputs have been copied into the parts: one copy is enough.
    rows.inputs = Inputs::Texts(Vec::new());
    let mut signals = signals.into_iter();
    let train_signal = signals.next().expect("three parts");
    let (chain, train_features) = experiment.chain.fit_transform(train_signal)?;
    let others = signals.map(|signal| chain.transform(signal)).collect::<Result<Vec<Features>>>()?;
    watch.lap("features");

    session.stage(&format!("fitting {}", experiment.family.name()))?;
    let targets = Targets::Classes { index: parts[0].truth.clone(), labels: rows.labels.clone() };
    let class_weights = experiment.estimator.class_weights(&targets)?;
    let ids = parts[0].positions.iter().map(|position| rows.ids[*position].clone()).collect();
    let dataset = Dataset { features: train_features, targets, ids };
    let history = Mutex::new(History::default());
    let model = session.fitting(config.seed, &|event| history.lock().expect("not poisoned").hear(event), |context| {
        experiment.estimator.fit(&dataset, context)
    })?;
    let history = history.into_inner().expect("not poisoned");
    watch.lap("fit");

    session.stage("evaluating")?;
    let bundle = Bundle {
        schema: Schema {
            format_version: 1,
            task: config.task.clone(),
            columns: config.columns(),
            labels: rows.labels.clone(),
            class_weights,
            threshold: config.evaluation.threshold,
            kind: config.model.kind.clone(),
        },
        features: chain,
        model,
    };
    let features = std::iter::once(dataset.features).chain(others);
    let mut metrics = BTreeMap::new();
    let mut predictions: Vec<(&PartRows, Prediction)> = Vec::new();
    for (part, features) in parts.iter().zip(features) {
        if part.positions.is_empty() {
            continue;
        }
        let prediction = bundle.schema.predict(bundle.model.predict(&features)?);
        metrics.insert(part.part, judge(experiment, &bundle.schema, part.part, &part.truth, &prediction)?);
        predictions.push((part, prediction));
    }
    watch.lap("evaluate");

    session.stage("writing")?;
    write_predictions(recorder, &rows, &predictions)?;
    recorder.json("metrics.json", &metrics_document(recorder, config, &metrics))?;
    recorder.json("training_history.json", &history.rows)?;
    if let Some(weights) = bundle.model.importance() {
        recorder.json("importance.json", &importance(&weights, &bundle, config))?;
    }
    let environment = recorder.environment(&[
        ("seed", config.seed.to_string()),
        ("data_fingerprint", fingerprint.clone()),
        ("test_ids", rows.ids_digest(&parts[2].positions)),
    ])?;
    crash_point("train.before_publish");
    let golden = golden_of(&bundle, golden_signal)?;
    let (version, manifest_path) = publish_version(session, recorder, config, &bundle, &golden, &rendered, &fingerprint)?;
    watch.lap("write");
    watch.seconds.insert("total".into(), started.elapsed().as_secs_f64());
    let facts: BTreeMap<String, f64> =
        bundle.model.facts().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let outcome = Outcome {
        run_id: recorder.id.clone(),
        experiment: config.experiment.name.clone(),
        model: config.model.name.clone(),
        version,
        kind: config.model.kind.clone(),
        folder: session.project.layout.checkpoint(&config.model.name, version),
        run_folder: recorder.folder.clone(),
        rows: counts,
        n_features: bundle.features.n_features(),
        labels: rows.labels.clone(),
        metrics,
        shown: shown(experiment),
        facts,
        warnings: history.warnings.clone(),
        seconds: watch.seconds,
    };
    log(session, recorder, experiment, &outcome, &Log { rows: &rows, environment, history, fingerprint, manifest_path })?;
    Ok(outcome)
}

fn part_rows(rows: &Rows, part: Part) -> PartRows {
    let positions = rows.of_part(part);
    let truth = positions.iter().map(|position| rows.classes[*position]).collect();
    PartRows { part, positions, truth }
}

/// What was heard during the fit.
#[derive(Default)]
struct History {
    rows: Vec<BTreeMap<String, f64>>,
    steps: Vec<(String, f64, usize)>,
    warnings: Vec<String>,
}

impl History {
    fn hear(&mut self, event: &Event<'_>) {
        match event {
            Event::Progress { .. } => {}
            Event::Warning(text) => self.warnings.push((*text).to_owned()),
            Event::Metric { key, value, step } => {
                self.steps.push(((*key).to_owned(), *value, *step));
                #[expect(clippy::cast_precision_loss, reason = "step counts are small")]
                let number = *step as f64;
                match self.rows.last_mut() {
                    Some(row) if row.get("step") == Some(&number) => {
                        row.insert((*key).to_owned(), *value);
                    }
                    _ => self.rows.push(BTreeMap::from([("step".to_owned(), number), ((*key).to_owned(), *value)])),
                }
            }
        }
    }
}

/// The metrics to show: the primary one first, then the config's.
#[must_use]
pub fn shown(experiment: &Experiment) -> Vec<String> {
    let mut shown = vec![experiment.config.evaluation.primary.clone()];
    for name in &experiment.config.evaluation.metrics {
        if !shown.contains(name) {
            shown.push(name.clone());
        }
    }
    shown
}

/// All metrics of a part; those of the config get intervals on the test rows.
///
/// # Errors
/// `Failed` when a probability is NaN.
pub fn judge(
    experiment: &Experiment,
    schema: &Schema,
    part: Part,
    truth: &[usize],
    prediction: &Prediction,
) -> Result<Evaluation> {
    let config = &experiment.config;
    let (labels, threshold) = (&schema.labels, schema.threshold);
    let mut evaluation = evaluate(truth, &prediction.scores, labels, threshold, METRICS, None)?;
    let replicates = config.evaluation.bootstrap;
    if part == Part::Test && replicates > 0 {
        let wanted = |metric: &&&'static dyn Metric| {
            let name = metric.name();
            shown(experiment).iter().any(|shown| shown == name)
                || config.promotion.require.iter().any(|rule| rule.metric == name)
        };
        let wanted: Vec<&'static dyn Metric> = METRICS.iter().filter(wanted).copied().collect();
        let intervals = Intervals { replicates, seed: super::reading::stream(config.seed, "bootstrap") };
        let with_intervals = evaluate(truth, &prediction.scores, labels, threshold, &wanted, Some(intervals))?;
        evaluation.metrics.extend(with_intervals.metrics);
    }
    if schema.class_weights.is_some() {
        let calibration: Vec<&'static dyn Metric> =
            METRICS.iter().filter(|metric| ["brier", "log_loss"].contains(&metric.name())).copied().collect();
        let calibrated = evaluate(truth, &prediction.probabilities, labels, threshold, &calibration, None)?;
        evaluation.metrics.extend(calibrated.metrics.into_iter().map(|(name, value)| (format!("{name}_calibrated"), value)));
    }
    Ok(evaluation)
}

/// The features that weigh most, by name, heaviest first.
fn importance(weights: &[f64], bundle: &Bundle, config: &crate::config::ExperimentConfig) -> Vec<serde_json::Value> {
    const MOST: usize = 1000;
    let columns = &config.data.columns.features;
    let names = bundle.features.feature_names().or_else(|| (columns.len() == weights.len()).then(|| columns.clone()));
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by(|left, right| weights[*right].total_cmp(&weights[*left]).then(left.cmp(right)));
    let entry = |feature: usize| {
        let name = names.as_ref().map_or_else(|| format!("feature {feature}"), |names| names[feature].clone());
        serde_json::json!({"feature": name, "importance": weights[feature]})
    };
    order.into_iter().take(MOST).map(entry).collect()
}

fn metrics_document(
    recorder: &Recorder<'_>,
    config: &crate::config::ExperimentConfig,
    metrics: &BTreeMap<Part, Evaluation>,
) -> serde_json::Value {
    serde_json::json!({
        "format_version": 1,
        "run_id": recorder.id,
        "experiment": config.experiment.name,
        "primary": config.evaluation.primary,
        "threshold": config.evaluation.threshold,
        "splits": metrics,
    })
}

fn write_predictions(recorder: &Recorder<'_>, rows: &Rows, predictions: &[(&PartRows, Prediction)]) -> Result<()> {
    let (mut ids, mut parts, mut labels, mut predicted) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut scores, mut probabilities) = (Vec::new(), Vec::new());
    // Training rows are left out: what a model says of rows that it has learned by heart decides nothing.
    for (part, prediction) in predictions.iter().filter(|(part, _)| part.part != Part::Train) {
        for (row, position) in part.positions.iter().enumerate() {
            ids.push(rows.ids[*position].clone());
            parts.push(part.part.name().to_owned());
            labels.push(rows.labels[part.truth[row]].clone());
            predicted.push(rows.labels[prediction.classes[row]].clone());
            scores.push(prediction.scores.row(row).to_vec());
            probabilities.push(prediction.probabilities.row(row).to_vec());
        }
    }
    recorder.predictions(&PredictionColumns {
        ids: &ids,
        parts: &parts,
        labels: &labels,
        predicted: &predicted,
        classes: &rows.labels,
        scores: &scores,
        probabilities: &probabilities,
    })
}

fn golden_of(bundle: &Bundle, rows: Signal) -> Result<Golden> {
    let (texts, vectors) = match &rows {
        Signal::Texts(texts) => (texts.clone(), Vec::new()),
        Signal::Matrix(Features::Dense(matrix)) => (Vec::new(), matrix.rows().into_iter().map(|row| row.to_vec()).collect()),
        Signal::Matrix(Features::Sparse(_)) => (Vec::new(), Vec::new()),
    };
    let scores = bundle.predict(rows)?.scores.rows().into_iter().map(|row| row.to_vec()).collect();
    Ok(Golden { format_version: 1, texts, vectors, scores })
}

fn publish_version(
    session: &Session<'_>,
    recorder: &Recorder<'_>,
    config: &crate::config::ExperimentConfig,
    bundle: &Bundle,
    golden: &Golden,
    rendered: &str,
    fingerprint: &str,
) -> Result<(Version, PathBuf)> {
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
        data_fingerprint: fingerprint.to_owned(),
        embedder: bundle.features.embedder(),
        files: BTreeMap::new(),
    };
    let sealed = publish(&project.layout, manifest, |folder| {
        bundle.save(folder)?;
        write_atomic(&folder.join("config.yaml"), rendered.as_bytes())?;
        write_json(&folder.join("golden.json"), golden)
    })?;
    crash_point("train.before_register");
    let description = format!("{} of experiment {}", config.model.kind, config.experiment.name);
    let actor = &project.surroundings.actor;
    project.tracker()?.register_version(model, version, Some(&recorder.id), &sealed, &description, actor, project.now_ms())?;
    Ok((version, project.layout.checkpoint(model, version).join("manifest.json")))
}

/// A time in UTC, to the second.
#[must_use]
pub fn timestamp(now_ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(now_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// What goes into the database besides the outcome.
struct Log<'a> {
    rows: &'a Rows,
    environment: BTreeMap<String, String>,
    history: History,
    fingerprint: String,
    manifest_path: PathBuf,
}

fn log(
    session: &Session<'_>,
    recorder: &Recorder<'_>,
    experiment: &Experiment,
    outcome: &Outcome,
    log: &Log<'_>,
) -> Result<()> {
    let config = &experiment.config;
    let mut metrics: Vec<tracking::Metric> = Vec::new();
    for (part, evaluation) in &outcome.metrics {
        metrics.extend(recorder.metrics_of(*part, evaluation));
    }
    metrics.extend(outcome.facts.iter().map(|(name, value)| recorder.metric(name, *value)));
    metrics.extend(outcome.seconds.iter().map(|(name, value)| recorder.metric(format!("seconds_{name}"), *value)));
    let now = session.project.now_ms();
    let step = |(key, value, step): &(String, f64, usize)| tracking::Metric {
        key: key.clone(),
        value: *value,
        timestamp_ms: now,
        step: i64::try_from(*step).unwrap_or(i64::MAX),
    };
    metrics.extend(log.history.steps.iter().map(step));
    let mut tags: BTreeMap<String, String> = config.experiment.tags.clone();
    for key in ["git_commit", "git_dirty", "mlops_version"] {
        tags.extend(log.environment.get(key).map(|value| (key.to_owned(), value.clone())));
    }
    tags.insert("model".into(), outcome.model.to_string());
    tags.insert("version".into(), outcome.version.0.to_string());
    tags.insert("primary".into(), config.evaluation.primary.clone());
    tags.insert("data_fingerprint".into(), log.fingerprint.clone());
    tags.insert("test_ids".into(), log.rows.ids_digest(&log.rows.of_part(Part::Test)));
    let input = |(part, rows): (Part, usize)| tracking::Input {
        name: config.data.source.clone(),
        digest: log.fingerprint.clone(),
        source: config.data.source.clone(),
        rows: rows as u64,
        context: part.name().to_owned(),
    };
    let counts = [outcome.rows.train, outcome.rows.validation, outcome.rows.test];
    let inputs: Vec<tracking::Input> = Part::ALL.into_iter().zip(counts).filter(|(_, rows)| *rows > 0).map(input).collect();
    let mut artifacts = recorder.artifacts()?;
    artifacts.push(recorder.artifact(&log.manifest_path)?);
    session.project.tracker()?.log_batch(
        &recorder.id,
        &tracking::Batch {
            params: &config.flat_params(),
            metrics: &metrics,
            tags: &tags.into_iter().collect::<Vec<_>>(),
            artifacts: &artifacts,
            inputs: &inputs,
        },
    )
}
