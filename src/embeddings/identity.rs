//! Who a sentence encoder is: everything that its vectors depend on. Vectors of two encoders can be compared only when
//! their identities have the same digest; a model that was trained with one is never opened with another.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::text_report::CosineToF32;
use crate::fs::sha256;

/// The format of an identity.
pub const FORMAT_VERSION: u32 = 1;

/// Everything that a sentence encoder's vectors depend on, where its files were found, and how coarse they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The format of this record.
    pub format_version: u32,
    /// The folder or the hub's name, as the user wrote it.
    pub model: String,
    /// The hub's revision, where the model came from there.
    pub revision: Option<String>,
    /// `bert`, `roberta`, …
    pub architecture: String,
    /// Length of a vector.
    pub dimensions: usize,
    /// What becomes of the token vectors, in order: `pooling(mean)`, `dense(32 -> 16, tanh)`, `normalize`.
    pub modules: Vec<String>,
    /// Tokens of a text that are read, special ones included.
    pub max_length: usize,
    /// Text before each text.
    pub prompt: String,
    /// Whether texts become lower case before they are tokenised.
    pub lower_case: bool,
    /// Numbers of the linear layers.
    pub dtype: String,
    /// What becomes of texts that are too long.
    pub truncate: String,
    /// Whether texts are cleaned and brought to Unicode NFC first.
    pub normalize_unicode: bool,
    /// SHA-256 of the network's `config.json`.
    pub config_sha256: String,
    /// SHA-256 over the weights files.
    pub weights_sha256: String,
    /// SHA-256 over the tokenizer's files.
    pub tokenizer_sha256: String,
    /// How near the vectors are to those of f32, where the dtype is another.
    pub cosine_to_f32: Option<CosineToF32>,
}

/// Fields that say where an encoder was found or how it was measured, not what it computes.
const INCIDENTAL: [&str; 3] = ["model", "revision", "cosine_to_f32"];

impl Identity {
    /// The fields that vectors depend on.
    fn essence(&self) -> Map<String, Value> {
        let mut fields = match serde_json::to_value(self) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::new(),
        };
        INCIDENTAL.iter().for_each(|name| {
            fields.remove(*name);
        });
        fields
    }

    /// SHA-256 of the fields that vectors depend on.
    #[must_use]
    pub fn digest(&self) -> String {
        sha256(Value::Object(self.essence()).to_string().as_bytes())
    }

    /// A short name for the vector space: `bert-768-1a2b3c4d5e6f`.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}-{}-{}", self.architecture, self.dimensions, &self.digest()[..12])
    }

    /// What differs between the encoder of training (`self`) and another one, a line a field.
    #[must_use]
    pub fn differences(&self, found: &Self) -> Vec<String> {
        let (trained, found) = (self.essence(), found.essence());
        let differing = trained.iter().filter(|(name, value)| found.get(*name) != Some(*value));
        differing
            .map(|(name, value)| {
                format!("{name}: trained with {value}, found {}", found.get(name).unwrap_or(&Value::Null))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity {
            format_version: FORMAT_VERSION,
            model: "models/a".into(),
            revision: None,
            architecture: "bert".into(),
            dimensions: 32,
            modules: vec!["pooling(mean)".into()],
            max_length: 128,
            prompt: String::new(),
            lower_case: false,
            dtype: "f32".into(),
            truncate: "warn".into(),
            normalize_unicode: true,
            config_sha256: "00".into(),
            weights_sha256: "aa".into(),
            tokenizer_sha256: "bb".into(),
            cosine_to_f32: None,
        }
    }

    #[test]
    fn the_place_does_not_matter_and_everything_else_does() {
        let one = identity();
        let moved = Identity { model: "/elsewhere".into(), revision: Some("abc".into()), ..identity() };
        assert_eq!((one.digest(), one.differences(&moved)), (moved.digest(), Vec::new()));
        let others = [
            Identity { max_length: 64, ..identity() },
            Identity { dtype: "int8".into(), ..identity() },
            Identity { weights_sha256: "cc".into(), ..identity() },
            Identity { prompt: "query: ".into(), ..identity() },
            Identity { normalize_unicode: false, ..identity() },
        ];
        let digests: std::collections::BTreeSet<String> = others.iter().map(Identity::digest).collect();
        assert_eq!(digests.len(), others.len());
        assert!(!digests.contains(&one.digest()));
        assert_eq!(one.differences(&others[0]), ["max_length: trained with 128, found 64"]);
    }

    #[test]
    fn it_survives_writing() {
        let cosine_to_f32 = Some(CosineToF32 { mean: 0.998, min: 0.99, texts: 32 });
        let one = Identity { cosine_to_f32, ..identity() };
        let text = serde_json::to_string(&one).unwrap();
        assert_eq!(serde_json::from_str::<Identity>(&text).unwrap(), one);
    }
}
