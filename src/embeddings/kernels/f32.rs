//! Linear layers in f32: y = then(x·Wᵀ + b) at nearly the processor's peak.
//!
//! A tile of 8 rows by 3 vectors of columns (6 by 2 where there are 16 registers) stays in registers while k runs: each
//! step loads 3 vectors of weights and broadcasts 8 numbers straight from the rows, for 24 multiply-adds. The weights
//! of a panel of columns lie in the order of this walk (`packing`). k is cut into blocks of 768, whose sums are added up
//! in y; rows into blocks of 256, so that a block of x and of a panel stay in the second-level cache. The activation
//! follows while a tile is in the nearest cache.
//!
//! Every element is the sum over blocks of k, in order, of the multiply-adds over k, in order, starting with the bias;
//! which rows share a tile or a block changes nothing. So a row's result depends on that row alone, bit for bit, and is
//! the same on all processors with fused multiply-add (AVX2, AVX-512, NEON).
//!
//! Measured on an AMD EPYC (Zen 5, AVX-512), one thread, 32 rows and more, shapes of `MiniLM` and BERT-base: 85 to 98 %
//! of the peak of multiply-adds. Prefetching the next panel by hand and blocks of other sizes gave nothing.

#![expect(clippy::inline_always, reason = "what is compiled for the processor at hand must be inlined there")]

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::activation::Activation;
use super::packing::{Aligned, transpose};

/// k of a block.
const BLOCK_IN: usize = 768;
/// Rows of a block.
const BLOCK_ROWS: usize = 256;
/// Rows and vectors of a tile where there are 32 registers.
const WIDE: (usize, usize) = (8, 3);
/// The same where there are 16.
const NARROW: (usize, usize) = (6, 2);

/// The weights of a linear layer in panels of columns, as wide as a tile.
#[derive(Debug)]
pub struct Panels {
    arch: Arch,
    values: Aligned<f32>,
    bias: Vec<f32>,
    width: usize,
    n_in: usize,
    n_out: usize,
}

impl Panels {
    /// Packs weights, `n_out × n_in`, for the processor at hand.
    pub fn pack(weight: &[f32], bias: Option<&[f32]>, n_out: usize, n_in: usize) -> Self {
        let arch = Arch::new();
        Self { arch, ..Self::of_width(arch.dispatch(PanelWidth), weight, bias, n_out, n_in) }
    }

    fn of_width(width: usize, weight: &[f32], bias: Option<&[f32]>, n_out: usize, n_in: usize) -> Self {
        let n_panels = n_out.div_ceil(width);
        let mut values = Aligned::zeroed(n_panels * width * n_in);
        let panels = values.as_mut_slice().par_chunks_exact_mut(width * n_in);
        panels.zip(weight.par_chunks(width * n_in)).for_each(|(panel, rows)| transpose(rows, n_in, panel, width));
        let mut padded = bias.map_or_else(Vec::new, <[f32]>::to_vec);
        padded.resize(n_panels * width, 0.0);
        Self { arch: Arch::new(), values, bias: padded, width, n_in, n_out }
    }

    /// y = then(x·Wᵀ + b).
    pub fn apply(&self, x: &[f32], n_rows: usize, y: &mut [f32], then: Activation) {
        self.arch.dispatch(Product { weights: self, x, n_rows, y, then });
    }
}

/// Columns of a tile.
struct PanelWidth;

impl WithSimd for PanelWidth {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) -> usize {
        S::F32_LANES * if S::REGISTER_COUNT >= 32 { WIDE.1 } else { NARROW.1 }
    }
}

struct Product<'a> {
    weights: &'a Panels,
    x: &'a [f32],
    n_rows: usize,
    y: &'a mut [f32],
    then: Activation,
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        if S::REGISTER_COUNT >= 32 {
            self.run::<S, { WIDE.1 }, { WIDE.0 }>(simd);
        } else {
            self.run::<S, { NARROW.1 }, { NARROW.0 }>(simd);
        }
    }
}

/// Where a tile starts: its first row, k and column.
#[derive(Clone, Copy)]
struct Place {
    row: usize,
    k: usize,
    column: usize,
}

