//! Publishing version folders, checking them, and mirroring the stages: `production/<model>/active` tells the truth.

use std::fs;
use std::path::Path;

use super::layout::Layout;
use super::manifest::{self, Manifest};
use crate::error::{Context, Error, Result};
use crate::fs::{crash_point, publish_dir, sha256_file, switch_link, sync_dir};
use crate::names::{ModelName, Version};

/// Writes a version's folder and seals it; gives the manifest's SHA-256. All or nothing.
///
/// # Errors
/// What `fill` says, or `Failed` when the disk refuses.
pub fn publish(layout: &Layout, manifest: Manifest, fill: impl FnOnce(&Path) -> Result<()>) -> Result<String> {
    let folder = layout.checkpoint(&manifest.model, manifest.version);
    let mut sealed = String::new();
    publish_dir(&folder, |partial| {
        fill(partial)?;
        sealed = manifest.seal(partial)?;
        Ok(())
    })?;
    Ok(sealed)
}

/// Checks every file of a published folder against its manifest.
///
/// # Errors
/// `NotFound` without a manifest; `Failed` naming the first file that is missing, changed or not listed.
pub fn check_folder(folder: &Path) -> Result<(Manifest, String)> {
    let (manifest, sealed) = Manifest::read(folder)?;
    for (name, facts) in &manifest.files {
        let path = folder.join(name);
        if !path.is_file() {
            return Err(Error::failed(format!("`{}` is missing", path.display())).hint(DAMAGED));
        }
        let (size, sha256) = sha256_file(&path)?;
        if (size, &sha256) != (facts.size, &facts.sha256) {
            let what = format!("expected {} bytes {:.12}…, got {size} bytes {sha256:.12}…", facts.size, facts.sha256);
            return Err(Error::failed(format!("`{}` is damaged: {what}", path.display())).hint(DAMAGED));
        }
    }
    Ok((manifest, sealed))
}

const DAMAGED: &str =
    "the model is not used; `mlops doctor --fix` heals a copy, else restore the folder or train again";

/// The versions of a model that have a checkpoint, in order.
#[must_use]
pub fn versions_on_disk(layout: &Layout, model: &ModelName) -> Vec<Version> {
    versions_in(&layout.checkpoints_of(model))
}

/// The versions that have a folder in this one (`v1`, `v2`, …), in order.
#[must_use]
pub fn versions_in(folder: &Path) -> Vec<Version> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut versions: Vec<Version> = entries
        .filter_map(|entry| entry.file_name().to_str().filter(|name| name.starts_with('v')).map(str::to_owned))
        .filter_map(|name| Version::parse(&name).ok())
        .collect();
    versions.sort();
    versions
}

/// Copies a version's folder file by file, checks the copy and publishes it; an equal copy that is there is kept.
fn copy_version(from: &Path, to: &Path) -> Result<()> {
    // The source is checked first: a damaged one must not cost the copy that is there.
    let (source, sealed) = check_folder(from)?;
    if check_folder(to).is_ok_and(|(_, there)| there == sealed) {
        return Ok(());
    }
    let _ = fs::remove_dir_all(to);
    publish_dir(to, |partial| {
        for name in source.files.keys().map(String::as_str).chain([manifest::FILE]) {
            fs::copy(from.join(name), partial.join(name))
                .context(|| format!("cannot copy `{name}` to `{}`", to.display()))?;
        }
        check_folder(partial).map(|_| ())
    })
}

/// Puts a copy of a version beside the validated ones.
///
/// # Errors
/// `Failed` when the version is damaged or the disk refuses.
pub fn mirror_staging(layout: &Layout, model: &ModelName, version: Version) -> Result<()> {
    copy_version(&layout.checkpoint(model, version), &layout.validated(model, version))
}

/// Puts a copy of a version into production without switching to it. Call `mirror_production` after the decision is
/// recorded.
///
/// # Errors
/// `Failed` when the version is damaged or the disk refuses.
pub fn prepare_production(layout: &Layout, model: &ModelName, version: Version) -> Result<()> {
    copy_version(&layout.checkpoint(model, version), &layout.production(model, version))
}

/// Makes `production/<model>/` say what the rows say: `active` and `previous` point to these versions, other versions
/// are removed (their checkpoints stay). A previous version that is damaged gets no link; the reason is given back.
///
/// # Errors
/// `Failed` when the disk refuses or the active version is damaged; `active` then still points where it did.
pub fn mirror_production(
    layout: &Layout,
    model: &ModelName,
    active: Option<Version>,
    mut previous: Option<Version>,
) -> Result<Option<Error>> {
    let folder = layout.production_of(model);
    if !folder.is_dir() && active.is_none() {
        return Ok(None);
    }
    let whole = |version: Version| match check_folder(&layout.production(model, version)) {
        Ok(_) => Ok(()),
        Err(_) => prepare_production(layout, model, version),
    };
    active.map_or(Ok(()), whole)?;
    let damaged = previous.and_then(|version| whole(version).err());
    if damaged.is_some() {
        previous = None;
    }
    crash_point("mirror.before_active");
    for (link, version) in [(layout.active(model), active), (layout.previous(model), previous)] {
        match version {
            Some(version) => switch_link(&link, &version.to_string())?,
            None if link.is_symlink() => {
                fs::remove_file(&link).context(|| format!("cannot remove `{}`", link.display()))?;
                sync_dir(&folder)?;
            }
            None => {}
        }
        crash_point("mirror.between_links");
    }
    for version in versions_in(&folder) {
        if Some(version) != active && Some(version) != previous {
            // Away by one rename first: a reader finds the whole folder or none.
            let stale = layout.production(model, version);
            let gone = crate::fs::temporary(&stale);
            if fs::rename(stale, &gone).is_ok() {
                let _ = fs::remove_dir_all(gone);
            }
        }
    }
    Ok(damaged)
}
