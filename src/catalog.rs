//! Catalogs: a `const` slice of named trait objects, looked up with "did you mean", and their parameters.
//!
//! Every variant of a wing (a model family, a metric, a feature step, a data source) is `Named` and lists its
//! parameters as `Param`s. Config checking, the JSON Schema and `mlops schema --list` all read these lists, so a
//! parameter is described in one place.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::error::{Error, Result};

/// A thing with a name in configs and one line of explanation.
pub trait Named {
    /// The name in configs.
    fn name(&self) -> &'static str;
    /// One line: what it is.
    fn about(&self) -> &'static str;
}

/// The closest of `known` to `word`, when it is close enough to be a typo.
#[must_use]
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.chars().count().max(word.chars().count()) / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// A hint that names the closest known word, else all of them.
#[must_use]
pub fn known_hint<'a>(word: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match did_you_mean(word, known.clone()) {
        Some(close) => format!("did you mean `{close}`?"),
        None => format!("known: {}", known.into_iter().collect::<Vec<_>>().join(", ")),
    }
}

/// Finds an entry of a catalog by name.
///
/// # Errors
/// `Invalid`, with a hint, when nothing has that name.
pub fn find<'a, T: Named + ?Sized>(what: &str, catalog: &[&'a T], name: &str) -> Result<&'a T> {
    catalog.iter().find(|entry| entry.name() == name).copied().ok_or_else(|| {
        Error::invalid(format!("unknown {what} `{name}`"))
            .hint(known_hint(name, catalog.iter().map(|entry| entry.name()).collect::<Vec<_>>()))
    })
}

/// The largest whole number that a parameter takes: more is a slip of the finger, and would only exhaust the memory.
const LARGEST: i64 = 100_000_000;

/// What values a parameter takes.
#[derive(Debug, Clone, Copy)]
pub enum ParamKind {
    /// A whole number of at least `min`.
    Integer {
        /// The smallest value allowed.
        min: i64,
    },
    /// A number; `min` itself is allowed only when `inclusive`.
    Float {
        /// The lower bound.
        min: f64,
        /// Whether the bound itself is a value.
        inclusive: bool,
    },
    /// `true` or `false`.
    Bool,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A string.
    Text,
    /// A pair `[low, high]` of whole numbers of at least 1.
    Range,
    /// Checked by its owner; the text says what is allowed, the second is a JSON Schema.
    Custom(&'static str, &'static str),
}

/// One parameter of a catalog entry.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    /// The name in configs.
    pub name: &'static str,
    /// What values it takes.
    pub kind: ParamKind,
    /// The default as JSON text; `null` is then allowed as a value too.
    pub default: &'static str,
    /// One line: what it does.
    pub about: &'static str,
}

impl Param {
    /// A number of at least `min`, or above it.
    #[must_use]
    pub const fn float(
        name: &'static str,
        min: f64,
        inclusive: bool,
        default: &'static str,
        about: &'static str,
    ) -> Self {
        Self { name, kind: ParamKind::Float { min, inclusive }, default, about }
    }

    /// A whole number of at least `min`.
    #[must_use]
    pub const fn integer(name: &'static str, min: i64, default: &'static str, about: &'static str) -> Self {
        Self { name, kind: ParamKind::Integer { min }, default, about }
    }
}

