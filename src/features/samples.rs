//! What the tests of numeric steps share: rows by formula, so that Python makes the same f32, and the ways to look at a step.

use ndarray::Array2;
use serde_json::Value;

use super::batch::{Batch, QueryBounds, Signal};
use super::step::{Fitted, StepKind};
use crate::catalog::Params;
use crate::data::dataset::{Csr, Features};
use crate::embeddings::EmbedContext;
use crate::error::Result;
use crate::onnx::{Facts, Graph, Kind, Runtime};

/// 50 rows of 5 columns between −30 and 70, the last of them 7 everywhere.
pub fn rows() -> Array2<f32> {
    let cell = |i: usize, j: usize| ((i * 37 + j * 101 + i * j * 17 + i * i * (j + 3)) % 997) as f64 / 997.0;
    Array2::from_shape_fn((50, 5), |(i, j)| if j == 4 { 7.0 } else { (cell(i, j) * 100.0 - 30.0) as f32 })
}

/// Rows that are of no query, counted from 1.
pub fn no_queries(signal: Signal) -> Batch {
    Batch::new(signal, QueryBounds::Absent, None)
}

/// Fits a step with parameters as JSON; `starts` are those of the queries, where the rows are of any.
pub fn fit(kind: &dyn StepKind, given: Value, rows: Features, starts: &[usize]) -> Result<(Box<dyn Fitted>, Features)> {
    let params = Params::checked(kind.params(), &serde_json::from_value(given).expect("an object")).expect("known");
    let queries = if starts.is_empty() { QueryBounds::Absent } else { QueryBounds::Starts(starts.into()) };
    let step = kind.configure(&params).map_err(|problem| problem.message).expect("right");
    let train = Batch::new(Signal::Matrix(rows), queries, None);
    let (fitted, features, _) = step.fit_transform(train, &EmbedContext::bare(".".as_ref()))?;
    Ok((fitted, features))
}

/// The dense matrix.
pub fn dense(features: Features) -> Array2<f32> {
    match features {
        Features::Dense(matrix) => matrix,
        Features::Sparse(_) => unreachable!("dense in, dense out"),
    }
}

/// The same rows, zeros left out.
pub fn sparse(rows: &Array2<f32>) -> Features {
    let mut sparse = Csr { n_cols: rows.ncols(), indptr: vec![0], ..Csr::default() };
    for row in rows.rows() {
        for (column, value) in row.iter().enumerate().filter(|(_, value)| **value != 0.0) {
            sparse.indices.push(column as u32);
            sparse.values.push(*value);
        }
        sparse.indptr.push(sparse.values.len());
    }
    Features::Sparse(sparse)
}

/// Rows 7, 27 and 47 are these.
pub fn close(got: &Array2<f32>, expected: [[f64; 5]; 3]) {
    for (row, expected) in [7, 27, 47].into_iter().zip(expected) {
        for (got, expected) in got.row(row).iter().zip(expected) {
            assert!((f64::from(*got) - expected).abs() < 1e-6, "row {row}: {got} is not {expected}");
        }
    }
}

/// What an exported step gives for rows.
pub fn exported(fitted: &dyn Fitted, rows: &Array2<f32>) -> Array2<f32> {
    let mut graph = Graph::new("features", rows.ncols());
    let input = graph.input();
    let output = fitted.onnx(&mut graph, &input);
    graph.output("out", &output, Kind::Float32, Some(rows.ncols()));
    let outputs = Runtime::new(&graph.bytes(&Facts::default())).unwrap().run(rows).unwrap();
    outputs["out"].floats().unwrap().clone()
}
