//! Inner products of rows with queries, compiled for the processor at hand.
//!
//! Each product is summed in 16 lanes: lane l takes the numbers l, l + 16, l + 32, … in this order, and then the lanes
//! are added pairwise. The products are fused into the sums, which is rounded the same way on every processor. So one
//! pair has the same result, bit for bit, whatever tile it falls into, and whatever the other rows and queries are.
//!
//! Four rows go together, so that no addition waits for the other, with up to six queries, which then share the reading
//! of a row: 24 sums, in registers. A single query is limited by memory.

#![expect(clippy::inline_always, reason = "what is compiled for the processor at hand must be inlined there")]

use pulp::{Arch, NullaryFnOnce};

const LANES: usize = 16;

/// `products` (`n_rows × n_queries`) = `rows` (`n_rows × width`) · `queries` (`n_queries × width`) transposed.
pub fn dots(rows: &[f32], queries: &[f32], width: usize, products: &mut [f32]) {
    dots_on(Arch::new(), rows, queries, width, products);
}

fn dots_on(arch: Arch, rows: &[f32], queries: &[f32], width: usize, products: &mut [f32]) {
    if width == 0 {
        products.fill(0.0);
        return;
    }
    arch.dispatch(Dots { rows, queries, width, products });
}

struct Dots<'a> {
    rows: &'a [f32],
    queries: &'a [f32],
    width: usize,
    products: &'a mut [f32],
}

impl NullaryFnOnce for Dots<'_> {
    type Output = ();

    #[inline(always)]
    fn call(mut self) {
        self.tiles::<4, 6>();
    }
}

impl Dots<'_> {
    #[inline(always)]
    fn tiles<const R: usize, const Q: usize>(&mut self) {
        let (n_rows, n_queries) = (self.rows.len() / self.width, self.queries.len() / self.width);
        let (whole, shared) = (n_rows / R * R, n_queries / Q * Q);
        for row in (0..whole).step_by(R) {
            for query in (0..shared).step_by(Q) {
                self.tile::<R, Q>(row, query, n_queries);
            }
            for query in shared..n_queries {
                self.tile::<R, 1>(row, query, n_queries);
            }
        }
        for row in whole..n_rows {
            for query in 0..n_queries {
                self.tile::<1, 1>(row, query, n_queries);
            }
        }
    }

    #[inline(always)]
    fn tile<const R: usize, const Q: usize>(&mut self, row: usize, query: usize, n_queries: usize) {
        let width = self.width;
        let rows: [&[f32]; R] = std::array::from_fn(|at| &self.rows[(row + at) * width..][..width]);
        let queries: [&[f32]; Q] = std::array::from_fn(|at| &self.queries[(query + at) * width..][..width]);
        let rows = rows.map(<[f32]>::as_chunks::<LANES>);
        let queries = queries.map(<[f32]>::as_chunks::<LANES>);
        let n_chunks = width / LANES;
        let (row_chunks, query_chunks) =
            (rows.map(|row| &row.0[..n_chunks]), queries.map(|query| &query.0[..n_chunks]));
        let mut sums = [[[0.0_f32; LANES]; Q]; R];
        for chunk in 0..n_chunks {
            let queries: [&[f32; LANES]; Q] = std::array::from_fn(|at| &query_chunks[at][chunk]);
            for (row, sums) in row_chunks.iter().zip(&mut sums) {
                let row = &row[chunk];
                for (query, sums) in queries.iter().zip(sums) {
                    *sums = fused(row, query, *sums);
                }
            }
        }
        // A copy, so that the sums above stay in registers: an array that is walked through lies in memory.
        let mut ends = sums;
        for (at, ((_, row_rest), sums)) in rows.into_iter().zip(&mut ends).enumerate() {
            for (of, ((_, query_rest), sums)) in queries.into_iter().zip(sums).enumerate() {
                for ((sum, left), right) in sums.iter_mut().zip(row_rest).zip(query_rest) {
                    *sum = left.mul_add(*right, *sum);
                }
                self.products[(row + at) * n_queries + query + of] = total(*sums);
            }
        }
    }
}

#[inline(always)]
fn fused(left: &[f32; LANES], right: &[f32; LANES], sums: [f32; LANES]) -> [f32; LANES] {
    std::array::from_fn(|lane| left[lane].mul_add(right[lane], sums[lane]))
}

#[inline(always)]
fn total(mut sums: [f32; LANES]) -> f32 {
    for half in [8, 4, 2, 1] {
        for lane in 0..half {
            sums[lane] += sums[lane + half];
        }
    }
    sums[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_does_not_depend_on_its_tile() {
        for width in [1, 15, 16, 17, 50, 384] {
            let number = |at: usize| ((at * 2_654_435_761) % 1009) as f32 / 500.0 - 1.0;
            let rows: Vec<f32> = (0..21 * width).map(number).collect();
            let queries: Vec<f32> = (0..13 * width).map(|at| number(at + 77_777)).collect();
            let mut together = vec![0.0; 21 * 13];
            dots(&rows, &queries, width, &mut together);
            for (row, products) in rows.chunks(width).zip(together.chunks(13)) {
                for (query, product) in queries.chunks(width).zip(products) {
                    let mut alone = [0.0];
                    dots_on(Arch::Scalar, row, query, width, &mut alone);
                    assert_eq!(alone[0].to_bits(), product.to_bits(), "width {width}");
                    let exact: f64 = row.iter().zip(query).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                    assert!((f64::from(*product) - exact).abs() < 1e-4, "width {width}: {product} and {exact}");
                }
            }
        }
    }
}
