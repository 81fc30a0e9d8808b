//! Vectors of the reference: the centroid, and a sample of rows for the domain classifier, small enough to be stored.
//!
//! A number is kept in 8 bits between the smallest and the largest of its dimension. Current rows are put through the
//! same rounding before the two are compared, so that the classifier cannot tell them apart by it. Rows are written as
//! hexadecimal text; 400 kB at most.
//!
//! The centroid is that of a half of the rows, drawn by the hash of their numbers. A row pulls the mean of which it is a
//! part towards itself, so cosines of such rows lie above those of rows that come later (by 1/√n for rows around zero);
//! the reference of the cosines are therefore the rows of the other half. Leaving each row out of the mean in turn would
//! not do: of rows that were centred before, the rest points exactly the other way.

use ndarray::{Array1, Array2, ArrayView1};
use serde::{Deserialize, Serialize};

use super::sampler::zeros;
use crate::fs::hex;

/// Rows of the sample at most.
pub const ROWS: usize = 500;
/// Bytes of hexadecimal text at most.
const BYTES: usize = 400_000;

/// The centroid and the sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VectorSample {
    /// The mean of a half of the training vectors.
    pub centroid: Vec<f32>,
    /// The smallest value of each dimension in the sample.
    low: Vec<f32>,
    /// The largest.
    high: Vec<f32>,
    /// One text of 2·d hexadecimal digits a row.
    rows: Vec<String>,
}

