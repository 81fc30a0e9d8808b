//! Layer normalisation, with the residual addition in the same pass: x becomes (z − mean) / √(variance + ε) · w + b with
//! z = x + addend, over each row of `width` numbers; the variance is that of the population.
//!
//! A row's result depends on that row alone, bit for bit.

#![expect(clippy::inline_always, reason = "what is compiled for the processor at hand must be inlined there")]

use pulp::{Arch, Simd, WithSimd};

/// A layer normalisation's parameters.
#[derive(Debug)]
pub struct LayerNorm {
    arch: Arch,
    weight: Vec<f32>,
    bias: Vec<f32>,
    epsilon: f32,
}

impl LayerNorm {
    /// Weight and bias are equally long: the width of a row.
    #[must_use]
    pub fn new(weight: Vec<f32>, bias: Vec<f32>, epsilon: f32) -> Self {
        Self { arch: Arch::new(), weight, bias, epsilon }
    }

    /// Normalises the rows of `x`.
    pub fn apply(&self, x: &mut [f32]) {
        self.arch.dispatch(Rows { norm: self, x, addend: None });
    }

    /// Adds the rows of `addend` to those of `x` and normalises them.
    pub fn add(&self, x: &mut [f32], addend: &[f32]) {
        self.arch.dispatch(Rows { norm: self, x, addend: Some(addend) });
    }
}

struct Rows<'a> {
    norm: &'a LayerNorm,
    x: &'a mut [f32],
    addend: Option<&'a [f32]>,
}

impl WithSimd for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = self.norm.weight.len();
        match self.addend {
            None => self.x.chunks_exact_mut(width).for_each(
                #[inline(always)]
                |row| normalise(simd, row, self.norm),
            ),
            Some(addend) => self.x.chunks_exact_mut(width).zip(addend.chunks_exact(width)).for_each(
                #[inline(always)]
                |(row, addend)| {
                    row.iter_mut().zip(addend).for_each(|(number, addend)| *number += addend);
                    normalise(simd, row, self.norm);
                },
            ),
        }
    }
}

#[inline(always)]
fn normalise<S: Simd>(simd: S, row: &mut [f32], norm: &LayerNorm) {
    let width = row.len() as f32;
    let (vectors, rest) = S::as_mut_simd_f32s(row);
    let mut sums = simd.splat_f32s(0.0);
    for vector in &*vectors {
        sums = simd.add_f32s(sums, *vector);
    }
    let mean = (simd.reduce_sum_f32s(sums) + rest.iter().sum::<f32>()) / width;
    let means = simd.splat_f32s(mean);
    let mut squares = simd.splat_f32s(0.0);
    for vector in &*vectors {
        let difference = simd.sub_f32s(*vector, means);
        squares = simd.mul_add_e_f32s(difference, difference, squares);
    }
    let rest_squares: f32 = rest.iter().map(|number| (number - mean) * (number - mean)).sum();
    let variance = (simd.reduce_sum_f32s(squares) + rest_squares) / width;
    let scale = 1.0 / (variance + norm.epsilon).sqrt();
    let scales = simd.splat_f32s(scale);
    let (weights, rest_weights) = S::as_simd_f32s(&norm.weight);
    let (biases, rest_biases) = S::as_simd_f32s(&norm.bias);
    for ((vector, weight), bias) in vectors.iter_mut().zip(weights).zip(biases) {
        let normal = simd.mul_f32s(simd.sub_f32s(*vector, means), scales);
        *vector = simd.mul_add_e_f32s(normal, *weight, *bias);
    }
    for ((number, weight), bias) in rest.iter_mut().zip(rest_weights).zip(rest_biases) {
        *number = ((*number - mean) * scale).mul_add(*weight, *bias);
    }
}

#[cfg(test)]
mod tests {
    use super::LayerNorm;

    #[test]
    fn rows_of_a_known_result() {
        // torch 2.15: layer_norm(tensor([1, 2, 3, 6]), (4,), weight=[1, 1, 2, 1], bias=[0, 0.5, 0, 0], eps=0): mean 3,
        // variance 3.5.
        let norm = LayerNorm::new(vec![1.0, 1.0, 2.0, 1.0], vec![0.0, 0.5, 0.0, 0.0], 0.0);
        let mut rows = [1.0, 2.0, 3.0, 6.0, 1.0, 2.0, 3.0, 6.0];
        norm.apply(&mut rows);
        for row in rows.chunks(4) {
            for (found, expected) in row.iter().zip([-1.069_045, -0.034_522_5, 0.0, 1.603_567_5]) {
                assert!((found - expected).abs() < 1e-6, "{found} {expected}");
            }
        }
    }

    #[test]
    fn the_addend_is_added_first_at_every_width() {
        for width in [1, 7, 16, 33, 100] {
            let norm = LayerNorm::new(vec![1.5; width], vec![0.25; width], 1e-12);
            let (first, second): (Vec<f32>, Vec<f32>) =
                (0..2 * width).map(|at| ((at * at % 17) as f32, (at % 5) as f32)).unzip();
            let mut sum: Vec<f32> = first.iter().zip(&second).map(|(first, second)| first + second).collect();
            let mut found = first.clone();
            norm.add(&mut found, &second);
            let z = sum.clone();
            norm.apply(&mut sum);
            assert_eq!(found, sum);
            let row: Vec<f64> = z[..width].iter().map(|number| f64::from(*number)).collect();
            let mean = row.iter().sum::<f64>() / width as f64;
            let variance = row.iter().map(|number| (number - mean).powi(2)).sum::<f64>() / width as f64;
            for (found, number) in found.iter().zip(row) {
                let expected = (number - mean) / (variance + 1e-12).sqrt() * 1.5 + 0.25;
                assert!((f64::from(*found) - expected).abs() < 2e-6, "{found} {expected}");
            }
        }
    }
}
