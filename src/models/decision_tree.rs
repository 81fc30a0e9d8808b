//! Decision tree (CART): one tree on all rows, every split the best of all features.
//!
//! The meaning is that of scikit-learn 1.9.1 (`DecisionTreeClassifier`). Of splits that are equally good, the first in
//! a drawing order that depends on the seed is taken, there and here.

use std::path::Path;

use super::class_weight;
use super::family::{Estimator, Family, Model};
use super::trees::{CRITERION, Ensemble, MAX_DEPTH, MIN_SAMPLES_LEAF, MIN_SAMPLES_SPLIT, Plan, max_features_param};
use crate::catalog::{Named, Param, ParamProblem, Params};
use crate::error::Result;

/// The family `decision_tree`.
#[derive(Debug, Clone, Copy)]
pub struct DecisionTree;

impl Named for DecisionTree {
    fn name(&self) -> &'static str {
        "decision_tree"
    }

    fn about(&self) -> &'static str {
        "one tree of yes-or-no questions; easy to read, quick to overfit"
    }
}

const PARAMS: &[Param] =
    &[CRITERION, MAX_DEPTH, MIN_SAMPLES_SPLIT, MIN_SAMPLES_LEAF, max_features_param("\"all\""), class_weight::PARAM];

impl Family for DecisionTree {
    fn params(&self) -> &'static [Param] {
        PARAMS
    }

    fn configure(&self, params: &Params) -> Result<Box<dyn Estimator>, ParamProblem> {
        Ok(Box::new(Plan::of_one_tree(params)?))
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
    use ndarray::{Array2, array};
    use serde_json::json;

    use super::super::trees::samples::{dataset, fit};
    use super::*;
    use crate::data::dataset::{Dataset, Features, Targets};

    fn small(rows: Array2<f32>, index: &[usize]) -> Dataset {
        let ids = vec![String::new(); index.len()];
        let labels = ["a", "b"].map(String::from).to_vec();
        Dataset { features: Features::Dense(rows), targets: Targets::Classes { index: index.to_vec(), labels }, ids }
    }

    #[test]
    fn a_tree_worked_by_hand() {
        // The best first split of a a b b a on 0 1 2 3 9 is below 1.5: Gini 5·0.48 − 3·(4/9) = 16/15 against 0.4 and
        // 0.9 elsewhere; then {2, 3 | 9} splits at 6.
        let train = small(array![[9.0], [0.0], [1.0], [2.0], [3.0]], &[0, 0, 0, 1, 1]);
        let rows = Features::Dense(array![[1.5], [1.500_000_1], [6.0], [6.000_001]]);
        let whole = fit(&DecisionTree, json!({}), 0, &train).unwrap();
        assert_eq!(whole.predict(&rows).unwrap().column(1), array![0.0, 1.0, 1.0, 0.0]);
        assert_eq!(whole.importance().unwrap(), [1.0]);
        assert_eq!(whole.facts(), [("n_trees", 1.0), ("n_leaves", 3.0), ("depth", 2.0)]);
        let stump = fit(&DecisionTree, json!({"max_depth": 1}), 0, &train).unwrap();
        assert_eq!(stump.predict(&rows).unwrap().column(1), array![0.0, 2.0 / 3.0, 2.0 / 3.0, 2.0 / 3.0]);
        let weighted = json!({"max_depth": 1, "class_weight": {"a": 4}});
        let weighted = fit(&DecisionTree, weighted, 0, &train).unwrap();
        assert_eq!(weighted.predict(&rows).unwrap().column(1), array![0.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0]);
        // Five rows cannot give two leaves of three, and are fewer than six.
        for limit in [json!({"min_samples_leaf": 3}), json!({"min_samples_split": 6})] {
            let leaf = fit(&DecisionTree, limit, 0, &train).unwrap();
            assert_eq!(leaf.predict(&rows).unwrap().column(1), array![0.4, 0.4, 0.4, 0.4]);
        }
    }

    #[test]
    fn constant_features_do_not_use_up_the_draw() {
        // One feature of ten varies; with a draw of one it must be found all the same, at both levels.
        let rows = Array2::from_shape_fn((90, 10), |(row, column)| if column == 6 { (row / 30) as f32 } else { 5.0 });
        let index: Vec<usize> = (0..90).map(|row| usize::from(row / 30 == 1)).collect();
        let train = small(rows, &index);
        for seed in 0..10 {
            let model = fit(&DecisionTree, json!({"max_features": 1}), seed, &train).unwrap();
            assert_eq!(model.importance().unwrap(), [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
            assert_eq!(model.facts()[1], ("n_leaves", 3.0));
        }
        // Values 1e-7 apart are the same value.
        let near = small(array![[1e-8], [2e-8]], &[0, 1]);
        assert_eq!(fit(&DecisionTree, json!({}), 0, &near).unwrap().facts()[1], ("n_leaves", 1.0));
    }

    #[test]
    fn importances_and_probabilities_are_those_of_scikit_learn() {
        // DecisionTreeClassifier(max_depth=3, ...), scikit-learn 1.9.1, equal for 20 random states (no ties).
        let check = |n_classes, params: &serde_json::Value, importance: [f64; 6], ones: &[f64]| {
            let train = dataset(n_classes);
            for seed in 0..3 {
                let model = fit(&DecisionTree, params.clone(), seed, &train).unwrap();
                let ours = model.importance().unwrap();
                assert!(ours.iter().zip(importance).all(|(our, their)| (our - their).abs() < 1e-9), "{ours:?}");
                let predicted = model.predict(&train.features).unwrap();
                let ours = [1, 7, 20, 33].map(|row| predicted[[row, 1]]);
                assert!(ours.iter().zip(ones).all(|(our, their)| (our - their).abs() < 1e-9), "{ours:?}");
            }
        };
        let base = |extra: serde_json::Value| {
            let mut params = json!({"max_depth": 3, "min_samples_leaf": 15});
            params.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            params
        };
        check(
            2,
            &base(json!({})),
            [0.487_913_614_8, 0.200_855_077_2, 0.045_373_218_1, 0.265_858_089_8, 0.0, 0.0],
            &[0.117_117_117_1, 0.408_163_265_3, 0.983_050_847_4, 0.117_117_117_1],
        );
        check(
            2,
            &base(json!({"criterion": "entropy"})),
            [0.376_341_607_4, 0.167_491_176_9, 0.153_256_761_9, 0.276_048_089_5, 0.0, 0.026_862_364_0],
            &[0.117_117_117_1, 0.408_163_265_3, 1.0, 0.117_117_117_1],
        );
        check(
            2,
            &base(json!({"class_weight": {"1": 2.5}})),
            [0.471_516_580_4, 0.299_121_320_6, 0.022_291_232_3, 0.207_070_866_5, 0.0, 0.0],
            &[0.259_515_570_9, 0.259_515_570_9, 0.980_392_156_8, 0.843_373_493_9],
        );
        check(3, &base(json!({"min_samples_leaf": 10})), [0.610_185_664_9, 0.389_814_335_0, 0.0, 0.0, 0.0, 0.0], &[]);
    }
}
