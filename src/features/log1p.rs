//! `log1p`: sign(x) · ln(1 + |x|), for counts and lengths that span orders of size; nothing to fit but the width.
//!
//! Computed as x · ln(u) / (u − 1), u = 1 + |x| in f64, result in f32: Kahan's form is exact for small x with a plain logarithm,
//! which is what an ONNX graph has; |x| below 1e-16 becomes 0. Agrees with `numpy.sign(x) * numpy.log1p(numpy.abs(x))` (2.4) to
//! 1e-15 in f64. 0 stays 0, so a sparse matrix stays sparse.

use std::path::{Path, PathBuf};

use ndarray::parallel::prelude::*;

use crate::catalog::{Named, Param, ParamProblem, Params};
use crate::data::dataset::Features;
use crate::embeddings::{EmbedContext, TextReport};
use crate::error::Result;
use crate::features::batch::Batch;
use crate::features::step::{Fitted, Step, StepKind, Takes, check_width, load_width, save_width};
use crate::onnx::{Graph, Kind, Value};

/// The step kind `log1p`.
pub struct Log1p;

const NAME: &str = "log1p";

/// What 0 is divided by where u − 1 is 0.
const TINY: f64 = 1e-300;

impl Named for Log1p {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "the logarithm of 1 + |x| with the sign of x, for counts and lengths"
    }
}

impl StepKind for Log1p {
    fn params(&self) -> &'static [Param] {
        &[]
    }

    fn takes(&self) -> Takes {
        Takes::Matrix
    }

    fn configure(&self, _params: &Params) -> Result<Box<dyn Step>, ParamProblem> {
        Ok(Box::new(Self))
    }

    fn load(&self, _params: &Params, folder: &Path, prefix: &str) -> Result<Box<dyn Fitted>> {
        Ok(Box::new(Logarithm { n_features: load_width(&file(folder, prefix))? }))
    }
}

impl Step for Log1p {
    fn fit_transform(
        &self,
        train: Batch,
        _context: &EmbedContext<'_>,
    ) -> Result<(Box<dyn Fitted>, Features, TextReport)> {
        let features = train.signal.matrix(NAME)?;
        let fitted = Logarithm { n_features: features.n_features() };
        let scaled = fitted.scale(features)?;
        Ok((Box::new(fitted), scaled, TextReport::default()))
    }
}

struct Logarithm {
    n_features: usize,
}

fn log1p(value: f32) -> f32 {
    let wide = f64::from(value);
    let more = 1.0 + wide.abs();
    (wide * (more.ln() / (more - 1.0).max(TINY))) as f32
}

impl Logarithm {
    fn scale(&self, mut features: Features) -> Result<Features> {
        check_width(NAME, self.n_features, &features)?;
        match &mut features {
            Features::Dense(matrix) => matrix.par_mapv_inplace(log1p),
            Features::Sparse(matrix) => matrix.values.par_iter_mut().for_each(|value| *value = log1p(*value)),
        }
        Ok(features)
    }
}

impl Fitted for Logarithm {
    fn transform(&self, rows: Batch, _context: &EmbedContext<'_>) -> Result<(Features, TextReport)> {
        Ok((self.scale(rows.signal.matrix(NAME)?)?, TextReport::default()))
    }

    fn n_features(&self) -> usize {
        self.n_features
    }

    fn onnx(&self, graph: &mut Graph, input: &Value) -> Value {
        let wide = graph.cast(input, Kind::Float64);
        let (one, tiny) = (graph.number(1.0), graph.number(TINY));
        let turned = graph.unary("Neg", &wide);
        let size = graph.binary("Max", &wide, &turned);
        let more = graph.binary("Add", &size, &one);
        let logarithm = graph.unary("Log", &more);
        let less = graph.binary("Sub", &more, &one);
        let less = graph.binary("Max", &less, &tiny);
        let share = graph.binary("Div", &logarithm, &less);
        let scaled = graph.binary("Mul", &wide, &share);
        graph.cast(&scaled, Kind::Float32)
    }

    fn save(&self, folder: &Path, prefix: &str) -> Result<()> {
        save_width(&file(folder, prefix), self.n_features)
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
    fn logarithms_are_those_of_numpy() {
        // numpy 2.4.6: (np.sign(rows) * np.log1p(np.abs(rows)))[7::20]
        let expected = [
            [
                2.461_481_584_597_925_7,
                3.655_919_951_877_490_5,
                4.184_856_148_894_43,
                -2.233_771_291_885_739,
                2.079_441_541_679_835_7,
            ],
            [
                -2.437_231_733_973_639,
                2.988_029_707_362_003,
                3.894_559_466_197_939,
                -3.160_302_791_828_614_4,
                2.079_441_541_679_835_7,
            ],
            [
                2.314_252_017_543_652,
                3.088_897_334_744_339_6,
                3.520_116_495_008_948_7,
                3.820_431_063_094_694,
                2.079_441_541_679_835_7,
            ],
        ];
        let (fitted, scaled) = fit(&Log1p, json!({}), Features::Dense(rows()), &[]).unwrap();
        close(&dense(scaled.clone()), expected);
        assert_eq!(dense(scaled), exported(&*fitted, &rows()));
        let (fitted, _) = fit(&Log1p, json!({}), Features::Dense(array![[0.0_f32], [1.0]]), &[]).unwrap();
        // Small and large numbers keep their relative precision; 0 is 0.
        let ends = array![[0.0], [-1e-10], [3e-8], [1e-4], [f32::MAX], [-f32::MAX]];
        let context = EmbedContext::bare(".".as_ref());
        let batch = |rows: Array2<f32>| no_queries(Signal::Matrix(Features::Dense(rows)));
        let got = dense(fitted.transform(batch(ends.clone()), &context).unwrap().0);
        for (got, x) in got.iter().zip(&ends) {
            let expected = f64::from(x.abs()).ln_1p().copysign(f64::from(*x));
            assert!((f64::from(*got) - expected).abs() <= 1e-7 * expected.abs(), "{got} is not {expected}");
        }
        assert_eq!(got, exported(&*fitted, &ends));
        let wide = fitted.transform(batch(Array2::zeros((1, 2))), &context).err().unwrap();
        assert_eq!(wide.message, "`log1p` expected 1 columns, got 2");
    }

    #[test]
    fn sparse_rows_stay_sparse() {
        let rows = rows().mapv(|value| value.max(0.0));
        let (_, full) = fit(&Log1p, json!({}), Features::Dense(rows.clone()), &[]).unwrap();
        let (_, scaled) = fit(&Log1p, json!({}), sparse(&rows), &[]).unwrap();
        assert!(matches!(scaled, Features::Sparse(_)));
        assert_eq!(scaled.dense_rows(), full.dense_rows());
    }
}
