//! `model_card.md`: what a person must know before using a model, in the Hugging Face form.
//!
//! YAML between two lines of `---`, then Markdown. `model-index` holds the metrics on the test rows with the data they
//! were measured on. Checked with `huggingface_hub` 2.4.0 (`ModelCard`, `model_index_to_eval_results`), offline: the card
//! of this file's tests is read without error and gives its metrics back. What is not known is said to be unknown.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::document::{Align, Block, Document, Line, Table, cells};
use super::markdown::{Figures, markdown};
use super::numbers::{count, estimate_with_interval, value};
use crate::metrics::ranking::Empty;
use crate::metrics::{Estimate, RankingFacts};

/// The file's name in a production folder.
pub const FILE: &str = "model_card.md";

/// What goes in: it decides the card's `pipeline_tag`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Modality {
    /// Text: `text-classification`.
    Text,
    /// Numbers: `tabular-classification`.
    Numbers,
    /// Queries with candidates: `text-ranking`, the hub's one task for rankings, whatever the features are.
    Ranking,
}

impl Modality {
    /// The name of the task on the hub, and in words.
    fn task(self) -> (&'static str, &'static str) {
        match self {
            Self::Text => ("text-classification", "Text Classification"),
            Self::Numbers => ("tabular-classification", "Tabular Classification"),
            Self::Ranking => ("text-ranking", "Text Ranking"),
        }
    }
}

/// What a card tells.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelCard {
    /// The registered model.
    pub model: String,
    /// Its version, as a number.
    pub version: u32,
    /// The experiment, and the run that made it.
    pub experiment: String,
    /// The run's id.
    pub run_id: String,
    /// One line about it, in the user's words.
    pub description: String,
    /// The kind of model.
    pub kind: String,
    /// What goes in.
    pub modality: Modality,
    /// Codes of the texts' languages, where known.
    pub languages: Vec<String>,
    /// The licence, where known: the hub's code.
    pub license: Option<String>,
    /// More tags.
    pub tags: Vec<String>,
    /// What it is for, where somebody wrote it down.
    pub intended_use: Option<String>,
    /// The data it was trained and tested on.
    pub data: DataWindow,
    /// The metrics on the test rows.
    pub metrics: BTreeMap<String, Estimate>,
    /// The metric that decides.
    pub primary: String,
    /// The class names.
    pub labels: Vec<String>,
    /// The positive class, of two.
    pub positive: Option<String>,
    /// The decision threshold on the positive class's score.
    pub threshold: Option<f64>,
    /// For ranking, over which queries and by which conventions the metrics were computed.
    pub ranking: Option<RankingFacts>,
    /// Metrics by the value of a column.
    pub subgroups: Vec<Subgroup>,
    /// How far its probabilities can be trusted, in words.
    pub calibration: Option<String>,
    /// How many texts were cut, in words.
    pub truncation: Option<String>,
    /// How long an answer takes: of so many rows at once, milliseconds at p50, p95, p99.
    pub latency: Vec<(String, u64, [f64; 3])>,
    /// Where that was measured, in words.
    pub measured_on: String,
    /// What it cannot do, beside what the numbers say.
    pub limits: Vec<String>,
    /// Whether an ONNX file lies beside the card.
    pub onnx: Option<OnnxFile>,
}

/// An ONNX file beside the card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnnxFile {
    /// Its name.
    pub file: String,
    /// The name of its input.
    pub input: String,
}

/// The data that a model was trained and tested on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DataWindow {
    /// Where the rows came from.
    pub source: String,
    /// SHA-256 of the rows.
    pub fingerprint: String,
    /// Rows of each part.
    pub rows: BTreeMap<String, u64>,
    /// From when to when, where the rows have times.
    pub time: Option<(String, String)>,
    /// The part that the metrics are of.
    pub split: String,
}

/// A metric of the rows with one value in a column.
#[derive(Debug, Clone, PartialEq)]
pub struct Subgroup {
    /// The column.
    pub column: String,
    /// The value.
    pub value: String,
    /// Rows.
    pub rows: u64,
    /// The metric.
    pub metric: String,
    /// Its value.
    pub estimate: Estimate,
}

/// What stands where nothing is known.
const UNKNOWN: &str = "Not known.";

