//! The decoder of a whole experiment config: its fields, then what only all of them together can say; and from names to
//! things: families and steps are looked up and configured.

use std::collections::BTreeMap;

use super::decode::{At, Fields};
use super::experiment::{EXPERIMENT, ExperimentConfig};
use super::steps::{StepSection, ask_owner, checked, note, written};
use super::value::FromSection;
use crate::catalog::{ParamProblem, Params, find};
use crate::data::{Input, Task};
use crate::error::{Error, Result};
use crate::features::{Chain, STEPS, StepKind, Takes};
use crate::models::{Estimator, FAMILIES, Family};
use crate::names::ModelName;

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

/// Reads the whole config; every problem is noted with the decoder.
pub(super) fn decode_experiment(root: &At<'_, '_>) -> ExperimentConfig {
    root.set_task(task(root));
    let fields = root.section(&EXPERIMENT);
    let mut config = ExperimentConfig::from_fields(&fields);
    check_experiment(&mut config, &fields);
    check_names(&mut config, &fields);
    config
}

/// The task that the config says; where it says none, what the kind of model learns.
fn task(root: &At<'_, '_>) -> Task {
    if let Some(task) = root.child("task").as_word() {
        return Task::parse(task).unwrap_or_default();
    }
    let kind = root.child("model").child("kind");
    let family = kind.as_word().and_then(|kind| FAMILIES.iter().find(|family| family.name() == kind));
    family.map(|family| family.task()).unwrap_or_default()
}

/// Seeds at most: each is a run and a version.
const SEEDS_LIMIT: usize = 100;

fn check_experiment(config: &mut ExperimentConfig, fields: &Fields<'_, '_>) {
    check_seeds(&config.seeds, &fields.at("seeds"));
    if let (false, Some(first)) = (fields.at("seed").is_given(), config.seeds.first()) {
        config.seed = *first;
    }
    if !fields.at("model").child("name").is_given() {
        let name = ModelName::parse(config.experiment.name.as_str());
        config.model.name = name.expect("an experiment name is a model name");
    }
    let choose = fields.at("evaluation").child("threshold").child("choose");
    if choose.is_given() && config.task == Task::default() && config.data.split.validation == Some(0.0) {
        let hint = "{train: 0.6, validation: 0.2, test: 0.2}".to_owned();
        choose.problem("the threshold is chosen on validation rows, and the split makes none", Some(hint));
    }
}

fn check_seeds(seeds: &[u64], at: &At<'_, '_>) {
    let mut sorted = seeds.to_vec();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        at.problem("a seed stands there twice: its runs would be the same", None);
    } else if seeds.len() > SEEDS_LIMIT {
        at.problem(format!("at most {SEEDS_LIMIT} seeds are taken, got {}", seeds.len()), None);
    }
}

/// Looks up what a config names and puts the checked parameters into it; every problem is noted with the decoder.
fn check_names(config: &mut ExperimentConfig, fields: &Fields<'_, '_>) {
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
    let mut given = written(&params, &config.model.params);
    given.extend(written(&training, &config.training));
    let list = [family.params(), family.training()].concat();
    ask_owner(
        given,
        |given| Params::checked(&list, given).ok(),
        |params| family.configure(params).map(|_| ()),
        |problem| {
            let of_training = family.training().iter().any(|param| param.name == problem.name);
            note(if of_training { &training } else { &params }, problem);
        },
    );
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
