//! `--why`: the rows whose answer changed from right to wrong or back, those first that changed most.

use std::collections::HashMap;

use serde::Serialize;

use super::super::reading::read_training_rows;
use super::super::session::Session;
use crate::data::Input;
use crate::data::rows::{Inputs, Labels};
use crate::error::{ErrorKind, Result};
use crate::names::{ExperimentName, RunId};
use crate::runs::paired::Paired;
use crate::runs::stored_config::read_config;
use crate::tracking::Run;

/// A row whose answer changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Flip {
    /// The row.
    pub id: String,
    /// Its true label.
    pub label: String,
    /// What the baseline said.
    pub baseline: String,
    /// What the candidate says.
    pub candidate: String,
    /// The score that the baseline gave the true label.
    pub baseline_score: f64,
    /// The score that the candidate gives the true label.
    pub candidate_score: f64,
    /// True when the candidate is right.
    pub won: bool,
    /// The text, where the data can still be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// The rows whose answer changed with one candidate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Flips {
    /// The candidate.
    pub candidate: RunId,
    /// The baseline.
    pub baseline: RunId,
    /// Rows in all.
    pub rows: usize,
    /// Rows that only the candidate answers right.
    pub won: usize,
    /// Rows that only the baseline answers right.
    pub lost: usize,
    /// Rows that both answer wrong, but not alike.
    pub other: usize,
    /// The rows won and lost, by how far the score of the true label moved.
    pub examples: Vec<Flip>,
}

/// Adds the texts of the changed rows.
pub(super) fn tell(session: &Session<'_>, baseline: &Run, flips: &mut [Flips]) -> Result<()> {
    let texts = texts(session, baseline)?;
    for flip in flips.iter_mut().flat_map(|flips| &mut flips.examples) {
        flip.text = texts.get(&flip.id).cloned();
    }
    Ok(())
}

/// The changed rows of one candidate, without their texts.
pub(super) fn changed(baseline: &Run, candidate: &Run, paired: &Paired) -> Flips {
    let classes = paired.labels().len();
    let mut flips = Flips {
        candidate: candidate.id.clone(),
        baseline: baseline.id.clone(),
        rows: paired.ids().len(),
        won: 0,
        lost: 0,
        other: 0,
        examples: Vec::new(),
    };
    for (row, id) in paired.ids().iter().enumerate() {
        let (truth, old, new) = (paired.truth()[row], paired.baseline.predicted[row], paired.candidate.predicted[row]);
        let score = |scores: &[f64]| scores[row * classes + truth];
        match (old == truth, new == truth) {
            (false, true) => flips.won += 1,
            (true, false) => flips.lost += 1,
            (false, false) if old != new => {
                flips.other += 1;
                continue;
            }
            _ => continue,
        }
        flips.examples.push(Flip {
            id: id.clone(),
            label: paired.labels()[truth].clone(),
            baseline: paired.labels()[old].clone(),
            candidate: paired.labels()[new].clone(),
            baseline_score: score(&paired.baseline.scores),
            candidate_score: score(&paired.candidate.scores),
            won: new == truth,
            text: None,
        });
    }
    let moved = |flip: &Flip| (flip.candidate_score - flip.baseline_score).abs();
    flips.examples.sort_by(|left, right| moved(right).total_cmp(&moved(left)).then_with(|| left.id.cmp(&right.id)));
    flips
}

/// The texts of the rows, by id, where a run's data are texts that can still be read. Not to have them is no error: the
/// ids say which rows they are.
fn texts(session: &Session<'_>, run: &Run) -> Result<HashMap<String, String>> {
    let project = session.project;
    let folder = project.layout.run(&ExperimentName::parse(&run.experiment)?, &run.id);
    let Ok(mut config) = read_config(&folder) else { return Ok(HashMap::new()) };
    if !matches!(config.columns().input, Input::Text { .. }) {
        return Ok(HashMap::new());
    }
    if let Some(source) = run.params.get("data.source") {
        config.data.source.clone_from(source);
    }
    session.stage(&format!("reading {}", config.data.place()))?;
    let labels = Labels::Learn { positive: config.data.positive.as_deref() };
    match read_training_rows(session, &config, labels, &[]) {
        // Other data than then would show other texts under the same ids.
        Ok(rows) if run.tags.get("data_fingerprint").is_some_and(|then| *then != rows.fingerprint()) => {
            session.note(format!("the texts are not shown: `{}` has changed since", config.data.source));
            Ok(HashMap::new())
        }
        Ok(rows) => match rows.inputs {
            Inputs::Texts(texts) => Ok(rows.ids.into_iter().zip(texts).collect()),
            Inputs::Vectors { .. } => Ok(HashMap::new()),
        },
        Err(error) if error.kind == ErrorKind::Interrupted => Err(error),
        Err(error) => {
            session.note(format!("the texts cannot be shown: {}", error.message));
            Ok(HashMap::new())
        }
    }
}
