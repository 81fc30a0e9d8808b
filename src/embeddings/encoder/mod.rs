//! The network of a sentence encoder: from token ids to one vector a sequence.
//!
//! `network` is the door: the encoder and what follows it, over any number of sequences. `batching` cuts the sequences
//! into groups that are packed without padding; `transformer` takes a group through the embeddings and the `layer`s of
//! BERT, RoBERTa, XLM-RoBERTa or DistilBERT (whose tensors `tensors` finds under their many names), each of them made
//! of the linear layers, attention and normalisation of `crate::kernels`. `pooling` makes one vector of a sequence's tokens,
//! `head` applies the dense layers and the normalisation.

mod batching;
mod head;
mod layer;
mod network;
mod places;
mod pooling;
mod tensors;
mod transformer;

pub use network::{Network, Watch};
pub use transformer::Encoder;

/// For the same network on another device.
pub(super) use {
    head::Head,
    places::Places,
    tensors::{Tensors, WeightAndBias},
};
