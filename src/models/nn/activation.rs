//! The functions between layers, on whole rows: values forward, slopes backward.
//!
//! gelu and its slope are computed in f64 (`kernels`). `ReLU` is part of the products (`kernels::Then`).

use pulp::Arch;

use crate::kernels::{Real, gelu_f64, gelu_slope};

/// A function applied to each number after a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// max(x, 0).
    Relu,
    /// x·Φ(x).
    Gelu,
}

impl Activation {
    /// Writes the function of each number of `from` into `to`.
    pub fn apply<T: Real>(self, from: &[T], to: &mut [T]) {
        Arch::new().dispatch(
            #[inline(always)]
            || match self {
                Self::Relu => {
                    to.iter_mut().zip(from).for_each(|(y, x)| *y = if *x < T::ZERO { T::ZERO } else { *x });
                }
                Self::Gelu => to.iter_mut().zip(from).for_each(|(y, x)| *y = T::of(gelu_f64(x.wide()))),
            },
        );
    }

    /// Replaces each number by the function's value.
    pub fn apply_here<T: Real>(self, values: &mut [T]) {
        Arch::new().dispatch(
            #[inline(always)]
            || match self {
                Self::Relu => values.iter_mut().for_each(|x| *x = if *x < T::ZERO { T::ZERO } else { *x }),
                Self::Gelu => values.iter_mut().for_each(|x| *x = T::of(gelu_f64(x.wide()))),
            },
        );
    }

    /// Multiplies each slope by the function's slope at the number that went in.
    pub fn back<T: Real>(self, inputs: &[T], slopes: &mut [T]) {
        Arch::new().dispatch(
            #[inline(always)]
            || match self {
                Self::Relu => slopes.iter_mut().zip(inputs).for_each(|(slope, x)| {
                    *slope = if *x > T::default() { *slope } else { T::default() };
                }),
                Self::Gelu => {
                    slopes.iter_mut().zip(inputs).for_each(|(slope, x)| *slope *= T::of(gelu_slope(x.wide())));
                }
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::Activation;

    #[test]
    fn gelu_is_that_of_pytorch() {
        // torch 2.15: torch.nn.functional.gelu(x) in float64 and its derivative.
        for (x, value, slope) in [
            (-3.0, -0.004_049_694_094_890_31, -0.011_945_647_204_183_92),
            (-0.5, -0.154_268_769_362_993_44, 0.132_504_875_343_837_12),
            (0.0, 0.0, 0.5),
            (1.0, 0.841_344_746_068_542_9, 1.083_315_470_587_686_2),
            (4.0, 3.999_873_315_032_667_5, 1.000_503_649_661_226_5),
        ] {
            let (mut y, mut slopes) = ([0.0_f64], [1.0_f64]);
            Activation::Gelu.apply(&[x], &mut y);
            Activation::Gelu.back(&[x], &mut slopes);
            assert!((y[0] - value).abs() < 5e-8 && (slopes[0] - slope).abs() < 1e-7, "{x}: {y:?} {slopes:?}");
        }
        let mut y = [0.0_f32; 3];
        Activation::Relu.apply(&[-1.0, 2.0, f32::NAN], &mut y);
        assert!(y[0] == 0.0 && y[1] == 2.0 && y[2].is_nan());
    }
}
