//! Decoding that collects problems instead of stopping at the first.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::yaml::{Node, QUOTED, Value};
use crate::catalog::known_hint;
use crate::error::Problem;
use crate::text::without_secrets;

/// A config file being read: its lines, and the problems so far.
pub struct Decoder<'a> {
    file: &'a str,
    lines: Vec<&'a str>,
    problems: RefCell<Vec<Problem>>,
    /// Texts that must not be printed with the line that they stand in.
    secrets: RefCell<Vec<String>>,
}

impl<'a> Decoder<'a> {
    /// A decoder for this file.
    #[must_use]
    pub fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, lines: text.lines().collect(), problems: RefCell::default(), secrets: RefCell::default() }
    }

    /// Notes a problem at a place.
    pub fn problem(&self, line: usize, column: usize, path: &str, message: impl Into<String>, hint: Option<String>) {
        let snippet = line.checked_sub(1).and_then(|line| self.lines.get(line)).copied().unwrap_or_default();
        // A webhook's address is a secret, and a wrong line is printed.
        self.problems.borrow_mut().push(Problem {
            message: without_secrets(&message.into()),
            file: self.file.to_owned(),
            line,
            column,
            path: path.to_owned(),
            snippet: without_secrets(snippet),
            hint,
        });
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
        let mut problems = self.problems.into_inner();
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

    /// True when there is a value that is not null.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.node.is_some_and(|node| node.value != Value::Null)
    }

    /// Notes a problem here.
    pub fn problem(&self, message: impl Into<String>, hint: Option<String>) {
        let (line, column) = self.node.map_or(self.place, |node| (node.line, node.column));
        self.decoder.problem(line, column, &self.path, message, hint);
    }

    fn expected(&self, what: &str) {
        match self.node {
            Some(node) => self.problem(format!("expected {what}, got {}", node.kind()), None),
            None => self.problem(format!("`{}` is missing: {what}", self.path), None),
        }
    }

    /// Notes that a value must be given, when it is not.
    pub fn require(&self, what: &str) {
        if !self.is_given() {
            self.problem(format!("`{}` is missing: {what}", self.path), None);
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
                self.problem(error.message, error.hint);
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

    /// The entries of a mapping; absent or null counts as an empty one.
    #[must_use]
    pub fn fields(&self) -> Fields<'d, 'n> {
        let entries = match self.node.map(|node| &node.value) {
            None | Some(Value::Null) => &[][..],
            Some(Value::Map(entries)) => entries,
            Some(_) => {
                self.expected("a mapping `key: value`");
                &[]
            }
        };
        Fields { decoder: self.decoder, path: self.path.clone(), entries, place: self.place, known: Vec::new() }
    }

    /// A mapping whose keys are free: each key with its value as JSON and its place.
    #[must_use]
    pub fn free_map(&self) -> BTreeMap<String, (Json, At<'d, 'n>)> {
        let fields = self.fields();
        let entries = fields.entries.iter();
        entries.map(|(key, _, node)| (key.clone(), (node.json(), fields.at(key, Some(node))))).collect()
    }
}

/// The entries of a mapping. Asking for a key makes it known; `finish` reports the others.
pub struct Fields<'d, 'n> {
    decoder: &'d Decoder<'d>,
    path: String,
    entries: &'n [(String, Node, Node)],
    place: (usize, usize),
    known: Vec<&'static str>,
}

impl<'d, 'n> Fields<'d, 'n> {
    fn at(&self, key: &str, node: Option<&'n Node>) -> At<'d, 'n> {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        At { decoder: self.decoder, node, path, place: self.place }
    }

    /// The value of a key, which may be absent.
    pub fn get(&mut self, key: &'static str) -> At<'d, 'n> {
        self.known.push(key);
        let found = self.entries.iter().find(|(name, ..)| name == key);
        let mut at = self.at(key, found.map(|(_, _, value)| value));
        if let Some((_, key, _)) = found {
            at.place = (key.line, key.column);
        }
        at
    }

    /// Reports the keys that nobody asked for.
    pub fn finish(self) {
        for (name, key, _) in self.entries {
            if !self.known.contains(&name.as_str()) {
                let path = if self.path.is_empty() { name.clone() } else { format!("{}.{name}", self.path) };
                let hint = known_hint(name, self.known.iter().copied());
                self.decoder.problem(key.line, key.column, &path, format!("unknown key `{name}`"), Some(hint));
            }
        }
    }
}
