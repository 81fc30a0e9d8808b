//! How the types of a config's fields are read from what is written: each by the kind that its field has.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use super::decode::{At, Fields};
use super::field::{Kind, Preset, Section};
use super::yaml;
use crate::catalog::known_hint;
use crate::data::Task;
use crate::data::letor::{Base, Missing};
use crate::drift::Rule;
use crate::metrics::ranking::{Divisor, Empty, Gain, Ties};
use crate::names::{ExperimentName, ModelName};

/// A type that a field can have.
pub trait Value: Sized {
    /// The value as it is written; `None` when it is absent, or when it is wrong, which has been noted.
    fn read(at: &At<'_, '_>, kind: &Kind) -> Option<Self>;

    /// The value where the config has none.
    fn preset(_at: &At<'_, '_>, _preset: &Preset, _kind: &Kind) -> Option<Self> {
        None
    }

    /// What stands in for a value without a default: it is absent, or the config is refused for the lack of it.
    fn nothing(_at: &At<'_, '_>) -> Self;
}

/// A struct that a section becomes.
pub trait FromSection: Sized {
    /// The list of its fields.
    const SECTION: &'static Section;

    /// The struct from the fields that are written; every problem is noted with the decoder.
    fn from_fields(fields: &Fields<'_, '_>) -> Self;

    /// The same from the place of the section.
    fn from_section(at: &At<'_, '_>) -> Self {
        Self::from_fields(&at.section(Self::SECTION))
    }
}

impl Fields<'_, '_> {
    /// The value of a field: what is written, else its default. A field of another task than the config's is absent.
    #[must_use]
    pub fn get<T: Value>(&self, name: &str) -> T {
        let (field, mut at) = (self.section.field(name), self.at(name));
        if !self.own().has(field) {
            at.node = None;
            return T::nothing(&at);
        }
        if let Some(what) = field.required {
            at.require(what);
        }
        T::read(&at, &field.kind)
            .or_else(|| T::preset(&at, field.preset.of(at.task()), &field.kind))
            .unwrap_or_else(|| T::nothing(&at))
    }
}

impl<T: FromSection> Value for T {
    fn read(at: &At<'_, '_>, _kind: &Kind) -> Option<Self> {
        Some(T::from_section(at))
    }

    fn nothing(at: &At<'_, '_>) -> Self {
        T::from_section(at)
    }
}

impl Value for String {
    fn read(at: &At<'_, '_>, kind: &Kind) -> Option<Self> {
        let text = at.text()?;
        let Kind::Name { check, .. } = kind else { return Some(text) };
        match check(&text, at.task()) {
            Ok(name) => Some(name),
            Err(error) => {
                at.problem(error.message, error.hint);
                // What a build of long ago knew is kept as it is.
                at.is_stored().then_some(text)
            }
        }
    }

    fn preset(_at: &At<'_, '_>, preset: &Preset, _kind: &Kind) -> Option<Self> {
        if let Preset::Text(text) = preset { Some((*text).to_owned()) } else { None }
    }

    fn nothing(_at: &At<'_, '_>) -> Self {
        Self::new()
    }
}

impl Value for f64 {
    fn read(at: &At<'_, '_>, kind: &Kind) -> Option<Self> {
        let value = at.number()?;
        if let Kind::Number(limits) = kind
            && let Some((message, hint)) = limits.check(value, &value.to_string())
        {
            at.problem(message, hint);
        }
        Some(value)
    }

    fn preset(_at: &At<'_, '_>, preset: &Preset, _kind: &Kind) -> Option<Self> {
        if let Preset::Number(value) = preset { Some(*value) } else { None }
    }

    fn nothing(_at: &At<'_, '_>) -> Self {
        0.0
    }
}

impl Value for bool {
    fn read(at: &At<'_, '_>, _kind: &Kind) -> Option<Self> {
        at.flag()
    }

    fn nothing(_at: &At<'_, '_>) -> Self {
        false
    }
}

/// A whole number, or a span of time in milliseconds.
fn whole(at: &At<'_, '_>, kind: &Kind) -> Option<u64> {
    match kind {
        Kind::Duration(parse) => {
            let parsed = parse(&at.text()?).map_err(|why| at.problem(why, None));
            parsed.ok().map(i64::unsigned_abs)
        }
        Kind::Whole(limits) => {
            let value = at.whole()?;
            if let Some((message, hint)) = limits.check(value as f64, &value.to_string()) {
                at.problem(message, hint);
            }
            Some(value)
        }
        _ => at.whole(),
    }
}

macro_rules! whole_number {
    ($($type:ty),+) => {
        $(impl Value for $type {
            fn read(at: &At<'_, '_>, kind: &Kind) -> Option<Self> {
                Self::try_from(whole(at, kind)?).ok()
            }

            fn preset(_at: &At<'_, '_>, preset: &Preset, kind: &Kind) -> Option<Self> {
                let value = match (preset, kind) {
                    (Preset::Text(text), Kind::Duration(parse)) => parse(text).ok()?.unsigned_abs(),
                    (Preset::Whole(value), _) => *value,
                    _ => return None,
                };
                Self::try_from(value).ok()
            }

            fn nothing(_at: &At<'_, '_>) -> Self {
                0
            }
        })+
    };
}

