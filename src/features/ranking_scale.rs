//! How features of ranked documents are scaled before a network sees them: fitted on the training rows, saved with the model.
//!
//! - `none`: as they are;
//! - `standard`: (x − mean) / sd, a constant feature becomes 0, then cut at ±`clip` where that is asked for;
//! - `min_max`: (x − least) / (most − least), a constant feature becomes 0; values outside the training range go below 0 or above 1;
//! - `log1p`: sign(x) · ln(1 + |x|), nothing to fit;
//! - `per_query`: min-max within each query, as LETOR's own files are made; nothing to fit.
//!
//! Mean and sd (divided by n, as scikit-learn's `StandardScaler`) are computed in f64, two passes. NaN is not let in: `Lists` refuses it.

use rayon::prelude::*;

use crate::error::{Error, Result};

/// The method.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// As they are.
    None,
    /// Mean 0, standard deviation 1.
    Standard {
        /// The largest size of a value afterwards.
        clip: Option<f64>,
    },
    /// 0 to 1 over the training rows.
    MinMax,
    /// sign(x) · ln(1 + |x|).
    Log1p,
    /// 0 to 1 within each query.
    PerQuery,
}

/// A fitted scale: x becomes (x − shift) · factor, then what the method says.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct RankingScale {
    method: Method,
    n_features: usize,
    shift: Vec<f64>,
    factor: Vec<f64>,
}

impl RankingScale {
    /// Fits on training rows, row-major.
    #[must_use]
    pub fn fit(method: Method, rows: &[f32], n_features: usize) -> Self {
        let columns = |one: &(dyn Fn(usize) -> (f64, f64) + Sync)| -> (Vec<f64>, Vec<f64>) {
            (0..n_features).into_par_iter().map(one).unzip()
        };
        let column = |j: usize| rows.iter().skip(j).step_by(n_features).map(|value| f64::from(*value));
        let n = (rows.len() / n_features.max(1)).max(1) as f64;
        // Where nothing varies there is nothing to divide by.
        let inverse = |spread: f64| if spread > 0.0 { 1.0 / spread } else { 0.0 };
        let (shift, factor) = match method {
            Method::None | Method::Log1p | Method::PerQuery => (Vec::new(), Vec::new()),
            Method::Standard { .. } => columns(&|j| {
                let mean = column(j).sum::<f64>() / n;
                let variance = column(j).map(|value| (value - mean).powi(2)).sum::<f64>() / n;
                (mean, inverse(variance.sqrt()))
            }),
            Method::MinMax => columns(&|j| {
                let least = column(j).fold(f64::INFINITY, f64::min);
                (least, inverse(column(j).fold(f64::NEG_INFINITY, f64::max) - least))
            }),
        };
        Self { method, n_features, shift, factor }
    }

    /// Scales rows in place; query `i` holds the rows `starts[i]..starts[i + 1]`.
    ///
    /// # Errors
    /// `Invalid` when the rows are not as wide as in training.
    pub fn apply(&self, rows: &mut [f32], n_features: usize, starts: &[usize]) -> Result<()> {
        if n_features != self.n_features {
            return Err(Error::invalid(format!("expected {} features, got {n_features}", self.n_features))
                .hint("the files must have the features of training; `n_features` fills up sparse rows"));
        }
        match self.method {
            Method::None => {}
            Method::Log1p => rows.par_iter_mut().for_each(|x| *x = x.abs().ln_1p().copysign(*x)),
            Method::Standard { clip } => self.shift_and_factor(rows, clip.unwrap_or(f64::INFINITY)),
            Method::MinMax => self.shift_and_factor(rows, f64::INFINITY),
            Method::PerQuery => {
                for ends in starts.windows(2) {
                    per_query(&mut rows[ends[0] * n_features..ends[1] * n_features], n_features);
                }
            }
        }
        Ok(())
    }

    fn shift_and_factor(&self, rows: &mut [f32], clip: f64) {
        rows.par_chunks_mut(self.n_features).for_each(|row| {
            for ((x, shift), factor) in row.iter_mut().zip(&self.shift).zip(&self.factor) {
                *x = ((f64::from(*x) - shift) * factor).clamp(-clip, clip) as f32;
            }
        });
    }
}

fn per_query(rows: &mut [f32], n_features: usize) {
    for j in 0..n_features {
        let column = || rows.iter().skip(j).step_by(n_features).copied();
        let (least, most) =
            column().fold((f32::INFINITY, f32::NEG_INFINITY), |(least, most), x| (least.min(x), most.max(x)));
        let spread = most - least;
        for x in rows.iter_mut().skip(j).step_by(n_features) {
            *x = if spread > 0.0 { (*x - least) / spread } else { 0.0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Method, RankingScale};

    fn scaled(method: Method, fit: &[f32], rows: &[f32], starts: &[usize]) -> Vec<f32> {
        let mut rows = rows.to_vec();
        RankingScale::fit(method, fit, 2).apply(&mut rows, 2, starts).unwrap();
        rows
    }

    #[test]
    fn rows_by_hand() {
        let fit = [0.0, 7.0, 2.0, 7.0, 4.0, 7.0];
        let rows = [4.0, 7.0, -100.0, 8.0];
        let root = 1.5_f32.sqrt();
        assert_eq!(scaled(Method::Standard { clip: Some(10.0) }, &fit, &rows, &[0, 2]), [root, 0.0, -10.0, 0.0]);
        assert_eq!(scaled(Method::MinMax, &fit, &rows, &[0, 2]), [1.0, 0.0, -25.0, 0.0]);
        assert_eq!(scaled(Method::None, &fit, &rows, &[0, 2]), rows);
        let logs = scaled(Method::Log1p, &fit, &rows, &[0, 2]);
        assert!((logs[0] - 5.0_f32.ln()).abs() < 1e-6 && (logs[2] + 101.0_f32.ln()).abs() < 1e-6);
        assert_eq!(
            scaled(Method::PerQuery, &fit, &[1.0, 3.0, 3.0, 3.0, 2.0, 9.0], &[0, 2, 3]),
            [0.0, 0.0, 1.0, 0.0, 0.0, 0.0]
        );
        let error = RankingScale::fit(Method::MinMax, &fit, 2).apply(&mut [0.0; 3], 3, &[0, 1]).unwrap_err();
        assert_eq!(error.message, "expected 2 features, got 3");
    }
}
