//! `per_query`: each column to 0 … 1 within each query, as LETOR's own files are made; nothing to fit but the width.
//!
//! `(x − least) / (most − least)` over the documents of a query, in f64, result in f32; 0 where a query's documents are all alike.
//! A document's numbers depend on the documents beside it, so the same document may have others elsewhere: that is the point, and
//! why a graph cannot hold it. The queries come with the batch; rows without queries are refused. Sparse rows are filled up: the
//! least value of a query is seldom 0 everywhere.

use std::path::{Path, PathBuf};

use ndarray::Array2;
use rayon::prelude::*;
use serde_json::json;

use crate::catalog::{Named, Param, ParamProblem, Params};
use crate::data::dataset::Features;
use crate::embeddings::{EmbedContext, TextReport};
use crate::error::{Error, Result};
use crate::features::batch::{Batch, QueryBounds};
use crate::features::step::{Fitted, Outside, Step, StepKind, Takes, check_width, load_width, save_width};
use crate::onnx::{Graph, Value};

/// The step kind `per_query`.
pub struct PerQuery;

const NAME: &str = "per_query";

impl Named for PerQuery {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "each column to 0 to 1 within each query; for ranking, and the first step"
    }
}

impl StepKind for PerQuery {
    fn params(&self) -> &'static [Param] {
        &[]
    }

    fn takes(&self) -> Takes {
        Takes::Matrix
    }

    fn reads_queries(&self) -> bool {
        true
    }

    fn configure(&self, _params: &Params) -> Result<Box<dyn Step>, ParamProblem> {
        Ok(Box::new(Self))
    }

    fn load(&self, _params: &Params, folder: &Path, prefix: &str) -> Result<Box<dyn Fitted>> {
        Ok(Box::new(WithinQueries { n_features: load_width(&file(folder, prefix))? }))
    }
}

impl Step for PerQuery {
    fn fit_transform(
        &self,
        train: Batch,
        _context: &EmbedContext<'_>,
    ) -> Result<(Box<dyn Fitted>, Features, TextReport)> {
        let features = train.signal.matrix(NAME)?;
        let fitted = WithinQueries { n_features: features.n_features() };
        let scaled = fitted.scale(features, &train.queries)?;
        Ok((Box::new(fitted), scaled, TextReport::default()))
    }
}

struct WithinQueries {
    n_features: usize,
}

/// Where the queries of so many rows begin, and the end.
fn starts_of(queries: &QueryBounds, n_rows: usize) -> Result<&[usize]> {
    let starts = match queries {
        QueryBounds::Starts(starts) => &starts[..],
        QueryBounds::Absent if n_rows == 0 => &[0],
        QueryBounds::Absent => return Err(Error::failed(format!("`{NAME}` got {n_rows} rows without their queries"))),
    };
    match (starts.first(), starts.last()) {
        (Some(0), Some(last)) if *last == n_rows && starts.is_sorted() => Ok(starts),
        (_, last) => {
            let got = last.copied().unwrap_or_default();
            Err(Error::failed(format!("`{NAME}` got {n_rows} rows, and queries that end at row {got}")))
        }
    }
}

/// Scales the rows of one query, row-major.
fn scale(rows: &mut [f32], width: usize) {
    let (mut least, mut most) = (vec![f32::INFINITY; width], vec![f32::NEG_INFINITY; width]);
    for row in rows.chunks_exact(width) {
        for ((least, most), value) in least.iter_mut().zip(&mut most).zip(row) {
            (*least, *most) = (least.min(*value), most.max(*value));
        }
    }
    let spread =
        |(least, most): (&f32, &f32)| if most > least { f64::from(*most) - f64::from(*least) } else { f64::INFINITY };
    let spread: Vec<f64> = least.iter().zip(&most).map(spread).collect();
    for row in rows.chunks_exact_mut(width) {
        for ((value, least), spread) in row.iter_mut().zip(&least).zip(&spread) {
            *value = ((f64::from(*value) - f64::from(*least)) / spread) as f32;
        }
    }
}