impl ModelCard {
    /// The card as Markdown with its YAML head.
    #[must_use]
    pub fn written(&self) -> String {
        format!("---\n{}---\n\n{}", yaml(&self.front(), 0), markdown(&self.document(), Figures::Told))
    }

    fn front(&self) -> Value {
        let (task, task_name) = self.modality.task();
        let name = |metric: &str, estimate: &Estimate| match estimate.low.zip(estimate.high) {
            Some((low, high)) => format!("{metric} (95 % interval {low:.4} to {high:.4})"),
            None => metric.to_owned(),
        };
        let number = |(metric, estimate): (&String, &Estimate)| {
            let value = estimate.value.filter(|value| value.is_finite())?;
            Some(json!({"type": metric, "name": name(metric, estimate), "value": value}))
        };
        let metrics: Vec<Value> = self.metrics.iter().filter_map(number).collect();
        let mut tags = vec!["mlops", self.kind.as_str()];
        tags.extend(self.onnx.as_ref().map(|_| "onnx"));
        for tag in &self.tags {
            if !tags.contains(&tag.as_str()) {
                tags.push(tag);
            }
        }
        let mut index = json!({"name": self.model});
        if !metrics.is_empty() {
            let data = &self.data;
            index["results"] = json!([{
                "task": {"type": task, "name": task_name},
                "dataset": {"type": data.source, "name": data.source, "split": data.split, "revision": data.fingerprint},
                "metrics": metrics,
            }]);
        }
        let mut front = json!({"library_name": "mlops", "pipeline_tag": task, "tags": tags, "model-index": [index]});
        if !self.languages.is_empty() {
            front["language"] = json!(self.languages);
        }
        if let Some(license) = &self.license {
            front["license"] = json!(license);
        }
        front
    }

    fn document(&self) -> Document {
        let mut card = Document::new(format!("{} v{}", self.model, self.version));
        if !self.description.trim().is_empty() {
            card.text(&self.description);
        }
        let kind = self.kind.replace('_', " ");
        let what = if self.modality == Modality::Ranking { format!("ranking model ({kind})") } else { kind };
        card.text(format!("A {what} of the experiment {}, run {}.", self.experiment, self.run_id));
        card.section("Intended use");
        card.text(self.intended_use.as_deref().unwrap_or(UNKNOWN));
        self.answers(&mut card);
        self.data_window(&mut card);
        self.measured(&mut card);
        card.section("Calibration");
        card.text(self.calibration.as_deref().unwrap_or(UNKNOWN));
        card.section("Truncation");
        let nothing_cut = if self.modality == Modality::Text { UNKNOWN } else { "The input is no text." };
        card.text(self.truncation.as_deref().unwrap_or(nothing_cut));
        self.latencies(&mut card);
        self.limits(&mut card);
        self.loading(&mut card);
        card
    }

    fn answers(&self, card: &mut Document) {
        if self.modality == Modality::Ranking {
            card.section("Answers");
            card.text(
                "A score for each document of a query: higher is better. Scores are no probabilities, and mean something \
                 beside other scores of the same query only.",
            );
            return;
        }
        if self.labels.is_empty() {
            return;
        }
        card.section("Answers");
        card.text(format!("One of {} classes: {}.", self.labels.len(), shortened(&self.labels)));
        if let (Some(positive), Some(threshold)) = (&self.positive, self.threshold) {
            card.text(format!("{positive} is answered where its score is at least {threshold}."));
        }
    }

    fn data_window(&self, card: &mut Document) {
        card.section("Data window");
        let data = &self.data;
        let known = |text: &str| if text.is_empty() { "not known".to_owned() } else { text.to_owned() };
        let rows: Vec<String> =
            data.rows.iter().map(|(part, rows)| format!("{part} {}", count(*rows as usize))).collect();
        let time = data.time.as_ref().map_or("not known".into(), |(from, to)| format!("{from} to {to}"));
        card.fact("source", known(&data.source));
        card.fact("rows", known(&rows.join(", ")));
        card.fact("time", time);
        card.fact("metrics are of", known(&data.split));
        card.fact("SHA-256 of the rows", known(&data.fingerprint));
    }

