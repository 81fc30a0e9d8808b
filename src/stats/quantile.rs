//! Quantiles by linear interpolation between order statistics: Hyndman and Fan's type 7, `NumPy`'s default.
//!
//! With n sorted values x₀ ≤ … ≤ xₙ₋₁ and h = (n − 1)·q, the quantile is x⌊h⌋ + (h − ⌊h⌋)·(x⌊h⌋₊₁ − x⌊h⌋). The
//! interpolation is taken from the nearer end, as `NumPy` does, so that the result never decreases with q.
//! Checked against `NumPy` 2.4.

/// The quantile `q` (0…1, clamped) of values in ascending order; none for no values.
#[must_use]
pub fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = q.clamp(0.0, 1.0) * last as f64;
    let below = place.floor() as usize;
    let (low, high, part) = (sorted[below], sorted[last.min(below + 1)], place.fract());
    let step = high - low;
    Some(if part < 0.5 { low + step * part } else { high - step * (1.0 - part) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpolates_as_numpy_does() {
        let values = [1.0, 2.0, 4.0, 8.0, 16.0];
        let wanted = [(0.0, 1.0), (0.025, 1.1), (0.1, 1.4), (0.5, 4.0), (0.975, 15.2), (1.0, 16.0), (2.0, 16.0)];
        for (q, want) in wanted {
            let got = quantile(&values, q).expect("there are values");
            assert!((got - want).abs() < 1e-14, "quantile {q}: {got}, not {want}");
        }
        assert_eq!(quantile(&[7.0], 0.3), Some(7.0));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
