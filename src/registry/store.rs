//! Publishing version folders, checking them, and mirroring the stages: `production/<model>/active` tells the truth.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::Duration;

use super::checksums;
use super::layout::Layout;
use super::manifest::{self, Manifest};
use super::pointer::{check_pointers, point};
use super::reading::{Unread, remove_unread};
use crate::error::{Context, Error, Result};
use crate::fs::{Partial, build_dir, crash_point, publish_dir, remove_left_over, sha256_file, sync_dir, take_away};
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

/// Checks every file of a published folder against its manifest; gives the manifest with the SHA-256 of the checkpoint's
/// (its own, where the folder is no release).
///
/// # Errors
/// `NotFound` without a manifest; `Failed` naming the first file that is missing, changed or not listed.
pub fn check_folder(folder: &Path) -> Result<(Manifest, String)> {
    let (manifest, sealed) = Manifest::read(folder)?;
    check_name(folder, &manifest)?;
    check_files(folder, &manifest)?;
    let Some(checkpoint) = &manifest.checkpoint else { return Ok((manifest, sealed)) };
    // A release is what its checkpoint was, and more: the checkpoint's manifest says so file by file.
    let path = folder.join(manifest::CHECKPOINT_FILE);
    let (_, found) = sha256_file(&path)?;
    if found != *checkpoint {
        return Err(Error::failed(format!("`{}` is not the manifest of the release's checkpoint", path.display()))
            .hint(DAMAGED));
    }
    let original = Manifest::read_file(&path)?;
    if let Some((name, _)) = original.files.iter().find(|(name, facts)| manifest.files.get(*name) != Some(*facts)) {
        return Err(Error::failed(format!("`{}` is not the checkpoint's", folder.join(name).display())).hint(DAMAGED));
    }
    if !original.is_of_the_same_version(&manifest) {
        let path = folder.join(manifest::FILE);
        return Err(
            Error::failed(format!("`{}` is of another version than its checkpoint", path.display())).hint(DAMAGED)
        );
    }
    let checkpoint = checkpoint.clone();
    Ok((manifest, checkpoint))
}

/// SHA-256 of the manifest that lies in a folder, be it a checkpoint or a release.
///
/// # Errors
/// `Failed` when it cannot be read.
pub fn manifest_sha256(folder: &Path) -> Result<String> {
    sha256_file(&folder.join(manifest::FILE)).map(|(_, hash)| hash)
}

/// A folder that is named after a version holds that version.
fn check_name(folder: &Path, manifest: &Manifest) -> Result<()> {
    let name = folder.file_name().and_then(|name| name.to_str()).filter(|name| name.starts_with('v'));
    match name.and_then(|name| Version::parse(name).ok()) {
        Some(version) if version != manifest.version => {
            let (path, found) = (folder.join(manifest::FILE), manifest.version);
            Err(Error::failed(format!("`{}` is the manifest of {found}, not of {version}", path.display()))
                .hint(DAMAGED))
        }
        _ => Ok(()),
    }
}

