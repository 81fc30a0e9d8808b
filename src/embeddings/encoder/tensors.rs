//! An encoder's parts by what they are, whatever a folder calls their tensors.
//!
//! BERT, RoBERTa and XLM-RoBERTa share one scheme of names, DistilBERT has its own; both occur with and without the
//! model's name before them (`bert.encoder.layer.0…`, saved with a head). `gamma` and `beta` of old checkpoints already
//! are `weight` and `bias` here.

use crate::embeddings::folder::{Architecture, Table, Weights};
use crate::error::{Error, Result};

const WORDS: &str = "embeddings.word_embeddings.weight";
const POSITIONS: &str = "embeddings.position_embeddings.weight";
const TYPES: &str = "embeddings.token_type_embeddings.weight";

/// What the parts of a layer are called.
pub struct Names {
    layer: &'static str,
    pub query: &'static str,
    pub key: &'static str,
    pub value: &'static str,
    pub attended: &'static str,
    pub attended_norm: &'static str,
    pub up: &'static str,
    pub down: &'static str,
    pub down_norm: &'static str,
}

const BERT: Names = Names {
    layer: "encoder.layer",
    query: "attention.self.query",
    key: "attention.self.key",
    value: "attention.self.value",
    attended: "attention.output.dense",
    attended_norm: "attention.output.LayerNorm",
    up: "intermediate.dense",
    down: "output.dense",
    down_norm: "output.LayerNorm",
};

const DISTILBERT: Names = Names {
    layer: "transformer.layer",
    query: "attention.q_lin",
    key: "attention.k_lin",
    value: "attention.v_lin",
    attended: "attention.out_lin",
    attended_norm: "sa_layer_norm",
    up: "ffn.lin1",
    down: "ffn.lin2",
    down_norm: "output_layer_norm",
};

/// The numbers of one part.
pub type WeightAndBias = (Vec<f32>, Vec<f32>);

/// The tensors of an encoder.
pub struct Tensors<'a> {
    weights: &'a Weights,
    prefix: &'static str,
    /// What the parts of a layer are called.
    pub names: &'static Names,
}

impl<'a> Tensors<'a> {
    /// Refuses weights that hold more than `n_layers` layers, or parts that are not of the plain network.
    ///
    /// # Errors
    /// `Invalid`, naming the tensor.
    pub fn refuse_more_than(&self, n_layers: usize) -> Result<()> {
        let layers = format!("{}{}.", self.prefix, self.names.layer);
        for name in self.weights.names() {
            let layer = name.strip_prefix(&layers).and_then(|rest| rest.split('.').next()?.parse::<usize>().ok());
            if let Some(layer) = layer.filter(|layer| *layer >= n_layers) {
                let message =
                    format!("`config.json` says {n_layers} layers, the weights have a layer {layer} (`{name}`)");
                return Err(Error::invalid(message).hint("settings and weights belong to different models"));
            }
            if name.contains("lora_") || name.contains("adapter") {
                return Err(Error::invalid(format!("adapters are not supported (`{name}`)"))
                    .hint("merge them into the weights first"));
            }
        }
        Ok(())
    }

    /// Finds out which names these weights use.
    ///
    /// # Errors
    /// `Failed` when there is no word embedding under any of them.
    pub fn of(weights: &'a Weights, architecture: Architecture) -> Result<Self> {
        let (names, prefix) = match architecture {
            Architecture::Bert => (&BERT, "bert."),
            Architecture::Roberta | Architecture::XlmRoberta => (&BERT, "roberta."),
            Architecture::DistilBert => (&DISTILBERT, "distilbert."),
        };
        let found = ["", prefix].into_iter().find(|prefix| weights.shape(&format!("{prefix}{WORDS}")).is_some());
        match found {
            Some(prefix) => Ok(Self { weights, prefix, names }),
            None => Err(Error::failed(format!("the weights hold neither `{WORDS}` nor `{prefix}{WORDS}`"))),
        }
    }

    /// The word embeddings, `vocab_size` × `width`.
    ///
    /// # Errors
    /// Those of [`Weights::table`].
    pub fn words(&self, vocab_size: usize, width: usize) -> Result<Table> {
        self.weights.table(&format!("{}{WORDS}", self.prefix), &[vocab_size, width])
    }

    /// What is added to a word at each position, `n_positions` × `width`: the position's row and the first token type's.
    ///
    /// # Errors
    /// Those of [`Weights::read`].
    pub fn positions(&self, n_positions: usize, n_types: usize, width: usize) -> Result<Vec<f32>> {
        let mut rows = self.read(POSITIONS, &[n_positions, width])?;
        if n_types > 0 {
            let types = self.read(TYPES, &[n_types, width])?;
            for row in rows.chunks_exact_mut(width) {
                row.iter_mut().zip(&types).for_each(|(number, of_type)| *number += of_type);
            }
        }
        Ok(rows)
    }

    /// The normalisation of the embeddings.
    ///
    /// # Errors
    /// Those of [`Weights::read`].
    pub fn embedding_norm(&self, width: usize) -> Result<WeightAndBias> {
        self.norm("embeddings.LayerNorm", width)
    }

    /// A normalisation of a layer.
    ///
    /// # Errors
    /// Those of [`Weights::read`].
    pub fn layer_norm(&self, layer: usize, name: &str, width: usize) -> Result<WeightAndBias> {
        self.norm(&format!("{}.{layer}.{name}", self.names.layer), width)
    }

    /// A linear layer of a layer, `n_out` × `n_in`.
    ///
    /// # Errors
    /// Those of [`Weights::read`].
    pub fn dense(&self, layer: usize, name: &str, (n_out, n_in): (usize, usize)) -> Result<WeightAndBias> {
        let name = format!("{}.{layer}.{name}", self.names.layer);
        let weight = self.read(&format!("{name}.weight"), &[n_out, n_in])?;
        Ok((weight, self.read(&format!("{name}.bias"), &[n_out])?))
    }

    /// Query (times `scale`), key and value as one linear layer, 3·`width` × `width`.
    ///
    /// # Errors
    /// Those of [`Weights::read`].
    pub fn projection(&self, layer: usize, width: usize, scale: f32) -> Result<WeightAndBias> {
        let (mut weight, mut bias) = self.dense(layer, self.names.query, (width, width))?;
        weight.iter_mut().chain(&mut bias).for_each(|number| *number *= scale);
        weight.reserve_exact(2 * width * width);
        for name in [self.names.key, self.names.value] {
            let (more_weight, more_bias) = self.dense(layer, name, (width, width))?;
            weight.extend(more_weight);
            bias.extend(more_bias);
        }
        Ok((weight, bias))
    }

    fn norm(&self, name: &str, width: usize) -> Result<WeightAndBias> {
        let weight = self.read(&format!("{name}.weight"), &[width])?;
        Ok((weight, self.read(&format!("{name}.bias"), &[width])?))
    }

    fn read(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        self.weights.read(&format!("{}{name}", self.prefix), shape)
    }
}
