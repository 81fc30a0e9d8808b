//! Early stopping of ranking models: the parameter, and the judge that measures validation queries after each epoch or tree.
//!
//! `early_stopping: {metric: ndcg@10, patience: 10}`: training ends when the metric of the validation queries has not risen for so
//! many epochs (trees), and the model is the one of the best epoch (first of equals). `patience: null` lets all epochs run and keeps
//! the best; `early_stopping: null` keeps the last. The metric is counted by the convention of the evaluation. Beside it NDCG@10 is
//! measured, so that histories can be compared.

use serde_json::Value;

use super::family::{Event, FitContext};
use super::relevance::Relevance;
use crate::catalog::{Param, ParamKind, ParamProblem, known_hint};
use crate::error::{Error, Result};
use crate::metrics::ranking::{Convention, Draws, Queries, Wanted, evaluate};

/// The parameter's name.
pub const NAME: &str = "early_stopping";
const METRIC: &str = "ndcg@10";
const PATIENCE: usize = 10;
const KEYS: [&str; 2] = ["metric", "patience"];
const EXAMPLE: &str = "{metric: ndcg@10, patience: 10}, or null";

const SCHEMA: &str = r#"{
    "type": ["object", "null"],
    "properties": {
        "metric": {"type": "string", "default": "ndcg@10", "description": "the ranking metric that decides",
            "pattern": "^(ndcg|map|mrr|precision|p|hit|recall|err)(@[1-9][0-9]*)?$"},
        "patience": {"type": ["integer", "null"], "minimum": 1, "default": 10,
            "description": "epochs or trees without a better value after which training ends; null: never"}},
    "additionalProperties": false}"#;

/// The parameter with the family's default.
pub const fn param(default: &'static str) -> Param {
    Param {
        name: NAME,
        kind: ParamKind::Custom(EXAMPLE, SCHEMA),
        default,
        about: "ends training when a metric of the validation queries no longer rises, and keeps the best; null: off",
    }
}

/// When training ends early.
#[derive(Clone, Copy)]
pub struct EarlyStopping {
    /// The metric that decides.
    pub metric: Wanted,
    /// Epochs or trees without a better value; none: training never ends early, but the best is kept.
    pub patience: Option<usize>,
}

fn problem(message: String, hint: impl Into<String>) -> ParamProblem {
    ParamProblem { name: NAME.into(), message, hint: Some(hint.into()) }
}

impl EarlyStopping {
    /// Reads the parameter; none when it is null.
    ///
    /// # Errors
    /// Another form, an unknown key, an unknown metric, a patience that is no whole number of at least 1.
    pub fn parse(value: &Value) -> Result<Option<Self>, ParamProblem> {
        let given = match value {
            Value::Null => return Ok(None),
            Value::Object(given) => given,
            other => {
                return Err(problem(format!("`{NAME}` expects {EXAMPLE}, got `{other}`"), "name metric and patience"));
            }
        };
        if let Some(key) = given.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(problem(format!("unknown key `{key}` in `{NAME}`"), known_hint(key, KEYS)));
        }
        let metric = match given.get("metric") {
            None => METRIC,
            Some(Value::String(name)) => name,
            Some(other) => {
                return Err(problem(format!("`{NAME}.metric` expects a ranking metric, got `{other}`"), METRIC));
            }
        };
        let metric = Wanted::parse(metric)
            .map_err(|error| problem(format!("`{NAME}.metric`: {}", error.message), error.hint.unwrap_or_default()))?;
        let whole = |value: &Value| value.as_u64().filter(|patience| (1..=100_000_000).contains(patience));
        let patience = match given.get("patience") {
            None => Some(PATIENCE),
            Some(Value::Null) => None,
            Some(value) => Some(whole(value).ok_or_else(|| {
                problem(
                    format!("`{NAME}.patience` expects a whole number of at least 1, got `{value}`"),
                    "null lets all epochs run and keeps the best",
                )
            })? as usize),
        };
        Ok(Some(Self { metric, patience }))
    }
}

/// The validation queries and what is measured on them.
pub struct Judge<'a> {
    /// The rows.
    pub rows: Relevance<'a>,
    wanted: Vec<Wanted>,
    convention: Convention,
}

