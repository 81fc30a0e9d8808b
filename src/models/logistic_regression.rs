//! Logistic regression with an L2 penalty: scikit-learn 1.9's `LogisticRegression(solver="lbfgs")`.
//!
//! Two classes share one vector of coefficients (sigmoid), more have one each (softmax). `tol` bounds the largest
//! component of the gradient of the weighted mean loss plus penalty, which `linear_objective.rs` defines and
//! `lbfgs.rs` minimises from zero. As in scikit-learn, only classes that occur in the training rows are learned;
//! a class without rows gets probability 0.

use std::path::Path;

use ndarray::Array2;

use crate::catalog::{Named, Param, ParamKind, ParamProblem, Params};
use crate::data::dataset::{Dataset, Features, Targets};
use crate::error::{Error, Result};
use crate::models::class_weight::{self, ClassWeight};
use crate::models::family::{Estimator, Event, Family, FitContext, Model};
use crate::models::lbfgs::{Limits, Minimum, Stop, minimize};
use crate::models::linear_objective::{Labelled, Objective, probabilities, scores};
use crate::onnx::{Graph, Kind, Value};
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

    fn exports(&self) -> bool {
        true
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
            return Err(
                Error::failed("the loss of the logistic regression is not a finite number").hint("scale the features")
            );
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
        let start = vec![0.0; objective.n_params()];
        minimize(
            |params, gradient| objective.evaluate(params, gradient),
            start,
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
        for class in classes {
            number[*class] = Some(0);
        }
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

    fn class_weights(&self, targets: &Targets) -> Result<Option<Vec<f64>>> {
        self.class_weight.shifting(targets)
    }
}

/// A fitted linear classifier.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearModel {
    n_classes: usize,
    /// The classes that occurred in training, ascending.
    present: Vec<u32>,
    /// One row per score (a single one when two classes were learned) × one column per feature.
    coef: Array2<f64>,
    /// The constant of each score.
    intercept: Vec<f64>,
    n_iter: usize,
    converged: bool,
}

impl LinearModel {
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
        let coef =
            Array2::from_shape_vec((*n_scores, *n_features), coef).map_err(|cause| damaged().caused_by(cause))?;
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
            return Err(Error::invalid_rows(format!("expected {expected} features, got {got}"))
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
        Some(
            self.coef.columns().into_iter().map(|column| column.iter().map(|w| w.abs()).sum::<f64>() / count).collect(),
        )
    }