impl Product<'_> {
    /// All rows, in tiles of up to `M` rows by `V` vectors.
    #[inline(always)]
    fn run<S: Simd, const V: usize, const M: usize>(&mut self, simd: S) {
        let Panels { width, n_in, n_out, .. } = *self.weights;
        let values = self.weights.values.as_slice();
        for first in (0..self.n_rows).step_by(BLOCK_ROWS) {
            let rows = first..(first + BLOCK_ROWS).min(self.n_rows);
            // Tiles of equal size: one row alone would take nearly as long as four.
            let size = rows.len().div_ceil(rows.len().div_ceil(M));
            for k in (0..n_in).step_by(BLOCK_IN) {
                let end = (k + BLOCK_IN).min(n_in);
                for column in (0..n_out).step_by(width) {
                    let panel = &values[column * n_in..][k * width..end * width];
                    let panel = S::as_simd_f32s(panel).0.as_chunks::<V>().0;
                    for row in rows.clone().step_by(size) {
                        let n_rows = size.min(rows.end - row);
                        self.tile_of::<S, V, M>(simd, panel, n_rows, Place { row, k, column });
                        if end == n_in {
                            let y = &mut self.y[row * n_out + column..(row + n_rows) * n_out];
                            self.then.apply_strided(simd, y, n_out, width.min(n_out - column));
                        }
                    }
                }
            }
        }
    }

    /// The tile for this number of rows, at most `M`.
    #[inline(always)]
    fn tile_of<S: Simd, const V: usize, const M: usize>(
        &mut self,
        simd: S,
        panel: &[[S::f32s; V]],
        n_rows: usize,
        place: Place,
    ) {
        match n_rows {
            1 => self.tile::<S, V, 1>(simd, panel, place),
            2 => self.tile::<S, V, 2>(simd, panel, place),
            3 => self.tile::<S, V, 3>(simd, panel, place),
            4 => self.tile::<S, V, 4>(simd, panel, place),
            5 => self.tile::<S, V, 5>(simd, panel, place),
            6 => self.tile::<S, V, 6>(simd, panel, place),
            // With six rows at most, this is never asked for.
            7 if M > 7 => self.tile::<S, V, 7>(simd, panel, place),
            _ => self.tile::<S, V, M>(simd, panel, place),
        }
    }

    #[inline(always)]
    fn tile<S: Simd, const V: usize, const M: usize>(&mut self, simd: S, panel: &[[S::f32s; V]], place: Place) {
        let Panels { n_in, n_out, .. } = *self.weights;
        let Place { row, k, column } = place;
        let n = panel.len();
        let rows: [&[f32]; M] = std::array::from_fn(|at| &self.x[(row + at) * n_in + k..][..n]);
        let mut sums = [[simd.splat_f32s(0.0); V]; M];
        for (k, weights) in panel.iter().enumerate() {
            for at in 0..M {
                let value = simd.splat_f32s(rows[at][k]);
                for v in 0..V {
                    sums[at][v] = simd.mul_add_e_f32s(value, weights[v], sums[at][v]);
                }
            }
        }
        let bias = S::as_simd_f32s(&self.weights.bias[column..]).0;
        for (at, sums) in sums.iter().enumerate() {
            let end = n_out.min(column + V * S::F32_LANES);
            let (full, rest) = S::as_mut_simd_f32s(&mut self.y[(row + at) * n_out..][column..end]);
            for v in 0..V {
                if let Some(target) = full.get_mut(v) {
                    let base = if k == 0 { bias[v] } else { *target };
                    *target = simd.add_f32s(base, sums[v]);
                } else if v == full.len() && !rest.is_empty() {
                    let base = if k == 0 { bias[v] } else { simd.partial_load_f32s(rest) };
                    simd.partial_store_f32s(rest, simd.add_f32s(base, sums[v]));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use pulp::{Scalar, Simd};

    use super::super::activation::Activation;
    use super::super::linear::tests::{numbers, product};
    use super::{PanelWidth, Panels, Product};

    /// The shapes at which blocks, panels, tiles and vectors end.
    const SHAPES: [(usize, usize); 6] = [(1, 1), (5, 3), (48, 64), (50, 769), (97, 1540), (144, 384)];

    /// The product on one kind of processor.
    fn on<S: Simd>(simd: S, weight: &[f32], bias: &[f32], x: &[f32], n_rows: usize) -> Vec<f32> {
        let n_out = bias.len();
        let weights = Panels::of_width(simd.vectorize(PanelWidth), weight, Some(bias), n_out, weight.len() / n_out);
        let mut y = vec![f32::NAN; n_rows * n_out];
        simd.vectorize(Product { weights: &weights, x, n_rows, y: &mut y, then: Activation::Identity });
        y
    }

    #[test]
    fn products_agree_with_f64_on_all_shapes_and_processors() {
        for (n_out, n_in) in SHAPES {
            let (weight, bias) = (numbers(n_out * n_in, 1), numbers(n_out, 2));
            for n_rows in [1, 2, 7, 8, 9, 13, 259] {
                let x = numbers(n_rows * n_in, 3);
                let expected = product(&weight, &bias, &x, n_in);
                let check = |y: &[f32]| {
                    let off = |(y, expected): (&f32, &f64)| (f64::from(*y) - expected).abs();
                    let most = y.iter().zip(&expected).map(off).fold(0.0, f64::max);
                    assert!(most < 1e-5 * (n_in as f64).sqrt(), "{most} for {n_rows} rows, {n_out} × {n_in}");
                };
                check(&on(Scalar::new(), &weight, &bias, &x, n_rows));
                #[cfg(target_arch = "x86_64")]
                if let Some(avx2) = pulp::x86::V3::try_new() {
                    let y = on(avx2, &weight, &bias, &x, n_rows);
                    check(&y);
                    if let Some(avx512) = pulp::x86::V4::try_new() {
                        assert_eq!(on(avx512, &weight, &bias, &x, n_rows), y, "the width of vectors changes nothing");
                    }
                }
            }
        }
    }
}
