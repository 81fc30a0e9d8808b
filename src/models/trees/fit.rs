//! Fitting trees: the parameters they share, the bootstrap, and the growing in parallel.
//!
//! The bootstrap is that of scikit-learn 1.9.1: n rows are drawn with replacement, each with a probability in
//! proportion to its class weight, and then count once per draw. (Older versions drew evenly and multiplied class
//! weights in; a class has the same expected weight either way.) Without bootstrap a row weighs its class weight.
//! Every tree draws from its own stream of (seed, tree), so threads do not matter.

use std::sync::{Mutex, PoisonError};

use rand::RngExt;
use rand_pcg::Pcg64;
use rayon::prelude::*;
use serde_json::Value;

use super::columns::{Code, Columns, dense};
use super::ensemble::Ensemble;
use super::grow::{ABSENT, Grown, Kind, Limits, Sample, grow};
use super::impurity::Criterion;
use crate::catalog::{Param, ParamKind, ParamProblem, Params};
use crate::data::dataset::{Dataset, Targets};
use crate::error::{Error, Result};
use crate::models::class_weight::ClassWeight;
use crate::models::family::{Estimator, Event, FitContext, Model};

/// Parameter `criterion`.
pub const CRITERION: Param = Param {
    name: "criterion",
    kind: ParamKind::Choice(&["gini", "entropy"]),
    default: "\"gini\"",
    about: "what a good split lowers: gini or entropy",
};

/// Parameter `max_depth`.
pub const MAX_DEPTH: Param = Param {
    name: "max_depth",
    kind: ParamKind::Integer { min: 1 },
    default: "null",
    about: "the most splits from root to leaf; null grows until the leaves are pure",
};

/// Parameter `min_samples_split`.
pub const MIN_SAMPLES_SPLIT: Param = Param {
    name: "min_samples_split",
    kind: ParamKind::Integer { min: 2 },
    default: "2",
    about: "a node with fewer distinct rows is a leaf",
};

/// Parameter `min_samples_leaf`.
pub const MIN_SAMPLES_LEAF: Param = Param {
    name: "min_samples_leaf",
    kind: ParamKind::Integer { min: 1 },
    default: "1",
    about: "the fewest distinct rows in a leaf",
};

/// Parameter `max_features`, with this default as JSON text.
#[must_use]
pub const fn max_features_param(default: &'static str) -> Param {
    let schema = r#"{"anyOf": [{"enum": ["sqrt", "log2", "all"]}, {"type": "integer", "minimum": 1},
        {"type": "number", "exclusiveMinimum": 0, "maximum": 1}]}"#;
    Param {
        name: "max_features",
        kind: ParamKind::Custom(ALLOWED, schema),
        default,
        about: "how many features a split may choose from: sqrt, log2, all, a fraction (0.3; 1.0 is all) or a number",
    }
}

const ALLOWED: &str = "sqrt, log2, all, a whole number of at least 1, or a fraction above 0 and at most 1.0";

/// How many features a split may choose from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MaxFeatures {
    /// The square root of their number.
    Sqrt,
    /// The binary logarithm of their number.
    Log2,
    /// All of them.
    All,
    /// This part of them.
    Fraction(f64),
    /// This many.
    Count(usize),
}

impl MaxFeatures {
    /// Reads the parameter's value: `1` is one feature, `1.0` is all.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(value: &Value) -> Result<Self, ParamProblem> {
        match (value, value.as_u64(), value.as_f64()) {
            (Value::Null, ..) => Ok(Self::All),
            (Value::String(word), ..) if word == "sqrt" => Ok(Self::Sqrt),
            (Value::String(word), ..) if word == "log2" => Ok(Self::Log2),
            (Value::String(word), ..) if word == "all" => Ok(Self::All),
            (_, Some(count), _) if count >= 1 => Ok(Self::Count(usize::try_from(count).unwrap_or(usize::MAX))),
            (_, None, Some(part)) if part > 0.0 && part <= 1.0 => Ok(Self::Fraction(part)),
            _ => {
                let got = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                Err(ParamProblem {
                    name: "max_features".into(),
                    message: format!("`max_features` expects {ALLOWED}, got `{got}`"),
                    hint: value.as_str().map(|word| crate::catalog::known_hint(word, ["sqrt", "log2", "all"])),
                })
            }
        }
    }

    /// The number of features out of `n_features`; at least 1.
    #[must_use]
    pub fn of(self, n_features: usize) -> usize {
        let number = match self {
            Self::Sqrt => n_features.isqrt(),
            Self::Log2 => n_features.checked_ilog2().unwrap_or_default() as usize,
            Self::All => n_features,
            Self::Fraction(part) => (part * n_features as f64) as usize,
            Self::Count(count) => count.min(n_features),
        };
        number.max(1)
    }
}

/// Checked parameters: what to grow.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Number of trees.
    pub n_trees: usize,
    /// Whether every tree learns from its own draw of the rows.
    pub bootstrap: bool,
    /// Class weights.
    pub class_weight: ClassWeight,
    criterion: Criterion,
    max_depth: usize,
    min_samples_split: usize,
    min_samples_leaf: usize,
    max_features: MaxFeatures,
}

