//! The encoder: embeddings and layers of BERT, RoBERTa, XLM-RoBERTa and DistilBERT (transformers 5.23).
//!
//! A token's vector begins as norm(word + position + first token type).

use std::ops::Range;

use rayon::prelude::*;

use crate::embeddings::folder::{EncoderConfig, Table, Tokens, Weights};
use crate::error::{Error, Result};
use crate::kernels::{Dtype, LayerNorm};

use super::layer::{Layer, Packed, Workspace, sized};
use super::places::Places;
use super::tensors::Tensors;

/// Rows that one thread takes, at least, when several share a group: what the linear layers multiply in one go.
const LEAST_ROWS: usize = 16;

/// An encoder, packed for the processor at hand.
pub struct Encoder {
    hidden_size: usize,
    words: Table,
    /// What is added to a word at each position.
    positions: Vec<f32>,
    places: Places,
    norm: LayerNorm,
    layers: Vec<Layer>,
}

/// The vectors of a group's tokens, and the buffers on the way there.
#[derive(Default)]
pub struct Group {
    x: Vec<f32>,
    projected: Vec<f32>,
    sequences: Vec<Range<usize>>,
}

impl Encoder {
    /// Reads the weights and packs them layer by layer.
    ///
    /// # Errors
    /// `Failed` when a tensor is missing or has another shape; `Invalid` when the heads do not divide the hidden size.
    pub fn load(config: &EncoderConfig, weights: &Weights, dtype: Dtype) -> Result<Self> {
        let EncoderConfig { hidden_size, n_heads, max_positions, layer_norm_eps, .. } = *config;
        if n_heads == 0 || hidden_size == 0 || hidden_size % n_heads != 0 {
            let message = format!("{n_heads} heads cannot share a hidden size of {hidden_size}");
            return Err(Error::invalid(message).hint("`config.json` of the model is wrong"));
        }
        let tensors = Tensors::of(weights, config.architecture)?;
        tensors.refuse_more_than(config.n_layers)?;
        let (norm_weight, norm_bias) = tensors.embedding_norm(hidden_size)?;
        Ok(Self {
            hidden_size,
            words: tensors.words(config.vocab_size, hidden_size)?,
            positions: tensors.positions(max_positions, config.type_vocab_size, hidden_size)?,
            places: Places::of(config),
            norm: LayerNorm::new(norm_weight, norm_bias, layer_norm_eps),
            layers: (0..config.n_layers)
                .map(|layer| Layer::load(config, &tensors, layer, dtype))
                .collect::<Result<_>>()?,
        })
    }

    /// Numbers of a token's vector.
    #[must_use]
    pub fn hidden_size(&self) -> usize {
        self.hidden_size
    }

    /// Whether a sequence, `at` in its list, can be encoded.
    ///
    /// # Errors
    /// Those of `Places::check`.
    pub fn check(&self, at: usize, tokens: &Tokens) -> Result<()> {
        self.places.check(at, tokens)
    }

    /// Encodes checked sequences; with several workspaces, as many threads share each step.
    pub fn encode(&self, sequences: &[&Tokens], group: &mut Group, workspaces: &mut [Workspace]) {
        let hidden = self.hidden_size;
        group.sequences.clear();
        let mut n_tokens = 0;
        for sequence in sequences {
            group.sequences.push(n_tokens..n_tokens + sequence.ids.len());
            n_tokens += sequence.ids.len();
        }
        let x = sized(&mut group.x, n_tokens * hidden);
        let projected = sized(&mut group.projected, 3 * n_tokens * hidden);
        self.embed(sequences, x);
        let sequences = &*group.sequences;
        if let [workspace] = workspaces {
            for layer in &self.layers {
                layer.project(x, projected, workspace);
                layer.finish(Packed { projected, sequences }, 0, x, workspace);
            }
            return;
        }
        let rows = n_tokens.div_ceil(workspaces.len()).next_multiple_of(LEAST_ROWS);
        for layer in &self.layers {
            let parts = x.par_chunks(rows * hidden).zip(projected.par_chunks_mut(3 * rows * hidden));
            parts.zip(&mut *workspaces).for_each(|((x, into), workspace)| layer.project(x, into, workspace));
            let parts = x.par_chunks_mut(rows * hidden).enumerate().zip(&mut *workspaces);
            let packed = Packed { projected, sequences };
            parts.for_each(|((part, x), workspace)| layer.finish(packed, part * rows, x, workspace));
        }
    }

