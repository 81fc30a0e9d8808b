//! What changes a model's versions, or checks them: alias, pin, archive, delete, verify.

use crate::answers::models::{aliased, archived, deleted, pinned, verified};
use crate::cli::door::{Door, Records};
use crate::error::Result;
use crate::workflows::models::{self, AliasRequest, PinRequest};

/// Checks one version, or with a bare name all of the model's.
pub fn verify(door: &Door, version: &str) -> Result<()> {
    let checked = door.work(Records::Nothing, |session| models::verify(session, version))?;
    door.show("models verify", &checked, || verified(&checked))
}

/// Gives a version a name, or takes it away.
pub fn alias(door: &Door, request: &AliasRequest) -> Result<()> {
    let change = door.work(Records::Nothing, |session| models::alias(session, request))?;
    door.show("models alias", &change, || aliased(&change))
}

/// Moves a version to Archived.
pub fn archive(door: &Door, version: &str, reason: &str) -> Result<()> {
    let outcome = door.work(Records::Nothing, |session| {
        let archival = models::plan_archival(session, version)?;
        if archival.empties_production() {
            let version = format!("{} {}", archival.model, archival.version);
            door.confirm(&format!("{version} is in production; archive it and leave nothing there?"))?;
        }
        models::archive_by_hand(session, &archival, reason)
    })?;
    door.show("models archive", &outcome, || archived(&outcome))
}

/// Removes a version for good.
pub fn delete(door: &Door, version: &str) -> Result<()> {
    let outcome = door.work(Records::Nothing, |session| {
        let deletion = models::plan_deletion(session, version)?;
        let loss = if deletion.is_rollback_target { "; a rollback goes to it" } else { "" };
        door.confirm(&format!("delete {} {} and its folders for good{loss}?", deletion.model, deletion.version))?;
        models::delete(session, &deletion)
    })?;
    door.show("models delete", &outcome, || deleted(&outcome))
}

/// Keeps a version from being removed, or lets it go again.
pub fn pin(door: &Door, request: &PinRequest) -> Result<()> {
    let change = door.work(Records::Nothing, |session| models::pin(session, request))?;
    door.show("models pin", &change, || pinned(&change))
}
