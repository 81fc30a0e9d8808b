//! YAML with positions: a small tree in which every value knows its line, so that an error can show it.
//!
//! Scalars follow the YAML 1.2 core schema (`yes` and `on` are strings). Duplicate keys are problems. Aliases are
//! expanded within a budget, so that a few lines cannot become a billion values.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use serde_json::Value as Json;

/// A value with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Line, from 1; 0 for a value that stands in no file.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
}

/// A YAML value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Another number.
    Float(f64),
    /// Text.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in the order of the file; the key's own place comes with it.
    Map(Vec<(String, Node, Node)>),
}

/// Why a file is not YAML: message, line, column.
pub type Broken = (String, usize, usize);

/// The most values that a file may hold after aliases are expanded.
const VALUE_LIMIT: usize = 100_000;
/// So many characters of a text are quoted in messages.
pub const QUOTED: usize = 40;
/// The deepest nesting.
const DEPTH_LIMIT: usize = 64;

impl Node {
    /// A value that stands in no file.
    #[must_use]
    pub fn nowhere(value: Value) -> Self {
        Self { value, line: 0, column: 0 }
    }

    /// The same value, standing in no file.
    #[must_use]
    pub fn without_place(self) -> Self {
        Self::nowhere(match self.value {
            Value::List(items) => Value::List(items.into_iter().map(Self::without_place).collect()),
            Value::Map(entries) => Value::Map(
                entries
                    .into_iter()
                    .map(|(name, key, value)| (name, key.without_place(), value.without_place()))
                    .collect(),
            ),
            other => other,
        })
    }

    /// What the value is, for messages.
    #[must_use]
    pub fn kind(&self) -> String {
        match &self.value {
            Value::Null => "nothing".into(),
            Value::Bool(flag) => format!("`{flag}`"),
            Value::Integer(number) => format!("`{number}`"),
            Value::Float(number) => format!("`{number}`"),
            Value::Text(text) => format!("`{}`", text.chars().take(QUOTED).collect::<String>()),
            Value::List(_) => "a list".into(),
            Value::Map(_) => "a mapping".into(),
        }
    }

    /// The value as JSON.
    #[must_use]
    pub fn json(&self) -> Json {
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(flag) => (*flag).into(),
            Value::Integer(number) => (*number).into(),
            // JSON has no infinities: as text they are told to be no numbers, which a parameter's check does well.
            Value::Float(number) => {
                serde_json::Number::from_f64(*number).map_or_else(|| number.to_string().into(), Json::Number)
            }
            Value::Text(text) => text.as_str().into(),
            Value::List(items) => items.iter().map(Self::json).collect(),
            Value::Map(entries) => entries
                .iter()
                .map(|(key, _, value)| (key.clone(), value.json()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }

    fn size(&self) -> usize {
        match &self.value {
            Value::List(items) => 1 + items.iter().map(Self::size).sum::<usize>(),
            Value::Map(entries) => 1 + entries.iter().map(|(_, _, value)| value.size()).sum::<usize>(),
            _ => 1,
        }
    }
}

/// What a plain scalar means in the YAML 1.2 core schema.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        ".inf" | "+.inf" => return Value::Float(f64::INFINITY),
        "-.inf" => return Value::Float(f64::NEG_INFINITY),
        ".nan" => return Value::Float(f64::NAN),
        _ => {}
    }
    if let Ok(number) = text.parse::<i64>() {
        return Value::Integer(number);
    }
    let numeric = text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first))
        && text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    match text.parse::<f64>() {
        Ok(number) if numeric => Value::Float(number),
        _ => Value::Text(text.to_owned()),
    }
}

struct Builder<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    anchors: HashMap<usize, Node>,
    values: usize,
    duplicates: Vec<Broken>,
}

