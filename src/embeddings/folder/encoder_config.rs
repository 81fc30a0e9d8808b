//! `config.json`: which network the weights belong to, and every size of it.
//!
//! Read are BERT, RoBERTa, XLM-RoBERTa, CamemBERT (RoBERTa under another name) and DistilBERT with its own key names.
//! Keys that are absent take the defaults of transformers 5.23; the sizes must stand there. Whatever would change the
//! vectors and is not built here (relative positions, decoders, pruned heads, quantised weights, adapters) is refused.

use std::path::Path;

use serde_json::Value;

use crate::embeddings::folder::document::Document;
use crate::error::Result;
use crate::kernels::Activation;

/// The family of a network, which decides the names of its tensors and how its positions are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// `bert`.
    Bert,
    /// `roberta` and `camembert`.
    Roberta,
    /// `xlm-roberta`.
    XlmRoberta,
    /// `distilbert`.
    DistilBert,
}

impl Architecture {
    /// The name in `config.json`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bert => "bert",
            Self::Roberta => "roberta",
            Self::XlmRoberta => "xlm-roberta",
            Self::DistilBert => "distilbert",
        }
    }

    fn is_roberta(self) -> bool {
        matches!(self, Self::Roberta | Self::XlmRoberta)
    }
}

/// Every size of an encoder.
#[derive(Debug, Clone, PartialEq)]
pub struct EncoderConfig {
    /// The family.
    pub architecture: Architecture,
    /// Rows of the word embedding table.
    pub vocab_size: usize,
    /// Width of a token's vector.
    pub hidden_size: usize,
    /// Layers.
    pub n_layers: usize,
    /// Attention heads, a divisor of `hidden_size`.
    pub n_heads: usize,
    /// Width between the two linear layers behind the attention.
    pub intermediate_size: usize,
    /// Rows of the position table; RoBERTa kinds leave the first `position_offset` of them unused.
    pub max_positions: usize,
    /// Rows of the token type table; 0 without one.
    pub type_vocab_size: usize,
    /// Added to the variance in a layer norm.
    pub layer_norm_eps: f32,
    /// Between the two linear layers behind the attention.
    pub activation: Activation,
    /// The padding token. RoBERTa kinds give it position `pad_token_id` and do not count it where it stands in a text.
    pub pad_token_id: Option<u32>,
    /// Position of the first token: `pad_token_id + 1` for RoBERTa kinds, else 0.
    pub position_offset: usize,
}

/// What a person should know of a network whose weights are kept in half precision.
///
/// # Errors
/// Those of `EncoderConfig::read`.
pub(super) fn note_on_precision(folder: &Path) -> Result<Option<String>> {
    let config = Document::read(&folder.join("config.json"))?;
    let stored = config.text("dtype")?.or(config.text("torch_dtype")?);
    let stored =
        stored.map(|name| name.trim_start_matches("torch.")).filter(|name| matches!(*name, "float16" | "bfloat16"));
    Ok(stored.map(|name| {
        format!("the weights are kept as {name}; here they are computed with as f32, by transformers 5 as {name}, so the last digits differ")
    }))
}

impl EncoderConfig {
    /// Reads the `config.json` of a transformer's folder.
    ///
    /// # Errors
    /// `NotFound` without the file, `Failed` when it is damaged, `Invalid` for a network that is not supported or sizes
    /// that cannot be.
    pub fn read(folder: &Path) -> Result<Self> {
        let config = Document::read(&folder.join("config.json")).map_err(|error| {
            error.hint(
                "a model folder holds `config.json`, a tokenizer and the weights, as sentence-transformers saves them",
            )
        })?;
        if folder.join("adapter_config.json").exists() {
            return Err(config
                .unsupported(format!("the adapter of `{}`", folder.join("adapter_config.json").display()))
                .hint("merge it into the weights with peft's `merge_and_unload` and save the model again"));
        }
        let architecture = architecture(&config)?;
        refuse_variants(&config)?;
        let keys = Keys::of(architecture);
        let pad_token_id = match config.get("pad_token_id") {
            Some(Value::Number(id)) => id.as_u64().and_then(|id| u32::try_from(id).ok()),
            Some(_) => return Err(config.invalid("`pad_token_id` should be a whole number")),
            None => Some(u32::from(architecture.is_roberta())),
        };
        let position_offset = match pad_token_id {
            Some(pad) if architecture.is_roberta() => pad as usize + 1,
            _ => 0,
        };
        let read = Self {
            architecture,
            vocab_size: size(&config, "vocab_size", None)?,
            hidden_size: size(&config, keys.hidden_size, None)?,
            n_layers: size(&config, keys.n_layers, None)?,
            n_heads: size(&config, keys.n_heads, None)?,
            intermediate_size: size(&config, keys.intermediate_size, None)?,
            max_positions: size(&config, "max_position_embeddings", Some(512))?,
            type_vocab_size: match architecture {
                Architecture::DistilBert => 0,
                _ => config.count("type_vocab_size")?.unwrap_or(2),
            },
            layer_norm_eps: match architecture {
                Architecture::DistilBert => 1e-12,
                _ => config.number("layer_norm_eps")?.unwrap_or(1e-12) as f32,
            },
            activation: activation(&config, keys.activation)?,
            pad_token_id,
            position_offset,
        };
        read.check(&config, &keys)?;
        Ok(read)
    }

