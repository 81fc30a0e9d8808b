//! Makes a release: the files of a checkpoint, and what other systems need to serve it: `model.onnx`, `preprocessor.json`,
//! `model_metadata.json`, `model_card.md`. It is made beside the validated versions when a version is promoted to
//! production; the parity of the exported file with the model is part of the gate.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::gate::Subject;
use super::super::session::Session;
use super::facts::Facts;
use super::latency::{Benchmark, Latency, REPETITIONS, measure};
use super::parity::Parity;
use crate::error::Result;
use crate::fs::write_atomic;
use crate::onnx::Runtime;
use crate::registry::{is_released, manifest_sha256, release};
use crate::report::{metadata, model_card};
use crate::runs::opened::Opened;

/// What was released.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Released {
    /// SHA-256 of the exported files.
    pub files: BTreeMap<String, String>,
    /// How near the exported file is to the model.
    pub parity: Parity,
    /// Microseconds of an answer from features to probabilities, one row: the median.
    pub p50_us: f64,
    /// SHA-256 of the manifest of the release.
    pub manifest_sha256: String,
}

/// Measures a version for its release, before anybody has to wait for it; none when it has one already.
///
/// # Errors
/// As `make`.
pub fn measured_for_release(session: &Session<'_>, subject: &Subject) -> Result<Option<Latency>> {
    let (model, version) = (&subject.located.model, subject.located.version);
    if is_released(&session.project.layout, model, version) {
        return Ok(None);
    }
    measured_with_file(session, subject).map(Some)
}

fn measured_with_file(session: &Session<'_>, subject: &Subject) -> Result<Latency> {
    session.stage("measuring latency")?;
    measured(session, subject.opened()?, &[], Some(&subject.export(session)?.runtime))
}

/// Makes the release of a version that passed its gate or was forced through it; none when it has one already, whose parity
/// was checked then. `latency` is what was measured before.
///
/// # Errors
/// `Refused` when the exported file does not say what the model says, `Invalid` for a kind that cannot be exported,
/// `Failed` when the version is damaged or the disk refuses.
pub fn make(
    session: &Session<'_>,
    subject: &Subject,
    forced: Option<&str>,
    latency: Option<Latency>,
) -> Result<Option<Released>> {
    let project = session.project;
    let (model, version) = (&subject.located.model, subject.located.version);
    // One that is not the recorded release was changed, and is made again.
    project.discard_foreign_releases(model, version)?;
    if is_released(&project.layout, model, version) {
        return Ok(None);
    }
    let (opened, export) = (subject.opened()?, subject.export(session)?);
    let latency = match latency {
        Some(latency) => latency,
        None => measured_with_file(session, subject)?,
    };
    session.stage("exporting")?;
    let exported = &export.exported;
    release(&project.layout, model, version, |folder| {
        export.write(folder)?;
        let facts = Facts { forced, ..Facts::read(session, subject, &opened.bundle.schema, exported, &latency)? };
        write_atomic(&folder.join(model_card::FILE), facts.card().written().as_bytes())?;
        write_atomic(&folder.join(metadata::FILE), facts.metadata(folder)?.to_json()?.as_bytes())
    })?;
    let files = exported.files.iter().map(|(name, facts)| (name.clone(), facts.sha256.clone())).collect();
    let p50_us = latency.timing("model", 1).map_or(f64::NAN, |timing| timing.p50_us);
    let manifest_sha256 = manifest_sha256(&project.layout.validated(model, version))?;
    Ok(Some(Released { files, parity: exported.parity.clone(), p50_us, manifest_sha256 }))
}

/// Measures how long a version takes from its features to its answers, and the exported file where one is given; without
/// sizes, the usual ones.
///
/// # Errors
/// `Invalid` without golden rows, `Failed` when they cannot be read.
pub fn measured(
    session: &Session<'_>,
    opened: &Opened,
    batch_sizes: &[usize],
    file: Option<&Runtime>,
) -> Result<Latency> {
    // A thousand texts through a sentence encoder would take half a minute.
    let pipeline = file.is_some() && opened.bundle.features.embedder_identity().is_none();
    let benchmark = Benchmark { repetitions: REPETITIONS, batch_sizes: batch_sizes.to_vec(), pipeline };
    measure(session, &opened.bundle, file, opened.golden()?, &benchmark)
}
