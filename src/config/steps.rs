//! Parameters and feature steps: looked up in the catalogs while they are read.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::decode::At;
use super::field::Kind;
use super::value::Value as FieldValue;
use crate::catalog::{Param, ParamProblem, Params, find};
use crate::features::STEPS;

/// One feature step: `- tfidf: {min_df: 2}`.
#[derive(Debug, Clone, PartialEq)]
pub struct StepSection {
    /// The step's name in the catalog.
    pub kind: String,
    /// Its checked parameters.
    pub params: Params,
}

impl Serialize for StepSection {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_map([(&self.kind, &self.params)])
    }
}

impl FieldValue for StepSection {
    fn read(at: &At<'_, '_>, _kind: &Kind) -> Option<Self> {
        read_step(at)
    }

    fn nothing(_at: &At<'_, '_>) -> Self {
        unreachable!("a list of steps is never filled up")
    }
}

/// Parameters as they are written; the catalog of their owner has not seen them yet.
impl FieldValue for Params {
    fn read(at: &At<'_, '_>, _kind: &Kind) -> Option<Self> {
        serde_json::from_value(at.node?.json()).ok()
    }

    fn nothing(_at: &At<'_, '_>) -> Self {
        Self::default()
    }
}

/// Checks parameters as they are written; problems are noted at their places. Wrong ones get their defaults, so that
/// their owner can look at the others too. `elsewhere` are those of another section.
pub(super) fn checked(at: &At<'_, '_>, list: &[Param], (place, elsewhere): (&str, &[Param])) -> Params {
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

/// Asks the owner of parameters what is wrong with those that are `given`, one after the other: a wrong one gets its
/// default, so that the owner looks at the others too. What is wrong with a default then is no mistake of the config.
/// `check` fills in the defaults each time: the list of parameters may depend on one of them.
pub(super) fn ask_owner(
    mut given: BTreeMap<String, Value>,
    check: impl Fn(&BTreeMap<String, Value>) -> Option<Params>,
    configure: impl Fn(&Params) -> Result<(), ParamProblem>,
    note: impl Fn(&ParamProblem),
) {
    let mut is_first = true;
    while let Some(params) = check(&given)
        && let Err(problem) = configure(&params)
    {
        let is_given = given.remove(&problem.name).is_some();
        if is_given || is_first {
            note(&problem);
        }
        if !is_given {
            return;
        }
        is_first = false;
    }
}

/// The parameters that are written, with their values after the check.
pub(super) fn written(at: &At<'_, '_>, params: &Params) -> BTreeMap<String, Value> {
    let given = params.iter().filter(|(name, _)| at.child(name).node.is_some());
    given.map(|(name, value)| (name.to_owned(), value.clone())).collect()
}

/// Notes a parameter's problem at the parameter, or at the whole section when it has its default.
pub(super) fn note(at: &At<'_, '_>, problem: &ParamProblem) {
    let place = at.child(&problem.name);
    let place = if place.node.is_some() { &place } else { at };
    place.problem(problem.message.clone(), problem.hint.clone());
}

/// Reads a feature step, `name` or `name: {parameters}`; `None` when it is none, which has been noted.
fn read_step(at: &At<'_, '_>) -> Option<StepSection> {
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
    let check = |given: &BTreeMap<String, Value>| Params::checked(kind.params_for(given), given).ok();
    let configure = |params: &Params| kind.configure(params).map(|_| ());
    ask_owner(written(&params, &checked), check, configure, |problem| note(&params, problem));
    Some(StepSection { kind: name, params: checked })
}
