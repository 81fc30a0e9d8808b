//! The reference of a training run: what its rows look like, drafted before the inputs are dropped, finished when the
//! model has scored the validation rows, and frozen with the version.
//!
//! Inputs, label and watched columns are those of the training rows (there are most of them); scores are those of the
//! validation rows, or of the test rows where there are none: on training rows a model is surer than it will ever be.

use ndarray::Array2;

use super::session::Session;
use crate::config::ExperimentConfig;
use crate::data::rows::Rows;
use crate::data::{Features, Input, Part};
use crate::drift::profile::{Content, Room, Words};
use crate::drift::vectors::{VectorSample, norm};
use crate::drift::{Column, Reference, Role, Settings};
use crate::error::Result;
use crate::features::{Batch, FittedChain, QueryBounds, Signal};
use crate::tasks::Predicted;

/// Texts that are embedded once more for the centroid and the sample of vectors.
const TEXTS: usize = 2000;
/// Columns that a reference may have beside features and watched columns.
const OWN: usize = 5;

/// A reference without scores.
#[derive(Default)]
pub(super) struct Draft {
    settings: Settings,
    room: Option<Room>,
    columns: Vec<Column>,
    left_out: Vec<String>,
    vectors: Option<VectorSample>,
    /// Some of the training texts, until the chain is fitted.
    texts: Vec<String>,
    /// Training rows that were left out for want of an input.
    without_input: u64,
}

/// The score that is watched and logged: of the positive class, or of the likeliest of many. NaN where it is no finite
/// number: such a row counts as one without a score.
pub(super) fn score(scores: ndarray::ArrayView1<'_, f64>) -> f64 {
    let largest = || scores.iter().copied().max_by(f64::total_cmp).unwrap_or(f64::NAN);
    let score = if scores.len() == 2 { scores[1] } else { largest() };
    if score.is_finite() { score } else { f64::NAN }
}

/// How many are no finite numbers, and the others.
fn finite(scores: impl Iterator<Item = f64>) -> (u64, Vec<f64>) {
    let (finite, others): (Vec<f64>, Vec<f64>) = scores.partition(|score| score.is_finite());
    (others.len() as u64, finite)
}

/// Drafts the reference from the training rows; takes the watched columns out of `rows.by`, unless they are subgroups.
pub(super) fn draft(config: &ExperimentConfig, rows: &mut Rows, positions: &[usize], train: &Signal) -> Draft {
    let columns = config.columns().learned(&rows.feature_names);
    let features: &[String] = match &columns.input {
        Input::Numbers(names) => names,
        _ => &[],
    };
    let known = |name: &&String| !features.contains(*name) && columns.label.as_ref() != Some(*name);
    let mut watched: Vec<String> = config.drift.columns.iter().filter(known).cloned().collect();
    watched.dedup();
    let most = Room::columns() - OWN;
    let room = Room::of((features.len() + watched.len()).min(most) + OWN).unwrap_or(Room { cells: 20, sample: 40 });
    let mut draft = Draft {
        settings: config.drift.settings(),
        room: Some(room),
        without_input: rows.skipped_input as u64,
        ..Draft::default()
    };
    draft.columns.extend(columns.label.as_ref().map(|label| label_column(label, rows, positions)));
    for name in &watched {
        let cells = rows.by.get(name).map(|cells| positions.iter().map(|at| cells[*at].clone()).collect::<Vec<_>>());
        draft.columns.extend(cells.map(|cells| Column::of_cells(name, Part::Train.name(), &cells, room)));
    }
    rows.by.retain(|name, _| config.evaluation.subgroups.contains(name));
    match train {
        Signal::Texts(texts) => {
            let lengths = texts.iter().map(|text| text.chars().count() as f64).collect();
            draft.push(Role::TextLength, lengths, draft.without_input);
            let step = texts.len().div_ceil(TEXTS).max(1);
            draft.texts = texts.iter().step_by(step).cloned().collect();
        }
        Signal::Matrix(Features::Dense(matrix)) if features.is_empty() => draft.of_matrix(matrix, draft.without_input),
        Signal::Matrix(Features::Dense(matrix)) => {
            for (name, column) in features.iter().zip(matrix.columns()) {
                if draft.columns.len() >= most {
                    draft.left_out.push(name.clone());
                    continue;
                }
                let values = column.iter().map(|value| f64::from(*value)).collect();
                let nulls = draft.without_input;
                draft.columns.push(Column::of_numbers((name, Role::Feature), Part::Train.name(), values, nulls, room));
            }
        }
        Signal::Matrix(Features::Sparse(_)) => {}
    }
    draft
}

