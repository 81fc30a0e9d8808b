//! `evaluation:` of an experiment config: which metrics, intervals, the decision threshold, the groups of rows.
//!
//! `threshold` is a number, or a wish: `{choose: f1}` takes the one that is best for F1 on the validation rows, with
//! `min_precision` and `min_recall` as floors. The rendered config keeps the wish; the model keeps the number.

use std::fmt;

use serde::de::{MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::decode::At;
use super::ranking::{RankingSection, decode_ranking};
use super::yaml::Value;
use crate::data::Task;
use crate::metrics::ranking::Convention;

/// `evaluation:`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationSection {
    /// The metrics that are shown; all of the catalog are computed and stored.
    pub metrics: Vec<String>,
    /// The metric that `compare` and `promote` look at first.
    pub primary: String,
    /// Bootstrap replicates for the intervals on the test metrics; 0 for none.
    pub bootstrap: usize,
    /// The decision threshold on the positive class's score, for two classes.
    #[serde(default = "Threshold::none", skip_serializing_if = "Threshold::is_none")]
    pub threshold: Threshold,
    /// By which conventions, for ranking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranking: Option<RankingSection>,
    /// Columns whose values get metrics of their own on the test rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subgroups: Vec<String>,
}

impl EvaluationSection {
    /// The conventions by which a ranker whose training labels go up to `highest` is judged.
    #[must_use]
    pub fn convention(&self, highest: u8) -> Convention {
        self.ranking.clone().unwrap_or_else(RankingSection::usual).convention(highest)
    }
}

/// `evaluation.threshold:`: a number, or how to choose it.
#[derive(Debug, Clone, PartialEq)]
pub enum Threshold {
    /// This one.
    Fixed(f64),
    /// The best one on the validation rows.
    Chosen(ChosenBy),
    /// None: ranking decides nothing about a row alone.
    None,
}

impl Threshold {
    fn none() -> Self {
        Self::None
    }

    fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// `evaluation.threshold: {choose: …}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChosenBy {
    /// The metric that it is best for.
    pub choose: String,
    /// The least precision of the positive class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_precision: Option<f64>,
    /// Its least recall.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_recall: Option<f64>,
}

impl Serialize for Threshold {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fixed(number) => serializer.serialize_f64(*number),
            Self::Chosen(by) => by.serialize(serializer),
            Self::None => serializer.serialize_unit(),
        }
    }
}

impl<'de> Deserialize<'de> for Threshold {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Threshold;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a number or `{choose: METRIC}`")
            }

            fn visit_f64<E>(self, number: f64) -> Result<Threshold, E> {
                Ok(Threshold::Fixed(number))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Threshold, A::Error> {
                ChosenBy::deserialize(MapAccessDeserializer::new(map)).map(Threshold::Chosen)
            }
        }

        deserializer.deserialize_any(Either)
    }
}

/// The metrics that are shown when none are named.
const DEFAULT_METRICS: [&str; 7] =
    ["f1", "accuracy", "precision", "recall", "roc_auc", "average_precision", "log_loss"];

/// The same for ranking.
const DEFAULT_RANKING_METRICS: [&str; 6] = ["ndcg@10", "ndcg@5", "ndcg@1", "map", "mrr", "precision@5"];

/// Bootstrap replicates at most: more says nothing new and takes days.
const BOOTSTRAP_LIMIT: u64 = 100_000;

/// The section as it is written: the names of metrics are not yet looked up.
pub(super) struct RawEvaluation<'d, 'n> {
    pub section: EvaluationSection,
    pub metrics: Vec<At<'d, 'n>>,
    pub primary: At<'d, 'n>,
    /// The metric that chooses the threshold.
    pub choose: Option<At<'d, 'n>>,
}

