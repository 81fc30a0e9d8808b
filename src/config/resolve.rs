//! From names to things: families and steps are looked up and their parameters checked.

use std::collections::BTreeMap;

use super::decode::{At, Fields};
use super::experiment::{ExperimentConfig, StepSection};
use crate::catalog::{Param, ParamProblem, Params, find};
use crate::data::Input;
use crate::error::{Error, Result};
use crate::features::{Chain, STEPS, StepKind, Takes};
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
    let place = at.child(&problem.name);
    let place = if place.node.is_some() { &place } else { at };
    place.problem(problem.message.clone(), problem.hint.clone());
}

/// Reads a feature step, `name` or `name: {parameters}`; `None` when it is none, which has been noted.
pub(super) fn read_step(at: &At<'_, '_>) -> Option<StepSection> {
    let mut entries = if at.as_word().is_some() { BTreeMap::new() } else { at.free_map() };
    let (name, params) = match (at.as_word(), entries.pop_first(), entries.is_empty()) {
        (Some(name), ..) => (name.to_owned(), At::root_like(at, None, format!("{}.{name}", at.path))),
        (None, Some((name, (_, params))), true) => (name, params),
        (None, None, _) => {
            at.refuse("a feature step needs a name", Some("- tfidf: {min_df: 2}".into()));
            return None;
        }
        (None, Some(_), false) => {
            at.refuse("a feature step has one name", Some("begin each step with its own `-`".into()));
            return None;
        }
    };
    let kind = match find("feature step", STEPS, &name) {
        Ok(kind) => kind,
        Err(error) => {
            at.problem(error.message, error.hint);
            let written = params.node.map(|node| serde_json::from_value(node.json()).unwrap_or_default());
            return at.is_stored().then(|| StepSection { kind: name, params: written.unwrap_or_default() });
        }
    };
    let given = params.free_map().into_iter().map(|(name, (value, _))| (name, value)).collect();
    let checked = checked(&params, kind.params_for(&given), ("", &[]));
    if let Err(problem) = kind.configure(&checked) {
        note(&params, &problem);
    }
    Some(StepSection { kind: name, params: checked })
}

/// Looks up what a config names and puts the checked parameters into it; every problem is noted with the decoder.
pub(super) fn check_names(config: &mut ExperimentConfig, fields: &Fields<'_, '_>) {
    let (model, training) = (fields.at("model"), fields.at("training"));
    let (kind, params) = (model.child("kind"), model.child("params"));
    let family = kind.text().and_then(|name| match find("kind of model", FAMILIES, &name) {
        Ok(family) => Some(family),
        Err(error) => {
            kind.problem(error.message, error.hint);
            None
        }
    });
    check_features(config, family, &fields.at("features"));
    let Some(family) = family else { return };
    let task = config.task;
    if family.task() != task {
        let message = format!("`{}` learns {}, and the task is {}", family.name(), family.task().name(), task.name());
        kind.problem(message, Some(format!("these learn {}: {}", task.name(), kinds(|other| other.task() == task))));
        return;
    }
    config.model.params = checked(&params, family.params(), ("training", family.training()));
    config.training = if training.is_given() && family.training().is_empty() {
        let hint = format!("these have: {}", kinds(|family| !family.training().is_empty()));
        training.problem(format!("`{}` has no training loop to set", family.name()), Some(hint));
        Params::default()
    } else {
        checked(&training, family.training(), ("model.params", family.params()))
    };
    let together = config.model.params.joined(&config.training);
    if let Err(problem) = family.configure(&together) {
        let of_training = family.training().iter().any(|param| param.name == problem.name);
        note(if of_training { &training } else { &params }, &problem);
    }
}

/// The kinds of model of which something is true, for hints.
fn kinds(which: impl Fn(&dyn Family) -> bool) -> String {
    let kinds = FAMILIES.iter().filter(|family| which(**family));
    kinds.map(|family| format!("`{}`", family.name())).collect::<Vec<_>>().join(", ")
}

/// The steps of a config, looked up.
fn steps_of(config: &ExperimentConfig) -> Result<Vec<(&'static dyn StepKind, Params)>> {
    let step = |step: &StepSection| Ok((find("feature step", STEPS, &step.kind)?, step.params.clone()));
    config.features.iter().map(step).collect()
}

/// Looks at the feature steps together: each takes what the one before it gives, the first what the rows bring.
fn check_features(config: &mut ExperimentConfig, family: Option<&'static dyn Family>, features: &At<'_, '_>) {
    // Where nothing is said of features, a kind of model may have steps that it needs.
    if features.node.is_none() {
        let usual = family.map_or(&[][..], Family::default_steps).iter().map(|usual| {
            let kind = find("feature step", STEPS, usual).expect("a default step is in the catalog");
            let params = Params::checked(kind.params(), &BTreeMap::new()).unwrap_or_default();
            StepSection { kind: kind.name().to_owned(), params }
        });
        config.features = usual.collect();
    }
    let (columns, items) = (&config.data.columns, features.items());
    let input_is_clear = columns.query.is_some()
        || !columns.text.is_empty()
        || columns.embedding.is_some()
        || !columns.features.is_empty();
    if config.features.len() < items.len() || !input_is_clear {
        return;
    }
    // A step that cannot be configured has been noted where it stands.
    let Some(chain) = steps_of(config).ok().and_then(|steps| Chain::configure(&steps).ok()) else { return };
    let brings = input_kind(&config.columns().input);
    if let Err((index, message)) = chain.check(brings) {
        let hint = if config.features.get(index).is_some_and(|step| step.kind == "per_query") {
            "move it to the front"
        } else if brings == Takes::Texts {
            "text columns need `- tfidf: {}` or `- embedding: {model: hashing}` first"
        } else {
            "take it out: the data bring numbers"
        };
        items.get(index).unwrap_or(features).problem(message, Some(hint.to_owned()));
    } else if chain.reads_queries() && columns.query.is_none() {
        features.problem("`per_query` needs queries, which belong to ranking", Some("min_max scales by column".into()));
    }
}

/// Looks up what a config that has been read names.
///
/// # Errors
/// `Invalid` when it names a kind that this build does not know, `Failed` when its parameters do not fit.
pub fn resolve(config: ExperimentConfig) -> Result<Experiment> {
    let unknown = |problem: ParamProblem| {
        Error::failed(format!("the stored config does not fit this build: {}", problem.message))
    };
    let chain = Chain::configure(&steps_of(&config)?).map_err(|(_, problem)| unknown(problem))?;
    let family = find("kind of model", FAMILIES, &config.model.kind)?;
    let estimator = family.configure(&config.model.params.joined(&config.training)).map_err(unknown)?;
    Ok(Experiment { config, chain, family, estimator })
}
