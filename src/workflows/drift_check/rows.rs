//! What a model says of the current rows: scores, lengths of texts, norms and cosines of vectors, a sample of vectors.
//!
//! Rows go through in parts of some ten thousand, so memory does not grow with their number. Rows that the model cannot
//! take (a text where a number was, a value missing) end the pass with a finding, not the check: the columns say why.

use ndarray::Array2;

use super::columns::From;
use crate::bundle::Bundle;
use crate::data::rows::{Blank, Labels, prepare, request};
use crate::data::sources::read_parts;
use crate::data::{Columns, Features, Input, Table};
use crate::drift::sampler::Sampler;
use crate::drift::vectors::norm;
use crate::drift::{Finding, Reference, Role, Seen};
use crate::error::Result;
use crate::features::Signal;
use crate::tracking::Severity;
use crate::workflows::reading::batch;
use crate::workflows::reference::score;
use crate::workflows::session::Session;

/// The current side of what only the model can say.
pub(super) struct Said {
    /// The columns by their role.
    pub columns: Vec<(Role, Seen)>,
    /// A sample of vectors.
    pub vectors: Option<Array2<f32>>,
    /// Why there is nothing, where the model could not take the rows.
    pub finding: Option<Finding>,
}

const ROLES: [Role; 4] = [Role::Score, Role::TextLength, Role::VectorNorm, Role::CentroidCosine];

struct Pass<'a> {
    session: &'a Session<'a>,
    bundle: &'a Bundle,
    reference: &'a Reference,
    columns: Vec<(Role, Seen)>,
    vectors: Sampler<Vec<f32>>,
}

impl Pass<'_> {
    fn add(&mut self, role: Role, first_row: u64, values: &[f64]) {
        if let Some((_, seen)) = self.columns.iter_mut().find(|(known, _)| *known == role) {
            seen.add_numbers(first_row, values);
        }
    }

    fn take(&mut self, table: Table, columns: &Columns) -> Result<()> {
        self.session.check()?;
        let first_row = table.before() as u64;
        let rows = prepare(table, columns, None, Labels::Ignore, 0, Blank::Skip)?;
        let missing = vec![f64::NAN; rows.skipped_input];
        if matches!(columns.input, Input::Text { .. }) {
            self.add(Role::TextLength, first_row, &missing);
        } else {
            self.add(Role::VectorNorm, first_row, &missing);
            self.add(Role::CentroidCosine, first_row, &missing);
        }
        if rows.ids.is_empty() {
            return Ok(());
        }
        let positions: Vec<usize> = (0..rows.ids.len()).collect();
        let input = batch(&rows, &positions);
        drop(rows);
        if let Signal::Texts(texts) = &input.signal {
            let lengths: Vec<f64> = texts.iter().map(|text| text.chars().count() as f64).collect();
            self.add(Role::TextLength, first_row, &lengths);
        }
        let features = match &self.reference.vectors {
            None => {
                let (features, report) = self.bundle.transform(input, &self.session.embedding)?;
                self.session.note_texts(report);
                features
            }
            Some(sample) => {
                let queries = input.queries.clone();
                let (vectors, report) = self.bundle.features.vectors(input, &self.session.embedding)?;
                self.session.note_texts(report);
                let of = |value: &dyn Fn(ndarray::ArrayView1<'_, f32>) -> f64| {
                    vectors.outer_iter().map(value).collect::<Vec<f64>>()
                };
                let (norms, cosines) = (of(&|row| norm(row)), of(&|row| sample.cosine(row)));
                self.add(Role::VectorNorm, first_row, &norms);
                self.add(Role::CentroidCosine, first_row, &cosines);
                for (row, vector) in (first_row..).zip(vectors.outer_iter()) {
                    self.vectors.add(row, vector.to_vec());
                }
                self.bundle.features.of_vectors(vectors, queries, &self.session.embedding)?
            }
        };
        self.score(first_row, &features)
    }

    fn score(&mut self, first_row: u64, features: &Features) -> Result<()> {
        let scores: Vec<f64> = self.bundle.model.predict(features)?.outer_iter().map(score).collect();
        self.add(Role::Score, first_row, &scores);
        Ok(())
    }
}

/// Asks the model about the rows.
pub(super) fn said(
    session: &Session<'_>,
    bundle: &Bundle,
    reference: &Reference,
    (from, known, sample): (From<'_>, &[String], usize),
) -> Result<Said> {
    let fresh = |role: Role| reference.of_role(role).map(|column| (role, Seen::new(column, sample)));
    let columns = &bundle.schema.columns;
    let columns = Columns { id: columns.id.clone().filter(|id| known.contains(id)), ..columns.clone() };
    let most = reference.vectors.as_ref().map_or(0, |sample| 2 * sample.len());
    let mut pass = Pass {
        session,
        bundle,
        reference,
        columns: ROLES.into_iter().filter_map(fresh).collect(),
        vectors: Sampler::new(most),
    };
    let request = request(&columns, None, Labels::Ignore, from.query);
    let root = session.project.layout.root();
    match read_parts(from.source, &request, root, &mut |table| pass.take(table, &columns)) {
        Ok(()) => {}
        Err(error) if error.blames_rows() => {
            let message = format!("the model cannot take these rows: {}", error.message);
            let finding = Finding {
                column: Role::Score.own_name().unwrap_or_default().to_owned(),
                finding: "not_predicted",
                message,
                // One bad cell is no drift; rows that are all wrong have findings of their own.
                drift: false,
                severity: Severity::Normal,
            };
            return Ok(Said { columns: Vec::new(), vectors: None, finding: Some(finding) });
        }
        Err(error) => return Err(error),
    }
    let vectors = pass.vectors.into_values();
    let width = vectors.first().map_or(0, Vec::len);
    let vectors = Array2::from_shape_vec((vectors.len(), width), vectors.concat()).ok();
    Ok(Said { columns: pass.columns, vectors: vectors.filter(|rows| !rows.is_empty()), finding: None })
}
