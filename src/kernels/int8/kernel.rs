//! Which instructions multiply bytes on this processor.
//!
//! All kernels compute Σₖ x[r, k]·w[k, c] plus a start value for each column, with x in 0..=255, w in −127..=127 and the
//! sum in 32 bits: the same whole numbers, whatever the instructions.

use std::sync::OnceLock;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use super::amx::Tiles;
use super::layout::{Product, WIDTH};
use super::portable;
#[cfg(target_arch = "x86_64")]
use super::x86;

/// A way to multiply bytes that this processor has. There are no others: the constructors look first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernel(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    AvxVnni,
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    Amx(Tiles),
}

impl Kernel {
    /// The fastest one.
    pub fn best() -> Self {
        static BEST: OnceLock<Kernel> = OnceLock::new();
        *BEST.get_or_init(|| Self::available().pop().unwrap_or(Self(Kind::Portable)))
    }

    /// All that this processor has, slow to fast.
    pub fn available() -> Vec<Self> {
        [
            Some(Kind::Portable),
            #[cfg(target_arch = "x86_64")]
            x86::has_avx2().then_some(Kind::Avx2),
            #[cfg(target_arch = "x86_64")]
            x86::has_avx_vnni().then_some(Kind::AvxVnni),
            #[cfg(target_arch = "x86_64")]
            x86::has_avx512_vnni().then_some(Kind::Avx512Vnni),
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Tiles::detect().map(Kind::Amx),
        ]
        .into_iter()
        .flatten()
        .map(Self)
        .collect()
    }

    /// Writes the sums of each row.
    #[cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "functions for one kind of processor"))]
    pub fn multiply(self, product: Product<'_>, sums: &mut [[i32; WIDTH]]) {
        assert_eq!(product.rows.len(), sums.len() * product.panel.len(), "as many sums as rows");
        match self.0 {
            Kind::Portable => portable::multiply(product, sums),
            // SAFETY: `available` is the only place that makes this kind, after it looked for the instructions.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => unsafe { x86::multiply_avx2(product, sums) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Kind::AvxVnni => unsafe { x86::multiply_avx_vnni(product, sums) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni => unsafe { x86::multiply_avx512_vnni(product, sums) },
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Kind::Amx(tiles) => tiles.multiply(product, sums),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::Line;
    use super::{Kernel, Kind, Product, WIDTH};

    /// Numbers from a linear congruential generator; the extremes of both ranges come up often.
    fn bytes(n: usize, seed: u32) -> Vec<u8> {
        let mut state = seed;
        let next = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            match state >> 28 {
                0 => 0,
                1..3 => 255,
                _ => (state >> 16) as u8,
            }
        });
        next.take(n).collect()
    }

    fn weights(n_lines: usize) -> Vec<Line> {
        let bytes = bytes(n_lines * 192, 7);
        let weight =
            |line: usize, vector: usize, at: usize| bytes[line * 192 + vector * 64 + at].cast_signed().max(-127);
        (0..n_lines)
            .map(|line| std::array::from_fn(|vector| std::array::from_fn(|at| weight(line, vector, at))))
            .collect()
    }

    /// What the sums must be, straight from the definition.
    fn expected(rows: &[u8], panel: &[Line], start: &[i32; WIDTH]) -> Vec<[i32; WIDTH]> {
        let of = |row: &[u8], column: usize| {
            let products = row
                .iter()
                .enumerate()
                .map(|(k, x)| i32::from(*x) * i32::from(panel[k / 4][column / 16][column % 16 * 4 + k % 4]));
            start[column] + products.sum::<i32>()
        };
        rows.chunks_exact(panel.len() * 4).map(|row| std::array::from_fn(|column| of(row, column))).collect()
    }

    #[test]
    fn every_kernel_of_this_processor_gives_the_same_whole_numbers() {
        let kernels = Kernel::available();
        assert!(kernels.contains(&Kernel(Kind::Portable)));
        for n_lines in [16, 96, 192] {
            let panel = weights(n_lines);
            let start = std::array::from_fn(|column| (column as u32 * 1_000).cast_signed() - 20_000);
            for n_rows in (1..=18).chain([31, 32, 33, 128]) {
                let bytes = bytes(n_rows * n_lines * 4, n_rows as u32);
                let rows: Vec<u32> = bytes.as_chunks().0.iter().map(|four| u32::from_ne_bytes(*four)).collect();
                let expected = expected(&bytes, &panel, &start);
                for kernel in &kernels {
                    let mut sums = vec![[i32::MIN; WIDTH]; n_rows];
                    kernel.multiply(Product { rows: &rows, panel: &panel, start: &start }, &mut sums);
                    assert_eq!(sums, expected, "{kernel:?}, {n_rows} rows, {n_lines} lines");
                }
            }
        }
    }

    #[test]
    fn the_largest_sums_do_not_saturate() {
        let panel = vec![[[-127; 64]; 3]; 768];
        for kernel in Kernel::available() {
            let mut sums = [[0; WIDTH]; 3];
            kernel.multiply(Product { rows: &[u32::MAX; 3 * 768], panel: &panel, start: &[0; WIDTH] }, &mut sums);
            assert_eq!(sums, [[-127 * 255 * 3072; WIDTH]; 3], "{kernel:?}");
        }
    }
}
