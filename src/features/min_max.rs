//! `min_max`: each column to 0 … 1 over the training rows.
//!
//! `(x − least) / (most − least)`, as scikit-learn 1.9's `MinMaxScaler`. Rows outside the range of training go below 0 or above 1,
//! unless `clip`. A column that does not vary in the training rows teaches nothing and is 0 for all rows (scikit-learn: x − least).
//! In f64, result in f32. A sparse matrix stays sparse where 0 stays 0, which is where the least value of a column is 0 (or the
//! column does not vary); other columns would fill it, and are refused.

use std::path::{Path, PathBuf};

use ndarray::Axis;
use ndarray::parallel::prelude::*;

use crate::catalog::{Named, Param, ParamKind, ParamProblem, Params};
use crate::data::dataset::{Csr, Features};
use crate::embeddings::{EmbedContext, TextReport};
use crate::error::{Error, Result};
use crate::features::batch::Batch;
use crate::features::step::{Fitted, Step, StepKind, Takes, check_width};
use crate::onnx::{Graph, Kind, Value};
use crate::tensors::Tensors;

/// The step kind `min_max`.
pub struct MinMax;

const NAME: &str = "min_max";

const PARAMS: &[Param] = &[Param {
    name: "clip",
    kind: ParamKind::Bool,
    default: "false",
    about: "whether values outside the range of training are cut to 0 and 1",
}];

/// Rows that are looked at together.
const BLOCK: usize = 1024;

impl Named for MinMax {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "each column to 0 to 1 over the training rows"
    }
}

impl StepKind for MinMax {
    fn params(&self) -> &'static [Param] {
        PARAMS
    }

    fn takes(&self) -> Takes {
        Takes::Matrix
    }

    fn configure(&self, params: &Params) -> Result<Box<dyn Step>, ParamProblem> {
        Ok(Box::new(Configured { clip: params.bool("clip") }))
    }

    fn load(&self, params: &Params, folder: &Path, prefix: &str) -> Result<Box<dyn Fitted>> {
        let path = file(folder, prefix);
        let mut tensors = Tensors::load(&path)?;
        let ((_, least), (_, spread)) = (tensors.take_f64("least")?, tensors.take_f64("spread")?);
        if least.len() != spread.len() {
            let (expected, got) = (least.len(), spread.len());
            let message = format!("`{}` is damaged: expected {expected} ranges, got {got}", path.display());
            return Err(Error::failed(message));
        }
        Ok(Box::new(Ranges { least, spread, clip: params.bool("clip") }))
    }
}

struct Configured {
    clip: bool,
}

impl Step for Configured {
    fn fit_transform(
        &self,
        train: Batch,
        _context: &EmbedContext<'_>,
    ) -> Result<(Box<dyn Fitted>, Features, TextReport)> {
        let features = train.signal.matrix(NAME)?;
        if features.n_rows() == 0 {
            return Err(Error::invalid(format!("`{NAME}` has no rows to learn from")));
        }
        let extremes = match &features {
            Features::Dense(matrix) => {
                let blocks = matrix.axis_chunks_iter(Axis(0), BLOCK).into_par_iter();
                let blocks = blocks.map(|rows| {
                    let mut extremes = Extremes::none(rows.ncols());
                    for row in rows.rows() {
                        row.iter().enumerate().for_each(|(column, value)| extremes.see(column, *value));
                    }
                    extremes
                });
                blocks.reduce(|| Extremes::none(matrix.ncols()), Extremes::joined)
            }
            Features::Sparse(matrix) => sparse_extremes(matrix),
        };
        // Divided by infinity, a column that does not vary is 0.
        let spread = |(least, most): (&f32, &f32)| {
            if most > least { f64::from(*most) - f64::from(*least) } else { f64::INFINITY }
        };
        let ranges = Ranges {
            spread: extremes.least.iter().zip(&extremes.most).map(spread).collect(),
            least: extremes.least.iter().map(|least| f64::from(*least)).collect(),
            clip: self.clip,
        };
        let scaled = ranges.scale(features)?;
        Ok((Box::new(ranges), scaled, TextReport::default()))
    }
}

