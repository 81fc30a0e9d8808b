//! Classification: the class of each row.

use std::collections::BTreeMap;

use ndarray::Array2;
use serde_json::{Value, json};

use super::graph_gap::{TOLERANCE, largest_gap, missing};
use super::judge_classes::{ClassAnswers, check_choice, judge, values_by};
use super::part_rows::PartRows;
use super::task_kind::{Answered, JudgedPart, Judgement, Judging, Options, TaskKind, Words};
use crate::bundle::{Bundle, Prediction, Schema};
use crate::catalog::known_hint;
use crate::config::{Experiment, ExperimentConfig};
use crate::data::rows::{Labels, Rows};
use crate::data::{Columns, Input, Task, Truth, labels};
use crate::error::{Error, Result};
use crate::metrics::{Average, Evaluation, View};
use crate::onnx::Outputs;
use crate::report::calibration::ece;
use crate::report::model_card::Modality;
use crate::runs::record::{PredictionColumns, Recorder};

/// The task `classification`.
pub struct Classification;

const WORDS: Words = Words {
    rows: "rows",
    batch: "µs for the whole batch",
    pipeline: "mlops, from the raw row",
    pipeline_on_card: "mlops, from the raw row",
    graph_input: "what `preprocessor.json` makes of a row",
    graph_output: "see `meaning` in `preprocessor.json`",
};

/// How the cells of a row become one text.
const TEXT: &str = "of each text column in order, the cell; with json_fields the cell is JSON, and of each named field in \
    order (`a.b` is a nested key): a text that is not blank as it stands, a number or true/false as JSON writes it, of a \
    list each item and of an object each value by the order of its keys, null nothing. All parts that are there are joined \
    by LF. A row without any part, or of white space only, has no answer: do not ask the graph.";

impl TaskKind for Classification {
    fn task(&self) -> Task {
        Task::Classification
    }

