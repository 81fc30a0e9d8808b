//! The pieces of JSON Schemas that the catalogs say: names, metrics, feature steps, parameters.

use serde_json::{Map, Value, json};

use crate::catalog::{Named, Param};
use crate::data::Task;
use crate::features::STEPS;
use crate::metrics::ranking::RANKING_METRICS;
use crate::metrics::{METRICS, name};
use crate::models::FAMILIES;

/// Parameters by name.
pub(super) fn params(list: &[Param]) -> Value {
    let properties: Map<String, Value> = list.iter().map(|param| (param.name.to_owned(), param.schema())).collect();
    json!({"type": ["object", "null"], "additionalProperties": false, "properties": properties})
}

/// Parameters whose owner is named elsewhere.
pub(super) fn parameters() -> Value {
    json!({"type": ["object", "null"]})
}

/// The names of a catalog.
pub(super) fn names<T: Named + ?Sized>(catalog: &[&T]) -> Vec<&'static str> {
    catalog.iter().map(|entry| entry.name()).collect()
}

/// A metric of any task.
pub(super) fn metric() -> Value {
    json!({"anyOf": Task::ALL.map(metric_of)})
}

/// A metric of a task: `f1`, or `ndcg@10`, `map`.
pub(super) fn metric_of(task: Task) -> Value {
    let mut cut = names(RANKING_METRICS);
    cut.retain(|metric| name(task, &format!("{metric}@1")).is_ok());
    if cut.is_empty() {
        json!({"enum": names(METRICS)})
    } else {
        json!({"type": "string", "pattern": format!("^({}|p)(@[1-9][0-9]*)?$", cut.join("|"))})
    }
}

/// One feature step.
pub(super) fn step() -> Value {
    let with_params = STEPS.iter().map(|step| {
        let mut of_step = params(step.params());
        of_step["description"] = step.about().into();
        json!({
            "type": "object", "additionalProperties": false, "required": [step.name()],
            "properties": {step.name(): of_step},
        })
    });
    json!({"anyOf": with_params.chain([json!({"enum": names(STEPS)})]).collect::<Vec<_>>()})
}

/// `model.params` by the kind of model.
pub(super) fn parameters_by_kind(model: &mut Value) {
    let of_kind = FAMILIES.iter().map(|family| {
        json!({"if": {"properties": {"kind": {"const": family.name()}}},
               "then": {"properties": {"params": params(family.params())}}})
    });
    model["allOf"] = of_kind.collect();
}
