//! The best threshold of one feature, from its histogram.
//!
//! With G and H the sums of gradients and second derivatives of a leaf, its value is −T(G) / (H + λ₂) and its gain
//! T(G)² / (H + λ₂), where T(G) = sign(G) · max(|G| − λ₁, 0). A split gains what its parts gain above the whole. The
//! sums, their order and the tiny constants are those of LightGBM 4.7.0 (`feature_histogram.hpp`), so that equal gains
//! stay equal. So is its way of counting: the rows of a bin are taken to be in proportion to its second derivatives, so
//! `min_data_in_leaf` holds approximately where these differ (as they do in LambdaRank); the rows of a leaf as a whole
//! are counted.

use super::histogram::Cell;

/// LightGBM's `kEpsilon`, which is an f32.
const EPSILON: f64 = 1e-15_f32 as f64;

/// What a split must fulfil.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// The fewest rows of a leaf.
    pub min_data_in_leaf: usize,
    /// The least sum of second derivatives of a leaf.
    pub min_sum_hessian_in_leaf: f64,
    /// λ₁.
    pub lambda_l1: f64,
    /// λ₂.
    pub lambda_l2: f64,
    /// A split must gain more.
    pub min_gain_to_split: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            min_data_in_leaf: 20,
            min_sum_hessian_in_leaf: 1e-3,
            lambda_l1: 0.0,
            lambda_l2: 0.0,
            min_gain_to_split: 0.0,
        }
    }
}

/// The sums over the rows of a leaf.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sums {
    /// Gradients.
    pub gradient: f64,
    /// Second derivatives.
    pub hessian: f64,
    /// Rows.
    pub rows: usize,
}

/// A way to divide a leaf.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Split {
    /// What it gains above `min_gain_to_split`.
    pub gain: f64,
    /// Which of the useful features.
    pub feature: usize,
    /// Bins up to this one go left.
    pub bin: u8,
    /// The left part; rows are counted by second derivatives.
    pub left: Sums,
    /// The right part.
    pub right: Sums,
}

impl Split {
    /// True when this one is to be preferred: the larger gain, then the first feature.
    #[must_use]
    pub fn beats(&self, other: &Self) -> bool {
        self.gain > other.gain || (self.gain == other.gain && self.feature < other.feature)
    }

    /// The better of two, if there is one.
    #[must_use]
    pub fn better(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) => Some(if other.beats(&one) { other } else { one }),
            (one, other) => one.or(other),
        }
    }
}

impl Limits {
    fn shrunk(&self, gradient: f64) -> f64 {
        if self.lambda_l1 > 0.0 { (gradient.abs() - self.lambda_l1).max(0.0).copysign(gradient) } else { gradient }
    }

    /// The value of a leaf.
    #[must_use]
    pub fn value(&self, gradient: f64, hessian: f64) -> f64 {
        -self.shrunk(gradient) / (hessian + self.lambda_l2)
    }

    #[inline]
    fn gain<const L1: bool>(&self, gradient: f64, hessian: f64) -> f64 {
        let gradient = if L1 { self.shrunk(gradient) } else { gradient };
        gradient * gradient / (hessian + self.lambda_l2)
    }

    /// The best threshold of a feature with these cells, one for each bin, in a leaf with these sums.
    #[must_use]
    pub fn best(&self, cells: &[Cell], sums: &Sums, feature: usize) -> Option<Split> {
        if self.lambda_l1 > 0.0 {
            self.search::<true>(cells, sums, feature)
        } else {
            self.search::<false>(cells, sums, feature)
        }
    }

