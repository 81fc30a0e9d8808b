//! `train`: rows → split → features → fit → metrics → a version in the registry, recorded as a run.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Instant;

use serde::Serialize;

use super::prepared::Prepared;
use super::reading::{batch, read_training_rows};
use super::reference::{Draft, draft};
use super::resume::{Checkpoint, Earlier, Resume, earlier};
use super::session::Session;
use super::training_record::{History, Judged, Log, Published, golden_of, log, publish_version, write_run};
use crate::bundle::{Bundle, HALF, Output, Schema};
use crate::config::Experiment;
use crate::data::rows::Inputs;
use crate::data::{Csr, Dataset, Features, Part, Targets, Task, Truth};
use crate::error::{Context, Result};
use crate::fs::{crash_point, write_relaxed};
use crate::metrics::Evaluation;
use crate::metrics::threshold::Chosen;
use crate::models::FitContext;
use crate::names::{ExperimentName, ModelName, RunId, Version};
use crate::runs::data_window::RowCounts;
use crate::runs::metrics_file;
use crate::runs::record::{Recorder, What, recorded};
use crate::tasks::{Answered, JudgedPart, Judgement, Judging, PartRows, Predicted, kind_of, threshold};

/// What to train.
pub struct Request {
    /// The resolved config.
    pub experiment: Experiment,
    /// The run's name; empty for a made one.
    pub run_name: String,
    /// Whether it goes on where an interrupted training stood.
    pub resume: Option<Resume>,
    /// More tags of the run.
    pub tags: Vec<(String, String)>,
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
    /// What is missing in a row that was skipped for want of an input.
    #[serde(skip)]
    pub input_missing: &'static str,
    /// Columns of the feature matrix.
    pub n_features: usize,
    /// The class names; with two, the second is the positive one.
    pub labels: Vec<String>,
    /// What was learned.
    pub task: Task,
    /// The run whose training was continued.
    pub resumed: Option<RunId>,
    /// The metrics of each part.
    pub metrics: BTreeMap<Part, Evaluation>,
    /// The decision threshold that was chosen on the validation rows, where it was.
    pub threshold_chosen: Option<Chosen>,
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
    let outcome = recorded(session.project, what, |recorder| run(session, request, recorder))?;
    latest_results(session, &outcome)?;
    Ok(outcome)
}

/// `experiments/<name>/metrics.json` and `training_history.json` are those of the latest finished run.
fn latest_results(session: &Session<'_>, outcome: &Outcome) -> Result<()> {
    let folder = session.project.layout.experiment(&outcome.experiment);
    for name in [metrics_file::FILE, "training_history.json"] {
        let bytes = std::fs::read(outcome.run_folder.join(name)).context(|| format!("cannot read `{name}`"))?;
        // Copies of what the run's folder keeps: they need not outlast a power cut.
        write_relaxed(&folder.join(name), &bytes)?;
    }
    Ok(())
}

/// Rows of the test part that become golden rows.
const GOLDEN_ROWS: usize = 8;