impl<'a> Builder<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Broken> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(cause)) => Err((cause.info().to_owned(), cause.marker().line(), cause.marker().col() + 1)),
            None => Err(("the file ends too early".into(), 0, 0)),
        }
    }

    fn count(&mut self, values: usize, line: usize, column: usize) -> Result<(), Broken> {
        self.values += values;
        if self.values > VALUE_LIMIT {
            return Err((format!("more than {VALUE_LIMIT} values (aliases expanded)"), line, column));
        }
        Ok(())
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Broken> {
        let (line, column) = (span.start.line(), span.start.col() + 1);
        if depth > DEPTH_LIMIT {
            return Err((format!("nested deeper than {DEPTH_LIMIT} levels"), line, column));
        }
        self.count(1, line, column)?;
        let (value, anchor) = match event {
            Event::Alias(id) => {
                let known = self.anchors.get(&id).cloned();
                let node = known.ok_or_else(|| ("an alias without its anchor".to_owned(), line, column))?;
                self.count(node.size(), line, column)?;
                return Ok(Node { line, column, ..node });
            }
            Event::Scalar(text, style, anchor, tag) => {
                let quoted = style != ScalarStyle::Plain || tag.is_some();
                (if quoted { Value::Text(text.into_owned()) } else { plain(&text) }, anchor)
            }
            Event::SequenceStart(anchor, _) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break,
                        (event, span) => items.push(self.node(event, span, depth + 1)?),
                    }
                }
                (Value::List(items), anchor)
            }
            Event::MappingStart(anchor, _) => (self.map(depth)?, anchor),
            other => return Err((format!("unexpected {other:?}"), line, column)),
        };
        let node = Node { value, line, column };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn map(&mut self, depth: usize) -> Result<Value, Broken> {
        let mut entries: Vec<(String, Node, Node)> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                return Ok(Value::Map(entries));
            }
            let text = match &event {
                Event::Scalar(text, ..) => text.clone().into_owned(),
                _ => return Err(("a key must be a word".into(), span.start.line(), span.start.col() + 1)),
            };
            let key = self.node(event, span, depth + 1)?;
            if let Some((_, first, _)) = entries.iter().find(|(known, ..)| *known == text) {
                let message = format!("the key `{text}` stands here a second time (first in line {})", first.line);
                self.duplicates.push((message, key.line, key.column));
            }
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            entries.push((text, key, value));
        }
    }
}

/// Reads one YAML document; duplicate keys come back beside it, so that they can be told with all other problems.
///
/// # Errors
/// Why it is not one, with the place.
pub fn parse(text: &str) -> Result<(Node, Vec<Broken>), Broken> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder =
        Builder { parser: Parser::new_from_str(text), anchors: HashMap::new(), values: 0, duplicates: Vec::new() };
    let mut root = None;
    loop {
        match builder.next()? {
            (Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing, _) => {}
            (Event::StreamEnd, _) => {
                let root = root.unwrap_or(Node { value: Value::Null, line: 1, column: 1 });
                return Ok((root, builder.duplicates));
            }
            (_, span) if root.is_some() => {
                return Err(("a second document begins here".into(), span.start.line(), span.start.col() + 1));
            }
            (event, span) => root = Some(builder.node(event, span, 0)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_know_their_line() {
        let (node, _) = parse("a: 1\nb:\n  - x\n  - [2.5, ~, 'no', yes]\n").unwrap();
        let Value::Map(entries) = &node.value else { panic!() };
        assert_eq!((entries[1].1.line, entries[1].1.column), (2, 1));
        assert_eq!(node.json(), serde_json::json!({"a": 1, "b": ["x", [2.5, null, "no", "yes"]]}));
    }

    #[test]
    fn duplicate_keys_and_bombs_are_refused() {
        let (_, duplicates) = parse("a: 1\nb: 2\na: 3\n").unwrap();
        let [(message, line, _)] = duplicates.as_slice() else { panic!("{duplicates:?}") };
        assert_eq!((message.as_str(), *line), ("the key `a` stands here a second time (first in line 1)", 3));
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..9 {
            let previous = format!("*a{}", level - 1);
            bomb += &format!("a{level}: &a{level} [{}]\n", vec![previous; 10].join(", "));
        }
        assert!(parse(&bomb).unwrap_err().0.contains("more than 100000 values"));
        assert!(parse(&"[".repeat(100_000)).is_err());
        assert!(parse("a: [1, 2\nb: 3").is_err());
    }

    #[test]
    fn an_alias_is_its_value() {
        assert_eq!(parse("a: &x {k: 1}\nb: *x\n").unwrap().0.json(), serde_json::json!({"a": {"k": 1}, "b": {"k": 1}}));
    }
}
