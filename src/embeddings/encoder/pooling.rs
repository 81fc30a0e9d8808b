//! One vector of a sequence's token vectors, as sentence-transformers 6.2 (`modules.Pooling`) makes it.
//!
//! Over the tokens t = p … n−1 of a sequence of n, where p leading tokens are a prompt that is left out (0 otherwise):
//! - `cls`: token p; `lasttoken`: token n−1; `max`: the largest number of each column;
//! - `mean`: Σ xₜ / (n−p); `mean_sqrt_len`: Σ xₜ / √(n−p);
//! - `weightedmean`: Σ (t+1)·xₜ / Σ (t+1): a prompt that is left out still counts in the positions.
//!
//! Where the prompt is the whole sequence, sums are 0, as there (Σ / max(n, 1e-9)), `cls` takes the first token, as there,
//! and `max`, which is −∞ there, counts all tokens. Several modes are concatenated in the order given. Sums are in f32, token by token, as there.

use crate::embeddings::folder::PoolingMode;

/// Writes one stretch of `width` numbers for each mode. `tokens` is n × width with n > 0.
pub fn pool(tokens: &[f32], prompt: usize, width: usize, modes: &[PoolingMode], into: &mut [f32]) {
    let n_tokens = tokens.len() / width;
    let prompt = prompt.min(n_tokens);
    let rows = tokens.chunks_exact(width).skip(prompt);
    let n_rows = (n_tokens - prompt) as f32;
    for (mode, into) in modes.iter().zip(into.chunks_exact_mut(width)) {
        match mode {
            PoolingMode::Cls => into.copy_from_slice(&tokens[(prompt % n_tokens) * width..][..width]),
            PoolingMode::LastToken => into.copy_from_slice(&tokens[(n_tokens - 1) * width..]),
            PoolingMode::Max => {
                into.fill(f32::NEG_INFINITY);
                for row in tokens.chunks_exact(width).skip(prompt % n_tokens) {
                    into.iter_mut().zip(row).for_each(|(most, number)| *most = most.max(*number));
                }
            }
            PoolingMode::Mean => weighted_sum(rows.clone().map(|row| (1.0, row)), n_rows, into),
            PoolingMode::MeanSqrtLen => weighted_sum(rows.clone().map(|row| (1.0, row)), n_rows.sqrt(), into),
            PoolingMode::WeightedMean => {
                let weights = (prompt..n_tokens).map(|token| (token + 1) as f32);
                weighted_sum(weights.clone().zip(rows.clone()), weights.sum(), into);
            }
        }
    }
}

fn weighted_sum<'a>(rows: impl Iterator<Item = (f32, &'a [f32])>, divisor: f32, into: &mut [f32]) {
    into.fill(0.0);
    for (weight, row) in rows {
        into.iter_mut().zip(row).for_each(|(sum, number)| *sum += weight * number);
    }
    into.iter_mut().for_each(|sum| *sum /= divisor.max(1e-9));
}

#[cfg(test)]
mod tests {
    use super::{PoolingMode, pool};

    const TOKENS: [f32; 6] = [4.0, -1.0, 1.0, -2.0, 3.0, -9.0];
    const ALL: [PoolingMode; 6] = [
        PoolingMode::Cls,
        PoolingMode::Max,
        PoolingMode::Mean,
        PoolingMode::MeanSqrtLen,
        PoolingMode::WeightedMean,
        PoolingMode::LastToken,
    ];

    #[test]
    fn all_modes_by_hand() {
        let mut found = [0.0; 12];
        pool(&TOKENS, 0, 2, &ALL, &mut found);
        let root = 3.0_f32.sqrt();
        // weightedmean: (1·4 + 2·1 + 3·3) / 6 and (-1 - 4 - 27) / 6.
        let expected = [4.0, -1.0, 4.0, -1.0, 8.0 / 3.0, -4.0, 8.0 / root, -12.0 / root, 2.5, -32.0 / 6.0, 3.0, -9.0];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_prompt_is_left_out_but_counted_in_positions() {
        let mut found = [0.0; 12];
        pool(&TOKENS, 1, 2, &ALL, &mut found);
        let root = 2.0_f32.sqrt();
        // weightedmean: (2·1 + 3·3) / 5 and (-4 - 27) / 5.
        let expected = [1.0, -2.0, 3.0, -2.0, 2.0, -5.5, 4.0 / root, -11.0 / root, 2.2, -6.2, 3.0, -9.0];
        assert_eq!(found, expected);
    }
}
