//! The functions between linear layers, for whole slices at the processor's vector width.
//!
//! - gelu: see `gelu`.
//! - gelu with tanh: 0.5·x·(1 + tanh(u)) = x / (1 + exp(−2u)), u = √(2/π)·(x + 0.044715·x³).
//! - tanh(x) = ±(1 − e)/(1 + e), e = exp(−2|x|); near zero, where that cancels, Cephes' polynomial for `tanhf`.
//!
//! Each element goes through the same operations wherever it lies in the slice (the rest after the last full vector
//! is loaded into a padded vector), so its bytes depend on its value alone. NaN stays NaN.

#![expect(clippy::inline_always, reason = "what is compiled for the processor at hand must be inlined there")]

use pulp::{Arch, Simd, WithSimd};

use super::exp::{exp, polynomial};
use super::gelu::gelu;
use super::product::Finish;

/// A function applied to each number after a linear layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// x·Φ(x), exact: `gelu`.
    Gelu,
    /// gelu's approximation by tanh: `gelu_new`, `gelu_pytorch_tanh`, `gelu_fast`.
    GeluTanh,
    /// max(x, 0).
    Relu,
    /// x·sigmoid(x): `silu`, `swish`.
    Silu,
    /// The hyperbolic tangent.
    Tanh,
    /// 1 / (1 + exp(−x)).
    Sigmoid,
    /// x itself.
    Identity,
}

impl Activation {
    /// Replaces each number by the function's value.
    pub fn apply(&self, values: &mut [f32]) {
        if *self != Self::Identity {
            Arch::new().dispatch(Apply { activation: *self, values });
        }
    }

    /// The same in code that is already compiled for the processor at hand, for the first `width` of every `stride`
    /// numbers.
    #[inline(always)]
    pub fn apply_strided<S: Simd>(self, simd: S, values: &mut [f32], stride: usize, width: usize) {
        match self {
            Self::Gelu => each(
                simd,
                values,
                stride,
                width,
                #[inline(always)]
                |x| gelu(simd, x),
            ),
            Self::GeluTanh => each(
                simd,
                values,
                stride,
                width,
                #[inline(always)]
                |x| gelu_tanh(simd, x),
            ),
            Self::Relu => each(
                simd,
                values,
                stride,
                width,
                #[inline(always)]
                |x| simd.max_f32s(simd.splat_f32s(0.0), x),
            ),
            Self::Silu => each(
                simd,
                values,
                stride,
                width,
                #[inline(always)]
                |x| simd.div_f32s(x, logistic(simd, x)),
            ),
            Self::Tanh => each(
                simd,
                values,
                stride,
                width,
                #[inline(always)]
                |x| tanh(simd, x),
            ),
            Self::Sigmoid => each(
                simd,
                values,
                stride,
                width,
                #[inline(always)]
                |x| simd.div_f32s(simd.splat_f32s(1.0), logistic(simd, x)),
            ),
            Self::Identity => {}
        }
    }
}

impl Finish<f32> for Activation {
    #[inline(always)]
    fn finish<S: Simd>(self, simd: S, rows: &mut [f32], pitch: usize, width: usize, _place: usize) {
        self.apply_strided(simd, rows, pitch, width);
    }
}

struct Apply<'a> {
    activation: Activation,
    values: &'a mut [f32],
}

impl WithSimd for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let len = self.values.len().max(1);
        self.activation.apply_strided(simd, self.values, len, len);
    }
}

#[inline(always)]
fn each<S: Simd>(simd: S, values: &mut [f32], stride: usize, width: usize, function: impl Fn(S::f32s) -> S::f32s) {
    for stretch in values.chunks_mut(stride) {
        let width = width.min(stretch.len());
        let (vectors, rest) = S::as_mut_simd_f32s(&mut stretch[..width]);
        for vector in vectors {
            *vector = function(*vector);
        }
        if !rest.is_empty() {
            let vector = function(simd.partial_load_f32s(rest));
            simd.partial_store_f32s(rest, vector);
        }
    }
}

#[inline(always)]
fn gelu_tanh<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    // 2·√(2/π), and that times 0.044715.
    const LINEAR: f32 = 1.595_769_2;
    const CUBIC: f32 = 0.071_354_814;
    let square = simd.mul_f32s(x, x);
    let twice = simd.mul_f32s(x, simd.mul_add_e_f32s(square, simd.splat_f32s(CUBIC), simd.splat_f32s(LINEAR)));
    simd.div_f32s(x, logistic(simd, twice))
}

