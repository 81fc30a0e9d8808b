//! `promotion:`, the gate: what a version must show before it goes to production. A policy file
//! (`mlops promote --policy gate.yaml`) holds the same keys at its root and stands in for the config's section.
//!
//! Every number is judged on the candidate's test rows. Against production the two versions are paired row by row on
//! rows that both have answered, rankings query by query; see `workflows/gate`. A config knows its task, and its rules may name
//! that task's metrics only; a policy file may stand before models of both.

use serde::{Deserialize, Serialize};

use super::decode::{At, Fields};
use crate::catalog::{find, known_hint};
use crate::data::Task;
use crate::error::{Error, Result};
use crate::metrics::{METRICS, name};

/// The gate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromotionSection {
    /// The stage that a passed gate leads to.
    pub to: String,
    /// All must hold, on the test metrics.
    pub require: Vec<Require>,
    /// All must hold, against the version in production; nothing to hold against is no reason to refuse.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versus_production: Vec<Versus>,
    /// What must not get worse while the main metric gets better.
    #[serde(default, skip_serializing_if = "Guardrails::is_empty")]
    pub guardrails: Guardrails,
    /// How many rows the answer must rest on.
    #[serde(default, skip_serializing_if = "Minimum::is_empty")]
    pub minimum: Minimum,
    /// What an inconclusive answer means: `refuse` (exit code 5) or `promote`.
    #[serde(default = "refuse")]
    pub inconclusive: String,
    /// The stage when the gate refuses: `staging` or `none`.
    pub otherwise: String,
}

fn refuse() -> String {
    "refuse".into()
}

/// One line of a gate: a bound on a metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Require {
    /// The metric.
    pub metric: String,
    /// The least value that passes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The largest value that passes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// What is held against the bound: the value itself, or the end of its 95 % interval.
    #[serde(default, skip_serializing_if = "Bound::is_point")]
    pub bound: Bound,
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

impl Bound {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    fn is_point(&self) -> bool {
        *self == Self::Point
    }
}

/// What a candidate must show against production.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Better: the lower bound of the gain is above 0.
    Superiority,
    /// Not worse by the margin or more: the lower bound of the gain is above −margin.
    NonInferiority,
    /// Better by at least so much: the lower bound of the gain is above 0 and the gain itself at least `min_effect`.
    MinimumEffect,
}

impl Mode {
    const NAMES: [(&str, Self); 3] = [
        ("superiority", Self::Superiority),
        ("non_inferiority", Self::NonInferiority),
        ("minimum_effect", Self::MinimumEffect),
    ];
}

/// A comparison with the version in production.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Versus {
    /// The metric.
    pub metric: String,
    /// What must be shown.
    pub mode: Mode,
    /// How much worse is still the same, for `non_inferiority`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
    /// How much better is worth a change, for `minimum_effect`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_effect: Option<f64>,
    /// The chance of promoting an equal version that is accepted; one-sided.
    pub alpha: f64,
}

/// What must not get worse.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guardrails {
    /// Metrics of each value of a column.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subgroups: Vec<SubgroupRule>,
    /// The calibration error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<CalibrationRule>,
    /// The time of one answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<LatencyRule>,
    /// The bytes of the version's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<SizeRule>,
}

impl Guardrails {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A metric that must hold in every subgroup of a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubgroupRule {
    /// The column; one of `evaluation.subgroups`.
    pub column: String,
    /// The metric.
    pub metric: String,
    /// The least value that passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The largest value that passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// How much worse than production's a subgroup's value may be, on the same rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_drop: Option<f64>,
    /// Subgroups of fewer rows are not judged.
    pub min_rows: u64,
}

/// A bound on the calibration error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationRule {
    /// The largest expected calibration error.
    pub max_ece: f64,
}

/// A bound on latency against production, both measured in the same process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LatencyRule {
    /// The candidate's time over production's, at most.
    pub max_ratio: f64,
    /// The quantile that is compared: `p50`, `p95`, `p99`.
    pub quantile: String,
    /// Rows of one call.
    pub batch: u64,
}

/// A bound on size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SizeRule {
    /// Megabytes (10⁶ bytes) at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_mb: Option<f64>,
    /// The candidate's bytes over production's, at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ratio: Option<f64>,
}

/// How many rows the answer must rest on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Minimum {
    /// Test rows; of a ranking, documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Test rows of the positive class; of the smallest class where there are not two; of a ranking, relevant documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positives: Option<u64>,
    /// Test queries of a ranking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queries: Option<u64>,
}

impl Minimum {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

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
        let what = match task {
            Task::Classification if self.minimum.queries.is_some() => {
                "`minimum.queries`: a classification has no queries"
            }
            Task::Ranking if rails.calibration.is_some() => &format!("`guardrails.calibration`: {NO_PROBABILITIES}"),
            Task::Ranking if !rails.subgroups.is_empty() => &format!("`guardrails.subgroups`: {NO_SUBGROUPS}"),
            _ => return Ok(()),
        };
        Err(Error::invalid(what).hint("leave the rule out, or give models of each task a policy of their own"))
    }
}