/// A wrong parameter: which one, what is wrong, and the remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamProblem {
    /// The parameter's name.
    pub name: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Param {
    /// The default value.
    #[must_use]
    pub fn default_value(&self) -> Value {
        serde_json::from_str(self.default).expect("a parameter's default is JSON text")
    }

    /// Says what is wrong with `value`, if anything is.
    #[must_use]
    pub fn check(&self, value: &Value) -> Option<String> {
        if value.is_null() {
            // What null means for a `Custom` parameter is its owner's business.
            let allowed = self.default == "null" || matches!(self.kind, ParamKind::Custom(..));
            return (!allowed).then(|| format!("`{}` needs a value", self.name));
        }
        let got = || match value {
            Value::String(text) => format!("`{text}`"),
            other => format!("`{other}`"),
        };
        let expected = match self.kind {
            ParamKind::Integer { min } => match value.as_i64() {
                Some(number) if (min..=LARGEST).contains(&number) => return None,
                _ => format!("a whole number of {min} to {LARGEST}"),
            },
            ParamKind::Float { min, inclusive } => match value.as_f64() {
                Some(number) if number > min || (inclusive && number >= min) => return None,
                _ if min == f64::NEG_INFINITY => "a number".into(),
                _ => format!("a number {} {min}", if inclusive { "of at least" } else { "above" }),
            },
            ParamKind::Bool => match value {
                Value::Bool(_) => return None,
                _ => "true or false".into(),
            },
            ParamKind::Choice(words) => match value.as_str() {
                Some(word) if words.contains(&word) => return None,
                _ => format!("one of {}", words.join(", ")),
            },
            ParamKind::Text => match value {
                Value::String(_) => return None,
                _ => "a string".into(),
            },
            ParamKind::Range => match value.as_array().map(Vec::as_slice) {
                Some([low, high]) => match (low.as_u64(), high.as_u64()) {
                    (Some(low), Some(high)) if 1 <= low && low <= high => return None,
                    _ => "a pair [low, high] with 1 <= low <= high".into(),
                },
                _ => "a pair [low, high]".into(),
            },
            ParamKind::Custom(..) => return None,
        };
        Some(format!("`{}` expects {expected}, got {}", self.name, got()))
    }

    /// The remedy for a wrong value: the word that was meant, else what the parameter does.
    fn remedy(&self, value: &Value) -> String {
        let close = match (self.kind, value.as_str()) {
            (ParamKind::Choice(words), Some(word)) => did_you_mean(word, words.iter().copied()),
            _ => None,
        };
        close.map_or_else(|| self.about.to_owned(), |close| format!("did you mean `{close}`?"))
    }

    /// The parameter as a JSON Schema.
    #[must_use]
    pub fn schema(&self) -> Value {
        let mut schema = match self.kind {
            ParamKind::Integer { min } => serde_json::json!({"type": "integer", "minimum": min, "maximum": LARGEST}),
            ParamKind::Float { min, .. } if min == f64::NEG_INFINITY => serde_json::json!({"type": "number"}),
            ParamKind::Float { min, inclusive: true } => serde_json::json!({"type": "number", "minimum": min}),
            ParamKind::Float { min, .. } => serde_json::json!({"type": "number", "exclusiveMinimum": min}),
            ParamKind::Bool => serde_json::json!({"type": "boolean"}),
            ParamKind::Choice(words) => serde_json::json!({"enum": words}),
            ParamKind::Text => serde_json::json!({"type": "string"}),
            ParamKind::Range => serde_json::json!({
                "type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 2, "maxItems": 2}),
            ParamKind::Custom(_, schema) => serde_json::from_str(schema).expect("a parameter's schema is JSON text"),
        };
        if self.default == "null" {
            schema = serde_json::json!({"anyOf": [schema, {"type": "null"}]});
        }
        if let Some(object) = schema.as_object_mut() {
            object.insert("description".into(), self.about.into());
            object.insert("default".into(), self.default_value());
        }
        schema
    }
}

/// Checked parameters: every one that the entry lists is present, with its default where none was given.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Params(BTreeMap<String, Value>);

impl Params {
    /// Checks `given` against the list and fills in the defaults.
    ///
    /// # Errors
    /// All problems at once.
    pub fn checked(list: &[Param], given: &BTreeMap<String, Value>) -> Result<Self, Vec<ParamProblem>> {
        let mut problems = Vec::new();
        for (name, value) in given {
            match list.iter().find(|param| param.name == name) {
                None => problems.push(ParamProblem {
                    name: name.clone(),
                    message: format!("unknown parameter `{name}`"),
                    hint: Some(known_hint(name, list.iter().map(|param| param.name).collect::<Vec<_>>())),
                }),
                Some(param) => {
                    if let Some(message) = param.check(value) {
                        problems.push(ParamProblem { name: name.clone(), message, hint: Some(param.remedy(value)) });
                    }
                }
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let filled = list.iter().map(|param| {
            let value = given.get(param.name).cloned().unwrap_or_else(|| param.default_value());
            (param.name.to_owned(), value)
        });
        Ok(Self(filled.collect()))
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These and others; no name is in both.
    #[must_use]
    pub fn joined(&self, others: &Self) -> Self {
        Self(self.0.iter().chain(&others.0).map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    /// The value of a parameter that the list is known to hold.
    ///
    /// # Panics
    /// When the list does not hold it: a mistake of the variant's author, which its contract test meets at once.
    #[must_use]
    pub fn get(&self, name: &str) -> &Value {
        self.0.get(name).unwrap_or_else(|| unreachable!("parameter `{name}` is not in the list"))
    }

    /// A float parameter, `NaN` when null.
    #[must_use]
    pub fn f64(&self, name: &str) -> f64 {
        self.get(name).as_f64().unwrap_or(f64::NAN)
    }

    /// A whole-number parameter, `None` when null.
    #[must_use]
    pub fn usize_opt(&self, name: &str) -> Option<usize> {
        self.get(name).as_u64().and_then(|number| usize::try_from(number).ok())
    }

    /// A whole-number parameter that is never null.
    #[must_use]
    pub fn usize(&self, name: &str) -> usize {
        self.usize_opt(name).unwrap_or_default()
    }

    /// A boolean parameter.
    #[must_use]
    pub fn bool(&self, name: &str) -> bool {
        self.get(name).as_bool().unwrap_or_default()
    }

    /// A string parameter; empty when it is not a string.
    #[must_use]
    pub fn str(&self, name: &str) -> &str {
        self.get(name).as_str().unwrap_or_default()
    }

    /// A `[low, high]` parameter.
    #[must_use]
    pub fn range(&self, name: &str) -> (usize, usize) {
        let part = |index: usize| {
            let number = self.get(name).get(index).and_then(Value::as_u64).unwrap_or(1);
            usize::try_from(number).unwrap_or(usize::MAX)
        };
        (part(0), part(1))
    }

    /// All parameters in name order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}
