//! What a sequence may hold, and the position of each of its tokens.
//!
//! Positions count from 0; RoBERTa kinds count only tokens that are not the padding token, from the padding token's
//! number + 1, and a padding token written in a text has that number itself for a position.

use crate::embeddings::folder::{EncoderConfig, Tokens};
use crate::error::{Error, Result};

/// The limits of a network, and where its positions start.
#[derive(Debug)]
pub struct Places {
    most_tokens: usize,
    vocab_size: usize,
    offset: usize,
    /// The token that does not count in positions.
    uncounted: Option<u32>,
}

impl Places {
    /// Those of a network.
    #[must_use]
    pub fn of(config: &EncoderConfig) -> Self {
        let offset = config.position_offset;
        Self {
            most_tokens: config.max_positions.saturating_sub(offset),
            vocab_size: config.vocab_size,
            offset,
            uncounted: config.pad_token_id.filter(|_| offset > 0),
        }
    }

    /// Whether a sequence, `at` in its list, can be encoded.
    ///
    /// # Errors
    /// `Invalid` when it is empty, too long or has a token beyond the vocabulary.
    pub fn check(&self, at: usize, tokens: &Tokens) -> Result<()> {
        let (n_tokens, most, vocabulary) = (tokens.ids.len(), self.most_tokens, self.vocab_size);
        if n_tokens > most {
            let message = format!("sequence {at} has {n_tokens} tokens, the model has {most} positions");
            return Err(Error::invalid(message).hint("truncate texts to what the model can read"));
        }
        if let Some(id) = tokens.ids.iter().find(|id| **id as usize >= vocabulary) {
            let message = format!("sequence {at} has token {id}, the model's vocabulary has {vocabulary}");
            return Err(Error::invalid(message).hint("the tokenizer belongs to another model"));
        }
        if tokens.ids.is_empty() {
            return Err(Error::invalid(format!("sequence {at} has no token: there is nothing to pool")));
        }
        Ok(())
    }

    /// The row of the position table for each token.
    pub fn positions(&self, ids: &[u32]) -> impl Iterator<Item = usize> {
        let mut next = self.offset;
        ids.iter().map(move |id| {
            if self.uncounted == Some(*id) {
                return *id as usize;
            }
            next += 1;
            next - 1
        })
    }
}
