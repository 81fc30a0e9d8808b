//! An evaluation: metrics with their intervals, and the confusion matrix, of one set of predictions.
//!
//! A metric that is not defined here has no value and a reason, so that JSON holds `null` and never a stand-in. The
//! intervals are 95 % percentile intervals of the bootstrap of rows (`stats::bootstrap`): all metrics see the same
//! replicates, and the order by probability is sorted once for all of them (`ranking`).

use std::collections::BTreeMap;

use ndarray::{Array2, ArrayView1};
use serde::{Deserialize, Serialize};

use crate::catalog::Named as _;
use crate::error::{Error, Result};
use crate::metrics::estimate::{Estimate, Subgroups};
use crate::metrics::metric::{Metric, Scored, View};
use crate::metrics::orders;
use crate::metrics::ranking::{Convention, over_queries};
use crate::metrics::reliability::Reliability;
use crate::metrics::table::ACCURACY;
use crate::stats::bootstrap;
use crate::stats::wilson::wilson_interval;

/// How much of the replicates an interval holds.
const LEVEL: f64 = 0.95;

/// Metrics of one set of predictions, with what the task adds to them.
///
/// In JSON it is one flat object, the same for all tasks; see `Written`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Evaluation {
    /// Number of rows; of documents for a ranking.
    pub rows: usize,
    /// The metrics by name.
    pub metrics: BTreeMap<String, Estimate>,
    /// What belongs to the task.
    pub detail: Detail,
}

/// The part of an evaluation that belongs to its task.
#[derive(Debug, Clone, PartialEq)]
pub enum Detail {
    /// Rows with classes.
    Classes(Box<ClassDetail>),
    /// Queries with graded documents.
    Queries(QueryDetail),
}

/// What an evaluation of classes holds beside its metrics.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ClassDetail {
    /// The class names.
    pub labels: Vec<String>,
    /// Rows of each class.
    pub support: Vec<usize>,
    /// Rows by class (first index) and predicted class (second index).
    pub confusion: Vec<Vec<usize>>,
    /// What metrics without an average in their name take: `binary`, `macro`, `weighted` or `micro`.
    pub average: String,
    /// The positive class; none where there are not two and none was named.
    pub positive: Option<String>,
    /// The score from which on a row is called positive; none where there are not two classes.
    pub threshold: Option<f64>,
    /// Where the threshold is not 0.5: the metrics that it moves, as they would be at 0.5.
    pub at_half: BTreeMap<String, Estimate>,
    /// How the calibrated probabilities agree with what happened.
    pub reliability: Option<Reliability>,
    /// The same for the scores, where class weights have moved them away from the probabilities.
    pub reliability_of_scores: Option<Reliability>,
    /// The metrics of each group of rows, by column.
    pub subgroups: BTreeMap<String, Subgroups>,
}

/// What an evaluation of rankings holds beside its metrics.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryDetail {
    /// How many documents have each grade that occurs.
    pub grades: BTreeMap<u8, usize>,
    /// The queries and the conventions.
    pub facts: RankingFacts,
}

impl Evaluation {
    /// An evaluation of rows with classes.
    #[must_use]
    pub fn of_classes(rows: usize, metrics: BTreeMap<String, Estimate>, detail: ClassDetail) -> Self {
        Self { rows, metrics, detail: Detail::Classes(Box::new(detail)) }
    }

    /// What belongs to classes; none for another task.
    #[must_use]
    pub fn classes(&self) -> Option<&ClassDetail> {
        match &self.detail {
            Detail::Classes(detail) => Some(detail),
            Detail::Queries(_) => None,
        }
    }

    /// What belongs to rankings; none for another task.
    #[must_use]
    pub fn queries(&self) -> Option<&QueryDetail> {
        match &self.detail {
            Detail::Queries(detail) => Some(detail),
            Detail::Classes(_) => None,
        }
    }
}

/// An evaluation as JSON has it. For a ranking `labels` are the grades that occur, `support` says how often each does,
/// and `confusion` is empty.
#[derive(Serialize, Deserialize)]
struct Written {
    rows: usize,
    labels: Vec<String>,
    support: Vec<usize>,
    metrics: BTreeMap<String, Estimate>,
    confusion: Vec<Vec<usize>>,
    average: String,
    positive: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    threshold: Option<f64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    at_half: BTreeMap<String, Estimate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reliability: Option<Reliability>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reliability_of_scores: Option<Reliability>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    subgroups: BTreeMap<String, Subgroups>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ranking: Option<RankingFacts>,
}