/// The least and the most of each column.
struct Extremes {
    least: Vec<f32>,
    most: Vec<f32>,
}

impl Extremes {
    fn none(columns: usize) -> Self {
        Self { least: vec![f32::INFINITY; columns], most: vec![f32::NEG_INFINITY; columns] }
    }

    fn see(&mut self, column: usize, value: f32) {
        self.least[column] = self.least[column].min(value);
        self.most[column] = self.most[column].max(value);
    }

    fn joined(mut self, other: Self) -> Self {
        self.least.iter_mut().zip(other.least).for_each(|(least, value)| *least = least.min(value));
        self.most.iter_mut().zip(other.most).for_each(|(most, value)| *most = most.max(value));
        self
    }
}

/// As for dense rows, where what is not stored is 0.
fn sparse_extremes(matrix: &Csr) -> Extremes {
    let mut extremes = Extremes::none(matrix.n_cols);
    let mut stored = vec![0; matrix.n_cols];
    for (column, value) in matrix.indices.iter().zip(&matrix.values) {
        extremes.see(*column as usize, *value);
        stored[*column as usize] += 1;
    }
    let n_rows = matrix.n_rows();
    (0..matrix.n_cols).filter(|column| stored[*column] < n_rows).for_each(|column| extremes.see(column, 0.0));
    extremes
}

struct Ranges {
    least: Vec<f64>,
    /// Most − least; infinite where the column did not vary.
    spread: Vec<f64>,
    clip: bool,
}

impl Ranges {
    fn one(&self, column: usize, value: f32) -> f32 {
        let scaled = (f64::from(value) - self.least[column]) / self.spread[column];
        (if self.clip { scaled.clamp(0.0, 1.0) } else { scaled }) as f32
    }

    fn scale(&self, features: Features) -> Result<Features> {
        check_width(NAME, self.least.len(), &features)?;
        match features {
            Features::Dense(mut matrix) => {
                matrix.axis_iter_mut(Axis(0)).into_par_iter().for_each(|mut row| {
                    row.iter_mut().enumerate().for_each(|(column, value)| *value = self.one(column, *value));
                });
                Ok(Features::Dense(matrix))
            }
            Features::Sparse(mut matrix) => {
                let fills = |column: &usize| self.least[*column] != 0.0 && self.spread[*column].is_finite();
                if let Some(column) = (0..matrix.n_cols).find(fills) {
                    let least = self.least[column];
                    let message =
                        format!("`{NAME}` would fill a sparse matrix: the least value of column {column} is {least}");
                    return Err(Error::invalid_rows(message).hint("take `standardize: {with_mean: false}`"));
                }
                for (value, column) in matrix.values.iter_mut().zip(&matrix.indices) {
                    *value = self.one(*column as usize, *value);
                }
                Ok(Features::Sparse(matrix))
            }
        }
    }
}

impl Fitted for Ranges {
    fn transform(&self, rows: Batch, _context: &EmbedContext<'_>) -> Result<(Features, TextReport)> {
        Ok((self.scale(rows.signal.matrix(NAME)?)?, TextReport::default()))
    }

    fn n_features(&self) -> usize {
        self.least.len()
    }

    fn numbers(&self) -> Option<serde_json::Value> {
        Some(serde_json::json!({"least": self.least, "spread": self.spread}))
    }

    fn onnx(&self, graph: &mut Graph, input: &Value) -> Value {
        let columns = [self.least.len()];
        let wide = graph.cast(input, Kind::Float64);
        let (least, spread) = (graph.numbers(&columns, &self.least), graph.numbers(&columns, &self.spread));
        let above = graph.binary("Sub", &wide, &least);
        let mut scaled = graph.binary("Div", &above, &spread);
        if self.clip {
            let (zero, one) = (graph.number(0.0), graph.number(1.0));
            scaled = graph.binary("Max", &scaled, &zero);
            scaled = graph.binary("Min", &scaled, &one);
        }
        graph.cast(&scaled, Kind::Float32)
    }

