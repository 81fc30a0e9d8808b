//! The baseline: says the same of every row. What a model must beat.
//!
//! The meaning is that of scikit-learn 1.9.1 (`DummyClassifier`): `prior` gives the class frequencies of the training
//! rows, `most_frequent` gives 1 to the most frequent class (of equally frequent ones the first) and 0 to the others.
//! It accepts a single class; the features are not looked at, only their number is checked.

use std::path::Path;

use ndarray::{Array1, Array2};

use super::family::{Estimator, Family, FitContext, Model};
use crate::catalog::{Named, Param, ParamKind, ParamProblem, Params};
use crate::data::dataset::{Dataset, Features};
use crate::error::{Error, Result};
use crate::onnx::{Graph, Value};
use crate::tensors::Tensors;

const FILE: &str = "model.safetensors";

/// The family `baseline`.
#[derive(Debug, Clone, Copy)]
pub struct Baseline;

impl Named for Baseline {
    fn name(&self) -> &'static str {
        "baseline"
    }

    fn about(&self) -> &'static str {
        "the class frequencies, whatever the features; what a model must beat"
    }
}

const PARAMS: &[Param] = &[Param {
    name: "strategy",
    kind: ParamKind::Choice(&["prior", "most_frequent"]),
    default: "\"prior\"",
    about: "prior gives every row the class frequencies, most_frequent gives the largest class probability 1",
}];

impl Family for Baseline {
    fn params(&self) -> &'static [Param] {
        PARAMS
    }

    fn configure(&self, params: &Params) -> Result<Box<dyn Estimator>, ParamProblem> {
        Ok(Box::new(if params.str("strategy") == "most_frequent" { Strategy::MostFrequent } else { Strategy::Prior }))
    }

    fn exports(&self) -> bool {
        true
    }

    fn load(&self, folder: &Path) -> Result<Box<dyn Model>> {
        let path = folder.join(FILE);
        let mut tensors = Tensors::load(&path)?;
        let (_, probabilities) = tensors.take_f64("probability")?;
        match tensors.take_u32("n_features")?.1.first() {
            Some(n_features) => Ok(Box::new(Constant { probabilities, n_features: *n_features as usize })),
            None => Err(Error::failed(format!("`{}` is damaged: `n_features` is empty", path.display()))),
        }
    }
}

#[derive(Debug)]
enum Strategy {
    Prior,
    MostFrequent,
}

impl Estimator for Strategy {
    fn fit(&self, train: &Dataset, context: &FitContext<'_>) -> Result<Box<dyn Model>> {
        context.check()?;
        let classes = train.targets.classes();
        if classes.is_empty() {
            return Err(Error::invalid("the baseline needs at least 1 training row, got 0"));
        }
        let mut counts = vec![0_usize; train.targets.labels().len()];
        for class in classes {
            counts[*class] += 1;
        }
        let most = counts.iter().max().and_then(|most| counts.iter().position(|count| count == most));
        let probability = |(class, count): (usize, &usize)| match self {
            Self::Prior => *count as f64 / classes.len() as f64,
            Self::MostFrequent => f64::from(u8::from(Some(class) == most)),
        };
        let probabilities = counts.iter().enumerate().map(probability).collect();
        Ok(Box::new(Constant { probabilities, n_features: train.features.n_features() }))
    }
}

#[derive(Debug)]
struct Constant {
    probabilities: Vec<f64>,
    n_features: usize,
}

impl Model for Constant {
    fn predict(&self, features: &Features) -> Result<Array2<f64>> {
        let (expected, got) = (self.n_features, features.n_features());
        if expected != got {
            return Err(Error::invalid_rows(format!("expected {expected} features, got {got}"))
                .hint("predict with the features that the model was trained on"));
        }
        let row = Array1::from(self.probabilities.clone());
        Ok(row.broadcast((features.n_rows(), row.len())).expect("a row fits any number of rows").to_owned())
    }

    fn onnx(&self, graph: &mut Graph, _features: &Value) -> Option<Value> {
        Some(graph.same_row(&self.probabilities))
    }

    fn save(&self, folder: &Path) -> Result<()> {
        Tensors::new()
            .f64("probability", &[self.probabilities.len()], self.probabilities.clone())
            .u32("n_features", &[1], vec![self.n_features as u32])
            .save(&folder.join(FILE))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::AtomicBool;

    use ndarray::array;

    use super::*;
    use crate::data::dataset::Targets;

    fn fitted(strategy: &str, index: &[usize]) -> Box<dyn Model> {
        let labels = ["a", "b", "c"].map(String::from).to_vec();
        let train = Dataset {
            features: Features::Dense(Array2::zeros((index.len(), 2))),
            targets: Targets::Classes { index: index.to_vec(), labels },
            ids: vec![String::new(); index.len()],
        };
        let given = BTreeMap::from([("strategy".to_owned(), strategy.into())]);
        let params = Params::checked(Baseline.params(), &given).unwrap();
        let never = AtomicBool::new(false);
        let context = FitContext::new(0, &|_| (), &never);
        Baseline.configure(&params).unwrap().fit(&train, &context).unwrap()
    }

    #[test]
    fn it_says_what_the_dummy_classifier_says() {
        // DummyClassifier(strategy=...).fit(X, [2, 0, 2, 0, 1]).predict_proba(X), scikit-learn 1.9.1.
        let rows = Features::Dense(Array2::ones((2, 2)));
        let folder = tempfile::tempdir().unwrap();
        for (strategy, expected) in [
            ("prior", array![[0.4, 0.2, 0.4], [0.4, 0.2, 0.4]]),
            ("most_frequent", array![[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]),
        ] {
            let model = fitted(strategy, &[2, 0, 2, 0, 1]);
            assert_eq!(model.predict(&rows).unwrap(), expected);
            model.save(folder.path()).unwrap();
            assert_eq!(Baseline.load(folder.path()).unwrap().predict(&rows).unwrap(), expected);
        }
        assert_eq!(fitted("prior", &[1, 1]).predict(&rows).unwrap().row(0), array![0.0, 1.0, 0.0]);
        let wrong = fitted("prior", &[1]).predict(&Features::Dense(Array2::ones((1, 5)))).unwrap_err();
        assert_eq!(wrong.message, "expected 2 features, got 5");
    }
}
