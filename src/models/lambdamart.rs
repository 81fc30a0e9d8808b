//! `lambdamart`: gradient-boosted trees on LambdaRank's gradients (λ), the same trees as LightGBM 4.7's `lambdarank`.
//!
//! Parameters have LightGBM's names and defaults, except λ's own: `sigma` (`sigmoid` there), `truncation`
//! (`lambdarank_truncation_level`), `norm` (`lambdarank_norm`). `sigmoid: table` is LightGBM's table of p, bit for bit; `exact` is
//! faster, ranks as well, and differs in near-ties (`boosting/lambda.rs`).
//!
//! With validation rows each tree is measured and told as a row of the history; `early_stopping` then ends the fit and keeps the
//! trees up to the best. Burges: From `RankNet` to `LambdaRank` to `LambdaMART`, MSR-TR-2010-82; Ke et al., LightGBM, NIPS 2017.

use std::ops::ControlFlow;
use std::path::Path;

use ndarray::Array2;

use super::boosting::{Binning, Boosted, Importance, Lambda, Limits, Patience, Plan, Round, Rules, Sigmoid, Watched};
use super::early_stopping::{self, EarlyStopping, Judge};
use super::family::{Epoch, Estimator, Event, Family, FitContext, Model};
use super::head::write_head;
use super::relevance::{Relevance, check_scored};
use crate::catalog::{Named, Param, ParamKind, ParamProblem, Params};
use crate::data::dataset::{Dataset, Features};
use crate::data::task::Task;
use crate::error::{Error, Result};
use crate::fs::read_document;
use crate::onnx::{Graph, Value};

const HEAD: &str = "lambdamart.json";
const FORMAT_VERSION: u32 = 1;

/// The family `lambdamart`.
#[derive(Debug, Clone, Copy)]
pub struct LambdaMart;

const fn share(name: &'static str, about: &'static str) -> Param {
    let schema = r#"{"type": "number", "exclusiveMinimum": 0, "maximum": 1}"#;
    Param { name, kind: ParamKind::Custom("a number above 0 and at most 1", schema), default: "1.0", about }
}

const PARAMS: &[Param] = &[
    Param::integer("n_estimators", 1, "100", "trees at most"),
    Param::float("learning_rate", 0.0, false, "0.1", "what a tree's values are multiplied with"),
    Param {
        name: "num_leaves",
        kind: ParamKind::Custom(
            "a whole number of 2 to 32768",
            r#"{"type": "integer", "minimum": 2, "maximum": 32768}"#,
        ),
        default: "31",
        about: "leaves of a tree, at most",
    },
    Param::integer("max_depth", -1, "-1", "the longest path, in splits; -1 or 0: any length"),
    Param::integer("min_data_in_leaf", 1, "20", "rows of a leaf, at least"),
    Param::float("min_sum_hessian_in_leaf", 0.0, true, "0.001", "sum of second derivatives in a leaf, at least"),
    Param::float("lambda_l1", 0.0, true, "0.0", "L1 penalty on the values of leaves"),
    Param::float("lambda_l2", 0.0, true, "0.0", "L2 penalty on the values of leaves"),
    Param::float("min_gain_to_split", 0.0, true, "0.0", "what a split must gain"),
    share("feature_fraction", "share of the features that a tree may use"),
    share("bagging_fraction", "share of the rows that a tree learns from, with `bagging_freq`"),
    Param::integer("bagging_freq", 0, "0", "rows are drawn anew every so many trees; 0: never drawn"),
    Param {
        name: "max_bin",
        kind: ParamKind::Custom("a whole number of 2 to 255", r#"{"type": "integer", "minimum": 2, "maximum": 255}"#),
        default: "255",
        about: "bins of a feature, at most",
    },
    Param::float("sigma", 0.0, false, "1.0", "steepness of the logistic function of a difference of scores"),
    Param::integer("truncation", 1, "30", "pairs count when one of the two is among so many first ranks"),
    Param {
        name: "norm",
        kind: ParamKind::Bool,
        default: "true",
        about: "whether the gradients of a query are normalised, so that queries weigh alike",
    },
    Param {
        name: "sigmoid",
        kind: ParamKind::Choice(&["table", "exact"]),
        default: "\"table\"",
        about: "the logistic function by LightGBM's table, which gives its very trees, or exact, which is faster",
    },
];

const TRAINING: &[Param] = &[early_stopping::param("null")];

impl Named for LambdaMart {
    fn name(&self) -> &'static str {
        "lambdamart"
    }

    fn about(&self) -> &'static str {
        "gradient-boosted trees on LambdaRank's gradients, as LightGBM grows them; what neural rankers must beat"
    }
}

