//! The hash of a release's manifest, by version: what lies in production and what the ledger means are the same bytes.

use rusqlite::{OptionalExtension, params};

use super::database::Tracker;
use super::lookup::{model_id, stage};
use crate::error::Result;
use crate::names::Version;

impl Tracker {
    /// Records the SHA-256 of the manifest of a version's release.
    ///
    /// # Errors
    /// `NotFound` (model, version).
    pub fn set_release(&self, model: &str, version: Version, sha256: &str) -> Result<()> {
        self.write(|connection| {
            let id = model_id(connection, model)?;
            stage(connection, id, model, version)?;
            let sql = "INSERT OR REPLACE INTO release_manifests (model, version, sha256) VALUES (?1, ?2, ?3)";
            connection.execute(sql, params![id, version.0, sha256])?;
            Ok(())
        })
    }

    /// The SHA-256 of the manifest of a version's release; `None` where none was recorded, as by older builds.
    ///
    /// # Errors
    /// `NotFound` when there is no such model.
    pub fn release(&self, model: &str, version: Version) -> Result<Option<String>> {
        self.read(|connection| {
            let id = model_id(connection, model)?;
            let sql = "SELECT sha256 FROM release_manifests WHERE model = ?1 AND version = ?2";
            Ok(connection.query_row(sql, params![id, version.0], |row| row.get(0)).optional()?)
        })
    }
}