    fn search<const L1: bool>(&self, cells: &[Cell], sums: &Sums, feature: usize) -> Option<Split> {
        let hessian = sums.hessian + 2.0 * EPSILON;
        let least = self.gain::<L1>(sums.gradient, hessian) + self.min_gain_to_split;
        let rows_per_hessian = sums.rows as f64 / hessian;
        let (total, min_rows) = (sums.rows.cast_signed(), self.min_data_in_leaf.cast_signed());
        // The right part of the best split so far: its gradient, second derivative, rows, and first bin.
        let mut best = (f64::NEG_INFINITY, 0.0, 0.0, 0, 0);
        let (mut gradient_right, mut hessian_right, mut rows_right) = (0.0, EPSILON, 0_isize);
        for (bin, cell) in cells.iter().enumerate().skip(1).rev() {
            gradient_right += cell[0];
            hessian_right += cell[1];
            rows_right += (cell[1] * rows_per_hessian + 0.5) as isize;
            if rows_right < min_rows || hessian_right < self.min_sum_hessian_in_leaf {
                continue;
            }
            let hessian_left = hessian - hessian_right;
            if total - rows_right < min_rows || hessian_left < self.min_sum_hessian_in_leaf {
                break;
            }
            let gain = self.gain::<L1>(sums.gradient - gradient_right, hessian_left)
                + self.gain::<L1>(gradient_right, hessian_right);
            if gain > least && gain > best.0 {
                best = (gain, gradient_right, hessian_right, rows_right, bin);
            }
        }
        let (gain, gradient_right, hessian_right, rows_right, bin) = best;
        (bin > 0).then(|| {
            let (gradient_left, hessian_left) = (sums.gradient - gradient_right, hessian - hessian_right);
            let left =
                Sums { gradient: gradient_left, hessian: hessian_left - EPSILON, rows: (total - rows_right) as usize };
            let right = Sums {
                gradient: sums.gradient - gradient_left,
                hessian: hessian - hessian_left - EPSILON,
                rows: rows_right as usize,
            };
            Split { gain: gain - least, feature, bin: (bin - 1) as u8, left, right }
        })
    }

    /// The values of the two parts of a split.
    #[must_use]
    pub fn values(&self, split: &Split) -> [f64; 2] {
        [&split.left, &split.right].map(|part| self.value(part.gradient, part.hessian + EPSILON))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOSE: Limits = Limits {
        min_data_in_leaf: 1,
        min_sum_hessian_in_leaf: 0.0,
        lambda_l1: 0.0,
        lambda_l2: 0.0,
        min_gain_to_split: 0.0,
    };

    /// Four bins of 2 rows each; each row has the second derivative 1.
    const CELLS: [Cell; 4] = [[-3.0, 2.0], [-1.0, 2.0], [2.0, 2.0], [4.0, 2.0]];

    fn sums() -> Sums {
        Sums { gradient: 2.0, hessian: 8.0, rows: 8 }
    }

    #[test]
    fn the_best_threshold_is_found() {
        // Between bins 1 and 2: 16/4 + 36/4 − 4/8 = 12.5.
        let split = LOOSE.best(&CELLS, &sums(), 7).unwrap();
        assert_eq!((split.bin, split.feature, split.left.rows, split.right.rows), (1, 7, 4, 4));
        assert!((split.gain - 12.5).abs() < 1e-12);
        let [left, right] = LOOSE.values(&split);
        assert!((left - 1.0).abs() < 1e-12 && (right + 1.5).abs() < 1e-12);
    }

    #[test]
    fn limits_hold() {
        let limits = Limits { min_data_in_leaf: 5, ..LOOSE };
        assert_eq!(limits.best(&CELLS, &sums(), 0), None);
        let limits = Limits { min_sum_hessian_in_leaf: 4.1, ..LOOSE };
        assert_eq!(limits.best(&CELLS, &sums(), 0), None);
        let limits = Limits { min_gain_to_split: 12.4, ..LOOSE };
        assert!((limits.best(&CELLS, &sums(), 0).unwrap().gain - 0.1).abs() < 1e-12);
        let limits = Limits { min_gain_to_split: 12.6, ..LOOSE };
        assert_eq!(limits.best(&CELLS, &sums(), 0), None);
        // λ₂ = 4: 16/8 + 36/8 − 4/12; λ₁ = 1: 9/4 (from −4) is 2.25, 25/4, 1/8.
        let limits = Limits { lambda_l2: 4.0, ..LOOSE };
        assert!((limits.best(&CELLS, &sums(), 0).unwrap().gain - (6.5 - 1.0 / 3.0)).abs() < 1e-12);
        let limits = Limits { lambda_l1: 1.0, ..LOOSE };
        assert!((limits.best(&CELLS, &sums(), 0).unwrap().gain - (2.25 + 6.25 - 0.125)).abs() < 1e-12);
    }

    #[test]
    fn equal_gains_go_to_the_first_feature() {
        let split = |feature| LOOSE.best(&CELLS, &sums(), feature);
        for (one, other) in [(3, 5), (5, 3)] {
            assert_eq!(Split::better(split(one), split(other)).unwrap().feature, 3);
        }
        assert_eq!(Split::better(None, split(2)).unwrap().feature, 2);
        assert_eq!(LOOSE.best(&[[0.0, 4.0], [0.0, 4.0]], &Sums { gradient: 0.0, hessian: 8.0, rows: 8 }, 0), None);
    }
}
