//! `evaluation:` of an experiment config: which metrics, intervals, the decision threshold, the groups of rows.
//!
//! `threshold` is a number, or a wish: `{choose: f1}` takes the one that is best for F1 on the validation rows, with
//! `min_precision` and `min_recall` as floors. The rendered config keeps the wish; the model keeps the number.

use serde::{Serialize, Serializer};
use serde_json::{Value as Json, json};

use super::decode::{At, Fields};
use super::field::{Kind, Limits, Only, Preset, TEXTS};
use super::ranking::{RANKING, RankingSection};
use super::schema_parts::metric;
use super::section::section;
use super::value::{FromSection, Value};
use crate::catalog::find;
use crate::data::Task;
use crate::error::{Error, Result};
use crate::metrics::ranking::Convention;
use crate::metrics::{METRICS, Metric, Reads, name};

/// A metric of the config's task; in a file that is not about one task, of either.
pub(super) const METRIC: Kind =
    Kind::Name { label: "metric (`mlops schema --list metrics`)", check: check_metric, schema: metric };

/// The metrics that are shown when none are named.
const DEFAULT_METRICS: Preset = Preset::ByTask(&[
    (
        Task::Classification,
        Preset::Texts(&["f1", "accuracy", "precision", "recall", "roc_auc", "average_precision", "log_loss"]),
    ),
    (Task::Ranking, Preset::Texts(&["ndcg@10", "ndcg@5", "ndcg@1", "map", "mrr", "precision@5"])),
]);

/// Bootstrap replicates at most: more says nothing new and takes days.
const REPLICATES: Limits = Limits::at_most(1e5, "at most 100000 bootstrap replicates are drawn, got {}");

section! {
    /// Which metrics, intervals, the decision threshold, the groups of rows.
    EVALUATION: EvaluationSection derive(Serialize), check check_evaluation {
        /// The metrics that are shown; all of the catalog are computed and stored.
        metrics: Vec<String>, Kind::List(&METRIC), preset DEFAULT_METRICS;
        /// The metric that `compare` and `promote` look at first.
        primary: String, METRIC, preset Preset::Other("the first of `metrics`");
        /// Bootstrap replicates for the intervals on the test metrics; 0 for none.
        bootstrap: usize, Kind::Whole(REPLICATES), preset Preset::Whole(1000);
        /// The decision threshold on the positive class's score, for two classes.
        threshold: Threshold, Kind::Custom("number above 0 and below 1, or a section that chooses it", threshold),
            preset Preset::Number(0.5),
            only Only::classification("ranking has no decision threshold", Some("remove it")),
            omit "Threshold::is_none";
        /// By which conventions.
        ranking: Option<RankingSection>, Kind::Section(&RANKING), preset Preset::Section,
            only Only::ranking("these conventions go with `task: ranking`", None), omit "Option::is_none";
        /// Columns whose values get metrics of their own on the test rows.
        subgroups: Vec<String>, TEXTS,
            only Only::classification("ranking metrics are not broken down by a column", Some("remove it")),
            omit "Vec::is_empty";
    }
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

const DECIDING: Kind = Kind::Name { label: "metric that reads decided classes", check: check_choose, schema: choosing };
const LEAST: Kind = Kind::Number(Limits::between(0.0, 1.0, "a least value lies between 0 and 1, got {}"));

section! {
    /// How the threshold is chosen: it is the one that is best on the validation rows.
    CHOSEN_BY: ChosenBy derive(Serialize) {
        /// The metric that it is best for.
        choose: String, DECIDING, required "the metric that the threshold is best for";
        /// The least precision of the positive class.
        min_precision: Option<f64>, LEAST, omit "Option::is_none";
        /// Its least recall.
        min_recall: Option<f64>, LEAST, omit "Option::is_none";
    }
}

/// The usual name of a metric; without a task, of either: a cut is of rankings, also where the name before it is none.
fn check_metric(written: &str, task: Option<Task>) -> Result<String> {
    if let Some(task) = task {
        return name(task, written);
    }
    let [classes, ranking] = Task::ALL.map(|task| name(task, written));
    if written.contains('@') { ranking } else { classes.or_else(|error| ranking.map_err(|_| error)) }
}

/// The metrics that a threshold can be chosen by: they read the decided classes.
fn deciding() -> impl Iterator<Item = &'static str> {
    METRICS.iter().filter(|metric| metric.reads() == Reads::Labels).map(|metric| metric.name())
}

