//! How bytes lie that are to be multiplied: a layout that suits all instructions.
//!
//! A panel is 48 columns wide; the four k that belong to one 32-bit lane lie side by side.

/// Columns of a panel.
pub const WIDTH: usize = 48;
/// What `n_in` is rounded up to: the bytes of a tile's row.
pub const DEPTH: usize = 64;

/// Four successive k of all columns of a panel: three vectors of 16 columns × 4.
pub type Line = [[i8; 64]; 3];

/// A product to be computed.
#[derive(Clone, Copy)]
pub struct Product<'a> {
    /// Quantised rows, four bytes a number, `panel.len()` numbers a row.
    pub rows: &'a [u32],
    /// The weights.
    pub panel: &'a [Line],
    /// What the sum of each column starts with.
    pub start: &'a [i32; WIDTH],
}
