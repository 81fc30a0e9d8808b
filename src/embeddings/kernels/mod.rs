//! The arithmetic of a transformer's linear layers on the processor at hand: numbers only, no files and no texts.
//!
//! `linear` is the door: a weight matrix is packed once for this processor and then applied to rows, with the bias and
//! the activation in the same pass. `f32`, `bf16` and `int8` hold the three ways to multiply, `activation` the
//! functions between the layers, `packing` the layout of weights.

mod activation;
mod bf16;
mod dtype;
mod f32;
mod int8;
mod linear;
mod packing;

pub use activation::Activation;
pub use dtype::Dtype;
pub use linear::{Linear, Scratch};
