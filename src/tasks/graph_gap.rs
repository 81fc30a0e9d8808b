//! How far the numbers of an exported file are from those of the model.

use ndarray::Array2;

use crate::error::{Error, Result};
use crate::onnx::Outputs;

/// How far a probability of the file may be from the model's, or a score, as a share of the largest.
pub const TOLERANCE: f64 = 1e-5;

/// The error for an output that the file lacks.
pub(super) fn missing(name: &str) -> Error {
    Error::failed(format!("the ONNX file has no output `{name}`"))
}

/// The largest difference of a number from that of an output; infinite where one is not a number, or the shapes differ.
pub(super) fn largest_gap(ours: &Array2<f64>, theirs: &Outputs, name: &str) -> Result<f64> {
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
