//! The one matrix product, for encoders and for networks forward and backward: C = finish(start + A·B).
//!
//! C is m × n. A is read along its rows (x·W, dy·Wᵀ) or along its columns (xᵀ·dy); B, k × n, lies in panels of columns
//! ([`pack_rows`], [`pack_columns`]), or in rows, whose panels are then copied together one by one. k is cut into blocks
//! of 768 and the rows into blocks of 256, so that a block of A and of a panel stay in the second-level cache; the rows of
//! a block go through tiles of sizes that are as equal as possible. C is finished while a tile is in the nearest cache.
//!
//! Every element is (start + the sum over the first block of k) + the sum over the second …, each sum in the order of k;
//! which rows share a tile or a block changes nothing. So a row's result depends on that row alone, bit for bit, and is
//! the same on all processors with fused multiply-add (AVX2, AVX-512, NEON). B in rows is one block, whatever k.
//!
//! A call runs on one thread.

#![expect(clippy::inline_always, reason = "what is compiled for the processor at hand must be inlined there")]

use std::marker::PhantomData;
use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::aligned::Aligned;
use super::panels::{panels, transpose};
use super::prefetch::{LINE, prefetch};
use super::real::Real;
use super::tile::{NARROW, Sums, WIDE, columns_by_panel, rows_by_panel};

/// k of a block.
const BLOCK_DEPTH: usize = 768;
/// Rows of a block.
const BLOCK_ROWS: usize = 256;

/// A, in one of the ways in which it may lie.
pub trait Left<T: Real>: Copy {
    /// The sums of `M` rows from `row` on, for the lines of a panel that begin at `k`.
    fn sums<S: Simd, const V: usize, const M: usize>(
        self,
        simd: S,
        panel: &[[T::Vector<S>; V]],
        row: usize,
        k: usize,
    ) -> Sums<T, S, V, M>;
}

/// `A[i][k] = values[i · pitch + k]`.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a, T>(pub &'a [T], pub usize);

/// `A[i][k] = values[k · pitch + i]`.
#[derive(Debug, Clone, Copy)]
pub struct Columns<'a, T>(pub &'a [T], pub usize);

impl<T: Real> Left<T> for Rows<'_, T> {
    #[inline(always)]
    fn sums<S: Simd, const V: usize, const M: usize>(
        self,
        simd: S,
        panel: &[[T::Vector<S>; V]],
        row: usize,
        k: usize,
    ) -> Sums<T, S, V, M> {
        let Self(values, pitch) = self;
        rows_by_panel::<T, S, V, M>(simd, |at| &values[(row + at) * pitch + k..], panel)
    }
}

impl<T: Real> Left<T> for Columns<'_, T> {
    #[inline(always)]
    fn sums<S: Simd, const V: usize, const M: usize>(
        self,
        simd: S,
        panel: &[[T::Vector<S>; V]],
        row: usize,
        k: usize,
    ) -> Sums<T, S, V, M> {
        let Self(values, pitch) = self;
        columns_by_panel::<T, S, V, M>(simd, (&values[k * pitch + row..], pitch), panel)
    }
}

/// How B lies.
#[derive(Debug)]
pub enum Right<'a, T> {
    /// In panels, packed for the processor that the product runs on.
    Packed(&'a [T]),
    /// In rows, with their pitch, filled up to whole vectors; and room for a panel, kept between calls.
    Rows(&'a [T], usize, &'a mut Aligned<T>),
}

/// What is done to C's elements at the end.
pub trait Finish<T: Real>: Copy {
    /// Finishes some rows, `pitch` numbers apart, `width` numbers of each; the first of them is number `place` of C.
    fn finish<S: Simd>(self, simd: S, rows: &mut [T], pitch: usize, width: usize, place: usize);
}

/// What a network does at the end.
#[derive(Debug, Clone, Copy)]
pub enum Then<'a, T> {
    /// Nothing.
    Nothing,
    /// max(c, 0).
    Relu,
    /// c where the gate, of C's shape and pitch, is above 0, else 0: back through a `ReLU`.
    Gate(&'a [T]),
}