/// 1 + exp(−x): x / that is silu, 1 / that is the sigmoid.
#[inline(always)]
fn logistic<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    simd.add_f32s(simd.splat_f32s(1.0), exp(simd, simd.neg_f32s(x)))
}

#[inline(always)]
fn tanh<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    const SMALL: [f32; 5] = [-0.333_332_8, 0.133_314_42, -0.053_739_715, 0.020_639_088, -0.005_704_988_7];
    let one = simd.splat_f32s(1.0);
    let size = simd.abs_f32s(x);
    let e = exp(simd, simd.mul_f32s(size, simd.splat_f32s(-2.0)));
    let large = simd.div_f32s(simd.sub_f32s(one, e), simd.add_f32s(one, e));
    let square = simd.mul_f32s(x, x);
    let small = simd.mul_add_e_f32s(simd.mul_f32s(size, square), polynomial(simd, square, SMALL), size);
    let value = simd.select_f32s(simd.less_than_f32s(size, simd.splat_f32s(0.625)), small, large);
    let sign = simd.and_f32s(x, simd.splat_f32s(-0.0));
    simd.or_f32s(value, sign)
}

#[cfg(test)]
mod tests {
    use super::Activation;

    const ALL: [Activation; 7] = [
        Activation::Gelu,
        Activation::GeluTanh,
        Activation::Relu,
        Activation::Silu,
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::Identity,
    ];

    /// The definitions in f64, with erf and tanh of the `libm` crate 0.2.
    fn exact(activation: Activation, x: f64) -> f64 {
        match activation {
            Activation::Gelu => 0.5 * x * libm::erfc(-x / std::f64::consts::SQRT_2),
            Activation::GeluTanh => {
                let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
                0.5 * x * (1.0 + libm::tanh(u))
            }
            Activation::Relu => x.max(0.0),
            Activation::Silu => x / (1.0 + libm::exp(-x)),
            Activation::Tanh => libm::tanh(x),
            Activation::Sigmoid => 1.0 / (1.0 + libm::exp(-x)),
            Activation::Identity => x,
        }
    }

    fn apply(activation: Activation, mut values: Vec<f32>) -> Vec<f32> {
        activation.apply(&mut values);
        values
    }

    #[test]
    fn values_are_within_a_millionth_of_the_definition() {
        let x: Vec<f32> = (-1_000_000..=1_000_000).map(|at| at as f32 * 1e-5).collect();
        for activation in ALL {
            let off = |(y, x): (&f32, &f32)| (f64::from(*y) - exact(activation, f64::from(*x))).abs();
            let most = apply(activation, x.clone()).iter().zip(&x).map(off).fold(0.0, f64::max);
            // Half a step between f32 near 10 is already 4.8e-7.
            let limit = if activation == Activation::Gelu { 5e-7 } else { 1.2e-6 };
            assert!(most <= limit, "{activation:?}: {most:e}");
        }
    }

    #[test]
    fn small_numbers_keep_their_digits() {
        for activation in [Activation::Gelu, Activation::GeluTanh, Activation::Silu, Activation::Tanh] {
            for x in [1e-3_f32, -1e-6, 1e-12, 1e-30] {
                let expected = exact(activation, f64::from(x));
                let y = f64::from(apply(activation, vec![x])[0]);
                assert!((y / expected - 1.0).abs() < 1e-6, "{activation:?} of {x:e} is {y:e}, not {expected:e}");
            }
        }
    }

    #[test]
    fn extremes_are_finite_or_as_they_should_be() {
        for activation in ALL {
            for x in [1e30_f32, -1e30, 200.0, -200.0, 0.0] {
                let y = apply(activation, vec![x])[0];
                let expected = exact(activation, f64::from(x)) as f32;
                assert!((y - expected).abs() <= 1e-6 * expected.abs().max(1.0), "{activation:?} of {x:e} is {y:e}");
            }
            assert!(apply(activation, vec![f32::NAN])[0].is_nan(), "{activation:?}");
        }
    }

    #[test]
    fn the_place_in_the_slice_changes_nothing() {
        let x: Vec<f32> = (0..100).map(|at| (at as f32 - 50.0) * 0.13).collect();
        for activation in ALL {
            let whole = apply(activation, x.clone());
            for start in [0, 1, 7, 33] {
                for len in [1, 2, 15, 16, 17, 31, 67] {
                    assert_eq!(apply(activation, x[start..start + len].to_vec()), whole[start..start + len]);
                }
            }
        }
    }
}