    fn words(&self) -> &'static Words {
        &WORDS
    }

    fn labels_to_learn<'a>(&self, config: &'a ExperimentConfig) -> Labels<'a> {
        Labels::Learn { positive: config.data.positive.as_deref() }
    }

    fn labels_to_judge<'a>(&self, schema: &'a Schema) -> Labels<'a> {
        Labels::Known(schema.labels())
    }

    fn id_column(&self, _source: &str, columns: &Columns, known: &[String]) -> Result<Option<String>> {
        Ok(columns.id.clone().filter(|id| known.contains(id)))
    }

    fn check_training(&self, experiment: &Experiment, rows: &Rows, parts: &[PartRows; 3]) -> Result<()> {
        check_classes(rows, &parts[0].positions)?;
        check_choice(experiment, rows.truth.labels(), parts[1].truth.classes())
    }

    fn is_monitored(&self) -> bool {
        true
    }

    /// As in scikit-learn, `binary` needs two classes or a named one, and averages over classes do not look at the positive
    /// label (there a warning, here a note).
    fn view(&self, options: &Options, schema: &Schema) -> Result<(View, Option<String>)> {
        let ranking = [("--letor-compat", options.letor_compat), ("--empty", options.empty.is_some())];
        if let Some((option, _)) = ranking.iter().find(|(_, given)| *given) {
            return Err(Error::invalid(format!("`{option}` is for rankings, and the model is a classifier"))
                .hint("`--average` and `--pos-label` say how its metrics are taken"));
        }
        let names = schema.labels();
        let known = || names.iter().map(String::as_str).collect::<Vec<_>>();
        let positive = match &options.pos_label {
            None => None,
            Some(label) => {
                let wanted = labels::canonical(Some(label)).unwrap_or_default();
                let place = names.iter().position(|name| *name == wanted);
                Some(place.ok_or_else(|| {
                    Error::invalid(format!("the model has no class `{label}`")).hint(known_hint(&wanted, known()))
                })?)
            }
        };
        let average = options.average;
        if average == Some(Average::Binary) && names.len() > 2 && positive.is_none() {
            return Err(Error::invalid(format!("`--average binary` needs two classes, the model has {}", names.len()))
                .hint(format!("`--pos-label LABEL` holds one class against the rest; {}", known_hint("", known()))));
        }
        let ignored = match (average, &options.pos_label) {
            (Some(average), Some(label)) if average != Average::Binary => Some(format!(
                "{} averages are over all classes: `--pos-label {label}` changes nothing in precision, recall and f1",
                average.name()
            )),
            _ => None,
        };
        Ok((View { average, positive }, ignored))
    }

    fn judge(&self, judging: &Judging<'_>, answered: &Answered<'_>) -> Result<Judgement> {
        let Answered { rows, part, prediction } = *answered;
        let by = values_by(rows, &part.positions);
        let answers = ClassAnswers { truth: part.truth.classes(), prediction, by: &by };
        let evaluation = judge(judging.experiment, judging.schema, part.is_tested(), &answers, judging.view)?;
        Ok(Judgement { evaluation, per_query: Vec::new(), letor_script: None })
    }

    fn remark(&self, _experiment: &Experiment, _schema: &Schema, _truth: &[&Truth]) -> Option<String> {
        None
    }

    fn record(&self, recorder: &Recorder<'_>, parts: &[JudgedPart<'_>]) -> Result<()> {
        let (mut ids, mut names, mut labels, mut predicted) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (mut scores, mut probabilities) = (Vec::new(), Vec::new());
        let mut by: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for JudgedPart { name, answered: Answered { rows, part, prediction }, .. } in parts {
            let classes = rows.truth.labels();
            ids.extend(part.ids(rows));
            names.extend(part.positions.iter().map(|_| (*name).to_owned()));
            labels.extend(part.truth.words());
            predicted.extend(prediction.classes.iter().map(|class| classes[*class].clone()));
            scores.extend(prediction.scores.rows().into_iter().map(|row| row.to_vec()));
            probabilities.extend(prediction.probabilities.rows().into_iter().map(|row| row.to_vec()));
            for (column, values) in values_by(rows, &part.positions) {
                by.entry(column).or_default().extend(values);
            }
        }
        recorder.predictions(&PredictionColumns {
            ids: &ids,
            parts: &names,
            labels: &labels,
            predicted: &predicted,
            classes: parts.first().map_or(&[], |part| part.answered.rows.truth.labels()),
            scores: &scores,
            probabilities: &probabilities,
            by: &by,
        })
    }

    /// The largest difference of a probability between a model and its file; infinite where one is not a number, or where
    /// they choose another class although no probability is within the tolerance of the decision.
    fn distance(&self, ours: &Prediction, theirs: &Outputs, schema: &Schema) -> Result<f64> {
        let scores = largest_gap(&ours.scores, theirs, "probabilities")?;
        let worst = scores.max(largest_gap(&ours.probabilities, theirs, "calibrated")?);
        let classes = theirs.get("class").and_then(|tensor| tensor.integers());
        let classes = classes.ok_or_else(|| missing("class"))?;
        for (row, (ours_class, theirs_class)) in ours.classes.iter().zip(classes).enumerate() {
            let same = i64::try_from(*ours_class).ok() == Some(*theirs_class);
            if !same && !is_close_call(&ours.scores, row, schema.threshold()) {
                return Ok(f64::INFINITY);
            }
        }
        Ok(worst)
    }

    fn batch_sizes(&self) -> [usize; 4] {
        [1, 8, 32, 100]
    }

    fn answers_together(&self) -> bool {
        false
    }

    fn preprocessor(&self, bundle: &Bundle) -> Value {
        let schema = &bundle.schema;
        json!({
            "text": bundle.features.outside().is_some().then_some(TEXT),
            "meaning": {
                "probabilities": "the model's scores, one column a label, as decisions use them",
                "calibrated": "the same with the class weights of training undone",
                "class": "the position in labels: with two labels 1 when the second column is at least the threshold, else \
                          the column with the largest probability, the first of equal ones",
            },
            "labels": schema.labels(),
            "threshold": schema.threshold(),
            "class_weights": schema.class_weights(),
        })
    }

    fn onnx_facts(&self, schema: &Schema) -> BTreeMap<String, String> {
        let labels = json!(schema.labels()).to_string();
        BTreeMap::from([("labels".to_owned(), labels), ("threshold".to_owned(), schema.threshold().to_string())])
    }

    fn modality(&self, input: &Input) -> Modality {
        if matches!(input, Input::Text { .. }) { Modality::Text } else { Modality::Numbers }
    }

    fn calibration(&self, evaluation: Option<&Evaluation>) -> Option<String> {
        evaluation.and_then(|evaluation| evaluation.classes()?.reliability.as_ref()).map(ece)
    }
}

