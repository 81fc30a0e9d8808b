//! `data:` of an experiment config: where the rows come from, which columns mean what, which rows train.
//!
//! Rows are in one `source` and split, or each part is a file of its own (`files`, for ranking). For ranking the columns are those of
//! LETOR files where nothing else is said (`label`, `qid`), every other column is a feature, and a split never cuts a query.

use serde::{Deserialize, Serialize};

use super::decode::At;
use crate::catalog::known_hint;
use crate::data::letor::{Base, Missing, Settings};
use crate::data::{Columns, Input, Part, Split, Task, split::By};

/// `data:`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSection {
    /// A path, a glob, or `format:path`; empty where `files` names the parts.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// A file for each part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<PartFiles>,
    /// The query, for databases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Which columns mean what.
    pub columns: ColumnsSection,
    /// Fields taken out of JSON text columns, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub json_fields: Vec<String>,
    /// The positive label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub positive: Option<String>,
    /// Which rows train, validate, test.
    #[serde(default, skip_serializing_if = "SplitSection::is_empty")]
    pub split: SplitSection,
    /// How LETOR files are read.
    #[serde(default, skip_serializing_if = "LetorSection::is_default")]
    pub letor: LetorSection,
}

/// `data.files:`, what is in place of a source and a split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartFiles {
    /// The rows for training.
    pub train: String,
    /// The rows for choices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<String>,
    /// The rows for the final numbers.
    pub test: String,
}

impl PartFiles {
    /// The parts that have a file, with it.
    pub fn parts(&self) -> impl Iterator<Item = (Part, &str)> {
        let validation = self.validation.as_deref().map(|file| (Part::Validation, file));
        [(Part::Train, self.train.as_str())].into_iter().chain(validation).chain([(Part::Test, self.test.as_str())])
    }
}

/// `data.letor:`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LetorSection {
    /// The index of the first feature: `0`, `1`, or `auto`.
    pub first_index: String,
    /// What becomes of `NULL`: `query_minimum`, `zero`, or `refuse`.
    pub missing: String,
}

/// The words of `first_index`.
pub(super) const FIRST_INDEX: [&str; 3] = ["auto", "0", "1"];
/// The words of `missing`.
pub(super) const MISSING: [&str; 3] = ["query_minimum", "zero", "refuse"];

impl Default for LetorSection {
    fn default() -> Self {
        Self { first_index: FIRST_INDEX[0].into(), missing: MISSING[0].into() }
    }
}

impl LetorSection {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The same for the reader.
    #[must_use]
    pub fn settings(&self) -> Settings {
        // The words were looked at when the config was read.
        Settings {
            first_index: Base::parse(&self.first_index).unwrap_or_default(),
            missing: Missing::parse(&self.missing).unwrap_or_default(),
            ..Settings::default()
        }
    }
}

/// `data.columns:`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnsSection {
    /// The id of a row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The label.
    pub label: String,
    /// The query of a document, for ranking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Text columns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub text: Vec<String>,
    /// A column of whole vectors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedding: Option<String>,
    /// Numeric columns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
}

/// `data.split:`: a column, or shares with a way of drawing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitSection {
    /// The column that says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Share for training.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train: Option<f64>,
    /// Share for validation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<f64>,
    /// Share for test.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<f64>,
    /// Each class in the same shares.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stratify: Option<bool>,
    /// Rows with the same value of this column stay together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The seed of the draw; the experiment's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Oldest rows train, newest test, by this column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
}

/// The shares of a made split when none are given.
const DEFAULT_SHARES: [f64; 3] = [0.6, 0.2, 0.2];

/// A column that gives the answer away, or that stands twice among the inputs.
fn check_inputs(at: &At<'_, '_>, columns: &ColumnsSection) {
    let inputs: Vec<&String> = columns.text.iter().chain(&columns.embedding).chain(&columns.features).collect();
    for (index, name) in inputs.iter().enumerate() {
        if **name == columns.label {
            at.problem(
                format!("`{name}` is the label: it cannot be an input too"),
                Some("take it out of the inputs".into()),
            );
        } else if inputs[..index].contains(name) {
            at.problem(format!("the input `{name}` stands there twice"), None);
        }
    }
}