fn check_choose(written: &str, _task: Option<Task>) -> Result<String> {
    let metric: &dyn Metric = find("metric", METRICS, written)?;
    if metric.reads() == Reads::Labels {
        return Ok(metric.name().to_owned());
    }
    let known: Vec<&str> = deciding().collect();
    Err(Error::invalid(format!("`{written}` does not depend on the decision threshold"))
        .hint(format!("choose one of {}", known.join(", "))))
}

fn choosing() -> Json {
    json!({"enum": deciding().collect::<Vec<_>>()})
}

fn threshold() -> Json {
    let number = json!({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1});
    json!({"anyOf": [number, CHOSEN_BY.schema()]})
}

impl Threshold {
    fn is_none(&self) -> bool {
        *self == Self::None
    }
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

impl Value for Threshold {
    fn read(at: &At<'_, '_>, _kind: &Kind) -> Option<Self> {
        if at.is_map() {
            return Some(Self::Chosen(ChosenBy::from_section(at)));
        }
        if let Some(word) = at.as_word() {
            let example = if word.is_empty() { "f1" } else { word };
            let hint = format!("to choose it on the validation rows: {{choose: {example}}}");
            at.refuse(format!("expected a number, got `{word}`"), Some(hint));
            return None;
        }
        let threshold = at.number()?;
        if !(threshold > 0.0 && threshold < 1.0) {
            at.problem(format!("the threshold must lie between 0 and 1, got {threshold}"), None);
        }
        Some(Self::Fixed(threshold))
    }

    fn preset(_at: &At<'_, '_>, preset: &Preset, _kind: &Kind) -> Option<Self> {
        if let Preset::Number(threshold) = preset { Some(Self::Fixed(*threshold)) } else { None }
    }

    fn nothing(_at: &At<'_, '_>) -> Self {
        Self::None
    }
}

fn check_evaluation(section: &mut EvaluationSection, fields: &Fields<'_, '_>) {
    if !fields.at("primary").is_given() {
        section.primary = section.metrics.first().cloned().unwrap_or_default();
    }
    let mut known: Vec<&str> = Vec::new();
    for item in fields.at("subgroups").items() {
        let Some(column) = item.as_word() else { continue };
        if known.contains(&column) {
            item.problem(format!("the column `{column}` stands there twice"), None);
        }
        known.push(column);
    }
}

#[cfg(test)]
mod tests {
    use super::super::decode::Decoder;
    use super::super::yaml::parse;
    use super::*;

    fn read(text: &str) -> (Option<Threshold>, Vec<String>) {
        let (root, _) = parse(text).unwrap();
        let decoder = Decoder::new("config.yaml", text);
        let threshold = Threshold::read(&At::root(&decoder, &root), &Kind::Text);
        (threshold, decoder.finish().into_iter().map(|problem| problem.message).collect())
    }

    #[test]
    fn a_threshold_is_a_number_or_a_wish_and_comes_back() {
        let by = ChosenBy { choose: "f1".into(), min_precision: Some(0.8), min_recall: None };
        for (threshold, text) in
            [(Threshold::Fixed(0.25), "0.25\n"), (Threshold::Chosen(by), "choose: f1\nmin_precision: 0.8\n")]
        {
            assert_eq!(serde_yaml::to_string(&threshold).expect("plain data"), text);
            assert_eq!(read(text), (Some(threshold), Vec::new()));
        }
        assert_eq!(read("{choose: f1, most: 3}").1, ["unknown key `most`"]);
        assert_eq!(read("best").1, ["expected a number, got `best`"]);
    }
}
