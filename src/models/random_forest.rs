//! Random forest: the mean of many trees, each grown on its own draw of the rows, each split on a draw of the features.
//!
//! Probabilities are the mean over the trees of the class frequencies in the leaf. Importances are the mean decrease
//! in impurity, normalised per tree, then averaged. The meaning is that of scikit-learn 1.9.1
//! (`RandomForestClassifier`); its random numbers differ, so its forests agree in distribution, not tree by tree.

use std::path::Path;

use super::class_weight;
use super::family::{Estimator, Family, Model};
use super::trees::{CRITERION, Ensemble, MAX_DEPTH, MIN_SAMPLES_LEAF, MIN_SAMPLES_SPLIT, Plan, max_features_param};
use crate::catalog::{Named, Param, ParamKind, ParamProblem, Params};
use crate::error::Result;

/// The family `random_forest`.
#[derive(Debug, Clone, Copy)]
pub struct RandomForest;

impl Named for RandomForest {
    fn name(&self) -> &'static str {
        "random_forest"
    }

    fn about(&self) -> &'static str {
        "many randomised trees, averaged; strong on tables without tuning"
    }
}

const PARAMS: &[Param] = &[
    Param {
        name: "n_estimators",
        kind: ParamKind::Integer { min: 1 },
        default: "100",
        about: "number of trees; more are never worse, only slower",
    },
    CRITERION,
    MAX_DEPTH,
    MIN_SAMPLES_SPLIT,
    MIN_SAMPLES_LEAF,
    max_features_param("\"sqrt\""),
    class_weight::PARAM,
    Param {
        name: "bootstrap",
        kind: ParamKind::Bool,
        default: "true",
        about: "whether every tree draws its rows with replacement; false gives it all rows",
    },
];

