//! `promotion:`, the gate: what a version must show before it goes to production. A policy file
//! (`mlops promote --policy gate.yaml`) holds the same keys at its root and stands in for the config's section.
//!
//! Every number is judged on the candidate's test rows. Against production the two versions are paired row by row on
//! rows that both have answered, rankings query by query; see `workflows/gate`. A config knows its task, and its rules
//! may name that task's metrics only; a policy file may stand before models of both.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::decode::Fields;
use super::evaluation::METRIC;
use super::field::{Kind, Limits, Only, Preset, Words, is_default};
use super::schema_parts::metric;
use super::section::section;
use super::value::choice;
use crate::catalog::find;
use crate::data::Task;
use crate::error::{Error, Result};
use crate::metrics::{METRICS, name};
use crate::tracking::Stage;

const NOT_NEGATIVE: Kind = Kind::Number(Limits::at_least(0.0, "must be at least 0, got {}"));
const NUMBER: Kind = Kind::Number(Limits::NONE);
const COUNT: Kind = Kind::Whole(Limits::NONE);

/// One of a few words, which may be written in capitals.
const fn word(allowed: &'static [&'static str], message: &'static str) -> Kind {
    Kind::Word(Words { allowed, message, any_case: true })
}

section! {
    /// The gate: what a version must show before it goes to production.
    PROMOTION: PromotionSection derive(Serialize) {
        /// The stage that a passed gate leads to.
        to: GateStage, word(&["production", "staging"], "`{}` is not a stage here");
        /// All must hold, on the test metrics.
        require: Vec<Require>, Kind::List(&Kind::Section(&REQUIRE));
        /// All must hold, against the version in production; nothing to hold against is no reason to refuse.
        versus_production: Vec<Versus>, Kind::List(&Kind::Section(&VERSUS)), omit "Vec::is_empty";
        /// What must not get worse while the main metric gets better.
        guardrails: Guardrails, Kind::Section(&GUARDRAILS), omit "is_default";
        /// How many rows the answer must rest on.
        minimum: Minimum, Kind::Section(&MINIMUM), omit "is_default";
        /// What an inconclusive answer means.
        inconclusive: Inconclusive, word(&["refuse", "promote"], "`{}` is not an answer here");
        /// The stage when the gate refuses.
        otherwise: GateStage, word(&["staging", "none"], "`{}` is not a stage here");
    }
}

/// A stage that a gate leads to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GateStage {
    /// The version in use.
    #[default]
    Production,
    /// A candidate.
    Staging,
    /// No stage.
    None,
}

impl GateStage {
    /// The word in configs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Staging => "staging",
            Self::None => "none",
        }
    }

    /// The stage of a version.
    #[must_use]
    pub fn stage(self) -> Stage {
        match self {
            Self::Production => Stage::Production,
            Self::Staging => Stage::Staging,
            Self::None => Stage::None,
        }
    }
}

/// What an inconclusive answer means: refusal (exit code 5) or promotion.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Inconclusive {
    /// The version stays where it is.
    #[default]
    Refuse,
    /// The version is promoted.
    Promote,
}

section! {
    /// One line of a gate: a bound on a metric.
    REQUIRE: Require derive(Serialize), check check_require, refine min_or_max {
        /// The metric.
        metric: String, METRIC, required "the metric of this rule";
        /// The least value that passes.
        min: Option<f64>, NUMBER, omit "Option::is_none";
        /// The largest value that passes.
        max: Option<f64>, NUMBER, omit "Option::is_none";
        /// What is held against the bound: the value itself, or the end of its 95 % interval.
        bound: Bound, word(&["point", "lower", "upper"], "`{}` is not a bound here"), omit "is_default";
    }
}

/// What of an estimate is held against a bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bound {
    /// The value over all rows.
    #[default]
    Point,
    /// The lower end of the 95 % interval, against `min`.
    Lower,
    /// The upper end of the 95 % interval, against `max`.
    Upper,
}

/// What a candidate must show against production.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Better: the lower bound of the gain is above 0.
    #[default]
    Superiority,
    /// Not worse by the margin or more: the lower bound of the gain is above −margin.
    NonInferiority,
    /// Better by at least so much: the lower bound of the gain is above 0 and the gain itself at least `min_effect`.
    MinimumEffect,
}

