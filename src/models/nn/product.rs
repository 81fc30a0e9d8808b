//! The one matrix product that a network needs, forward and backward: C = then(start + A·B).
//!
//! C is m × n, B is k × n, both in rows that are filled up to whole vectors; A is read along its rows (x·W, dy·Wᵀ) or along
//! its columns (xᵀ·dy). A tile of 6 rows by 4 vectors of columns (6 by 2 where there are 16 registers) stays in
//! registers while k runs: each step loads 4 vectors of B and broadcasts 6 numbers of A. The panel of B is
//! copied together first, so that k runs over it without gaps (and without bounds to check); weights are packed once a step.
//!
//! Every element is start + Σ over k, in order, of multiply-adds: its bits do not depend on m, on the tile, or on the width of
//! the vectors. A call runs on one thread.

#![expect(clippy::inline_always, reason = "what is compiled for the processor at hand must be inlined there")]

use pulp::{Arch, Simd, WithSimd};

use super::matrix::Aligned;
use super::real::Real;

/// Numbers of the widest panel: four vectors of 16.
const WIDEST: usize = 64;
/// Vectors and rows of a tile where there are 32 registers.
const WIDE: (usize, usize) = (4, 6);
/// The same where there are 16.
const NARROW: (usize, usize) = (2, 6);

/// How A lies.
#[derive(Debug, Clone, Copy)]
pub enum Left<'a, T> {
    /// A[i][k] = values[i · pitch + k].
    Rows(&'a [T], usize),
    /// A[i][k] = values[k · pitch + i].
    Columns(&'a [T], usize),
}

/// How B lies.
#[derive(Debug, Clone, Copy)]
pub enum Right<'a, T> {
    /// In rows, with their pitch.
    Rows(&'a [T], usize),
    /// In panels, as `pack` leaves them.
    Packed(&'a [T]),
}

/// What is added to the product.
#[derive(Debug, Clone, Copy)]
pub enum Start<'a, T> {
    /// Nothing.
    Zero,
    /// The same row for all rows, padded as C's.
    Row(&'a [T]),
}

/// What is done to each element at the end.
#[derive(Debug, Clone, Copy)]
pub enum Then<'a, T> {
    /// Nothing.
    Nothing,
    /// max(c, 0).
    Relu,
    /// c where the gate, of C's shape and pitch, is above 0, else 0: back through a `ReLU`.
    Gate(&'a [T]),
}

/// C = then(start + A·B), with `m × k` by `k × n`.
pub struct Product<'a, T> {
    /// A.
    pub left: Left<'a, T>,
    /// B.
    pub right: Right<'a, T>,
    /// C, with its pitch.
    pub target: (&'a mut [T], usize),
    /// m, k, and n filled up to whole vectors.
    pub shape: (usize, usize, usize),
    /// What is added.
    pub start: Start<'a, T>,
    /// What is done at the end.
    pub then: Then<'a, T>,
    /// Room for a panel of B, kept between calls.
    pub panel: &'a mut Aligned<T>,
}

impl<T: Real> Product<'_, T> {
    /// Computes it.
    pub fn run(self) {
        if matches!(self.right, Right::Rows(..)) && self.panel.as_slice().len() < self.shape.1 * WIDEST {
            *self.panel = Aligned::zeroed(self.shape.1 * WIDEST);
        }
        Arch::new().dispatch(self);
    }
}

/// Copies B, in rows, into panels for the processor at hand; room for k · n.
pub fn pack<T: Real>(values: &[T], pitch: usize, (k, n): (usize, usize), packed: &mut [T]) {
    Arch::new().dispatch(Pack { values, pitch, k, n, packed });
}

struct Pack<'a, T> {
    values: &'a [T],
    pitch: usize,
    k: usize,
    n: usize,
    packed: &'a mut [T],
}

impl<T: Real> WithSimd for Pack<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let (lanes, most) = (T::lanes::<S>(), if S::REGISTER_COUNT >= 32 { WIDE.0 } else { NARROW.0 });
        let mut column = 0;
        while column < self.n {
            let width = lanes * ((self.n - column) / lanes).min(most);
            let target = &mut self.packed[column * self.k..][..self.k * width];
            copy_panel(&self.values[column..], self.pitch, width, target);
            column += width;
        }
    }
}

/// Copies the first `width` numbers of each row.
#[inline(always)]
fn copy_panel<T: Real>(values: &[T], pitch: usize, width: usize, panel: &mut [T]) {
    for (line, row) in panel.chunks_exact_mut(width).zip(values.chunks(pitch)) {
        line.copy_from_slice(&row[..width]);
    }
}

