//! Numbers as text to f32, correctly rounded.
//!
//! Nearly all numbers of such files are short decimals. With at most 2^53 as digits and at most 22 decimal places, both
//! are exact in f64, so one division is correctly rounded; rounded again to f32 it is still right, unless it lies
//! exactly between two f32. Everything else goes to `fast_float2`.

/// Powers of ten that f64 holds exactly.
const TENS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// The number at the start of `text`, and its length; none when it is no plain short decimal.
#[inline]
pub fn decimal(text: &[u8]) -> Option<(f32, usize)> {
    let is_negative = text.first() == Some(&b'-');
    let mut at = usize::from(is_negative);
    let (mut digits, mut places, mut n_digits) = (0_u64, 0, 0);
    while let Some(digit) = text.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
        digits = digits.wrapping_mul(10).wrapping_add(u64::from(digit));
        (at, n_digits) = (at + 1, n_digits + 1);
    }
    if text.get(at) == Some(&b'.') {
        at += 1;
        let start = at;
        while let Some(digit) = text.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
            digits = digits.wrapping_mul(10).wrapping_add(u64::from(digit));
            at += 1;
        }
        places = at - start;
        n_digits += places;
    }
    let ends = text.get(at).is_none_or(|byte| matches!(byte, b' ' | b'\t' | b'#'));
    // 19 digits always fit into a u64.
    if !ends || n_digits == 0 || n_digits > 19 || digits > 1 << 53 {
        return None;
    }
    let value = digits as f64 / TENS[places];
    let is_between = value.to_bits() & 0x1FFF_FFFF == 0x1000_0000;
    if is_between || (digits > 0 && value < f64::from(f32::MIN_POSITIVE)) {
        return None;
    }
    let value = value as f32;
    Some((if is_negative { -value } else { value }, at))
}

/// Any number.
#[must_use]
pub fn any(text: &[u8]) -> Option<f32> {
    fast_float2::parse::<f32, _>(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_decimals_are_what_the_standard_library_makes_of_them() {
        let mut state = 1_u64;
        for _ in 0..200_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (places, size) = ((state >> 60) as usize, (state >> 33) % 20);
            let digits = (state >> 5) % 10_u64.pow(size as u32 % 17 + 1);
            let text = format!("{}{:.places$}", if state.is_multiple_of(3) { "-" } else { "" }, digits as f64 / 1e6);
            if let Some((value, length)) = decimal(text.as_bytes()) {
                assert_eq!((value.to_bits(), length), (text.parse::<f32>().unwrap().to_bits(), text.len()), "{text}");
            }
        }
    }

    #[test]
    fn numbers_between_two_f32_are_left_to_others() {
        // 1 + 2^-24 lies between 1 and the next f32; a little above it must go up.
        assert_eq!(decimal(b"1.000000059604644775390625"), None);
        assert_eq!(any(b"1.000000059604644776").map(f32::to_bits), Some(1.0_f32.to_bits() + 1));
        assert_eq!(decimal(b"1.000000059604645").map(|found| found.0), Some("1.000000059604645".parse().unwrap()));
        for text in [
            "",
            "-",
            ".",
            "1e3",
            "NULL",
            "0x1",
            "1.5:",
            "99999999999999999999",
            "0.00000000000000000000000000000000000001",
        ] {
            assert_eq!(decimal(text.as_bytes()), None, "{text}");
        }
        assert_eq!(decimal(b"5. "), Some((5.0, 2)));
        assert_eq!(decimal(b".25#"), Some((0.25, 3)));
        assert!(decimal(b"-0 ").unwrap().0.is_sign_negative());
    }
}
