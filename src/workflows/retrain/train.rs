//! Training the candidates on the snapshot, each recognised again when the process died after it was done.

use std::path::Path;

use super::super::session::Session;
use super::super::train::{Request, train};
use super::state::{State, Trained};
use crate::config::{Experiment, Override, RetrainConfig, load};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::fs::sha256;
use crate::names::{ModelName, Version};
use crate::tasks::kind_of;
use crate::tracking::{Filter, Run, Search, Status, View};

/// The tag that says for which retrain a version was trained or asked; `tracking::Tracker::measured` knows it.
pub(super) const TAG: &str = "retrain";

/// The candidates' configs, as they are written.
///
/// # Errors
/// `Invalid` with the problems of the first one that is wrong, or when they are of several models or labels.
pub(super) fn candidates(root: &Path, config: &RetrainConfig) -> Result<Vec<Experiment>> {
    let experiments = (0..config.candidates.len()).map(|at| experiment(root, config, at, &[]));
    let experiments = experiments.collect::<Result<Vec<_>>>()?;
    if let Some(at) = experiments.iter().position(|one| !kind_of(one.config.task).is_monitored()) {
        let path = &config.candidates[at].config;
        return Err(Error::invalid(format!("`{path}` is of the task ranking, and a retrain trains classifiers"))
            .hint("its new rows have no queries; `mlops train CONFIG --promote` trains and promotes a ranking model"));
    }
    let mut models: Vec<&ModelName> = experiments.iter().map(|one| &one.config.model.name).collect();
    models.dedup();
    if let [one, other, ..] = models.as_slice() {
        return Err(Error::invalid(format!("the candidates are of two models, `{one}` and `{other}`"))
            .hint("a retrain is about one model: give each config the same `model.name`"));
    }
    let mut metrics: Vec<&String> = experiments.iter().map(|one| &one.config.evaluation.primary).collect();
    metrics.dedup();
    if let [one, other, ..] = metrics.as_slice() {
        return Err(Error::invalid(format!("the candidates have two primary metrics, `{one}` and `{other}`"))
            .hint("the best of them is the one with the best `evaluation.primary`: give each config the same"));
    }
    let mut labels: Vec<&String> = experiments.iter().map(|one| &one.config.data.columns.label).collect();
    labels.dedup();
    if let [one, other, ..] = labels.as_slice() {
        return Err(Error::invalid(format!("the candidates have two labels, `{one}` and `{other}`"))
            .hint("the best of them can be told only where all answer the same question"));
    }
    Ok(experiments)
}

/// A candidate with its settings and more.
fn experiment(root: &Path, config: &RetrainConfig, at: usize, more: &[Override]) -> Result<Experiment> {
    let candidate = &config.candidates[at];
    let mut settings = candidate.set.clone();
    settings.extend_from_slice(more);
    let path = Path::new(&candidate.config);
    load(&if path.is_absolute() { path.to_path_buf() } else { root.join(path) }, &settings)
}

/// Trains the candidate at this place on the state's snapshot. What goes wrong with it is told in the answer: the
/// others go on.
///
/// # Errors
/// `Interrupted`; `Failed` when the database cannot be read.
pub(super) fn candidate(session: &Session<'_>, config: &RetrainConfig, state: &State, at: usize) -> Result<Trained> {
    let Some(extracted) = &state.extracted else { return Err(Error::failed("nothing was extracted")) };
    let set = |path: &str, value: String| Override { path: path.to_owned(), value };
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut more = vec![set("data.source", quoted(&extracted.snapshot)), set("data.query", String::new())];
    let root = session.project.layout.root();
    let mark = mark(state, at, &experiment(root, config, at, &more)?)?;
    more.push(set(&format!("experiment.tags.{TAG}"), quoted(&mark)));
    let experiment = experiment(root, config, at, &more)?;
    let (section, primary) = (experiment.config.experiment.clone(), experiment.config.evaluation.primary.clone());
    let mut trained = Trained {
        config: config.candidates[at].config.clone(),
        experiment: section.name.to_string(),
        version: None,
        run_id: None,
        metric: primary.clone(),
        validation: None,
        test: None,
        error: None,
    };
    // A training that was finished and not noted any more.
    if let Some((run, version)) = done(session, &state.model, &mark)? {
        trained.version = Some(version);
        trained.validation = run.metrics.get(&format!("validation_{primary}")).copied();
        trained.test = run.metrics.get(&primary).copied();
        trained.run_id = Some(run.id.to_string());
        return Ok(trained);
    }
    let run_name = format!("{} {}", state.name, state.period);
    match train(session, &Request { experiment, run_name, resume: None, tags: Vec::new() }) {
        Ok(outcome) => {
            let value = |part| outcome.metrics.get(&part).and_then(|found| found.metrics.get(&primary)?.value);
            trained.version = Some(outcome.version);
            trained.run_id = Some(outcome.run_id.to_string());
            trained.validation = value(crate::data::Part::Validation);
            trained.test = value(crate::data::Part::Test);
        }
        Err(error) if error.kind == ErrorKind::Interrupted => return Err(error),
        Err(error) => trained.error = Some(session.project.redactor().text(&error.with_causes())),
    }
    Ok(trained)
}

/// What a training of this retrain is known by: the period, the place, and all that it depends on, so that another config
/// or other rows are another training.
fn mark(state: &State, at: usize, experiment: &Experiment) -> Result<String> {
    let rows = state.extracted.as_ref().map_or("", |extracted| extracted.sha256.as_str());
    let config = serde_json::to_string(&experiment.config).context(|| "cannot write the config".into())?;
    let digest = sha256(format!("{rows}{config}").as_bytes());
    Ok(format!("{}/{}/{}/{}", state.name, state.period, at + 1, &digest[..12]))
}

/// The finished training with this mark, and its version, where it is still there.
fn done(session: &Session<'_>, model: &ModelName, mark: &str) -> Result<Option<(Run, Version)>> {
    let filter = Filter::command("train").and(Filter::status(Status::Finished)).and(Filter::tag(TAG).equals(mark));
    let search =
        Search { experiments: &[], filter: Some(&filter), order: &[], limit: 1, offset: 0, view: View::Active };
    let tracker = session.project.tracker()?;
    let Some(run) = tracker.search_runs(&search)?.pop() else { return Ok(None) };
    let version = run.tags.get("version").map(|version| Version::parse(version)).transpose()?;
    let known = version.filter(|version| tracker.version(model.as_str(), *version).is_ok());
    Ok(known.map(|version| (run, version)))
}
