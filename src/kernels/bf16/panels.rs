//! Weights rounded to brain floats, and rounded rows times them.

use super::super::activation::Activation;
use super::super::f32;
use super::super::scratch::Scratch;
#[cfg(target_arch = "x86_64")]
use super::avx512::Pairs;
use super::rounding::round;

/// The weights of a linear layer, rounded.
#[derive(Debug)]
pub enum Panels {
    /// In 16 bits, for AVX-512 BF16.
    #[cfg(target_arch = "x86_64")]
    Pairs(Pairs),
    /// As f32: the same rounding, but neither faster nor smaller.
    Widened(f32::Panels),
}

impl Panels {
    /// Rounds and packs weights, `n_out × n_in`.
    pub fn pack(weight: &[f32], bias: Option<&[f32]>, n_out: usize, n_in: usize) -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(pairs) = Pairs::pack(weight, bias, n_out, n_in) {
            return Self::Pairs(pairs);
        }
        Self::widened(weight, bias, n_out, n_in)
    }

    fn widened(weight: &[f32], bias: Option<&[f32]>, n_out: usize, n_in: usize) -> Self {
        let mut rounded = vec![0.0; weight.len()];
        round(weight, &mut rounded);
        Self::Widened(f32::Panels::pack(&rounded, bias, n_out, n_in))
    }

    /// y = then(x·Wᵀ + b).
    pub fn apply(&self, x: &[f32], n_rows: usize, y: &mut [f32], then: Activation, scratch: &mut Scratch) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Pairs(pairs) => pairs.apply(x, n_rows, y, then, &mut scratch.words),
            Self::Widened(panels) => {
                scratch.rounded.resize(x.len(), 0.0);
                round(x, &mut scratch.rounded);
                panels.apply(&scratch.rounded, n_rows, y, then);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::samples::{numbers, product};
    use super::{Activation, Panels, Scratch, round};

    #[test]
    fn both_ways_multiply_rounded_numbers() {
        let rounded = |values: &[f32]| {
            let mut rounded = vec![0.0; values.len()];
            round(values, &mut rounded);
            rounded
        };
        for (n_out, n_in) in [(1, 1), (5, 3), (50, 769), (96, 64), (144, 385)] {
            let (weight, bias) = (numbers(n_out * n_in, 1), numbers(n_out, 2));
            // The first is what the processor at hand has.
            let ways = [Panels::pack, Panels::widened].map(|pack| pack(&weight, Some(&bias), n_out, n_in));
            for n_rows in [1, 2, 7, 8, 9, 13, 400] {
                let x = numbers(n_rows * n_in, 3);
                let expected = product(&rounded(&weight), &bias, &rounded(&x), n_in);
                for panels in &ways {
                    let mut y = vec![f32::NAN; n_rows * n_out];
                    panels.apply(&x, n_rows, &mut y, Activation::Identity, &mut Scratch::default());
                    for (y, expected) in y.iter().zip(&expected) {
                        assert!((f64::from(*y) - expected).abs() < 1e-5 * (n_in as f64).sqrt(), "{y} {expected}");
                    }
                }
            }
        }
    }
}
