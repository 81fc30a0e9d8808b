//! The prediction log of `predict --log`: what is kept of each row beside its class and score, and the writing of it.
//!
//! The numbers are those of the version's `reference.json`, measured the same way: `text_length` in characters of the
//! text as the model is given it, `vector_norm` and `centroid_cosine` of the row's vector (where the rows bring one, or
//! the first step embeds their text), numeric features under their own names. Rows without an input have no prediction,
//! and are not logged. Where the version's reference cannot be read there are no cosines, and that is told.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ndarray::{Array2, ArrayView1};
use serde::Serialize;

use super::reference::score;
use super::session::Session;
use crate::bundle::{Bundle, Prediction};
use crate::data::Features;
use crate::data::{Columns, Input};
use crate::drift::Reference;
use crate::drift::vectors::norm;
use crate::embeddings::{EmbedContext, TextReport};
use crate::error::{Error, ErrorKind, Result};
use crate::features::{Batch, Signal};
use crate::project::{Located, Project};
use crate::tracking::prediction_log::{BATCH, Entry, append};

/// Numbers of rows by name, a column each.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    columns: Vec<(String, Vec<f64>)>,
    /// Why there are no cosines.
    damage: Option<String>,
}

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
    if project.layout.is_project() {
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
                facts
                    .columns
                    .push(("text_length".into(), texts.iter().map(|text| text.chars().count() as f64).collect()));
            }
            (Signal::Matrix(Features::Dense(matrix)), Input::Numbers(names)) => {
                let column = |(name, values): (&String, ArrayView1<'_, f32>)| {
                    (name.clone(), values.iter().map(|value| f64::from(*value)).collect())
                };
                facts.columns.extend(names.iter().zip(matrix.columns()).map(column));
            }
            (Signal::Matrix(Features::Dense(matrix)), _) => facts.add_vectors(matrix, folder),
            // Rows of a source are never sparse.
            (Signal::Matrix(Features::Sparse(_)), _) => {}
        }
        facts
    }

    fn add_vectors(&mut self, vectors: &Array2<f32>, folder: &Path) {
        self.columns.push(("vector_norm".into(), vectors.outer_iter().map(norm).collect()));
        let sample = match Reference::read(folder) {
            Ok(reference) => reference.vectors,
            // A version of before there were references.
            Err(error) if error.kind == ErrorKind::NotFound => None,
            Err(error) => {
                self.damage = Some(error.message);
                None
            }
        };
        let Some(sample) = sample else { return };
        if sample.width() == vectors.ncols() {
            let cosines = vectors.outer_iter().map(|row| sample.cosine(row));
            self.columns.push(("centroid_cosine".into(), cosines.collect()));
        } else {
            let (width, now) = (sample.width(), vectors.ncols());
            self.damage = Some(format!("the vectors of the reference have {width} numbers, these {now}"));
        }
    }

    fn of_row(&self, row: usize) -> BTreeMap<String, f64> {
        self.columns.iter().map(|(name, values)| (name.clone(), values[row])).collect()
    }
}

/// What the model says of rows, and the facts about the vectors that it makes of their texts: each text is embedded once.
///
/// # Errors
/// As `Bundle::predict`.
pub fn predict_with_facts(
    bundle: &Bundle,
    rows: Batch,
    facts: &mut Facts,
    folder: &Path,
    context: &EmbedContext<'_>,
) -> Result<(Prediction, TextReport)> {
    if matches!(rows.signal, Signal::Matrix(_)) || bundle.features.embedder().is_none() {
        return bundle.predict(rows, context);
    }
    let queries = rows.queries.clone();
    let (vectors, report) = bundle.features.vectors(rows, context)?;
    facts.add_vectors(&vectors, folder);
    let features: Features = bundle.features.of_vectors(vectors, queries, context)?;
    Ok((bundle.schema.predict(bundle.model.predict(&features)?), report))
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
    if let Some(damage) = &facts.damage {
        session.note(format!("`centroid_cosine` is not logged: {damage}"));
    }
    let folder = layout.predictions_of(&located.model, located.version);
    let mut logged = Logged { rows: 0, folder, failure: None };
    for start in (0..ids.len()).step_by(BATCH) {
        let at_ms = session.project.now_ms();
        let entry = |row: usize| Entry {
            at_ms,
            version: located.version,
            id: ids[row].clone(),
            score: score(prediction.scores.row(row)),
            prediction: bundle.schema.labels()[prediction.classes[row]].clone(),
            facts: facts.of_row(row),
        };
        let entries: Vec<Entry> = (start..ids.len().min(start + BATCH)).map(entry).collect();
        if let Err(error) = append(layout, &located.model, &entries) {
            logged.failure = Some(error.with_causes());
            break;
        }
        logged.rows += entries.len();
    }
    logged
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::drift::Settings;
    use crate::drift::vectors::VectorSample;

    #[test]
    fn the_centroid_is_taken_from_the_reference_where_it_fits() {
        let folder = tempfile::tempdir().unwrap();
        let vectors = array![[3.0_f32, 4.0], [0.0, 0.0]];
        let path = folder.path().join("reference.json");
        let told = || {
            let mut facts = Facts::default();
            facts.add_vectors(&vectors, folder.path());
            let names: Vec<String> = facts.columns.iter().map(|(name, _)| name.clone()).collect();
            (names.join(" "), facts.damage.clone().unwrap_or_default(), facts)
        };
        assert_eq!((told().0.as_str(), told().1.as_str()), ("vector_norm", ""), "an older version has none");
        for rubbish in ["{}", "rubbish"] {
            std::fs::write(&path, rubbish).unwrap();
            let (names, damage, _) = told();
            assert!(names == "vector_norm" && damage.contains("is damaged"), "{damage}");
        }
        let write = |rows: &Array2<f32>| {
            Reference::new(Settings::default(), Vec::new(), VectorSample::of(rows)).write(folder.path()).unwrap();
        };
        write(&array![[1.0_f32, 0.0, 0.0]]);
        let (names, damage, _) = told();
        assert_eq!((&*names, &*damage), ("vector_norm", "the vectors of the reference have 3 numbers, these 2"));
        write(&Array2::zeros((0, 0)));
        assert_eq!((told().0.as_str(), told().1.as_str()), ("vector_norm", ""), "no vectors");
        write(&array![[0.0_f32, 2.0]]);
        let (_, damage, facts) = told();
        assert_eq!(damage, "");
        assert_eq!(facts.of_row(0), BTreeMap::from([("vector_norm".into(), 5.0), ("centroid_cosine".into(), 0.8)]));
        assert_eq!(facts.of_row(1)["centroid_cosine"], 0.0);
    }
}
