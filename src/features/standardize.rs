//! `standardize`: each column to mean 0 and standard deviation 1.
//!
//! `(x − mean) / sd` with the population standard deviation (divisor n) of the training rows, as scikit-learn 1.9's
//! `StandardScaler`. A column that does not vary beyond rounding in the training rows teaches nothing and is 0 for all rows
//! (scikit-learn divides it by 1, as is done here without centring). `clip` cuts values at ±clip afterwards. Sums in f64 over
//! fixed blocks of rows, added in order, so the thread count changes no bit; result in f32. A sparse matrix can only be scaled: to
//! centre it would fill it.

use std::path::{Path, PathBuf};

use ndarray::parallel::prelude::*;
use ndarray::{Array2, ArrayView2, Axis};

use crate::catalog::{Named, Param, ParamKind, ParamProblem, Params};
use crate::data::dataset::{Csr, Features};
use crate::embeddings::{EmbedContext, TextReport};
use crate::error::{Error, Result};
use crate::features::batch::Batch;
use crate::features::step::{Fitted, Step, StepKind, Takes, check_width};
use crate::onnx::{Graph, Kind, Value};
use crate::tensors::Tensors;

/// The step kind `standardize`.
pub struct Standardize;

const PARAMS: &[Param] = &[
    Param { name: "with_mean", kind: ParamKind::Bool, default: "true", about: "subtract each column's mean" },
    Param { name: "with_std", kind: ParamKind::Bool, default: "true", about: "divide by each column's deviation" },
    Param {
        name: "clip",
        kind: ParamKind::Float { min: 0.0, inclusive: false },
        default: "null",
        about: "the largest size of a value afterwards; null: not cut",
    },
];

/// Rows that are summed together.
const BLOCK: usize = 1024;

impl Named for Standardize {
    fn name(&self) -> &'static str {
        "standardize"
    }

    fn about(&self) -> &'static str {
        "each column to mean 0 and standard deviation 1"
    }
}

impl StepKind for Standardize {
    fn params(&self) -> &'static [Param] {
        PARAMS
    }

    fn takes(&self) -> Takes {
        Takes::Matrix
    }

    fn configure(&self, params: &Params) -> Result<Box<dyn Step>, ParamProblem> {
        let clip = clip_of(params);
        Ok(Box::new(Configured { with_mean: params.bool("with_mean"), with_std: params.bool("with_std"), clip }))
    }

    fn load(&self, params: &Params, folder: &Path, prefix: &str) -> Result<Box<dyn Fitted>> {
        let path = file(folder, prefix);
        let mut tensors = Tensors::load(&path)?;
        let ((_, mean), (_, scale)) = (tensors.take_f64("mean")?, tensors.take_f64("scale")?);
        if mean.len() != scale.len() {
            let (expected, got) = (mean.len(), scale.len());
            return Err(Error::failed(format!(
                "`{}` is damaged: expected {expected} scales, got {got}",
                path.display()
            )));
        }
        Ok(Box::new(Scaler { mean, scale, centres: params.bool("with_mean"), clip: clip_of(params) }))
    }
}

struct Configured {
    with_mean: bool,
    with_std: bool,
    clip: Option<f64>,
}

fn clip_of(params: &Params) -> Option<f64> {
    params.get("clip").as_f64()
}

impl Step for Configured {
    fn fit_transform(
        &self,
        train: Batch,
        _context: &EmbedContext<'_>,
    ) -> Result<(Box<dyn Fitted>, Features, TextReport)> {
        let features = train.signal.matrix("standardize")?;
        if features.n_rows() == 0 {
            return Err(Error::invalid("`standardize` has no rows to learn from"));
        }
        let (mean, variance) = match &features {
            Features::Dense(matrix) => dense_moments(matrix),
            Features::Sparse(_) if self.with_mean => return Err(cannot_centre()),
            Features::Sparse(matrix) => sparse_moments(matrix),
        };
        let n_rows = features.n_rows() as f64;
        let scale = mean.iter().zip(&variance).map(|(mean, variance)| {
            let rounding = n_rows * f64::EPSILON * variance + (n_rows * mean * f64::EPSILON).powi(2);
            match (self.with_std, *variance > rounding) {
                (true, true) => variance.sqrt(),
                (true, false) if self.with_mean => f64::INFINITY,
                _ => 1.0,
            }
        });
        let scale = scale.collect();
        let mean = if self.with_mean { mean } else { vec![0.0; mean.len()] };
        let scaler = Scaler { mean, scale, centres: self.with_mean, clip: self.clip };
        let scaled = scaler.scale(features)?;
        Ok((Box::new(scaler), scaled, TextReport::default()))
    }
}

struct Scaler {
    mean: Vec<f64>,
    scale: Vec<f64>,
    centres: bool,
    clip: Option<f64>,
}

