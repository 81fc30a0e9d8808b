//! A retrain config: where the newest rows come from, what they must be like, who is trained on them, what becomes of the
//! best one. Paths in it are relative to the project's root.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::decode::{At, Fields};
use super::field::{Field, Kind, Limits, Preset, Section, TEXTS, words};
use super::notify::{CHANNELS, NotifyChannel};
use super::overrides::Override;
use super::section::section;
use super::value::{Value, choice};
use crate::names::ExperimentName;
use crate::text::{age, wait};

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
        timezone: String, Kind::Text, preset Preset::Text("UTC");
        /// Any of these begins a retrain.
        when: Vec<Trigger>, Kind::List(&TRIGGER), preset Preset::Other("`always`");
        /// Which rows.
        data: ExtractSection, Kind::Section(&EXTRACT);
        /// What the rows must be like.
        validate: ValidateSection, Kind::Section(&VALIDATE);
        /// Who is trained on them.
        candidates: Vec<CandidateSection>, Kind::List(&CANDIDATE_KIND), required "the experiment configs to train";
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

/// One candidate.
#[derive(Debug, Clone, PartialEq)]
pub struct CandidateSection {
    /// Its experiment config.
    pub config: String,
    /// What is set in it, as `--set` does.
    pub set: Vec<String>,
}

const CANDIDATE_KIND: Kind = Kind::Custom("path of an experiment config, or a section with its `config`", candidate);

/// The fields of a candidate.
pub(super) static CANDIDATE: Section = Section {
    text: "Who is trained.",
    fields: &[
        Field::new("config", Kind::Text, "The experiment config.").required("the candidate's experiment config"),
        Field::new("set", Kind::Custom("mapping to values", || json!({"type": "object"})), "What is set in it."),
    ],
    refine: None,
};

fn candidate() -> Json {
    json!({"anyOf": [{"type": "string"}, CANDIDATE.schema()]})
}

impl Value for CandidateSection {
    fn read(at: &At<'_, '_>, _kind: &Kind) -> Option<Self> {
        if let Some(config) = at.as_word() {
            return Some(Self { config: config.to_owned(), set: Vec::new() });
        }
        let fields = at.section(&CANDIDATE);
        let config: String = fields.get("config");
        let written = |(key, (value, _)): (String, (Json, At<'_, '_>))| match value {
            Json::String(text) => format!("{key}={text}"),
            other => format!("{key}={other}"),
        };
        let set = fields.at("set").free_map().into_iter().map(written).collect();
        (!config.is_empty()).then_some(Self { config, set })
    }

    fn nothing(_at: &At<'_, '_>) -> Self {
        unreachable!("a list of candidates is never filled up")
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
    for set in config.candidates.iter().flat_map(|candidate| &candidate.set) {
        if let Err(error) = Override::parse(set) {
            candidates.problem(error.message, error.hint);
        }
    }
    if config.when.is_empty() {
        config.when.push(Trigger::Always);
    }
}
