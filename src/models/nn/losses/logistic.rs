//! ln(1 + e⁻ᵈ) and 1 / (1 + eᵈ) of one number, so written that a loop over an array becomes vector code.
//!
//! With t = e^−|d|: ln(1 + e⁻ᵈ) = max(−d, 0) + ln(1 + t), and 1 / (1 + eᵈ) = (d ≥ 0 ? t : 1) / (1 + t); neither overflows.
//! ln(1 + t) = 2·artanh(t / (2 + t)), its series to the 31st power: the
//! argument is at most 1/3. It is within 4e-16 of the values, relative.

#![expect(clippy::inline_always, reason = "what is compiled for the processor at hand must be inlined there")]

use crate::kernels::exp_of_negative;

/// ln(1 + t) for 0 ≤ t ≤ 1.
#[inline(always)]
fn ln_1p_of_share(t: f64) -> f64 {
    let z = t / (2.0 + t);
    let square = z * z;
    let mut sum: f64 = 1.0 / 31.0;
    let mut odd = 31.0;
    while odd > 3.0 {
        odd -= 2.0;
        sum = sum.mul_add(square, 1.0 / odd);
    }
    let twice = z + z;
    (twice * square).mul_add(sum, twice)
}

/// ln(1 + e⁻ᵈ) and 1 / (1 + eᵈ).
#[inline(always)]
pub fn softplus_and_logistic(d: f64) -> (f64, f64) {
    let t = exp_of_negative(-d.abs());
    let above = if d < 0.0 { -d } else { 0.0 };
    let share = if d < 0.0 { 1.0 } else { t };
    (above + ln_1p_of_share(t), share / (1.0 + t))
}

/// 1 / (1 + eᵈ).
#[inline(always)]
pub fn logistic(d: f64) -> f64 {
    let t = exp_of_negative(-d.abs());
    (if d < 0.0 { 1.0 } else { t }) / (1.0 + t)
}

#[cfg(test)]
mod tests {
    use super::{exp_of_negative, softplus_and_logistic};

    #[test]
    fn agrees_with_the_standard_library() {
        for at in -200_000..=200_000 {
            let d = f64::from(at) * 0.003_3;
            let (softplus, logistic) = softplus_and_logistic(d);
            let expected = (-d).max(0.0) + (-d.abs()).exp().ln_1p();
            assert!((softplus / expected - 1.0).abs() < 1e-15, "{d}: {softplus:e} is not {expected:e}");
            let expected = if d < 0.0 { 1.0 / (1.0 + d.exp()) } else { (-d).exp() / (1.0 + (-d).exp()) };
            assert!((logistic / expected - 1.0).abs() < 1e-15, "{d}: {logistic:e} is not {expected:e}");
            assert!((exp_of_negative(-d.abs()) / (-d.abs()).exp() - 1.0).abs() < 6e-16);
        }
        assert_eq!((softplus_and_logistic(0.0).0, exp_of_negative(0.0)), (std::f64::consts::LN_2, 1.0));
        assert_eq!(softplus_and_logistic(-2e4).1, 1.0);
        assert!(softplus_and_logistic(2e4).0 < 1e-300 && softplus_and_logistic(f64::NAN).0.is_nan());
    }
}
