//! What changes a model's versions, or checks them: alias, pin, archive, delete, verify.

use crate::cli::door::{Door, Records};
use crate::cli::ui::format;
use crate::error::Result;
use crate::workflows::models::{self, AliasRequest, PinRequest};

/// Checks one version, or with a bare name all of the model's.
pub fn verify(door: &Door, version: &str) -> Result<()> {
    let verified = door.work(Records::Nothing, |session| models::verify(session, version))?;
    door.answer("models verify", &verified, || {
        verified.iter().map(|one| format!("{} {} is whole\n", one.model, one.version)).collect()
    })
}

/// Gives a version a name, or takes it away.
pub fn alias(door: &Door, request: &AliasRequest) -> Result<()> {
    let change = door.work(Records::Nothing, |session| models::alias(session, request))?;
    door.answer("models alias", &change, || {
        let name = format!("{}@{}", change.model, change.alias);
        if change.removed { format!("{name} is gone\n") } else { format!("{name} is {}\n", change.version) }
    })
}

/// Moves a version to Archived.
pub fn archive(door: &Door, version: &str, reason: &str) -> Result<()> {
    let archived = door.work(Records::Nothing, |session| {
        let archival = models::plan_archival(session, version)?;
        if archival.empties_production() {
            let version = format!("{} {}", archival.model, archival.version);
            door.confirm(&format!("{version} is in production; archive it and leave nothing there?"))?;
        }
        models::archive_by_hand(session, &archival, reason)
    })?;
    door.answer("models archive", &archived, || format!("{} {} is archived\n", archived.model, archived.version))
}

/// Removes a version for good.
pub fn delete(door: &Door, version: &str) -> Result<()> {
    let deleted = door.work(Records::Nothing, |session| {
        let deletion = models::plan_deletion(session, version)?;
        let loss = if deletion.is_rollback_target { "; a rollback goes to it" } else { "" };
        door.confirm(&format!("delete {} {} and its folders for good{loss}?", deletion.model, deletion.version))?;
        models::delete(session, &deletion)
    })?;
    let freed = format::count(usize::try_from(deleted.bytes).unwrap_or(usize::MAX));
    door.answer("models delete", &deleted, || format!("deleted {} {}, {freed} bytes\n", deleted.model, deleted.version))
}

/// Keeps a version from being removed, or lets it go again.
pub fn pin(door: &Door, request: &PinRequest) -> Result<()> {
    let change = door.work(Records::Nothing, |session| models::pin(session, request))?;
    door.answer("models pin", &change, || {
        let what = if change.removed {
            "is no longer pinned"
        } else {
            "is pinned: neither `gc` nor `models delete` removes it"
        };
        format!("{} {} {what}\n", change.model, change.version)
    })
}
