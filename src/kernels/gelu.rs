//! gelu(x) = x·Φ(x), Φ the normal distribution function: the exact one, with erf.
//!
//! Computed as max(x, 0) − t·Φ(−t) with t = |x|; the slope is Φ(x) + x·φ(x). The eighth root of Φ(−t) is so smooth that a
//! polynomial of degree 8 in t meets it to 3.4e-9 (in t·Φ(−t), over 0 ≤ t ≤ 6.5; beyond, t·Φ(−t) < 3e-10 is left as at
//! 6.5). The polynomial was fitted with weights t·8·Φ(−t)^(7/8) (Lawson's algorithm); in f32 the whole is within 2.5e-7
//! of the exact value, in f64, with these coefficients, within 5e-8.

#![expect(clippy::inline_always, reason = "what is compiled for the processor at hand must be inlined there")]

use pulp::Simd;

use super::exp::{exp_of_negative, polynomial};

/// The eighth root of Φ(−t), 0 ≤ t ≤ 6.5.
const ROOT: [f64; 9] = [
    0.917_004_05,
    -0.091_457_59,
    -0.031_927_496,
    -0.000_672_904_3,
    0.001_505_217,
    3.385_011_2e-5,
    -6.012_504_7e-5,
    7.458_642e-6,
    -2.945_339_2e-7,
];
/// From here on, Φ(−t) is left as it is.
const END: f64 = 6.5;

/// The root's coefficients as f32.
const ROOT_F32: [f32; 9] = {
    let mut root = [0.0; 9];
    let mut at = 0;
    while at < 9 {
        root[at] = ROOT[at] as f32;
        at += 1;
    }
    root
};

/// gelu of vectors, in f32.
#[inline(always)]
pub fn gelu<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let size = simd.abs_f32s(x);
    let t = simd.min_f32s(size, simd.splat_f32s(END as f32));
    let root = polynomial(simd, t, ROOT_F32);
    let square = simd.mul_f32s(root, root);
    let fourth = simd.mul_f32s(square, square);
    let tail = simd.mul_f32s(fourth, simd.mul_f32s(fourth, t));
    // (x + |x|) / 2 is max(x, 0), exactly, and keeps NaN.
    simd.mul_add_e_f32s(simd.add_f32s(x, size), simd.splat_f32s(0.5), simd.neg_f32s(tail))
}

/// Φ(−|x|).
#[inline(always)]
fn tail(x: f64) -> f64 {
    let t = if x.abs() > END { END } else { x.abs() };
    let mut root = ROOT[8];
    let mut at = 8;
    while at > 0 {
        at -= 1;
        root = root.mul_add(t, ROOT[at]);
    }
    let square = root * root;
    square * square * square * square
}

/// gelu of one number, in f64; a loop over it becomes vector code.
#[inline(always)]
#[must_use]
pub fn gelu_f64(x: f64) -> f64 {
    0.5 * (x + x.abs()) - x.abs() * tail(x)
}

/// gelu's slope at one number.
#[inline(always)]
#[must_use]
pub fn gelu_slope(x: f64) -> f64 {
    let below = tail(x);
    let share = if x > 0.0 { 1.0 - below } else { below };
    let density = 0.398_942_280_401_432_7 * exp_of_negative(-0.5 * x * x);
    x.mul_add(density, share)
}