impl Plan {
    /// Reads the shared parameters: one tree, no bootstrap.
    ///
    /// # Errors
    /// The parameter that is wrong.
    pub fn of_one_tree(params: &Params) -> Result<Self, ParamProblem> {
        Ok(Self {
            n_trees: 1,
            bootstrap: false,
            class_weight: ClassWeight::parse(params.get("class_weight"))?,
            criterion: if params.str("criterion") == "entropy" { Criterion::Entropy } else { Criterion::Gini },
            max_depth: params.usize_opt("max_depth").unwrap_or(usize::MAX),
            min_samples_split: params.usize("min_samples_split"),
            min_samples_leaf: params.usize("min_samples_leaf"),
            max_features: MaxFeatures::parse(params.get("max_features"))?,
        })
    }

    /// Grows the trees.
    ///
    /// # Errors
    /// `Invalid` for data without features, with NaN, or with one class only; `Interrupted`.
    pub fn grow(&self, train: &Dataset, context: &FitContext<'_>) -> Result<Ensemble> {
        let n_features = train.features.n_features();
        if n_features == 0 {
            return Err(Error::invalid("trees need at least 1 feature, got 0"));
        }
        let n_rows = train.features.n_rows();
        if n_rows > u32::MAX_ROWS {
            return Err(Error::invalid(format!("trees take at most {} rows, got {n_rows}", u32::MAX_ROWS)));
        }
        train.features.check_finite(&train.ids)?;
        let drawing = Drawing::new(&train.targets, &self.class_weight)?;
        let limits = Limits {
            criterion: self.criterion,
            max_depth: self.max_depth,
            min_samples_split: self.min_samples_split,
            min_samples_leaf: self.min_samples_leaf,
            max_features: self.max_features.of(n_features),
        };
        let matrix = dense(&train.features)?;
        let grown = if n_rows <= u16::MAX_ROWS {
            self.grow_all(&Columns::<u16>::new(&matrix), &drawing, &limits, context)
        } else {
            self.grow_all(&Columns::<u32>::new(&matrix), &drawing, &limits, context)
        }?;
        Ok(Ensemble::new(grown, train.targets.labels().len(), n_features))
    }

    fn grow_all<C: Code>(
        &self,
        columns: &Columns<C>,
        drawing: &Drawing<'_>,
        limits: &Limits,
        context: &FitContext<'_>,
    ) -> Result<Vec<Grown>> {
        // Told under the lock: one listener call at a time, counting upwards.
        let done = Mutex::new(0);
        let tree = |index: usize| {
            context.check()?;
            let mut random = stream(context.seed, index as u64);
            let sample = if self.bootstrap { drawing.bootstrap(&mut random) } else { drawing.everything() };
            let grown = grow(columns, &sample, limits, random, &|| context.check())?;
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            *done += 1;
            context.tell(&Event::Progress { done: *done, total: self.n_trees, unit: "tree" });
            Ok(grown)
        };
        (0..self.n_trees).into_par_iter().with_max_len(1).map(tree).collect()
    }
}

/// The random stream of one tree.
fn stream(seed: u64, tree: u64) -> Pcg64 {
    // SplitMix64's finaliser: neighbouring seeds and trees start far apart.
    let mix = |number: u64| {
        let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ number >> 31
    };
    let word = |step: u64| mix(mix(seed.wrapping_add(step.wrapping_mul(0x9e37_79b9_7f4a_7c15))) ^ tree);
    Pcg64::new(u128::from(word(1)) << 64 | u128::from(word(2)), u128::from(word(3)) << 64 | u128::from(word(4)))
}

/// How the rows of a tree are drawn.
struct Drawing<'a> {
    classes: &'a [usize],
    weights: Vec<f64>,
    /// The rows of each class.
    members: Vec<Vec<u32>>,
    /// Running total over the classes of rows × class weight.
    cumulative: Vec<f64>,
}

impl<'a> Drawing<'a> {
    fn new(targets: &'a Targets, class_weight: &ClassWeight) -> Result<Self> {
        let (classes, labels) = (targets.classes(), targets.labels());
        let weights = class_weight.weights(targets)?;
        let mut members = vec![Vec::new(); labels.len()];
        for (row, class) in classes.iter().enumerate() {
            members[*class].push(row as u32);
        }
        let present: Vec<&str> =
            members.iter().zip(labels).filter(|(rows, _)| !rows.is_empty()).map(|(_, label)| label.as_str()).collect();
        if present.len() < 2 {
            let only = present.first().map_or(String::new(), |label| format!(" (`{label}`)"));
            let message = format!("trees need training rows of at least 2 classes, got {}{only}", present.len());
            return Err(Error::invalid(message).hint("the `baseline` family learns from a single class"));
        }
        let running = members.iter().zip(&weights).scan(0.0, |sum, (rows, weight)| {
            *sum += rows.len() as f64 * weight;
            Some(*sum)
        });
        Ok(Self { classes, cumulative: running.collect(), weights, members })
    }

