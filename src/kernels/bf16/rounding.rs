//! Rounding f32 to brain floats: to nearest, ties to even; NaN stays NaN.

#![expect(clippy::inline_always, reason = "what is compiled for the processor at hand must be inlined there")]

use pulp::{Arch, NullaryFnOnce};

/// The upper 16 bits of the nearest brain float.
#[inline(always)]
pub fn half(value: f32) -> u16 {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1));
    if bits & 0x7fff_ffff > 0x7f80_0000 { 0x7fc0 } else { (rounded >> 16) as u16 }
}

/// Numbers to the nearest brain floats.
pub fn round(x: &[f32], rounded: &mut [f32]) {
    Arch::new().dispatch(Round { x, rounded });
}

struct Round<'a> {
    x: &'a [f32],
    rounded: &'a mut [f32],
}

impl NullaryFnOnce for Round<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for at in 0..self.x.len().min(self.rounded.len()) {
            self.rounded[at] = f32::from_bits(u32::from(half(self.x[at])) << 16);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::half;

    #[test]
    fn rounding_is_to_nearest_even_and_keeps_nan() {
        let rounded = |value: f32| f32::from_bits(u32::from(half(value)) << 16);
        // Steps of 2⁻⁷ above 1: 1 + 2⁻⁸ lies between and goes to the even 1; 1 + 3·2⁻⁸ to 1 + 2⁻⁶.
        assert_eq!(rounded(1.0 + 1.0 / 256.0), 1.0);
        assert_eq!(rounded(1.0 + 3.0 / 256.0), 1.015_625);
        assert_eq!(rounded(-1.003_907), -1.007_812_5);
        assert_eq!(rounded(f32::INFINITY), f32::INFINITY);
        assert_eq!(rounded(f32::MAX), f32::INFINITY);
        assert!(rounded(f32::from_bits(0x7fff_ffff)).is_nan());
        assert!(rounded(f32::from_bits(0xff80_0001)).is_nan());
    }
}
