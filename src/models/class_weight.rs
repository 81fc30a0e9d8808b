//! The `class_weight` parameter: how much a training row of each class counts.
//!
//! `none` (or null) counts every row once. `balanced` gives class c the weight `n / (k · n_c)`, where n is the number
//! of training rows, `n_c` how many of them are of class c, and k how many classes occur: then every class has the same
//! total weight and the mean weight of a row is 1. A map `{label: weight}` is taken as written; a class it does not
//! name weighs 1. The numbers are those of scikit-learn 1.9 (`compute_class_weight`); a class without training rows
//! weighs 1, because nothing ever reads its weight.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::catalog::{Param, ParamKind, ParamProblem, known_hint};
use crate::data::dataset::Targets;
use crate::error::{Error, Result};

/// The parameter as the families list it.
pub const PARAM: Param = Param {
    name: "class_weight",
    kind: ParamKind::Custom(
        ALLOWED,
        r#"{"anyOf": [{"enum": ["none", "balanced"]},
            {"type": "object", "minProperties": 1,
             "additionalProperties": {"type": "number", "exclusiveMinimum": 0}}]}"#,
    ),
    default: "null",
    about: "how much a training row of each class counts: none, balanced, or {label: weight}",
};

const ALLOWED: &str = "none, balanced, or a map from class labels to weights above 0";

/// How much a training row of each class counts.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum ClassWeight {
    /// Every row counts once.
    #[default]
    None,
    /// Every class has the same total weight.
    Balanced,
    /// The weight of each named class; the others weigh 1.
    Explicit(BTreeMap<String, f64>),
}

impl ClassWeight {
    /// Reads the parameter's value.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(value: &Value) -> Result<Self, ParamProblem> {
        let problem =
            |message: String, hint: String| ParamProblem { name: PARAM.name.into(), message, hint: Some(hint) };
        match value {
            Value::Null => Ok(Self::None),
            Value::String(word) => match word.as_str() {
                "none" => Ok(Self::None),
                "balanced" => Ok(Self::Balanced),
                _ => Err(problem(
                    format!("`class_weight` expects {ALLOWED}, got `{word}`"),
                    known_hint(word, ["none", "balanced"]),
                )),
            },
            Value::Object(map) if !map.is_empty() => {
                let weights = map.iter().map(|(label, weight)| match weight.as_f64() {
                    Some(number) if number > 0.0 && number.is_finite() => Ok((label.clone(), number)),
                    _ => Err(problem(
                        format!("`class_weight` of `{label}` expects a number above 0, got `{weight}`"),
                        PARAM.about.into(),
                    )),
                });
                Ok(Self::Explicit(weights.collect::<Result<_, _>>()?))
            }
            other => Err(problem(format!("`class_weight` expects {ALLOWED}, got `{other}`"), PARAM.about.into())),
        }
    }

    /// The weight of each class, in the order of the labels.
    ///
    /// # Errors
    /// `Invalid` when a named label is not a class.
    pub fn weights(&self, targets: &Targets) -> Result<Vec<f64>> {
        let labels = targets.labels();
        match self {
            Self::None => Ok(vec![1.0; labels.len()]),
            Self::Balanced => {
                let mut counts = vec![0_usize; labels.len()];
                for class in targets.classes() {
                    counts[*class] += 1;
                }
                let occurring = counts.iter().filter(|count| **count > 0).count();
                let weight = |count: &usize| match count {
                    0 => 1.0,
                    _ => targets.classes().len() as f64 / (occurring * count) as f64,
                };
                Ok(counts.iter().map(weight).collect())
            }
            Self::Explicit(map) => {
                let known = labels.iter().map(String::as_str);
                if let Some(stranger) = map.keys().find(|label| !labels.contains(label)) {
                    return Err(Error::invalid(format!("`class_weight` names `{stranger}`, which is not a class"))
                        .hint(known_hint(stranger, known)));
                }
                Ok(known.map(|label| map.get(label).copied().unwrap_or(1.0)).collect())
            }
        }
    }

    /// The weights of the classes where they move the predicted probabilities away from the base rate, else none.
    ///
    /// # Errors
    /// As `weights`.
    pub fn shifting(&self, targets: &Targets) -> Result<Option<Vec<f64>>> {
        if self.shifts_prior() { self.weights(targets).map(Some) } else { Ok(None) }
    }

    fn shifts_prior(&self) -> bool {
        match self {
            Self::None => false,
            Self::Balanced => true,
            Self::Explicit(map) => map.values().any(|weight| (weight - 1.0).abs() > f64::EPSILON),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn targets() -> Targets {
        let labels = ["pass", "fail", "absent"].map(String::from).to_vec();
        Targets::Classes { index: vec![0, 0, 0, 1], labels }
    }

    #[test]
    fn weights_are_those_of_scikit_learn() {
        // compute_class_weight("balanced", classes=[0, 1], y=[0, 0, 0, 1]) = [0.6667, 2.0], scikit-learn 1.9.
        let balanced = ClassWeight::parse(&json!("balanced")).unwrap();
        assert_eq!(balanced.weights(&targets()).unwrap(), [4.0 / 6.0, 2.0, 1.0]);
        let explicit = ClassWeight::parse(&json!({"fail": 2.5})).unwrap();
        assert_eq!(explicit.weights(&targets()).unwrap(), [1.0, 2.5, 1.0]);
        for none in [json!(null), json!("none")] {
            assert_eq!(ClassWeight::parse(&none).unwrap().weights(&targets()).unwrap(), [1.0; 3]);
        }
        assert!(balanced.shifts_prior() && explicit.shifts_prior() && !ClassWeight::None.shifts_prior());
        assert!(!ClassWeight::parse(&json!({"fail": 1})).unwrap().shifts_prior());
    }

    #[test]
    fn mistakes_are_told_with_a_remedy() {
        let problem = ClassWeight::parse(&json!("balance")).unwrap_err();
        assert_eq!(problem.hint.unwrap(), "did you mean `balanced`?");
        for wrong in [json!({"fail": 0}), json!({"fail": "2"}), json!({}), json!(2), json!([1, 2])] {
            assert!(ClassWeight::parse(&wrong).is_err(), "{wrong}");
        }
        let error = ClassWeight::parse(&json!({"fial": 2})).unwrap().weights(&targets()).unwrap_err();
        assert_eq!(error.message, "`class_weight` names `fial`, which is not a class");
        assert_eq!(error.hint.unwrap(), "did you mean `fail`?");
    }

    #[test]
    fn the_schema_is_json() {
        assert!(PARAM.schema()["anyOf"].is_array());
    }
}
