//! A ranking set for the tests: queries of 6 documents, whose grade (0 to 2) is in the first feature among noise.

use std::sync::atomic::AtomicBool;

use ndarray::Array2;
use serde_json::Value;

use super::early_stopping::Judge;
use super::family::{Event, Family, FitContext, Model};
use super::relevance::Relevance;
use crate::catalog::{ParamProblem, Params};
use crate::data::dataset::{Dataset, Features, Targets};
use crate::error::Result;

/// Queries from number `first` on, so that two sets are not the same.
pub fn queries(first: usize, n_queries: usize) -> Dataset {
    let n = n_queries * 6;
    let at = |row: usize| row + first * 6;
    let grades: Vec<u8> = (0..n).map(|row| (at(row) * 7 % 13 % 3) as u8).collect();
    let noise = |row: usize, pace: f32| (at(row) as f32 * pace).sin();
    let cell = |(row, column): (usize, usize)| match column {
        0 => f32::from(grades[row]) + 0.6 * noise(row, 1.7),
        1 => noise(row, 2.3),
        _ => 1.0 + noise(row, 0.9),
    };
    Dataset {
        features: Features::Dense(Array2::from_shape_fn((n, 3), cell)),
        targets: Targets::Relevance { grades: grades.clone(), starts: (0..=n).step_by(6).collect() },
        ids: (0..n).map(|row| format!("d{row}")).collect(),
    }
}

/// A list of parameters for both sections of a config, model and training.
pub fn params(family: &dyn Family, given: Value) -> Params {
    let given = serde_json::from_value(given).expect("an object");
    let all = [family.params(), family.training()].concat();
    Params::checked(&all, &given).expect("known parameters")
}

/// Fits a family with parameters as JSON; 80 training and 30 validation queries, seed 1.
pub fn fit(family: &dyn Family, given: Value, observe: &(dyn Fn(&Event<'_>) + Sync)) -> Result<Box<dyn Model>> {
    let never = AtomicBool::new(false);
    let (train, valid) = (queries(0, 80), queries(200, 30));
    let context = FitContext::new(1, observe, &never).valid(Some(&valid));
    family.configure(&params(family, given)).map_err(|problem| problem.message).expect("right").fit(&train, &context)
}

/// What a family says of wrong parameters.
pub fn problem(family: &dyn Family, given: Value) -> ParamProblem {
    family.configure(&params(family, given)).err().expect("refused")
}

/// NDCG@10 of a model on queries that it has not seen.
pub fn ndcg(model: &dyn Model) -> f64 {
    let (train, test) = (queries(0, 1), queries(300, 40));
    let scores = model.predict(&test.features).expect("as wide").into_raw_vec_and_offset().0;
    let never = AtomicBool::new(false);
    let context = FitContext::new(1, &|_| (), &never).valid(Some(&test));
    let train = Relevance::of(&train, "training").expect("sound");
    let judge = Judge::new(&train, None, &context, "").expect("sound").expect("there are rows");
    judge.measure(&scores).expect("finite")[0].1
}
