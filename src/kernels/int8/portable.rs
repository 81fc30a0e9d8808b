//! Bytes multiplied in plain Rust: for processors without a kernel of their own.

use super::layout::{Product, WIDTH};

/// Writes the sums of each row.
pub fn multiply(product: Product<'_>, sums: &mut [[i32; WIDTH]]) {
    let Product { rows, panel, start } = product;
    for (row, sums) in rows.chunks_exact(panel.len()).zip(sums) {
        *sums = *start;
        for (four, line) in row.iter().zip(panel) {
            let four = four.to_ne_bytes().map(i32::from);
            for (sum, weights) in sums.iter_mut().zip(line.as_flattened().as_chunks::<4>().0) {
                for at in 0..4 {
                    *sum += four[at] * i32::from(weights[at]);
                }
            }
        }
    }
}