impl<T: Real> WithSimd for Product<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        if S::REGISTER_COUNT >= 32 {
            self.columns::<S, { WIDE.0 }, { WIDE.1 }>(simd);
        } else {
            self.columns::<S, { NARROW.0 }, { NARROW.1 }>(simd);
        }
    }
}

impl<T: Real> Product<'_, T> {
    #[inline(always)]
    fn columns<S: Simd, const V: usize, const M: usize>(&mut self, simd: S) {
        let (lanes, n) = (T::lanes::<S>(), self.shape.2);
        let mut column = 0;
        while column + V * lanes <= n {
            self.rows::<S, V, M>(simd, column);
            column += V * lanes;
        }
        if V > 3 && column + 3 * lanes <= n {
            self.rows::<S, 3, M>(simd, column);
            column += 3 * lanes;
        }
        if V > 2 && column + 2 * lanes <= n {
            self.rows::<S, 2, M>(simd, column);
            column += 2 * lanes;
        }
        if column < n {
            self.rows::<S, 1, M>(simd, column);
        }
    }

    /// All rows of one panel of columns.
    #[inline(always)]
    fn rows<S: Simd, const V: usize, const M: usize>(&mut self, simd: S, column: usize) {
        let width = V * T::lanes::<S>();
        let (m, k) = (self.shape.0, self.shape.1);
        let mut panel = std::mem::take(self.panel);
        let panel_values = match self.right {
            Right::Packed(values) => &values[column * k..][..k * width],
            Right::Rows(values, pitch) => {
                let target = &mut panel.as_mut_slice()[..k * width];
                copy_panel(&values[column..], pitch, width, target);
                target
            }
        };
        let lines = T::vectors::<S>(panel_values).as_chunks::<V>().0;
        let mut row = 0;
        while row + M <= m {
            self.tile::<S, V, M>(simd, lines, row, column);
            row += M;
        }
        if row + 4 <= m {
            self.tile::<S, V, 4>(simd, lines, row, column);
            row += 4;
        }
        if row + 2 <= m {
            self.tile::<S, V, 2>(simd, lines, row, column);
            row += 2;
        }
        if row < m {
            self.tile::<S, V, 1>(simd, lines, row, column);
        }
        *self.panel = panel;
    }

    #[inline(always)]
    fn tile<S: Simd, const V: usize, const M: usize>(
        &mut self,
        simd: S,
        panel: &[[T::Vector<S>; V]],
        row: usize,
        column: usize,
    ) {
        match self.left {
            Left::Rows(values, pitch) => {
                let mut sums = [[T::splat(simd, T::default()); V]; M];
                let n = panel.len();
                let rows: [&[T]; M] = std::array::from_fn(|at| &values[(row + at) * pitch..][..n]);
                for (k, right) in panel.iter().enumerate() {
                    for at in 0..M {
                        let value = T::splat(simd, rows[at][k]);
                        for v in 0..V {
                            sums[at][v] = T::mul_add(simd, value, right[v], sums[at][v]);
                        }
                    }
                }
                self.finish(simd, &sums, row, column);
            }
            Left::Columns(values, pitch) => {
                let mut sums = [[T::splat(simd, T::default()); V]; M];
                let (values, none) = (&values[row..], [T::ZERO; M]);
                for (k, right) in panel.iter().enumerate() {
                    // A panic in here would force the sums into memory; there is always a number, so nothing is made up.
                    let line = values.get(k * pitch..).and_then(<[T]>::first_chunk::<M>).unwrap_or(&none);
                    for at in 0..M {
                        let value = T::splat(simd, line[at]);
                        for v in 0..V {
                            sums[at][v] = T::mul_add(simd, value, right[v], sums[at][v]);
                        }
                    }
                }
                self.finish(simd, &sums, row, column);
            }
        }
    }

    /// The sums go to C first and are worked on there: with more to do in this loop it is not unrolled, and the sums would lie in
    /// memory all the while.
    #[expect(clippy::needless_range_loop, reason = "an iterator over the sums would keep them in memory")]
    #[inline(always)]
    fn finish<S: Simd, const V: usize, const M: usize>(
        &mut self,
        simd: S,
        sums: &[[T::Vector<S>; V]; M],
        row: usize,
        column: usize,
    ) {
        let (width, pitch) = (V * T::lanes::<S>(), self.target.1);
        for at in 0..M {
            let target = T::vectors_mut::<S>(&mut self.target.0[(row + at) * pitch + column..][..width]);
            if let Some(target) = target.first_chunk_mut::<V>() {
                *target = sums[at];
            }
        }
        for at in row..row + M {
            let place = at * pitch + column;
            let target = T::vectors_mut::<S>(&mut self.target.0[place..][..width]);
            if let Start::Row(start) = self.start {
                let start = T::vectors::<S>(&start[column..][..width]);
                for (value, start) in target.iter_mut().zip(start) {
                    *value = T::plus(simd, *value, *start);
                }
            }
            match self.then {
                Then::Nothing => {}
                Then::Relu => {
                    for value in target {
                        *value = T::positive(simd, *value);
                    }
                }
                Then::Gate(gate) => {
                    let gate = T::vectors::<S>(&gate[place..][..width]);
                    for (value, gate) in target.iter_mut().zip(gate) {
                        *value = T::gated(simd, *gate, *value);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use pulp::{Scalar, Simd};

    use super::{Left, Product, Right, Start, Then, WIDEST, pack};
    use crate::models::nn::matrix::{Aligned, Matrix, padded};
    use crate::models::nn::real::Real;

    fn numbers<T: Real>(n_rows: usize, width: usize, seed: u32) -> Matrix<T> {
        let mut state = seed.wrapping_mul(747_796_405);
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        };
        let rows: Vec<f32> = (0..n_rows * width).map(|_| next()).collect();
        Matrix::of_rows(&rows, width)
    }

    fn on<S: Simd, T: Real>(simd: S, shape: (usize, usize, usize), along_columns: bool) -> Vec<T> {
        let (m, k, n) = shape;
        let left = if along_columns { numbers::<T>(k, m, 1) } else { numbers::<T>(m, k, 1) };
        let (right, bias, mut product) = (numbers::<T>(k, n, 2), numbers::<T>(1, n, 3), Matrix::<T>::zeros(m, n));
        let (values, pitch) = (left.as_slice(), product.pitch);
        simd.vectorize(Product {
            left: if along_columns { Left::Columns(values, left.pitch) } else { Left::Rows(values, left.pitch) },
            right: Right::Rows(right.as_slice(), right.pitch),
            target: (product.as_mut_slice(), pitch),
            shape: (m, k, padded(n)),
            start: Start::Row(bias.as_slice()),
            then: Then::Relu,
            panel: &mut Aligned::zeroed(k * WIDEST),
        });
        let accuracy = if size_of::<T>() == 4 { 1e-5 } else { 1e-13 };
        for row in 0..m {
            for column in 0..pitch {
                let at = |inner: usize| if along_columns { inner * left.pitch + row } else { row * left.pitch + inner };
                let term =
                    |inner: usize| values[at(inner)].wide() * right.as_slice()[inner * right.pitch + column].wide();
                let expected = ((0..k).map(term).sum::<f64>() + bias.as_slice()[column].wide()).max(0.0);
                let got = product.as_slice()[row * pitch + column].wide();
                assert!(
                    (got - expected).abs() <= accuracy * (k as f64).sqrt(),
                    "{got} is not {expected}: {row}, {column}"
                );
            }
        }
        product.as_slice().to_vec()
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
            let mut packed = Aligned::zeroed(21 * padded(n));
            pack(b.as_slice(), b.pitch, (21, padded(n)), packed.as_mut_slice());
            let product = |right| {
                let mut c = Matrix::<f32>::zeros(13, n);
                let pitch = c.pitch;
                Product {
                    left: Left::Rows(a.as_slice(), a.pitch),
                    right,
                    target: (c.as_mut_slice(), pitch),
                    shape: (13, 21, padded(n)),
                    start: Start::Zero,
                    then: Then::Nothing,
                    panel: &mut Aligned::default(),
                }
                .run();
                c.as_slice().to_vec()
            };
            let plain = product(Right::Rows(b.as_slice(), b.pitch));
            assert_eq!(product(Right::Packed(packed.as_slice())), plain);
            assert!(plain.iter().any(|value| *value != 0.0));
        }
    }

    #[test]
    fn gates_close() {
        let (left, right) = (Matrix::<f64>::of_rows(&[1.0, 2.0], 2), Matrix::<f64>::of_rows(&[3.0, -4.0, 5.0, 6.0], 2));
        let mut product = [f64::NAN; 16];
        let gate: Vec<f64> = (0..16).map(|at| if at == 0 { 0.0 } else { 0.5 }).collect();
        for (then, expected) in [(Then::Nothing, [13.0, 8.0]), (Then::Gate(&gate), [0.0, 8.0])] {
            Product {
                left: Left::Rows(left.as_slice(), left.pitch),
                right: Right::Rows(right.as_slice(), right.pitch),
                target: (&mut product, 16),
                shape: (1, 2, 16),
                start: Start::Zero,
                then,
                panel: &mut Aligned::default(),
            }
            .run();
            assert_eq!(product[..2], expected);
        }
    }
}
