//! The tile of all products: the sums of a few rows and a few vectors of columns, in registers while k runs.
//!
//! Each step loads the vectors of a panel's next line and broadcasts one number of each row. An element is the sum of
//! multiply-adds over k, in order, from 0: its bits depend neither on the tile nor on the width of the vectors.

#![expect(clippy::inline_always, reason = "what is compiled for the processor at hand must be inlined there")]

use pulp::Simd;

use super::real::Real;

/// Vectors and rows of a tile where there are 32 registers.
pub const WIDE: (usize, usize) = (4, 6);
/// The same where there are 16.
pub const NARROW: (usize, usize) = (2, 6);

/// The sums of a tile.
pub type Sums<T, S, const V: usize, const M: usize> = [[<T as Real>::Vector<S>; V]; M];

/// The sums of `M` rows, each at least as long as the panel has lines, with the columns of the panel.
#[inline(always)]
pub fn rows_by_panel<'a, T: Real, S: Simd, const V: usize, const M: usize>(
    simd: S,
    row: impl Fn(usize) -> &'a [T],
    panel: &[[T::Vector<S>; V]],
) -> Sums<T, S, V, M> {
    // Cut here, so that the loop has no bounds to check: that would force the sums into memory.
    let n = panel.len();
    let rows: [&[T]; M] = std::array::from_fn(|at| &row(at)[..n]);
    let mut sums = [[T::splat(simd, T::ZERO); V]; M];
    for (k, line) in panel.iter().enumerate() {
        for at in 0..M {
            let value = T::splat(simd, rows[at][k]);
            for v in 0..V {
                sums[at][v] = T::mul_add(simd, value, line[v], sums[at][v]);
            }
        }
    }
    sums
}

/// The same where the rows' numbers lie side by side: number k of row i is `values[k · pitch + i]`.
#[inline(always)]
pub fn columns_by_panel<T: Real, S: Simd, const V: usize, const M: usize>(
    simd: S,
    (values, pitch): (&[T], usize),
    panel: &[[T::Vector<S>; V]],
) -> Sums<T, S, V, M> {
    let none = [T::ZERO; M];
    let mut sums = [[T::splat(simd, T::ZERO); V]; M];
    for (k, line) in panel.iter().enumerate() {
        // A panic in here would force the sums into memory; there is always a number, so nothing is invented.
        let numbers = values.get(k * pitch..).and_then(<[T]>::first_chunk::<M>).unwrap_or(&none);
        for at in 0..M {
            let value = T::splat(simd, numbers[at]);
            for v in 0..V {
                sums[at][v] = T::mul_add(simd, value, line[v], sums[at][v]);
            }
        }
    }
    sums
}
