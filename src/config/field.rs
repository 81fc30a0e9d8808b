//! What a config section is: one list of fields. Each field says its name, kind, default, text and task in one place,
//! and that list drives the decoder (`decode`, `value`), the JSON Schema (`schema`), `mlops schema --list config` and
//! the reference page in `docs/config.md` (`reference`).
//!
//! `section!` (`section`) writes a list together with the struct that the section becomes.

use serde_json::{Value as Json, json};

use crate::data::Task;
use crate::error::Result;

/// A section of a config.
pub struct Section {
    /// What it is about.
    pub text: &'static str,
    /// Its keys, in the order in which they are rendered.
    pub fields: &'static [Field],
    /// The field that is meant by a text in place of the section.
    pub short: Option<&'static str>,
    /// What the JSON Schema says beyond the fields: which keys go together.
    pub refine: Option<fn(&mut Json)>,
}

/// A key of a section.
pub struct Field {
    /// The key.
    pub name: &'static str,
    /// What it is.
    pub text: &'static str,
    /// Which values it takes.
    pub kind: Kind,
    /// Its value where the config has none.
    pub preset: Preset,
    /// What is missing where a config does not have it, for fields that it must have.
    pub required: Option<&'static str>,
    /// The task that it belongs to, for fields that do not belong to all.
    pub only: Option<Only>,
}

/// A field belongs to one task.
#[derive(Clone, Copy)]
pub struct Only {
    /// The task.
    pub task: Task,
    /// What is wrong where the config has another.
    pub message: &'static str,
    /// What to do about it.
    pub hint: Option<&'static str>,
}

impl Only {
    /// A field of rankings.
    #[expect(clippy::unnecessary_wraps, reason = "the lists of fields hold an option")]
    pub const fn ranking(message: &'static str, hint: Option<&'static str>) -> Option<Self> {
        Some(Self { task: Task::Ranking, message, hint })
    }

    /// A field of classifications.
    #[expect(clippy::unnecessary_wraps, reason = "the lists of fields hold an option")]
    pub const fn classification(message: &'static str, hint: Option<&'static str>) -> Option<Self> {
        Some(Self { task: Task::Classification, message, hint })
    }
}

