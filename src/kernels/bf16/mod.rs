//! Linear layers with weights and activations rounded to 16-bit brain floats (the upper half of an f32), sums in f32.
//!
//! `panels` holds the rounded weights, `rounding` rounds, and `avx512` multiplies where the processor has AVX-512 BF16;
//! elsewhere the rounded numbers go through the f32 kernel. In both a row's result depends on that row alone.

#[cfg(target_arch = "x86_64")]
mod avx512;
mod panels;
mod rounding;

pub use panels::Panels;
