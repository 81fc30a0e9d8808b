//! Logistic regression with an L2 penalty: scikit-learn 1.9's `LogisticRegression(solver="lbfgs")`.
//!
//! Two classes share one vector of coefficients (sigmoid), more have one each (softmax). `tol` bounds the largest
//! component of the gradient of the weighted mean loss plus penalty, which `linear_objective.rs` defines and
//! `lbfgs.rs` minimises from zero. As in scikit-learn, only classes that occur in the training rows are learned;
//! a class without rows gets probability 0.

use std::path::Path;

use ndarray::Array2;

use crate::catalog::{Named, Param, ParamKind, ParamProblem, Params};
use crate::data::dataset::{Dataset, Features};
use crate::error::{Error, Result};
use crate::models::class_weight::{self, ClassWeight};
use crate::models::family::{Estimator, Event, Family, FitContext, Model};
use crate::models::lbfgs::{Limits, Minimum, Stop, minimize};
use crate::models::linear_objective::{Labelled, Objective, probabilities, scores};
use crate::tensors::Tensors;

/// The file in a model's folder.
const FILE: &str = "model.safetensors";

/// The family `logistic_regression`.
#[derive(Debug, Clone, Copy)]
pub struct LogisticRegression;

const PARAMS: &[Param] = &[
    Param {
        name: "C",
        kind: ParamKind::Float { min: 0.0, inclusive: false },
        default: "1.0",
        about: "inverse strength of the L2 penalty: smaller means stronger",
    },
    Param {
        name: "max_iter",
        kind: ParamKind::Integer { min: 1 },
        default: "100",
        about: "iterations of the solver, at most",
    },
    Param {
        name: "tol",
        kind: ParamKind::Float { min: 0.0, inclusive: false },
        default: "0.0001",
        about: "converged once no component of the gradient is larger than this",
    },
    class_weight::PARAM,
    Param {
        name: "fit_intercept",
        kind: ParamKind::Bool,
        default: "true",
        about: "learn an unpenalised constant for each score",
    },
];

impl Named for LogisticRegression {
    fn name(&self) -> &'static str {
        "logistic_regression"
    }

    fn about(&self) -> &'static str {
        "linear classifier with an L2 penalty, fitted by L-BFGS; dense or sparse features"
    }
}

impl Family for LogisticRegression {
    fn params(&self) -> &'static [Param] {
        PARAMS
    }

    fn configure(&self, params: &Params) -> Result<Box<dyn Estimator>, ParamProblem> {
        Ok(Box::new(Unfitted {
            c: params.f64("C"),
            limits: Limits { max_iter: params.usize("max_iter"), gradient_tolerance: params.f64("tol") },
            class_weight: ClassWeight::parse(params.get(class_weight::PARAM.name))?,
            fit_intercept: params.bool("fit_intercept"),
        }))
    }

    fn load(&self, folder: &Path) -> Result<Box<dyn Model>> {
        Ok(Box::new(LinearModel::load(folder)?))
    }
}

struct Unfitted {
    c: f64,
    limits: Limits,
    class_weight: ClassWeight,
    fit_intercept: bool,
}

impl Unfitted {
    /// Fits the concrete type, for callers that want the coefficients.
    fn fit_linear(&self, train: &Dataset, context: &FitContext<'_>) -> Result<LinearModel> {
        let (labelled, present) = self.labelled(train)?;
        let n_features = train.features.n_features();
        if n_features == 0 {
            return Err(Error::invalid("the training rows have no features"));
        }
        // Inside the pool, short parallel sections cost no hand-over from thread to thread.
        let (minimum, coef, intercept) = rayon::scope(|_| {
            let objective = Objective::new(&train.features, labelled, self.c, self.fit_intercept);
            let minimum = self.minimize(&objective, context)?;
            let (coef, intercept) = objective.unpack(minimum.point.clone());
            Ok::<_, Error>((minimum, coef, intercept))
        })?;
        if !minimum.value.is_finite() {
            train.features.check_finite(&train.ids)?;
            return Err(Error::failed("the loss of the logistic regression is not a finite number")
                .hint("scale the features"));
        }
        let why = match minimum.stop {
            Stop::Converged => None,
            Stop::IterationLimit => Some("raise max_iter or scale the features"),
            Stop::LineSearch => Some("no better point can be told apart: raise tol or scale the features"),
        };
        if let Some(why) = why {
            let count = minimum.n_iter;
            let warning = format!("logistic regression did not converge in {count} iterations; {why}");
            context.tell(&Event::Warning(&warning));
        }
        let coef = Array2::from_shape_vec((intercept.len(), n_features), coef).expect("one row per score");
        let n_classes = train.targets.labels().len();
        let converged = minimum.stop == Stop::Converged;
        Ok(LinearModel { n_classes, present, coef, intercept, n_iter: minimum.n_iter, converged })
    }

    fn minimize(&self, objective: &Objective<'_>, context: &FitContext<'_>) -> Result<Minimum> {
        context.check()?;
        let total = self.limits.max_iter;
        minimize(
            |params, gradient| objective.evaluate(params, gradient),
            vec![0.0; objective.n_params()],
            self.limits,
            |step, value| {
                context.tell(&Event::Metric { key: "train_loss", value, step });
                context.tell(&Event::Progress { done: step, total, unit: "iteration" });
                context.check()
            },
        )
    }

