//! Linear layers in 8 bits: dynamic quantisation with whole-number sums.
//!
//! `panels` holds the quantised weights and puts the parts together, `quantize` turns rows of activations into bytes,
//! `kernel` picks how bytes (in the order of `layout`) are multiplied on the processor at hand, and `portable`, `x86` and `amx` do it: all of them
//! give the same whole numbers.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx;
mod kernel;
mod layout;
mod panels;
mod portable;
mod quantize;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use panels::Panels;