/// The label as a categorical column.
fn label_column(name: &str, rows: &Rows, positions: &[usize]) -> Column {
    let mut counted = std::collections::BTreeMap::new();
    positions.iter().for_each(|at| *counted.entry(rows.truth.word(*at).into_owned()).or_insert(0) += 1);
    Column {
        name: name.to_owned(),
        role: Role::Label,
        rows: Part::Train.name().to_owned(),
        n: positions.len() as u64,
        nulls: 0,
        content: Content::Categorical(Words::of(counted)),
    }
}

impl Draft {
    fn push(&mut self, role: Role, values: Vec<f64>, nulls: u64) {
        let name = role.own_name().unwrap_or_default();
        let room = self.room.unwrap_or(Room::ALL);
        self.columns.push(Column::of_numbers((name, role), Part::Train.name(), values, nulls, room));
    }

    fn of_matrix(&mut self, matrix: &Array2<f32>, nulls: u64) {
        let Some(sample) = VectorSample::of(matrix) else { return };
        self.push(Role::VectorNorm, matrix.outer_iter().map(norm).collect(), nulls);
        let cosines = sample.cosines(matrix);
        // The share of rows without an input stays what it is.
        let share = cosines.len() as f64 / matrix.nrows() as f64;
        self.push(Role::CentroidCosine, cosines, (nulls as f64 * share).round() as u64);
        self.vectors = Some(sample);
    }

    /// Adds what the embedder in the chain makes of some of the training texts, where there is one.
    pub fn vectors(&mut self, session: &Session<'_>, chain: &FittedChain) -> Result<()> {
        let texts = std::mem::take(&mut self.texts);
        if texts.is_empty() || chain.embedder().is_none() {
            return Ok(());
        }
        // These texts are training rows, which have been reported: there is no second report.
        let texts = Batch::new(Signal::Texts(texts), QueryBounds::Absent, None);
        let (vectors, _) = chain.vectors(texts, &session.embedding)?;
        self.of_matrix(&vectors, 0);
        Ok(())
    }

    /// Adds the scores of the validation rows, or of the test rows.
    pub fn finish(&self, predictions: &[Predicted<'_>]) -> Reference {
        let mut columns = self.columns.clone();
        let of = |wanted: Part| predictions.iter().find(|(part, _)| part.part == wanted);
        let room = self.room.unwrap_or(Room::ALL);
        if let Some((part, prediction)) = of(Part::Validation).or_else(|| of(Part::Test)) {
            let (nulls, scores) = finite(prediction.scores.outer_iter().map(score));
            let name = Role::Score.own_name().unwrap_or_default();
            columns.insert(0, Column::of_numbers((name, Role::Score), part.part.name(), scores, nulls, room));
        }
        let mut reference = Reference::new(self.settings.clone(), columns, self.vectors.clone());
        reference.left_out.clone_from(&self.left_out);
        reference
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn the_score_is_of_the_positive_class_or_the_highest_of_many() {
        assert_eq!(score(array![0.9, 0.1].view()), 0.1);
        assert_eq!(score(array![0.2, 0.5, 0.3].view()), 0.5);
        for odd in [array![0.5, f64::NAN], array![0.5, f64::INFINITY], array![0.1, f64::NAN, 0.2]] {
            assert!(score(odd.view()).is_nan(), "{odd}");
        }
        assert_eq!(finite([0.5, f64::NAN, 0.25].into_iter()), (1, vec![0.5, 0.25]));
    }

    #[test]
    fn cosines_keep_the_share_of_rows_without_an_input() {
        let mut draft = Draft::default();
        draft.of_matrix(&Array2::from_shape_fn((400, 3), |(i, j)| ((i * 7 + j) as f32).sin()), 100);
        let [norms, cosines] = &draft.columns[..] else { panic!("{}", draft.columns.len()) };
        assert_eq!((norms.n, norms.nulls), (500, 100));
        assert!(cosines.values() < 250 && cosines.nulls.abs_diff(cosines.values() / 4) <= 1, "{cosines:?}");
    }
}