/// One of a few words; another one is a problem. The first is the default.
fn word(at: &At<'_, '_>, what: &str, allowed: &[&str]) -> String {
    let word = at.text().map_or_else(|| allowed[0].to_owned(), |word| word.to_lowercase());
    if allowed.contains(&word.as_str()) {
        return word;
    }
    at.problem(format!("`{word}` is not {what} here"), Some(known_hint(&word, allowed.iter().copied())));
    allowed[0].to_owned()
}

/// The name of a metric of the catalog.
fn metric(fields: &mut Fields<'_, '_>, task: Option<Task>) -> String {
    let at = fields.get("metric");
    at.require("the metric of this rule");
    // A policy is for models of either task; a cut is of rankings, also where the name before it is none.
    let either = |written: &str| {
        if written.contains('@') {
            return name(Task::Ranking, written);
        }
        name(Task::Classification, written).or_else(|error| name(Task::Ranking, written).map_err(|_| error))
    };
    at.parsed(|written| task.map_or_else(|| either(written), |task| name(task, written))).unwrap_or_default()
}

/// A number that must not be negative.
fn not_negative(at: &At<'_, '_>) -> Option<f64> {
    let value = at.number()?;
    if value < 0.0 {
        at.problem(format!("must be at least 0, got {value}"), None);
    }
    Some(value)
}

fn decode_require(item: &At<'_, '_>, task: Option<Task>) -> Require {
    let mut fields = item.fields();
    let metric = metric(&mut fields, task);
    let (min, max) = (fields.get("min"), fields.get("max"));
    let at = fields.get("bound");
    let bound = match word(&at, "a bound", &["point", "lower", "upper"]).as_str() {
        "lower" => Bound::Lower,
        "upper" => Bound::Upper,
        _ => Bound::Point,
    };
    let rule = Require { metric, min: min.number(), max: max.number(), bound };
    fields.finish();
    if rule.min.zip(rule.max).is_some_and(|(min, max)| min > max) {
        item.problem("`min` is above `max`: no value can pass", None);
    }
    if !min.is_given() && !max.is_given() {
        item.problem("a rule needs `min` or `max`", Some("{metric: f1, min: 0.55}".into()));
    }
    let lost = match bound {
        Bound::Lower if max.is_given() => Some("`bound: lower` goes with `min` alone"),
        Bound::Upper if min.is_given() => Some("`bound: upper` goes with `max` alone"),
        _ => None,
    };
    if let Some(lost) = lost {
        at.problem(lost, Some("write two rules".into()));
    }
    if bound != Bound::Point && find("metric", METRICS, &rule.metric).is_ok_and(|metric| !metric.has_interval()) {
        at.problem(format!("`{}` has no interval: nothing can be said about its bounds", rule.metric), None);
    }
    rule
}

fn decode_versus(item: &At<'_, '_>, task: Option<Task>) -> Versus {
    let mut fields = item.fields();
    let metric = metric(&mut fields, task);
    let names = Mode::NAMES.map(|(name, _)| name);
    let mode = word(&fields.get("mode"), "a mode", &names);
    let mode = Mode::NAMES.into_iter().find(|(name, _)| *name == mode).map_or(Mode::Superiority, |(_, mode)| mode);
    let (margin, min_effect, alpha) = (fields.get("margin"), fields.get("min_effect"), fields.get("alpha"));
    let rule = Versus {
        metric,
        mode,
        margin: not_negative(&margin),
        min_effect: not_negative(&min_effect),
        alpha: alpha.number().unwrap_or(0.05),
    };
    fields.finish();
    if !(rule.alpha > 0.0 && rule.alpha < 0.5) {
        alpha.problem(format!("must lie between 0 and 0.5, got {}", rule.alpha), None);
    }
    match (mode, rule.margin, rule.min_effect) {
        (Mode::NonInferiority, None, _) => {
            item.problem("`mode: non_inferiority` needs `margin`", Some("margin: 0.01".into()));
        }
        (Mode::MinimumEffect, _, None) => {
            item.problem("`mode: minimum_effect` needs `min_effect`", Some("min_effect: 0.01".into()));
        }
        (Mode::Superiority | Mode::MinimumEffect, Some(_), _) => {
            margin.problem("`margin` goes with `mode: non_inferiority`", None);
        }
        (Mode::Superiority | Mode::NonInferiority, _, Some(_)) => {
            min_effect.problem("`min_effect` goes with `mode: minimum_effect`", None);
        }
        _ => {}
    }
    rule
}