impl Scaler {
    fn scale(&self, features: Features) -> Result<Features> {
        check_width("standardize", self.mean.len(), &features)?;
        let clip = self.clip.unwrap_or(f64::INFINITY);
        match features {
            Features::Dense(mut matrix) => {
                matrix.axis_iter_mut(Axis(0)).into_par_iter().for_each(|mut row| {
                    for (value, (mean, scale)) in row.iter_mut().zip(self.mean.iter().zip(&self.scale)) {
                        *value = ((f64::from(*value) - mean) / scale).clamp(-clip, clip) as f32;
                    }
                });
                Ok(Features::Dense(matrix))
            }
            Features::Sparse(_) if self.centres => Err(cannot_centre()),
            Features::Sparse(mut matrix) => {
                for (value, column) in matrix.values.iter_mut().zip(&matrix.indices) {
                    *value = (f64::from(*value) / self.scale[*column as usize]).clamp(-clip, clip) as f32;
                }
                Ok(Features::Sparse(matrix))
            }
        }
    }
}

impl Fitted for Scaler {
    fn transform(&self, rows: Batch, _context: &EmbedContext<'_>) -> Result<(Features, TextReport)> {
        Ok((self.scale(rows.signal.matrix("standardize")?)?, TextReport::default()))
    }

    fn n_features(&self) -> usize {
        self.mean.len()
    }

    fn numbers(&self) -> Option<serde_json::Value> {
        Some(serde_json::json!({"mean": self.mean, "scale": self.scale}))
    }

    fn onnx(&self, graph: &mut Graph, input: &Value) -> Value {
        // The same steps in the same precision as `scale`, so that no tree behind it decides otherwise.
        let columns = [self.mean.len()];
        let wide = graph.cast(input, Kind::Float64);
        let (mean, scale) = (graph.numbers(&columns, &self.mean), graph.numbers(&columns, &self.scale));
        let centred = graph.binary("Sub", &wide, &mean);
        let mut scaled = graph.binary("Div", &centred, &scale);
        if let Some(clip) = self.clip {
            let (least, most) = (graph.number(-clip), graph.number(clip));
            scaled = graph.binary("Max", &scaled, &least);
            scaled = graph.binary("Min", &scaled, &most);
        }
        graph.cast(&scaled, Kind::Float32)
    }

    fn save(&self, folder: &Path, prefix: &str) -> Result<()> {
        let columns = [self.mean.len()];
        let tensors = Tensors::new().f64("mean", &columns, self.mean.clone());
        tensors.f64("scale", &columns, self.scale.clone()).save(&file(folder, prefix))
    }
}

fn file(folder: &Path, prefix: &str) -> PathBuf {
    folder.join(format!("{prefix}standardize.safetensors"))
}

fn cannot_centre() -> Error {
    Error::invalid_rows("`standardize` cannot centre a sparse matrix: it would fill it").hint("set `with_mean: false`")
}

/// The mean over the rows of `value(x, column)`.
fn column_means(matrix: &Array2<f32>, value: impl Fn(f64, usize) -> f64 + Sync) -> Vec<f64> {
    let block = |rows: ArrayView2<'_, f32>| {
        let mut sums = vec![0.0; rows.ncols()];
        for row in rows.rows() {
            for (column, (sum, x)) in sums.iter_mut().zip(row).enumerate() {
                *sum += value(f64::from(*x), column);
            }
        }
        sums
    };
    let blocks: Vec<Vec<f64>> = matrix.axis_chunks_iter(Axis(0), BLOCK).into_par_iter().map(block).collect();
    let mut means = vec![0.0; matrix.ncols()];
    for block in blocks {
        means.iter_mut().zip(block).for_each(|(mean, sum)| *mean += sum);
    }
    for mean in &mut means {
        *mean /= matrix.nrows() as f64;
    }
    means
}

fn dense_moments(matrix: &Array2<f32>) -> (Vec<f64>, Vec<f64>) {
    let mean = column_means(matrix, |x, _| x);
    let variance = column_means(matrix, |x, column| (x - mean[column]).powi(2));
    (mean, variance)
}

