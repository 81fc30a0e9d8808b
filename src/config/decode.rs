//! Decoding that collects problems instead of stopping at the first.
//!
//! A config that a person writes and one that was stored with a run take the same road. Where a stored one does not fit
//! today's checks (a bound that was moved, a metric that is gone), that is no reason to refuse it: only what cannot be
//! understood is a problem there.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::field::{Field, Section};
use super::yaml::{Node, QUOTED, Value};
use crate::catalog::known_hint;
use crate::data::Task;
use crate::error::Problem;
use crate::text::without_secrets;

/// A config file being read: its lines, and the problems so far.
pub struct Decoder<'a> {
    file: &'a str,
    lines: Vec<&'a str>,
    problems: RefCell<Vec<Problem>>,
    /// The keys that their sections do not have.
    unknown_keys: RefCell<Vec<Problem>>,
    /// Texts that must not be printed with the line that they stand in.
    secrets: RefCell<Vec<String>>,
    /// The task of the config, where it has one.
    task: Cell<Option<Task>>,
    /// Whether the config was written by mlops itself.
    stored: bool,
}

impl<'a> Decoder<'a> {
    /// A decoder for a file that a person has written.
    #[must_use]
    pub fn new(file: &'a str, text: &'a str) -> Self {
        Self {
            file,
            lines: text.lines().collect(),
            problems: RefCell::default(),
            unknown_keys: RefCell::default(),
            secrets: RefCell::default(),
            task: Cell::default(),
            stored: false,
        }
    }

    /// A decoder for a config that was stored with a run.
    #[must_use]
    pub fn stored(file: &'a str, text: &'a str) -> Self {
        Self { stored: true, ..Self::new(file, text) }
    }

    /// Notes a problem at a place.
    pub fn problem(&self, line: usize, column: usize, path: &str, message: impl Into<String>, hint: Option<String>) {
        self.problems.borrow_mut().push(self.problem_at((line, column), path, &message.into(), hint));
    }

    /// Notes a key that its section does not have.
    fn unknown_key(&self, place: (usize, usize), path: &str, key: &str, hint: String) {
        let problem = self.problem_at(place, path, &format!("unknown key `{key}`"), Some(hint));
        self.unknown_keys.borrow_mut().push(problem);
    }

    fn problem_at(&self, place: (usize, usize), path: &str, message: &str, hint: Option<String>) -> Problem {
        let (line, column) = place;
        let snippet = line.checked_sub(1).and_then(|line| self.lines.get(line)).copied().unwrap_or_default();
        // A webhook's address is a secret, and a wrong line is printed.
        let (message, snippet) = (without_secrets(message), without_secrets(snippet));
        Problem { message, file: self.file.to_owned(), line, column, path: path.to_owned(), snippet, hint }
    }

    /// Keeps a text out of what problems say and show.
    pub fn hide(&self, text: &str) {
        // Messages quote the first characters of a value.
        let quoted = text.chars().take(QUOTED).collect();
        self.secrets.borrow_mut().extend([text.to_owned(), quoted]);
    }

    /// The problems in the order of the file.
    #[must_use]
    pub fn finish(self) -> Vec<Problem> {
        // A section and its first key stand in the same place: what else is wrong there comes before an unknown key.
        let mut problems = self.problems.into_inner();
        problems.extend(self.unknown_keys.into_inner());
        let mut secrets = self.secrets.into_inner();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        for problem in &mut problems {
            for secret in &secrets {
                problem.message = problem.message.replace(secret, "…");
                problem.snippet = problem.snippet.replace(secret, "…");
            }
        }
        problems.sort_by_key(|problem| (problem.line, problem.column));
        problems
    }
}

/// A place in the config: its node (if it is there) and its path.
pub struct At<'d, 'n> {
    decoder: &'d Decoder<'d>,
    /// The value, absent when the key is not there.
    pub node: Option<&'n Node>,
    /// The key path, such as `evaluation.metrics[2]`.
    pub path: String,
    /// Where to point when the value is absent: the mapping that lacks it.
    place: (usize, usize),
}

impl<'d, 'n> At<'d, 'n> {
    /// The root of a file.
    #[must_use]
    pub fn root(decoder: &'d Decoder<'d>, node: &'n Node) -> Self {
        Self { decoder, node: Some(node), path: String::new(), place: (node.line, node.column) }
    }