fn decode_subgroup(item: &At<'_, '_>, task: Option<Task>) -> SubgroupRule {
    let mut fields = item.fields();
    // Of a ranking there are none, and that has been told.
    let metric = metric(&mut fields, task.filter(|task| *task == Task::Ranking).or(Some(Task::Classification)));
    let column = fields.get("column");
    column.require("the column whose values are the subgroups");
    let (min, max, max_drop) = (fields.get("min"), fields.get("max"), fields.get("max_drop"));
    let rule = SubgroupRule {
        column: column.text().unwrap_or_default(),
        metric,
        min: min.number(),
        max: max.number(),
        max_drop: not_negative(&max_drop),
        min_rows: fields.get("min_rows").whole().unwrap_or(30),
    };
    fields.finish();
    if ![&min, &max, &max_drop].iter().any(|bound| bound.is_given()) {
        item.problem("a rule needs `min`, `max` or `max_drop`", Some("{column: region, metric: f1, min: 0.5}".into()));
    }
    rule
}

/// Notes what only classes have, where the task is ranking.
fn only_classes(at: &At<'_, '_>, what: &str, task: Option<Task>) {
    if at.is_given() && task == Some(Task::Ranking) {
        at.problem(format!("ranking has no {what}"), Some("remove it".into()));
    }
}

fn decode_guardrails(at: &At<'_, '_>, task: Option<Task>) -> Guardrails {
    let mut fields = at.fields();
    let subgroups = fields.get("subgroups");
    only_classes(&subgroups, "metrics by subgroup", task);
    let subgroups = subgroups.items().iter().map(|item| decode_subgroup(item, task)).collect();
    let calibration = fields.get("calibration");
    only_classes(&calibration, "calibration: its scores are no probabilities", task);
    let calibration = calibration.is_given().then(|| {
        let mut fields = calibration.fields();
        let max = fields.get("max_ece");
        max.require("the largest calibration error");
        let rule = CalibrationRule { max_ece: not_negative(&max).unwrap_or_default() };
        fields.finish();
        rule
    });
    let latency = fields.get("latency");
    let latency = latency.is_given().then(|| {
        let mut fields = latency.fields();
        let ratio = fields.get("max_ratio");
        ratio.require("the candidate's time over production's, at most");
        let batch = fields.get("batch");
        let rule = LatencyRule {
            max_ratio: not_negative(&ratio).unwrap_or(1.0),
            quantile: word(&fields.get("quantile"), "a quantile", &["p95", "p50", "p99"]),
            batch: batch.whole().unwrap_or(1),
        };
        if rule.batch == 0 || rule.batch > 10_000 {
            batch.problem(format!("a batch has 1 to 10,000 rows, got {}", rule.batch), None);
        }
        fields.finish();
        rule
    });
    let size_at = fields.get("size");
    let size = size_at.is_given().then(|| {
        let mut fields = size_at.fields();
        let (mb, ratio) = (fields.get("max_mb"), fields.get("max_ratio"));
        let rule = SizeRule { max_mb: not_negative(&mb), max_ratio: not_negative(&ratio) };
        fields.finish();
        if rule.max_mb.is_none() && rule.max_ratio.is_none() {
            size_at.problem("`size` needs `max_mb` or `max_ratio`", Some("size: {max_mb: 50}".into()));
        }
        rule
    });
    fields.finish();
    Guardrails { subgroups, calibration, latency, size }
}

/// Reads the section; every problem is noted with the decoder. Without a task, as in a policy, metrics of both are known.
pub(super) fn decode_promotion(at: &At<'_, '_>, task: Option<Task>) -> PromotionSection {
    let mut promotion = at.fields();
    let section = PromotionSection {
        to: word(&promotion.get("to"), "a stage", &["production", "staging"]),
        require: promotion.get("require").items().iter().map(|item| decode_require(item, task)).collect(),
        versus_production: promotion
            .get("versus_production")
            .items()
            .iter()
            .map(|item| decode_versus(item, task))
            .collect(),
        guardrails: decode_guardrails(&promotion.get("guardrails"), task),
        minimum: {
            let mut fields = promotion.get("minimum").fields();
            let queries = fields.get("queries");
            if task == Some(Task::Classification) && queries.is_given() {
                let hint = "`rows` and `positives` count its rows".to_owned();
                queries.problem("a classification has no queries", Some(hint));
            }
            let (rows, positives) = (fields.get("rows").whole(), fields.get("positives"));
            only_classes(&positives, "positive rows", task);
            let minimum = Minimum { rows, positives: positives.whole(), queries: queries.whole() };
            fields.finish();
            minimum
        },
        inconclusive: word(&promotion.get("inconclusive"), "an answer", &["refuse", "promote"]),
        otherwise: word(&promotion.get("otherwise"), "a stage", &["staging", "none"]),
    };
    promotion.finish();
    section
}
