//! One prediction as a line: `{"n":7,"at_ms":1795276800000,"id":"p7","score":0.53,"prediction":"1","facts":{…}}`.
//!
//! JSON has no NaN and no infinity: they are written as the texts `"NaN"`, `"Infinity"`, `"-Infinity"`; `null` is read as
//! NaN. Unknown keys are passed over, so that a later version may add some. A line break inside a text is escaped by
//! JSON, so a line feed always ends a record.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::error::{Context, Error, Result};
use crate::names::Version;

/// The longest line in bytes: a reader that meets a longer one is in rubbish.
pub(super) const LONGEST: usize = 16 << 20;

/// The format of the files.
pub(super) const FORMAT_VERSION: u32 = 1;

/// One logged prediction.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// When it was logged, in milliseconds since the epoch, by the clock of whoever logged it.
    pub at_ms: i64,
    /// The version that predicted.
    pub version: Version,
    /// The row's id, as it was given.
    pub id: String,
    /// The score as the model gives it: of the positive class; with more than two, of the class with the highest one. May
    /// be NaN or infinite.
    pub score: f64,
    /// The predicted class.
    pub prediction: String,
    /// Numbers of the row by name: `text_length` (characters), `vector_norm`, `centroid_cosine`, numeric features.
    pub facts: BTreeMap<String, f64>,
}

/// The first line of a file.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Head {
    pub format_version: u32,
    #[serde(default)]
    pub model: String,
    #[serde(default)]
    pub version: u32,
}

/// A number that JSON may not have.
#[derive(Clone, Copy)]
struct Number(f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            value if value.is_finite() => serializer.serialize_f64(value),
            value if value.is_nan() => serializer.serialize_str("NaN"),
            value if value > 0.0 => serializer.serialize_str("Infinity"),
            _ => serializer.serialize_str("-Infinity"),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyNumber;
        impl Visitor<'_> for AnyNumber {
            type Value = Number;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a number, `NaN`, `Infinity` or `-Infinity`")
            }

            fn visit_f64<E>(self, value: f64) -> Result<Number, E> {
                Ok(Number(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Number, E> {
                Ok(Number(value as f64))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Number, E> {
                Ok(Number(value as f64))
            }

            fn visit_unit<E>(self) -> Result<Number, E> {
                Ok(Number(f64::NAN))
            }

            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Number, E> {
                match value {
                    "NaN" => Ok(Number(f64::NAN)),
                    "Infinity" => Ok(Number(f64::INFINITY)),
                    "-Infinity" => Ok(Number(f64::NEG_INFINITY)),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(value), &self)),
                }
            }
        }
        deserializer.deserialize_any(AnyNumber)
    }
}

struct Facts<'a>(&'a BTreeMap<String, f64>);

impl Serialize for Facts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, Number(*value))))
    }
}

#[derive(Serialize)]
struct Written<'a> {
    at_ms: i64,
    id: &'a str,
    score: Number,
    prediction: &'a str,
    facts: Facts<'a>,
}

#[derive(Deserialize)]
struct Read {
    n: u64,
    at_ms: i64,
    id: String,
    score: Number,
    prediction: String,
    #[serde(default)]
    facts: BTreeMap<String, Number>,
}

/// Adds an entry to `text` as everything of its line that follows the number: `"at_ms":…}` with the line feed.
///
/// # Errors
/// `Invalid` when the line would be too long.
pub(super) fn encode(entry: &Entry, text: &mut Vec<u8>) -> Result<()> {
    let start = text.len();
    let written = Written {
        at_ms: entry.at_ms,
        id: &entry.id,
        score: Number(entry.score),
        prediction: &entry.prediction,
        facts: Facts(&entry.facts),
    };
    serde_json::to_writer(&mut *text, &written).context(|| "cannot write a prediction as JSON".into())?;
    text.remove(start);
    text.push(b'\n');
    let length = text.len() - start;
    if length + NUMBER.len() + 24 > LONGEST {
        let id: String = entry.id.chars().take(40).collect();
        return Err(Error::invalid(format!(
            "the prediction of `{id}` has {length} bytes, at most {LONGEST} are logged"
        )));
    }
    Ok(())
}

