//! Data by formula for the tests: whole numbers divided by 997, so that Python makes the same f32.

use std::sync::atomic::AtomicBool;

use ndarray::Array2;
use serde_json::Value;

use crate::catalog::Params;
use crate::data::dataset::{Dataset, Features, Targets};
use crate::error::Result;
use crate::models::family::{Family, FitContext, Model};

/// 300 rows of 6 features in `n_classes` (2 or 3) classes.
pub fn dataset(n_classes: usize) -> Dataset {
    let cell = |i: usize, j: usize| (i * 37 + j * 101 + i * j * 17 + i * i * (j + 3)) % 997;
    let class = |i: usize| {
        let x = [0, 1, 2, 3].map(|j| cell(i, j));
        if n_classes == 3 {
            return (x[0] * 3 / 997 + usize::from(x[1] > 500) + usize::from(i.is_multiple_of(7))) % 3;
        }
        let high = 3 * 997 * x[0] + 4 * x[1] * x[2] > 997 * 997 * 3 / 2 + 2 * 997 * x[3];
        usize::from(high != i.is_multiple_of(11))
    };
    Dataset {
        features: Features::Dense(Array2::from_shape_fn((300, 6), |(i, j)| cell(i, j) as f32 / 997.0)),
        targets: Targets::Classes {
            index: (0..300).map(class).collect(),
            labels: (0..n_classes).map(|class| class.to_string()).collect(),
        },
        ids: (0..300).map(|row| row.to_string()).collect(),
    }
}

/// Fits a family with parameters as JSON.
pub fn fit(family: &dyn Family, params: Value, seed: u64, train: &Dataset) -> Result<Box<dyn Model>> {
    let given = serde_json::from_value(params).expect("an object");
    let params = Params::checked(family.params(), &given).expect("known parameters");
    let never = AtomicBool::new(false);
    let context = FitContext::new(seed, &|_| (), &never);
    family.configure(&params).expect("right parameters").fit(train, &context)
}