/// Which values a field takes.
#[derive(Clone, Copy)]
pub enum Kind {
    /// Text.
    Text,
    /// Text, a whole number or a truth value, all kept as text.
    Label,
    /// Text that names something or follows a form.
    Name {
        /// What it is, for people.
        label: &'static str,
        /// Checks it and gives its usual spelling; `None` stands for a file that is not about one task.
        check: fn(&str, Option<Task>) -> Result<String>,
        /// The JSON Schema.
        schema: fn() -> Json,
    },
    /// `true` or `false`.
    Flag,
    /// A number.
    Number(Limits),
    /// A whole number of at least 0.
    Whole(Limits),
    /// One of a few words.
    Word(Words),
    /// A span of time such as `5m` or `180d`, in milliseconds.
    Duration(fn(&str) -> Result<i64, String>),
    /// One value or a list of them.
    List(&'static Kind),
    /// A mapping with free keys: what its values are, and what is missing where a key has none, if it must have one.
    Map(&'static Kind, Option<&'static str>),
    /// A section.
    Section(&'static Section),
    /// A section, or `false` for none.
    SectionOrFalse(&'static Section),
    /// What its own decoder reads: what it is, for people, and the JSON Schema.
    Custom(&'static str, fn() -> Json),
}

/// A list of texts, or one.
pub const TEXTS: Kind = Kind::List(&Kind::Text);

/// Between which bounds a number lies.
#[derive(Clone, Copy)]
pub struct Limits {
    least: Option<f64>,
    most: Option<f64>,
    /// Whether the bounds themselves are values.
    inclusive: bool,
    /// What is wrong with another number; `{}` stands for it.
    message: &'static str,
    hint: Option<&'static str>,
}

impl Limits {
    /// Any number.
    pub const NONE: Self = Self { least: None, most: None, inclusive: true, message: "", hint: None };

    /// Not below a bound.
    pub const fn at_least(least: f64, message: &'static str) -> Self {
        Self { least: Some(least), message, ..Self::NONE }
    }

    /// Not above a bound.
    pub const fn at_most(most: f64, message: &'static str) -> Self {
        Self { most: Some(most), message, ..Self::NONE }
    }

    /// Between two bounds or on one of them.
    pub const fn between(least: f64, most: f64, message: &'static str) -> Self {
        Self { least: Some(least), most: Some(most), message, ..Self::NONE }
    }

    /// Between two bounds.
    pub const fn inside(least: f64, most: f64, message: &'static str) -> Self {
        Self { inclusive: false, ..Self::between(least, most, message) }
    }

    /// The same with a remedy.
    pub const fn hint(self, hint: &'static str) -> Self {
        Self { hint: Some(hint), ..self }
    }

    /// What is wrong with a number and what to do about it, when something is.
    pub fn check(&self, value: f64, written: &str) -> Option<(String, Option<String>)> {
        let above = self.least.is_none_or(|least| value > least || (self.inclusive && value >= least));
        let below = self.most.is_none_or(|most| value < most || (self.inclusive && value <= most));
        (!(above && below)).then(|| (self.message.replace("{}", written), self.hint.map(str::to_owned)))
    }

    fn add_to(&self, schema: &mut Json) {
        let [least, most] =
            if self.inclusive { ["minimum", "maximum"] } else { ["exclusiveMinimum", "exclusiveMaximum"] };
        for (key, bound) in [(least, self.least), (most, self.most)] {
            if let Some(bound) = bound {
                schema[key] = number(bound);
            }
        }
    }

    fn label(&self) -> String {
        match (self.least, self.most, self.inclusive) {
            (None, None, _) => String::new(),
            (Some(least), None, _) => format!(", at least {least}"),
            (None, Some(most), _) => format!(", at most {most}"),
            (Some(least), Some(most), true) => format!(", {least} to {most}"),
            (Some(least), Some(most), false) => format!(", above {least} and below {most}"),
        }
    }
}

/// A number as JSON, without a fraction where it has none.
fn number(value: f64) -> Json {
    if value.fract() == 0.0 { json!(value as i64) } else { json!(value) }
}

/// The words of a choice; the first is the default.
#[derive(Clone, Copy)]
pub struct Words {
    /// The words.
    pub allowed: &'static [&'static str],
    /// What is wrong with another word; `{}` stands for it.
    pub message: &'static str,
    /// Whether they may be written in capitals.
    pub any_case: bool,
}

/// One of these words.
pub const fn words(allowed: &'static [&'static str], message: &'static str) -> Kind {
    Kind::Word(Words { allowed, message, any_case: false })
}

/// The value of a field where the config has none.
#[derive(Clone, Copy)]
pub enum Preset {
    /// There is none.
    None,
    /// A text.
    Text(&'static str),
    /// Texts.
    Texts(&'static [&'static str]),
    /// A number.
    Number(f64),
    /// A whole number.
    Whole(u64),
    /// The section with its own defaults.
    Section,
    /// What the section's check works out, in words.
    Other(&'static str),
    /// Another one for each task.
    ByTask(&'static [(Task, Preset)]),
}

impl Preset {
    /// The one of a task.
    pub fn of(&self, task: Option<Task>) -> &Self {
        match self {
            Self::ByTask(presets) => {
                presets.iter().find(|(of, _)| Some(*of) == task).map_or(&Self::None, |(_, preset)| preset)
            }
            preset => preset,
        }
    }

    fn json(&self) -> Option<Json> {
        match self {
            Self::Text(text) => Some(json!(text)),
            Self::Texts(texts) => Some(json!(texts)),
            Self::Number(value) => Some(number(*value)),
            Self::Whole(value) => Some(json!(value)),
            Self::None | Self::Section | Self::Other(_) | Self::ByTask(_) => None,
        }
    }

    fn label(&self) -> String {
        match self {
            Self::Other(words) => (*words).to_owned(),
            Self::Texts(texts) => texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(", "),
            Self::Text(text) => format!("`{text}`"),
            Self::ByTask(presets) => {
                let label = |(task, preset): &(Task, Self)| format!("{}: {}", task.name(), preset.label());
                presets.iter().map(label).collect::<Vec<_>>().join("; ")
            }
            preset => preset.json().map_or_else(String::new, |value| format!("`{value}`")),
        }
    }
}

impl Field {
    /// A field that may be absent and has no default.
    pub const fn new(name: &'static str, kind: Kind, text: &'static str) -> Self {
        Self { name, text, kind, preset: Preset::None, required: None, only: None }
    }

    /// With a default.
    pub const fn preset(self, preset: Preset) -> Self {
        Self { preset, ..self }
    }

    /// One that a config must have.
    pub const fn required(self, what: &'static str) -> Self {
        Self { required: Some(what), ..self }
    }

    /// One that belongs to one task.
    pub const fn only(self, only: Option<Only>) -> Self {
        Self { only, ..self }
    }

    /// Whether it belongs to a task.
    pub fn is_of(&self, task: Task) -> bool {
        self.only.is_none_or(|only| only.task == task)
    }

    /// The default in words: its value, or how it comes about; empty for none.
    pub fn default_label(&self) -> String {
        match (&self.preset, self.kind) {
            (Preset::None, Kind::Word(words)) => format!("`{}`", words.allowed[0]),
            (preset, _) => preset.label(),
        }
    }

    /// The field as a JSON Schema.
    pub fn schema(&self) -> Json {
        let mut schema = self.kind.schema();
        if let Some(object) = schema.as_object_mut() {
            object.insert("description".into(), self.text.trim().into());
            let default = match (&self.preset, self.kind) {
                (Preset::None, Kind::Word(words)) => Some(json!(words.allowed[0])),
                (preset, _) => preset.json(),
            };
            if let Some(default) = default {
                object.insert("default".into(), default);
            }
        }
        schema
    }
}

impl Kind {
    /// The kind in words.
    pub fn label(&self) -> String {
        match self {
            Self::Text => "text".into(),
            Self::Label => "text, a whole number, `true` or `false`".into(),
            Self::Name { label, .. } | Self::Custom(label, _) => (*label).to_owned(),
            Self::Flag => "`true` or `false`".into(),
            Self::Number(limits) => format!("number{}", limits.label()),
            Self::Whole(limits) => format!("whole number{}", limits.label()),
            Self::Word(words) => words.allowed.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
            Self::Duration(_) => "time such as `90s`, `5m`, `12h`, `180d`".into(),
            Self::List(item) => format!("{}, or a list of such", item.label()),
            Self::Map(item, _) => format!("mapping to {}", item.label()),
            Self::Section(section) => match section.short {
                Some(field) => format!("`{field}` alone, or section"),
                None => "section".into(),
            },
            Self::SectionOrFalse(_) => "section, or `false`".into(),
        }
    }

    /// The section that it holds, itself or as the items of a list.
    pub fn section(&self) -> Option<&'static Section> {
        match self {
            Self::Section(section) | Self::SectionOrFalse(section) => Some(section),
            Self::List(item) => item.section(),
            _ => None,
        }
    }

    fn schema(&self) -> Json {
        match self {
            Self::Text | Self::Duration(_) => json!({"type": "string"}),
            Self::Label => json!({"type": ["string", "integer", "boolean"]}),
            Self::Name { schema, .. } | Self::Custom(_, schema) => schema(),
            Self::Flag => json!({"type": "boolean"}),
            Self::Number(limits) => {
                let mut schema = json!({"type": "number"});
                limits.add_to(&mut schema);
                schema
            }
            Self::Whole(limits) => {
                let mut schema = json!({"type": "integer", "minimum": 0});
                limits.add_to(&mut schema);
                schema
            }
            // A word of digits may be written without quotes.
            Self::Word(words) => {
                let numbers = words.allowed.iter().filter_map(|word| word.parse::<i64>().ok()).map(Json::from);
                let words = words.allowed.iter().map(|word| Json::from(*word));
                json!({"enum": words.chain(numbers).collect::<Vec<_>>()})
            }
            Self::List(item) => {
                let item = item.schema();
                json!({"anyOf": [item, {"type": "array", "items": item}]})
            }
            Self::Map(item, _) => json!({"type": "object", "additionalProperties": item.schema()}),
            Self::Section(section) => section.schema(),
            Self::SectionOrFalse(section) => json!({"anyOf": [section.schema(), {"const": false}]}),
        }
    }
}

impl Section {
    /// The field of a key.
    ///
    /// # Panics
    /// When the list has no such key: a mistake of the section's author, which its first config meets.
    pub fn field(&self, name: &str) -> &'static Field {
        let found = self.fields.iter().find(|field| field.name == name);
        found.unwrap_or_else(|| unreachable!("the section has no field `{name}`"))
    }

    /// The section as a JSON Schema.
    pub fn schema(&self) -> Json {
        let required: Vec<&str> =
            self.fields.iter().filter(|field| field.required.is_some()).map(|field| field.name).collect();
        let properties: serde_json::Map<String, Json> =
            self.fields.iter().map(|field| (field.name.to_owned(), field.schema())).collect();
        let mut schema = json!({
            "type": "object", "additionalProperties": false, "required": required, "properties": properties,
        });
        if let Some(refine) = self.refine {
            refine(&mut schema);
        }
        match self.short {
            Some(field) => json!({"anyOf": [self.field(field).kind.schema(), schema]}),
            None => schema,
        }
    }
}

/// Whether a value is the one that stands for nothing: such values are not rendered.
pub fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