impl<T: Real> Finish<T> for Then<'_, T> {
    #[inline(always)]
    fn finish<S: Simd>(self, simd: S, rows: &mut [T], pitch: usize, width: usize, place: usize) {
        match self {
            Then::Nothing => {}
            Then::Relu => {
                for row in rows.chunks_mut(pitch) {
                    for value in T::vectors_mut::<S>(&mut row[..width]).0 {
                        *value = T::positive(simd, *value);
                    }
                }
            }
            Then::Gate(gate) => {
                for (row, gate) in rows.chunks_mut(pitch).zip(gate[place..].chunks(pitch)) {
                    let gate = T::vectors::<S>(&gate[..width]);
                    for (value, gate) in T::vectors_mut::<S>(&mut row[..width]).0.iter_mut().zip(gate) {
                        *value = T::gated(simd, *gate, *value);
                    }
                }
            }
        }
    }
}

/// C = finish(start + A·B), with `m × k` by `k × n`.
pub struct Product<'a, T, L, F> {
    /// A.
    pub left: L,
    /// B.
    pub right: Right<'a, T>,
    /// C, with its pitch. Where n is not a whole number of vectors, what follows in a row stays as it is.
    pub target: (&'a mut [T], usize),
    /// m, k and n.
    pub shape: (usize, usize, usize),
    /// The row that all rows start with, filled up to whole vectors; without, they start with 0.
    pub start: Option<&'a [T]>,
    /// What is done at the end.
    pub finish: F,
}

/// `n` columns, filled up to whole vectors.
pub fn padded<T: Real>(arch: Arch, n: usize) -> usize {
    n.next_multiple_of(arch.dispatch(Width::<T>(PhantomData)).1)
}

/// Copies B, `n × k` in rows without gaps (what frameworks call a linear layer's weight), into panels of columns; room for k · n,
/// n filled up to whole vectors.
pub fn pack_columns<T: Real>(arch: Arch, values: &[T], k: usize, packed: &mut [T]) {
    let (widest, lanes) = arch.dispatch(Width::<T>(PhantomData));
    let panels: Vec<_> = panels(values.len() / k, widest, lanes).collect();
    let mut rest = packed;
    let mut parts = Vec::with_capacity(panels.len());
    for (column, width) in panels {
        let (panel, after) = std::mem::take(&mut rest).split_at_mut(width * k);
        let end = values.len().min((column + width) * k);
        parts.push((panel, &values[column * k..end], width));
        rest = after;
    }
    parts.into_par_iter().for_each(|(panel, columns, width)| transpose(columns, k, panel, width));
}

/// Copies B, k rows, into panels of columns; room for k · n, n filled up to whole vectors.
pub fn pack_rows<T: Real>(values: &[T], pitch: usize, (k, n): (usize, usize), packed: &mut [T]) {
    let (widest, lanes) = Arch::new().dispatch(Width::<T>(PhantomData));
    for (column, width) in panels(n, widest, lanes) {
        copy_panel(&values[column..], pitch, width, &mut packed[column * k..][..k * width]);
    }
}

/// Columns of the widest panel, and of a vector.
struct Width<T>(PhantomData<T>);

impl<T: Real> WithSimd for Width<T> {
    type Output = (usize, usize);

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) -> (usize, usize) {
        let vectors = if S::REGISTER_COUNT >= 32 { WIDE.0 } else { NARROW.0 };
        (vectors * T::lanes::<S>(), T::lanes::<S>())
    }
}

/// Copies the first `width` numbers of each row.
#[inline(always)]
fn copy_panel<T: Real>(values: &[T], pitch: usize, width: usize, panel: &mut [T]) {
    for (line, row) in panel.chunks_exact_mut(width).zip(values.chunks(pitch)) {
        line.copy_from_slice(&row[..width]);
    }
}

impl<T: Real, L: Left<T>, F: Finish<T>> WithSimd for Product<'_, T, L, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if S::REGISTER_COUNT >= 32 {
            self.run::<S, { WIDE.0 }, { WIDE.1 }>(simd);
        } else {
            self.run::<S, { NARROW.0 }, { NARROW.1 }>(simd);
        }
    }
}

