//! Brain floats multiplied by AVX-512 BF16.
//!
//! `vdpbf16ps` multiplies 32 pairs and adds two neighbours at a time to 16 sums; eight rows by three vectors of sums stay
//! in registers. The two k of a 32-bit lane lie side by side in a panel of 48 columns. The sum of a column starts with
//! its bias and goes through k in order. Subnormal numbers count as zero.

use std::arch::x86_64::{__m512, __m512bh, __m512i, _mm512_dpbf16_ps, _mm512_set1_epi32};

use pulp::bytemuck::{cast, cast_slice};
use pulp::x86::V4;
use pulp::{Arch, NullaryFnOnce};
use rayon::prelude::*;

use super::super::activation::Activation;
use super::super::aligned::Aligned;
use super::super::panels::transpose;
use super::rounding::half;

/// Columns of a panel.
const WIDTH: usize = 48;
/// Pairs of a block of rows: half the second-level cache, more or less.
const BLOCK: usize = 1 << 17;

/// One pair of k of all columns of a panel.
type Line = [[u32; 16]; 3];

/// Weights in 16 bits, on a processor that has the instructions: `pack` looks first.
#[derive(Debug)]
pub struct Pairs {
    simd: V4,
    weights: Aligned<u32>,
    bias: Vec<f32>,
    n_in: usize,
    n_out: usize,
}

impl Pairs {
    /// Rounds and packs weights, `n_out × n_in`, if this processor can multiply them.
    pub fn pack(weight: &[f32], bias: Option<&[f32]>, n_out: usize, n_in: usize) -> Option<Self> {
        let simd = V4::try_new().filter(|_| is_x86_feature_detected!("avx512bf16"))?;
        let (n_pairs, n_panels) = (n_in.div_ceil(2), n_out.div_ceil(WIDTH));
        let mut weights = Aligned::zeroed(n_panels * n_pairs * WIDTH);
        let panels = weights.as_mut_slice().par_chunks_exact_mut(n_pairs * WIDTH);
        panels.zip(weight.par_chunks(WIDTH * n_in)).for_each(|(panel, rows)| {
            let mut words = vec![0; rows.len() / n_in * n_pairs];
            halve(rows, n_in, &mut words, n_pairs);
            transpose(&words, n_pairs, panel, WIDTH);
        });
        let mut bias = bias.map_or_else(Vec::new, <[f32]>::to_vec);
        bias.resize(n_panels * WIDTH, 0.0);
        Some(Self { simd, weights, bias, n_in, n_out })
    }

    /// y = then(x·Wᵀ + b); `words` is a buffer.
    #[expect(unsafe_code, reason = "a function for one kind of processor")]
    pub fn apply(&self, x: &[f32], n_rows: usize, y: &mut [f32], then: Activation, words: &mut Vec<u32>) {
        let n_pairs = self.n_in.div_ceil(2);
        words.resize(n_rows * n_pairs, 0);
        halve(x, self.n_in, words, n_pairs);
        // SAFETY: only `pack` makes a value of this type, after it found the instructions.
        unsafe { self.multiply(words, y, then) }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512bf16")]
    fn multiply(&self, rows: &[u32], y: &mut [f32], then: Activation) {
        let Self { simd, n_in, n_out, .. } = *self;
        let n_pairs = n_in.div_ceil(2);
        let panels: &[Line] = cast_slice::<u32, [u32; 16]>(self.weights.as_slice()).as_chunks().0;
        let block = (BLOCK / n_pairs).max(8);
        for (rows, y) in rows.chunks(block * n_pairs).zip(y.chunks_mut(block * n_out)) {
            let n_rows = rows.len() / n_pairs;
            let size = n_rows.div_ceil(n_rows.div_ceil(8));
            for (at, (panel, bias)) in panels.chunks_exact(n_pairs).zip(self.bias.as_chunks::<WIDTH>().0).enumerate() {
                let (first, columns) = (at * WIDTH, (at * WIDTH, n_out));
                for (rows, y) in rows.chunks(size * n_pairs).zip(y.chunks_mut(size * n_out)) {
                    let n_rows = rows.len() / n_pairs;
                    let y = &mut y[first..];
                    match n_rows {
                        1 => tile::<1>(rows, panel, bias, y, columns),
                        2 => tile::<2>(rows, panel, bias, y, columns),
                        3 => tile::<3>(rows, panel, bias, y, columns),
                        4 => tile::<4>(rows, panel, bias, y, columns),
                        5 => tile::<5>(rows, panel, bias, y, columns),
                        6 => tile::<6>(rows, panel, bias, y, columns),
                        7 => tile::<7>(rows, panel, bias, y, columns),
                        _ => tile::<8>(rows, panel, bias, y, columns),
                    }
                    then.apply_strided(simd, y, n_out, WIDTH.min(n_out - first));
                }
            }
        }
    }
}

#[target_feature(enable = "avx512f,avx512bf16")]
fn tile<const M: usize>(rows: &[u32], panel: &[Line], bias: &[f32; WIDTH], y: &mut [f32], columns: (usize, usize)) {
    let (first, n_out) = columns;
    let n = panel.len();
    let mut each = [&rows[..n]; M];
    for at in 1..M {
        each[at] = &rows[at * n..][..n];
    }
    let start: [__m512; 3] = cast(*bias);
    let mut sums = [start; M];
    for (k, line) in panel.iter().enumerate() {
        let weights: [__m512bh; 3] = [cast(line[0]), cast(line[1]), cast(line[2])];
        for at in 0..M {
            let pair: __m512i = _mm512_set1_epi32(each[at][k].cast_signed());
            for v in 0..3 {
                sums[at][v] = _mm512_dpbf16_ps(sums[at][v], cast(pair), weights[v]);
            }
        }
    }
    // By index: an iterator over the sums would keep them in memory all the time.
    let width = WIDTH.min(n_out - first);
    for at in 0..M {
        let y = &mut y[at * n_out..][..width];
        let sums: [f32; WIDTH] = cast(sums[at]);
        // The last panel's columns may end before the panel does.
        match <&mut [f32; WIDTH]>::try_from(&mut *y) {
            Ok(y) => *y = sums,
            Err(_) => y.copy_from_slice(&sums[..y.len()]),
        }
    }
}

/// Rows of `n_in` numbers to rows of `n_pairs` pairs of 16 bits; zero follows an odd number.
fn halve(x: &[f32], n_in: usize, rows: &mut [u32], n_pairs: usize) {
    Arch::new().dispatch(Halve { x, n_in, rows, n_pairs });
}

struct Halve<'a> {
    x: &'a [f32],
    n_in: usize,
    rows: &'a mut [u32],
    n_pairs: usize,
}

impl NullaryFnOnce for Halve<'_> {
    type Output = ();

    #[expect(clippy::inline_always, reason = "what is compiled for the processor at hand must be inlined there")]
    #[inline(always)]
    fn call(self) {
        for (x, row) in self.x.chunks_exact(self.n_in).zip(self.rows.chunks_exact_mut(self.n_pairs)) {
            let halves: &mut [u16] = pulp::bytemuck::cast_slice_mut(row);
            for at in 0..x.len().min(halves.len()) {
                halves[at] = half(x[at]);
            }
            halves[x.len()..].fill(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::halve;

    #[test]
    fn an_odd_number_is_paired_with_zero() {
        let mut rows = [9; 4];
        halve(&[1.0, 2.0, -1.0, 1.0, 1.0, 1.0], 3, &mut rows, 2);
        assert_eq!(rows, [0x4000_3f80, 0x0000_bf80, 0x3f80_3f80, 0x0000_3f80].map(u32::from_le));
    }
}