    /// As many draws as there are rows; a row counts as often as it was drawn.
    fn bootstrap(&self, random: &mut Pcg64) -> Sample {
        let n_rows = self.classes.len() as u64;
        let even = self.weights.iter().all(|weight| (weight - self.weights[0]).abs() < f64::EPSILON);
        let total = self.cumulative.last().copied().unwrap_or_default();
        let mut counts = vec![0_u32; self.classes.len()];
        for _ in 0..n_rows {
            let row = if even {
                random.random_range(0..n_rows) as usize
            } else {
                let point = random.random::<f64>() * total;
                // Rounding can push the point onto the total: then the last class that has rows.
                let class = self.cumulative.partition_point(|sum| *sum <= point);
                let last = self.members.iter().rposition(|rows| !rows.is_empty()).unwrap_or_default();
                let members = &self.members[class.min(last)];
                members[random.random_range(0..members.len() as u64) as usize] as usize
            };
            counts[row] += 1;
        }
        let stride = counts.iter().max().map_or(0, |most| *most as usize) + 1;
        let of_rows = counts.iter().zip(self.classes).map(|(count, class)| match count {
            0 => ABSENT,
            count => (class * stride) as u32 + count,
        });
        let kinds = (0..self.weights.len() * stride)
            .map(|kind| Kind { class: (kind / stride) as u32, weight: (kind % stride) as f64 });
        Sample { kinds_of_rows: of_rows.collect(), kinds: kinds.collect(), n_classes: self.weights.len() }
    }

    /// Every row once, with the weight of its class.
    fn everything(&self) -> Sample {
        let kinds =
            self.weights.iter().enumerate().map(|(class, weight)| Kind { class: class as u32, weight: *weight });
        Sample {
            kinds_of_rows: self.classes.iter().map(|class| *class as u32).collect(),
            kinds: kinds.collect(),
            n_classes: self.weights.len(),
        }
    }
}

impl Estimator for Plan {
    fn fit(&self, train: &Dataset, context: &FitContext<'_>) -> Result<Box<dyn Model>> {
        Ok(Box::new(self.grow(train, context)?))
    }

    fn class_weights(&self, targets: &Targets) -> Result<Option<Vec<f64>>> {
        self.class_weight.shifting(targets)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn max_features_are_those_of_scikit_learn() {
        // RandomForestClassifier(max_features=...).fit(...).estimators_[0].max_features_, scikit-learn 1.9.1.
        let of = |value: Value, n_features| MaxFeatures::parse(&value).unwrap().of(n_features);
        assert_eq!([of(json!("sqrt"), 768), of(json!("log2"), 768), of(json!("all"), 768)], [27, 9, 768]);
        assert_eq!([of(json!(null), 7), of(json!(1.0), 7), of(json!(1), 7), of(json!(0.3), 7)], [7, 7, 1, 2]);
        assert_eq!([of(json!(0.01), 7), of(json!(99), 7), of(json!("log2"), 1)], [1, 7, 1]);
        for wrong in [json!(0), json!(0.0), json!(1.5), json!(-1), json!(true), json!([1])] {
            assert!(MaxFeatures::parse(&wrong).is_err(), "{wrong}");
        }
        assert_eq!(MaxFeatures::parse(&json!("sqtr")).unwrap_err().hint.unwrap(), "did you mean `sqrt`?");
        assert!(max_features_param("\"sqrt\"").schema()["anyOf"].is_array());
    }

    #[test]
    fn the_bootstrap_draws_rows_by_their_class_weight() {
        let index: Vec<usize> = (0..3000).map(|row| usize::from(row % 10 == 0)).collect();
        let targets = Targets::Classes { index, labels: ["a", "b"].map(String::from).to_vec() };
        // 300 of 3000 rows are of class b: evenly drawn 300 ± 16, balanced 1500 ± 27.
        for (word, expected) in [("none", 300.0), ("balanced", 1500.0)] {
            let class_weight = ClassWeight::parse(&json!(word)).unwrap();
            let drawing = Drawing::new(&targets, &class_weight).unwrap();
            let sample = drawing.bootstrap(&mut stream(7, 0));
            let drawn = sample.kinds_of_rows.iter().filter(|kind| **kind != ABSENT);
            let mut totals = [0.0; 2];
            for kind in drawn.map(|kind| sample.kinds[*kind as usize]) {
                totals[kind.class as usize] += kind.weight;
            }
            assert!((totals[0] + totals[1] - 3000.0).abs() < 1e-9);
            assert!((totals[1] - expected).abs() < 110.0, "{word}: {totals:?}");
            assert_ne!(sample.kinds_of_rows, drawing.bootstrap(&mut stream(7, 1)).kinds_of_rows);
            assert_eq!(sample.kinds_of_rows, drawing.bootstrap(&mut stream(7, 0)).kinds_of_rows);
        }
    }
}
