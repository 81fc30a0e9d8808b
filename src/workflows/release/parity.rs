//! Parity: does an exported file say what the model says? It is run by an independent runtime on the golden rows.
//!
//! Classification: the largest difference of a probability, and no other class that the probabilities do not excuse.
//! Ranking: the largest difference of a score, divided by the largest score where that is above 1, because scores have no
//! unit. Two documents can only change places then whose scores are nearer than twice that.

use ndarray::Array2;
use serde::Serialize;

use super::super::session::Session;
use crate::bundle::{Bundle, Golden, Prediction};
use crate::data::Task;
use crate::error::{Error, Result};
use crate::onnx::{Outputs, RUNTIME, Runtime};
use crate::project::Located;

/// How far a probability of the file may be from the model's, or a score, as a share of the largest.
pub const TOLERANCE: f64 = 1e-5;

/// How near the file is to the model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Parity {
    /// Golden rows that were asked.
    pub rows: usize,
    /// The largest difference of a probability; for ranking of a score, as a share of the largest score or of 1.
    pub worst: f64,
    /// The largest that is allowed.
    pub tolerance: f64,
    /// Who ran the file.
    pub runtime: &'static str,
}

/// Runs the file on the golden rows and holds it against the model.
///
/// # Errors
/// `Refused` without golden rows, or when the file does not say what the model says; `Failed` when it cannot be run.
pub fn parity(session: &Session<'_>, bundle: &Bundle, located: &Located, bytes: &[u8]) -> Result<Parity> {
    let (golden, folder, context) = (Golden::read(&located.folder)?, &located.folder, &session.embedding);
    let rows = golden.scores.len();
    if rows == 0 {
        return Err(Error::refused(format!(
            "{} {} has no golden rows to check the file on",
            located.model, located.version
        ))
        .hint("train with a test part: its first rows become the golden rows"));
    }
    // These texts are test rows, which training has reported: there is no second report.
    let (input, _) = bundle.features.graph_input(golden.batch(bundle.schema.task, folder)?, context)?;
    let ours = bundle.ask_golden(&golden, folder, context)?;
    let outputs = Runtime::new(bytes)?.run(&input)?;
    let worst = apart(bundle, &ours, &outputs)?;
    if worst > TOLERANCE {
        return Err(Error::refused(format!(
            "{} {}: the ONNX file differs from the model by {worst:.2e} on {rows} golden rows, allowed are {TOLERANCE:.0e}",
            located.model, located.version
        ))
        .hint("features in the millions lose digits as f32: standardize them; else please report this"));
    }
    Ok(Parity { rows, worst, tolerance: TOLERANCE, runtime: RUNTIME })
}

/// How far a file is from the model that it is of, by what the model is for.
///
/// # Errors
/// `Failed` when the file has other outputs.
pub fn apart(bundle: &Bundle, ours: &Prediction, theirs: &Outputs) -> Result<f64> {
    match bundle.schema.task {
        Task::Classification => difference(ours, theirs, bundle.schema.threshold),
        Task::Ranking => {
            let largest = ours.scores.iter().fold(1.0_f64, |most, score| most.max(score.abs()));
            Ok(gap(&ours.scores, theirs, "score")? / largest)
        }
    }
}

/// The largest difference of a probability between a model and its file; infinite where one is not a number, or where
/// they choose another class although no probability is within the tolerance of the decision.
fn difference(ours: &Prediction, theirs: &Outputs, threshold: f64) -> Result<f64> {
    let worst = gap(&ours.scores, theirs, "probabilities")?.max(gap(&ours.probabilities, theirs, "calibrated")?);
    let classes = theirs.get("class").and_then(|tensor| tensor.integers()).ok_or_else(|| missing("class"))?;
    for (row, (ours_class, theirs_class)) in ours.classes.iter().zip(classes).enumerate() {
        if i64::try_from(*ours_class).ok() != Some(*theirs_class) && !is_close_call(&ours.scores, row, threshold) {
            return Ok(f64::INFINITY);
        }
    }
    Ok(worst)
}

fn missing(name: &str) -> Error {
    Error::failed(format!("the ONNX file has no output `{name}`"))
}

/// The largest difference of a number from that of an output; infinite where one is not a number, or the shapes differ.
fn gap(ours: &Array2<f64>, theirs: &Outputs, name: &str) -> Result<f64> {
    let theirs = theirs.get(name).and_then(|tensor| tensor.floats()).ok_or_else(|| missing(name))?;
    if theirs.dim() != ours.dim() {
        return Ok(f64::INFINITY);
    }
    let one = |(ours, theirs): (&f64, &f32)| {
        let gap = (ours - f64::from(*theirs)).abs();
        if gap.is_nan() { f64::INFINITY } else { gap }
    };
    Ok(ours.iter().zip(theirs).map(one).fold(0.0, f64::max))
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
        let difference = |file: Outputs| difference(&ours, &file, 0.5).unwrap();
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

    #[test]
    fn scores_of_documents_are_apart_by_a_share_of_the_largest() {
        let bundle = crate::workflows::fixtures::ranker(&[1.0], 0.0);
        let scores = |file: Array2<f32>| Outputs::from([("score".to_owned(), Tensor::Floats(file))]);
        let apart = |ours: Array2<f64>, file: Array2<f32>| {
            let ours = Prediction { scores: ours, probabilities: Array2::zeros((2, 0)), classes: Vec::new() };
            super::apart(&bundle, &ours, &scores(file)).unwrap()
        };
        assert_eq!(apart(array![[-8.0], [2.0]], array![[-8.0], [2.5]]), 0.0625);
        // Small scores are not blown up.
        assert_eq!(apart(array![[0.25], [0.0]], array![[0.25], [0.125]]), 0.125);
        assert_eq!(apart(array![[0.25], [f64::NAN]], array![[0.25], [0.125]]), f64::INFINITY);
        assert_eq!(apart(array![[0.25], [0.0]], array![[0.25]]), f64::INFINITY);
        let ours = Prediction { scores: array![[1.0]], probabilities: Array2::zeros((1, 0)), classes: Vec::new() };
        let error = super::apart(&bundle, &ours, &outputs(array![[1.0]], vec![0])).unwrap_err();
        assert_eq!(error.message, "the ONNX file has no output `score`");
    }
}