    /// The classes renumbered without those that do not occur, and which those are that do.
    fn labelled(&self, train: &Dataset) -> Result<(Labelled, Vec<u32>)> {
        let (classes, labels) = (train.targets.classes(), train.targets.labels());
        if classes.is_empty() {
            return Err(Error::invalid("there are no training rows"));
        }
        if classes.len() != train.features.n_rows() {
            let (expected, got) = (train.features.n_rows(), classes.len());
            return Err(Error::invalid(format!("expected {expected} targets, one per row, got {got}")));
        }
        let weights = self.class_weight.weights(&train.targets)?;
        let mut number = vec![None; labels.len()];
        classes.iter().for_each(|class| number[*class] = Some(0));
        let mut present = Vec::new();
        for (class, number) in number.iter_mut().enumerate().filter(|(_, number)| number.is_some()) {
            *number = Some(present.len() as u32);
            present.push(class as u32);
        }
        if let [only] = present[..] {
            return Err(Error::invalid(format!("all training rows are of class `{}`", labels[only as usize]))
                .hint("a classifier needs training rows of at least two classes"));
        }
        let weight = present.iter().map(|class| weights[*class as usize]).collect();
        let class = classes.iter().filter_map(|class| number[*class]).collect();
        Ok((Labelled { class, n_classes: present.len(), weight }, present))
    }
}

impl Estimator for Unfitted {
    fn fit(&self, train: &Dataset, context: &FitContext<'_>) -> Result<Box<dyn Model>> {
        Ok(Box::new(self.fit_linear(train, context)?))
    }

    fn shifts_prior(&self) -> bool {
        self.class_weight.shifts_prior()
    }
}

/// A fitted linear classifier.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearModel {
    n_classes: usize,
    /// The classes that occurred in training, ascending.
    present: Vec<u32>,
    coef: Array2<f64>,
    intercept: Vec<f64>,
    n_iter: usize,
    converged: bool,
}

impl LinearModel {
    /// Coefficients: one row per score (a single one when two classes were learned) × one column per feature.
    #[must_use]
    pub fn coef(&self) -> &Array2<f64> {
        &self.coef
    }

    /// The constant of each score.
    #[must_use]
    pub fn intercept(&self) -> &[f64] {
        &self.intercept
    }

    /// Reads what `save` wrote.
    ///
    /// # Errors
    /// `Failed` when the file is missing or damaged.
    pub fn load(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let mut tensors = Tensors::load(&path)?;
        let damaged = || Error::failed(format!("`{}` is damaged", path.display()));
        let (shape, coef) = tensors.take_f64("coef")?;
        let (_, intercept) = tensors.take_f64("intercept")?;
        let (_, present) = tensors.take_u32("present")?;
        let (_, counts) = tensors.take_u32("counts")?;
        let ([n_scores, n_features], [n_classes, n_iter, converged]) = (&shape[..], &counts[..]) else {
            return Err(damaged());
        };
        let coef = Array2::from_shape_vec((*n_scores, *n_features), coef).map_err(|cause| damaged().caused_by(cause))?;
        let expected = if present.len() == 2 { 1 } else { present.len() };
        let ascending = present.is_sorted_by(|left, right| left < right) && present.last() < Some(n_classes);
        if *n_scores != expected || intercept.len() != expected || present.len() < 2 || !ascending {
            return Err(damaged());
        }
        let (n_classes, n_iter) = (*n_classes as usize, *n_iter as usize);
        Ok(Self { n_classes, present, coef, intercept, n_iter, converged: *converged == 1 })
    }
}

impl Model for LinearModel {
    fn predict(&self, features: &Features) -> Result<Array2<f64>> {
        let (expected, got) = (self.coef.ncols(), features.n_features());
        if expected != got {
            return Err(Error::invalid(format!("expected {expected} features, got {got}"))
                .hint("the rows must go through the same feature steps as in training"));
        }
        let coef = self.coef.as_slice().expect("coefficients are row-major");
        let mut scores = scores(features, coef, &self.intercept);
        let mut result = Array2::zeros((features.n_rows(), self.n_classes));
        let mut known = vec![0.0; self.present.len()];
        for (mut row, scores) in result.rows_mut().into_iter().zip(scores.chunks_exact_mut(self.intercept.len())) {
            probabilities(scores, &mut known);
            for (class, value) in self.present.iter().zip(&known) {
                row[*class as usize] = *value;
            }
        }
        Ok(result)
    }

    fn importance(&self) -> Option<Vec<f64>> {
        let count = self.coef.nrows() as f64;
        Some(self.coef.columns().into_iter().map(|column| column.iter().map(|w| w.abs()).sum::<f64>() / count).collect())
    }

    fn facts(&self) -> Vec<(&'static str, f64)> {
        vec![("n_iter", self.n_iter as f64), ("converged", f64::from(u8::from(self.converged)))]
    }

    fn save(&self, folder: &Path) -> Result<()> {
        let counts = vec![self.n_classes as u32, self.n_iter as u32, u32::from(self.converged)];
        Tensors::new()
            .f64("coef", self.coef.shape(), self.coef.iter().copied().collect())
            .f64("intercept", &[self.intercept.len()], self.intercept.clone())
            .u32("present", &[self.present.len()], self.present.clone())
            .u32("counts", &[counts.len()], counts)
            .save(&folder.join(FILE))
    }
}
