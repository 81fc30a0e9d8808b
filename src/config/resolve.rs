//! From names to things: families, steps and metrics are looked up and their parameters checked.

use std::collections::BTreeMap;

use super::decode::At;
use super::experiment::{ExperimentConfig, Raw, RawStep, StepSection};
use crate::catalog::{Param, ParamProblem, Params, find};
use crate::data::{Input, Task};
use crate::error::{Error, Result};
use crate::features::{Chain, STEPS, StepKind, Takes};
use crate::metrics::{METRICS, Metric, Reads, name};
use crate::models::{Estimator, FAMILIES, Family};

/// A config with nothing left to look up.
pub struct Experiment {
    /// The config with every default filled in.
    pub config: ExperimentConfig,
    /// The feature steps.
    pub chain: Chain,
    /// The kind of model.
    pub family: &'static dyn Family,
    /// The estimator, configured.
    pub estimator: Box<dyn Estimator>,
}

/// What the rows bring, as the first step sees it.
fn input_kind(input: &Input) -> Takes {
    match input {
        Input::Text { .. } => Takes::Texts,
        Input::Embedding(_) | Input::Numbers(_) | Input::All => Takes::Matrix,
    }
}

/// Checks parameters as they are written; problems are noted at their places. Wrong ones get their defaults, so that
/// their owner can look at the others too. `elsewhere` are those of another section.
fn checked(at: &At<'_, '_>, list: &[Param], (place, elsewhere): (&str, &[Param])) -> Params {
    let written = at.free_map();
    let mut given: BTreeMap<_, _> = written.iter().map(|(name, (value, _))| (name.clone(), value.clone())).collect();
    if let Err(problems) = Params::checked(list, &given) {
        for mut problem in problems {
            if elsewhere.iter().any(|param| param.name == problem.name) {
                problem.hint = Some(format!("`{}` belongs under `{place}`", problem.name));
            }
            note(at, &problem);
            given.remove(&problem.name);
        }
    }
    Params::checked(list, &given).unwrap_or_default()
}

/// Notes a parameter's problem at the parameter, or at the whole section when it has its default.
fn note(at: &At<'_, '_>, problem: &ParamProblem) {
    match at.free_map().get(&problem.name) {
        Some((_, place)) => place.problem(problem.message.clone(), problem.hint.clone()),
        None => at.problem(problem.message.clone(), problem.hint.clone()),
    }
}

/// Looks up what a config names; `None` when something was wrong (the decoder has been told).
pub(super) fn look_up(raw: Raw<'_, '_>) -> Option<Experiment> {
    let Raw { mut config, steps, features, kind, params, training, evaluation } = raw;
    let task = config.task;
    let named = |at: &At<'_, '_>| at.parsed(|written| name(task, written));
    let names: Vec<Option<String>> = evaluation.metrics.iter().map(named).collect();
    if !names.is_empty() {
        config.evaluation.metrics = names.into_iter().flatten().collect();
    }
    if let Some(at) = evaluation.choose.filter(At::is_given) {
        at.parsed(chooses);
        if config.data.split.validation == Some(0.0) {
            let hint = "{train: 0.6, validation: 0.2, test: 0.2}".to_owned();
            at.problem("the threshold is chosen on validation rows, and the split makes none", Some(hint));
        }
    }
    if evaluation.primary.is_given() {
        config.evaluation.primary = named(&evaluation.primary).unwrap_or_default();
    } else {
        config.evaluation.primary = config.evaluation.metrics.first().cloned().unwrap_or_default();
    }
    let family = kind.parsed(|name| find("kind of model", FAMILIES, name));
    let chain = chain_of(&features, &steps, family, &mut config);
    let family = family?;
    if family.task() != task {
        kind.problem(other_task(family, task), Some(format!("these learn {}: {}", task.name(), kinds_of(task))));
        return None;
    }
    config.model.params = checked(&params, family.params(), ("training", family.training()));
    config.training = checked_training(&training, family);
    let together = config.model.params.joined(&config.training);
    let place = |problem: &ParamProblem| {
        if family.training().iter().any(|param| param.name == problem.name) { &training } else { &params }
    };
    let estimator = family.configure(&together).map_err(|problem| note(place(&problem), &problem)).ok()?;
    Some(Experiment { config, chain: chain?, family, estimator })
}

fn other_task(family: &dyn Family, task: Task) -> String {
    format!("`{}` learns {}, and the task is {}", family.name(), family.task().name(), task.name())
}