/// The mean of rows that are there.
fn mean(rows: &[ArrayView1<'_, f32>], width: usize) -> Vec<f32> {
    let mut sums = Array1::<f64>::zeros(width);
    for row in rows {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    sums.iter().map(|sum| (sum / rows.len().max(1) as f64) as f32).collect()
}

/// The rows of the centroid and the others; where one of them would have none, all rows are both.
fn halves(rows: &Array2<f32>) -> [Vec<ArrayView1<'_, f32>>; 2] {
    let (inside, outside): (Vec<_>, Vec<_>) = (0_u64..).zip(rows.outer_iter()).partition(|(row, _)| zeros(*row) == 0);
    if inside.is_empty() || outside.is_empty() {
        return [rows.outer_iter().collect(), rows.outer_iter().collect()];
    }
    [inside, outside].map(|part| part.into_iter().map(|(_, row)| row).collect())
}

/// The rows at these places evenly spread over all.
fn spread(rows: &Array2<f32>, most: usize) -> Vec<ArrayView1<'_, f32>> {
    let n = rows.nrows();
    let kept = n.min(most);
    (0..kept).map(|at| rows.row(at * n / kept)).collect()
}

/// The Euclidean length of a vector.
#[must_use]
pub fn norm(row: ArrayView1<'_, f32>) -> f64 {
    row.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt()
}

impl VectorSample {
    /// The centroid and a sample of finite rows; none for no rows.
    #[must_use]
    pub fn of(rows: &Array2<f32>) -> Option<Self> {
        if rows.is_empty() {
            return None;
        }
        let most = (BYTES / (2 * rows.ncols())).min(ROWS);
        let kept = spread(rows, most);
        let of = |pick: fn(f32, f32) -> f32, start: f32| -> Vec<f32> {
            (0..rows.ncols()).map(|at| kept.iter().fold(start, |best, row| pick(best, row[at]))).collect()
        };
        let mut sample = Self {
            centroid: mean(&halves(rows)[0], rows.ncols()),
            low: of(f32::min, f32::INFINITY),
            high: of(f32::max, f32::NEG_INFINITY),
            rows: Vec::new(),
        };
        sample.rows = kept.iter().map(|row| hex(&sample.rounded(*row))).collect();
        if kept.is_empty() {
            (sample.low, sample.high) = (vec![0.0; rows.ncols()], vec![0.0; rows.ncols()]);
        }
        Some(sample)
    }

    fn rounded(&self, row: ArrayView1<'_, f32>) -> Vec<u8> {
        let one = |((value, low), high): ((&f32, &f32), &f32)| {
            if high > low { ((value - low) / (high - low) * 255.0).round().clamp(0.0, 255.0) as u8 } else { 0 }
        };
        row.iter().zip(&self.low).zip(&self.high).map(one).collect()
    }

    fn restored(&self, bytes: &[u8]) -> Vec<f32> {
        let one = |((byte, low), high): ((&u8, &f32), &f32)| low + f32::from(*byte) / 255.0 * (high - low);
        bytes.iter().zip(&self.low).zip(&self.high).map(one).collect()
    }

    /// Numbers of a vector.
    #[must_use]
    pub fn width(&self) -> usize {
        self.centroid.len()
    }

    /// Rows of the sample.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The sample, `len × width`.
    #[must_use]
    pub fn matrix(&self) -> Array2<f32> {
        let byte =
            |row: &str, at: usize| u8::from_str_radix(row.get(2 * at..2 * at + 2).unwrap_or("00"), 16).unwrap_or(0);
        let rows = self.rows.iter().flat_map(|row| {
            let bytes: Vec<u8> = (0..self.width()).map(|at| byte(row, at)).collect();
            self.restored(&bytes)
        });
        Array2::from_shape_vec((self.len(), self.width()), rows.collect()).expect("each row has `width` numbers")
    }

    /// As many current rows as the sample has, rounded as it is.
    #[must_use]
    pub fn like(&self, rows: &Array2<f32>) -> Array2<f32> {
        let kept = spread(rows, self.len());
        let values: Vec<f32> = kept.iter().flat_map(|row| self.restored(&self.rounded(*row))).collect();
        Array2::from_shape_vec((kept.len(), self.width()), values).expect("each row has `width` numbers")
    }

    /// The cosines with the centroid of those rows that have no part in it: what cosines of later rows are held against.
    #[must_use]
    pub fn cosines(&self, rows: &Array2<f32>) -> Vec<f64> {
        halves(rows)[1].iter().map(|row| self.cosine(*row)).collect()
    }

    /// The cosine of a vector with the centroid; 0 where one of them is zero.
    #[must_use]
    pub fn cosine(&self, row: ArrayView1<'_, f32>) -> f64 {
        let dot: f64 = row.iter().zip(&self.centroid).map(|(left, right)| f64::from(*left) * f64::from(*right)).sum();
        let length = norm(row) * norm(ArrayView1::from(&self.centroid));
        if length > 0.0 { dot / length } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_to_within_a_step_and_stay_small() {
        let rows = Array2::from_shape_fn((2000, 384), |(i, j)| ((i * 31 + j * 17) as f32 * 0.37).sin() * 0.1);
        let sample = VectorSample::of(&rows).unwrap();
        assert_eq!((sample.len(), sample.width()), (500, 384));
        assert!(serde_json::to_vec(&sample).unwrap().len() < 450_000);
        let (back, first) = (sample.matrix(), rows.row(4));
        assert!(back.row(1).iter().zip(first).all(|(got, want)| (got - want).abs() < 0.2 / 255.0));
        assert_eq!(sample.like(&rows), back, "the same rows are rounded the same way");
        let wide = VectorSample::of(&Array2::from_elem((2000, 3000), 1.0)).unwrap();
        assert_eq!(wide.len(), 66);
        assert!(VectorSample::of(&Array2::zeros((0, 4))).is_none());
    }

    #[test]
    fn norm_and_cosine() {
        let rows = ndarray::array![[3.0_f32, 4.0], [3.0, -4.0]];
        let sample = VectorSample { centroid: vec![3.0, 0.0], ..VectorSample::of(&rows).unwrap() };
        assert_eq!(mean(&rows.outer_iter().collect::<Vec<_>>(), 2), sample.centroid);
        assert_eq!(norm(rows.row(0)), 5.0);
        assert!((sample.cosine(rows.row(0)) - 0.6).abs() < 1e-12);
        assert_eq!(sample.cosine(ArrayView1::from(&[0.0, 0.0])), 0.0);
    }

    #[test]
    fn later_rows_lie_to_the_centroid_as_the_first_ones_do() {
        use rand::RngExt as _;

        use crate::stats::distributions::normal_quantile;
        let mut random = crate::stats::generator::generator(*b"testvect", 11, 0);
        let mut normal = |rows: usize| {
            Array2::from_shape_fn((rows, 128), |_| normal_quantile(random.random_range(1e-12..1.0)) as f32)
        };
        let (before, after) = (normal(600), normal(2000));
        let sample = VectorSample::of(&before).unwrap();
        let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
        let then = sample.cosines(&before);
        assert!(then.len().abs_diff(300) < 50);
        let (then, now) = (mean(then), mean(after.outer_iter().map(|row| sample.cosine(row)).collect()));
        // One cosine has a deviation of 1/√128 = 0.088, the difference of the means one of 0.0055; of the rows of the
        // centroid itself the mean is 0.058.
        assert!((then - now).abs() < 3.0 * 0.0055, "{then} {now}");
        let one = Array2::from_elem((1, 3), 1.0);
        assert_eq!(VectorSample::of(&one).unwrap().cosines(&one).len(), 1);
    }
}
