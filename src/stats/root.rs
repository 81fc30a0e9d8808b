//! The root of a function that falls.

/// Halvings: more than the bits of an `f64` between −1 and 1.
const HALVINGS: usize = 60;

/// Where `function`, which falls from `low` to `high`, passes 0: `low` when it never is above, `high` when never below.
/// To 2⁻⁶⁰ of the distance.
pub fn falling_root(low: f64, high: f64, function: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (low, high);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if function(middle) > 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_root_or_the_end() {
        let root = |low, high| falling_root(low, high, |x: f64| 2.0 - x * x);
        assert!((root(0.0, 2.0) - 2.0_f64.sqrt()).abs() < 1e-15);
        assert_eq!((root(0.0, 1.0), root(2.0, 3.0)), (1.0, 2.0));
    }
}
