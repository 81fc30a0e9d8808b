//! Numbers to try the kernels on, and products from the definition.

/// Numbers between −1 and 1 from a linear congruential generator.
pub fn numbers(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(747_796_405);
    let next = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    });
    next.take(n).collect()
}

/// x·Wᵀ + b from the definition, in f64.
pub fn product(weight: &[f32], bias: &[f32], x: &[f32], n_in: usize) -> Vec<f64> {
    let dot = |row: &[f32], weights: &[f32]| -> f64 {
        row.iter().zip(weights).map(|(x, weight)| f64::from(*x) * f64::from(*weight)).sum()
    };
    let row_of =
        |row| weight.chunks_exact(n_in).zip(bias).map(move |(weights, bias)| dot(row, weights) + f64::from(*bias));
    x.chunks_exact(n_in).flat_map(row_of).collect()
}