/// Reads the section; every problem is noted with the decoder.
pub(super) fn decode_data(at: &At<'_, '_>, task: Task) -> DataSection {
    let mut data = at.fields();
    let source = data.get("source");
    let files_at = data.get("files");
    let files = decode_files(&files_at, task);
    if at.is_given() && !files_at.is_given() {
        source.require("a path, a glob, or `format:path`");
    } else if source.is_given() && files_at.is_given() {
        files_at.problem("rows come from a `source` or from `files`, not from both", None);
    }
    let columns_at = data.get("columns");
    let mut columns = columns_at.fields();
    let (label, query) = (columns.get("label"), columns.get("query"));
    let usual = |name: &str| (task == Task::Ranking).then(|| name.to_owned());
    if at.is_given() && task == Task::Classification {
        label.require("the label's column");
    }
    if query.is_given() && task == Task::Classification {
        query.problem("a query belongs to ranking", Some("set `task: ranking`, or remove it".into()));
    }
    let section = ColumnsSection {
        id: columns.get("id").text(),
        label: label.text().or_else(|| usual("label")).unwrap_or_default(),
        query: query.text().or_else(|| usual("qid")),
        text: columns.get("text").texts(),
        embedding: columns.get("embedding").text(),
        features: columns.get("features").texts(),
    };
    let inputs = [!section.text.is_empty(), section.embedding.is_some(), !section.features.is_empty()];
    let n_inputs = inputs.iter().filter(|given| **given).count();
    // Without a word about it, every column of documents that is nothing else is a feature.
    if at.is_given() && n_inputs != 1 && !(n_inputs == 0 && task == Task::Ranking) {
        let hint = "name exactly one of `text`, `embedding`, `features`".to_owned();
        columns_at.problem("what the model sees is not clear", Some(hint));
    }
    check_inputs(&columns_at, &section);
    let split_column = columns.get("split").text();
    columns.finish();
    let json_fields_at = data.get("json_fields");
    let json_fields = json_fields_at.texts();
    if !json_fields.is_empty() && section.text.is_empty() {
        json_fields_at.problem("`json_fields` needs a text column", Some("name it as `columns.text`".into()));
    }
    let split_at = data.get("split");
    if files_at.is_given() && (split_at.is_given() || split_column.is_some()) {
        split_at.problem("`files` says already which rows are in which part", Some("remove the split".into()));
    }
    let split = if files.is_some() { SplitSection::default() } else { decode_split(&split_at, split_column, task) };
    let section = DataSection {
        source: source.text().unwrap_or_default(),
        files,
        query: data.get("query").text(),
        columns: section,
        json_fields,
        positive: decode_positive(&data.get("positive"), task),
        split,
        letor: decode_letor(&data.get("letor"), task),
    };
    data.finish();
    section
}

fn decode_positive(at: &At<'_, '_>, task: Task) -> Option<String> {
    if at.is_given() && task == Task::Ranking {
        let hint = "`evaluation.ranking.relevant_from` says from which grade on a document is relevant".to_owned();
        at.problem("ranking has grades and no positive label", Some(hint));
    }
    at.text()
}

fn decode_files(at: &At<'_, '_>, task: Task) -> Option<PartFiles> {
    if !at.is_given() {
        return None;
    }
    if task != Task::Ranking {
        let hint = "name one `source` with a column `split`".to_owned();
        at.problem("a file for each part goes with `task: ranking`", Some(hint));
    }
    let mut fields = at.fields();
    let (train, validation, test) = (fields.get("train"), fields.get("validation"), fields.get("test"));
    train.require("the file of the training rows");
    test.require("the file of the test rows");
    let files = PartFiles {
        train: train.text().unwrap_or_default(),
        validation: validation.text(),
        test: test.text().unwrap_or_default(),
    };
    fields.finish();
    Some(files)
}

fn decode_letor(at: &At<'_, '_>, task: Task) -> LetorSection {
    if at.is_given() && task != Task::Ranking {
        at.problem("LETOR files go with `task: ranking`", None);
    }
    let word = |at: &At<'_, '_>, allowed: [&str; 3]| {
        let word = at.text().unwrap_or_else(|| allowed[0].to_owned());
        if !allowed.contains(&word.as_str()) {
            at.problem(format!("`{word}` is not known here"), Some(known_hint(&word, allowed)));
        }
        word
    };
    let mut fields = at.fields();
    let section = LetorSection {
        first_index: word(&fields.get("first_index"), FIRST_INDEX),
        missing: word(&fields.get("missing"), MISSING),
    };
    fields.finish();
    section
}