/// A share or a whole number that the list leaves to its owner.
fn number(params: &Params, name: &str, what: &str, fits: impl Fn(f64) -> bool) -> Result<f64, ParamProblem> {
    let written = params.get(name);
    written.as_f64().filter(|value| fits(*value)).ok_or_else(|| ParamProblem {
        name: name.into(),
        message: format!("`{name}` expects {what}, got `{written}`"),
        hint: PARAMS.iter().find(|param| param.name == name).map(|param| param.about.to_owned()),
    })
}

fn plan_of(params: &Params) -> Result<Plan, ParamProblem> {
    let share = |name| number(params, name, "a number above 0 and at most 1", |value| value > 0.0 && value <= 1.0);
    let whole = |name, most: u32| {
        let fits = |value: f64| value.fract() == 0.0 && (2.0..=f64::from(most)).contains(&value);
        number(params, name, &format!("a whole number of 2 to {most}"), fits).map(|value| value as usize)
    };
    Ok(Plan {
        n_trees: params.usize("n_estimators"),
        learning_rate: params.f64("learning_rate"),
        num_leaves: whole("num_leaves", 1 << 15)?,
        max_depth: params.usize("max_depth"),
        limits: Limits {
            min_data_in_leaf: params.usize("min_data_in_leaf"),
            min_sum_hessian_in_leaf: params.f64("min_sum_hessian_in_leaf"),
            lambda_l1: params.f64("lambda_l1"),
            lambda_l2: params.f64("lambda_l2"),
            min_gain_to_split: params.f64("min_gain_to_split"),
        },
        feature_fraction: share("feature_fraction")?,
        bagging_fraction: share("bagging_fraction")?,
        bagging_freq: params.usize("bagging_freq"),
        binning: Binning { max_bin: whole("max_bin", 255)?, ..Binning::default() },
    })
}

impl Family for LambdaMart {
    fn task(&self) -> Task {
        Task::Ranking
    }

    fn params(&self) -> &'static [Param] {
        PARAMS
    }

    fn training(&self) -> &'static [Param] {
        TRAINING
    }

    fn configure(&self, params: &Params) -> Result<Box<dyn Estimator>, ParamProblem> {
        let rules = Rules {
            sigma: params.f64("sigma"),
            truncation: params.usize("truncation"),
            norm: params.bool("norm"),
            sigmoid: if params.str("sigmoid") == "exact" { Sigmoid::Exact } else { Sigmoid::Table },
        };
        let stopping = EarlyStopping::parse(params.get(early_stopping::NAME))?;
        Ok(Box::new(Unfitted { plan: plan_of(params)?, rules, stopping }))
    }

    fn exports(&self) -> bool {
        true
    }

    fn load(&self, folder: &Path) -> Result<Box<dyn Model>> {
        Ok(Box::new(RankingTrees::load(folder)?))
    }
}

struct Unfitted {
    plan: Plan,
    rules: Rules,
    stopping: Option<EarlyStopping>,
}

/// The tree up to which trees were kept.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Best {
    /// From 1.
    tree: usize,
    metric: String,
    score: f64,
}

/// What is watched while trees grow: validation rows, and the best so far.
struct Watch<'a> {
    judge: Judge<'a>,
    watched: Watched<'a>,
    patience: Patience,
    /// When the last tree was done, in seconds.
    last: f64,
}

impl Unfitted {
    fn fit_trees(&self, train: &Dataset, context: &FitContext<'_>) -> Result<RankingTrees> {
        context.check()?;
        if context.resume {
            return Err(Error::invalid("`lambdamart` keeps no checkpoints to go on from")
                .hint("train without `--resume`: the same seed gives the same trees"));
        }
        let rows = Relevance::of(train, "training")?;
        rows.check_order(context)?;
        let all = format!("{} trees", self.plan.n_trees);
        let judge = Judge::new(&rows, self.stopping.as_ref(), context, &all)?;
        let objective = Lambda::new(rows.grades.to_vec(), rows.starts, self.rules)?;
        let rounds = self.stopping.and_then(|stopping| stopping.patience).unwrap_or(usize::MAX);
        let mut watch = judge.map(|judge| Watch {
            watched: Watched::new(judge.rows.features),
            patience: Patience::new(rounds, true),
            last: (context.clock)(),
            judge,
        });
        let mut ended = false;
        let mut model = self.plan.fit(rows.features, &objective, context.seed, &mut |round| {
            context.check()?;
            let Some(watch) = &mut watch else {
                let (done, total) = (round.model.trees().len(), self.plan.n_trees);
                context.tell(&Event::Progress { done, total, unit: "tree" });
                return Ok(ControlFlow::Continue(()));
            };
            let flow = self.measured(watch, round, context)?;
            ended = flow.is_break() && self.stopping.is_some();
            Ok(if self.stopping.is_some() { flow } else { ControlFlow::Continue(()) })
        })?;
        let grown = model.trees().len();
        if grown < self.plan.n_trees && !ended {
            let warning = format!("{grown} of {} trees were grown: no further split gains anything", self.plan.n_trees);
            context.tell(&Event::Warning(&warning));
        }
        let best = watch.filter(|_| self.stopping.is_some()).and_then(|watch| {
            let (score, tree) = watch.patience.best()?;
            Some(Best { tree, metric: watch.judge.decides(), score })
        });
        if let Some(best) = &best {
            model.truncate(best.tree);
        }
        Ok(RankingTrees { model, best, stopped_early: ended })
    }

