//! `data:` of an experiment config: where the rows come from, which columns mean what, which rows train.
//!
//! Rows are in one `source` and split, or each part is a file of its own (`files`, for ranking). For ranking the
//! columns are those of LETOR files where nothing else is said (`label`, `qid`), every other column is a feature, and a
//! split never cuts a query.

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::decode::{At, Fields};
use super::field::{Kind, Limits, Only, Preset, TEXTS, is_default, words};
use super::section::section;
use crate::data::letor::{Base, Missing, Settings};
use crate::data::reading::{Reading, Written};
use crate::data::{Columns, Input, Part, Split, Task, split::By};
use crate::error::Result;

section! {
    /// Where the rows come from, which columns mean what, which rows train.
    DATA: DataSection derive(Serialize), check check_data, refine source_or_files {
        /// A path, a glob, or `format:path`; empty where `files` names the parts.
        source: String, Kind::Text, omit "String::is_empty";
        /// A file for each part, in place of a source and a split.
        files: Option<PartFiles>, Kind::Section(&PART_FILES), only Only::ranking(
            "a file for each part goes with `task: ranking`", Some("name one `source` with a column `split`")
        ), omit "Option::is_none";
        /// The query, for databases.
        query: Option<String>, Kind::Text, omit "Option::is_none";
        /// Which columns mean what.
        columns: ColumnsSection, Kind::Section(&COLUMNS);
        /// Fields taken out of JSON text columns, in order; `a.b` is a nested key.
        json_fields: Vec<String>, TEXTS, omit "Vec::is_empty";
        /// The positive label.
        positive: Option<String>, Kind::Label, only Only::classification(
            "ranking has grades and no positive label",
            Some("`evaluation.ranking.relevant_from` says from which grade on a document is relevant")
        ), omit "Option::is_none";
        /// Which rows train, validate, test.
        split: SplitSection, Kind::Section(&SPLIT), omit "is_default";
        /// The encoding of text files: `utf-8`, `cp949`, `euc-kr`, `latin1`, ….
        encoding: Option<String>, Kind::Text, preset Preset::Other("`utf-8`"), omit "Option::is_none";
        /// What separates the fields of a text file: one character, or `tab`.
        delimiter: Option<String>, Kind::Text, preset Preset::Other("`,` for CSV, `tab` for TSV"), omit "Option::is_none";
        /// Whether a quote encloses a field: `none`, `minimal`.
        quoting: Option<String>, Kind::Text, preset Preset::Other("`minimal` for CSV, `none` for TSV"),
            omit "Option::is_none";
        /// What stands before the decimals of a number: `.` or `,`.
        decimal: Option<String>, Kind::Text, preset Preset::Other("`.`"), omit "Option::is_none";
        /// What stands between groups of three digits: one character, or `space`.
        thousands: Option<String>, Kind::Text, omit "Option::is_none";
        /// How LETOR files are read.
        letor: LetorSection, Kind::Section(&LETOR),
            only Only::ranking("LETOR files go with `task: ranking`", None), omit "is_default";
    }
}

section! {
    /// A file for each part.
    PART_FILES: PartFiles derive(Serialize) {
        /// The rows for training.
        train: String, Kind::Text, required "the file of the training rows";
        /// The rows for choices.
        validation: Option<String>, Kind::Text, omit "Option::is_none";
        /// The rows for the final numbers.
        test: String, Kind::Text, required "the file of the test rows";
    }
}

impl PartFiles {
    /// The parts that have a file, with it.
    pub fn parts(&self) -> impl Iterator<Item = (Part, &str)> {
        let validation = self.validation.as_deref().map(|file| (Part::Validation, file));
        [(Part::Train, self.train.as_str())].into_iter().chain(validation).chain([(Part::Test, self.test.as_str())])
    }
}

section! {
    /// How LETOR files are read.
    LETOR: LetorSection derive(Default, Eq, Serialize) {
        /// The index of the first feature.
        first_index: Base, words(&["auto", "0", "1"], "`{}` is not known here");
        /// What becomes of `NULL`.
        missing: Missing, words(&["query_minimum", "zero", "refuse"], "`{}` is not known here");
    }
}

