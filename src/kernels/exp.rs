//! The exponential function, for vectors of f32 and for single f64, and polynomials.
//!
//! - exp(x) = 2ⁿ·exp(r), n = round(x / ln 2), a polynomial of degree 6 for |r| ≤ ln 2 / 2.
//! - 2^x for x ≤ 0 is 2^n·2^r, n = round(x), with a polynomial of degree 5 for |r| ≤ ½ (relative error 7.5e-8).
//! - In f64 for x ≤ 0: eˣ = 2ⁿ·eʳ with Taylor's series to r¹², within 4e-16, relative; so written that a loop over an array
//!   becomes vector code.

#![expect(clippy::inline_always, reason = "what is compiled for the processor at hand must be inlined there")]

use pulp::Simd;

/// c₀ + c₁·x + c₂·x² + …
#[inline(always)]
pub fn polynomial<S: Simd, const N: usize>(simd: S, x: S::f32s, coefficients: [f32; N]) -> S::f32s {
    let mut sum = simd.splat_f32s(coefficients[N - 1]);
    // By index: an iterator's adapters are not compiled for the vector width.
    for at in (0..N - 1).rev() {
        sum = simd.mul_add_e_f32s(sum, x, simd.splat_f32s(coefficients[at]));
    }
    sum
}

/// exp(x), for each lane; results below 1.2e-38 and above 2.4e38 stay there.
#[inline(always)]
pub fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    // Adding 1.5·2²³ leaves the nearest whole number in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const SERIES: [f32; 7] = [1.0, 1.0, 0.499_999_97, 0.166_666_63, 0.041_669_17, 0.008_333_99, 0.001_381_64];
    // The constant comes first: the processor's minimum of a number and NaN is the second operand.
    let x = simd.min_f32s(simd.splat_f32s(88.37), simd.max_f32s(simd.splat_f32s(-87.33), x));
    let rounded = simd.mul_add_e_f32s(x, simd.splat_f32s(std::f32::consts::LOG2_E), simd.splat_f32s(ROUND));
    let whole = simd.sub_f32s(rounded, simd.splat_f32s(ROUND));
    // ln 2 in two parts, the first with few digits: whole times it is exact.
    let rest = simd.mul_add_e_f32s(whole, simd.splat_f32s(-0.693_359_4), x);
    let rest = simd.mul_add_e_f32s(whole, simd.splat_f32s(2.121_944_4e-4), rest);
    let value = polynomial(simd, rest, SERIES);
    let exponent = simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(rounded), simd.splat_u32s(23));
    simd.transmute_f32s_u32s(simd.add_u32s(simd.transmute_u32s_f32s(value), exponent))
}

/// 2^x for x ≤ 0; below 2^-126 it stays there.
#[inline(always)]
pub fn exp2<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    // Adding 1.5·2²³ leaves the nearest whole number in the low bits.
    const ROUND: f32 = 12_582_912.0;
    // From the fifth power down.
    const SERIES: [f32; 5] = [0.009_675_541, 0.055_507_13, 0.240_221_2, 0.693_146_94, 1.0];
    // The constant comes first: the processor's maximum of a number and NaN is the second operand.
    let x = simd.max_f32s(simd.splat_f32s(-126.0), x);
    let rounded = simd.add_f32s(x, simd.splat_f32s(ROUND));
    let rest = simd.sub_f32s(x, simd.sub_f32s(rounded, simd.splat_f32s(ROUND)));
    let mut value = simd.splat_f32s(0.001_327_647_1);
    for coefficient in SERIES {
        value = simd.mul_add_e_f32s(value, rest, simd.splat_f32s(coefficient));
    }
    let exponent = simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(rounded), simd.splat_u32s(23));
    simd.transmute_f32s_u32s(simd.add_u32s(simd.transmute_u32s_f32s(value), exponent))
}

/// 1/2!, 1/3!, …, 1/12!.
const EXP: [f64; 11] = [
    5e-1,
    1.666_666_666_666_666_6e-1,
    4.166_666_666_666_666_4e-2,
    8.333_333_333_333_333e-3,
    1.388_888_888_888_889e-3,
    1.984_126_984_126_984e-4,
    2.480_158_730_158_73e-5,
    2.755_731_922_398_589_3e-6,
    2.755_731_922_398_589e-7,
    2.505_210_838_544_172e-8,
    2.087_675_698_786_81e-9,
];

/// eˣ for x ≤ 0; below −700, 0, so that what is multiplied by it is no denormal. NaN stays NaN.
#[inline(always)]
#[must_use]
pub fn exp_of_negative(x: f64) -> f64 {
    // Adding 1.5·2⁵² leaves the nearest whole number in the low bits.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    let gone = x < -700.0;
    let x = if gone { 0.0 } else { x };
    let rounded = x.mul_add(std::f64::consts::LOG2_E, ROUND);
    let whole = rounded - ROUND;
    // ln 2 in two parts, the first with few digits: whole times it is exact.
    let rest = whole.mul_add(-6.931_471_803_691_238e-1, x);
    let rest = whole.mul_add(-1.908_214_929_270_587_7e-10, rest);
    let mut sum = EXP[10];
    let mut at = 10;
    while at > 0 {
        at -= 1;
        sum = sum.mul_add(rest, EXP[at]);
    }
    let value = (rest * rest).mul_add(sum, rest) + 1.0;
    let power = f64::from_bits(value.to_bits().wrapping_add(rounded.to_bits() << 52));
    if gone { 0.0 } else { power }
}
