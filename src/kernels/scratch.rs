//! Buffers of the linear layers.

/// Buffers that a thread keeps between calls.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Quantised or rounded rows.
    pub words: Vec<u32>,
    /// The scale of each quantised row.
    pub scales: Vec<(f32, i32)>,
    /// Rounded rows, as f32.
    pub rounded: Vec<f32>,
    /// Whole-number sums of a block of rows.
    pub sums: Vec<i32>,
}