    fn onnx(&self, graph: &mut Graph, features: &Value) -> Option<Value> {
        let features = graph.cast(features, Kind::Float64);
        let coef = self.coef.as_slice().expect("coefficients are row-major");
        let scores = graph.affine(&features, coef, &self.intercept);
        let known = if self.intercept.len() == 1 {
            // 1 / (1 + e^s) and 1 / (1 + e^-s): where the power is infinite, the probability is 0.
            let minus = graph.unary("Neg", &scores);
            let both = graph.beside(&[scores, minus]);
            let (powers, one) = (graph.unary("Exp", &both), graph.number(1.0));
            let sums = graph.binary("Add", &powers, &one);
            graph.unary("Reciprocal", &sums)
        } else {
            let most = graph.row_maxima(&scores);
            let gaps = graph.binary("Sub", &scores, &most);
            let powers = graph.unary("Exp", &gaps);
            graph.normalised(&powers)
        };
        if self.present.len() == self.n_classes {
            return Some(known);
        }
        // Each learned class to its place among all classes.
        let mut places = Array2::zeros((self.present.len(), self.n_classes));
        for (row, class) in self.present.iter().enumerate() {
            places[[row, *class as usize]] = 1.0;
        }
        let places = graph.numbers(&[self.present.len(), self.n_classes], &places.into_raw_vec_and_offset().0);
        Some(graph.binary("MatMul", &known, &places))
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;
    use std::sync::atomic::AtomicBool;

    use serde_json::{Value, json};

    use super::*;
    use crate::data::dataset::{Csr, Targets};

    /// xᵢⱼ = sin(1 + 0.7·i + 1.3·j + 0.11·i·j), 80 × 5 from 0; the classes cut t = xᵢ₀ + 0.5·xᵢ₁ + 0.8·sin(5·i).
    fn dataset(cuts: &[f64], labels: &[&str]) -> Dataset {
        let x = Array2::from_shape_fn((80, 5), |(i, j)| {
            let (i, j) = (i as f64, j as f64);
            (1.0 + 0.7 * i + 1.3 * j + 0.11 * i * j).sin() as f32
        });
        let class = |i: usize| {
            let t = f64::from(x[[i, 0]]) + 0.5 * f64::from(x[[i, 1]]) + 0.8 * (5.0 * i as f64).sin();
            cuts.iter().filter(|cut| t > **cut).count()
        };
        let index = (0..80).map(class).collect();
        let labels = labels.iter().map(ToString::to_string).collect();
        let ids = (0..80).map(|i| format!("r{i}")).collect();
        Dataset { features: Features::Dense(x), targets: Targets::Classes { index, labels }, ids }
    }

    fn two() -> Dataset {
        dataset(&[0.4], &["no", "yes"])
    }

    fn three() -> Dataset {
        dataset(&[-0.4, 0.5], &["low", "mid", "high"])
    }

    /// Keeps the entries with (3·i + 5·j) mod 4 = 0.
    fn sparse(mut data: Dataset) -> Dataset {
        let Features::Dense(x) = &data.features else { unreachable!("the test data is dense") };
        let mut matrix = Csr { n_cols: x.ncols(), indptr: vec![0], ..Csr::default() };
        for (i, row) in x.rows().into_iter().enumerate() {
            for (j, value) in row.iter().enumerate().filter(|(j, _)| (3 * i + 5 * j) % 4 == 0) {
                matrix.indices.push(j as u32);
                matrix.values.push(*value);
            }
            matrix.indptr.push(matrix.indices.len());
        }
        data.features = Features::Sparse(matrix);
        data
    }

    fn fit(data: &Dataset, params: &Value) -> (Result<LinearModel>, Vec<String>) {
        let given: BTreeMap<String, Value> = serde_json::from_value(params.clone()).unwrap();
        let params = Params::checked(PARAMS, &given).unwrap();
        let estimator = Unfitted {
            c: params.f64("C"),
            limits: Limits { max_iter: params.usize("max_iter"), gradient_tolerance: params.f64("tol") },
            class_weight: ClassWeight::parse(params.get("class_weight")).unwrap(),
            fit_intercept: params.bool("fit_intercept"),
        };
        let events = Mutex::new(Vec::new());
        let observe = |event: &Event<'_>| events.lock().unwrap().push(format!("{event:?}"));
        let never = AtomicBool::new(false);
        let context = FitContext::new(1, &observe, &never);
        let model = estimator.fit_linear(data, &context);
        (model, events.into_inner().unwrap())
    }

    #[derive(serde::Deserialize)]
    struct Golden {
        data: String,
        params: Value,
        n_iter: usize,
        coef: Vec<f64>,
        intercept: Vec<f64>,
        /// Probabilities of the first row.
        first: Vec<f64>,
    }

    /// From scikit-learn 1.9.1 on the same values as float64: `LogisticRegression(tol=1e-8, max_iter=1000, …)`.
    const GOLDENS: &str = r#"[
        {"data": "two", "params": {}, "n_iter": 12, "coef": [2.41597342, 1.31362366, 0.846284975, 0.48063948,
         0.436129742], "intercept": [-1.4268487], "first": [0.331201235, 0.668798765]},
        {"data": "two", "params": {"class_weight": "balanced", "C": 0.5}, "n_iter": 11, "coef": [2.02039657,
         0.927693378, 0.535215632, 0.263686677, 0.251961389], "intercept": [-0.536084841], "first":
         [0.207679968, 0.792320032]},
        {"data": "two", "params": {"class_weight": {"yes": 2.5}, "C": 10.0}, "n_iter": 16, "coef":
         [3.94573695, 2.31965956, 1.46319282, 0.824967313, 0.563676081], "intercept": [-1.2129504], "first":
         [0.088488205, 0.911511795]},
        {"data": "two", "params": {"fit_intercept": false}, "n_iter": 11, "coef": [1.8856534, 1.14019245,
         0.800185867, 0.432543512, 0.27610866], "intercept": [0.0], "first": [0.163149815, 0.836850185]},
        {"data": "three", "params": {}, "n_iter": 17, "coef": [-1.6512283, -0.933308005, 0.189416002,
         0.0866259698, -0.486230181, -0.327858601, 0.0508443056, -0.387136986, -0.0787200919, 0.267344888,
         1.9790869, 0.882463699, 0.197720984, -0.00790587797, 0.218885294], "intercept": [0.129778471,
         0.507168561, -0.636947032], "first": [0.0186728801, 0.246384666, 0.734942454]},
        {"data": "three", "params": {"class_weight": "balanced"}, "n_iter": 17, "coef": [-1.65511763,
         -0.913293595, 0.219281488, 0.119727316, -0.460069025, -0.371311917, 0.0416564465, -0.375180665,
         -0.0742295264, 0.274873682, 2.02642955, 0.871637148, 0.155899177, -0.0454977899, 0.185195343],
         "intercept": [0.070091954, 0.397520984, -0.467612938], "first": [0.0143920581, 0.177514287,
         0.808093655]},
        {"data": "sparse two", "params": {}, "n_iter": 10, "coef": [1.01080534, 0.590223257, 0.729199472,
         0.640374335, 0.180514554], "intercept": [-0.9714566], "first": [0.533920844, 0.466079156]},
        {"data": "sparse three", "params": {}, "n_iter": 18, "coef": [-0.725435993, -0.579496239, -0.13060952,
         0.00281968256, 0.00962841849, -0.169169011, 0.100900922, -0.445515648, -0.275843241, 0.00715029755,
         0.894605003, 0.478595317, 0.576125168, 0.273023559, -0.016778716], "intercept": [0.112397556,
         0.16792944, -0.280326997], "first": [0.187493857, 0.316576964, 0.495929179]}
    ]"#;

