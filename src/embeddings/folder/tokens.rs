//! A text as the network sees it.

/// The token ids of one sequence.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tokens {
    /// The ids, special tokens included.
    pub ids: Vec<u32>,
    /// Leading tokens that pooling leaves out; 0 where the prompt counts or there is none.
    pub prompt: usize,
}
