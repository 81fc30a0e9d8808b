//! The prediction log of `predict --log`: what is kept of each row beside its class and score, and the writing of it.
//!
//! The numbers are those of the version's `reference.json`, measured the same way: `text_length` in characters of the
//! text as the model is given it, `vector_norm` and `centroid_cosine` of the row's vector (where the rows bring one, or
//! the first step embeds their text), numeric features under their own names. Rows without an input have no prediction,
//! and are not logged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ndarray::{Array2, ArrayView1};
use serde::{Deserialize, Serialize};

use super::session::Session;
use crate::bundle::{Bundle, Prediction};
use crate::data::Features;
use crate::data::{Columns, Input};
use crate::embeddings::Setting;
use crate::error::{Error, Result};
use crate::features::Signal;
use crate::project::{Located, Project};
use crate::tracking::prediction_log::{BATCH, Entry, append};

/// Numbers of rows by name, a column each.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts(Vec<(String, Vec<f64>)>);

/// What came of logging.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Logged {
    /// Predictions that were logged.
    pub rows: usize,
    /// The folder of the version's log.
    pub folder: PathBuf,
    /// Why not all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// Refuses to log where there is no project: a model's folder that was copied somewhere.
///
/// # Errors
/// `Invalid`.
pub fn check_place(project: &Project) -> Result<()> {
    let root = project.layout.root();
    if ["experiments", "production"].iter().any(|name| root.join(name).is_dir()) {
        return Ok(());
    }
    Err(Error::invalid("there is nowhere to log predictions: this is no project").hint(
        "`--root DIR` names one (a folder with `experiments/` or `production/`); without `--log` a folder is enough",
    ))
}

impl Facts {
    /// The facts that can be told before the model has seen the rows: lengths of texts, numeric features, vectors.
    #[must_use]
    pub fn of_rows(columns: &Columns, input: &Signal, folder: &Path) -> Self {
        let mut facts = Self::default();
        match (input, &columns.input) {
            (Signal::Texts(texts), _) => {
                facts.0.push(("text_length".into(), texts.iter().map(|text| text.chars().count() as f64).collect()));
            }
            (Signal::Matrix(Features::Dense(matrix)), Input::Numbers(names)) => {
                let column = |(name, values): (&String, ArrayView1<'_, f32>)| {
                    (name.clone(), values.iter().map(|value| f64::from(*value)).collect())
                };
                facts.0.extend(names.iter().zip(matrix.columns()).map(column));
            }
            (Signal::Matrix(Features::Dense(matrix)), _) => facts.add_vectors(matrix, folder),
            // Rows of a source are never sparse.
            (Signal::Matrix(Features::Sparse(_)), _) => {}
        }
        facts
    }

    fn add_vectors(&mut self, vectors: &Array2<f32>, folder: &Path) {
        self.0.push(("vector_norm".into(), vectors.outer_iter().map(norm).collect()));
        let centroid = centroid(folder).filter(|centroid| centroid.len() == vectors.ncols());
        if let Some(centroid) = centroid {
            let cosines = vectors.outer_iter().map(|row| cosine(row, ArrayView1::from(&centroid)));
            self.0.push(("centroid_cosine".into(), cosines.collect()));
        }
    }

    fn of_row(&self, row: usize) -> BTreeMap<String, f64> {
        self.0.iter().map(|(name, values)| (name.clone(), values[row])).collect()
    }
}

fn norm(row: ArrayView1<'_, f32>) -> f64 {
    row.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt()
}

/// The cosine of two vectors; 0 where one of them is zero.
fn cosine(one: ArrayView1<'_, f32>, other: ArrayView1<'_, f32>) -> f64 {
    let dot: f64 = one.iter().zip(other).map(|(left, right)| f64::from(*left) * f64::from(*right)).sum();
    let lengths = norm(one) * norm(other);
    if lengths > 0.0 { dot / lengths } else { 0.0 }
}

/// The centroid of the training vectors, of versions that keep one.
fn centroid(folder: &Path) -> Option<Vec<f32>> {
    #[derive(Deserialize)]
    struct Reference {
        vectors: Option<Vectors>,
    }
    #[derive(Deserialize)]
    struct Vectors {
        centroid: Vec<f32>,
    }
    let text = std::fs::read(folder.join("reference.json")).ok()?;
    Some(serde_json::from_slice::<Reference>(&text).ok()?.vectors?.centroid)
}