    /// Measures the validation rows after a tree and tells of it.
    fn measured(
        &self,
        watch: &mut Watch<'_>,
        round: &Round<'_>,
        context: &FitContext<'_>,
    ) -> Result<ControlFlow<usize>> {
        let n_trees = round.model.trees().len();
        let metrics = watch.judge.measure(watch.watched.scores(round.model)?)?;
        let before = watch.patience.best();
        let flow = watch.patience.see(n_trees, metrics[0].1);
        let best = watch.patience.best() != before;
        let now = (context.clock)();
        let mut line = format!("Tree {n_trees}/{}:", self.plan.n_trees);
        let mut values = Vec::with_capacity(metrics.len() + 2);
        for (name, value) in metrics {
            line += &format!(" val_{name}={value:.3}");
            values.push((format!("val_{name}"), value));
        }
        if best {
            line += " ★";
        }
        values.push(("learning_rate".to_owned(), self.plan.learning_rate));
        values.push(("seconds".to_owned(), now - watch.last));
        watch.last = now;
        let (epoch, epochs) = (n_trees, self.plan.n_trees);
        context.tell(&Event::Epoch(&Epoch { epoch, epochs, line: &line, values: &values, best }));
        Ok(flow)
    }
}

impl Estimator for Unfitted {
    fn fit(&self, train: &Dataset, context: &FitContext<'_>) -> Result<Box<dyn Model>> {
        Ok(Box::new(self.fit_trees(train, context)?))
    }
}

/// The fitted trees, and how they came about.
#[derive(Debug)]
struct RankingTrees {
    model: Boosted,
    best: Option<Best>,
    stopped_early: bool,
}

/// The part of a saved model that is no array.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    format_version: u32,
    best: Option<Best>,
    stopped_early: bool,
}

impl RankingTrees {
    fn load(folder: &Path) -> Result<Self> {
        let head: Head = read_document(&folder.join(HEAD), FORMAT_VERSION)?;
        Ok(Self { model: Boosted::load(folder)?, best: head.best, stopped_early: head.stopped_early })
    }
}

impl Model for RankingTrees {
    fn predict(&self, features: &Features) -> Result<Array2<f64>> {
        check_scored(features, self.model.n_features())?;
        let scores = self.model.predict(features)?;
        Ok(Array2::from_shape_vec((scores.len(), 1), scores).expect("one score a row"))
    }

    fn importance(&self) -> Option<Vec<f64>> {
        Some(self.model.importance(Importance::Gain))
    }

    fn onnx(&self, graph: &mut Graph, features: &Value) -> Option<Value> {
        Some(self.model.onnx(graph, features))
    }

    fn facts(&self) -> Vec<(&'static str, f64)> {
        let trees = self.model.trees();
        let leaves: usize = trees.iter().map(|tree| tree.values.len()).sum();
        let mut facts = vec![("n_trees", trees.len() as f64), ("n_leaves", leaves as f64)];
        if let Some(best) = &self.best {
            facts.push(("best_tree", best.tree as f64));
            facts.push(("best_score", best.score));
            facts.push(("stopped_early", f64::from(u8::from(self.stopped_early))));
        }
        facts
    }