impl From<Evaluation> for Written {
    fn from(evaluation: Evaluation) -> Self {
        let Evaluation { rows, metrics, detail } = evaluation;
        let (classes, ranking) = match detail {
            Detail::Classes(classes) => (*classes, None),
            Detail::Queries(QueryDetail { grades, facts }) => {
                let labels = grades.keys().map(ToString::to_string).collect();
                let support = grades.into_values().collect();
                (ClassDetail { labels, support, ..ClassDetail::default() }, Some(facts))
            }
        };
        let ClassDetail { labels, support, confusion, average, positive, threshold, at_half, .. } = classes;
        let ClassDetail { reliability, reliability_of_scores, subgroups, .. } = classes;
        Self {
            rows,
            labels,
            support,
            metrics,
            confusion,
            average,
            positive,
            threshold,
            at_half,
            reliability,
            reliability_of_scores,
            subgroups,
            ranking,
        }
    }
}

impl From<Written> for Evaluation {
    fn from(written: Written) -> Self {
        let Written { rows, labels, support, metrics, confusion, average, positive, threshold, at_half, .. } = written;
        let Written { reliability, reliability_of_scores, subgroups, ranking, .. } = written;
        let detail = match ranking {
            Some(facts) => {
                let grades = labels.iter().map(|grade| grade.parse().unwrap_or_default()).zip(support).collect();
                Detail::Queries(QueryDetail { grades, facts })
            }
            None => Detail::Classes(Box::new(ClassDetail {
                labels,
                support,
                confusion,
                average,
                positive,
                threshold,
                at_half,
                reliability,
                reliability_of_scores,
                subgroups,
            })),
        };
        Self { rows, metrics, detail }
    }
}

/// The queries and conventions behind ranking metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RankingFacts {
    /// Queries.
    pub queries: usize,
    /// Those without a relevant document.
    pub empty: usize,
    /// The conventions.
    pub convention: Convention,
    /// The mean of each metric when empty queries count 0, are skipped, count 1.
    pub by_empty: BTreeMap<String, [Option<f64>; 3]>,
}

impl RankingFacts {
    /// What must stand behind a metric's number: `over 1043 queries (112 without relevant documents count 0; skipped 0.471, as
    /// 1 0.523)`.
    #[must_use]
    pub fn behind(&self, metric: &str) -> String {
        let by_empty = self.by_empty.get(metric).unwrap_or(&[None; 3]);
        over_queries(self.queries, self.empty, self.convention.empty, by_empty)
    }
}

/// How predictions are looked at.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The class names.
    pub labels: &'a [String],
    /// With two classes a row is positive when the score of class 1 is at least this.
    pub threshold: f64,
    /// The average and the positive class.
    pub view: View,
    /// How the intervals are made, where they are.
    pub intervals: Option<Intervals>,
}

/// How the intervals are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intervals {
    /// Number of bootstrap replicates.
    pub replicates: usize,
    /// The seed of the replicates.
    pub seed: u64,
}

impl Default for Intervals {
    fn default() -> Self {
        Self { replicates: 1000, seed: 0 }
    }
}

