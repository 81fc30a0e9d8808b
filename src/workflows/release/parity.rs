//! Parity: does an exported file say what the model says? It is run by an independent runtime on the golden rows.
//!
//! Classification: the largest difference of a probability, and no other class that the probabilities do not excuse.
//! Ranking: the largest difference of a score, divided by the largest score where that is above 1, because scores have no
//! unit. Two documents can only change places then whose scores are nearer than twice that.

use serde::Serialize;

use super::super::session::Session;
use crate::error::{Cause, Error, Result};
use crate::onnx::{RUNTIME, Runtime};
use crate::runs::opened::Opened;
use crate::tasks::kind_of;

pub use crate::tasks::TOLERANCE;

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
pub fn parity(session: &Session<'_>, opened: &Opened, runtime: &Runtime) -> Result<Parity> {
    #[cfg(test)]
    crate::counted::add("parity");
    let Opened { located, bundle, .. } = opened;
    let (golden, folder, context) = (opened.golden()?, &located.folder, &session.embedding);
    let rows = golden.scores.len();
    if rows == 0 {
        return Err(Error::refused(format!(
            "{} {} has no golden rows to check the file on",
            located.model, located.version
        ))
        .hint("train with a test part: its first rows become the golden rows")
        .because(Cause::NoGoldenRows));
    }
    // These texts are test rows, which training has reported: there is no second report.
    let (input, _) = bundle.features.graph_input(golden.batch(&bundle.schema.output, folder)?, context)?;
    let ours = bundle.ask_golden(golden, folder, context)?;
    let outputs = runtime.run(&input)?;
    let worst = kind_of(bundle.schema.task()).distance(&ours, &outputs, &bundle.schema)?;
    if worst > TOLERANCE {
        return Err(Error::refused(format!(
            "{} {}: the ONNX file differs from the model by {worst:.2e} on {rows} golden rows, allowed are {TOLERANCE:.0e}",
            located.model, located.version
        ))
        .hint("features in the millions lose digits as f32: standardize them; else please report this")
        .because(Cause::FileDiffers));
    }
    Ok(Parity { rows, worst, tolerance: TOLERANCE, runtime: RUNTIME })
}