/// As `dense_moments`, where what is not stored is 0.
fn sparse_moments(matrix: &Csr) -> (Vec<f64>, Vec<f64>) {
    let n_rows = matrix.n_rows() as f64;
    let entries = || matrix.indices.iter().map(|column| *column as usize).zip(&matrix.values);
    let (mut mean, mut absent) = (vec![0.0; matrix.n_cols], vec![n_rows; matrix.n_cols]);
    for (column, value) in entries() {
        mean[column] += f64::from(*value);
        absent[column] -= 1.0;
    }
    for mean in &mut mean {
        *mean /= n_rows;
    }
    let mut variance: Vec<f64> = mean.iter().zip(absent).map(|(mean, absent)| absent * mean * mean).collect();
    for (column, value) in entries() {
        variance[column] += (f64::from(*value) - mean[column]).powi(2);
    }
    for variance in &mut variance {
        *variance /= n_rows;
    }
    (mean, variance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::batch::Signal;
    use crate::features::samples::no_queries;
    use ndarray::array;

    fn fit(json: &str, features: &Features) -> Result<(Box<dyn Fitted>, Features)> {
        let params = Params::checked(PARAMS, &serde_json::from_str(json).unwrap()).unwrap();
        let (step, train) = (Standardize.configure(&params).unwrap(), no_queries(Signal::Matrix(features.clone())));
        let (fitted, features, _) = step.fit_transform(train, &EmbedContext::bare(".".as_ref()))?;
        Ok((fitted, features))
    }

    fn transformed(fitted: &dyn Fitted, features: Features) -> Result<Features> {
        let rows = no_queries(Signal::Matrix(features));
        Ok(fitted.transform(rows, &EmbedContext::bare(".".as_ref()))?.0)
    }

    #[test]
    fn by_hand() {
        // Column 1: mean 2, population variance 2/3. Column 2 does not vary.
        let train = Features::Dense(array![[1.0, 5.0], [2.0, 5.0], [3.0, 5.0]]);
        let high = 1.5_f64.sqrt() as f32;
        for (json, expected) in [
            ("{}", array![[-high, 0.0], [0.0, 0.0], [high, 0.0]]),
            (r#"{"with_std":false}"#, array![[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0]]),
            (r#"{"with_mean":false}"#, array![[high, 5.0], [2.0 * high, 5.0], [3.0 * high, 5.0]]),
        ] {
            let (fitted, scaled) = fit(json, &train).unwrap();
            assert_eq!(transformed(&*fitted, train.clone()).unwrap(), scaled);
            let Features::Dense(scaled) = scaled else { unreachable!("dense in, dense out") };
            assert!((&scaled - &expected).iter().all(|gap| gap.abs() < 1e-6), "{json}: {scaled}");
        }
        let (fitted, _) = fit("{}", &train).unwrap();
        let narrow = transformed(&*fitted, Features::Dense(array![[1.0]])).unwrap_err();
        assert_eq!(narrow.message, "`standardize` expected 2 columns, got 1");
    }

    #[test]
    fn sparse_equals_dense_and_is_never_centred() {
        let dense = Array2::from_shape_fn((3000, 3), |(row, column)| ((row * (column + 3)) % 7 / 4) as f32 * 0.3);
        let mut sparse = Csr { n_cols: 3, indptr: vec![0], ..Csr::default() };
        for row in dense.rows() {
            for (column, value) in row.iter().enumerate().filter(|(_, value)| **value != 0.0) {
                sparse.indices.push(column as u32);
                sparse.values.push(*value);
            }
            sparse.indptr.push(sparse.values.len());
        }
        let (_, full) = fit(r#"{"with_mean":false}"#, &Features::Dense(dense)).unwrap();
        let (_, scaled) = fit(r#"{"with_mean":false}"#, &Features::Sparse(sparse.clone())).unwrap();
        let (Features::Dense(full), Features::Sparse(scaled)) = (full, scaled) else { unreachable!("same kinds") };
        for (row, expected) in full.rows().into_iter().enumerate() {
            let (columns, values) = scaled.row(row);
            assert!(columns.iter().zip(values).all(|(at, value)| (expected[*at as usize] - value).abs() < 1e-6));
        }
        let refused = fit("{}", &Features::Sparse(sparse)).err().unwrap();
        assert_eq!(refused.hint.as_deref(), Some("set `with_mean: false`"));
    }

    #[test]
    fn clipped_values_are_those_of_scikit_learn_and_numpy() {
        use crate::features::samples::{close, dense, exported, fit, rows};
        use serde_json::json;

        // sklearn 1.9.1, numpy 2.4.6: np.clip(StandardScaler().fit_transform(rows), -1.5, 1.5)[7::20]
        let expected = [
            [-0.183_942_303_198_452_87, 0.643_173_917_318_073_9, 1.5, -0.986_666_746_011_680_4, 0.0],
            [
                -0.894_261_205_903_357_3,
                -0.012_343_226_363_900_629,
                1.146_363_065_301_304,
                -1.497_036_440_701_138_3,
                0.0,
            ],
            [
                -0.237_805_319_282_150_62,
                0.060_879_384_984_121_74,
                0.595_469_299_193_509_7,
                0.911_045_753_104_219_5,
                0.0,
            ],
        ];
        let (fitted, scaled) = fit(&Standardize, json!({"clip": 1.5}), Features::Dense(rows()), &[]).unwrap();
        close(&dense(scaled.clone()), expected);
        assert_eq!(dense(scaled), exported(&*fitted, &rows()));
        // A column that did not vary is 0 also where a new row has another value there.
        let new = Features::Dense(array![[1000.0, -1000.0, 0.0, 5.0, 9.0]]);
        let scaled = dense(transformed(&*fitted, new).unwrap());
        assert_eq!((scaled[[0, 0]], scaled[[0, 1]], scaled[[0, 4]]), (1.5, -1.5, 0.0));
    }
}
