//! `production/<model>/active` and `previous`: which version serves, and which one did before.
//!
//! Each is a symbolic link to the version's folder. A copy of the project that has turned links into folders has a folder
//! there, which is known by its manifest; on a file system without links a file there names the version.

use std::fs;
use std::path::{Path, PathBuf};

use super::layout::Layout;
use super::manifest::{FILE, Manifest};
use crate::error::{Context, Error, Result};
use crate::fs::{create_dir, supports_links, switch_link, sync_dir, take_away};
use crate::names::{ModelName, Version};

/// The version that a pointer names, whatever form it has.
#[must_use]
pub fn pointed(pointer: &Path) -> Option<Version> {
    let facts = pointer.symlink_metadata().ok()?;
    if facts.is_symlink() {
        return Version::parse(&fs::read_link(pointer).ok()?.to_string_lossy()).ok();
    }
    if facts.is_dir() {
        return Manifest::read(pointer).ok().map(|(manifest, _)| manifest.version);
    }
    Version::parse(fs::read_to_string(pointer).ok()?.trim()).ok()
}

/// What a person may mean by the path of a model's folder: the folder itself, or for a model's folder in production (and a
/// pointer in it) the one that serves.
#[must_use]
pub fn model_folder(path: &Path) -> Option<PathBuf> {
    if path.join(FILE).is_file() {
        return Some(path.to_path_buf());
    }
    let active = path.join("active");
    if active.join(FILE).is_file() {
        return Some(active);
    }
    // A pointer that is a file: the version lies beside it.
    let pointer = if active.is_file() { active } else { path.to_path_buf() };
    if !pointer.is_file() || !["active", "previous"].iter().any(|name| pointer.ends_with(name)) {
        return None;
    }
    let folder = pointer.with_file_name(pointed(&pointer)?.to_string());
    folder.join(FILE).is_file().then_some(folder)
}

/// Finds out before anything is decided whether the pointers of a model can be switched.
///
/// # Errors
/// `Failed` when the folder cannot be written, or something that is no copy of a version lies in a pointer's place.
pub fn check_pointers(layout: &Layout, model: &ModelName) -> Result<()> {
    let folder = layout.production_of(model);
    create_dir(&folder)?;
    for pointer in [layout.active(model), layout.previous(model)] {
        let is_folder = pointer.symlink_metadata().is_ok_and(|facts| facts.is_dir());
        if is_folder && pointed(&pointer).is_none() {
            return Err(Error::failed(format!(
                "`{}` is a folder that is no copy of a version, and cannot be replaced by a link",
                pointer.display()
            ))
            .hint("move it away, then run this again"));
        }
    }
    supports_links(&folder).map(|_| ())
}

/// Makes a pointer name this version, or none.
///
/// # Errors
/// `Failed` when the disk refuses; the pointer then still names what it did.
pub(super) fn point(pointer: &Path, version: Option<Version>) -> Result<()> {
    if let Some(version) = version {
        return switch_link(pointer, &version.to_string());
    }
    let Ok(facts) = pointer.symlink_metadata() else { return Ok(()) };
    if facts.is_dir() {
        return if pointed(pointer).is_some() { take_away(pointer) } else { Ok(()) };
    }
    fs::remove_file(pointer).context(|| format!("cannot remove `{}`", pointer.display()))?;
    pointer.parent().map_or(Ok(()), sync_dir)
}
