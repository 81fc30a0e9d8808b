//! Judging predictions of labelled rows: all metrics of the catalog, the same at 0.5 where the threshold is another one,
//! calibration, and the groups of rows.

use std::collections::BTreeMap;

use ndarray::{Array2, Axis};

use crate::bundle::{Prediction, Schema};
use crate::config::{Experiment, Threshold};
use crate::data::rows::Rows;
use crate::error::{Error, Result};
use crate::metrics::reliability::{Reliability, reliability};
use crate::metrics::subgroups::{MISSING, subgroups};
use crate::metrics::threshold::{Chosen, Floors, choose};
use crate::metrics::{
    ClassDetail, Estimate, Evaluation, Intervals, METRICS, Metric, Question, Reads, Scored, View, evaluate_classes,
};
use crate::runs::seed::stream;

/// Rows that the model has answered.
#[derive(Debug, Clone, Copy)]
pub struct ClassAnswers<'a> {
    /// The class of each row.
    pub truth: &'a [usize],
    /// What the model says.
    pub prediction: &'a Prediction,
    /// The value of each row in the columns that make groups.
    pub by: &'a BTreeMap<String, Vec<String>>,
}

/// Everything that is known of the answers; intervals, calibration and groups where `tested`.
///
/// # Errors
/// `Failed` when a probability is NaN.
pub fn judge(
    experiment: &Experiment,
    schema: &Schema,
    tested: bool,
    rows: &ClassAnswers<'_>,
    view: View,
) -> Result<Evaluation> {
    let config = &experiment.config;
    let (replicates, seed) = (config.evaluation.bootstrap, stream(config.seed, "bootstrap"));
    let intervals = (tested && replicates > 0).then_some(Intervals { replicates, seed });
    let question = Question { labels: schema.labels(), threshold: schema.threshold(), view, intervals };
    let ClassAnswers { truth, prediction, by } = *rows;
    let (metrics, mut detail) = judged(truth, &prediction.scores, &prediction.probabilities, &question)?;
    if schema.labels().len() == 2 && schema.threshold() != 0.5 {
        let moved: Vec<&'static dyn Metric> =
            METRICS.iter().copied().filter(|metric| metric.reads() == Reads::Labels).collect();
        let half = Question { threshold: 0.5, ..question };
        detail.at_half = evaluate_classes(truth, &prediction.scores, &moved, &half)?.0;
    }
    if !tested {
        return Ok(Evaluation::of_classes(truth.len(), metrics, detail));
    }
    let drawn = intervals.map(|_| stream(config.seed, "calibration"));
    detail.reliability = table(truth, &prediction.probabilities, &question, drawn);
    if moved(prediction) {
        // Nobody takes these for probabilities: their error is told, not tested.
        detail.reliability_of_scores = table(truth, &prediction.scores, &question, None);
    }
    for (column, values) in by {
        let of_group = |rows: &[usize]| {
            let truth: Vec<usize> = rows.iter().map(|row| truth[*row]).collect();
            let [scores, probabilities] =
                [&prediction.scores, &prediction.probabilities].map(|all| all.select(Axis(0), rows));
            let (metrics, detail) = judged(&truth, &scores, &probabilities, &question)?;
            Ok((metrics, detail.support))
        };
        detail.subgroups.insert(column.clone(), subgroups(values, of_group)?);
    }
    Ok(Evaluation::of_classes(truth.len(), metrics, detail))
}

/// True when class weights have moved the scores away from the probabilities.
fn moved(prediction: &Prediction) -> bool {
    prediction
        .scores
        .iter()
        .zip(&prediction.probabilities)
        .any(|(score, probability)| (score - probability).abs() > 1e-6)
}

fn table(truth: &[usize], said: &Array2<f64>, question: &Question<'_>, seed: Option<u64>) -> Option<Reliability> {
    let flat: Vec<f64> = said.iter().copied().collect();
    let scored = Scored { view: question.view, ..Scored::new(truth, &[], &flat, question.labels.len()) };
    reliability(&scored, question.labels, seed)
}

/// The metrics of the scores, and those of the calibrated probabilities.
fn judged(
    truth: &[usize],
    scores: &Array2<f64>,
    probabilities: &Array2<f64>,
    question: &Question<'_>,
) -> Result<(BTreeMap<String, Estimate>, ClassDetail)> {
    let (calibrated, plain): (Vec<_>, Vec<_>) = METRICS.iter().copied().partition(|metric| metric.of_probabilities());
    let (mut metrics, detail) = evaluate_classes(truth, scores, &plain, question)?;
    metrics.extend(evaluate_classes(truth, probabilities, &calibrated, question)?.0);
    Ok((metrics, detail))
}

/// The values of the rows at these positions in the columns that make groups.
#[must_use]
pub fn values_by(rows: &Rows, positions: &[usize]) -> BTreeMap<String, Vec<String>> {
    let value = |cell: &Option<String>| cell.clone().unwrap_or_else(|| MISSING.to_owned());
    rows.by
        .iter()
        .map(|(column, cells)| (column.clone(), positions.iter().map(|position| value(&cells[*position])).collect()))
        .collect()
}

/// Says before the fit that the threshold cannot be chosen after it.
///
/// # Errors
/// `Invalid` without two classes, or without validation rows of both.
pub fn check_choice(experiment: &Experiment, labels: &[String], validation: &[usize]) -> Result<()> {
    let Threshold::Chosen(by) = &experiment.config.evaluation.threshold else { return Ok(()) };
    let wish = format!("`evaluation.threshold: {{choose: {}}}`", by.choose);
    if labels.len() != 2 {
        return Err(Error::invalid(format!("{wish} needs two classes, the data have {}", labels.len()))
            .hint("remove it: with more classes the one of the highest score is called"));
    }
    if validation.is_empty() {
        return Err(Error::invalid(format!("{wish} needs validation rows, and there are none"))
            .hint("give the split a validation part; a threshold chosen on test rows would flatter them"));
    }
    match [0, 1].into_iter().find(|class| !validation.contains(class)) {
        None => Ok(()),
        Some(absent) => Err(Error::invalid(format!(
            "{wish} needs validation rows of both classes: none of {} is `{}`",
            validation.len(),
            labels[absent]
        ))
        .hint("stratify the split, or take more validation rows")),
    }
}

/// The threshold of the config: as it is written, or chosen on the validation rows.
///
/// # Errors
/// As `metrics::threshold::choose`.
pub fn threshold(
    experiment: &Experiment,
    truth: &[usize],
    scores: Option<&Array2<f64>>,
) -> Result<(f64, Option<Chosen>)> {
    let (by, scores) = match (&experiment.config.evaluation.threshold, scores) {
        (Threshold::Fixed(number), _) => return Ok((*number, None)),
        (Threshold::None, _) => return Ok((0.5, None)),
        (Threshold::Chosen(by), Some(scores)) => (by, scores),
        (Threshold::Chosen(by), None) => {
            return Err(Error::invalid(format!("no validation rows to choose the threshold for `{}` on", by.choose)));
        }
    };
    let metric = crate::catalog::find("metric", METRICS, &by.choose)?;
    let floors = Floors { precision: by.min_precision, recall: by.min_recall };
    let chosen = choose(truth, &scores.column(1).to_vec(), metric, floors)?;
    Ok((chosen.threshold, Some(chosen)))
}