impl<T: Real, L: Left<T>, F: Finish<T>> Product<'_, T, L, F> {
    /// Computes it on the processor at hand.
    pub fn compute(self) {
        Arch::new().dispatch(self);
    }

    #[inline(always)]
    fn run<S: Simd, const V: usize, const M: usize>(self, simd: S) {
        let Self { left, right, target: (values, pitch), shape: (m, k, n), start, finish } = self;
        let mut target = Target { left, values, pitch, k, n, start, finish };
        let lanes = T::lanes::<S>();
        match right {
            Right::Packed(packed) => {
                for first in (0..m).step_by(BLOCK_ROWS) {
                    let rows = first..(first + BLOCK_ROWS).min(m);
                    for from in (0..k).step_by(BLOCK_DEPTH) {
                        let depth = from..(from + BLOCK_DEPTH).min(k);
                        for (column, width) in panels(n, V * lanes, lanes) {
                            let panel = &packed[column * k..][depth.start * width..depth.end * width];
                            target.panel::<S, V, M>(simd, panel, rows.clone(), depth.clone(), column);
                        }
                    }
                }
            }
            Right::Rows(numbers, pitch, room) => {
                room.reserve(k * V * lanes);
                for (column, width) in panels(n, V * lanes, lanes) {
                    let panel = &mut room.as_mut_slice()[..k * width];
                    copy_panel(&numbers[column..], pitch, width, panel);
                    target.panel::<S, V, M>(simd, panel, 0..m, 0..k, column);
                }
            }
        }
    }
}

/// C and all that its elements need but B.
struct Target<'a, T, L, F> {
    left: L,
    values: &'a mut [T],
    pitch: usize,
    k: usize,
    n: usize,
    start: Option<&'a [T]>,
    finish: F,
}

impl<T: Real, L: Left<T>, F: Finish<T>> Target<'_, T, L, F> {
    /// All rows of a block and one panel of columns, of `V` vectors or less.
    #[inline(always)]
    fn panel<S: Simd, const V: usize, const M: usize>(
        &mut self,
        simd: S,
        panel: &[T],
        rows: Range<usize>,
        depth: Range<usize>,
        column: usize,
    ) {
        match panel.len() / (depth.len() * T::lanes::<S>()) {
            1 => self.rows::<S, 1, M>(simd, panel, rows, depth, column),
            2 if V > 2 => self.rows::<S, 2, M>(simd, panel, rows, depth, column),
            3 if V > 3 => self.rows::<S, 3, M>(simd, panel, rows, depth, column),
            _ => self.rows::<S, V, M>(simd, panel, rows, depth, column),
        }
    }

    /// The same in tiles of `M` rows or less.
    #[inline(always)]
    fn rows<S: Simd, const V: usize, const M: usize>(
        &mut self,
        simd: S,
        panel: &[T],
        rows: Range<usize>,
        depth: Range<usize>,
        column: usize,
    ) {
        let Self { pitch, n, .. } = *self;
        let width = (V * T::lanes::<S>()).min(n - column);
        let start = self.start.map(|start| &start[column..]);
        let n_tiles = rows.len().div_ceil(M);
        let mut row = rows.start;
        for tile in 0..n_tiles {
            // As equal as possible: one row alone would take nearly as long as four.
            let end = rows.start + (tile + 1) * rows.len() / n_tiles;
            let (place, last) = (row * pitch + column, (end - 1) * pitch + column + width);
            let values = &mut self.values[place..last];
            let tile = Tile { left: self.left, panel, row, k: depth.start, values, pitch, width, start };
            match end - row {
                1 => tile.compute::<S, V, 1>(simd),
                2 => tile.compute::<S, V, 2>(simd),
                3 => tile.compute::<S, V, 3>(simd),
                4 => tile.compute::<S, V, 4>(simd),
                5 => tile.compute::<S, V, 5>(simd),
                _ => tile.compute::<S, V, M>(simd),
            }
            if depth.end == self.k {
                let values = &mut self.values[place..last];
                simd.vectorize(Finishing { finish: self.finish, values, pitch, width, place });
            }
            row = end;
        }
    }
}

