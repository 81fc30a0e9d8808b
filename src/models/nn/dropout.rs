//! Dropout: in training each output is 0 with probability p and 1 / (1 − p) times itself otherwise.
//!
//! Which ones is drawn from (seed, step, group of lists, layer), never from a generator that walks along: so the number of
//! threads and an interruption change nothing.

use rand::Rng as _;

use crate::kernels::Real;
use crate::stats::generator::generator;

/// Fills `mask` with 0 and 1 / (1 − p).
pub fn draw<T: Real>(p: f64, [seed, step, group, layer]: [u64; 4], mask: &mut [T]) {
    let mut random = generator(*b"dropouts", seed, step << 32 | group << 8 | layer);
    let keep = T::of(1.0 / (1.0 - p));
    // 16 bits decide one output: p is met to 1/65536.
    let least = (p * 65536.0).round() as u64;
    for four in mask.chunks_mut(4) {
        let mut word = random.next_u64();
        for value in four {
            *value = if word & 0xffff < least { T::default() } else { keep };
            word >>= 16;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::draw;

    #[test]
    fn the_share_is_met_and_the_mean_kept() {
        let mask = |key| {
            let mut mask = vec![0.0_f64; 40_000];
            draw(0.25, key, &mut mask);
            mask
        };
        let drawn = mask([1, 2, 3, 4]);
        let dropped = drawn.iter().filter(|value| **value == 0.0).count();
        assert!((9_600..10_400).contains(&dropped) && drawn.iter().all(|value| *value == 0.0 || *value == 1.0 / 0.75));
        assert_eq!(drawn, mask([1, 2, 3, 4]));
        for other in [[2, 2, 3, 4], [1, 3, 3, 4], [1, 2, 4, 4], [1, 2, 3, 5]] {
            assert_ne!(drawn, mask(other));
        }
    }
}
