//! Linear layers in f32: y = then(x·Wᵀ + b) at nearly the processor's peak.
//!
//! The weights lie in the panels of `product`; the bias is what the sums start with, and the activation follows while a tile
//! is in the nearest cache. So a row's result depends on that row alone, bit for bit, and is the same on all processors
//! with fused multiply-add.

use pulp::Arch;

use super::activation::Activation;
use super::aligned::Aligned;
use super::product::{Product, Right, Rows, pack_columns, padded};

/// The weights of a linear layer in panels of columns.
#[derive(Debug)]
pub struct Panels {
    arch: Arch,
    values: Aligned<f32>,
    bias: Vec<f32>,
    n_in: usize,
    n_out: usize,
}

impl Panels {
    /// Packs weights, `n_out × n_in`, for the processor at hand.
    pub fn pack(weight: &[f32], bias: Option<&[f32]>, n_out: usize, n_in: usize) -> Self {
        Self::pack_for(Arch::new(), weight, bias, n_out, n_in)
    }

    fn pack_for(arch: Arch, weight: &[f32], bias: Option<&[f32]>, n_out: usize, n_in: usize) -> Self {
        let width = padded::<f32>(arch, n_out);
        let mut values = Aligned::zeroed(width * n_in);
        pack_columns(arch, weight, n_in, values.as_mut_slice());
        let mut bias = bias.map_or_else(Vec::new, <[f32]>::to_vec);
        bias.resize(width, 0.0);
        Self { arch, values, bias, n_in, n_out }
    }

    /// y = then(x·Wᵀ + b).
    pub fn apply(&self, x: &[f32], n_rows: usize, y: &mut [f32], then: Activation) {
        self.arch.dispatch(Product {
            left: Rows(x, self.n_in),
            right: Right::Packed(self.values.as_slice()),
            target: (y, self.n_out),
            shape: (n_rows, self.n_in, self.n_out),
            start: Some(&self.bias),
            finish: then,
        });
    }
}

#[cfg(test)]
mod tests {
    use pulp::Arch;

    use super::super::activation::Activation;
    use super::super::samples::{numbers, product};
    use super::Panels;

    /// The shapes at which blocks, panels, tiles and vectors end.
    const SHAPES: [(usize, usize); 7] = [(1, 1), (5, 3), (48, 64), (50, 769), (97, 1540), (144, 384), (100, 20)];

    /// The product on one kind of processor.
    fn on(arch: Arch, weight: &[f32], bias: &[f32], x: &[f32], n_rows: usize) -> Vec<f32> {
        let n_out = bias.len();
        let weights = Panels::pack_for(arch, weight, Some(bias), n_out, weight.len() / n_out);
        let mut y = vec![f32::NAN; n_rows * n_out];
        weights.apply(x, n_rows, &mut y, Activation::Identity);
        y
    }

    #[test]
    fn products_agree_with_f64_on_all_shapes_and_processors() {
        for (n_out, n_in) in SHAPES {
            let (weight, bias) = (numbers(n_out * n_in, 1), numbers(n_out, 2));
            for n_rows in [1, 2, 7, 8, 9, 13, 259] {
                let x = numbers(n_rows * n_in, 3);
                let expected = product(&weight, &bias, &x, n_in);
                let check = |y: &[f32]| {
                    let off = |(y, expected): (&f32, &f64)| (f64::from(*y) - expected).abs();
                    let most = y.iter().zip(&expected).map(off).fold(0.0, f64::max);
                    assert!(most < 1e-5 * (n_in as f64).sqrt(), "{most} for {n_rows} rows, {n_out} × {n_in}");
                };
                check(&on(Arch::Scalar, &weight, &bias, &x, n_rows));
                #[cfg(target_arch = "x86_64")]
                if let Some(avx2) = pulp::x86::V3::try_new() {
                    let y = on(Arch::V3(avx2), &weight, &bias, &x, n_rows);
                    check(&y);
                    if let Some(avx512) = pulp::x86::V4::try_new() {
                        let wide = on(Arch::V4(avx512), &weight, &bias, &x, n_rows);
                        assert_eq!(wide, y, "the width of vectors changes nothing");
                    }
                }
            }
        }
    }
}