/// Checks that each class has a training row.
fn check_classes(rows: &Rows, train: &[usize]) -> Result<()> {
    let (classes, labels) = (rows.truth.classes(), rows.truth.labels());
    let mut seen = vec![false; labels.len()];
    train.iter().for_each(|position| seen[classes[*position]] = true);
    match labels.iter().zip(seen).find(|(_, seen)| !seen) {
        None => Ok(()),
        Some((label, _)) => Err(Error::invalid(format!("no training row has the label `{label}`"))
            .hint("every class needs rows in the train split")),
    }
}

/// True when the decision of a row hangs on less than the tolerance.
fn is_close_call(scores: &Array2<f64>, row: usize, threshold: f64) -> bool {
    let mut row = scores.row(row).to_vec();
    if let [_, positive] = row[..] {
        return (positive - threshold).abs() <= TOLERANCE;
    }
    row.sort_by(f64::total_cmp);
    row.len() > 1 && row[row.len() - 1] - row[row.len() - 2] <= TOLERANCE
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::bundle::Output;
    use crate::bundle::tests::ranker;
    use crate::onnx::Tensor;

    fn outputs(probabilities: Array2<f32>, class: Vec<i64>) -> Outputs {
        let floats = Tensor::Floats(probabilities);
        let named = [("calibrated", floats.clone()), ("probabilities", floats), ("class", Tensor::Integers(class))];
        named.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect()
    }

    #[test]
    fn a_difference_is_seen_wherever_it_is() {
        let scores = array![[0.25, 0.75], [0.5, 0.5]];
        let ours = Prediction { scores: scores.clone(), probabilities: scores, classes: vec![1, 1] };
        let labels = vec!["no".to_owned(), "yes".to_owned()];
        let output = Output::Classes { labels, class_weights: None, threshold: 0.5 };
        let schema = Schema { output, ..ranker(&[1.0], 0.0).schema };
        let difference = |file: Outputs| Classification.distance(&ours, &file, &schema).unwrap();
        let same = array![[0.25, 0.75], [0.5, 0.5]];
        assert_eq!(difference(outputs(same.clone(), vec![1, 1])), 0.0);
        // The second row is a close call, the first is none.
        assert_eq!(difference(outputs(same.clone(), vec![1, 0])), 0.0);
        assert_eq!(difference(outputs(same.clone(), vec![0, 1])), f64::INFINITY);
        assert_eq!(difference(outputs(array![[0.25, 0.75], [0.5, f32::NAN]], vec![1, 1])), f64::INFINITY);
        assert_eq!(difference(outputs(array![[0.25, 0.75]], vec![1, 1])), f64::INFINITY);
        assert_eq!(difference(outputs(array![[0.25, 0.625], [0.5, 0.5]], vec![1, 1])), 0.125);
        let mut file = outputs(same, vec![1, 1]);
        file.insert("calibrated".into(), Tensor::Floats(array![[0.0, 1.0], [0.5, 0.5]]));
        assert_eq!(difference(file), 0.25);
    }
}