fn decode_split(at: &At<'_, '_>, column: Option<String>, task: Task) -> SplitSection {
    let mut split = at.fields();
    let section = SplitSection {
        column: split.get("column").text(),
        train: split.get("train").number(),
        validation: split.get("validation").number(),
        test: split.get("test").number(),
        stratify: split.get("stratify").flag(),
        group: split.get("group").text(),
        time: split.get("time").text(),
        seed: split.get("seed").whole(),
    };
    split.finish();
    let made = section.train.is_some() || section.validation.is_some() || section.test.is_some();
    let ways = [section.stratify == Some(true), section.group.is_some(), section.time.is_some()];
    if section.column.is_some() && (made || ways.contains(&true)) {
        at.problem("a split is read from a column or made, not both", Some("remove `column` or the shares".into()));
    }
    if ways.iter().filter(|given| **given).count() > 1 {
        at.problem("a split is made in one way", Some("keep one of `stratify`, `group`, `time`".into()));
    }
    if task == Task::Ranking && (section.stratify.is_some() || section.group.is_some() || section.time.is_some()) {
        let hint = "give shares, a column, or `data.files`".to_owned();
        at.problem("a split for ranking goes by query: `stratify`, `group` and `time` have no place here", Some(hint));
    }
    if section.column.is_some() {
        return section;
    }
    if !made && !ways.contains(&true) && column.is_some() {
        return SplitSection { column, ..SplitSection::default() };
    }
    let shares = if made {
        [section.train, section.validation, section.test].map(|share| share.unwrap_or(0.0))
    } else {
        DEFAULT_SHARES
    };
    let sum: f64 = shares.iter().sum();
    if let Some(share) = shares.iter().find(|share| !(0.0..=1.0).contains(*share)) {
        at.problem(format!("a share lies between 0 and 1, got {share}"), None);
    } else if (sum - 1.0).abs() > 1e-6 {
        at.problem(
            format!("the shares must add up to 1, got {sum}"),
            Some("{train: 0.6, validation: 0.2, test: 0.2}".into()),
        );
    } else if shares[0] == 0.0 || shares[2] == 0.0 {
        at.problem("training and test need a share above 0", None);
    }
    let stratify = section.group.is_none() && section.time.is_none() && task == Task::Classification;
    SplitSection {
        train: Some(shares[0]),
        validation: Some(shares[1]),
        test: Some(shares[2]),
        stratify: stratify.then(|| section.stratify.unwrap_or(true)),
        ..section
    }
}

impl SplitSection {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl DataSection {
    /// Where the rows come from, in one line.
    #[must_use]
    pub fn place(&self) -> String {
        match &self.files {
            None => self.source.clone(),
            Some(files) => files.parts().map(|(_, file)| file).collect::<Vec<_>>().join(", "),
        }
    }

    /// The roles of the columns; no feature by name means all columns that are nothing else.
    #[must_use]
    pub fn roles(&self) -> Columns {
        let columns = &self.columns;
        let all = columns.query.is_some() && columns.text.is_empty();
        let input = match (&columns.embedding, columns.features.is_empty()) {
            (Some(embedding), _) => Input::Embedding(embedding.clone()),
            (None, false) => Input::Numbers(columns.features.clone()),
            (None, true) if all => Input::All,
            (None, true) => Input::Text { columns: columns.text.clone(), json_fields: self.json_fields.clone() },
        };
        Columns {
            id: columns.id.clone(),
            label: Some(columns.label.clone()),
            query: columns.query.clone(),
            input,
            letor: self.letor.settings(),
        }
    }

    /// How rows are split.
    #[must_use]
    pub fn way(&self) -> Split {
        if self.files.is_some() {
            return Split::Files;
        }
        let split = &self.split;
        if let Some(column) = &split.column {
            return Split::Column(column.clone());
        }
        let by = match (&self.columns.query, &split.group, &split.time, split.stratify) {
            (Some(query), ..) => By::Group(query.clone()),
            (_, Some(group), _, _) => By::Group(group.clone()),
            (_, _, Some(time), _) => By::Time(time.clone()),
            (.., Some(true)) => By::Stratified,
            _ => By::Random,
        };
        let [train, validation, test] = [split.train, split.validation, split.test].map(|share| share.unwrap_or(0.0));
        Split::Made { train, validation, test, by }
    }

    /// The columns that the model sees, as they are named.
    pub(super) fn inputs(&self) -> Vec<String> {
        let columns = &self.columns;
        let fields = self.json_fields.iter().map(|field| format!("json:{field}"));
        columns.text.iter().chain(&columns.embedding).chain(&columns.features).cloned().chain(fields).collect()
    }
}