    #[test]
    fn coefficients_are_those_of_scikit_learn() {
        let close = |got: f64, expected: f64| (got - expected).abs() <= 1e-6 * expected.abs().max(0.01);
        let goldens: Vec<Golden> = serde_json::from_str(GOLDENS).unwrap();
        assert_eq!(goldens.len(), 8);
        for Golden { data, mut params, n_iter, coef, intercept, first } in goldens {
            let data = match &*data {
                "two" => two(),
                "three" => three(),
                "sparse two" => sparse(two()),
                _ => sparse(three()),
            };
            params["tol"] = json!(1e-8);
            params["max_iter"] = json!(1000);
            let model = fit(&data, &params).0.unwrap();
            assert!(model.converged && model.n_iter.abs_diff(n_iter) <= 1, "{params}: {} iterations", model.n_iter);
            assert!(model.coef.iter().zip(&coef).all(|(got, wanted)| close(*got, *wanted)), "{params}: {model:?}");
            assert!(model.intercept.iter().zip(&intercept).all(|(got, wanted)| close(*got, *wanted)), "{params}");
            let probabilities = model.predict(&data.features).unwrap();
            assert!(probabilities.row(0).iter().zip(&first).all(|(got, wanted)| close(*got, *wanted)), "{params}");
            assert!(probabilities.rows().into_iter().all(|row| (row.sum() - 1.0).abs() < 1e-12));
            assert_eq!((model.coef.len(), probabilities.shape()), (coef.len(), &[80, first.len()][..]));
        }
    }

    #[test]
    fn a_class_without_rows_has_probability_zero() {
        let plain = fit(&two(), &json!({})).0.unwrap();
        let mut data = two();
        let index = data.targets.classes().iter().map(|class| class * 2).collect();
        data.targets = Targets::Classes { index, labels: ["no", "never", "yes"].map(String::from).to_vec() };
        let model = fit(&data, &json!({})).0.unwrap();
        assert_eq!(model.coef, plain.coef);
        let (wide, narrow) = (model.predict(&data.features).unwrap(), plain.predict(&data.features).unwrap());
        assert_eq!(wide.row(3).to_vec(), [narrow[[3, 0]], 0.0, narrow[[3, 1]]]);
    }

