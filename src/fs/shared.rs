//! Files that several users of one folder write to: a database and its companions have the mode that the umask leaves and
//! the group of their folder.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use super::partial::parent;
use crate::error::{Context, Result};

const SET_GROUP: u32 = 0o2000;
const GROUP_WRITES: u32 = 0o020;
const GROUP_READS: u32 = 0o040;

/// A database, its log and the log's index, as far as they are there. `SQLite` gives the last two the mode of the first.
#[must_use]
pub fn files_of(database: &Path) -> Vec<PathBuf> {
    let beside = |end: &str| {
        let mut name = database.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let all = [database.to_path_buf(), beside("-wal"), beside("-shm")];
    all.into_iter().filter(|path| path.is_file()).collect()
}

/// Creates an empty database where there is none, with 0666 less the umask: `SQLite` itself would make it 0644. In a folder
/// that hands its group down it has the folder's group.
///
/// # Errors
/// `Failed` when it cannot be created.
pub fn create_shared(path: &Path) -> Result<()> {
    let file = match File::create_new(path) {
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        created => created.context(|| format!("cannot create `{}`", path.display()))?,
    };
    // Some file systems do not hand the group down by themselves.
    if let (Some(folder), Ok(facts)) = (shared_folder(path), file.metadata())
        && folder.gid() != facts.gid()
    {
        let _ = fchown(&file, None, Some(folder.gid()));
    }
    Ok(())
}

/// The folder of a path, where it hands its group down and the group writes there.
fn shared_folder(path: &Path) -> Option<fs::Metadata> {
    let facts = fs::metadata(parent(path)).ok()?;
    (facts.mode() & SET_GROUP != 0 && facts.mode() & GROUP_WRITES != 0).then_some(facts)
}

/// Whether a file lies in a folder that a group shares, and the group cannot write to it.
#[must_use]
pub fn is_closed_to_its_group(path: &Path) -> bool {
    let Some(folder) = shared_folder(path) else { return false };
    fs::metadata(path).is_ok_and(|facts| facts.mode() & GROUP_WRITES == 0 || facts.gid() != folder.gid())
}

/// Gives a file the group of its folder and lets the group write to it.
///
/// # Errors
/// `Failed` when it is another user's.
pub fn open_to_group(path: &Path) -> Result<()> {
    let cannot = || format!("cannot change the mode of `{}`", path.display());
    let file = File::open(path).context(cannot)?;
    let facts = file.metadata().context(cannot)?;
    if let Some(folder) = shared_folder(path).filter(|folder| folder.gid() != facts.gid()) {
        fchown(&file, None, Some(folder.gid())).context(cannot)?;
    }
    file.set_permissions(Permissions::from_mode(facts.mode() | GROUP_READS | GROUP_WRITES)).context(cannot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_folder_has_files_that_its_group_writes_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        create_shared(&path).unwrap();
        create_shared(&path).unwrap();
        // As any file that this process creates.
        let plain = folder.path().join("plain");
        fs::write(&plain, "").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(&path), mode(&plain));
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        assert!(!is_closed_to_its_group(&path), "the folder is not shared");
        fs::set_permissions(folder.path(), Permissions::from_mode(0o2775)).unwrap();
        assert!(is_closed_to_its_group(&path));
        open_to_group(&path).unwrap();
        assert_eq!(mode(&path), 0o664);
        assert!(!is_closed_to_its_group(&path));
    }
}
