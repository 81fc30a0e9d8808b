//! A sentence-transformers folder, read into values: which network it is, its weights, its tokens, its recipe.
//!
//! `model_folder` is the door. `document` reads one JSON file, `encoder_config` the network's sizes, `recipe` the `modules`; `mapped`,
//! `safetensors_file`, `torch_file` and `pickle` find the tensors in the weights files and `weights` hands them out;
//! `tokenizer_files` builds the tokenizer and `tokenizer` turns texts into token ids, very long ones by `pieces`; `lookup`
//! finds a folder by a model's name in the cache of the `hub`, `download` fetches it; `digests` hashes what the vectors depend on.

mod digests;
mod document;
mod download;
mod encoder_config;
#[cfg(test)]
pub(in crate::embeddings) mod fixtures;
mod hub;
mod lookup;
mod mapped;
mod model_folder;
mod modules;
mod pickle;
mod pieces;
mod recipe;
mod safetensors_file;
mod tokenizer;
mod tokenizer_files;
mod tokens;
mod torch_file;
mod weights;

pub use digests::Digests;
pub use encoder_config::{Architecture, EncoderConfig};

pub use hub::{Found, Hub, is_name};
pub use model_folder::Folder;
pub use modules::{Module, Pooling, PoolingMode, Step};
pub use recipe::Recipe;
pub use tokenizer::{Prompt, Tokenizer};
pub use tokens::Tokens;
pub use weights::{Table, Weights};
