//! Numbers in rows that vectors can walk: each row starts at a cache line and is filled up with zeros.
//!
//! The distance between rows (`pitch`) is an odd number of cache lines of f32: the rows of a power-of-two width would all fall
//! into the same few sets of the nearest cache.

use crate::kernels::{Aligned, Real};

/// Rows are filled up with zeros to a multiple of this, which all vector widths divide.
pub const UNIT: usize = 16;

/// The distance between rows of `width` numbers.
#[must_use]
pub fn pitch(width: usize) -> usize {
    UNIT * (width.div_ceil(UNIT) | 1)
}

/// `width`, filled up to whole vectors.
#[must_use]
pub fn padded(width: usize) -> usize {
    width.next_multiple_of(UNIT)
}

/// `n_rows × width` numbers.
#[derive(Debug, Clone, Default)]
pub struct Matrix<T: Real> {
    values: Aligned<T>,
    /// Numbers of a row that count.
    pub width: usize,
    /// Numbers between the starts of two rows.
    pub pitch: usize,
}

impl<T: Real> Matrix<T> {
    /// Zeros.
    #[must_use]
    pub fn zeros(n_rows: usize, width: usize) -> Self {
        let pitch = pitch(width);
        Self { values: Aligned::zeroed(n_rows * pitch), width, pitch }
    }

    /// From rows without gaps, row-major.
    #[must_use]
    pub fn of_rows(rows: &[f32], width: usize) -> Self {
        let n_rows = rows.len().checked_div(width).unwrap_or(0);
        let mut matrix = Self::zeros(n_rows, width);
        for (target, row) in matrix.values.as_mut_slice().chunks_exact_mut(pitch(width)).zip(rows.chunks_exact(width)) {
            for (target, value) in target.iter_mut().zip(row) {
                *target = T::of(f64::from(*value));
            }
        }
        matrix
    }

    /// All numbers, padding included.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        self.values.as_slice()
    }

    /// The same, to be written.
    #[must_use]
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        self.values.as_mut_slice()
    }

    /// Rows with their padding.
    #[must_use]
    pub fn rows(&self, rows: std::ops::Range<usize>) -> &[T] {
        &self.as_slice()[rows.start * self.pitch..rows.end * self.pitch]
    }

    /// Number of rows.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.as_slice().len() / self.pitch.max(1)
    }

    /// Room for at least so many rows; what was in it is lost when it grows.
    pub fn reserve(&mut self, n_rows: usize) {
        if self.n_rows() < n_rows {
            *self = Self::zeros(n_rows, self.width);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Matrix, pitch};

    #[test]
    fn rows_start_at_cache_lines_an_odd_number_apart() {
        for (width, expected) in [(1, 16), (16, 16), (17, 48), (64, 80), (136, 144), (256, 272)] {
            assert_eq!(pitch(width), expected);
        }
        let matrix = Matrix::<f64>::of_rows(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3);
        assert_eq!((matrix.n_rows(), &matrix.rows(1..2)[..4]), (2, &[4.0, 5.0, 6.0, 0.0][..]));
    }
}
