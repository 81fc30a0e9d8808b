//! Rows of f32 as bytes with one scale a row.
//!
//! Weights: x ≈ scale·(byte − 128), scale = max|x| / 127; bytes are 1..=255. Activations use the range that they have:
//! x ≈ scale·(byte − zero), scale = (max(x, 0) − min(x, 0)) / 254, zero = ⌈−min(x, 0) / scale⌉, so that 0 stays exact and
//! every byte is in 0..=255 without clamping. On the activations of `MiniLM` that brings the mean cosine to f32 from 0.994 to
//! 0.997. Rounded to nearest, ties to even. A row of zeros (or so small that the factor overflows) gets scale 0; one with
//! an infinity or NaN a scale that is not finite, so that its results are not either.

use pulp::bytemuck::cast_slice_mut;
use pulp::{Arch, NullaryFnOnce};

/// The byte that stands for zero.
pub const ZERO: u8 = 128;

/// 1.5·2²³: a number added to this has its nearest whole number in the low bits.
const ROUND: f32 = 12_582_912.0;

/// Quantises rows of weights, `n_in` numbers each, to `n_quads` times four bytes each; the rest of the row keeps any bytes.
pub fn quantize(x: &[f32], n_in: usize, rows: &mut [u32], n_quads: usize, scales: &mut [f32]) {
    Arch::new().dispatch(Quantize { x, n_in, rows, n_quads, scales });
}

struct Quantize<'a> {
    x: &'a [f32],
    n_in: usize,
    rows: &'a mut [u32],
    n_quads: usize,
    scales: &'a mut [f32],
}

impl NullaryFnOnce for Quantize<'_> {
    type Output = ();

    #[expect(clippy::inline_always, reason = "what is compiled for the processor at hand must be inlined there")]
    #[inline(always)]
    fn call(self) {
        let rows = self.rows.chunks_exact_mut(self.n_quads).zip(self.scales);
        for (x, (row, scale)) in self.x.chunks_exact(self.n_in).zip(rows) {
            // Sizes compared as whole numbers: the same order as floats, with infinity and NaN above all.
            let mut most = [0_u32; 64];
            let (blocks, rest) = x.as_chunks::<64>();
            for block in blocks {
                for at in 0..64 {
                    most[at] = most[at].max(block[at].to_bits() & 0x7fff_ffff);
                }
            }
            let mut largest = 0;
            for size in most {
                largest = largest.max(size);
            }
            for value in rest {
                largest = largest.max(value.to_bits() & 0x7fff_ffff);
            }
            let largest = f32::from_bits(largest);
            let mut factor = 127.0 / largest;
            *scale = largest / 127.0;
            if factor == f32::INFINITY {
                (factor, *scale) = (0.0, 0.0);
            }
            let bytes: &mut [u8] = cast_slice_mut(row);
            for at in 0..x.len().min(bytes.len()) {
                bytes[at] = (x[at] * factor + (ROUND + f32::from(ZERO))).to_bits() as u8;
            }
        }
    }
}

/// Quantises rows of activations, `n_in` numbers each, to `n_quads` times four bytes each, with a scale and the byte that
/// stands for zero; the rest of the row keeps any bytes.
pub fn quantize_range(x: &[f32], n_in: usize, rows: &mut [u32], n_quads: usize, scales: &mut [(f32, i32)]) {
    Arch::new().dispatch(QuantizeRange { x, n_in, rows, n_quads, scales });
}

struct QuantizeRange<'a> {
    x: &'a [f32],
    n_in: usize,
    rows: &'a mut [u32],
    n_quads: usize,
    scales: &'a mut [(f32, i32)],
}

