//! Bytes multiplied by AMX (Intel, from Sapphire Rapids on): tiles of 16 rows by 64 bytes.
//!
//! `tdpbusd` multiplies a tile of 16 rows × 64 k by one of 64 k × 16 columns. A panel's lines are just what it needs: a
//! tile's row is the four k of 16 columns, the next one 192 bytes on. Three tiles of sums (16 rows × 48 columns) stay in
//! the processor while k runs.
//!
//! The system must allow a process the use of tiles (Linux: `arch_prctl`), and the kernel is only used after a small
//! product has agreed with the portable one. Tiles are not known to the compiler: one block of assembly loads, multiplies,
//! stores and releases them, and nothing is kept between calls.

use std::arch::asm;
use std::arch::x86_64::__cpuid_count;

use super::layout::{Line, Product, WIDTH};
use super::portable;

/// Rows of a tile.
const ROWS: usize = 16;
/// Lines of a panel that make a tile.
const LINES: usize = 16;

/// The shapes of the tiles, as `ldtilecfg` reads them.
#[repr(C, align(64))]
struct Shapes {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

impl Shapes {
    /// Tiles 0 to 2: sums; 3: rows; 4 to 6: weights.
    fn of(n_rows: usize) -> Self {
        let mut shapes = Self { palette: 1, start_row: 0, reserved: [0; 14], row_bytes: [0; 16], rows: [0; 16] };
        shapes.row_bytes[..7].fill(64);
        shapes.rows[..4].fill(n_rows as u8);
        shapes.rows[4..7].fill(LINES as u8);
        shapes
    }
}

/// Proof that the processor has tiles and the system lets this process use them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tiles(());

impl Tiles {
    /// Tiles, if there are any and they compute what they should.
    pub fn detect() -> Option<Self> {
        Self::ask().filter(|tiles| tiles.agree())
    }

    /// Asks the processor, then the system.
    #[expect(unsafe_code, reason = "a system call that no crate of ours makes")]
    fn ask() -> Option<Self> {
        const TILES_AND_INT8: u32 = 0b11 << 24;
        const ARCH_PRCTL: u64 = 158;
        const REQUEST_PERMISSION: u64 = 0x1023;
        const TILE_DATA: u64 = 18;
        if __cpuid_count(0, 0).eax < 7 || __cpuid_count(7, 0).edx & TILES_AND_INT8 != TILES_AND_INT8 {
            return None;
        }
        let mut answer = ARCH_PRCTL;
        // SAFETY: the call takes two numbers and touches no memory; it may only refuse. A system that does not know
        // tiles refuses, so no look at the enabled states is needed before.
        unsafe {
            asm!("syscall", inout("rax") answer, in("rdi") REQUEST_PERMISSION, in("rsi") TILE_DATA,
                out("rcx") _, out("r11") _, options(nostack));
        }
        (answer == 0).then_some(Self(()))
    }

    /// Whether a small product is right.
    fn agree(self) -> bool {
        let weight = |line: usize, vector: usize, at: usize| (line * 89 + vector * 57 + at * 31) as u8;
        let line =
            |line| std::array::from_fn(|vector| std::array::from_fn(|at| weight(line, vector, at).cast_signed()));
        let panel: Vec<_> = (0..2 * LINES).map(line).collect();
        let rows: Vec<u32> = (0..19 * panel.len() as u32).map(|at| at.wrapping_mul(2_654_435_761)).collect();
        let product = Product { rows: &rows, panel: &panel, start: &[-20; WIDTH] };
        let (mut tiles, mut expected) = ([[0; WIDTH]; 19], [[0; WIDTH]; 19]);
        self.multiply(product, &mut tiles);
        portable::multiply(product, &mut expected);
        tiles == expected
    }

    /// Writes the sums of each row.
    pub fn multiply(self, product: Product<'_>, sums: &mut [[i32; WIDTH]]) {
        let Product { rows, panel, start } = product;
        assert!(!panel.is_empty() && panel.len().is_multiple_of(LINES), "k is rounded up to whole tiles");
        for (rows, sums) in rows.chunks(ROWS * panel.len()).zip(sums.chunks_mut(ROWS)) {
            sums.fill(*start);
            self.tile(rows, panel, sums);
        }
    }

    /// Adds the products of up to 16 rows to their sums.
    #[expect(unsafe_code, reason = "instructions that have no stable functions")]
    fn tile(self, rows: &[u32], panel: &[Line], sums: &mut [[i32; WIDTH]]) {
        let Self(()) = self;
        assert!(sums.len() <= ROWS && rows.len() == sums.len() * panel.len(), "a tile's rows");
        let shapes = Shapes::of(sums.len());
        // SAFETY: a value of this type says that the instructions may be used. Rows are read 64 bytes at a time,
        // `panel.len() / 16` times, from each of `sums.len()` rows of `panel.len()` words; weights 16 lines at a time,
        // as often; sums are `sums.len()` rows of 192 bytes. The assertions here and in `multiply` keep all three within
        // their slices. No other code uses tiles.
        unsafe {
            asm!(
                "ldtilecfg [{shapes}]",
                "tileloadd tmm0, [{sums} + {line}]",
                "tileloadd tmm1, [{sums} + {line} + 64]",
                "tileloadd tmm2, [{sums} + {line} + 128]",
                "2:",
                "tileloadd tmm3, [{rows} + {row}]",
                "tileloadd tmm4, [{panel} + {line}]",
                "tileloadd tmm5, [{panel} + {line} + 64]",
                "tileloadd tmm6, [{panel} + {line} + 128]",
                "tdpbusd tmm0, tmm3, tmm4",
                "tdpbusd tmm1, tmm3, tmm5",
                "tdpbusd tmm2, tmm3, tmm6",
                "add {rows}, 64",
                "add {panel}, 3072",
                "dec {n}",
                "jnz 2b",
                "tilestored [{sums} + {line}], tmm0",
                "tilestored [{sums} + {line} + 64], tmm1",
                "tilestored [{sums} + {line} + 128], tmm2",
                "tilerelease",
                shapes = in(reg) &raw const shapes,
                sums = in(reg) sums.as_mut_ptr(),
                line = in(reg) WIDTH * 4,
                rows = inout(reg) rows.as_ptr() => _,
                row = in(reg) panel.len() * 4,
                panel = inout(reg) panel.as_ptr() => _,
                n = inout(reg) panel.len() / LINES => _,
                options(nostack),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Tiles;

    /// Where there are no tiles this says nothing; see `kernel` for the whole comparison.
    #[test]
    fn tiles_agree_with_the_portable_kernel_where_there_are_tiles() {
        assert!(Tiles::ask().is_none_or(Tiles::agree));
    }
}