impl Family for RandomForest {
    fn params(&self) -> &'static [Param] {
        PARAMS
    }

    fn configure(&self, params: &Params) -> Result<Box<dyn Estimator>, ParamProblem> {
        let mut plan = Plan::of_one_tree(params)?;
        (plan.n_trees, plan.bootstrap) = (params.usize("n_estimators"), params.bool("bootstrap"));
        Ok(Box::new(plan))
    }

    fn exports(&self) -> bool {
        true
    }

    fn load(&self, folder: &Path) -> Result<Box<dyn Model>> {
        Ok(Box::new(Ensemble::load(folder)?))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;
    use std::sync::atomic::AtomicBool;

    use ndarray::Array2;
    use serde_json::json;

    use super::super::family::{Event, FitContext};
    use super::super::trees::samples::{dataset, fit};
    use super::*;
    use crate::data::dataset::{Csr, Features, Targets};
    use crate::error::ErrorKind;

    #[test]
    fn threads_change_no_byte_and_a_saved_forest_predicts_the_same() {
        let (train, params) = (dataset(3), json!({"n_estimators": 9, "class_weight": "balanced"}));
        let bytes = |threads: usize, seed| {
            let folder = tempfile::tempdir().unwrap();
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let model = pool.install(|| fit(&RandomForest, params.clone(), seed, &train)).unwrap();
            model.save(folder.path()).unwrap();
            let again = RandomForest.load(folder.path()).unwrap();
            assert_eq!(again.predict(&train.features).unwrap(), model.predict(&train.features).unwrap());
            assert_eq!((again.importance(), again.facts()), (model.importance(), model.facts()));
            std::fs::read(folder.path().join("model.safetensors")).unwrap()
        };
        assert_eq!(bytes(1, 5), bytes(4, 5));
        assert_ne!(bytes(1, 5), bytes(1, 6));
    }

    #[test]
    fn importances_are_near_those_of_scikit_learn() {
        // RandomForestClassifier(200), mean over 10 random states, scikit-learn 1.9.1; one forest strays by 0.006.
        let theirs = [0.3027, 0.1891, 0.1670, 0.1647, 0.0814, 0.0951];
        let model = fit(&RandomForest, json!({"n_estimators": 200}), 1, &dataset(2)).unwrap();
        let ours = model.importance().unwrap();
        assert!((ours.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!(ours.iter().zip(theirs).all(|(our, their)| (our - their).abs() < 0.025), "{ours:?}");
        let sums = model.predict(&dataset(2).features).unwrap().sum_axis(ndarray::Axis(1));
        assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-12));
    }

    #[test]
    fn sparse_rows_give_the_same_forest_as_dense_ones() {
        let mut train = dataset(2);
        let Features::Dense(matrix) = &mut train.features else { unreachable!("made dense") };
        matrix.mapv_inplace(|value| if value < 0.5 { 0.0 } else { value });
        let mut sparse = Csr { n_cols: 6, indptr: vec![0], ..Csr::default() };
        for row in matrix.rows() {
            for (column, value) in row.iter().enumerate().filter(|(_, value)| **value > 0.0) {
                sparse.indices.push(column as u32);
                sparse.values.push(*value);
            }
            sparse.indptr.push(sparse.indices.len());
        }
        let params = json!({"n_estimators": 5});
        let dense_model = fit(&RandomForest, params.clone(), 0, &train).unwrap();
        let expected = dense_model.predict(&train.features).unwrap();
        train.features = Features::Sparse(sparse);
        let sparse_model = fit(&RandomForest, params, 0, &train).unwrap();
        assert_eq!(sparse_model.predict(&train.features).unwrap(), expected);
    }

    #[test]
    fn what_cannot_be_done_is_said() {
        let small = json!({"n_estimators": 2});
        let mut train = dataset(2);
        let model = fit(&RandomForest, small.clone(), 0, &train).unwrap();
        let error = model.predict(&Features::Dense(Array2::zeros((1, 4)))).unwrap_err();
        assert_eq!(error.message, "expected 6 features, got 4");
        assert_eq!(model.predict(&Features::Dense(Array2::zeros((0, 6)))).unwrap().dim(), (0, 2));
        let Targets::Classes { index, .. } = &mut train.targets else { unreachable!("made with classes") };
        index.fill(1);
        let error = fit(&RandomForest, small.clone(), 0, &train).err().unwrap();
        assert_eq!(
            (error.kind, error.message.as_str()),
            (ErrorKind::Invalid, "trees need training rows of at least 2 classes, got 1 (`1`)")
        );
        let wrong = |name: &str, value: &str| {
            let given = BTreeMap::from([(name.to_owned(), value.into())]);
            RandomForest.configure(&Params::checked(PARAMS, &given).unwrap()).err().unwrap().name
        };
        assert_eq!(wrong("class_weight", "balanced_subsample"), "class_weight");
        assert_eq!(wrong("max_features", "auto"), "max_features");
        let folder = tempfile::tempdir().unwrap();
        model.save(folder.path()).unwrap();
        let path = folder.path().join("model.safetensors");
        let mut bytes = std::fs::read(&path).unwrap();
        // Every array of numbers in the second half of the file becomes nonsense.
        let half = bytes.len() / 2;
        bytes[half..].fill(0x7f);
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(RandomForest.load(folder.path()).err().unwrap().kind, ErrorKind::Failed);
    }

    #[test]
    fn progress_counts_upwards_and_an_interrupt_stops() {
        let params = Params::checked(PARAMS, &BTreeMap::from([("n_estimators".to_owned(), 7.into())])).unwrap();
        let (estimator, heard) = (RandomForest.configure(&params).unwrap(), Mutex::new(Vec::new()));
        let observe = |event: &Event<'_>| match event {
            Event::Progress { done, total: 7, unit: "tree" } => heard.lock().unwrap().push(*done),
            other => unreachable!("{other:?}"),
        };
        let interrupted = AtomicBool::new(false);
        estimator.fit(&dataset(2), &FitContext::new(0, &observe, &interrupted)).unwrap();
        assert_eq!(*heard.lock().unwrap(), [1, 2, 3, 4, 5, 6, 7]);
        interrupted.store(true, std::sync::atomic::Ordering::Relaxed);
        let context = FitContext::new(0, &observe, &interrupted);
        assert_eq!(estimator.fit(&dataset(2), &context).err().unwrap().kind, ErrorKind::Interrupted);
    }
}