    fn save(&self, folder: &Path, prefix: &str) -> Result<()> {
        let columns = [self.least.len()];
        let tensors = Tensors::new().f64("least", &columns, self.least.clone());
        tensors.f64("spread", &columns, self.spread.clone()).save(&file(folder, prefix))
    }
}

fn file(folder: &Path, prefix: &str) -> PathBuf {
    folder.join(format!("{prefix}{NAME}.safetensors"))
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};
    use serde_json::json;

    use super::*;
    use crate::features::batch::Signal;
    use crate::features::samples::{close, dense, exported, fit, no_queries, rows, sparse};

    #[test]
    fn ranges_are_those_of_scikit_learn() {
        // sklearn 1.9.1: MinMaxScaler().fit_transform(rows)[7::20]
        let expected = [
            [0.407_630_528_912_629_3, 0.677_845_525_155_813_5, 0.969_760_132_516_600_3, 0.218_237_710_347_966_52, 0.0],
            [
                0.195_783_135_290_501_76,
                0.486_788_623_542_414_87,
                0.797_705_920_574_433_2,
                0.072_745_890_460_068_96,
                0.0,
            ],
            [0.391_566_280_127_322, 0.508_130_071_873_753, 0.638_164_727_852_840_7, 0.759_221_330_639_881_8, 0.0],
        ];
        let (fitted, scaled) = fit(&MinMax, json!({}), Features::Dense(rows()), &[]).unwrap();
        close(&dense(scaled.clone()), expected);
        assert_eq!(dense(scaled), exported(&*fitted, &rows()));
        // MinMaxScaler(clip=…).transform([[1000, -1000, 0, 5, 9]]); the last column did not vary: 0 here.
        let far = array![[1000.0, -1000.0, 0.0, 5.0, 9.0]];
        let (clips, _) = fit(&MinMax, json!({"clip": true}), Features::Dense(rows()), &[]).unwrap();
        let context = EmbedContext::bare(".".as_ref());
        let batch = |rows: Array2<f32>| no_queries(Signal::Matrix(Features::Dense(rows)));
        for (fitted, expected) in [
            (
                &fitted,
                [10.310_341_648_991_34, -9.836_280_236_055_241, 0.297_288_831_808_806_55, 0.354_456_976_475_942_9, 0.0],
            ),
            (&clips, [1.0, 0.0, 0.297_288_831_808_806_55, 0.354_456_976_475_942_9, 0.0]),
        ] {
            let got = dense(fitted.transform(batch(far.clone()), &context).unwrap().0);
            assert!(got.iter().zip(expected).all(|(got, expected)| (f64::from(*got) - expected).abs() < 2e-6), "{got}");
            assert_eq!(got, exported(&**fitted, &far));
        }
        let narrow = fitted.transform(batch(Array2::zeros((1, 4))), &context).err().unwrap();
        assert_eq!(narrow.message, "`min_max` expected 5 columns, got 4");
    }

    #[test]
    fn sparse_rows_stay_sparse_where_zero_stays_zero() {
        let rows = rows().mapv(|value| value.max(0.0));
        let (_, full) = fit(&MinMax, json!({}), Features::Dense(rows.clone()), &[]).unwrap();
        let (_, scaled) = fit(&MinMax, json!({}), sparse(&rows), &[]).unwrap();
        assert!(matches!(scaled, Features::Sparse(_)));
        assert_eq!(scaled.dense_rows(), full.dense_rows());
        let refused = fit(&MinMax, json!({}), sparse(&rows.mapv(|value| value - 1.0)), &[]).err().unwrap();
        assert_eq!(refused.message, "`min_max` would fill a sparse matrix: the least value of column 0 is -1");
    }
}