/// A tile of the product. It is a function of its own: in one with all sizes of tiles the compiler loses its way, and the
/// sums would lie in memory.
struct Tile<'a, T, L> {
    left: L,
    panel: &'a [T],
    /// The first row of A, and the first k.
    row: usize,
    k: usize,
    /// The rows of C, `pitch` numbers apart, `width` numbers of each.
    values: &'a mut [T],
    pitch: usize,
    width: usize,
    start: Option<&'a [T]>,
}

impl<T: Real, L: Left<T>> Tile<'_, T, L> {
    #[inline(always)]
    fn compute<S: Simd, const V: usize, const M: usize>(self, simd: S) {
        simd.vectorize(OfSize::<'_, T, L, V, M>(self));
    }
}

/// A tile whose size is known.
struct OfSize<'a, T, L, const V: usize, const M: usize>(Tile<'a, T, L>);

impl<T: Real, L: Left<T>, const V: usize, const M: usize> WithSimd for OfSize<'_, T, L, V, M> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Tile { left, panel, row, k, values, pitch, width, start } = self.0;
        // C is mostly out of the near caches by now: without this, its stores wait (4 % of the time on Zen 4).
        for row in values.chunks(pitch) {
            for at in (0..width).step_by(LINE) {
                prefetch(&row[at..]);
            }
        }
        let sums = left.sums::<S, V, M>(simd, T::vectors::<S>(panel).as_chunks::<V>().0, row, k);
        let mut bases = [T::splat(simd, T::ZERO); V];
        if let Some(start) = start.and_then(|start| T::vectors::<S>(start).first_chunk::<V>()) {
            bases = *start;
        }
        for (row, sums) in values.chunks_mut(pitch).zip(&sums) {
            let (full, rest) = T::vectors_mut::<S>(&mut row[..width]);
            for v in 0..V {
                if let Some(target) = full.get_mut(v) {
                    let base = if k == 0 { bases[v] } else { *target };
                    *target = T::plus(simd, base, sums[v]);
                } else if v == full.len() && !rest.is_empty() {
                    let base = if k == 0 { bases[v] } else { T::load_part(simd, rest) };
                    T::store_part(simd, rest, T::plus(simd, base, sums[v]));
                }
            }
        }
    }
}

/// The end of a tile.
struct Finishing<'a, T, F> {
    finish: F,
    values: &'a mut [T],
    pitch: usize,
    width: usize,
    place: usize,
}

impl<T: Real, F: Finish<T>> WithSimd for Finishing<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.finish.finish(simd, self.values, self.pitch, self.width, self.place);
    }
}

#[cfg(test)]
mod tests {
    use pulp::{Scalar, Simd};

    use super::super::samples;
    use super::{Aligned, Columns, Product, Real, Right, Rows, Then, pack_rows};

    /// Rows that are filled up with zeros to whole vectors.
    struct Matrix<T> {
        values: Vec<T>,
        pitch: usize,
    }

    impl<T: Real> Matrix<T> {
        fn of_rows(rows: &[f32], width: usize) -> Self {
            let pitch = width.next_multiple_of(16);
            let mut values = vec![T::ZERO; rows.len() / width * pitch];
            for (target, row) in values.chunks_exact_mut(pitch).zip(rows.chunks_exact(width)) {
                target.iter_mut().zip(row).for_each(|(target, value)| *target = T::of(f64::from(*value)));
            }
            Self { values, pitch }
        }

        fn zeros(n_rows: usize, width: usize) -> Self {
            Self::of_rows(&vec![0.0; n_rows * width], width)
        }
    }

    fn numbers<T: Real>(n_rows: usize, width: usize, seed: u32) -> Matrix<T> {
        Matrix::of_rows(&samples::numbers(n_rows * width, seed), width)
    }