whole_number!(u8, u32, u64, usize, i64);

/// One of the words of a choice.
fn word<T: DeserializeOwned>(word: &str) -> Option<T> {
    serde_json::from_value(word.into()).ok()
}

/// The word of a choice that is written.
pub fn written_choice<T: DeserializeOwned>(at: &At<'_, '_>, kind: &Kind) -> Option<T> {
    let Kind::Word(words) = kind else { unreachable!("a choice has words") };
    let written = at.text()?;
    let written = if words.any_case { written.to_lowercase() } else { written };
    if words.allowed.contains(&written.as_str()) {
        return word(&written);
    }
    let hint = known_hint(&written, words.allowed.iter().copied());
    at.refuse(words.message.replace("{}", &written), Some(hint));
    None
}

/// The first word of a choice, which is its default.
pub fn usual_choice<T: DeserializeOwned>(kind: &Kind) -> Option<T> {
    if let Kind::Word(words) = kind { word(words.allowed[0]) } else { None }
}

/// Makes types values of `Kind::Word` fields: enums that serde reads from the words.
macro_rules! choice {
    ($($type:ty),+) => {
        $(impl $crate::config::value::Value for $type {
            fn read(at: &$crate::config::decode::At<'_, '_>, kind: &$crate::config::field::Kind) -> Option<Self> {
                $crate::config::value::written_choice(at, kind)
            }

            fn preset(
                _at: &$crate::config::decode::At<'_, '_>,
                _preset: &$crate::config::field::Preset,
                kind: &$crate::config::field::Kind,
            ) -> Option<Self> {
                $crate::config::value::usual_choice(kind)
            }

            fn nothing(_at: &$crate::config::decode::At<'_, '_>) -> Self {
                Self::default()
            }
        })+
    };
}
pub(super) use choice;

choice!(Base, Missing, Rule, Divisor, Empty, Gain, Ties);

impl<T: Value> Value for Option<T> {
    fn read(at: &At<'_, '_>, kind: &Kind) -> Option<Self> {
        let none = matches!(kind, Kind::SectionOrFalse(_))
            && at.node.is_some_and(|node| node.value == yaml::Value::Bool(false));
        if none {
            return Some(None);
        }
        at.is_given().then(|| T::read(at, kind)).flatten().map(Some)
    }

    fn preset(at: &At<'_, '_>, preset: &Preset, kind: &Kind) -> Option<Self> {
        match preset {
            Preset::Section => T::read(at, kind).map(Some),
            preset => T::preset(at, preset, kind).map(Some),
        }
    }

    fn nothing(_at: &At<'_, '_>) -> Self {
        None
    }
}

impl<T: Value> Value for Vec<T> {
    fn read(at: &At<'_, '_>, kind: &Kind) -> Option<Self> {
        let Kind::List(item) = kind else { unreachable!("a list has a kind of items") };
        let items = at.items();
        (!items.is_empty()).then(|| items.iter().filter_map(|at| T::read(at, item)).collect())
    }

    fn preset(at: &At<'_, '_>, preset: &Preset, kind: &Kind) -> Option<Self> {
        let Preset::Texts(texts) = preset else { return None };
        texts.iter().map(|text| T::preset(at, &Preset::Text(text), kind)).collect()
    }

    fn nothing(_at: &At<'_, '_>) -> Self {
        Self::new()
    }
}

impl<T: Value> Value for BTreeMap<String, T> {
    fn read(at: &At<'_, '_>, kind: &Kind) -> Option<Self> {
        let Kind::Map(item, required) = kind else { unreachable!("a mapping has a kind of values") };
        let mut values = Self::new();
        for (key, (_, at)) in at.free_map() {
            match T::read(&at, item) {
                Some(value) => drop(values.insert(key, value)),
                None => required.iter().for_each(|what| at.require(what)),
            }
        }
        Some(values)
    }

    fn nothing(_at: &At<'_, '_>) -> Self {
        Self::new()
    }
}

impl Value for Task {
    fn read(at: &At<'_, '_>, _kind: &Kind) -> Option<Self> {
        at.parsed(Self::parse)
    }

    fn preset(at: &At<'_, '_>, _preset: &Preset, _kind: &Kind) -> Option<Self> {
        at.task()
    }

    fn nothing(_at: &At<'_, '_>) -> Self {
        Self::default()
    }
}

macro_rules! name_value {
    ($($type:ty),+) => {
        $(impl Value for $type {
            fn read(at: &At<'_, '_>, _kind: &Kind) -> Option<Self> {
                at.parsed(Self::parse)
            }

            fn nothing(_at: &At<'_, '_>) -> Self {
                Self::parse("unnamed").expect("a valid name")
            }
        })+
    };
}

name_value!(ExperimentName, ModelName);
