//! The config as JSON Schema, for editors; made from the same catalogs that check it.

use serde_json::{Value, json};

use super::data::MISSING;
use super::{NotifyEvent, ranking};
use crate::catalog::{Named, Param};
use crate::data::Task;
use crate::data::sources::SOURCES;
use crate::drift::{Rule, STATISTICS, Settings};
use crate::features::STEPS;
use crate::metrics::ranking::{HIGHEST_GRADE, RANKING_METRICS};
use crate::metrics::{METRICS, Reads};
use crate::models::FAMILIES;

fn params(list: &[Param]) -> Value {
    let properties: serde_json::Map<String, Value> =
        list.iter().map(|param| (param.name.to_owned(), param.schema())).collect();
    json!({"type": ["object", "null"], "additionalProperties": false, "properties": properties})
}

fn object(required: &[&str], properties: &Value) -> Value {
    json!({"type": "object", "additionalProperties": false, "required": required, "properties": properties})
}

fn texts(about: &str) -> Value {
    json!({"description": about, "anyOf": [
        {"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]})
}

fn text(about: &str) -> Value {
    json!({"type": "string", "description": about})
}

fn share(about: &str) -> Value {
    json!({"type": "number", "minimum": 0, "maximum": 1, "description": about})
}

fn data() -> Value {
    let mut section = object(
        &[],
        &json!({
            "source": text("a path, a glob, or `format:path`"),
            "files": object(&["train", "test"], &json!({
                "train": text("the rows for training"),
                "validation": text("the rows for choices"),
                "test": text("the rows for the final numbers"),
            })),
            "query": text("the query, for databases"),
            "columns": object(&[], &json!({
                "id": text("the id of a row; row numbers when there is none"),
                "label": text("the label; for ranking a grade of 0 to 31, `label` when absent"),
                "query": text("the query of a document, for ranking; `qid` when absent"),
                "text": texts("text column(s)"),
                "embedding": text("a column of whole vectors: a list, or text such as 0.1,0.2"),
                "features": texts("numeric columns; for ranking all others when absent"),
                "split": text("a column of train, validation, test"),
            })),
            "json_fields": texts("fields taken out of JSON text, in order; `a.b` is a nested key"),
            "positive": json!({"type": ["string", "number", "boolean"], "description": "the positive label"}),
            "split": object(&[], &json!({
                "column": text("a column of train, validation, test"),
                "train": share("share for training"),
                "validation": share("share for validation"),
                "test": share("share for test"),
                "stratify": {"type": "boolean", "description": "each class in the same shares"},
                "group": text("rows with the same value stay together"),
                "time": text("oldest rows train, newest test"),
                "seed": {"type": "integer", "minimum": 0, "description": "of the draw; the experiment's when absent"},
            })),
        }),
    );
    section["properties"]["letor"] = object(
        &[],
        &json!({
            "first_index": {"enum": ["auto", 0, 1, "0", "1"], "default": "auto", "description": "of LETOR files"},
            "missing": {"enum": MISSING, "default": MISSING[0], "description": "what becomes of `NULL`"},
        }),
    );
    section["oneOf"] = json!([{"required": ["source"]}, {"required": ["files"]}]);
    section
}

/// What the task asks of `data` and `evaluation`.
fn by_task() -> Value {
    let one_input = json!([{"required": ["text"]}, {"required": ["embedding"]}, {"required": ["features"]}]);
    let columns = json!({"required": ["label"], "oneOf": one_input, "not": {"required": ["query"]}});
    let named = |metric: &Value| {
        json!({"properties": {
            "primary": metric, "metrics": {"anyOf": [metric, {"type": "array", "items": metric}]}}})
    };
    let mut of_classes = named(&json!({"enum": names(METRICS)}));
    of_classes["not"] = json!({"required": ["ranking"]});
    let mut of_ranking = named(&ranking_metric());
    of_ranking["not"] = json!({"anyOf": [{"required": ["threshold"]}, {"required": ["subgroups"]}]});
    json!({
        "if": {"properties": {"task": {"const": Task::Ranking.name()}}, "required": ["task"]},
        "then": {"properties": {"evaluation": of_ranking}},
        "else": {"properties": {
            "data": {"required": ["source", "columns"], "properties": {"columns": columns}}, "evaluation": of_classes}},
    })
}

/// `ndcg@10`, `map`.
fn ranking_metric() -> Value {
    let cut: Vec<&str> = RANKING_METRICS.iter().map(|metric| metric.name()).collect();
    json!({"type": "string", "pattern": format!("^({}|p)(@[1-9][0-9]*)?$", cut.join("|"))})
}

/// The conventions of ranking metrics.
fn ranking() -> Value {
    let grade = |about: &str| json!({"type": "integer", "minimum": 1, "maximum": HIGHEST_GRADE, "description": about});
    object(
        &[],
        &json!({
            "empty": {"enum": ranking::EMPTY, "default": ranking::EMPTY[0],
                "description": "what a query without a relevant document counts"},
            "gain": {"enum": ranking::GAIN, "default": ranking::GAIN[0], "description": "of a grade, in NDCG"},
            "ties": {"enum": ranking::TIES, "default": ranking::TIES[0], "description": "equal scores"},
            "map_divisor": {"enum": ranking::DIVISOR, "default": ranking::DIVISOR[0]},
            "relevant_from": grade("the lowest grade that is relevant; 1 when absent"),
            "highest_grade": grade("what ERR reckons with; that of the training labels when absent"),
        }),
    )
}

/// A number, or how to choose it.
fn threshold() -> Value {
    let choosing: Vec<&str> =
        METRICS.iter().filter(|metric| metric.reads() == Reads::Labels).map(|metric| metric.name()).collect();
    let chosen = object(
        &["choose"],
        &json!({
            "choose": {"enum": choosing, "description": "the metric that it is best for on the validation rows"},
            "min_precision": share("the least precision of the positive class"),
            "min_recall": share("the least recall of the positive class"),
        }),
    );
    json!({"default": 0.5, "anyOf": [{"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, chosen]})
}

fn names<T: Named + ?Sized>(catalog: &[&T]) -> Vec<&'static str> {
    catalog.iter().map(|entry| entry.name()).collect()
}

/// The gate; also what a policy file holds.
fn promotion(metric: &Value) -> Value {
    let number = |about: &str| json!({"type": "number", "description": about});
    let count = |about: &str| json!({"type": "integer", "minimum": 0, "description": about});
    let mut rule = object(
        &["metric"],
        &json!({
            "metric": metric, "min": number("the least value that passes"), "max": number("the largest"),
            "bound": {"enum": ["point", "lower", "upper"], "default": "point",
                "description": "the value itself, or an end of its 95 % interval"},
        }),
    );
    rule["anyOf"] = json!([{"required": ["min"]}, {"required": ["max"]}]);
    let versus = object(
        &["metric"],
        &json!({
            "metric": metric,
            "mode": {"enum": ["superiority", "non_inferiority", "minimum_effect"], "default": "superiority"},
            "margin": number("how much worse is still the same, for non_inferiority"),
            "min_effect": number("how much better is worth a change, for minimum_effect"),
            "alpha": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.5, "default": 0.05},
        }),
    );
    let subgroup = object(
        &["column", "metric"],
        &json!({
            "column": text("one of `evaluation.subgroups`"), "metric": metric,
            "min": number("the least value in each subgroup"), "max": number("the largest"),
            "max_drop": number("how much worse than production's, on the same rows"),
            "min_rows": count("smaller subgroups are not judged; 30 when absent"),
        }),
    );
    let ratio = number("the candidate's over production's, at most");
    let one_or_more = |item: &Value| json!({"anyOf": [item, {"type": "array", "items": item}]});
    object(
        &[],
        &json!({
            "to": {"enum": ["production", "staging"]},
            "require": one_or_more(&rule),
            "versus_production": one_or_more(&versus),
            "guardrails": object(&[], &json!({
                "subgroups": one_or_more(&subgroup),
                "calibration": object(&["max_ece"], &json!({"max_ece": number("the largest calibration error")})),
                "latency": object(&["max_ratio"], &json!({"max_ratio": ratio,
                    "quantile": {"enum": ["p50", "p95", "p99"], "default": "p95"},
                    "batch": {"type": "integer", "minimum": 1, "maximum": 10_000, "default": 1}})),
                "size": object(&[], &json!({"max_mb": number("megabytes at most"), "max_ratio": ratio})),
            })),
            "minimum": object(&[], &json!({
                "rows": count("test rows at least"), "positives": count("positive test rows at least"),
                "queries": count("test queries of a ranking at least"),
            })),
            "inconclusive": {"enum": ["refuse", "promote"], "default": "refuse"},
            "otherwise": {"enum": ["staging", "none"], "default": "staging"},
        }),
    )
}

fn drift() -> Value {
    let usual = Settings::default();
    object(
        &[],
        &json!({
            "columns": texts("columns that are watched beside the model's inputs"),
            "statistic": {"enum": names(STATISTICS), "default": usual.statistic},
            "alpha": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.5, "default": usual.alpha,
                "description": "the chance of a false alarm in one check, over all columns"},
            "effect_floor": {"type": "number", "minimum": 0, "description": "smaller drift is none; the statistic's own when absent"},
            "window": {"type": "integer", "minimum": 2, "maximum": 10_000_000, "default": usual.window},
            "rule": {"enum": Rule::NAMES.map(|(name, _)| name), "default": usual.rule.name()},
        }),
    )
}

/// `notify:`, a list of channels.
#[must_use]
pub fn notify() -> Value {
    let events: Vec<&str> = NotifyEvent::ALL.map(NotifyEvent::name).to_vec();
    let url = json!({"description": "the address, a secret: `${NAME}` or a file keeps it out of git", "anyOf": [
        {"type": "string", "minLength": 1},
        object(&["url"], &json!({"url": text("the address, or `${NAME}`")})),
        object(&["url_file"], &json!({"url_file": text("a file whose first line is the address")})),
    ]});
    let mut channel = object(
        &[],
        &json!({
            "slack": url, "teams": url, "webhook": url,
            "command": texts("a program and its arguments; it reads the notice as JSON on stdin"),
            "headers": {"type": "object", "additionalProperties": {"type": "string"},
                "description": "more headers of a webhook; values may hold `${NAME}`"},
            "on": {"description": "the events that it wants; all when absent", "anyOf": [
                {"enum": events}, {"type": "array", "items": {"enum": events}, "minItems": 1, "uniqueItems": true}]},
            "timeout_seconds": {"type": "integer", "minimum": 1, "maximum": 600, "default": 15},
            "attempts": {"type": "integer", "minimum": 1, "maximum": 10, "default": 3},
        }),
    );
    let kinds = ["slack", "teams", "webhook", "command"];
    channel["oneOf"] = kinds.iter().map(|kind| json!({"required": [kind]})).collect();
    channel["dependentSchemas"] = json!({"headers": {"required": ["webhook"]}});
    json!({"anyOf": [channel, {"type": "array", "items": channel}]})
}

/// The JSON Schema of a file of channels: a list, or one under `notify:`.
#[must_use]
pub fn notify_file() -> Value {
    let list = notify();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mlops channels for notices",
        "anyOf": [
            {"type": "object", "required": ["notify"], "properties": {"notify": list}},
            {"type": "array", "items": list["anyOf"][0]},
        ],
    })
}

/// The JSON Schema (draft 2020-12) of an experiment config.
#[must_use]
pub fn schema() -> Value {
    let steps: Vec<Value> = STEPS
        .iter()
        .map(|step| {
            let mut of_step = params(step.params());
            of_step["description"] = step.about().into();
            object(&[step.name()], &json!({step.name(): of_step}))
        })
        .chain([json!({"enum": names(STEPS)})])
        .collect();
    let kinds: Vec<Value> = FAMILIES
        .iter()
        .map(|family| {
            json!({"if": {"properties": {"kind": {"const": family.name()}}},
                   "then": {"properties": {"params": params(family.params())}}})
        })
        .collect();
    let loops: Vec<Value> = FAMILIES
        .iter()
        .map(|family| {
            json!({"if": {"properties": {"model": {"properties": {"kind": {"const": family.name()}}}}},
                   "then": {"properties": {"training": params(family.training())}}})
        })
        .collect();
    let metric = json!({"anyOf": [{"enum": names(METRICS)}, ranking_metric()]});
    let mut model = object(
        &["kind"],
        &json!({
            "name": text("the registered model; the experiment's name when absent"),
            "kind": {"enum": names(FAMILIES)},
            "params": {"type": ["object", "null"]},
        }),
    );
    model["allOf"] = kinds.into();
    let mut root = object(
        &["experiment", "data", "model"],
        &json!({
            "experiment": object(&["name"], &json!({
                "name": text("a folder name"), "description": text("one line for people"),
                "tags": {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}},
            })),
            "seed": {"type": "integer", "minimum": 0, "default": 42},
            "seeds": {"type": "array", "items": {"type": "integer", "minimum": 0}, "uniqueItems": true,
                "description": "a run and a version for each; `seed` then only draws the split"},
            "task": {"enum": Task::ALL.map(Task::name)},
            "data": data(),
            "features": {"type": "array", "items": {"anyOf": steps}},
            "model": model,
            "training": {"type": ["object", "null"]},
            "evaluation": object(&[], &json!({
                "metrics": {"anyOf": [metric, {"type": "array", "items": metric}]}, "primary": metric,
                "bootstrap": {"type": "integer", "minimum": 0, "maximum": 100_000, "default": 1000},
                "threshold": threshold(),
                "ranking": ranking(),
                "subgroups": texts("columns whose values get metrics of their own on the test rows"),
            })),
            "promotion": promotion(&metric),
            "drift": drift(),
        }),
    );
    root["allOf"] = loops.into_iter().chain([by_task()]).collect();
    root["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    root["title"] = "mlops experiment config".into();
    root
}

/// The entries of a catalog: name and explanation, with parameters where there are any.
///
/// # Errors
/// `Invalid` when there is no such catalog.
pub fn list(catalog: &str) -> crate::error::Result<Vec<Entry>> {
    fn plain<T: Named + ?Sized>(catalog: &[&T]) -> Vec<Entry> {
        catalog.iter().map(|entry| (entry.name(), entry.about(), &[][..])).collect()
    }
    Ok(match catalog {
        "models" => FAMILIES.iter().map(|entry| (entry.name(), entry.about(), entry.params())).collect(),
        "training" => FAMILIES
            .iter()
            .filter(|entry| !entry.training().is_empty())
            .map(|entry| (entry.name(), entry.about(), entry.training()))
            .collect(),
        "features" => STEPS.iter().map(|entry| (entry.name(), entry.about(), entry.params())).collect(),
        "metrics" => [plain(METRICS), plain(RANKING_METRICS)].concat(),
        "sources" => plain(SOURCES),
        "statistics" => plain(STATISTICS),
        other => {
            return Err(crate::error::Error::invalid(format!("there is no list `{other}`")).hint(
                crate::catalog::known_hint(
                    other,
                    ["models", "training", "features", "metrics", "sources", "statistics"],
                ),
            ));
        }
    })
}

/// A catalog entry: its name, what it is, its parameters.
pub type Entry = (&'static str, &'static str, &'static [Param]);