/// What stands before the number of a record.
pub(super) const NUMBER: &str = "{\"n\":";

/// A line of a file.
pub(super) enum Line {
    /// The head.
    Head(Head),
    /// A record with its number.
    Record(u64, Entry),
    /// Neither: damaged.
    Damaged,
}

/// Reads a line, without its line feed.
pub(super) fn decode(line: &[u8], version: Version) -> Line {
    if line.starts_with(NUMBER.as_bytes())
        && let Ok(read) = serde_json::from_slice::<Read>(line)
        && read.n > 0
    {
        let facts = read.facts.into_iter().map(|(name, value)| (name, value.0)).collect();
        let (id, prediction) = (read.id, read.prediction);
        return Line::Record(read.n, Entry { at_ms: read.at_ms, version, id, score: read.score.0, prediction, facts });
    }
    match serde_json::from_slice(line) {
        Ok(head) => Line::Head(head),
        Err(_) => Line::Damaged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(score: f64) -> Entry {
        Entry {
            at_ms: 1_795_276_800_000,
            version: Version(3),
            id: "p\n\"7\" 가\u{2028}".into(),
            score,
            prediction: "합격".into(),
            facts: [("text_length".to_owned(), 12.0), ("a".to_owned(), f64::NEG_INFINITY)].into(),
        }
    }

    fn line(entry: &Entry) -> Vec<u8> {
        let mut text = b"{\"n\":7,".to_vec();
        encode(entry, &mut text).unwrap();
        text
    }

    #[test]
    fn a_record_is_one_line_that_reads_back() {
        let text = line(&entry(0.1 + 0.2));
        let expected = "{\"n\":7,\"at_ms\":1795276800000,\"id\":\"p\\n\\\"7\\\" 가\u{2028}\",\"score\":0.30000000000000004,\
            \"prediction\":\"합격\",\"facts\":{\"a\":\"-Infinity\",\"text_length\":12.0}}\n";
        assert_eq!(String::from_utf8(text.clone()).unwrap(), expected);
        for score in [0.1 + 0.2, -0.0, 5e-324, f64::MAX, f64::INFINITY, f64::NEG_INFINITY] {
            let text = line(&entry(score));
            assert_eq!(text.iter().position(|byte| *byte == b'\n'), Some(text.len() - 1));
            let Line::Record(7, read) = decode(&text[..text.len() - 1], Version(3)) else { panic!("{score}") };
            assert_eq!(read, entry(score));
        }
        let text = line(&entry(f64::NAN));
        let Line::Record(7, read) = decode(&text[..text.len() - 1], Version(3)) else { panic!("NaN") };
        assert!(read.score.is_nan());
    }

    #[test]
    fn every_cut_of_a_line_is_damaged_and_never_another_record() {
        let text = line(&entry(0.5));
        for length in 0..text.len() - 1 {
            assert!(matches!(decode(&text[..length], Version(3)), Line::Damaged), "{length}");
        }
        let joined = [&text[..20], &text[..text.len() - 1]].concat();
        assert!(matches!(decode(&joined, Version(3)), Line::Damaged));
        for rubbish in [&b""[..], b"\0\0\0\0", b"{}", b"null", b"{\"n\":0,\"at_ms\":1}", b"\xff\xfe"] {
            assert!(matches!(decode(rubbish, Version(3)), Line::Damaged), "{rubbish:?}");
        }
        let head = br#"{"format_version":1,"model":"reviews","version":3,"later":true}"#;
        assert!(matches!(decode(head, Version(3)), Line::Head(head) if head.format_version == 1));
    }

    #[test]
    fn what_a_later_version_adds_is_passed_over() {
        let text = br#"{"n":2,"at_ms":5,"id":"a","score":1,"prediction":"x","new":[1,{}],"facts":{"a":null,"b":3}}"#;
        let Line::Record(2, read) = decode(text, Version(1)) else { panic!("not read") };
        assert!(read.facts["a"].is_nan() && read.facts["b"] == 3.0 && read.score == 1.0);
    }
}