impl LetorSection {
    /// The same for the reader.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings { first_index: self.first_index, missing: self.missing, ..Settings::default() }
    }
}

section! {
    /// Which columns mean what. A model sees exactly one of `text`, `embedding`, `features`.
    COLUMNS: ColumnsSection derive(Default, Serialize), check check_inputs {
        /// The id of a row; row numbers when there is none.
        id: Option<String>, Kind::Text, omit "Option::is_none";
        /// The label; for ranking a grade of 0 to 31.
        label: String, Kind::Text, preset Preset::ByTask(&[(Task::Ranking, Preset::Text("label"))]);
        /// The query of a document.
        query: Option<String>, Kind::Text, preset Preset::Text("qid"), only Only::ranking(
            "a query belongs to ranking", Some("set `task: ranking`, or remove it")
        ), omit "Option::is_none";
        /// Text columns.
        text: Vec<String>, TEXTS, omit "Vec::is_empty";
        /// A column of whole vectors: a list, or text such as 0.1,0.2.
        embedding: Option<String>, Kind::Text, omit "Option::is_none";
        /// Numeric columns; for ranking all that are nothing else when absent.
        features: Vec<String>, TEXTS, omit "Vec::is_empty";
        also {
            /// A column of train, validation, test: the short form of `data.split.column`.
            split, Kind::Text;
        }
    }
}

const SHARE: Kind = Kind::Number(Limits::NONE);

/// A way of drawing rows; the documents of a query stay together anyway.
const fn by_row(message: &'static str) -> Option<Only> {
    Only::classification(message, Some("give shares, a column, or `data.files`"))
}

section! {
    /// Which rows train, validate, test: a column, or shares with one way of drawing.
    SPLIT: SplitSection derive(Default, Serialize) {
        /// A column of train, validation, test.
        column: Option<String>, Kind::Text, omit "Option::is_none";
        /// Share for training.
        train: Option<f64>, SHARE, preset Preset::Other("`0.6` where no share is given"), omit "Option::is_none";
        /// Share for validation.
        validation: Option<f64>, SHARE, preset Preset::Other("`0.2` where no share is given"), omit "Option::is_none";
        /// Share for test.
        test: Option<f64>, SHARE, preset Preset::Other("`0.2` where no share is given"), omit "Option::is_none";
        /// Each class in the same shares.
        stratify: Option<bool>, Kind::Flag, preset Preset::Other("`true` where neither `group` nor `time` is given"),
            only by_row("a split for ranking goes by query: `stratify` has no place here"), omit "Option::is_none";
        /// Rows with the same value of this column stay together.
        group: Option<String>, Kind::Text,
            only by_row("a split for ranking goes by query: `group` has no place here"), omit "Option::is_none";
        /// The seed of the draw.
        seed: Option<u64>, Kind::Whole(Limits::NONE), preset Preset::Other("the experiment's"), omit "Option::is_none";
        /// Oldest rows train, newest test, by this column.
        time: Option<String>, Kind::Text,
            only by_row("a split for ranking goes by query: `time` has no place here"), omit "Option::is_none";
    }
}

/// The shares of a made split when none are given.
const DEFAULT_SHARES: [f64; 3] = [0.6, 0.2, 0.2];

fn source_or_files(schema: &mut Json) {
    for share in ["train", "validation", "test"] {
        let share = &mut schema["properties"]["split"]["properties"][share];
        (share["minimum"], share["maximum"]) = (json!(0), json!(1));
    }
    schema["oneOf"] = json!([{"required": ["source"]}, {"required": ["files"]}]);
}