section! {
    /// A comparison with the version in production.
    VERSUS: Versus derive(Serialize), check check_versus {
        /// The metric.
        metric: String, METRIC, required "the metric of this rule";
        /// What must be shown.
        mode: Mode, word(&["superiority", "non_inferiority", "minimum_effect"], "`{}` is not a mode here");
        /// How much worse is still the same, for `non_inferiority`.
        margin: Option<f64>, NOT_NEGATIVE, omit "Option::is_none";
        /// How much better is worth a change, for `minimum_effect`.
        min_effect: Option<f64>, NOT_NEGATIVE, omit "Option::is_none";
        /// The chance of promoting an equal version that is accepted; one-sided.
        alpha: f64, Kind::Number(Limits::inside(0.0, 0.5, "must lie between 0 and 0.5, got {}")),
            preset Preset::Number(0.05);
    }
}

section! {
    /// What must not get worse.
    GUARDRAILS: Guardrails derive(Default, Serialize) {
        /// Metrics of each value of a column.
        subgroups: Vec<SubgroupRule>, Kind::List(&Kind::Section(&SUBGROUP)),
            only Only::classification("ranking has no metrics by subgroup", Some("remove it")), omit "Vec::is_empty";
        /// The calibration error.
        calibration: Option<CalibrationRule>, Kind::Section(&CALIBRATION), only Only::classification(
            "ranking has no calibration: its scores are no probabilities", Some("remove it")
        ), omit "Option::is_none";
        /// The time of one answer.
        latency: Option<LatencyRule>, Kind::Section(&LATENCY), omit "Option::is_none";
        /// The bytes of the version's folder.
        size: Option<SizeRule>, Kind::Section(&SIZE), omit "Option::is_none";
    }
}

/// A metric of classification: rankings have no subgroups.
const SUBGROUP_METRIC: Kind = Kind::Name {
    label: "metric of classification",
    check: |written, _| name(Task::default(), written),
    schema: metric,
};

section! {
    /// A metric that must hold in every subgroup of a column.
    SUBGROUP: SubgroupRule derive(Serialize), check check_subgroup {
        /// The column; one of `evaluation.subgroups`.
        column: String, Kind::Text, required "the column whose values are the subgroups";
        /// The metric.
        metric: String, SUBGROUP_METRIC, required "the metric of this rule";
        /// The least value that passes.
        min: Option<f64>, NUMBER, omit "Option::is_none";
        /// The largest value that passes.
        max: Option<f64>, NUMBER, omit "Option::is_none";
        /// How much worse than production's a subgroup's value may be, on the same rows.
        max_drop: Option<f64>, NOT_NEGATIVE, omit "Option::is_none";
        /// Subgroups of fewer rows are not judged.
        min_rows: u64, COUNT, preset Preset::Whole(30);
    }
}

section! {
    /// A bound on the calibration error.
    CALIBRATION: CalibrationRule derive(Serialize) {
        /// The largest expected calibration error.
        max_ece: f64, NOT_NEGATIVE, required "the largest calibration error";
    }
}

section! {
    /// A bound on latency against production, both measured in the same process.
    LATENCY: LatencyRule derive(Serialize) {
        /// The candidate's time over production's, at most.
        max_ratio: f64, NOT_NEGATIVE, required "the candidate's time over production's, at most";
        /// The quantile that is compared.
        quantile: Quantile, word(&["p95", "p50", "p99"], "`{}` is not a quantile here");
        /// Rows of one call.
        batch: u64, Kind::Whole(Limits::between(1.0, 1e4, "a batch has 1 to 10,000 rows, got {}")),
            preset Preset::Whole(1);
    }
}

/// A quantile of times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quantile {
    /// The median.
    P50,
    /// Nineteen of twenty are faster.
    #[default]
    P95,
    /// Ninety-nine of a hundred are faster.
    P99,
}

impl Quantile {
    /// The word in configs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P95 => "p95",
            Self::P99 => "p99",
        }
    }
}

section! {
    /// A bound on size.
    SIZE: SizeRule derive(Serialize), check check_size {
        /// Megabytes (10⁶ bytes) at most.
        max_mb: Option<f64>, NOT_NEGATIVE, omit "Option::is_none";
        /// The candidate's bytes over production's, at most.
        max_ratio: Option<f64>, NOT_NEGATIVE, omit "Option::is_none";
    }
}

section! {
    /// How many rows the answer must rest on.
    MINIMUM: Minimum derive(Default, Eq, Serialize) {
        /// Test rows; of a ranking, documents.
        rows: Option<u64>, COUNT, omit "Option::is_none";
        /// Test rows of the positive class; of the smallest class where there are not two; of a ranking, relevant
        /// documents.
        positives: Option<u64>, COUNT,
            only Only::classification("ranking has no positive rows", Some("remove it")), omit "Option::is_none";
        /// Test queries of a ranking.
        queries: Option<u64>, COUNT, only Only::ranking(
            "a classification has no queries", Some("`rows` and `positives` count its rows")
        ), omit "Option::is_none";
    }
}