    fn embed(&self, sequences: &[&Tokens], x: &mut [f32]) {
        let mut rows = x.chunks_exact_mut(self.hidden_size);
        for sequence in sequences {
            let places = sequence.ids.iter().zip(self.places.positions(&sequence.ids));
            for ((id, position), row) in places.zip(&mut rows) {
                row.copy_from_slice(&self.positions[position * self.hidden_size..][..self.hidden_size]);
                self.words.add_row(*id as usize, row);
            }
        }
        self.norm.apply(x);
    }
}

impl Group {
    /// The vectors of each sequence's tokens.
    pub fn sequences(&self, hidden_size: usize) -> impl Iterator<Item = &[f32]> {
        self.sequences.iter().map(move |range| &self.x[range.start * hidden_size..range.end * hidden_size])
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::Path;

    use safetensors::{Dtype as Stored, tensor::TensorView};

    use super::super::layer::Workspace;
    use super::{Encoder, Group};
    use crate::embeddings::folder::{Architecture, EncoderConfig, Tokens, Weights};
    use crate::kernels::{Activation, Dtype};

    /// An encoder of two layers, 8 numbers wide, for 12 words and 10 positions.
    pub fn config(architecture: Architecture) -> EncoderConfig {
        let roberta = architecture == Architecture::Roberta;
        EncoderConfig {
            architecture,
            vocab_size: 12,
            hidden_size: 8,
            n_layers: 2,
            n_heads: 2,
            intermediate_size: 12,
            max_positions: 10,
            type_vocab_size: match architecture {
                Architecture::Bert => 2,
                Architecture::Roberta | Architecture::XlmRoberta => 1,
                Architecture::DistilBert => 0,
            },
            layer_norm_eps: if roberta { 1e-5 } else { 1e-12 },
            activation: Activation::Gelu,
            pad_token_id: Some(u32::from(roberta)),
            position_offset: if roberta { 2 } else { 0 },
        }
    }

    /// The tensors that transformers 5.23 names for such an encoder, with their shapes.
    fn shapes(config: &EncoderConfig) -> Vec<(String, Vec<usize>)> {
        let (hidden, between) = (config.hidden_size, config.intermediate_size);
        let mut found = vec![
            ("embeddings.word_embeddings.weight".to_owned(), vec![config.vocab_size, hidden]),
            ("embeddings.position_embeddings.weight".to_owned(), vec![config.max_positions, hidden]),
        ];
        if config.type_vocab_size > 0 {
            found.push(("embeddings.token_type_embeddings.weight".to_owned(), vec![config.type_vocab_size, hidden]));
        }
        let (layer, dense, up, down, norms) = match config.architecture {
            Architecture::DistilBert => (
                "transformer.layer",
                ["attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin"],
                "ffn.lin1",
                "ffn.lin2",
                ["sa_layer_norm", "output_layer_norm"],
            ),
            _ => (
                "encoder.layer",
                ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"],
                "intermediate.dense",
                "output.dense",
                ["attention.output.LayerNorm", "output.LayerNorm"],
            ),
        };
        let mut both = |name: String, shape: &[usize]| {
            found.push((format!("{name}.weight"), shape.to_vec()));
            found.push((format!("{name}.bias"), shape[..1].to_vec()));
        };
        both("embeddings.LayerNorm".to_owned(), &[hidden]);
        for at in 0..config.n_layers {
            dense.iter().for_each(|name| both(format!("{layer}.{at}.{name}"), &[hidden, hidden]));
            both(format!("{layer}.{at}.{up}"), &[between, hidden]);
            both(format!("{layer}.{at}.{down}"), &[hidden, between]);
            norms.iter().for_each(|name| both(format!("{layer}.{at}.{name}"), &[hidden]));
        }
        found
    }

    /// Writes `model.safetensors`. Number i of a tensor is sin(0.37·i + s) / 2, where s is the sum of the bytes of its
    /// name (without prefix) modulo 100; 1 is added in the weights of normalisations.
    pub fn write(folder: &Path, architecture: Architecture, prefix: &str) {
        let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = shapes(&config(architecture))
            .into_iter()
            .map(|(name, shape)| {
                let seed = f64::from(name.bytes().map(u32::from).sum::<u32>() % 100);
                let base = if name.to_lowercase().contains("norm") && name.ends_with("weight") { 1.0 } else { 0.0 };
                let number = |at| (base + 0.5 * (0.37 * at as f64 + seed).sin()) as f32;
                let bytes = (0..shape.iter().product()).flat_map(|at: usize| number(at).to_le_bytes()).collect();
                (format!("{prefix}{name}"), shape, bytes)
            })
            .collect();
        let views = tensors
            .iter()
            .map(|(name, shape, bytes)| (name, TensorView::new(Stored::F32, shape.clone(), bytes).unwrap()));
        safetensors::serialize_to_file(views, None, &folder.join("model.safetensors")).unwrap();
    }

    #[test]
    fn equals_transformers_for_every_architecture_with_and_without_its_prefix() {
        // transformers 5.23 on torch 2.15, the mean over the tokens of last_hidden_state. Token 1 is RoBERTa's padding.
        let cases = [
            (
                Architecture::Bert,
                "bert.",
                [1.434_079, 0.125_733, -1.074_926, -0.508_587, 1.803_942, -1.335_846, 0.782_959, 0.620_606],
            ),
            (
                Architecture::Roberta,
                "roberta.",
                [1.260_713, 0.185_697, -0.971_088, -0.483_487, 1.955_76, -1.279_519, 0.729_644, 0.532_229],
            ),
            (
                Architecture::DistilBert,
                "distilbert.",
                [-1.774_725, 1.384_565, -1.100_405, 0.101_97, 0.690_047, 2.004_688, -0.462_65, 0.778_09],
            ),
        ];
        let tokens = Tokens { ids: vec![0, 5, 1, 7, 2, 11], prompt: 0 };
        for (architecture, prefix, expected) in cases {
            for prefix in ["", prefix] {
                let folder = tempfile::tempdir().unwrap();
                write(folder.path(), architecture, prefix);
                let weights = Weights::open(folder.path()).unwrap();
                let encoder = Encoder::load(&config(architecture), &weights, Dtype::F32).unwrap();
                let mut group = Group::default();
                encoder.encode(&[&tokens], &mut group, &mut [Workspace::default()]);
                let vectors = group.sequences(8).next().unwrap();
                for (at, expected) in expected.iter().enumerate() {
                    let found = vectors.iter().skip(at).step_by(8).sum::<f32>() / 6.0;
                    assert!((found - expected).abs() < 2e-6, "{architecture:?}, {at}: {found} {expected}");
                }
            }
        }
    }

    #[test]
    fn weights_of_another_architecture_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), Architecture::Bert, "other.");
        let weights = Weights::open(folder.path()).unwrap();
        let error = Encoder::load(&config(Architecture::Bert), &weights, Dtype::F32).err().unwrap();
        let name = "embeddings.word_embeddings.weight";
        assert_eq!(error.message, format!("the weights hold neither `{name}` nor `bert.{name}`"));
        let mut heads = config(Architecture::Bert);
        heads.n_heads = 3;
        let error = Encoder::load(&heads, &weights, Dtype::F32).err().unwrap();
        assert_eq!(error.message, "3 heads cannot share a hidden size of 8");
    }
}
