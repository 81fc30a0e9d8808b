//! The arithmetic of encoders and networks, compiled for the processor at hand: numbers only, no files and no texts.
//!
//! `product` is the one matrix product, for f32 and f64 (`real`): `tile` keeps its sums in registers, `panels` lays its right
//! side out, from the start of a cache line (`aligned`). `linear` is the encoders' door to it: a weight matrix is packed
//! once and then applied to rows, with the bias and the activation in the same pass; `f32`, `bf16` and `int8` are the
//! three ways to multiply. `attention` and `layer_norm` are what else a layer needs; `activation`, `gelu` and `exp` are
//! functions of single numbers; `dots` the inner products of retrieval.

mod activation;
mod aligned;
mod attention;
mod bf16;
mod dots;
mod dtype;
mod exp;
mod f32;
mod gelu;
mod int8;
mod layer_norm;
mod linear;
mod panels;
mod product;
mod real;
#[cfg(test)]
mod samples;
mod scratch;
mod tile;

pub use activation::Activation;
pub use aligned::Aligned;
pub use attention::{Attention, Buffers, query_scale};
pub use dots::dots;
pub use dtype::Dtype;
pub use exp::exp_of_negative;
pub use gelu::{gelu_f64, gelu_slope};
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use product::{Columns, Product, Right, Rows, Then, pack_rows};
pub use real::Real;
pub use scratch::Scratch;