fn run(session: &Session<'_>, request: &Request, recorder: &Recorder<'_>) -> Result<Outcome> {
    let experiment = &request.experiment;
    let config = &experiment.config;
    let kind = kind_of(config.task);
    let started = Instant::now();
    let earlier = request.resume.as_ref().map(|resume| earlier(session, experiment, resume)).transpose()?;
    let mut watch = Watch { last: started, seconds: BTreeMap::new() };
    let rendered = recorder.config(config)?;
    session.project.tracker()?.log_params(&recorder.id, &config.flat_params())?;
    session.project.tracker()?.set_tags(&recorder.id, &request.tags)?;
    let mut prepared = prepare(session, experiment, &mut watch)?;
    let resumed = earlier.as_ref().map(|earlier| earlier.run.clone());
    let (mut bundle, history, checkpoint) = fit(session, experiment, &mut prepared, (recorder, earlier))?;
    watch.lap("fit");

    session.stage("evaluating")?;
    let (predictions, chosen) = predict(experiment, &mut bundle, &prepared)?;
    let judging = Judging::of(experiment, &bundle.schema);
    let judged = predictions.iter().map(|(part, prediction)| {
        let answered = Answered { rows: &prepared.rows, part, prediction };
        Ok((answered, kind.judge(&judging, &answered)?))
    });
    let judged = judged.collect::<Result<Vec<_>>>()?;
    let of_part =
        |(answered, judgement): &(Answered<'_>, Judgement)| (answered.part.part, judgement.evaluation.clone());
    let metrics: BTreeMap<Part, Evaluation> = judged.iter().map(of_part).collect();
    watch.lap("evaluate");

    let remark = kind.remark(experiment, &bundle.schema, &prepared.parts.each_ref().map(|part| &part.truth));
    let reference = kind.is_monitored().then(|| prepared.draft.finish(&predictions));
    session.stage("writing")?;
    // Training rows are left out: what a model says of rows that it has learned by heart decides nothing.
    let tested = judged.iter().filter(|(answered, _)| answered.part.part != Part::Train);
    let parts = tested.map(|(answered, judgement)| {
        let (name, answered) = (answered.part.part.name(), *answered);
        JudgedPart { name, answered, judgement }
    });
    kind.record(recorder, &parts.collect::<Vec<_>>())?;
    let judged = Judged { metrics: &metrics, chosen: chosen.as_ref() };
    let environment = write_run(recorder, config, &prepared, &bundle, &history, &judged)?;
    let facts: BTreeMap<String, f64> =
        bundle.model.facts().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let logged = Log {
        prepared: &prepared,
        environment: &environment,
        history: &history,
        metrics: &metrics,
        facts: &facts,
        threshold: chosen.as_ref().map(|chosen| chosen.threshold),
    };
    log(session, recorder, config, &logged)?;
    crash_point("train.before_publish");
    let golden = golden_of(session, &bundle, prepared.golden.clone())?;
    let published = Published {
        bundle: &bundle,
        golden: &golden,
        reference: reference.as_ref(),
        rendered: &rendered,
        fingerprint: &prepared.fingerprint,
    };
    let version = publish_version(session, recorder, config, &published)?;
    checkpoint.done(session, config);
    watch.lap("write");
    watch.seconds.insert("total".into(), started.elapsed().as_secs_f64());
    let seconds = watch.seconds.iter().map(|(name, value)| recorder.metric(format!("seconds_{name}"), *value));
    session.project.tracker()?.log_metrics(&recorder.id, &seconds.collect::<Vec<_>>())?;
    Ok(Outcome {
        run_id: recorder.id.clone(),
        experiment: config.experiment.name.clone(),
        model: config.model.name.clone(),
        version,
        kind: config.model.kind.clone(),
        folder: session.project.layout.checkpoint(&config.model.name, version),
        run_folder: recorder.folder.clone(),
        rows: prepared.counts,
        input_missing: config.columns().input.missing(),
        n_features: bundle.features.n_features(),
        labels: bundle.schema.labels().to_vec(),
        task: config.task,
        resumed,
        metrics,
        threshold_chosen: chosen,
        shown: shown(experiment),
        facts,
        warnings: [prepared.rows.warnings, history.warnings, remark.into_iter().collect()].concat(),
        seconds: watch.seconds,
    })
}

/// What the model says of each part that has rows, decided at the config's threshold or at the one that is chosen on the
/// validation rows, which the bundle then keeps.
fn predict<'a>(
    experiment: &Experiment,
    bundle: &mut Bundle,
    prepared: &'a Prepared,
) -> Result<(Vec<Predicted<'a>>, Option<Chosen>)> {
    let parts = prepared.parts.iter().zip(&prepared.features).filter(|(part, _)| !part.positions.is_empty());
    let scores =
        parts.map(|(part, features)| Ok((part, bundle.model.predict(features)?))).collect::<Result<Vec<_>>>()?;
    let validation = scores.iter().find(|(part, _)| part.part == Part::Validation).map(|(_, scores)| scores);
    let (number, chosen) = threshold(experiment, prepared.parts[1].truth.classes(), validation)?;
    if let Output::Classes { threshold, .. } = &mut bundle.schema.output {
        *threshold = number;
    }
    Ok((scores.into_iter().map(|(part, scores)| (part, bundle.schema.predict(scores))).collect(), chosen))
}

