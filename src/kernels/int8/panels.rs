//! Weights in 8 bits, and rows times them.
//!
//! Weight w[j, k] ≈ t[j]·q[j, k] with t[j] = max|w[j, ·]| / 127 and q in −127..=127; activation x[r, k] ≈
//! s[r]·(u[r, k] − z[r]). So y[r, j] = s[r]·t[j]·(Σₖ u·q − z[r]·Σₖ q) + b[j]; the second sum is known when the weights
//! are packed. Sums are exact whole numbers (they fit in 32 bits up to `n_in` = 65,000), so a row's result depends on that
//! row alone, and is the same on every processor.
//!
//! A panel holds 48 columns for all k, rounded up to whole blocks of 64 k (zero weights: what the rows hold there does
//! not matter). The sums of a block of rows and one panel go through a buffer that stays in the nearest cache.

#![expect(clippy::inline_always, reason = "what is compiled for the processor at hand must be inlined there")]

use pulp::bytemuck::{cast_slice, cast_slice_mut};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::super::activation::Activation;
use super::super::aligned::Aligned;
use super::super::panels::transpose;
use super::super::scratch::Scratch;
use super::kernel::Kernel;
use super::layout::{DEPTH, Line, Product, WIDTH};
use super::quantize::{ZERO, quantize, quantize_range};

/// Rows that share a walk over a panel: their sums are 24 KiB.
const BLOCK_ROWS: usize = 128;

/// The weights of a linear layer in 8 bits.
#[derive(Debug)]
pub struct Panels {
    arch: Arch,
    kernel: Kernel,
    weights: Aligned<u32>,
    columns: Vec<Columns>,
    n_in: usize,
    n_out: usize,
}

/// What belongs to the columns of one panel; zeros beyond the last column.
#[derive(Debug, Clone)]
struct Columns {
    total: [i32; WIDTH],
    scale: [f32; WIDTH],
    bias: [f32; WIDTH],
}

impl Panels {
    /// Quantises and packs weights, `n_out × n_in`.
    pub fn pack(weight: &[f32], bias: Option<&[f32]>, n_out: usize, n_in: usize) -> Self {
        let n_quads = n_in.next_multiple_of(DEPTH) / 4;
        let n_panels = n_out.div_ceil(WIDTH);
        let mut weights = Aligned::zeroed(n_panels * n_quads * WIDTH);
        let mut columns = vec![Columns { total: [0; WIDTH], scale: [0.0; WIDTH], bias: [0.0; WIDTH] }; n_panels];
        let panels = weights.as_mut_slice().par_chunks_exact_mut(n_quads * WIDTH).zip(&mut columns);
        panels
            .zip(weight.par_chunks(WIDTH * n_in))
            .for_each(|((panel, columns), rows)| fill(panel, columns, rows, n_in));
        for (column, bias) in bias.unwrap_or_default().iter().enumerate() {
            columns[column / WIDTH].bias[column % WIDTH] = *bias;
        }
        Self { arch: Arch::new(), kernel: Kernel::best(), weights, columns, n_in, n_out }
    }

    /// y = then(x·Wᵀ + b).
    pub fn apply(&self, x: &[f32], n_rows: usize, y: &mut [f32], then: Activation, scratch: &mut Scratch) {
        let n_quads = self.n_in.next_multiple_of(DEPTH) / 4;
        let Scratch { words, scales, sums, .. } = scratch;
        words.resize(n_rows * n_quads, 0);
        scales.resize(n_rows, (0.0, 0));
        sums.resize(BLOCK_ROWS.min(n_rows) * WIDTH, 0);
        quantize_range(x, self.n_in, words, n_quads, scales);
        let lines: &[Line] = cast_slice::<u32, [i8; 64]>(self.weights.as_slice()).as_chunks().0;
        let blocks = words.chunks(BLOCK_ROWS * n_quads).zip(scales.chunks(BLOCK_ROWS));
        for ((rows, scales), y) in blocks.zip(y.chunks_mut(BLOCK_ROWS * self.n_out)) {
            let sums = &mut sums.as_chunks_mut::<WIDTH>().0[..scales.len()];
            for (at, (panel, columns)) in lines.chunks_exact(n_quads).zip(&self.columns).enumerate() {
                self.kernel.multiply(Product { rows, panel, start: &[0; WIDTH] }, sums);
                let first = at * WIDTH;
                self.arch.dispatch(Finish {
                    sums,
                    scales,
                    columns,
                    y: &mut y[first..],
                    n_out: self.n_out,
                    first,
                    then,
                });
            }
        }
    }
}

/// Quantises up to 48 rows of weights into a panel.
fn fill(panel: &mut [u32], columns: &mut Columns, rows: &[f32], n_in: usize) {
    const ZEROS: u32 = u32::from_ne_bytes([ZERO; 4]);
    let (n_rows, n_quads) = (rows.len() / n_in, panel.len() / WIDTH);
    let mut words = vec![ZEROS; n_rows * n_quads];
    quantize(rows, n_in, &mut words, n_quads, &mut columns.scale[..n_rows]);
    for (total, row) in columns.total.iter_mut().zip(words.chunks_exact_mut(n_quads)) {
        let bytes: &[u8] = cast_slice(row);
        *total = bytes.iter().map(|byte| i32::from(*byte) - i32::from(ZERO)).sum();
        // Weights are signed: turning the highest bit over takes 128 away.
        row.iter_mut().for_each(|four| *four ^= ZEROS);
    }
    transpose(&words, n_quads, panel, WIDTH);
}

/// Turns the sums of a block of rows into results.
struct Finish<'a> {
    sums: &'a mut [[i32; WIDTH]],
    scales: &'a [(f32, i32)],
    columns: &'a Columns,
    y: &'a mut [f32],
    n_out: usize,
    first: usize,
    then: Activation,
}

impl WithSimd for Finish<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { sums, scales, columns, y, n_out, first, then } = self;
        // In place: the results' way to `y`, far apart as its rows are, is made only once.
        for (sums, (scale, zero)) in sums.iter_mut().zip(scales) {
            for (at, sum) in sums.iter_mut().enumerate() {
                let exact = sum.wrapping_sub(zero.wrapping_mul(columns.total[at]));
                let value = exact as f32 * (scale * columns.scale[at]) + columns.bias[at];
                *sum = value.to_bits().cast_signed();
            }
        }
        let values: &mut [f32] = cast_slice_mut(sums.as_flattened_mut());
        then.apply_strided(simd, values, values.len(), values.len());
        let width = WIDTH.min(n_out - first);
        for (values, y) in values.as_chunks::<WIDTH>().0.iter().zip(y.chunks_mut(n_out)) {
            let y = &mut y[..width];
            match <&mut [f32; WIDTH]>::try_from(&mut *y) {
                Ok(y) => *y = *values,
                Err(_) => y.copy_from_slice(&values[..width]),
            }
        }
    }
}
