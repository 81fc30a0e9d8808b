//! A linear layer: y = then(x·Wᵀ + b), packed once for the processor at hand and the number format.
//!
//! Shapes: W `n_out × n_in` as frameworks store it, b `n_out`, x `n_rows × n_in`, y `n_rows × n_out`, all row-major. A
//! call runs on one thread; callers give groups of rows to several. Whatever the format, each row's result depends on
//! that row alone, bit for bit: one text alone equals the same text in any group.

use super::activation::Activation;
use super::dtype::Dtype;
use super::scratch::Scratch;
use super::{bf16, f32, int8};

/// A linear layer, packed for the processor at hand.
#[derive(Debug)]
pub struct Linear {
    n_in: usize,
    n_out: usize,
    weights: Weights,
}

#[derive(Debug)]
enum Weights {
    F32(f32::Panels),
    Bf16(bf16::Panels),
    Int8(int8::Panels),
}

impl Linear {
    /// Packs `weight` (`n_out × n_in`, both at least 1) and `bias` (`n_out`), in parallel.
    #[must_use]
    pub fn pack(weight: &[f32], bias: Option<&[f32]>, n_out: usize, n_in: usize, dtype: Dtype) -> Self {
        assert_eq!(weight.len(), n_out * n_in, "weights are n_out × n_in");
        assert!(bias.is_none_or(|bias| bias.len() == n_out), "a bias for each output");
        let weights = match dtype {
            Dtype::F32 => Weights::F32(f32::Panels::pack(weight, bias, n_out, n_in)),
            Dtype::Bf16 => Weights::Bf16(bf16::Panels::pack(weight, bias, n_out, n_in)),
            Dtype::Int8 => Weights::Int8(int8::Panels::pack(weight, bias, n_out, n_in)),
        };
        Self { n_in, n_out, weights }
    }

    /// Numbers of a row that goes in.
    #[must_use]
    pub fn n_in(&self) -> usize {
        self.n_in
    }

    /// Numbers of a row that comes out.
    #[must_use]
    pub fn n_out(&self) -> usize {
        self.n_out
    }

    /// y = then(x·Wᵀ + b) for the first `n_rows` rows, on this thread.
    pub fn apply(&self, x: &[f32], n_rows: usize, y: &mut [f32], then: Activation, scratch: &mut Scratch) {
        let (x, y) = (&x[..n_rows * self.n_in], &mut y[..n_rows * self.n_out]);
        match &self.weights {
            Weights::F32(panels) => panels.apply(x, n_rows, y, then),
            Weights::Bf16(panels) => panels.apply(x, n_rows, y, then, scratch),
            Weights::Int8(panels) => panels.apply(x, n_rows, y, then, scratch),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{numbers, product};
    use super::{Activation, Dtype, Linear, Scratch};

    fn apply(linear: &Linear, x: &[f32], then: Activation) -> Vec<f32> {
        let n_rows = x.len() / linear.n_in();
        let mut y = vec![f32::NAN; n_rows * linear.n_out()];
        linear.apply(x, n_rows, &mut y, then, &mut Scratch::default());
        y
    }

    #[test]
    fn a_row_alone_equals_the_row_in_any_group() {
        for (n_out, n_in) in [(48, 64), (50, 131), (130, 1600)] {
            let (weight, bias) = (numbers(n_out * n_in, 1), numbers(n_out, 2));
            let x = numbers(300 * n_in, 3);
            for dtype in Dtype::ALL {
                let linear = Linear::pack(&weight, Some(&bias), n_out, n_in, dtype);
                let whole = apply(&linear, &x, Activation::Gelu);
                for (first, n_rows) in [(0, 1), (299, 1), (13, 3), (40, 8), (7, 13), (1, 290)] {
                    let part = apply(&linear, &x[first * n_in..][..n_rows * n_in], Activation::Gelu);
                    assert_eq!(part, whole[first * n_out..][..n_rows * n_out], "{dtype:?}, rows {first} + {n_rows}");
                }
            }
        }
    }

    #[test]
    fn the_activation_follows_the_sum() {
        let (n_out, n_in) = (53, 40);
        let weight = numbers(n_out * n_in, 1);
        let x = numbers(9 * n_in, 3);
        for dtype in Dtype::ALL {
            let linear = Linear::pack(&weight, None, n_out, n_in, dtype);
            for then in [Activation::Gelu, Activation::Tanh, Activation::Relu] {
                let mut expected = apply(&linear, &x, Activation::Identity);
                then.apply(&mut expected);
                assert_eq!(apply(&linear, &x, then), expected, "{dtype:?}");
            }
        }
    }

    #[test]
    fn fewer_digits_stay_close() {
        let (n_out, n_in, n_rows) = (100, 384, 20);
        let (weight, bias) = (numbers(n_out * n_in, 1), numbers(n_out, 2));
        let x = numbers(n_rows * n_in, 3);
        let expected = product(&weight, &bias, &x, n_in);
        let size = (expected.iter().map(|y| y * y).sum::<f64>()).sqrt();
        // Relative errors in the mean: measured 3.7e-7, and what rounding steps of 2⁻⁸ and 1/127 make one expect.
        for (dtype, most) in [(Dtype::F32, 1e-6), (Dtype::Bf16, 4e-3), (Dtype::Int8, 1e-2)] {
            let y = apply(&Linear::pack(&weight, Some(&bias), n_out, n_in, dtype), &x, Activation::Identity);
            let off =
                y.iter().zip(&expected).map(|(y, expected)| (f64::from(*y) - expected).powi(2)).sum::<f64>().sqrt();
            assert!(off / size < most && (off / size > most / 20.0), "{dtype:?}: {:e}", off / size);
        }
    }

    #[test]
    fn no_rows_give_nothing_and_nan_stays_in_its_row() {
        for dtype in Dtype::ALL {
            let linear = Linear::pack(&numbers(12 * 7, 1), None, 12, 7, dtype);
            assert!(apply(&linear, &[], Activation::Gelu).is_empty());
            let mut x = numbers(21, 2);
            let clean = apply(&linear, &x, Activation::Gelu);
            x[8] = f32::NAN;
            let y = apply(&linear, &x, Activation::Gelu);
            assert!(y[12..24].iter().all(|value| value.is_nan()), "{dtype:?}");
            assert_eq!((&y[..12], &y[24..]), (&clean[..12], &clean[24..]), "{dtype:?}");
        }
    }
}
