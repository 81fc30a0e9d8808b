//! A retrain config: where the newest rows come from, what they must be like, who is trained on them, what becomes of the
//! best one. Paths in it are relative to the project's root.

use std::collections::BTreeMap;

use super::decode::At;
use super::load::Override;
use super::notify::{NotifyChannel, decode_notify};
use crate::catalog::known_hint;
use crate::names::ExperimentName;
use crate::text::{age, wait};

/// A whole retrain config.
#[derive(Debug, Clone, PartialEq)]
pub struct RetrainConfig {
    /// The name: the experiment in which retrains are recorded, and the folder of their state.
    pub name: ExperimentName,
    /// One line for people.
    pub description: String,
    /// How often at most.
    pub period: Period,
    /// The time zone in which days, weeks and months begin.
    pub timezone: String,
    /// Any of these begins a retrain.
    pub when: Vec<Trigger>,
    /// Which rows.
    pub data: ExtractSection,
    /// What the rows must be like.
    pub validate: ValidateSection,
    /// Who is trained on them.
    pub candidates: Vec<CandidateSection>,
    /// A gate that stands in for that of the candidates' configs.
    pub policy: Option<String>,
    /// A program that must succeed after the switch.
    pub verify: Vec<String>,
    /// Milliseconds that it may take.
    pub verify_timeout_ms: u64,
    /// Which versions go at the end.
    pub prune: Option<PruneSection>,
    /// Where Prometheus' `node_exporter` finds the numbers.
    pub textfile_dir: Option<String>,
    /// Who is told.
    pub notify: Vec<NotifyChannel>,
}

/// How often a retrain is made at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// Once a day, UTC.
    Day,
    /// Once a week, from Monday, UTC.
    Week,
    /// Once a month, UTC.
    Month,
}

/// What begins a retrain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// The period alone.
    Always,
    /// The rule over the model's drift events.
    Drift,
    /// So many rows that production has not seen.
    NewRows(u64),
}

/// `data:`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExtractSection {
    /// A path, a glob, or `format:path`; the first candidate's when absent.
    pub source: Option<String>,
    /// The query, for databases.
    pub query: Option<String>,
    /// The column of times by which the latest rows are known.
    pub latest_by: Option<String>,
    /// So many of the latest rows at most.
    pub limit: Option<u64>,
    /// The folder of the snapshots.
    pub snapshots: String,
}

/// `validate:`.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidateSection {
    /// Rows at least.
    pub min_rows: u64,
    /// Rows of each class at least.
    pub min_per_class: u64,
    /// The share of nulls at most, by column.
    pub max_null_rate: BTreeMap<String, f64>,
    /// The classes that must be there, and no others.
    pub classes: Vec<String>,
}

/// One candidate.
#[derive(Debug, Clone, PartialEq)]
pub struct CandidateSection {
    /// Its experiment config.
    pub config: String,
    /// What is set in it, as `--set` does.
    pub set: Vec<String>,
}

/// `prune:`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PruneSection {
    /// Versions made so many milliseconds ago or earlier.
    pub older_than_ms: i64,
    /// But never the last so many.
    pub keep_last: usize,
}

impl Period {
    const NAMES: [(&str, Self); 3] = [("month", Self::Month), ("week", Self::Week), ("day", Self::Day)];

    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, period)| *period == self).map_or("month", |(name, _)| name)
    }
}

fn trigger(text: &str) -> Result<Trigger, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        ["always"] => Ok(Trigger::Always),
        ["drift"] => Ok(Trigger::Drift),
        ["new_rows", ">=", number] => {
            let number = number.replace(['_', ','], "");
            number.parse().map(Trigger::NewRows).map_err(|_| format!("`{number}` is no number of rows"))
        }
        _ => Err(format!("`{text}` begins no retrain")),
    }
}

fn decode_when(at: &At<'_, '_>) -> Vec<Trigger> {
    let mut found = Vec::new();
    for item in at.items() {
        let Some(text) = item.text() else { continue };
        match trigger(text.trim()) {
            Ok(trigger) => found.push(trigger),
            Err(why) => item.problem(why, Some("`always`, `drift` or `new_rows >= 500`".into())),
        }
    }
    if found.is_empty() { vec![Trigger::Always] } else { found }
}

fn decode_period(at: &At<'_, '_>) -> Period {
    let Some(word) = at.text() else { return Period::Month };
    if let Some((_, period)) = Period::NAMES.iter().find(|(name, _)| *name == word) {
        return *period;
    }
    at.problem(format!("`{word}` is no period"), Some(known_hint(&word, Period::NAMES.map(|(name, _)| name))));
    Period::Month
}