    #[test]
    fn the_bits_do_not_depend_on_the_thread_count() {
        // Long enough for several chunks of every parallel sum.
        let (n_rows, n_cols) = (300_usize, 20_000_usize);
        let mut matrix = Csr { n_cols, indptr: vec![0], ..Csr::default() };
        for row in 0..n_rows {
            matrix.indices.extend((0..40).map(|at| (at * 500 + (row * row * 7 + at * 13) % 500) as u32));
            matrix.values.extend((0..40).map(|at| ((row * 41 + at) as f32).sin()));
            matrix.indptr.push(matrix.indices.len());
        }
        let index = (0..n_rows).map(|row| row * row % 3).collect();
        let labels = ["a", "b", "c"].map(String::from).to_vec();
        let wide =
            Dataset { features: Features::Sparse(matrix), targets: Targets::Classes { index, labels }, ids: vec![] };
        for data in [&wide, &two(), &three()] {
            let pool = |count| rayon::ThreadPoolBuilder::new().num_threads(count).build().unwrap();
            let model = |count| pool(count).install(|| fit(data, &json!({"tol": 1e-6})).0.unwrap());
            let one = model(1);
            assert!(one.n_iter > 3);
            assert_eq!(one, model(4));
        }
    }

    #[test]
    fn a_saved_model_is_the_same_model() {
        let folder = tempfile::tempdir().unwrap();
        for data in [two(), sparse(three())] {
            let model = fit(&data, &json!({})).0.unwrap();
            model.save(folder.path()).unwrap();
            assert_eq!(LinearModel::load(folder.path()).unwrap(), model);
        }
        Tensors::new().f64("coef", &[1, 1], vec![1.0]).save(&folder.path().join(FILE)).unwrap();
        assert!(LinearModel::load(folder.path()).is_err());
    }

    #[test]
    fn iterations_are_reported_and_a_stop_too_early_is_told() {
        let (model, events) = fit(&two(), &json!({"max_iter": 2}));
        assert_eq!(model.unwrap().facts(), [("n_iter", 2.0), ("converged", 0.0)]);
        let warning = "logistic regression did not converge in 2 iterations; raise max_iter or scale the features";
        assert_eq!(events.last().unwrap(), &format!("Warning({warning:?})"));
        assert_eq!(events[3], r#"Progress { done: 2, total: 2, unit: "iteration" }"#);
        assert!(events[2].starts_with(r#"Metric { key: "train_loss", value: 0."#) && events[2].contains("step: 2"));
    }

    #[test]
    fn data_that_cannot_be_learned_from_is_refused() {
        let refused = |data: &Dataset| fit(data, &json!({})).0.unwrap_err().message;
        let mut single = two();
        single.targets = Targets::Classes { index: vec![1; 80], labels: vec!["no".into(), "yes".into()] };
        assert_eq!(refused(&single), "all training rows are of class `yes`");
        let mut broken = two();
        let Features::Dense(x) = &mut broken.features else { unreachable!("the test data is dense") };
        x[[2, 3]] = f32::NAN;
        assert_eq!(refused(&broken), "feature 4 of row 3 (id `r2`) is NaN or infinite");
        let mut empty = two();
        empty.features = Features::Dense(Array2::zeros((0, 5)));
        empty.targets = Targets::Classes { index: vec![], labels: vec!["no".into(), "yes".into()] };
        assert_eq!(refused(&empty), "there are no training rows");
        let model = fit(&two(), &json!({})).0.unwrap();
        let error = model.predict(&Features::Dense(Array2::zeros((1, 4)))).unwrap_err();
        assert_eq!(error.message, "expected 5 features, got 4");
    }

    #[test]
    fn an_interrupt_stops_the_fit() {
        let family = LogisticRegression.configure(&Params::checked(PARAMS, &BTreeMap::new()).unwrap()).unwrap();
        let interrupted = AtomicBool::new(false);
        let observe = |event: &Event<'_>| {
            if matches!(event, Event::Progress { done: 2, .. }) {
                interrupted.store(true, std::sync::atomic::Ordering::Relaxed);
            }
        };
        let error = family.fit(&two(), &FitContext::new(1, &observe, &interrupted)).err();
        assert_eq!(error.unwrap().kind, crate::error::ErrorKind::Interrupted);
    }
}