/// Evaluates predictions from the usual side: `Question` with the default view.
///
/// # Errors
/// As `evaluate_classes`.
pub fn evaluate(
    truth: &[usize],
    probabilities: &Array2<f64>,
    labels: &[String],
    threshold: f64,
    metrics: &[&'static dyn Metric],
    intervals: Option<Intervals>,
) -> Result<Evaluation> {
    let question = Question { labels, threshold, view: View::default(), intervals };
    let (metrics, detail) = evaluate_classes(truth, probabilities, metrics, &question)?;
    Ok(Evaluation::of_classes(truth.len(), metrics, detail))
}

/// Evaluates predictions of classes: `probabilities` is `n_rows × n_classes`, `truth` holds indices into the labels. What
/// needs more than that in the detail (calibration, groups of rows) is left empty.
///
/// # Errors
/// `Failed` when lengths do not fit, a class is out of range, or a probability is NaN or infinite.
pub fn evaluate_classes(
    truth: &[usize],
    probabilities: &Array2<f64>,
    metrics: &[&'static dyn Metric],
    question: &Question<'_>,
) -> Result<(BTreeMap<String, Estimate>, ClassDetail)> {
    let Question { labels, threshold, view, intervals } = *question;
    check(truth, probabilities, labels)?;
    let predicted = predicted_classes(probabilities, threshold);
    // The matrix may lie in memory in either order; its iterator goes row by row.
    let flat: Vec<f64> = probabilities.iter().copied().collect();
    let ranked = metrics.iter().any(|metric| metric.ranks());
    let orders = ranked.then(|| orders::orders_seen(&flat, labels.len(), view));
    let scored = Scored { orders: orders.as_deref(), view, ..Scored::new(truth, &predicted, &flat, labels.len()) };

    let mut estimates: Vec<Estimate> = metrics.iter().map(|metric| estimate(*metric, &scored)).collect();
    if let Some(intervals) = intervals.filter(|_| truth.len() > 1) {
        add_intervals(&mut estimates, metrics, &scored, intervals);
    }
    let mut confusion = vec![vec![0; labels.len()]; labels.len()];
    for (truth, predicted) in truth.iter().zip(&predicted) {
        confusion[*truth][*predicted] += 1;
    }
    let detail = ClassDetail {
        labels: labels.to_vec(),
        support: confusion.iter().map(|row| row.iter().sum()).collect(),
        confusion,
        average: view.average(labels.len()).name().into(),
        positive: view.positive(labels.len()).map(|class| labels[class].clone()),
        threshold: (labels.len() == 2).then_some(threshold),
        ..ClassDetail::default()
    };
    let names = metrics.iter().map(|metric| metric.name().to_owned());
    Ok((names.zip(estimates).collect(), detail))
}

/// The class of each row. Two classes: positive when its probability is at least `threshold`; else the class of the
/// highest probability, the first of equals.
#[must_use]
pub fn predicted_classes(probabilities: &Array2<f64>, threshold: f64) -> Vec<usize> {
    let class = |row: ArrayView1<'_, f64>| {
        if row.len() == 2 {
            return usize::from(row[1] >= threshold);
        }
        let highest = |best: usize, class: usize| if row[class] > row[best] { class } else { best };
        (0..row.len()).fold(0, highest)
    };
    probabilities.rows().into_iter().map(class).collect()
}

fn check(truth: &[usize], probabilities: &Array2<f64>, labels: &[String]) -> Result<()> {
    if probabilities.nrows() != truth.len() {
        return Err(Error::failed(format!("expected {} predictions, got {}", truth.len(), probabilities.nrows())));
    }
    if probabilities.ncols() != labels.len() {
        let (expected, got) = (labels.len(), probabilities.ncols());
        return Err(Error::failed(format!("expected probabilities of {expected} classes, got {got}")));
    }
    if let Some(row) = truth.iter().position(|class| *class >= labels.len()) {
        let (class, classes) = (truth[row], labels.len());
        return Err(Error::failed(format!("row {} is of class {class}, but there are {classes} classes", row + 1)));
    }
    if let Some(((row, class), value)) = probabilities.indexed_iter().find(|(_, value)| !value.is_finite()) {
        let label = &labels[class];
        return Err(Error::failed(format!("the probability of `{label}` in row {} is {value}", row + 1))
            .hint("the model is damaged, or its training diverged: train it again"));
    }
    if u32::try_from(truth.len()).is_err() {
        return Err(Error::failed(format!("expected fewer than 2^32 rows, got {}", truth.len())));
    }
    Ok(())
}

fn estimate(metric: &dyn Metric, scored: &Scored<'_>) -> Estimate {
    let value = metric.score(scored).and_then(|value| if value.is_finite() { Ok(value) } else { Err("not finite") });
    Estimate { value: value.ok(), reason: value.err().map(Into::into), low: None, high: None }
}

fn add_intervals(
    estimates: &mut [Estimate],
    metrics: &[&'static dyn Metric],
    scored: &Scored<'_>,
    intervals: Intervals,
) {
    let rows = scored.truth.len();
    let drawn = |at: usize, estimate: &Estimate| metrics[at].has_interval() && estimate.value.is_some();
    let chosen: Vec<usize> = (0..metrics.len()).filter(|at| drawn(*at, &estimates[*at])).collect();
    if chosen.is_empty() {
        return;
    }
    // A mean over the rows draws rows, never their values: those are computed once.
    let values: Vec<Option<Vec<f64>>> = chosen.iter().map(|at| metrics[*at].of_rows(scored)).collect();
    let replicates = bootstrap::replicates(rows, intervals.replicates, intervals.seed, |counts| {
        let replicate = Scored { counts: Some(counts), ..*scored };
        let one = |(at, values): (&usize, &Option<Vec<f64>>)| match values {
            Some(values) => replicate.mean_of(|row| values[row]),
            None => metrics[*at].score(&replicate),
        };
        chosen.iter().zip(&values).map(|pair| one(pair).unwrap_or(f64::NAN)).collect::<Vec<f64>>()
    });
    for (at, metric) in chosen.into_iter().enumerate() {
        let values: Vec<f64> = replicates.iter().map(|values| values[at]).collect();
        let found = bootstrap::percentile_interval(&values, LEVEL);
        // Replicates that never differ (all rows right, no positive one found) say nothing of how sure the value is.
        let found =
            found.filter(|(low, high)| low < high).or_else(|| rate(metrics[metric], estimates[metric].value?, rows));
        (estimates[metric].low, estimates[metric].high) = found.unzip();
    }
}

/// Wilson's interval of a rate of all rows; none for other metrics.
fn rate(metric: &dyn Metric, value: f64, rows: usize) -> Option<(f64, f64)> {
    let hits = (value * rows as f64).round() as u64;
    (metric.name() == ACCURACY.name()).then(|| wilson_interval(hits, rows as u64, LEVEL))
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::metrics::METRICS;

    fn labels(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    /// `rows` rows, about `rate` of them positive, with a positive probability that knows something.
    fn rows(rows: usize, rate: f64) -> (Vec<usize>, Array2<f64>) {
        let noise = |row: usize, step: f64| (row as f64 * step).fract();
        let truth: Vec<usize> = (0..rows).map(|row| usize::from(noise(row, 0.618_034) < rate)).collect();
        let positive = |row: usize| 0.3 * truth[row] as f64 + 0.7 * noise(row, 0.414_214);
        let of = |(row, class): (usize, usize)| if class == 1 { positive(row) } else { 1.0 - positive(row) };
        let probabilities = Array2::from_shape_fn((rows, 2), of);
        (truth, probabilities)
    }

    #[test]
    fn threshold_for_two_classes_and_the_first_highest_for_more() {
        assert_eq!(predicted_classes(&array![[0.4, 0.6], [0.7, 0.3], [0.75, 0.25]], 0.3), [1, 1, 0]);
        assert_eq!(predicted_classes(&array![[0.2, 0.4, 0.4], [0.4, 0.2, 0.4], [0.1, 0.2, 0.7]], 0.9), [1, 0, 2]);
    }

    #[test]
    fn tells_everything_of_a_small_set() {
        let probabilities = array![[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]];
        let evaluation = evaluate(&[0, 1, 1, 0], &probabilities, &labels(&["no", "yes"]), 0.5, METRICS, None)
            .expect("everything fits");
        let detail = evaluation.classes().expect("classes were evaluated");
        assert_eq!((evaluation.rows, detail.average.as_str()), (4, "binary"));
        assert_eq!((&detail.support, &detail.confusion), (&vec![2, 2], &vec![vec![1, 1], vec![1, 1]]));
        assert_eq!(detail.positive.as_deref(), Some("yes"));
        assert_eq!(evaluation.metrics.len(), METRICS.len());
        let columns_first = probabilities.t().as_standard_layout().into_owned().reversed_axes();
        let again = evaluate(&[0, 1, 1, 0], &columns_first, &labels(&["no", "yes"]), 0.5, METRICS, None);
        assert_eq!(again.expect("everything fits").metrics, evaluation.metrics);
        let auc = &evaluation.metrics["roc_auc"];
        assert_eq!((auc.value, auc.low, &auc.reason), (Some(0.75), None, &None));
    }

    #[test]
    fn what_is_not_defined_is_null_with_a_reason() {
        let probabilities = array![[0.9, 0.1], [0.2, 0.8]];
        let evaluation =
            evaluate(&[0, 0], &probabilities, &labels(&["no", "yes"]), 0.5, METRICS, Some(Intervals::default()))
                .expect("everything fits");
        let json = serde_json::to_value(&evaluation).expect("plain data");
        assert_eq!(json["metrics"]["roc_auc"], serde_json::json!({"value": null, "reason": "1 class"}));
        assert_eq!(json["metrics"]["average_precision"]["reason"], "no positive row");
        assert_eq!(json["metrics"]["f1"]["value"], 0.0);
        assert_eq!(serde_json::from_value::<Evaluation>(json).expect("what was written"), evaluation);

        let empty = evaluate(&[], &Array2::zeros((0, 3)), &labels(&["a", "b", "c"]), 0.5, METRICS, None);
        let empty = empty.expect("no rows are not an error");
        assert!(empty.metrics.values().all(|estimate| estimate.reason.as_deref() == Some("no rows")));
        let detail = empty.classes().expect("classes were evaluated");
        assert_eq!((detail.average.as_str(), &detail.positive), ("macro", &None));
    }

    #[test]
    fn intervals_hold_the_value_and_do_not_depend_on_the_threads() {
        let (truth, probabilities) = rows(400, 0.3);
        let names = labels(&["no", "yes"]);
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
            let intervals = Some(Intervals { replicates: 300, seed: 5 });
            pool.install(|| evaluate(&truth, &probabilities, &names, 0.5, METRICS, intervals)).expect("all fits")
        };
        let one = with(1);
        assert_eq!(one, with(3));
        assert_eq!(one.metrics["ece"].low, None);
        for (name, estimate) in one.metrics.iter().filter(|(name, _)| *name != "ece") {
            let (value, low, high) = (estimate.value, estimate.low, estimate.high);
            assert!(low < value && value < high && low.is_some(), "{name}: {low:?} {value:?} {high:?}");
        }
        // Accuracy is a rate: ±1.96·√(p(1 − p)/400).
        let accuracy = &one.metrics["accuracy"];
        let p = accuracy.value.expect("there are rows");
        let width = accuracy.high.zip(accuracy.low).map_or(0.0, |(high, low)| high - low);
        let normal = 2.0 * 1.96 * (p * (1.0 - p) / 400.0).sqrt();
        assert!((width / normal - 1.0).abs() < 0.15, "{width}, not about {normal}");
    }

    #[test]
    fn no_interval_where_most_replicates_have_no_value() {
        // Of 3 rows 1 is positive: (2/3)³ = 30 % of the replicates have no positive row, (1/3)³ = 4 % only such.
        // With two classes more of one row each, most replicates lack one of them.
        let intervals = Some(Intervals { replicates: 500, seed: 1 });
        let two = array![[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]];
        let auc = |truth: &[usize], probabilities, names: &[&str]| {
            let evaluation = evaluate(truth, probabilities, &labels(names), 0.5, METRICS, intervals);
            evaluation.expect("everything fits").metrics["roc_auc"].clone()
        };
        assert!(auc(&[0, 1, 0], &two, &["a", "b"]).low.is_some());
        // Replicates that are all the same say nothing of how sure the value is.
        assert_eq!(auc(&[0, 0, 1], &two, &["a", "b"]).low, None);
        let three = array![[0.8, 0.1, 0.1], [0.2, 0.6, 0.2], [0.1, 0.1, 0.8]];
        let three = auc(&[0, 1, 2], &three, &["a", "b", "c"]);
        assert_eq!((three.value, three.low, three.high), (Some(1.0), None, None));
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let names = labels(&["no", "yes"]);
        let message = |truth: &[usize], probabilities: Array2<f64>| {
            evaluate(truth, &probabilities, &names, 0.5, METRICS, None).expect_err("it does not fit").message
        };
        assert_eq!(message(&[0], array![[0.5, 0.5], [0.5, 0.5]]), "expected 1 predictions, got 2");
        assert_eq!(message(&[0], array![[0.5, 0.3, 0.2]]), "expected probabilities of 2 classes, got 3");
        assert_eq!(message(&[0, 2], array![[0.5, 0.5], [0.5, 0.5]]), "row 2 is of class 2, but there are 2 classes");
        assert_eq!(message(&[0], array![[0.5, f64::NAN]]), "the probability of `yes` in row 1 is NaN");
    }
}