/// What the model says of rows, and the facts about the vectors that it makes of their texts: each text is embedded once.
///
/// # Errors
/// As `Bundle::predict`.
pub fn predict_with_facts(
    bundle: &Bundle,
    rows: Signal,
    facts: &mut Facts,
    folder: &Path,
    setting: &Setting<'_>,
) -> Result<Prediction> {
    if matches!(rows, Signal::Matrix(_)) || bundle.features.embedder().is_none() {
        return bundle.predict(rows, setting);
    }
    let vectors = bundle.features.vectors(rows, setting)?;
    facts.add_vectors(&vectors, folder);
    let features: Features = bundle.features.of_vectors(vectors, setting)?;
    Ok(bundle.schema.predict(bundle.model.predict(&features)?))
}

/// Appends the predictions to the version's log. The answer must not fail for its log: what could not be written is told.
#[must_use]
pub fn log(
    session: &Session<'_>,
    located: &Located,
    bundle: &Bundle,
    said: (&[String], &Prediction),
    facts: &Facts,
) -> Logged {
    let (ids, prediction) = said;
    let layout = &session.project.layout;
    let folder = layout.predictions_of(&located.model, located.version);
    let mut logged = Logged { rows: 0, folder, failure: None };
    for start in (0..ids.len()).step_by(BATCH) {
        let at_ms = session.project.now_ms();
        let entry = |row: usize| Entry {
            at_ms,
            version: located.version,
            id: ids[row].clone(),
            score: score(prediction.scores.row(row)),
            prediction: bundle.schema.labels[prediction.classes[row]].clone(),
            facts: facts.of_row(row),
        };
        let entries: Vec<Entry> = (start..ids.len().min(start + BATCH)).map(entry).collect();
        if let Err(error) = append(layout, &located.model, &entries) {
            let because: String = error.causes().iter().map(|cause| format!(": {cause}")).collect();
            logged.failure = Some(format!("{}{because}", error.message));
            break;
        }
        logged.rows += entries.len();
    }
    logged
}

/// The score of the positive class; with more than two, the highest one.
fn score(scores: ArrayView1<'_, f64>) -> f64 {
    if scores.len() == 2 { scores[1] } else { scores.iter().copied().max_by(f64::total_cmp).unwrap_or(f64::NAN) }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn the_score_is_of_the_positive_class_or_the_highest_of_many() {
        assert_eq!(score(array![0.9, 0.1].view()), 0.1);
        assert_eq!(score(array![0.2, 0.5, 0.3].view()), 0.5);
        assert!(score(array![0.5, f64::NAN].view()).is_nan());
    }

    #[test]
    fn vectors_have_a_length_and_a_direction() {
        // numpy 2.3: np.linalg.norm([3, 4, 12]), and its cosine with [1, 2, 2].
        let (row, centroid) = (array![3.0_f32, 4.0, 12.0], array![1.0_f32, 2.0, 2.0]);
        assert_eq!(norm(row.view()), 13.0);
        assert!((cosine(row.view(), centroid.view()) - 0.897_435_897_435_897_5).abs() < 1e-15);
        assert_eq!(cosine(row.view(), array![0.0_f32, 0.0, 0.0].view()), 0.0);
    }

    #[test]
    fn the_centroid_is_taken_from_the_reference_where_it_fits() {
        let folder = tempfile::tempdir().unwrap();
        let vectors = array![[3.0_f32, 4.0], [0.0, 0.0]];
        let names = |facts: &Facts| facts.0.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        let facts_of = |text: Option<&str>| {
            text.iter().for_each(|text| std::fs::write(folder.path().join("reference.json"), text).unwrap());
            let mut facts = Facts::default();
            facts.add_vectors(&vectors, folder.path());
            facts
        };
        assert_eq!(names(&facts_of(None)), ["vector_norm"]);
        for other in ["{}", "rubbish", r#"{"vectors":null}"#, r#"{"vectors":{"centroid":[1,0,0]}}"#] {
            assert_eq!(names(&facts_of(Some(other))), ["vector_norm"], "{other}");
        }
        let facts = facts_of(Some(r#"{"format_version":1,"vectors":{"centroid":[0.0,2.0],"low":[]}}"#));
        assert_eq!(facts.of_row(0), BTreeMap::from([("vector_norm".into(), 5.0), ("centroid_cosine".into(), 0.8)]));
        assert_eq!(facts.of_row(1)["centroid_cosine"], 0.0);
    }
}
