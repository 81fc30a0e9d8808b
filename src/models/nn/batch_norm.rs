//! Batch norm over the documents of a batch: x̂ = (z − mean) / √(variance + 1e-5), then scale·x̂ + shift.
//!
//! Mean and variance (divided by n) are those of all documents of the batch, whatever lists they belong to; for scoring,
//! running values are kept: 0.9 × the old + 0.1 × the new, the variance divided by n − 1. Ioffe and Szegedy, ICML 2015; the same as
//! `PyTorch`'s `BatchNorm1d`. Sums are in f64, over groups in order.
//!
//! Backward: dz = scale / √(variance + ε) · (dy − Σdy/n − x̂·Σ(dy·x̂)/n).

use super::network::Running;
use crate::kernels::Real;

/// Added to the variance.
pub const EPSILON: f64 = 1e-5;
/// How much of the running values is new.
const MOMENTUM: f64 = 0.1;

/// Two sums for each column.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Moments {
    /// Σ x, or Σ dy.
    pub first: Vec<f64>,
    /// Σ x², or Σ dy·x̂.
    pub second: Vec<f64>,
    /// Rows.
    pub n: usize,
}

impl Moments {
    /// Σ x and Σ x² of each column.
    #[must_use]
    pub fn of<T: Real>(rows: &[T], width: usize) -> Self {
        Self::of_pairs(rows, rows, width)
    }

    /// Σ x and Σ x·y of each column.
    #[must_use]
    pub fn of_pairs<T: Real>(rows: &[T], others: &[T], width: usize) -> Self {
        let mut sums = Self { first: vec![0.0; width], second: vec![0.0; width], n: rows.len() / width };
        for (row, other) in rows.chunks_exact(width).zip(others.chunks_exact(width)) {
            for (((first, second), x), y) in sums.first.iter_mut().zip(&mut sums.second).zip(row).zip(other) {
                *first += x.wide();
                *second += x.wide() * y.wide();
            }
        }
        sums
    }

    /// The sums of all groups.
    #[must_use]
    pub fn join(groups: &[Self]) -> Self {
        let mut all = Self { first: vec![0.0; groups[0].first.len()], second: vec![0.0; groups[0].first.len()], n: 0 };
        for group in groups {
            all.first.iter_mut().zip(&group.first).for_each(|(sum, value)| *sum += value);
            all.second.iter_mut().zip(&group.second).for_each(|(sum, value)| *sum += value);
            all.n += group.n;
        }
        all
    }
}

/// The mean and 1 / √(variance + ε) of each column.
#[derive(Debug, Clone)]
pub struct Spread<T> {
    mean: Vec<T>,
    inverse: Vec<T>,
}

impl<T: Real> Spread<T> {
    /// From the batch's sums; the running values move towards it.
    #[must_use]
    pub fn of(sums: &Moments, running: &mut Running<T>) -> Self {
        let n = sums.n as f64;
        let mut spread = Self { mean: Vec::new(), inverse: Vec::new() };
        let columns = running.mean.iter_mut().zip(&mut running.variance).zip(sums.first.iter().zip(&sums.second));
        for ((old_mean, old_variance), (first, second)) in columns {
            let mean = first / n;
            let variance = (second / n - mean * mean).max(0.0);
            spread.mean.push(T::of(mean));
            spread.inverse.push(T::of(1.0 / (variance + EPSILON).sqrt()));
            let unbiased = if sums.n > 1 { variance * n / (n - 1.0) } else { variance };
            *old_mean = T::of((1.0 - MOMENTUM) * old_mean.wide() + MOMENTUM * mean);
            *old_variance = T::of((1.0 - MOMENTUM) * old_variance.wide() + MOMENTUM * unbiased);
        }
        spread
    }

    /// (z − mean) / √(variance + ε).
    pub fn normalise(&self, rows: &mut [T]) {
        for row in rows.chunks_exact_mut(self.mean.len()) {
            for ((value, mean), inverse) in row.iter_mut().zip(&self.mean).zip(&self.inverse) {
                *value = (*value - *mean) * *inverse;
            }
        }
    }

    /// From dy to dz; `sums` are Σdy and Σdy·x̂ over the batch.
    pub fn back(&self, sums: &Moments, scale: &[T], normal: &[T], slopes: &mut [T]) {
        let (n, width) = (sums.n as f64, self.mean.len());
        let first: Vec<T> = sums.first.iter().map(|sum| T::of(sum / n)).collect();
        let second: Vec<T> = sums.second.iter().map(|sum| T::of(sum / n)).collect();
        for (row, normal) in slopes.chunks_exact_mut(width).zip(normal.chunks_exact(width)) {
            for column in 0..width {
                let centred = row[column] - first[column] - normal[column] * second[column];
                row[column] = scale[column] * self.inverse[column] * centred;
            }
        }
    }
}