    fn measured(&self, card: &mut Document) {
        card.section("Metrics");
        if self.metrics.is_empty() {
            card.text(UNKNOWN);
        } else {
            let mut table = Table::of(&[("metric", Align::Left), ("value [95 % interval]", Align::Right)]);
            let primary = self.metrics.get_key_value(&self.primary);
            let others = self.metrics.iter().filter(|(name, _)| **name != self.primary);
            for (name, estimate) in primary.into_iter().chain(others) {
                table.rows.push(cells![name, estimate_with_interval(estimate)]);
            }
            card.table(table);
        }
        if let Some(facts) = &self.ranking {
            card.text(told_of_queries(facts));
        }
        card.section("Subgroups");
        if self.subgroups.is_empty() {
            card.text("Not measured.");
            return;
        }
        let mut table = Table::of(&[
            ("column", Align::Left),
            ("value", Align::Left),
            ("rows", Align::Right),
            ("metric", Align::Left),
            ("value [95 % interval]", Align::Right),
        ]);
        table.rows.extend(self.subgroups.iter().map(|group| {
            let rows = count(group.rows as usize);
            cells![&group.column, &group.value, rows, &group.metric, estimate_with_interval(&group.estimate)]
        }));
        card.table(table);
    }

    fn latencies(&self, card: &mut Document) {
        card.section("Latency");
        if self.latency.is_empty() {
            card.text("Not measured.");
            return;
        }
        let right = |name| (name, Align::Right);
        let left = ("what", Align::Left);
        let at_once = if self.modality == Modality::Ranking { "documents at once" } else { "rows at once" };
        let mut table = Table::of(&[left, right(at_once), right("p50 ms"), right("p95 ms"), right("p99 ms")]);
        table.rows.extend(self.latency.iter().map(|(what, rows, times)| {
            let times =
                times.iter().map(|time| if *time < 0.001 { "< 0.001".into() } else { Line::from(value(*time)) });
            cells![what, count(*rows as usize)].into_iter().chain(times).collect()
        }));
        card.table(table);
        if !self.measured_on.is_empty() {
            card.text(&self.measured_on);
        }
    }

    fn limits(&self, card: &mut Document) {
        card.section("Limits");
        let mut limits = vec![format!(
            "The metrics hold for rows like those of the {} rows above; other sources, times and languages were not \
             looked at.",
            if self.data.split.is_empty() { "test" } else { &self.data.split }
        )];
        if self.subgroups.is_empty() {
            limits.push("Differences between groups of people were not measured.".into());
        }
        let tested = match &self.ranking {
            Some(facts) => Some((facts.queries as u64, "queries")),
            None => self.data.rows.get(&self.data.split).map(|rows| (*rows, "rows")),
        };
        if let Some((rows, what)) = tested.filter(|(rows, _)| *rows < 500) {
            limits.push(format!("{} {what} decide the metrics: look at the intervals.", count(rows as usize)));
        }
        limits.extend(self.limits.iter().cloned());
        card.push(Block::List(limits.into_iter().map(Line::from).collect()));
    }

    fn loading(&self, card: &mut Document) {
        card.section("How to load");
        let selector = format!("{}/{}", self.model, self.version);
        let files = match self.modality {
            Modality::Ranking => "--input documents.txt --output ranks.csv",
            _ => "--input rows.csv --output answers.csv",
        };
        card.push(Block::Code("sh", format!("mlops predict {selector} {files}")));
        if let Some(onnx) = &self.onnx {
            card.push(Block::Code(
                "python",
                format!(
                    "import onnxruntime\nsession = onnxruntime.InferenceSession({:?})\nanswers = session.run(None, \
                     {{{:?}: rows}})",
                    onnx.file, onnx.input
                ),
            ));
        }
    }
}