impl NullaryFnOnce for QuantizeRange<'_> {
    type Output = ();

    #[expect(clippy::inline_always, reason = "what is compiled for the processor at hand must be inlined there")]
    #[inline(always)]
    fn call(self) {
        let rows = self.rows.chunks_exact_mut(self.n_quads).zip(self.scales);
        for (x, (row, scale)) in self.x.chunks_exact(self.n_in).zip(rows) {
            let (mut low, mut high) = ([0_f32; 32], [0_f32; 32]);
            // Any infinity or NaN makes the sum of x·0 a NaN.
            let mut wrong = [0_f32; 32];
            let (blocks, rest) = x.as_chunks::<32>();
            for block in blocks {
                for at in 0..32 {
                    let value = block[at];
                    low[at] = if value < low[at] { value } else { low[at] };
                    high[at] = if value > high[at] { value } else { high[at] };
                    wrong[at] += value * 0.0;
                }
            }
            for (at, value) in rest.iter().enumerate() {
                low[at] = if *value < low[at] { *value } else { low[at] };
                high[at] = if *value > high[at] { *value } else { high[at] };
                wrong[at] += *value * 0.0;
            }
            let (mut least, mut most, mut nan) = (0_f32, 0_f32, 0_f32);
            for at in 0..32 {
                least = if low[at] < least { low[at] } else { least };
                most = if high[at] > most { high[at] } else { most };
                nan += wrong[at];
            }
            let range = most - least;
            let mut factor = 254.0 / range;
            let mut step = range / 254.0 + nan;
            if factor == f32::INFINITY {
                (factor, step) = (0.0, nan);
            }
            let zero = (-least * factor).ceil();
            *scale = (step, zero as i32);
            let bytes: &mut [u8] = cast_slice_mut(row);
            for at in 0..x.len().min(bytes.len()) {
                bytes[at] = (x[at] * factor + (ROUND + zero)).to_bits() as u8;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{quantize, quantize_range};

    fn range(x: &[f32]) -> (Vec<u8>, f32, i32) {
        let mut row = vec![0; x.len().div_ceil(4)];
        let mut scale = [(9.0, 9)];
        let n_quads = row.len();
        quantize_range(x, x.len(), &mut row, n_quads, &mut scale);
        (row.iter().flat_map(|four| four.to_ne_bytes()).take(x.len()).collect(), scale[0].0, scale[0].1)
    }

    #[test]
    fn activations_use_the_whole_range_and_keep_zero() {
        assert_eq!(range(&[0.0, 1.0, 254.0, 2.5]), (vec![0, 1, 254, 2], 1.0, 0));
        assert_eq!(range(&[-254.0, 0.0, -1.0, -253.0]), (vec![0, 254, 253, 1], 1.0, 254));
        assert_eq!(range(&[-100.5, 0.0, 153.5, 1.0]), (vec![0, 101, 254, 102], 1.0, 101));
        for shift in 0..200 {
            let x: Vec<f32> = (0..301).map(|at| ((at * 7919 % 1013) as f32 - 5.0 * shift as f32) * 0.013).collect();
            let (bytes, scale, zero) = range(&x);
            for (byte, x) in bytes.iter().zip(&x) {
                assert!((scale * (i32::from(*byte) - zero) as f32 - x).abs() <= 0.501 * scale, "{shift}: {x} {byte}");
            }
        }
    }

    #[test]
    fn activations_that_are_zero_or_not_finite() {
        assert_eq!(range(&[0.0, -0.0, 0.0, 0.0]), (vec![0; 4], 0.0, 0));
        assert_eq!(range(&[1e-45, 0.0, 0.0, 0.0]), (vec![0; 4], 0.0, 0));
        for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(!range(&[1.0, wrong, 0.0, -2.0]).1.is_finite());
        }
    }

    fn one(x: &[f32]) -> (Vec<u8>, f32) {
        let mut row = vec![0; x.len().div_ceil(4)];
        let mut scale = [9.0];
        let n_quads = row.len();
        quantize(x, x.len(), &mut row, n_quads, &mut scale);
        (row.iter().flat_map(|four| four.to_ne_bytes()).take(x.len()).collect(), scale[0])
    }

    #[test]
    fn the_largest_is_127_and_halves_go_to_even() {
        let (bytes, scale) = one(&[127.0, -127.0, 0.0, 0.5, 1.5, -0.5, -1.5, 2.4]);
        assert_eq!(bytes, [255, 1, 128, 128, 130, 128, 126, 130]);
        assert_eq!(scale, 1.0);
    }

    #[test]
    fn every_value_of_a_long_row_is_within_half_a_step() {
        let x: Vec<f32> = (0..301).map(|at| ((at * 7919 % 1013) as f32 - 700.0) * 0.01).collect();
        let (bytes, scale) = one(&x);
        assert_eq!(scale, 7.0 / 127.0);
        for (byte, x) in bytes.iter().zip(&x) {
            assert!((scale * (f32::from(*byte) - 128.0) - x).abs() <= 0.501 * scale);
        }
    }

    #[test]
    fn zeros_have_no_scale_and_nan_passes_on() {
        assert_eq!(one(&[0.0, -0.0, 0.0, 0.0]), (vec![128; 4], 0.0));
        assert_eq!(one(&[1e-45, 0.0, 0.0, 0.0]), (vec![128; 4], 0.0));
        assert!(one(&[1.0, f32::NAN, 0.0, 0.0]).1.is_nan());
        assert_eq!(one(&[1.0, f32::NEG_INFINITY, 0.0, 0.0]).1, f32::INFINITY);
    }
}
