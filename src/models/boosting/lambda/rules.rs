//! The parameters of λ, and the gain of a label.

/// How p is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sigmoid {
    /// To the last digits.
    Exact,
    /// By LightGBM's table, and with its f32 sums.
    Table,
}

/// The parameters of λ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// σ, above 0.
    pub sigma: f64,
    /// `lambdarank_truncation_level`, at least 1.
    pub truncation: usize,
    /// `lambdarank_norm`.
    pub norm: bool,
    /// How p is computed.
    pub sigmoid: Sigmoid,
}

impl Default for Rules {
    fn default() -> Self {
        Self { sigma: 1.0, truncation: 30, norm: true, sigmoid: Sigmoid::Table }
    }
}

/// 2^label − 1 for each label.
pub(super) fn gain(label: u8) -> f64 {
    ((1_u64 << label) - 1) as f64
}