/// A value as YAML, `depth` levels in. Every text is quoted as in JSON, which YAML reads: without quotes the hub's parser
/// (YAML 1.1) takes `no` for a boolean and `1:20` for a number.
fn yaml(value: &Value, depth: usize) -> String {
    let nested = |value: &Value| match value {
        Value::Object(_) | Value::Array(_) => format!("\n{}", yaml(value, depth + 1)),
        plain => format!(" {}", yaml(plain, depth)),
    };
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| format!("{indent}{key}:{}\n", nested(value).trim_end_matches('\n')))
            .collect(),
        Value::Array(items) => {
            items.iter().map(|item| format!("{indent}-{}\n", nested(item).trim_end_matches('\n'))).collect()
        }
        Value::String(text) => {
            let odd = |letter: char| letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}');
            let clean: String = text.chars().map(|letter| if odd(letter) { ' ' } else { letter }).collect();
            Value::String(clean).to_string()
        }
        plain => {
            // YAML 1.1 knows `1.0e-12` and `1.0e+16` as numbers, not `1e-12` and `1e16`.
            let text = plain.to_string();
            match text.split_once('e').filter(|_| plain.is_number()) {
                None => text,
                Some((digits, power)) => {
                    let point = if digits.contains('.') { "" } else { ".0" };
                    let sign = if power.starts_with(['-', '+']) { "" } else { "+" };
                    format!("{digits}{point}e{sign}{power}")
                }
            }
        }
    }
}

/// Over which queries metrics are means, and by which conventions.
fn told_of_queries(facts: &RankingFacts) -> String {
    let empty = match (facts.empty, facts.convention.empty) {
        (0, _) => "each with a relevant document".to_owned(),
        (empty, rule) => {
            let counts = match rule {
                Empty::Zero => "count 0",
                Empty::Skip => "are left out",
                Empty::One => "count 1",
            };
            format!("{} of which have no relevant document and {counts}", count(empty))
        }
    };
    let ways = facts.by_empty.get("ndcg@10").filter(|_| facts.empty > 0);
    let ways = ways.map_or_else(String::new, |[zero, skip, one]| {
        let number = |value: &Option<f64>| value.map_or_else(|| "n/a".to_owned(), |value| format!("{value:.4}"));
        format!(
            " ndcg@10 is {} where they count 0, {} without them, {} where they count 1.",
            number(zero),
            number(skip),
            number(one)
        )
    });
    format!("Means over {} queries, {empty}.{ways} Conventions: {}.", count(facts.queries), facts.convention.describe())
}