impl<'a> Judge<'a> {
    /// The judge, where there are validation rows with something to find; what is missing is told. `all` says what runs then, such
    /// as `100 epochs`.
    ///
    /// # Errors
    /// `Invalid` for validation rows that cannot be used, or of another width than the training rows.
    pub fn new(
        train: &Relevance<'_>,
        stopping: Option<&EarlyStopping>,
        context: &FitContext<'a>,
        all: &str,
    ) -> Result<Option<Self>> {
        let off = |why: &str| {
            let text = match stopping {
                Some(_) => format!("{why}: early stopping is off, all {all} run"),
                None => format!("{why}: nothing is measured while training"),
            };
            context.tell(&Event::Warning(&text));
        };
        let Some(valid) = context.valid.filter(|valid| valid.features.n_rows() > 0) else {
            if stopping.is_some() {
                off("there are no validation rows");
            }
            return Ok(None);
        };
        let rows = Relevance::of(valid, "validation")?;
        let (expected, got) = (train.features.n_features(), rows.features.n_features());
        if expected != got {
            return Err(Error::invalid(format!("expected {expected} features in the validation rows, got {got}"))
                .hint("all parts need the features of the training rows"));
        }
        let convention = context.convention.unwrap_or_else(|| Convention::new(train.highest_grade()));
        if rows.n_where(|grades| convention.relevant(grades) > 0) == 0 {
            off("no validation query has a relevant document");
            return Ok(None);
        }
        let usual = Wanted::parse(METRIC)?;
        let decides = stopping.map_or(usual, |stopping| stopping.metric);
        let wanted = if decides.name() == usual.name() { vec![usual] } else { vec![decides, usual] };
        Ok(Some(Self { rows, wanted, convention }))
    }

    /// The name of the metric that decides.
    #[must_use]
    pub fn decides(&self) -> String {
        self.wanted[0].name()
    }

    /// The metrics of these scores of the validation rows by name; the first decides, higher is better.
    ///
    /// # Errors
    /// `Invalid` for a score that is NaN.
    pub fn measure(&self, scores: &[f64]) -> Result<Vec<(String, f64)>> {
        let queries = Queries { scores, grades: self.rows.grades, starts: self.rows.starts };
        let estimates = evaluate(&queries, &self.wanted, &self.convention, Draws::NONE)?;
        Ok(estimates.into_iter().map(|one| (one.name, one.value.unwrap_or(0.0))).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::metrics::ranking::RANKING_METRICS;

    #[test]
    fn what_is_written_is_read_and_mistakes_are_named() {
        let parse =
            |value: Value| EarlyStopping::parse(&value).map(|read| read.map(|one| (one.metric.name(), one.patience)));
        assert_eq!(parse(json!(null)), Ok(None));
        assert_eq!(parse(json!({})), Ok(Some(("ndcg@10".into(), Some(10)))));
        assert_eq!(parse(json!({"metric": "p@5", "patience": null})), Ok(Some(("precision@5".into(), None))));
        let message = |value: Value| {
            let problem = parse(value).unwrap_err();
            assert_eq!(problem.name, "early_stopping");
            (problem.message, problem.hint.unwrap())
        };
        assert_eq!(
            message(json!({"patiense": 3})),
            ("unknown key `patiense` in `early_stopping`".into(), "did you mean `patience`?".into())
        );
        assert_eq!(
            message(json!({"metric": "ndgc@10"})),
            ("`early_stopping.metric`: unknown ranking metric `ndgc`".into(), "did you mean `ndcg`?".into())
        );
        assert_eq!(
            message(json!(true)).0,
            "`early_stopping` expects {metric: ndcg@10, patience: 10}, or null, got `true`"
        );
        assert!(message(json!({"patience": 0})).0.ends_with("of at least 1, got `0`"));
        assert!(message(json!({"metric": 3})).0.ends_with("a ranking metric, got `3`"));
    }

    #[test]
    fn the_schema_knows_every_ranking_metric() {
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        let pattern = schema["properties"]["metric"]["pattern"].as_str().unwrap();
        let names: Vec<&str> = pattern[2..].split(')').next().unwrap().split('|').collect();
        for metric in RANKING_METRICS {
            assert!(names.contains(&metric.name()), "{}", metric.name());
        }
        assert_eq!(names.len(), RANKING_METRICS.len() + 1, "and `p`");
    }
}
