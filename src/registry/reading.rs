//! A version's folder while a command reads from it: it is not removed before the command has ended.
//!
//! A reader keeps a shared kernel lock on the folder; whoever wants to remove it needs the lock for itself. A folder that
//! is read stays where it is, and the next command that changes the model removes it.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::fs::{is_at, lock_within, take_away};

/// Says that this process reads from a folder, for as long as a copy of it lives.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    _lock: Option<Arc<File>>,
}

/// Two versions are the same whoever reads them.
impl PartialEq for Reading {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Reading {}

impl Reading {
    /// Begins to read from a folder; `None` when it is not there or is being removed.
    #[must_use]
    pub fn begin(folder: &Path) -> Option<Self> {
        let file = match File::open(folder) {
            Ok(file) => file,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return None,
            // Why it cannot be read is told by whoever reads its files.
            Err(_) => return Some(Self::default()),
        };
        match file.try_lock_shared() {
            Ok(()) => is_at(&file, folder).then(|| Self { _lock: Some(Arc::new(file)) }),
            Err(TryLockError::WouldBlock) => None,
            // A file system without locks.
            Err(TryLockError::Error(_)) => Some(Self::default()),
        }
    }
}

/// A folder that no command reads from, and that none can begin to read from while this lives.
#[derive(Debug)]
pub struct Unread {
    _lock: Option<File>,
}

impl Unread {
    /// Waits until nobody reads from the folder.
    ///
    /// # Errors
    /// `Busy` when somebody still does after `wait`.
    pub fn wait(folder: &Path, wait: Duration) -> Result<Self> {
        let Ok(file) = File::open(folder) else { return Ok(Self { _lock: None }) };
        match lock_within(&file, wait) {
            Ok(true) => Ok(Self { _lock: Some(file) }),
            Ok(false) => Err(Error::busy(format!("a running command reads from `{}`", folder.display()))
                .hint("try again when it has ended")),
            Err(_) => Ok(Self { _lock: None }),
        }
    }
}

/// Whether a command reads from the folder at this moment.
#[must_use]
pub fn is_read(folder: &Path) -> bool {
    Unread::wait(folder, Duration::ZERO).is_err()
}

/// Removes a folder that nobody reads from; `false` when somebody does, and it stays.
///
/// # Errors
/// `Failed` when the disk refuses.
pub fn remove_unread(folder: &Path) -> Result<bool> {
    let Ok(_unread) = Unread::wait(folder, Duration::ZERO) else { return Ok(false) };
    take_away(folder).map(|()| true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_stays_until_its_last_reader_has_ended() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("v1");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("model.json"), "{}").unwrap();
        let first = Reading::begin(&folder).unwrap();
        let second = first.clone();
        let third = Reading::begin(&folder).unwrap();
        drop((first, third));
        assert!(is_read(&folder) && !remove_unread(&folder).unwrap());
        assert!(folder.join("model.json").is_file());
        drop(second);
        let unread = Unread::wait(&folder, Duration::ZERO).unwrap();
        assert!(Reading::begin(&folder).is_none(), "nobody begins to read what is about to go");
        drop(unread);
        assert!(remove_unread(&folder).unwrap());
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
        assert!(Reading::begin(&folder).is_none());
    }
}