    /// Another value beside `near`, which says where to point.
    #[must_use]
    pub fn root_like(near: &Self, node: Option<&'n Node>, path: String) -> Self {
        Self { decoder: near.decoder, node, path, place: near.node.map_or(near.place, |node| (node.line, node.column)) }
    }

    /// Keeps a text of this file out of what problems say and show.
    pub fn hide(&self, text: &str) {
        self.decoder.hide(text);
    }

    /// The task of the config, where it has one.
    #[must_use]
    pub fn task(&self) -> Option<Task> {
        self.decoder.task.get()
    }

    /// Says which task the config is about.
    pub fn set_task(&self, task: Task) {
        self.decoder.task.set(Some(task));
    }

    /// Whether the config was written by mlops itself.
    #[must_use]
    pub fn is_stored(&self) -> bool {
        self.decoder.stored
    }

    /// True when there is a value that is not null.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.node.is_some_and(|node| node.value != Value::Null)
    }

    /// True when the value is a mapping.
    #[must_use]
    pub fn is_map(&self) -> bool {
        matches!(self.node.map(|node| &node.value), Some(Value::Map(_)))
    }

    /// The value when it is text, not a number or another thing.
    #[must_use]
    pub fn as_word(&self) -> Option<&'n str> {
        match self.node.map(|node| &node.value) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Notes here that a value must not be as it is.
    pub fn problem(&self, message: impl Into<String>, hint: Option<String>) {
        if !self.decoder.stored {
            self.refuse(message, hint);
        }
    }

    /// Notes here that a value cannot be understood.
    pub fn refuse(&self, message: impl Into<String>, hint: Option<String>) {
        let (line, column) = self.node.map_or(self.place, |node| (node.line, node.column));
        self.decoder.problem(line, column, &self.path, message, hint);
    }

    /// Notes that a section must go as a whole: what is wrong inside of it is of no interest then.
    pub fn superfluous(&self, message: &str, hint: Option<String>) {
        if self.decoder.stored {
            return;
        }
        let below = format!("{}.", self.path);
        for problems in [&self.decoder.problems, &self.decoder.unknown_keys] {
            problems.borrow_mut().retain(|problem| !problem.path.starts_with(&below));
        }
        self.refuse(message, hint);
    }

    fn expected(&self, what: &str) {
        match self.node {
            Some(node) => self.refuse(format!("expected {what}, got {}", node.kind()), None),
            None => self.refuse(format!("`{}` is missing: {what}", self.path), None),
        }
    }

    /// Notes that a value must be given, when it is not.
    pub fn require(&self, what: &str) {
        if !self.is_given() {
            self.refuse(format!("`{}` is missing: {what}", self.path), None);
        }
    }

    /// Text (numbers and booleans give theirs).
    #[must_use]
    pub fn text(&self) -> Option<String> {
        match self.node.map(|node| &node.value) {
            None | Some(Value::Null) => None,
            Some(Value::Text(text)) => Some(text.clone()),
            Some(Value::Integer(number)) => Some(number.to_string()),
            Some(Value::Bool(flag)) => Some(flag.to_string()),
            Some(_) => {
                self.expected("a string");
                None
            }
        }
    }

    /// Text parsed further; what the parser says becomes a problem.
    pub fn parsed<T>(&self, parse: impl FnOnce(&str) -> crate::error::Result<T>) -> Option<T> {
        match parse(&self.text()?) {
            Ok(value) => Some(value),
            Err(error) => {
                self.refuse(error.message, error.hint);
                None
            }
        }
    }

    /// A number.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        match self.node.map(|node| &node.value) {
            None | Some(Value::Null) => None,
            Some(Value::Integer(number)) => Some(*number as f64),
            Some(Value::Float(number)) if number.is_finite() => Some(*number),
            Some(_) => {
                self.expected("a number");
                None
            }
        }
    }

    /// A whole number of at least 0.
    #[must_use]
    pub fn whole(&self) -> Option<u64> {
        match self.node.map(|node| &node.value) {
            None | Some(Value::Null) => None,
            Some(Value::Integer(number)) if *number >= 0 => u64::try_from(*number).ok(),
            Some(Value::Float(number)) if *number >= 0.0 && number.fract() == 0.0 && *number < 9e15 => {
                Some(*number as u64)
            }
            Some(_) => {
                self.expected("a whole number of at least 0");
                None
            }
        }
    }

    /// `true` or `false`.
    #[must_use]
    pub fn flag(&self) -> Option<bool> {
        match self.node.map(|node| &node.value) {
            None | Some(Value::Null) => None,
            Some(Value::Bool(flag)) => Some(*flag),
            Some(_) => {
                self.expected("true or false");
                None
            }
        }
    }

    /// The items of a list; a single value counts as a list of one.
    #[must_use]
    pub fn items(&self) -> Vec<At<'d, 'n>> {
        let item = |index: usize, node: &'n Node| At {
            decoder: self.decoder,
            node: Some(node),
            path: format!("{}[{index}]", self.path),
            place: (node.line, node.column),
        };
        match self.node {
            None => Vec::new(),
            Some(node) => match &node.value {
                Value::Null => Vec::new(),
                Value::List(items) => items.iter().enumerate().map(|(index, node)| item(index, node)).collect(),
                _ => vec![At { decoder: self.decoder, node: self.node, path: self.path.clone(), place: self.place }],
            },
        }
    }

    /// A list of texts, or one text.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        self.items().iter().filter_map(At::text).collect()
    }

    fn entries(&self) -> &'n [(String, Node, Node)] {
        match self.node.map(|node| &node.value) {
            Some(Value::Map(entries)) => entries,
            _ => &[],
        }
    }

    fn entry(&self, key: &str, entry: Option<&'n (String, Node, Node)>) -> Self {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        let place = entry.map_or(self.place, |(_, key, _)| (key.line, key.column));
        Self { decoder: self.decoder, node: entry.map(|(.., value)| value), path, place }
    }

    /// The value of a key, which may be absent; a value that is no mapping has none.
    #[must_use]
    pub fn child(&self, key: &str) -> Self {
        self.entry(key, self.entries().iter().find(|(name, ..)| name == key))
    }

    /// Notes a value that is neither absent nor a mapping.
    fn expect_map(&self) {
        if self.is_given() && !self.is_map() {
            self.expected("a mapping `key: value`");
        }
    }

    /// The fields of a section; absent or null counts as an empty one. Keys that it does not have and keys that belong
    /// to another task than the config's are noted.
    #[must_use]
    pub fn section(&self, section: &'static Section) -> Fields<'d, 'n> {
        if section.short.is_none() || self.as_word().is_none() {
            self.expect_map();
        }
        let own = Self { decoder: self.decoder, node: self.node, path: self.path.clone(), place: self.place };
        let fields = Fields { own, section };
        for entry in self.entries() {
            let at = self.entry(&entry.0, Some(entry));
            let Some(field) = section.fields.iter().find(|field| field.name == entry.0) else {
                let hint = known_hint(&entry.0, section.fields.iter().map(|field| field.name));
                self.decoder.unknown_key((entry.1.line, entry.1.column), &at.path, &entry.0, hint);
                continue;
            };
            if let Some(only) = field.only.filter(|_| at.is_given() && !self.has(field)) {
                at.problem(only.message, only.hint.map(str::to_owned));
            }
        }
        fields
    }

    /// Whether a field belongs to the task of the config; where that has none, every field does.
    pub fn has(&self, field: &Field) -> bool {
        self.task().is_none_or(|task| field.is_of(task))
    }

    /// A mapping whose keys are free: each key with its value as JSON and its place.
    #[must_use]
    pub fn free_map(&self) -> BTreeMap<String, (Json, At<'d, 'n>)> {
        self.expect_map();
        let entries = self.entries().iter();
        let value = |entry: &'n (String, Node, Node)| {
            let at = self.entry(&entry.0, Some(entry));
            (entry.0.clone(), (entry.2.json(), At { place: self.place, ..at }))
        };
        entries.map(value).collect()
    }
}

/// The fields of a section that is being read.
pub struct Fields<'d, 'n> {
    own: At<'d, 'n>,
    /// The list of its fields.
    pub section: &'static Section,
}

impl<'d, 'n> Fields<'d, 'n> {
    /// The section itself.
    #[must_use]
    pub fn own(&self) -> &At<'d, 'n> {
        &self.own
    }

    /// The value of a key, which may be absent.
    #[must_use]
    pub fn at(&self, key: &str) -> At<'d, 'n> {
        if self.section.short == Some(key) && self.own.as_word().is_some() {
            return At::root_like(&self.own, self.own.node, self.own.path.clone());
        }
        self.own.child(key)
    }
}