/// Reads the section; every problem is noted with the decoder.
pub(super) fn decode<'d, 'n>(at: &At<'d, 'n>, task: Task) -> RawEvaluation<'d, 'n> {
    let mut fields = at.fields();
    let metrics_at = fields.get("metrics");
    let metrics = metrics_at.items();
    let primary = fields.get("primary");
    let named: Vec<String> = metrics_at.texts();
    let usual = match task {
        Task::Classification => &DEFAULT_METRICS[..],
        Task::Ranking => &DEFAULT_RANKING_METRICS,
    };
    let named = if named.is_empty() { usual.iter().map(|name| (*name).to_owned()).collect() } else { named };
    let (threshold_at, ranking_at) = (fields.get("threshold"), fields.get("ranking"));
    let (threshold, choose, ranking) = match task {
        Task::Classification => {
            if ranking_at.is_given() {
                ranking_at.problem("these conventions go with `task: ranking`", None);
            }
            let (threshold, choose) = decode_threshold(&threshold_at);
            (threshold, choose, None)
        }
        Task::Ranking => {
            if threshold_at.is_given() {
                threshold_at.problem("ranking has no decision threshold", Some("remove it".into()));
            }
            (Threshold::None, None, Some(decode_ranking(&ranking_at)))
        }
    };
    let subgroups_at = fields.get("subgroups");
    if subgroups_at.is_given() && task == Task::Ranking {
        subgroups_at.problem("ranking metrics are not broken down by a column", Some("remove it".into()));
    }
    let section = EvaluationSection {
        primary: primary.text().unwrap_or_else(|| named[0].clone()),
        bootstrap: decode_bootstrap(&fields.get("bootstrap")),
        metrics: named,
        threshold,
        ranking,
        subgroups: decode_subgroups(&subgroups_at),
    };
    fields.finish();
    RawEvaluation { section, metrics, primary, choose }
}

fn decode_bootstrap(at: &At<'_, '_>) -> usize {
    let count = at.whole().unwrap_or(1000);
    if count > BOOTSTRAP_LIMIT {
        at.problem(format!("at most {BOOTSTRAP_LIMIT} bootstrap replicates are drawn, got {count}"), None);
    }
    usize::try_from(count.min(BOOTSTRAP_LIMIT)).unwrap_or_default()
}

fn decode_threshold<'d, 'n>(at: &At<'d, 'n>) -> (Threshold, Option<At<'d, 'n>>) {
    if matches!(at.node.map(|node| &node.value), Some(Value::Map(_))) {
        let mut fields = at.fields();
        let choose = fields.get("choose");
        choose.require("the metric that the threshold is best for");
        let floor = |at: &At<'_, '_>| {
            let least = at.number()?;
            if !(0.0..=1.0).contains(&least) {
                at.problem(format!("a least value lies between 0 and 1, got {least}"), None);
            }
            Some(least)
        };
        let by = ChosenBy {
            choose: choose.text().unwrap_or_default(),
            min_precision: floor(&fields.get("min_precision")),
            min_recall: floor(&fields.get("min_recall")),
        };
        fields.finish();
        return (Threshold::Chosen(by), Some(choose));
    }
    if let Some(Value::Text(word)) = at.node.map(|node| &node.value) {
        at.problem(
            format!("expected a number, got `{word}`"),
            Some(format!(
                "to choose it on the validation rows: {{choose: {}}}",
                if word.is_empty() { "f1" } else { word }
            )),
        );
        return (Threshold::Fixed(0.5), None);
    }
    let threshold = at.number().unwrap_or(0.5);
    if !(threshold > 0.0 && threshold < 1.0) {
        at.problem(format!("the threshold must lie between 0 and 1, got {threshold}"), None);
    }
    (Threshold::Fixed(threshold), None)
}

fn decode_subgroups(at: &At<'_, '_>) -> Vec<String> {
    let mut columns: Vec<String> = Vec::new();
    for item in at.items() {
        let Some(column) = item.text() else { continue };
        if columns.contains(&column) {
            item.problem(format!("the column `{column}` stands there twice"), None);
        } else {
            columns.push(column);
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_a_number_or_a_wish_and_comes_back() {
        let by = ChosenBy { choose: "f1".into(), min_precision: Some(0.8), min_recall: None };
        for (threshold, text) in
            [(Threshold::Fixed(0.25), "0.25\n"), (Threshold::Chosen(by), "choose: f1\nmin_precision: 0.8\n")]
        {
            assert_eq!(serde_yaml::to_string(&threshold).expect("plain data"), text);
            assert_eq!(serde_yaml::from_str::<Threshold>(text).expect("what was written"), threshold);
        }
        assert!(serde_yaml::from_str::<Threshold>("{choose: f1, most: 3}").is_err());
        let wrong = serde_yaml::from_str::<Threshold>("best").expect_err("a word").to_string();
        assert!(wrong.contains("a number or `{choose: METRIC}`"), "{wrong}");
    }
}