    fn on<S: Simd, T: Real>(simd: S, shape: (usize, usize, usize), along_columns: bool) -> Vec<T> {
        let (m, k, n) = shape;
        let left = if along_columns { numbers::<T>(k, m, 1) } else { numbers::<T>(m, k, 1) };
        let (right, bias, mut product) = (numbers::<T>(k, n, 2), numbers::<T>(1, n, 3), Matrix::<T>::zeros(m, n));
        let (values, pitch) = (&left.values, product.pitch);
        let mut room = Aligned::default();
        let right_rows = Right::Rows(&right.values, right.pitch, &mut room);
        let (shape, start, finish) = ((m, k, pitch), Some(&*bias.values), Then::Relu);
        let target = (&mut *product.values, pitch);
        if along_columns {
            simd.vectorize(Product {
                left: Columns(values, left.pitch),
                right: right_rows,
                target,
                shape,
                start,
                finish,
            });
        } else {
            simd.vectorize(Product { left: Rows(values, left.pitch), right: right_rows, target, shape, start, finish });
        }
        let accuracy = if size_of::<T>() == 4 { 1e-5 } else { 1e-13 };
        for row in 0..m {
            for column in 0..pitch {
                let at = |inner: usize| if along_columns { inner * left.pitch + row } else { row * left.pitch + inner };
                let term = |inner: usize| values[at(inner)].wide() * right.values[inner * right.pitch + column].wide();
                let expected = ((0..k).map(term).sum::<f64>() + bias.values[column].wide()).max(0.0);
                let got = product.values[row * pitch + column].wide();
                assert!(
                    (got - expected).abs() <= accuracy * (k as f64).sqrt(),
                    "{got} is not {expected}: {row}, {column}"
                );
            }
        }
        product.values
    }

    fn check<T: Real>() {
        for shape in [(1, 1, 1), (3, 5, 16), (13, 7, 33), (12, 136, 64), (31, 40, 100), (27, 3, 48)] {
            for along_columns in [false, true] {
                let plain = on::<_, T>(Scalar::new(), shape, along_columns);
                assert!(shape.0 == 1 || plain.iter().any(|value| value.wide() > 0.0));
                #[cfg(target_arch = "x86_64")]
                if let Some(avx2) = pulp::x86::V3::try_new() {
                    let narrow = on::<_, T>(avx2, shape, along_columns);
                    if let Some(avx512) = pulp::x86::V4::try_new() {
                        let wide = on::<_, T>(avx512, shape, along_columns);
                        assert!(wide.iter().zip(&narrow).all(|(wide, narrow)| wide == narrow), "{shape:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn products_agree_with_the_definition_on_all_processors() {
        check::<f32>();
        check::<f64>();
    }

    #[test]
    fn packed_or_not_the_product_is_the_same() {
        for n in [1, 16, 40, 64, 100, 256] {
            let (a, b) = (numbers::<f32>(13, 21, 1), numbers::<f32>(21, n, 2));
            let mut packed = Aligned::zeroed(21 * b.pitch);
            pack_rows(&b.values, b.pitch, (21, b.pitch), packed.as_mut_slice());
            let product = |right| {
                let mut c = Matrix::<f32>::zeros(13, n);
                let pitch = c.pitch;
                Product {
                    left: Rows(&a.values, a.pitch),
                    right,
                    target: (&mut c.values, pitch),
                    shape: (13, 21, pitch),
                    start: None,
                    finish: Then::Nothing,
                }
                .compute();
                c.values
            };
            let mut room = Aligned::default();
            let plain = product(Right::Rows(&b.values, b.pitch, &mut room));
            assert_eq!(product(Right::Packed(packed.as_slice())), plain);
            assert!(plain.iter().any(|value| *value != 0.0));
        }
    }

    #[test]
    fn gates_close() {
        let (left, right) = (Matrix::<f64>::of_rows(&[1.0, 2.0], 2), Matrix::<f64>::of_rows(&[3.0, -4.0, 5.0, 6.0], 2));
        let mut product = [f64::NAN; 16];
        let gate: Vec<f64> = (0..16).map(|at| if at == 0 { 0.0 } else { 0.5 }).collect();
        for (finish, expected) in [(Then::Nothing, [13.0, 8.0]), (Then::Gate(&gate), [0.0, 8.0])] {
            Product {
                left: Rows(&left.values, left.pitch),
                right: Right::Rows(&right.values, right.pitch, &mut Aligned::default()),
                target: (&mut product, 16),
                shape: (1, 2, 16),
                start: None,
                finish,
            }
            .compute();
            assert_eq!(product[..2], expected);
        }
    }
}
