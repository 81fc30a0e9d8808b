//! `encoder::pooling` on the device: one vector of each sequence's token vectors.
//!
//! Every mode but `max` is a weighted sum over the tokens, with weights that depend on the sequence's length n and its
//! prompt p alone, so it is a product of matrices: weights (1 × width) times tokens (width × hidden) for each sequence.
//! Padding and the prompt have weight 0; `max` adds −∞ to them.

use candle_core::{Device, Result, Tensor};

use crate::embeddings::folder::{PoolingMode, Tokens};

/// Pools n × width × hidden into n × (modes·hidden).
///
/// # Errors
/// Those of the device.
pub fn pool(tokens: &Tensor, sequences: &[&Tokens], modes: &[PoolingMode], device: &Device) -> Result<Tensor> {
    let (n, width, _) = tokens.dims3()?;
    let pooled: Vec<_> = modes
        .iter()
        .map(|mode| {
            let mut numbers = Vec::with_capacity(n * width);
            for sequence in sequences {
                numbers.extend(weights(*mode, sequence));
                numbers.resize(numbers.len().next_multiple_of(width), outside(*mode));
            }
            if *mode == PoolingMode::Max {
                let mask = Tensor::from_vec(numbers, (n, width, 1), device)?;
                return tokens.broadcast_add(&mask)?.max(1);
            }
            Tensor::from_vec(numbers, (n, 1, width), device)?.matmul(tokens)?.squeeze(1)
        })
        .collect::<Result<_>>()?;
    Tensor::cat(&pooled, 1)
}

/// What a token that is left out is multiplied by, or what is added to it.
fn outside(mode: PoolingMode) -> f32 {
    if mode == PoolingMode::Max { f32::NEG_INFINITY } else { 0.0 }
}

/// The weights of a sequence's tokens; for `max`, what is added to them.
fn weights(mode: PoolingMode, sequence: &Tokens) -> Vec<f32> {
    let n = sequence.ids.len();
    // Where the prompt is the whole sequence, sums are 0 and the other modes take what they take without a prompt.
    let prompt = match mode {
        PoolingMode::Cls | PoolingMode::LastToken | PoolingMode::Max if sequence.prompt >= n => 0,
        _ => sequence.prompt.min(n),
    };
    let left = (n - prompt) as f32;
    let positions: f32 = (prompt..n).map(|token| (token + 1) as f32).sum();
    let weight = |token: usize| match mode {
        PoolingMode::Cls => f32::from(token == prompt),
        PoolingMode::LastToken => f32::from(token == n - 1),
        PoolingMode::Max => 0.0,
        PoolingMode::Mean => left.recip(),
        PoolingMode::MeanSqrtLen => left.sqrt().recip(),
        PoolingMode::WeightedMean => (token + 1) as f32 / positions,
    };
    (0..n).map(|token| if token < prompt { outside(mode) } else { weight(token) }).collect()
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::pool;
    use crate::embeddings::folder::{PoolingMode, Tokens};

    /// The values by hand of `encoder::pooling`, with one more token of padding.
    #[test]
    fn all_modes_with_a_prompt_and_padding() {
        let modes = [
            PoolingMode::Cls,
            PoolingMode::Max,
            PoolingMode::Mean,
            PoolingMode::MeanSqrtLen,
            PoolingMode::WeightedMean,
            PoolingMode::LastToken,
        ];
        let rows = [4.0, -1.0, 1.0, -2.0, 3.0, -9.0, 100.0, 100.0_f32];
        let tokens = Tensor::from_vec([rows, rows].concat(), (2, 4, 2), &Device::Cpu).unwrap();
        let sequence = |prompt| Tokens { ids: vec![0; 3], prompt };
        let found = pool(&tokens, &[&sequence(0), &sequence(1)], &modes, &Device::Cpu).unwrap();
        let (three, two) = (3.0_f32.sqrt(), 2.0_f32.sqrt());
        let expected = [
            [4.0, -1.0, 4.0, -1.0, 8.0 / 3.0, -4.0, 8.0 / three, -12.0 / three, 2.5, -32.0 / 6.0, 3.0, -9.0],
            [1.0, -2.0, 3.0, -2.0, 2.0, -5.5, 4.0 / two, -11.0 / two, 2.2, -6.2, 3.0, -9.0],
        ];
        for (found, expected) in found.to_vec2::<f32>().unwrap().concat().into_iter().zip(expected.concat()) {
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
    }
}
