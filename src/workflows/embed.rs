//! `embed`: texts → vectors in a Parquet file, with the embedder's identity in its metadata.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ndarray::{Array2, Axis, concatenate};
use serde::Serialize;

use super::reading::{From, read_rows, read_training_rows, signal, stream};
use super::record::{COMMANDS, Light, What, code_tags, light, pairs, recorded};
use super::session::Session;
use crate::catalog::{Params, find};
use crate::config::{Experiment, ExperimentConfig};
use crate::data::parquet_file::{self, Values};
use crate::data::rows::{Labels, Rows};
use crate::data::{Columns, Features, Input, Part};
use crate::error::{Context, Error, Result};
use crate::features::{Chain, FittedChain, STEPS};
use crate::names::RunId;
use crate::tracking::Batch;

/// Texts of one file, without a config.
#[derive(Debug, Clone, Default)]
pub struct FileRequest {
    /// The rows.
    pub input: String,
    /// The query, for a database.
    pub query: Option<String>,
    /// The text column.
    pub text_column: String,
    /// The id column, where there is one.
    pub id_column: Option<String>,
    /// Parameters of the `embedding` step: model, dimensions, ….
    pub params: BTreeMap<String, serde_json::Value>,
    /// The Parquet file to write.
    pub output: PathBuf,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The run, when a config was embedded.
    pub run_id: Option<RunId>,
    /// The file.
    pub output: PathBuf,
    /// The embedder's identity.
    pub embedder: String,
    /// SHA-256 of the rows.
    pub data_fingerprint: String,
    /// Rows in the file.
    pub rows: usize,
    /// Rows skipped for want of a text.
    pub skipped_without_input: usize,
    /// Rows skipped for want of a label.
    pub skipped_without_label: usize,
    /// Texts with nothing to embed: their vectors are zero.
    pub empty: usize,
    /// Length of a vector.
    pub dimensions: usize,
}

fn write(output: &Path, rows: &Rows, chain: &FittedChain, vectors: &Array2<f32>) -> Result<Outcome> {
    let embedder = chain.embedder().unwrap_or_default();
    let labels: Vec<String> = rows.classes.iter().map(|class| rows.labels[*class].clone()).collect();
    let parts: Vec<String> = rows.parts.iter().map(|part| part.name().to_owned()).collect();
    let mut columns = vec![("id", Values::Text(&rows.ids))];
    if !labels.is_empty() {
        columns.push(("label", Values::Text(&labels)));
    }
    if !parts.is_empty() {
        columns.push(("split", Values::Text(&parts)));
    }
    columns.push(("embedding", Values::Vectors(vectors.view())));
    let data_fingerprint = rows.fingerprint();
    let facts = [
        ("mlops.embedder", embedder.clone()),
        ("mlops.dimensions", vectors.ncols().to_string()),
        ("mlops.data_fingerprint", data_fingerprint.clone()),
    ];
    parquet_file::write(output, &columns, &facts)?;
    Ok(Outcome {
        run_id: None,
        output: output.to_path_buf(),
        embedder,
        data_fingerprint,
        rows: rows.ids.len(),
        skipped_without_input: rows.skipped_input,
        skipped_without_label: rows.skipped_label,
        empty: vectors.rows().into_iter().filter(|row| row.iter().all(|value| *value == 0.0)).count(),
        dimensions: vectors.ncols(),
    })
}

fn dense(features: Features) -> Result<Array2<f32>> {
    match features {
        Features::Dense(matrix) => Ok(matrix),
        Features::Sparse(_) => Err(Error::failed("an embedding is dense")),
    }
}

/// Embeds the texts of one file; an idf is learned from all of them.
///
/// # Errors
/// `Invalid` when the file or the parameters do not fit.
pub fn embed_file(session: &Session<'_>, request: &FileRequest) -> Result<Outcome> {
    if request.output.extension().is_none_or(|extension| extension != "parquet") {
        return Err(Error::invalid(format!("`--output {}` is not a .parquet file", request.output.display())));
    }
    let kind = find("feature step", STEPS, "embedding")?;
    let params = Params::checked(kind.params(), &request.params).map_err(|problems| {
        let first = problems.into_iter().next().expect("a refusal has a problem");
        let error = Error::invalid(first.message);
        first.hint.map_or(Error::invalid(error.message.clone()), |hint| error.hint(hint))
    })?;
    let chain = Chain::configure(&[(kind, params)]).map_err(|(_, problem)| {
        let error = Error::invalid(problem.message);
        match problem.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    })?;
    let started_ms = session.project.now_ms();
    session.stage(&format!("reading {}", request.input))?;
    let input = Input::Text { columns: vec![request.text_column.clone()], json_fields: Vec::new() };
    let columns = Columns { id: request.id_column.clone(), label: None, input };
    let (query, labels) = (request.query.as_deref(), Labels::Ignore);
    let from = From { source: &request.input, query, columns: &columns, split: None, labels, seed: 0 };
    let rows = read_rows(session, from)?;
    session.stage("embedding")?;
    let (chain, vectors) = chain.fit_transform(signal(&rows, &(0..rows.ids.len()).collect::<Vec<_>>()))?;
    session.check()?;
    let outcome = write(&request.output, &rows, &chain, &dense(vectors)?)?;
    light(session, &recorded_file(request, &outcome, started_ms));
    Ok(outcome)
}

