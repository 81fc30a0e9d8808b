//! `production/<model>/SHA256SUMS`: the hash of the manifest of every version that lies there, beside `active`. It goes
//! with a deployed folder, so that one whose manifest was changed is known without the ledger; `sha256sum -c` reads it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::manifest::FILE;
use crate::error::{Error, Result};
use crate::fs::{read_text, sha256_file, write_atomic};
use crate::names::Version;

const SUMS: &str = "SHA256SUMS";

/// The hashes that are written down, by the folder of the version; none where there is no such file.
fn read(folder: &Path) -> Result<BTreeMap<String, String>> {
    let path = folder.join(SUMS);
    if !path.is_file() {
        return Ok(BTreeMap::new());
    }
    let text = read_text(&path)?;
    let entry = |line: &str| {
        let (hash, name) = line.split_once("  ")?;
        Some((name.strip_suffix(FILE)?.strip_suffix('/')?.to_owned(), hash.to_owned()))
    };
    text.lines()
        .map(|line| entry(line).ok_or_else(|| Error::failed(format!("`{}` is damaged: `{line}`", path.display()))))
        .collect()
}

/// Writes the hashes of the manifests of these versions, where they are not the ones that are written down.
///
/// # Errors
/// `Failed` when a manifest cannot be read or the disk refuses.
pub(super) fn write(folder: &Path, versions: &[Version]) -> Result<()> {
    let line = |version: &Version| {
        let (_, hash) = sha256_file(&folder.join(version.to_string()).join(FILE))?;
        Ok(format!("{hash}  {version}/{FILE}\n"))
    };
    let text = versions.iter().map(line).collect::<Result<String>>()?;
    if fs::read_to_string(folder.join(SUMS)).is_ok_and(|there| there == text) {
        return Ok(());
    }
    write_atomic(&folder.join(SUMS), text.as_bytes())
}

/// Checks a version's manifest against the hash that is written down beside its folder, where there is one.
///
/// # Errors
/// `Failed` when it is another one.
pub fn check_beside(folder: &Path, version: Version) -> Result<()> {
    let Some(above) = folder.parent().filter(|above| above.join(SUMS).is_file()) else { return Ok(()) };
    let sums = read(above)?;
    let Some(expected) = sums.get(&version.to_string()) else { return Ok(()) };
    let path = folder.join(FILE);
    let (_, found) = sha256_file(&path)?;
    if found == *expected {
        return Ok(());
    }
    Err(Error::failed(format!(
        "`{}` is not the manifest that was published: `{}` has {expected:.12}…, it has {found:.12}…",
        path.display(),
        above.join(SUMS).display()
    ))
    .hint("the model is not used; `mlops doctor --fix` heals a copy, else deploy the folder again"))
}
