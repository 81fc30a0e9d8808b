//! A retrain config: where the newest rows come from, what they must be like, who is trained on them, what becomes of
//! the best one. Paths in it are relative to the project's root.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::decode::{At, Fields};
use super::field::{Kind, Limits, Preset, TEXTS, words};
use super::notify::{CHANNELS, NotifyChannel};
use super::overrides::Override;
use super::section::section;
use super::value::{Value, choice};
use crate::names::ExperimentName;
use crate::text::{age, wait};
use crate::timezone::check_timezone;

const TIMEZONE: Kind = Kind::Name {
    label: "time zone such as `Asia/Seoul`",
    check: |name, _| check_timezone(name),
    schema: || json!({"type": "string"}),
};

section! {
    /// Where the newest rows come from, what they must be like, who is trained on them, what becomes of the best one.
    RETRAIN: RetrainConfig derive(), check check_retrain {
        /// The name: the experiment in which retrains are recorded, and the folder of their state.
        name: ExperimentName, Kind::Text, required "the retrain's name";
        /// One line for people.
        description: String, Kind::Text;
        /// How often a retrain is made at most.
        period: Period, words(&["month", "week", "day"], "`{}` is no period");
        /// The time zone in which days, weeks and months begin.
        timezone: String, TIMEZONE, preset Preset::Text("UTC");
        /// Any of these begins a retrain.
        when: Vec<Trigger>, Kind::List(&TRIGGER), preset Preset::Other("`always`");
        /// Which rows.
        data: ExtractSection, Kind::Section(&EXTRACT);
        /// What the rows must be like.
        validate: ValidateSection, Kind::Section(&VALIDATE);
        /// Who is trained on them.
        candidates: Vec<CandidateSection>, Kind::List(&Kind::Section(&CANDIDATE)),
            required "the experiment configs to train";
        /// A gate that stands in for that of the candidates' configs: a policy file.
        policy: Option<String>, Kind::Text;
        /// A program that must succeed after the switch.
        verify: Vec<String>, TEXTS;
        /// How long it may take.
        verify_timeout_ms ["verify_timeout"]: u64, Kind::Duration(wait), preset Preset::Text("5m");
        /// Which versions go at the end.
        prune: Option<PruneSection>, Kind::SectionOrFalse(&PRUNE), preset Preset::Section;
        /// Where Prometheus' `node_exporter` finds the numbers.
        textfile_dir: Option<String>, Kind::Text;
        /// Who is told.
        notify: Vec<NotifyChannel>, CHANNELS;
    }
}

/// How often a retrain is made at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Period {
    /// Once a day, UTC.
    Day,
    /// Once a week, from Monday, UTC.
    Week,
    /// Once a month, UTC.
    #[default]
    Month,
}

impl Period {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }
}

choice!(Period);

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

const TRIGGER: Kind = Kind::Custom("`always`, `drift` or `new_rows >= 500`", trigger_schema);

fn trigger_schema() -> Json {
    json!({"anyOf": [
        {"enum": ["always", "drift"]},
        {"type": "string", "pattern": "^\\s*new_rows\\s+>=\\s+[0-9_,]+\\s*$"},
    ]})
}

impl Value for Trigger {
    fn read(at: &At<'_, '_>, _kind: &Kind) -> Option<Self> {
        let text = at.text()?;
        let read = trigger(text.trim());
        read.map_err(|why| at.refuse(why, Some("`always`, `drift` or `new_rows >= 500`".into()))).ok()
    }

    fn nothing(_at: &At<'_, '_>) -> Self {
        Self::Always
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

section! {
    /// Which rows a retrain takes.
    EXTRACT: ExtractSection derive(Default), check check_extract {
        /// A path, a glob, or `format:path`.
        source: Option<String>, Kind::Text, preset Preset::Other("the first candidate's");
        /// The query, for databases.
        query: Option<String>, Kind::Text;
        /// The column of times by which the latest rows are known.
        latest_by: Option<String>, Kind::Text;
        /// So many of the latest rows at most.
        limit: Option<u64>, Kind::Whole(Limits::at_least(1.0, "at least one row is needed"));
        /// The folder of the snapshots.
        snapshots: String, Kind::Text, preset Preset::Text("data/snapshots");
    }
}

const RATE: Kind = Kind::Number(Limits::between(0.0, 1.0, "a share lies between 0 and 1, got {}"));

section! {
    /// What the rows must be like.
    VALIDATE: ValidateSection derive() {
        /// Rows at least.
        min_rows: u64, Kind::Whole(Limits::NONE), preset Preset::Whole(100);
        /// Rows of each class at least.
        min_per_class: u64, Kind::Whole(Limits::NONE), preset Preset::Whole(10);
        /// The share of nulls at most, by column.
        max_null_rate: BTreeMap<String, f64>, Kind::Map(&RATE, Some("the largest share of nulls"));
        /// The classes that must be there, and no others.
        classes: Vec<String>, Kind::List(&Kind::Label);
    }
}

section! {
    /// Who is trained.
    CANDIDATE: CandidateSection derive(), short "config" {
        /// The experiment config.
        config: String, Kind::Text, required "the candidate's experiment config";
        /// What is set in it, as `--set` does.
        set: Vec<Override>, Kind::Custom("mapping to values", || json!({"type": "object"}));
    }
}

impl Value for Vec<Override> {
    fn read(at: &At<'_, '_>, _kind: &Kind) -> Option<Self> {
        let mut overrides = Self::new();
        for (key, (value, at)) in at.free_map() {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            match Override::parse(&format!("{key}={value}")) {
                Ok(given) => overrides.push(given),
                Err(error) => at.problem(error.message, error.hint),
            }
        }
        Some(overrides)
    }

    fn nothing(_at: &At<'_, '_>) -> Self {
        Self::new()
    }
}

section! {
    /// Which versions go at the end of a retrain.
    PRUNE: PruneSection derive(Copy, Eq) {
        /// Versions made so long ago or earlier.
        older_than_ms ["older_than"]: i64, Kind::Duration(age), preset Preset::Text("180d");
        /// But never the last so many.
        keep_last: usize, Kind::Whole(Limits::NONE), preset Preset::Whole(3);
    }
}

fn check_extract(section: &mut ExtractSection, fields: &Fields<'_, '_>) {
    if section.limit.is_some() && section.latest_by.is_none() && section.query.is_none() {
        let hint = "latest_by: created_at (or a `query` that orders its rows, the latest first)".to_owned();
        fields.at("limit").problem("which rows are the latest is not said", Some(hint));
    }
    if fields.at("query").is_given() && section.source.is_none() {
        fields.at("query").problem("a query needs its `source`", Some("source: data/reviews.db".into()));
    }
}

fn check_retrain(config: &mut RetrainConfig, fields: &Fields<'_, '_>) {
    let candidates = fields.at("candidates");
    if candidates.is_given() && config.candidates.is_empty() {
        candidates.problem("a retrain needs a candidate", Some("[experiments/reviews_lr/config.yaml]".into()));
    }
    if config.when.is_empty() {
        config.when.push(Trigger::Always);
    }
}