/// The vectors of a file as a finished run.
fn recorded_file(request: &FileRequest, outcome: &Outcome, started_ms: i64) -> Light {
    let given = request.params.iter().map(|(key, value)| (key.clone(), value.to_string()));
    Light {
        experiment: COMMANDS.to_owned(),
        command: "embed",
        name: format!("embed {}", request.input),
        started_ms,
        params: pairs([("input", request.input.clone())]).into_iter().chain(given).collect(),
        metrics: vec![("rows", outcome.rows as f64), ("dimensions", outcome.dimensions as f64)],
        tags: pairs([("embedder", outcome.embedder.clone()), ("data_fingerprint", outcome.data_fingerprint.clone())]),
        artifacts: vec![outcome.output.clone()],
    }
}

/// Embeds the rows of a config with its own `embedding` step, fitted on its training rows; recorded as a run.
///
/// # Errors
/// `Invalid` when the config has no `embedding` step or the data do not fit.
pub fn embed_config(session: &Session<'_>, experiment: &Experiment, output: Option<PathBuf>) -> Result<Outcome> {
    let config = &experiment.config;
    let Some(step) = config.features.iter().find(|step| step.kind == "embedding") else {
        return Err(Error::invalid(format!("experiment `{}` has no embedding step", config.experiment.name))
            .hint("features: [{embedding: {model: hashing}}]"));
    };
    let chain = Chain::configure(&[(find("feature step", STEPS, "embedding")?, step.params.clone())])
        .map_err(|(_, problem)| Error::invalid(problem.message))?;
    let folder = session.project.layout.experiment(&config.experiment.name);
    let output = output.unwrap_or_else(|| folder.join("embeddings.parquet"));
    let description = &config.experiment.description;
    let what = What { experiment: &config.experiment.name, description, command: "embed", name: "" };
    recorded(session, what, |recorder| {
        recorder.config(config)?;
        session.stage(&format!("reading {}", config.data.source))?;
        let rows = read_training_rows(session, config, Labels::Learn { positive: config.data.positive.as_deref() })?;
        session.stage("embedding")?;
        let (chain, vectors) = fit_and_transform(&chain, &rows)?;
        session.check()?;
        let mut outcome = write(&output, &rows, &chain, &vectors)?;
        outcome.run_id = Some(recorder.id.clone());
        let environment = recorder.environment(&[("data_fingerprint", outcome.data_fingerprint.clone())])?;
        log(session, recorder, config, &outcome, &environment)?;
        Ok(outcome)
    })
}

/// The vectors of all rows, in their order, from an embedder fitted on the training rows.
fn fit_and_transform(chain: &Chain, rows: &Rows) -> Result<(FittedChain, Array2<f32>)> {
    let positions = Part::ALL.map(|part| rows.of_part(part));
    let (fitted, train) = chain.fit_transform(signal(rows, &positions[0]))?;
    let mut parts = vec![dense(train)?];
    for positions in &positions[1..] {
        if !positions.is_empty() {
            parts.push(dense(fitted.transform(signal(rows, positions))?)?);
        }
    }
    let views: Vec<_> = parts.iter().map(Array2::view).collect();
    let joined = concatenate(Axis(0), &views).context(|| "vectors of unequal length".into())?;
    let order: Vec<usize> = positions.concat();
    let mut vectors = Array2::zeros(joined.raw_dim());
    for (row, position) in order.iter().enumerate() {
        vectors.row_mut(*position).assign(&joined.row(row));
    }
    Ok((fitted, vectors))
}

fn log(
    session: &Session<'_>,
    recorder: &super::record::Recorder<'_>,
    config: &ExperimentConfig,
    outcome: &Outcome,
    environment: &BTreeMap<String, String>,
) -> Result<()> {
    let mut artifacts = recorder.artifacts()?;
    artifacts.push(recorder.artifact(&outcome.output)?);
    let mut tags = vec![
        ("embedder".to_owned(), outcome.embedder.clone()),
        ("data_fingerprint".to_owned(), outcome.data_fingerprint.clone()),
        ("split_seed".to_owned(), stream(config.seed, "split").to_string()),
    ];
    tags.extend(code_tags(environment));
    let batch = Batch {
        params: &config.flat_params(),
        metrics: &[
            recorder.metric("rows", outcome.rows as f64),
            recorder.metric("dimensions", outcome.dimensions as f64),
            recorder.metric("empty", outcome.empty as f64),
        ],
        tags: &tags,
        artifacts: &artifacts,
        inputs: &[],
    };
    session.project.tracker()?.log_batch(&recorder.id, &batch)
}
