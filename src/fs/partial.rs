//! Temporary files and folders: each is created anew beside what it will replace, and locked while its process works on
//! it. Whoever can take that lock knows that the process has ended, wherever it ran: the rest is then removed.

use std::collections::hash_map::RandomState;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// So many names are tried before a folder counts as one in which nothing can be created.
const ATTEMPTS: usize = 16;
/// The part of a file's name that its temporary file carries: a name may have 255 bytes in all.
const LONGEST_STEM: usize = 150;

/// The PID namespace of this process: process numbers of two containers that share a disk mean different processes.
#[must_use]
pub fn namespace() -> &'static str {
    static NAMESPACE: OnceLock<String> = OnceLock::new();
    NAMESPACE.get_or_init(|| {
        let link = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        link.to_string_lossy().chars().filter(char::is_ascii_digit).collect()
    })
}

/// The folder that a path lies in.
pub(super) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The part of a temporary name that says what it stands for.
fn stem(path: &Path) -> String {
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let end = (0..=name.len().min(LONGEST_STEM)).rfind(|end| name.is_char_boundary(*end)).unwrap_or(0);
    name[..end].to_owned()
}

/// A name beside `path` that no other process uses and nobody can guess.
#[must_use]
pub fn temporary(path: &Path) -> PathBuf {
    // The hasher's keys come from the operating system and differ with every state.
    let random = RandomState::new().build_hasher().finish();
    parent(path).join(format!(".{}.{}-{}-{random:016x}.tmp", stem(path), std::process::id(), namespace()))
}

/// Who made a temporary file, as its name says it.
struct Owner<'a> {
    /// What it stands for.
    stem: &'a str,
    pid: u32,
    namespace: &'a str,
    /// Whether its process keeps it locked: builds before 2026-12 did not.
    locks: bool,
}

fn owner(name: &str) -> Option<Owner<'_>> {
    let (stem, rest) = name.strip_prefix('.')?.strip_suffix(".tmp")?.rsplit_once('.')?;
    let mut parts = rest.split('-');
    let (pid, namespace) = (parts.next()?.parse().ok()?, parts.next()?);
    let locks = parts.next().is_some_and(|random| random.len() == 16);
    (parts.next().is_none() && namespace.bytes().all(|byte| byte.is_ascii_digit())).then_some(Owner {
        stem,
        pid,
        namespace,
        locks,
    })
}

impl Owner<'_> {
    fn has_ended(&self) -> bool {
        self.namespace == namespace() && !Path::new("/proc").join(self.pid.to_string()).exists()
    }
}

/// A temporary file whose process has ended.
struct Abandoned {
    /// Its lock, where it has one: kept until the file is gone, so that its maker sees that it was taken away.
    _lock: Option<File>,
}

/// `None` when it is no temporary file or its process works on.
fn abandoned(path: &Path) -> Option<Abandoned> {
    let without_lock = |owner: &Owner<'_>| owner.has_ended().then_some(Abandoned { _lock: None });
    let name = path.file_name()?.to_str()?;
    let owner = owner(name)?;
    let kind = path.symlink_metadata().ok()?.file_type();
    if !owner.locks || !(kind.is_file() || kind.is_dir()) {
        return without_lock(&owner);
    }
    let file = File::open(path).ok()?;
    match file.try_lock() {
        Ok(()) => Some(Abandoned { _lock: Some(file) }),
        Err(fs::TryLockError::WouldBlock) => None,
        Err(fs::TryLockError::Error(_)) => without_lock(&owner),
    }
}

/// True for the name of a temporary file or folder, whoever works on it.
#[must_use]
pub fn is_temporary(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| owner(name).is_some())
}

/// True for a temporary file or folder whose process has ended.
#[must_use]
pub fn is_left_over(path: &Path) -> bool {
    abandoned(path).is_some()
}

/// Removes a temporary file or folder whose process has ended; `false` when its process works on.
///
/// # Errors
/// What the disk says.
pub fn remove_left_over(path: &Path) -> io::Result<bool> {
    let Some(_abandoned) = abandoned(path) else { return Ok(false) };
    let is_folder = path.symlink_metadata().is_ok_and(|facts| facts.is_dir());
    match if is_folder { fs::remove_dir_all(path) } else { fs::remove_file(path) } {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
        _ => Ok(true),
    }
}