fn decode_extract(at: &At<'_, '_>) -> ExtractSection {
    let mut fields = at.fields();
    let (query, latest_by, limit) = (fields.get("query"), fields.get("latest_by"), fields.get("limit"));
    let section = ExtractSection {
        source: fields.get("source").text(),
        query: query.text(),
        latest_by: latest_by.text(),
        limit: limit.whole(),
        snapshots: fields.get("snapshots").text().unwrap_or_else(|| "data/snapshots".into()),
    };
    fields.finish();
    if section.limit == Some(0) {
        limit.problem("at least one row is needed", None);
    }
    if section.limit.is_some() && section.latest_by.is_none() && section.query.is_none() {
        let hint = "latest_by: created_at (or a `query` that orders its rows, the latest first)".to_owned();
        limit.problem("which rows are the latest is not said", Some(hint));
    }
    if query.is_given() && section.source.is_none() {
        query.problem("a query needs its `source`", Some("source: data/reviews.db".into()));
    }
    section
}

fn decode_validate(at: &At<'_, '_>) -> ValidateSection {
    let mut fields = at.fields();
    let mut rates = BTreeMap::new();
    for (column, (_, rate)) in fields.get("max_null_rate").free_map() {
        match rate.number() {
            Some(share) if (0.0..=1.0).contains(&share) => {
                rates.insert(column, share);
            }
            Some(share) => rate.problem(format!("a share lies between 0 and 1, got {share}"), None),
            None => rate.require("the largest share of nulls"),
        }
    }
    let section = ValidateSection {
        min_rows: fields.get("min_rows").whole().unwrap_or(100),
        min_per_class: fields.get("min_per_class").whole().unwrap_or(10),
        max_null_rate: rates,
        classes: fields.get("classes").texts(),
    };
    fields.finish();
    section
}

fn decode_candidate(item: &At<'_, '_>) -> Option<CandidateSection> {
    if let Some(super::yaml::Value::Text(config)) = item.node.map(|node| &node.value) {
        return Some(CandidateSection { config: config.clone(), set: Vec::new() });
    }
    let mut fields = item.fields();
    let config = fields.get("config");
    config.require("the candidate's experiment config");
    let set = fields.get("set");
    let mut given = Vec::new();
    for (key, (value, _)) in set.free_map() {
        let text = match value {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        given.push(format!("{key}={text}"));
    }
    fields.finish();
    Some(CandidateSection { config: config.text()?, set: given })
}

fn decode_prune(at: &At<'_, '_>) -> Option<PruneSection> {
    if at.node.is_some_and(|node| node.value == super::yaml::Value::Bool(false)) {
        return None;
    }
    let mut fields = at.fields();
    let older = fields.get("older_than");
    let text = older.text().unwrap_or_else(|| "180d".into());
    let older_than_ms = age(&text).unwrap_or_else(|why| {
        older.problem(why, None);
        0
    });
    let keep_last = fields.get("keep_last").whole().unwrap_or(3);
    fields.finish();
    Some(PruneSection { older_than_ms, keep_last: usize::try_from(keep_last).unwrap_or(usize::MAX) })
}

/// Reads the whole config; every problem is noted with the decoder.
pub(super) fn decode(root: &At<'_, '_>) -> Option<RetrainConfig> {
    let mut fields = root.fields();
    let name = fields.get("name");
    name.require("the retrain's name");
    let candidates_at = fields.get("candidates");
    candidates_at.require("the experiment configs to train");
    let candidates: Vec<CandidateSection> = candidates_at.items().iter().filter_map(decode_candidate).collect();
    if candidates_at.is_given() && candidates.is_empty() {
        candidates_at.problem("a retrain needs a candidate", Some("[experiments/reviews_lr/config.yaml]".into()));
    }
    for candidate in &candidates {
        for set in &candidate.set {
            if let Err(error) = Override::parse(set) {
                candidates_at.problem(error.message, error.hint);
            }
        }
    }
    let verify = fields.get("verify");
    let timeout = fields.get("verify_timeout");
    let verify_timeout = wait(&timeout.text().unwrap_or_else(|| "5m".into())).unwrap_or_else(|why| {
        timeout.problem(why, None);
        0
    });
    let name = name.parsed(ExperimentName::parse);
    let config = RetrainConfig {
        description: fields.get("description").text().unwrap_or_default(),
        period: decode_period(&fields.get("period")),
        timezone: fields.get("timezone").text().unwrap_or_else(|| "UTC".into()),
        when: decode_when(&fields.get("when")),
        data: decode_extract(&fields.get("data")),
        validate: decode_validate(&fields.get("validate")),
        candidates,
        policy: fields.get("policy").text(),
        verify: verify.texts(),
        verify_timeout_ms: verify_timeout.unsigned_abs(),
        prune: decode_prune(&fields.get("prune")),
        textfile_dir: fields.get("textfile_dir").text(),
        notify: decode_notify(&fields.get("notify")),
        name: name?,
    };
    fields.finish();
    Some(config)
}