impl WithinQueries {
    fn scale(&self, features: Features, queries: &QueryBounds) -> Result<Features> {
        check_width(NAME, self.n_features, &features)?;
        let n_rows = features.n_rows();
        let starts = starts_of(queries, n_rows)?;
        let mut matrix = match features {
            Features::Dense(matrix) if matrix.is_standard_layout() => matrix,
            other => Array2::from_shape_vec((n_rows, self.n_features), other.dense_rows().into_owned())
                .expect("rows without gaps"),
        };
        if self.n_features > 0 {
            let mut rest = matrix.as_slice_mut().expect("the standard layout is one slice");
            let mut queries = Vec::with_capacity(starts.len());
            for ends in starts.windows(2) {
                let (query, after) = rest.split_at_mut((ends[1] - ends[0]) * self.n_features);
                queries.push(query);
                rest = after;
            }
            queries.into_par_iter().for_each(|query| scale(query, self.n_features));
        }
        Ok(Features::Dense(matrix))
    }
}

impl Fitted for WithinQueries {
    fn transform(&self, rows: Batch, _context: &EmbedContext<'_>) -> Result<(Features, TextReport)> {
        let Batch { signal, queries, .. } = rows;
        Ok((self.scale(signal.matrix(NAME)?, &queries)?, TextReport::default()))
    }

    fn n_features(&self) -> usize {
        self.n_features
    }

    fn outside(&self) -> Option<Outside> {
        let description = json!({
            "step": NAME,
            "n_features": self.n_features,
            "formula": "(x - min) / (max - min) of each column over the documents of one query, rounded to f32",
            "constant": "0 where max = min",
            "precision": "min, max and the quotient in f64",
        });
        Some(Outside { input: "features_scaled_per_query", description })
    }

    fn onnx(&self, _graph: &mut Graph, input: &Value) -> Value {
        input.clone()
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
    use ndarray::s;
    use serde_json::json;

    use super::*;
    use crate::features::batch::Signal;
    use crate::features::samples::{close, dense, fit, rows, sparse};

    #[test]
    fn each_query_has_its_own_range() {
        // sklearn 1.9.1: np.concatenate([minmax_scale(rows[a:b]) for a, b in [(0, 13), (13, 30), (30, 50)]])[7::20]
        let expected = [
            [0.463_470_317_453_984_2, 0.727_797_001_558_171_4, 1.0, 0.239_325_838_759_414_7, 0.0],
            [0.100_000_006_409_977_4, 0.486_788_623_542_414_87, 0.775_462_938_762_629_7, 0.0, 0.0],
            [0.382_045_950_961_495_6, 0.499_999_989_244_193_53, 0.732_057_402_554_603_4, 0.821_678_312_688_938_1, 0.0],
        ];
        let starts = [0, 13, 30, 50];
        let (fitted, scaled) = fit(&PerQuery, json!({}), Features::Dense(rows()), &starts).unwrap();
        close(&dense(scaled.clone()), expected);
        let (_, of_sparse) = fit(&PerQuery, json!({}), sparse(&rows()), &starts).unwrap();
        assert_eq!(of_sparse, scaled);
        // One query alone.
        let alone = || {
            let signal = Signal::Matrix(Features::Dense(rows().slice(s![13..30, ..]).to_owned()));
            Batch::new(signal, QueryBounds::single(17), None)
        };
        let (context, whole) = (EmbedContext::bare(".".as_ref()), dense(scaled));
        assert_eq!(dense(fitted.transform(alone(), &context).unwrap().0), whole.slice(s![13..30, ..]));
        assert_eq!(fitted.outside().unwrap().input, "features_scaled_per_query");
        assert_eq!(fitted.graph_input(alone(), &context).unwrap().0, whole.slice(s![13..30, ..]));
        // Without its bounds nobody says that it is one query.
        let unbound = Batch { queries: QueryBounds::Absent, ..alone() };
        let error = fitted.transform(unbound, &context).unwrap_err();
        assert_eq!(error.message, "`per_query` got 17 rows without their queries");
    }

    #[test]
    fn queries_that_do_not_fit_the_rows_are_an_error() {
        for starts in [&[0, 13][..], &[0, 51], &[1, 50], &[0, 30, 20, 50]] {
            let error = fit(&PerQuery, json!({}), Features::Dense(rows()), starts).err().unwrap();
            assert!(
                error.message.starts_with("`per_query` got 50 rows, and queries that end at row "),
                "{}",
                error.message
            );
        }
        let (_, empty) = fit(&PerQuery, json!({}), Features::Dense(Array2::zeros((0, 5))), &[]).unwrap();
        assert_eq!(empty.n_rows(), 0);
        let error = fit(&PerQuery, json!({}), Features::Dense(rows()), &[]).err().unwrap();
        assert_eq!(error.message, "`per_query` got 50 rows without their queries");
    }
}