/// Removes what processes that have ended left behind when they were about to write `path`.
pub(super) fn remove_left_overs_of(path: &Path) {
    let stem = stem(path);
    for entry in fs::read_dir(parent(path)).into_iter().flatten().filter_map(Result::ok) {
        let name = entry.file_name();
        if name.to_str().and_then(owner).is_some_and(|owner| owner.stem == stem) {
            // What cannot be removed is in nobody's way.
            let _ = remove_left_over(&entry.path());
        }
    }
}

/// A temporary file or folder of this process, removed when it is dropped before it was published.
#[derive(Debug)]
pub struct Partial {
    path: PathBuf,
    /// Its lock says that the process works on it.
    pub(super) file: File,
    published: bool,
}

impl Partial {
    /// Creates a file beside `path`: never one that is there, never through a link.
    ///
    /// # Errors
    /// What the disk says.
    pub fn file(path: &Path) -> io::Result<Self> {
        Self::create(path, |name| OpenOptions::new().write(true).create_new(true).open(name))
    }

    /// Creates a folder beside `path`.
    ///
    /// # Errors
    /// What the disk says.
    pub fn folder(path: &Path) -> io::Result<Self> {
        Self::create(path, |name| DirBuilder::new().create(name).and_then(|()| File::open(name)))
    }

    fn create(path: &Path, make: impl Fn(&Path) -> io::Result<File>) -> io::Result<Self> {
        for _ in 0..ATTEMPTS {
            let name = temporary(path);
            let file = match make(&name) {
                Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => continue,
                made => made?,
            };
            // A file system without locks is no reason not to write.
            let _ = file.lock();
            if is_at(&file, &name) {
                return Ok(Self { path: name, file, published: false });
            }
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, "no new temporary file can be created"))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts it in the place of `target` by one rename.
    ///
    /// # Errors
    /// What the disk says; it is then removed.
    pub fn publish(mut self, target: &Path) -> io::Result<()> {
        fs::rename(&self.path, target)?;
        self.published = true;
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.published {
            let is_folder = self.path.symlink_metadata().is_ok_and(|facts| facts.is_dir());
            let _ = if is_folder { fs::remove_dir_all(&self.path) } else { fs::remove_file(&self.path) };
        }
    }
}

/// Whether the open file is the one that lies at this path.
#[must_use]
pub fn is_at(file: &File, path: &Path) -> bool {
    let same = |open: fs::Metadata, there: fs::Metadata| (open.dev(), open.ino()) == (there.dev(), there.ino());
    file.metadata().is_ok_and(|open| path.symlink_metadata().is_ok_and(|there| same(open, there)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_locked_is_no_left_over_and_what_is_not_locked_is_one_in_any_namespace() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("answers.csv");
        for partial in [Partial::file(&path).unwrap(), Partial::folder(&path).unwrap()] {
            assert!(!is_left_over(partial.path()));
            assert!(!remove_left_over(partial.path()).unwrap());
            drop(partial);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        // Process 1 of another container, and this very process number: a lock that is free says that it has ended.
        for owner in ["1-4026531111".to_owned(), format!("{}-{}", std::process::id(), namespace())] {
            let left = folder.path().join(format!(".answers.csv.{owner}-0123456789abcdef.tmp"));
            fs::write(&left, "half").unwrap();
            assert!(is_left_over(&left), "{owner}");
            remove_left_overs_of(&folder.path().join("other.csv"));
            assert!(left.exists());
            remove_left_overs_of(&path);
            assert!(!left.exists(), "{owner}");
        }
        // Older builds kept no lock: there the process number decides, in its own namespace only.
        let old = |owner: &str| folder.path().join(format!(".answers.csv.{owner}.tmp"));
        for (owner, ended) in [
            (format!("{}-{}", std::process::id(), namespace()), false),
            (format!("4194999-{}", namespace()), true),
            ("4194999-4026531111".to_owned(), false),
        ] {
            fs::write(old(&owner), "half").unwrap();
            assert_eq!(is_left_over(&old(&owner)), ended, "{owner}");
        }
        for other in [".profile.tmp", "answers.csv.1-2-0123456789abcdef.tmp", ".a.b-2.tmp", ".git"] {
            fs::write(folder.path().join(other), "mine").unwrap();
            assert!(!is_left_over(&folder.path().join(other)), "{other}");
        }
    }

    #[test]
    fn names_stay_within_what_a_file_system_takes() {
        let long = "가".repeat(80);
        let name = temporary(&Path::new("/x").join(long));
        assert!(name.file_name().unwrap().len() < 255, "{}", name.display());
    }
}