fn check_files(folder: &Path, manifest: &Manifest) -> Result<()> {
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
    let cannot = || format!("cannot list `{}`", folder.display());
    for entry in fs::read_dir(folder).context(cannot)? {
        let name = entry.context(cannot)?.file_name();
        let listed = name.to_str().is_some_and(|name| name == manifest::FILE || manifest.files.contains_key(name));
        // A network file system keeps a file under such a name that was removed while it was open.
        if !listed && !name.to_string_lossy().starts_with(".nfs") {
            let path = folder.join(name);
            return Err(Error::failed(format!("`{}` is not listed in the manifest of its folder", path.display()))
                .hint("remove it, if it was put there by hand: a published folder never changes"));
        }
    }
    Ok(())
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

/// Copies a version's folder file by file, checks the copy and publishes it; a copy that is there is kept when it is of
/// the same checkpoint and has every file.
fn copy_version(from: &Path, to: &Path) -> Result<()> {
    // The source is checked first: a damaged one must not cost the copy that is there.
    let (source, sealed) = check_folder(from)?;
    let has_all = |there: &Manifest| source.files.iter().all(|(name, facts)| there.files.get(name) == Some(facts));
    if check_folder(to).is_ok_and(|(there, of)| of == sealed && has_all(&there)) {
        return Ok(());
    }
    exchange(to, |partial| {
        copy_files(&source, from, partial)?;
        copy_file(&from.join(manifest::FILE), &partial.join(manifest::FILE))?;
        check_folder(partial).map(|_| ())
    })
}

/// Publishes a folder in the place of one that may be there. The new one is built first; between the two renames there is
/// none, and a crash there leaves none: copies are made again from what they are copies of.
fn exchange(to: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    if !to.exists() {
        return publish_dir(to, fill);
    }
    let built = build_dir(to, fill)?;
    // The new folder has the same version: a reader that stays too long is not waited for.
    let unread = Unread::wait(to, READERS_WAIT);
    let cannot = || format!("cannot publish `{}`", to.display());
    let gone = Partial::folder(to).context(cannot)?;
    crash_point("exchange.before_renames");
    fs::rename(to, gone.path().join("folder")).context(cannot)?;
    crash_point("exchange.between_renames");
    built.publish(to).context(cannot)?;
    drop((gone, unread));
    to.parent().map_or(Ok(()), sync_dir)
}

/// How long the readers of a folder are waited for before it is exchanged.
const READERS_WAIT: Duration = Duration::from_secs(2);

/// Whether a whole release of this version's checkpoint lies beside the validated ones.
#[must_use]
pub fn is_released(layout: &Layout, model: &ModelName, version: Version) -> bool {
    let Ok((there, of)) = check_folder(&layout.validated(model, version)) else { return false };
    // Of another checkpoint (deleted, trained again under the same number) it is none; without a checkpoint it stands alone.
    let checkpoint = check_folder(&layout.checkpoint(model, version));
    there.checkpoint.is_some() && checkpoint.map_or(true, |(_, sealed)| sealed == of)
}

fn copy_files(manifest: &Manifest, from: &Path, to: &Path) -> Result<()> {
    manifest.files.keys().try_for_each(|name| copy_file(&from.join(name), &to.join(name)))
}

/// Copies a file to a path where there is none: never onto itself, never through a link.
fn copy_file(from: &Path, to: &Path) -> Result<()> {
    let copied = File::open(from).and_then(|mut from| {
        let mut to = File::create_new(to)?;
        io::copy(&mut from, &mut to)?;
        to.set_permissions(from.metadata()?.permissions())
    });
    copied.context(|| format!("cannot copy `{}` to `{}`", from.display(), to.display()))
}

/// Puts a copy of a version beside the validated ones; a release of it that is there is kept.
///
/// # Errors
/// `Failed` when the version is damaged or the disk refuses.
pub fn mirror_staging(layout: &Layout, model: &ModelName, version: Version) -> Result<()> {
    let (checkpoint, production) = (layout.checkpoint(model, version), layout.production(model, version));
    let sealed = |folder: &Path| check_folder(folder).map(|(_, sealed)| sealed);
    // What is in production is a copy of the release: where the release is damaged, it is made from there.
    let serves = sealed(&production).is_ok_and(|there| sealed(&checkpoint).map_or(true, |sealed| sealed == there));
    copy_version(if serves { &production } else { &checkpoint }, &layout.validated(model, version))
}

/// Makes a release of a version beside the validated ones: the files of its checkpoint, and what `fill` adds to them in
/// the folder that it is given. All or nothing.
///
/// # Errors
/// What `fill` says; `Failed` when the version is damaged or the disk refuses.
pub fn release(
    layout: &Layout,
    model: &ModelName,
    version: Version,
    fill: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    let (from, to) = (layout.checkpoint(model, version), layout.validated(model, version));
    let (source, sealed) = check_folder(&from)?;
    let fill = |partial: &Path| {
        copy_files(&source, &from, partial)?;
        copy_file(&from.join(manifest::FILE), &partial.join(manifest::CHECKPOINT_FILE))?;
        fill(partial)?;
        Manifest { checkpoint: Some(sealed), files: BTreeMap::new(), ..source.clone() }.seal(partial)?;
        check_folder(partial).map(|_| ())
    };
    exchange(&to, fill)
}

/// Puts a version into production without switching to it: its release where there is one, else its checkpoint. Call
/// `mirror_production` after the decision is recorded.
///
/// # Errors
/// `Failed` when the version is damaged or the disk refuses.
pub fn prepare_production(layout: &Layout, model: &ModelName, version: Version) -> Result<()> {
    let (checkpoint, validated) = (layout.checkpoint(model, version), layout.validated(model, version));
    let sealed = |folder: &Path| check_folder(folder).map(|(_, sealed)| sealed);
    // A release of another checkpoint (deleted, trained again under the same number) is none.
    let released = sealed(&validated).is_ok_and(|there| sealed(&checkpoint).map_or(true, |sealed| sealed == there));
    copy_version(if released { &validated } else { &checkpoint }, &layout.production(model, version))?;
    write_checksums(layout, model)
}

/// Writes the hashes of the manifests down that lie in production; a version whose manifest is gone serves no more.
fn write_checksums(layout: &Layout, model: &ModelName) -> Result<()> {
    let folder = layout.production_of(model);
    let mut versions = versions_in(&folder);
    versions.retain(|version| folder.join(version.to_string()).join(manifest::FILE).is_file());
    checksums::write(&folder, &versions)
}

/// Removes copies of a version that are releases with another manifest than the recorded one: they are made again.
///
/// # Errors
/// `Failed` when the disk refuses.
pub fn discard_foreign_releases(layout: &Layout, model: &ModelName, version: Version, recorded: &str) -> Result<()> {
    for folder in [layout.validated(model, version), layout.production(model, version)] {
        let is_release = Manifest::read(&folder).is_ok_and(|(manifest, _)| manifest.checkpoint.is_some());
        // Without its checkpoint there is nothing that it could be made again from.
        if is_release && manifest_sha256(&folder)? != recorded && layout.checkpoint(model, version).is_dir() {
            take_away(&folder)?;
        }
    }
    Ok(())
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
    check_pointers(layout, model)?;
    let whole = |version: Version| match check_folder(&layout.production(model, version)) {
        Ok(_) => Ok(()),
        Err(_) => prepare_production(layout, model, version),
    };
    active.map_or(Ok(()), whole)?;
    let damaged = previous.and_then(|version| whole(version).err());
    if damaged.is_some() {
        previous = None;
    }
    // What serves until the switch is among them.
    write_checksums(layout, model)?;
    crash_point("mirror.before_active");
    for (pointer, version) in [(layout.active(model), active), (layout.previous(model), previous)] {
        point(&pointer, version)?;
        crash_point("mirror.between_links");
    }
    let entries = fs::read_dir(&folder).into_iter().flatten().filter_map(Result::ok);
    for entry in entries {
        let _ = remove_left_over(&entry.path());
    }
    for version in versions_in(&folder) {
        if Some(version) != active && Some(version) != previous {
            // One that a command still reads from goes with the next change.
            let _ = remove_unread(&layout.production(model, version));
        }
    }
    write_checksums(layout, model)?;
    Ok(damaged)
}