    fn check(&self, config: &Document, keys: &Keys) -> Result<()> {
        if !self.hidden_size.is_multiple_of(self.n_heads) {
            return Err(config.invalid(format!(
                "`{}` {} is not a multiple of `{}` {}",
                keys.hidden_size, self.hidden_size, keys.n_heads, self.n_heads
            )));
        }
        if self.n_layers > 1024 {
            return Err(config.invalid(format!("`{}` is {}, expected 1 to 1024", keys.n_layers, self.n_layers)));
        }
        if self.max_positions <= self.position_offset {
            return Err(config.invalid(format!(
                "`max_position_embeddings` {} leaves no position behind the {} that `pad_token_id` takes",
                self.max_positions, self.position_offset
            )));
        }
        if !(self.layer_norm_eps > 0.0 && self.layer_norm_eps < 1.0) {
            return Err(config.invalid(format!("`layer_norm_eps` is {}, expected 0 to 1", self.layer_norm_eps)));
        }
        Ok(())
    }

    /// Tokens that one sequence can hold, special tokens included.
    #[must_use]
    pub fn n_positions(&self) -> usize {
        self.max_positions - self.position_offset
    }
}

struct Keys {
    hidden_size: &'static str,
    n_layers: &'static str,
    n_heads: &'static str,
    intermediate_size: &'static str,
    activation: &'static str,
}

impl Keys {
    fn of(architecture: Architecture) -> Self {
        if architecture == Architecture::DistilBert {
            return Self {
                hidden_size: "dim",
                n_layers: "n_layers",
                n_heads: "n_heads",
                intermediate_size: "hidden_dim",
                activation: "activation",
            };
        }
        Self {
            hidden_size: "hidden_size",
            n_layers: "num_hidden_layers",
            n_heads: "num_attention_heads",
            intermediate_size: "intermediate_size",
            activation: "hidden_act",
        }
    }
}

const ARCHITECTURES: &str = "supported are `bert`, `roberta`, `xlm-roberta`, `camembert` and `distilbert`";

fn architecture(config: &Document) -> Result<Architecture> {
    let Some(name) = config.text("model_type")? else {
        return Err(config.invalid("there is no `model_type`").hint(ARCHITECTURES));
    };
    match name {
        "bert" => Ok(Architecture::Bert),
        "roberta" | "camembert" => Ok(Architecture::Roberta),
        "xlm-roberta" => Ok(Architecture::XlmRoberta),
        "distilbert" => Ok(Architecture::DistilBert),
        _ => Err(config.unsupported(format!("the architecture `{name}`")).hint(ARCHITECTURES)),
    }
}

fn refuse_variants(config: &Document) -> Result<()> {
    match config.text("position_embedding_type")? {
        None | Some("absolute") => {}
        Some(other) => return Err(config.unsupported(format!("`position_embedding_type: {other}`"))),
    }
    for key in ["is_decoder", "add_cross_attention", "is_encoder_decoder"] {
        if config.flag(key)? == Some(true) {
            return Err(config.unsupported(format!("a decoder (`{key}: true`)")));
        }
    }
    for key in ["quantization_config", "pruned_heads"] {
        let empty = |value: &Value| value.as_object().is_some_and(serde_json::Map::is_empty);
        if let Some(value) = config.get(key).filter(|value| !empty(value)) {
            let value: String = value.to_string().chars().take(80).collect();
            return Err(config.unsupported(format!("`{key}: {value}`")));
        }
    }
    Ok(())
}

/// No size of a network is beyond this: what is larger is damage.
const LARGEST: usize = 1 << 26;

fn size(config: &Document, key: &str, default: Option<usize>) -> Result<usize> {
    let Some(size) = config.count(key)?.or(default) else {
        return Err(config.invalid(format!("there is no `{key}`")));
    };
    if size == 0 || size > LARGEST {
        return Err(config.invalid(format!("`{key}` is {size}, expected 1 to {LARGEST}")));
    }
    Ok(size)
}

fn activation(config: &Document, key: &str) -> Result<Activation> {
    Ok(match config.text(key)?.unwrap_or("gelu") {
        "gelu" | "gelu_python" => Activation::Gelu,
        "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" | "gelu_python_tanh" => Activation::GeluTanh,
        "relu" => Activation::Relu,
        "silu" | "swish" => Activation::Silu,
        "tanh" => Activation::Tanh,
        "sigmoid" => Activation::Sigmoid,
        "linear" => Activation::Identity,
        other => return Err(config.unsupported(format!("the activation `{other}`"))),
    })
}

impl std::fmt::Display for Architecture {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::embeddings::folder::fixtures::Copied;
    use crate::error::ErrorKind;