/// Names in a row, the first twenty of them.
fn shortened(names: &[String]) -> String {
    let shown = names.iter().take(20).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > 20 { format!("{shown}, … ({} in all)", names.len()) } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card() -> ModelCard {
        let estimate = |value, low, high| Estimate { value, reason: None, low, high };
        ModelCard {
            model: "reviews".into(),
            version: 3,
            experiment: "reviews_lr".into(),
            run_id: "0123abcd".into(),
            description: "Korean reviews: <script>alert(1)</script> | \"---\"\n---\nlicense: mit".into(),
            kind: "logistic_regression".into(),
            modality: Modality::Text,
            languages: vec!["ko".into(), "no".into()],
            license: None,
            tags: vec!["team: ml # yes".into(), "mlops".into()],
            intended_use: None,
            data: DataWindow {
                source: "data/리뷰: a | b.csv".into(),
                fingerprint: "1:20".into(),
                rows: [("test".into(), 400), ("train".into(), 3000)].into(),
                time: None,
                split: "test".into(),
            },
            metrics: [
                ("accuracy".into(), estimate(Some(1.0), None, None)),
                ("f1".into(), estimate(Some(0.816), Some(0.79), Some(0.84))),
                ("roc_auc".into(), Estimate { reason: Some("1 class".into()), ..estimate(None, None, None) }),
            ]
            .into(),
            primary: "f1".into(),
            labels: vec!["부정".into(), "긍정".into()],
            positive: Some("긍정".into()),
            threshold: Some(0.5),
            ranking: None,
            subgroups: vec![Subgroup {
                column: "지역".into(),
                value: "서울 | <b>".into(),
                rows: 40,
                metric: "f1".into(),
                estimate: estimate(Some(0.75), None, None),
            }],
            calibration: None,
            truncation: None,
            latency: vec![("model".into(), 1, [0.12, 0.2, 0.31])],
            measured_on: String::new(),
            limits: vec!["Not for single words.".into()],
            onnx: Some(OnnxFile { file: "model.onnx".into(), input: "text".into() }),
        }
    }

    fn front(card: &str) -> serde_yaml::Value {
        let (head, _) = card.strip_prefix("---\n").unwrap().split_once("\n---\n").unwrap();
        serde_yaml::from_str(head).unwrap()
    }

    #[test]
    fn the_head_is_yaml_that_says_what_was_measured() {
        let text = card().written();
        let head = front(&text);
        // `no` is the code of Norwegian and, without quotes, a boolean of YAML 1.1.
        assert_eq!(head["language"][1].as_str(), Some("no"));
        assert!(text.contains("  - \"no\"\n"), "{text}");
        assert_eq!(head["library_name"].as_str(), Some("mlops"));
        assert_eq!(head["pipeline_tag"].as_str(), Some("text-classification"));
        assert_eq!(head["tags"].as_sequence().unwrap().len(), 4);
        assert!(head.get("license").is_none());
        let result = &head["model-index"][0]["results"][0];
        assert_eq!(result["dataset"]["name"].as_str(), Some("data/리뷰: a | b.csv"));
        // What YAML 1.1 takes for a number of base 60 stays text.
        assert_eq!(result["dataset"]["revision"].as_str(), Some("1:20"));
        let metrics = result["metrics"].as_sequence().unwrap();
        let told: Vec<_> = metrics.iter().map(|one| (one["type"].as_str().unwrap(), one["value"].as_f64())).collect();
        assert_eq!(told, [("accuracy", Some(1.0)), ("f1", Some(0.816))]);
        assert_eq!(metrics[1]["name"].as_str(), Some("f1 (95 % interval 0.7900 to 0.8400)"));
    }

    #[test]
    fn the_body_is_escaped_and_tells_what_is_unknown() {
        let text = card().written();
        let body = text.split_once("\n---\n\n").unwrap().1;
        for line in [
            r"Korean reviews: \<script>alert(1)\</script> \| ",
            r"| 지역 | 서울 \| \<b> | 40 | f1 | 0.7500 |",
            "| roc_auc | n/a (1 class) |",
            "Not known.",
            "- 400 rows decide the metrics: look at the intervals.",
            "- Not for single words.",
            "session.run(None, {\"text\": rows})",
        ] {
            assert!(body.contains(line), "{line} in\n{body}");
        }
        let first = body.find("| f1 |").unwrap();
        assert!(first < body.find("| accuracy |").unwrap(), "the primary metric comes first");
        assert_eq!(text, card().written());
    }

    #[test]
    fn numbers_are_numbers_for_yaml_of_either_version() {
        let told = [0.5, 1e-12, 2.5e-7, 1e20].map(|number| yaml(&json!(number), 0));
        assert_eq!(told, ["0.5", "1.0e-12", "2.5e-7", "1.0e+20"]);
        assert_eq!(yaml(&json!("1e5 \u{7f}"), 0), "\"1e5  \"");
    }

    #[test]
    fn a_card_of_a_ranking_says_what_its_numbers_are_of() {
        let convention = crate::metrics::ranking::Convention::new(2);
        let facts = RankingFacts { queries: 157, empty: 52, convention, by_empty: BTreeMap::new() };
        let ranker = ModelCard {
            modality: Modality::Ranking,
            labels: Vec::new(),
            positive: None,
            threshold: None,
            ranking: Some(facts.clone()),
            ..card()
        };
        let text = ranker.written();
        assert_eq!(front(&text)["pipeline_tag"].as_str(), Some("text-ranking"));
        assert_eq!(front(&text)["model-index"][0]["results"][0]["task"]["type"].as_str(), Some("text-ranking"));
        for line in [
            "Means over 157 queries, 52 of which have no relevant document and count 0. Conventions: gain 2^grade − 1, ",
            "Scores are no probabilities",
            "A ranking model (logistic regression) of the experiment",
            "documents at once",
            "157 queries decide the metrics: look at the intervals.",
            "mlops predict reviews/3 --input documents.txt --output ranks.csv",
        ] {
            // Markdown escapes what it would take for its own.
            let plain = text.replace('\\', "");
            assert!(plain.contains(line), "{line} in\n{plain}");
        }
        let skipped = RankingFacts { empty: 0, ..facts };
        assert!(told_of_queries(&skipped).contains("157 queries, each with a relevant document."));
    }

    #[test]
    fn a_card_without_metrics_has_no_results() {
        let bare = ModelCard { metrics: BTreeMap::new(), subgroups: Vec::new(), ..card() };
        let text = bare.written();
        assert!(front(&text)["model-index"][0].get("results").is_none());
        assert!(text.contains("Differences between groups of people were not measured."));
    }
}
