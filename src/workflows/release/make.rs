//! Makes a release: the files of a checkpoint, and what other systems need to serve it: `model.onnx`, `preprocessor.json`,
//! `model_metadata.json`, `model_card.md`. It is made beside the validated versions when a version is promoted to
//! production; the parity of the exported file with the model is part of the gate.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::gate::Subject;
use super::super::session::Session;
use super::export::{exported, release_files};
use super::facts::Facts;
use super::latency::{Benchmark, Latency, REPETITIONS, measure};
use super::parity::Parity;
use crate::bundle::{Bundle, Golden};
use crate::error::Result;
use crate::fs::write_atomic;
use crate::project::Located;
use crate::registry::{is_released, release};
use crate::report::{metadata, model_card};

/// What was released.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Released {
    /// SHA-256 of the exported files.
    pub files: BTreeMap<String, String>,
    /// How near the exported file is to the model.
    pub parity: Parity,
    /// Microseconds of an answer from features to probabilities, one row: the median.
    pub p50_us: f64,
}

/// Makes the release of a version that passed its gate or was forced through it; none when it has one already, whose parity
/// was checked then.
///
/// # Errors
/// `Refused` when the exported file does not say what the model says, `Invalid` for a kind that cannot be exported,
/// `Failed` when the version is damaged or the disk refuses.
pub fn make(session: &Session<'_>, subject: &Subject, forced: Option<&str>) -> Result<Option<Released>> {
    let project = session.project;
    let (model, version) = (&subject.located.model, subject.located.version);
    if is_released(&project.layout, model, version) {
        return Ok(None);
    }
    session.stage("measuring latency")?;
    let bundle = Bundle::load(&subject.located.folder)?;
    let latency = measured(session, &bundle, &subject.located, &[], Measured::ModelAndFile)?;
    session.stage("exporting")?;
    let mut exported = None;
    release(&project.layout, model, version, |folder| {
        let made = release_files(session, &bundle, &subject.located, folder)?;
        let facts = Facts { forced, ..Facts::read(session, subject, &bundle.schema, &made, &latency)? };
        write_atomic(&folder.join(model_card::FILE), facts.card().written().as_bytes())?;
        write_atomic(&folder.join(metadata::FILE), facts.metadata(folder)?.to_json()?.as_bytes())?;
        exported = Some(made);
        Ok(())
    })?;
    let exported = exported.expect("a release was filled");
    let files = exported.files.into_iter().map(|(name, facts)| (name, facts.sha256)).collect();
    let p50_us = latency.timing("model", 1).map_or(f64::NAN, |timing| timing.p50_us);
    Ok(Some(Released { files, parity: exported.parity, p50_us }))
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measured {
    /// The model alone.
    Model,
    /// The model and its exported file.
    ModelAndFile,
}

/// Measures how long a version takes from its features to probabilities; without sizes, the usual ones.
///
/// # Errors
/// `Invalid` without golden rows, `Failed` when they cannot be read.
pub fn measured(
    session: &Session<'_>,
    bundle: &Bundle,
    located: &Located,
    batch_sizes: &[usize],
    what: Measured,
) -> Result<Latency> {
    let golden = Golden::read(&located.folder)?;
    // A thousand texts through a sentence encoder would take half a minute.
    let pipeline = what == Measured::ModelAndFile && bundle.features.embedder_identity().is_none();
    let benchmark = Benchmark { repetitions: REPETITIONS, batch_sizes: batch_sizes.to_vec(), pipeline };
    let runtime = (what == Measured::ModelAndFile).then(|| exported(bundle, located)).transpose()?;
    measure(session, bundle, runtime.as_ref(), &golden, &benchmark)
}