    fn config(changes: &Value) -> Result<EncoderConfig> {
        let copied = Copied::of("tiny-bert-mean");
        copied.set("config.json", changes);
        EncoderConfig::read(copied.path())
    }

    #[test]
    fn every_architecture_is_read() {
        let bert = config(&json!({})).unwrap();
        let sizes = (bert.vocab_size, bert.hidden_size, bert.n_layers, bert.n_heads, bert.intermediate_size);
        assert_eq!(sizes, (2484, 32, 2, 4, 64));
        assert_eq!(
            (bert.architecture, bert.max_positions, bert.type_vocab_size, bert.position_offset),
            (Architecture::Bert, 64, 2, 0)
        );
        assert_eq!((bert.layer_norm_eps, bert.activation, bert.pad_token_id), (1e-12, Activation::Gelu, Some(0)));
        for (name, architecture) in [
            ("roberta", Architecture::Roberta),
            ("camembert", Architecture::Roberta),
            ("xlm-roberta", Architecture::XlmRoberta),
        ] {
            let roberta = config(&json!({"model_type": name, "pad_token_id": 1, "hidden_act": "gelu_new"})).unwrap();
            assert_eq!((roberta.architecture, roberta.position_offset, roberta.n_positions()), (architecture, 2, 62));
            assert_eq!(roberta.activation, Activation::GeluTanh);
        }
        let distil = config(&json!({
            "model_type": "distilbert", "dim": 48, "n_layers": 3, "n_heads": 6, "hidden_dim": 96, "activation": "relu",
        }))
        .unwrap();
        assert_eq!((distil.hidden_size, distil.n_layers, distil.n_heads, distil.intermediate_size), (48, 3, 6, 96));
        assert_eq!((distil.type_vocab_size, distil.activation, distil.layer_norm_eps), (0, Activation::Relu, 1e-12));
    }

    #[test]
    fn absent_keys_have_the_defaults_of_transformers() {
        let nothing = json!({"hidden_act": null, "layer_norm_eps": null, "max_position_embeddings": null, "type_vocab_size": null, "pad_token_id": null});
        let bert = config(&nothing).unwrap();
        assert_eq!((bert.max_positions, bert.type_vocab_size, bert.layer_norm_eps), (512, 2, 1e-12));
        assert_eq!((bert.activation, bert.pad_token_id), (Activation::Gelu, Some(0)));
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        for (changes, named) in [
            (json!({"model_type": "deberta-v2"}), "`deberta-v2`"),
            (json!({"position_embedding_type": "relative_key"}), "relative_key"),
            (json!({"is_decoder": true}), "is_decoder"),
            (json!({"quantization_config": {"bits": 8}}), "quantization_config"),
            (json!({"pruned_heads": {"1": [0]}}), "pruned_heads"),
            (json!({"hidden_act": "quick_gelu"}), "`quick_gelu`"),
            (json!({"model_type": null}), "`model_type`"),
            (
                json!({"n_heads": 4, "num_attention_heads": 5}),
                "`hidden_size` 32 is not a multiple of `num_attention_heads` 5",
            ),
            (json!({"hidden_size": null}), "`hidden_size`"),
            (json!({"vocab_size": 0}), "`vocab_size` is 0"),
            (json!({"hidden_size": "32"}), "should be a whole number"),
            (json!({"num_hidden_layers": 1_000_000}), "`num_hidden_layers` is 1000000"),
            (json!({"layer_norm_eps": 0.0}), "`layer_norm_eps` is 0"),
            (json!({"model_type": "roberta", "pad_token_id": 63}), "leaves no position"),
        ] {
            let error = config(&changes).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Invalid);
            assert!(error.message.contains(named), "{}", error.message);
        }
    }

    #[test]
    fn half_precision_is_told() {
        let copied = Copied::of("tiny-bert-mean");
        assert_eq!(note_on_precision(copied.path()).unwrap(), None);
        copied.set("config.json", &json!({"dtype": null, "torch_dtype": "float16"}));
        let folder = copied.open().unwrap();
        assert!(folder.recipe.notes.iter().any(|note| note.contains("kept as float16")), "{:?}", folder.recipe.notes);
    }

    #[test]
    fn damaged_files_are_named() {
        let copied = Copied::of("tiny-bert-mean");
        for (bytes, kind, named) in [
            (&b"{"[..], ErrorKind::Failed, "is not JSON"),
            (b"[]", ErrorKind::Failed, "holds a list"),
            (b"\xff", ErrorKind::Invalid, "is not UTF-8"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\n", ErrorKind::Failed, "Git LFS pointer"),
        ] {
            let error = EncoderConfig::read(copied.write("config.json", bytes).path()).unwrap_err();
            assert!(error.kind == kind && error.message.contains(named), "{}", error.message);
        }
        let error = EncoderConfig::read(copied.remove("config.json").path()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotFound);
        copied.write("config.json", "{}").write("adapter_config.json", "{}");
        assert!(EncoderConfig::read(copied.path()).unwrap_err().message.contains("the adapter"));
    }
}