/// Reads and splits the rows, fits the features on the training rows and transforms all parts.
fn prepare(session: &Session<'_>, experiment: &Experiment, watch: &mut Watch) -> Result<Prepared> {
    let config = &experiment.config;
    experiment.chain.prepare(&session.embedding)?;
    session.stage(&format!("reading {}", config.data.place()))?;
    let kind = kind_of(config.task);
    let labels = kind.labels_to_learn(config);
    let watched = [&config.evaluation.subgroups[..], &config.drift.columns].concat();
    let mut rows = read_training_rows(session, config, labels, &watched)?;
    let (fingerprint, digests) = (rows.fingerprint(), rows.digests());
    let parts = Part::ALL.map(|part| PartRows::of(&rows, part, rows.of_part(part)));
    kind.check_training(experiment, &rows, &parts)?;
    watch.lap("read");

    session.stage("fitting features")?;
    let golden_rows: Vec<usize> = parts[2].positions.iter().copied().take(GOLDEN_ROWS).collect();
    let golden = batch(&rows, &golden_rows);
    let [train, validation, test] = [0, 1, 2].map(|part: usize| batch(&rows, &parts[part].positions));
    let counts = RowCounts::of(&rows);
    let mut draft = if kind.is_monitored() {
        draft(config, &mut rows, &parts[0].positions, &train.signal)
    } else {
        Draft::default()
    };
    // The raw inputs have been copied into the parts: one copy is enough.
    rows.inputs = Inputs::Texts(Vec::new());
    let (chain, train, mut texts) = experiment.chain.fit_transform(train, &session.embedding)?;
    session.note_texts(texts.clone());
    draft.vectors(session, &chain)?;
    let mut features = vec![train];
    for rows in [validation, test] {
        let (of_part, report) = chain.transform(rows, &session.embedding)?;
        session.note_texts(report.clone());
        texts.merge(report);
        features.push(of_part);
    }
    watch.lap("features");
    Ok(Prepared { rows, counts, fingerprint, digests, parts, chain, features, golden, texts, draft })
}

/// The features and targets of a part, moved out of `prepared`.
fn dataset(prepared: &mut Prepared, part: usize) -> Dataset {
    let (rows, of_part) = (&prepared.rows, &prepared.parts[part]);
    let targets = match &of_part.truth {
        Truth::Grades(grades) => Targets::Relevance { grades: grades.clone(), starts: of_part.starts.clone() },
        truth => Targets::Classes { index: truth.classes().to_vec(), labels: truth.labels().to_vec() },
    };
    let ids = of_part.positions.iter().map(|position| rows.ids[*position].clone()).collect();
    let features = std::mem::replace(&mut prepared.features[part], Features::Sparse(Csr::default()));
    Dataset { features, targets, ids }
}

/// Fits the estimator on the training part. The fitted chain moves into the bundle.
fn fit(
    session: &Session<'_>,
    experiment: &Experiment,
    prepared: &mut Prepared,
    (recorder, earlier): (&Recorder<'_>, Option<Earlier>),
) -> Result<(Bundle, History, Checkpoint)> {
    let config = &experiment.config;
    session.stage(&format!("fitting {}", experiment.family.name()))?;
    let train = dataset(prepared, 0);
    let valid = (!prepared.parts[1].positions.is_empty()).then(|| dataset(prepared, 1));
    let class_weights = experiment.estimator.class_weights(&train.targets)?;
    let checkpoint = Checkpoint::prepare(recorder, experiment, &prepared.fingerprint, earlier)?;
    let highest = prepared.parts[0].truth.grades().iter().copied().max();
    let begun = Instant::now();
    let history = Mutex::new(History::default());
    let fitted = session.fitting(config.seed, &|event| history.lock().expect("not poisoned").hear(event), |context| {
        let context = FitContext {
            valid: valid.as_ref(),
            convention: highest.map(|highest| config.evaluation.convention(highest)),
            clock: &|| begun.elapsed().as_secs_f64(),
            checkpoint: checkpoint.file.as_deref(),
            resume: checkpoint.resumes(),
            ..context
        };
        experiment.estimator.fit(&train, &context)
    });
    let model = match fitted {
        Ok(model) => model,
        Err(error) => return Err(checkpoint.explain(error)),
    };
    prepared.features[0] = train.features;
    if let Some(valid) = valid {
        prepared.features[1] = valid.features;
    }
    let rows = &prepared.rows;
    let columns = config.columns().learned(&rows.feature_names);
    let schema = Schema {
        format_version: 1,
        columns,
        kind: config.model.kind.clone(),
        output: match &rows.truth {
            Truth::Grades(_) => Output::Ranks { highest_grade: highest },
            // The threshold is final after the validation rows have been looked at.
            truth => Output::Classes { labels: truth.labels().to_vec(), class_weights, threshold: HALF },
        },
    };
    let features = std::mem::take(&mut prepared.chain);
    Ok((Bundle { schema, features, model }, history.into_inner().expect("not poisoned"), checkpoint))
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