choice!(GateStage, Inconclusive, Bound, Mode, Quantile);

/// What calibration and subgroups are to a ranking.
const NO_PROBABILITIES: &str = "a ranking has scores, no probabilities: there is nothing to calibrate";
const NO_SUBGROUPS: &str = "the metrics of a ranking are of queries: there are no subgroups of documents";

impl PromotionSection {
    /// Holds the rules against the task of a model: a policy file does not know it beforehand.
    ///
    /// # Errors
    /// `Invalid`, naming the first rule that the task does not have.
    pub fn check_task(&self, task: Task) -> Result<()> {
        let require = self.require.iter().map(|rule| &rule.metric);
        let versus = self.versus_production.iter().map(|rule| &rule.metric);
        require.chain(versus).try_for_each(|metric| name(task, metric).map(|_| ()))?;
        let rails = &self.guardrails;
        let what = if self.minimum.queries.is_some() && !MINIMUM.field("queries").is_of(task) {
            "`minimum.queries`: a classification has no queries".to_owned()
        } else if rails.calibration.is_some() && !GUARDRAILS.field("calibration").is_of(task) {
            format!("`guardrails.calibration`: {NO_PROBABILITIES}")
        } else if !rails.subgroups.is_empty() && !GUARDRAILS.field("subgroups").is_of(task) {
            format!("`guardrails.subgroups`: {NO_SUBGROUPS}")
        } else {
            return Ok(());
        };
        Err(Error::invalid(what).hint("leave the rule out, or give models of each task a policy of their own"))
    }
}

fn min_or_max(schema: &mut Json) {
    schema["anyOf"] = json!([{"required": ["min"]}, {"required": ["max"]}]);
}

fn check_require(rule: &mut Require, fields: &Fields<'_, '_>) {
    let (min, max, at) = (fields.at("min").is_given(), fields.at("max").is_given(), fields.at("bound"));
    if rule.min.zip(rule.max).is_some_and(|(min, max)| min > max) {
        fields.own().problem("`min` is above `max`: no value can pass", None);
    }
    if !min && !max {
        fields.own().problem("a rule needs `min` or `max`", Some("{metric: f1, min: 0.55}".into()));
    }
    let lost = match rule.bound {
        Bound::Lower if max => Some("`bound: lower` goes with `min` alone"),
        Bound::Upper if min => Some("`bound: upper` goes with `max` alone"),
        _ => None,
    };
    if let Some(lost) = lost {
        at.problem(lost, Some("write two rules".into()));
    }
    if rule.bound != Bound::Point && find("metric", METRICS, &rule.metric).is_ok_and(|metric| !metric.has_interval()) {
        at.problem(format!("`{}` has no interval: nothing can be said about its bounds", rule.metric), None);
    }
}

fn check_versus(rule: &mut Versus, fields: &Fields<'_, '_>) {
    match (rule.mode, rule.margin, rule.min_effect) {
        (Mode::NonInferiority, None, _) => {
            fields.own().problem("`mode: non_inferiority` needs `margin`", Some("margin: 0.01".into()));
        }
        (Mode::MinimumEffect, _, None) => {
            fields.own().problem("`mode: minimum_effect` needs `min_effect`", Some("min_effect: 0.01".into()));
        }
        (Mode::Superiority | Mode::MinimumEffect, Some(_), _) => {
            fields.at("margin").problem("`margin` goes with `mode: non_inferiority`", None);
        }
        (Mode::Superiority | Mode::NonInferiority, _, Some(_)) => {
            fields.at("min_effect").problem("`min_effect` goes with `mode: minimum_effect`", None);
        }
        _ => {}
    }
}

fn check_subgroup(_rule: &mut SubgroupRule, fields: &Fields<'_, '_>) {
    if !["min", "max", "max_drop"].iter().any(|bound| fields.at(bound).is_given()) {
        let hint = Some("{column: region, metric: f1, min: 0.5}".into());
        fields.own().problem("a rule needs `min`, `max` or `max_drop`", hint);
    }
}

fn check_size(rule: &mut SizeRule, fields: &Fields<'_, '_>) {
    if rule.max_mb.is_none() && rule.max_ratio.is_none() {
        fields.own().problem("`size` needs `max_mb` or `max_ratio`", Some("size: {max_mb: 50}".into()));
    }
}
