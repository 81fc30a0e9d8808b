//! The configs as JSON Schema, for editors, and the lists of `mlops schema --list`; made from the lists of fields and
//! the catalogs that check them.

use serde_json::{Value, json};

use super::data::COLUMNS;
use super::experiment::EXPERIMENT;
use super::field::{Field, Preset, Section};
use super::notify::CHANNEL;
use super::promotion::PROMOTION;
use super::reference::sections;
use super::retrain::RETRAIN;
use super::schema_parts::{metric_of, params};
use crate::catalog::{Named, Param, known_hint};
use crate::data::Task;
use crate::data::sources::SOURCES;
use crate::drift::STATISTICS;
use crate::error::{Error, Result};
use crate::features::STEPS;
use crate::metrics::METRICS;
use crate::metrics::ranking::RANKING_METRICS;
use crate::models::FAMILIES;

/// What the sections of an experiment say of each other: `training` by the kind of model, the fields of each task.
fn of_experiment(root: &mut Value) {
    let training = FAMILIES.iter().map(|family| {
        json!({"if": {"properties": {"model": {"properties": {"kind": {"const": family.name()}}}}},
               "then": {"properties": {"training": params(family.training())}}})
    });
    root["allOf"] = training.chain(Task::ALL.map(by_task)).collect();
}

/// What a task asks of the sections.
fn by_task(task: Task) -> Value {
    let kinds: Vec<&str> = FAMILIES.iter().filter(|family| family.task() == task).map(|family| family.name()).collect();
    let of_kind = json!({"properties": {"model": {"properties": {"kind": {"enum": kinds}}}}});
    let mut by_kind = of_kind.clone();
    by_kind["not"] = json!({"required": ["task"]});
    let by_name = json!({"required": ["task"], "properties": {"task": {"const": task.name()}}});
    let metric = metric_of(task);
    let named = json!({"properties": {"evaluation": {"properties": {
        "primary": metric, "metrics": {"anyOf": [metric, {"type": "array", "items": metric}]}}}}});
    let mut asked = vec![named, of_kind, forbidden(&EXPERIMENT, task)];
    // Ranking has usual columns, other tasks have none.
    if matches!(COLUMNS.field("label").preset.of(Some(task)), Preset::None) {
        let one_input = json!([{"required": ["text"]}, {"required": ["embedding"]}, {"required": ["features"]}]);
        let columns = json!({"required": ["label"], "oneOf": one_input});
        asked.push(json!({"properties": {"data": {"required": ["columns"], "properties": {"columns": columns}}}}));
    }
    json!({"if": {"anyOf": [by_name, by_kind]}, "then": {"allOf": asked}})
}

/// A schema that refuses the fields of other tasks.
fn forbidden(section: &Section, task: Task) -> Value {
    let mut schema = json!({});
    let others = section.fields.iter().filter(|field| !field.is_of(task));
    let others: Vec<Value> = others.map(|field| json!({"required": [field.name]})).collect();
    if !others.is_empty() {
        schema["not"] = json!({"anyOf": others});
    }
    for field in section.fields {
        let inner = field.kind.section().map(|inner| forbidden(inner, task)).filter(|inner| *inner != json!({}));
        if let Some(inner) = inner {
            schema["properties"][field.name] = inner;
        }
    }
    schema
}

fn file(title: &str, mut schema: Value) -> Value {
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = title.into();
    schema
}

/// The JSON Schema (draft 2020-12) of an experiment config.
#[must_use]
pub fn schema() -> Value {
    let mut schema = EXPERIMENT.schema();
    of_experiment(&mut schema);
    file("mlops experiment config", schema)
}

/// The JSON Schema of a retrain config.
#[must_use]
pub fn retrain_file() -> Value {
    file("mlops retrain config", RETRAIN.schema())
}

/// The JSON Schema of a policy file.
#[must_use]
pub fn policy_file() -> Value {
    file("mlops policy for promotions", PROMOTION.schema())
}

/// The JSON Schema of a file of channels: a list, or one under `notify:`.
#[must_use]
pub fn notify_file() -> Value {
    let channel = CHANNEL.schema();
    let list = json!({"anyOf": [channel, {"type": "array", "items": channel}]});
    let file_of = json!({"anyOf": [
        {"type": "object", "required": ["notify"], "properties": {"notify": list}},
        {"type": "array", "items": channel},
    ]});
    file("mlops channels for notices", file_of)
}

/// What `mlops schema --list` lists.
pub const LISTS: [&str; 7] = ["models", "training", "features", "metrics", "sources", "statistics", "config"];

/// An entry of a list: a name, what it is, and its parameters or fields.
pub struct Entry {
    /// The name.
    pub name: String,
    /// What it is.
    pub about: String,
    /// Its parameters; the fields of a section.
    pub params: Vec<EntryParam>,
}

/// A parameter of an entry.
pub struct EntryParam {
    /// The name.
    pub name: &'static str,
    /// The default, for people; empty where there is none.
    pub default: String,
    /// What it does.
    pub about: &'static str,
    /// The JSON Schema.
    pub schema: Value,
}

impl From<&Param> for EntryParam {
    fn from(param: &Param) -> Self {
        Self { name: param.name, default: param.default.to_owned(), about: param.about, schema: param.schema() }
    }
}

impl From<&'static Field> for EntryParam {
    fn from(field: &'static Field) -> Self {
        let default = field.default_label().replace('`', "");
        Self { name: field.name, default, about: field.text.trim(), schema: field.schema() }
    }
}

/// The entries of a catalog, or the sections of the configs.
///
/// # Errors
/// `Invalid` when there is no such list.
pub fn list(catalog: &str) -> Result<Vec<Entry>> {
    fn entry<T: Named + ?Sized>(entry: &T, params: &[Param]) -> Entry {
        let params = params.iter().map(EntryParam::from).collect();
        Entry { name: entry.name().to_owned(), about: entry.about().to_owned(), params }
    }
    fn plain<T: Named + ?Sized>(catalog: &[&T]) -> Vec<Entry> {
        catalog.iter().map(|one| entry(*one, &[])).collect()
    }
    let loops = FAMILIES.iter().filter(|family| !family.training().is_empty());
    Ok(match catalog {
        "models" => FAMILIES.iter().map(|family| entry(*family, family.params())).collect(),
        "training" => loops.map(|family| entry(*family, family.training())).collect(),
        "features" => STEPS.iter().map(|step| entry(*step, step.params())).collect(),
        "metrics" => plain(METRICS).into_iter().chain(plain(RANKING_METRICS)).collect(),
        "sources" => plain(SOURCES),
        "statistics" => plain(STATISTICS),
        "config" => sections()
            .into_iter()
            .map(|(path, section)| Entry {
                name: path,
                about: section.text.trim().to_owned(),
                params: section.fields.iter().map(EntryParam::from).collect(),
            })
            .collect(),
        other => {
            return Err(Error::invalid(format!("there is no list `{other}`")).hint(known_hint(other, LISTS)));
        }
    })
}