    fn save(&self, folder: &Path) -> Result<()> {
        self.model.save(folder)?;
        let head = Head { format_version: FORMAT_VERSION, best: self.best.clone(), stopped_early: self.stopped_early };
        write_head(&folder.join(HEAD), &head)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::AtomicBool;

    use serde_json::{Value, json};

    use super::*;
    use crate::models::ranked_samples::{fit, ndcg, params, problem, queries};

    #[test]
    fn it_learns_and_tells_of_each_tree() {
        let rows = Mutex::new(Vec::new());
        let observe = |event: &Event<'_>| match event {
            Event::Epoch(row) => rows.lock().unwrap().push((row.line.to_owned(), row.values.to_vec())),
            other => unreachable!("{other:?}"),
        };
        let model = fit(&LambdaMart, json!({"n_estimators": 30, "min_data_in_leaf": 5}), &observe).unwrap();
        assert!(ndcg(&*model) > 0.93, "{}", ndcg(&*model));
        let rows = rows.into_inner().unwrap();
        assert_eq!((rows.len(), model.facts()[0]), (30, ("n_trees", 30.0)));
        assert!(rows[0].0.starts_with("Tree 1/30: val_ndcg@10=0.") && rows[0].0.ends_with(" ★"), "{}", rows[0].0);
        let names: Vec<&str> = rows[0].1.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["val_ndcg@10", "learning_rate", "seconds"]);
        let gains = model.importance().unwrap();
        assert!(gains.len() == 3 && gains[0] > gains[1] + gains[2]);
    }

    #[test]
    fn early_stopping_keeps_the_trees_up_to_the_best() {
        let values = Mutex::new(Vec::new());
        let observe = |event: &Event<'_>| {
            if let Event::Epoch(row) = event {
                values.lock().unwrap().push(row.values[0].1);
            }
        };
        let run = |stopping: Value| {
            values.lock().unwrap().clear();
            let given =
                json!({"n_estimators": 60, "min_data_in_leaf": 5, "learning_rate": 0.5, "early_stopping": stopping});
            let facts = fit(&LambdaMart, given, &observe).unwrap().facts();
            (facts.into_iter().collect::<std::collections::BTreeMap<_, _>>(), values.lock().unwrap().clone())
        };
        let (facts, seen) = run(json!({"patience": 4}));
        let best = seen.iter().fold(f64::NEG_INFINITY, |best, value| best.max(*value));
        assert_eq!((facts["best_score"], facts["n_trees"], facts["stopped_early"]), (best, facts["best_tree"], 1.0));
        assert_eq!(seen.len(), facts["n_trees"] as usize + 4);
        assert_eq!(seen[facts["n_trees"] as usize - 1], best);
        // All trees run, and the best are kept.
        let (facts, seen) = run(json!({"metric": "map", "patience": null}));
        assert!(seen.len() == 60 && facts["n_trees"] < 60.0 && facts["stopped_early"] == 0.0);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (given, message) in [
            (json!({"num_leaves": 1}), "`num_leaves` expects a whole number of 2 to 32768, got `1`"),
            (json!({"max_bin": 256}), "`max_bin` expects a whole number of 2 to 255, got `256`"),
            (json!({"bagging_fraction": 1.5}), "`bagging_fraction` expects a number above 0 and at most 1, got `1.5`"),
            (
                json!({"feature_fraction": null}),
                "`feature_fraction` expects a number above 0 and at most 1, got `null`",
            ),
        ] {
            assert_eq!(problem(&LambdaMart, given).message, message);
        }
        let never = AtomicBool::new(false);
        let told = Mutex::new(Vec::new());
        let observe = |event: &Event<'_>| {
            if let Event::Warning(text) = event {
                told.lock().unwrap().push((*text).to_owned());
            }
        };
        let train = queries(0, 3);
        let context = FitContext::new(1, &observe, &never);
        let estimator = LambdaMart.configure(&params(&LambdaMart, json!({}))).ok().unwrap();
        let resumed = estimator.fit(&train, &FitContext { resume: true, ..context }).err().unwrap();
        assert_eq!(resumed.message, "`lambdamart` keeps no checkpoints to go on from");
        // 18 rows do not make two leaves of 20.
        let context = FitContext::new(1, &observe, &never);
        let model = estimator.fit(&train, &context).unwrap();
        assert_eq!(model.facts()[0].1, 0.0);
        assert_eq!(*told.lock().unwrap(), ["0 of 100 trees were grown: no further split gains anything"]);
        let narrow = Features::Dense(Array2::zeros((2, 2)));
        assert_eq!(model.predict(&narrow).unwrap_err().message, "expected 3 features, got 2");
        let broken = Features::Dense(Array2::from_elem((2, 3), f32::NAN));
        assert_eq!(model.predict(&broken).unwrap_err().message, "feature 1 of row 1 is NaN or infinite");
    }
}