/// A column that gives the answer away, or that stands twice among the inputs.
fn check_inputs(columns: &mut ColumnsSection, fields: &Fields<'_, '_>) {
    let inputs: Vec<&String> = columns.text.iter().chain(&columns.embedding).chain(&columns.features).collect();
    for (index, name) in inputs.iter().enumerate() {
        if **name == columns.label {
            let hint = Some("take it out of the inputs".into());
            fields.own().problem(format!("`{name}` is the label: it cannot be an input too"), hint);
        } else if inputs[..index].contains(name) {
            fields.own().problem(format!("the input `{name}` stands there twice"), None);
        }
    }
}

fn check_data(section: &mut DataSection, fields: &Fields<'_, '_>) {
    let (source, files, columns_at) = (fields.at("source"), fields.at("files"), fields.at("columns"));
    let given = fields.own().is_given();
    if given && !files.is_given() {
        source.require("a path, a glob, or `format:path`");
    } else if source.is_given() && files.is_given() {
        files.problem("rows come from a `source` or from `files`, not from both", None);
    }
    if let Err(error) = section.reading() {
        let key = ["encoding", "delimiter", "quoting", "decimal", "thousands"]
            .into_iter()
            .find(|key| fields.at(key).is_given() && error.message.contains(key));
        match key {
            Some(key) => fields.at(key).problem(error.message, error.hint),
            None => fields.own().problem(error.message, error.hint),
        }
    }
    let columns = &section.columns;
    if given && columns.label.is_empty() {
        columns_at.child("label").require("the label's column");
    }
    let inputs = [!columns.text.is_empty(), columns.embedding.is_some(), !columns.features.is_empty()];
    let n_inputs = inputs.iter().filter(|given| **given).count();
    // Without a word about it, every column of documents that is nothing else is a feature.
    if given && n_inputs != 1 && !(n_inputs == 0 && columns.query.is_some()) {
        let hint = "name exactly one of `text`, `embedding`, `features`".to_owned();
        columns_at.problem("what the model sees is not clear", Some(hint));
    }
    if !section.json_fields.is_empty() && columns.text.is_empty() {
        let hint = Some("name it as `columns.text`".into());
        fields.at("json_fields").problem("`json_fields` needs a text column", hint);
    }
    let (split, column) = (fields.at("split"), columns_at.child("split").text());
    if !files.is_given() {
        check_split(&mut section.split, &split, column);
        return;
    }
    section.split = SplitSection::default();
    if split.is_given() || column.is_some() {
        split.superfluous("`files` says already which rows are in which part", Some("remove the split".into()));
    }
}

/// Says what is wrong with a split and fills it in. `column` is what `data.columns.split` names.
fn check_split(section: &mut SplitSection, at: &At<'_, '_>, column: Option<String>) {
    let made = section.train.is_some() || section.validation.is_some() || section.test.is_some();
    let ways = [section.stratify == Some(true), section.group.is_some(), section.time.is_some()];
    if section.column.is_some() && (made || ways.contains(&true)) {
        at.problem("a split is read from a column or made, not both", Some("remove `column` or the shares".into()));
    }
    if ways.iter().filter(|given| **given).count() > 1 {
        at.problem("a split is made in one way", Some("keep one of `stratify`, `group`, `time`".into()));
    }
    if section.column.is_some() {
        return;
    }
    if !made && !ways.contains(&true) && column.is_some() {
        *section = SplitSection { column, ..SplitSection::default() };
        return;
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
    (section.train, section.validation, section.test) = (Some(shares[0]), Some(shares[1]), Some(shares[2]));
    let by_row = at.task().is_none_or(|task| SPLIT.field("stratify").is_of(task));
    let stratify = by_row && section.group.is_none() && section.time.is_none();
    section.stratify = stratify.then(|| section.stratify.unwrap_or(true));
}

impl DataSection {
    /// How text files are read.
    ///
    /// # Errors
    /// `Invalid` when an option is not known.
    pub fn reading(&self) -> Result<Reading> {
        let written = Written {
            encoding: self.encoding.as_deref(),
            delimiter: self.delimiter.as_deref(),
            quoting: self.quoting.as_deref(),
            decimal: self.decimal.as_deref(),
            thousands: self.thousands.as_deref(),
        };
        written.reading()
    }

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
