//! Which columns mean what: the part of the config that a saved model keeps as its input schema.

use serde::{Deserialize, Serialize};

use super::letor::{Others, Settings};

/// The roles of the columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Columns {
    /// The id of a row; row numbers stand in when there is none.
    pub id: Option<String>,
    /// The label.
    pub label: Option<String>,
    /// The query that a document belongs to, for ranking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// What the model sees.
    pub input: Input,
    /// How LETOR files are read.
    #[serde(default, skip_serializing_if = "Settings::is_default")]
    pub letor: Settings,
}

impl Columns {
    /// These columns once files have been read: where all others are features, `names` are those that were found, and
    /// later files must have them; a LETOR file may have no others.
    #[must_use]
    pub fn learned(&self, names: &[String]) -> Self {
        match &self.input {
            Input::All => Self {
                input: Input::Numbers(names.to_vec()),
                letor: Settings { others: Others::Refuse, ..self.letor },
                ..self.clone()
            },
            _ => self.clone(),
        }
    }
}

/// What the model sees of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Input {
    /// Text: the columns' texts joined by a line break; with `json_fields`, each is JSON and only those fields count.
    Text {
        /// The columns, in order.
        columns: Vec<String>,
        /// Field paths (`a.b` is a nested key) in order; empty means plain text.
        json_fields: Vec<String>,
    },
    /// One column that holds a vector: a Parquet list, a JSON array, or text such as `0.1,0.2`.
    Embedding(String),
    /// One numeric column per feature.
    Numbers(Vec<String>),
    /// Every column that is nothing else, all of them numeric; all features of a LETOR file. A model keeps their names:
    /// see `Columns::learned`.
    All,
}

impl Input {
    /// What is missing in a row without an input, in words.
    #[must_use]
    pub fn missing(&self) -> &'static str {
        match self {
            Self::Text { columns, .. } if columns.len() > 1 => "all text columns are empty",
            Self::Text { .. } => "no text",
            Self::Embedding(_) => "no vector",
            Self::Numbers(_) | Self::All => "all feature columns are empty",
        }
    }

    /// What stands for the input in messages.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Text { columns, .. } => columns.first().map_or("text", String::as_str),
            Self::Embedding(name) => name,
            Self::Numbers(_) | Self::All => "features",
        }
    }

    /// The columns, as far as they are named.
    #[must_use]
    pub fn names(&self) -> &[String] {
        match self {
            Self::Text { columns, .. } | Self::Numbers(columns) => columns,
            Self::Embedding(name) => std::slice::from_ref(name),
            Self::All => &[],
        }
    }

    /// The text columns, where the input is text.
    #[must_use]
    pub fn text_columns(&self) -> &[String] {
        match self {
            Self::Text { columns, .. } => columns,
            _ => &[],
        }
    }
}

/// The text of the wanted fields of a JSON document, joined by line breaks; `None` when none of them holds text.
///
/// A field is looked up by its literal name first, then as a path of nested keys separated by dots. Numbers and
/// booleans give their text, arrays the texts of their items.
///
/// # Errors
/// What the JSON parser says.
pub fn json_text(document: &str, fields: &[String]) -> Result<Option<String>, serde_json::Error> {
    let value: serde_json::Value = serde_json::from_str(document)?;
    let mut parts = Vec::new();
    for field in fields {
        let direct = value.get(field.as_str());
        let found = direct.or_else(|| field.split('.').try_fold(&value, |value, key| value.get(key)));
        if let Some(found) = found {
            collect_text(found, &mut parts);
        }
    }
    Ok((!parts.is_empty()).then(|| parts.join("\n")))
}

fn collect_text(value: &serde_json::Value, parts: &mut Vec<String>) {
    match value {
        serde_json::Value::Null => {}
        serde_json::Value::String(text) if text.trim().is_empty() => {}
        serde_json::Value::String(text) => parts.push(text.clone()),
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect_text(item, parts)),
        serde_json::Value::Object(fields) => fields.values().for_each(|field| collect_text(field, parts)),
        other => parts.push(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_keeps_the_features_that_were_found() {
        let columns = Columns {
            id: None,
            label: Some("label".into()),
            query: Some("qid".into()),
            input: Input::All,
            letor: Settings::default(),
        };
        let learned = columns.learned(&["1".into(), "2".into()]);
        assert_eq!(learned.input, Input::Numbers(vec!["1".into(), "2".into()]));
        assert_eq!(learned.letor.others, Others::Refuse);
        assert_eq!(learned.learned(&["3".into()]), learned, "what is known stays");
        let text = serde_json::to_string(&learned).unwrap();
        assert_eq!(serde_json::from_str::<Columns>(&text).unwrap(), learned);
        assert!(!serde_json::to_string(&columns).unwrap().contains("letor"), "defaults are not written");
    }

    #[test]
    fn json_fields_are_found_by_name_and_by_path() {
        let document = r#"{"회사명": "가나", "경력": {"직무": "개발", "연차": 3}, "a.b": "dot", "목록": ["x", null, "y"], "빈": " "}"#;
        let text =
            |fields: &[&str]| json_text(document, &fields.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        assert_eq!(text(&["회사명", "경력.직무"]).as_deref(), Some("가나\n개발"));
        assert_eq!(text(&["a.b", "목록", "경력.연차"]).as_deref(), Some("dot\nx\ny\n3"));
        assert_eq!(text(&["빈", "없음"]), None);
        assert!(json_text("{broken", &[]).is_err());
    }
}