/// The kinds of model that learn a task.
fn kinds_of(task: Task) -> String {
    let kinds = FAMILIES.iter().filter(|family| family.task() == task);
    kinds.map(|family| format!("`{}`", family.name())).collect::<Vec<_>>().join(", ")
}

fn checked_training(at: &At<'_, '_>, family: &dyn Family) -> Params {
    if at.is_given() && family.training().is_empty() {
        let kinds = FAMILIES.iter().filter(|family| !family.training().is_empty());
        let kinds = kinds.map(|family| format!("`{}`", family.name())).collect::<Vec<_>>().join(", ");
        at.problem(format!("`{}` has no training loop to set", family.name()), Some(format!("these have: {kinds}")));
        return Params::default();
    }
    checked(at, family.training(), ("model.params", family.params()))
}

/// The metric that a threshold is chosen by: it must read the decided classes.
fn chooses(name: &str) -> Result<&'static dyn Metric> {
    let metric = find("metric", METRICS, name)?;
    if metric.reads() == Reads::Labels {
        return Ok(metric);
    }
    let known: Vec<&str> =
        METRICS.iter().filter(|metric| metric.reads() == Reads::Labels).map(|metric| metric.name()).collect();
    Err(Error::invalid(format!("`{name}` does not depend on the decision threshold"))
        .hint(format!("choose one of {}", known.join(", "))))
}

fn chain_of(
    features: &At<'_, '_>,
    steps: &[RawStep<'_, '_>],
    family: Option<&'static dyn Family>,
    config: &mut ExperimentConfig,
) -> Option<Chain> {
    let mut found: Vec<(&'static dyn StepKind, Params)> = Vec::new();
    for step in steps {
        let Some(kind) = step.name_of(|name| find("feature step", STEPS, name)) else { continue };
        let given = step.params.free_map().into_iter().map(|(name, (value, _))| (name, value)).collect();
        let params = checked(&step.params, kind.params_for(&given), ("", &[]));
        if let Err(problem) = kind.configure(&params) {
            note(&step.params, &problem);
        }
        found.push((kind, params));
    }
    // Where nothing is said of features, a kind of model may have steps that it needs.
    if features.node.is_none() {
        for usual in family.map_or(&[][..], Family::default_steps) {
            let kind = find("feature step", STEPS, usual).expect("a default step is in the catalog");
            found.push((kind, Params::checked(kind.params(), &BTreeMap::new()).unwrap_or_default()));
        }
    }
    let columns = &config.data.columns;
    let input_is_clear = config.task == Task::Ranking
        || !columns.text.is_empty()
        || columns.embedding.is_some()
        || !columns.features.is_empty();
    if found.len() < steps.len() || !input_is_clear {
        return None;
    }
    config.features = found
        .iter()
        .map(|(kind, params)| StepSection { kind: kind.name().to_owned(), params: params.clone() })
        .collect();
    // A step that cannot be configured has been noted above.
    let chain = Chain::configure(&found).ok()?;
    if let Err((index, message)) = chain.check(input_kind(&config.columns().input)) {
        let texts = input_kind(&config.columns().input) == Takes::Texts;
        let hint = if steps.get(index).is_some_and(|step| step.kind == "per_query") {
            "move it to the front".to_owned()
        } else if !texts {
            "take it out: the data bring numbers".to_owned()
        } else {
            "text columns need `- tfidf: {}` or `- embedding: {model: hashing}` first".to_owned()
        };
        let hint = Some(hint);
        steps.get(index).map_or(features, |step| &step.name).problem(message, hint);
        return None;
    }
    if chain.reads_queries() && config.task == Task::Classification {
        features.problem("`per_query` needs queries, which belong to ranking", Some("min_max scales by column".into()));
    }
    Some(chain)
}

/// Looks up a config that was stored with a run or a model.
///
/// # Errors
/// `Failed` when it names what this build does not know.
pub fn resolve(config: ExperimentConfig) -> Result<Experiment> {
    let unknown = |problem: ParamProblem| {
        Error::failed(format!("the stored config does not fit this build: {}", problem.message))
    };
    let steps = config.features.iter();
    let steps = steps.map(|step| Ok((find("feature step", STEPS, &step.kind)?, step.params.clone())));
    let steps = steps.collect::<Result<Vec<_>>>()?;
    let chain = Chain::configure(&steps).map_err(|(_, problem)| unknown(problem))?;
    let family = find("kind of model", FAMILIES, &config.model.kind)?;
    let estimator = family.configure(&config.model.params.joined(&config.training)).map_err(unknown)?;
    Ok(Experiment { config, chain, family, estimator })
}
