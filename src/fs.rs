//! Files that are whole or absent: atomic writes, folders published by rename, SHA-256, kernel locks.
//!
//! Everything durable goes temporary file → fsync → rename → fsync of the folder. `crash_point` marks the places
//! between such steps; the tests end the process there and look at what is left.

mod partial;
mod shared;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, fchown, symlink};
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

pub use self::partial::{Partial, is_at, is_left_over, is_temporary, namespace, remove_left_over, temporary};
use self::partial::{parent, remove_left_overs_of};
pub use self::shared::{create_shared, files_of, is_closed_to_its_group, open_to_group};
use crate::error::{Cause, Context, Error, Result};

static CRASH_AT: OnceLock<String> = OnceLock::new();

/// Makes the process abort when it reaches the crash point of this name. For tests; set once, by the host.
pub fn arm_crash_point(name: String) {
    let _ = CRASH_AT.set(name);
}

/// A place between two durable steps, by name.
pub fn crash_point(name: &str) {
    if CRASH_AT.get().is_some_and(|armed| armed == name) {
        std::process::abort();
    }
}

/// Hexadecimal text of bytes.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Reads a JSON document that carries a `format_version`; `name` is what a person knows it by.
///
/// # Errors
/// `Failed` when it is damaged, or of a format newer than `newest`.
pub fn document<T: serde::de::DeserializeOwned>(name: &str, text: &str, newest: u32) -> Result<T> {
    let damaged = || format!("`{name}` is damaged");
    let value: serde_json::Value = serde_json::from_str(text).context(damaged)?;
    let format = value.get("format_version").and_then(serde_json::Value::as_u64).unwrap_or(0);
    if format > u64::from(newest) {
        let message = format!("`{name}` has format {format}, this build reads {newest}");
        return Err(Error::failed(message).hint("use a newer mlops").because(Cause::NewerFormat));
    }
    serde_json::from_value(value).context(damaged)
}

/// Reads a file that holds a JSON document with a `format_version`.
///
/// # Errors
/// `Failed` when it cannot be read, or as `document`.
pub fn read_document<T: serde::de::DeserializeOwned>(path: &Path, newest: u32) -> Result<T> {
    let text = fs::read_to_string(path).context(|| format!("cannot read `{}`", path.display()))?;
    document(&path.display().to_string(), &text, newest)
}

/// SHA-256 of bytes, as hexadecimal text.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Size and SHA-256 of a file, read in blocks.
///
/// # Errors
/// `Failed` when it cannot be read.
pub fn sha256_file(path: &Path) -> Result<(u64, String)> {
    let mut file = File::open(path).context(|| format!("cannot read `{}`", path.display()))?;
    let (mut hasher, mut block, mut size) = (Sha256::new(), vec![0; 1 << 16], 0);
    loop {
        let count = file.read(&mut block).context(|| format!("cannot read `{}`", path.display()))?;
        if count == 0 {
            return Ok((size, hex(&hasher.finalize())));
        }
        size += count as u64;
        hasher.update(&block[..count]);
    }
}

/// Reads a text file.
///
/// # Errors
/// `NotFound` when there is none, `Invalid` when it is not UTF-8, `Failed` when it cannot be read.
pub fn read_text(path: &Path) -> Result<String> {
    let bytes = fs::read(path).map_err(|cause| match cause.kind() {
        io::ErrorKind::NotFound => Error::not_found(format!("`{}` is not there", path.display())),
        io::ErrorKind::IsADirectory => Error::invalid(format!("`{}` is a folder, not a file", path.display())),
        _ => Error::failed(format!("cannot read `{}`", path.display())).caused_by(cause),
    })?;
    String::from_utf8(bytes).map_err(|cause| {
        let at = cause.utf8_error().valid_up_to();
        Error::invalid(format!("`{}` is not UTF-8 text: byte {at}", path.display()))
    })
}

/// True for the name of a file in a folder: nothing that leads to another folder.
#[must_use]
pub fn is_file_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['/', '\\', '\0']) && name != "." && name != ".."
}

/// Flushes a folder's entries to disk.
///
/// # Errors
/// `Failed` when the disk refuses.
pub fn sync_dir(folder: &Path) -> Result<()> {
    let open = File::open(folder).and_then(|folder| folder.sync_all());
    open.context(|| format!("cannot flush the folder `{}`", folder.display()))
}

/// Creates a folder and its parents.
///
/// # Errors
/// `Failed` when the disk refuses.
pub fn create_dir(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).context(|| format!("cannot create the folder `{}`", folder.display()))
}

/// True inside a folder that `publish_dir` is building: nothing in it lasts before the folder is published whole.
fn is_unpublished(path: &Path) -> bool {
    parent(path).file_name().is_some_and(|name| {
        let name = name.to_string_lossy();
        name.starts_with('.') && name.ends_with(".tmp")
    })
}

/// Flushes every file of a folder, all at once, and then the folder: one journal commit serves them together.
///
/// # Errors
/// `Failed` when the disk refuses.
pub fn sync_files(folder: &Path) -> Result<()> {
    let cannot = || format!("cannot flush the folder `{}`", folder.display());
    let entries = fs::read_dir(folder).context(cannot)?.collect::<io::Result<Vec<_>>>().context(cannot)?;
    let flush = |entry: &fs::DirEntry| File::open(entry.path()).and_then(|file| file.sync_all());
    let flushed: Vec<io::Result<()>> = std::thread::scope(|scope| {
        let flushing: Vec<_> = entries.iter().map(|entry| scope.spawn(move || flush(entry))).collect();
        flushing
            .into_iter()
            .map(|one| one.join().unwrap_or_else(|_| Err(io::Error::other("flushing panicked"))))
            .collect()
    });
    flushed.into_iter().collect::<io::Result<()>>().context(cannot)?;
    sync_dir(folder)
}

/// Writes a file so that a reader sees the old content or the new one, never a part; `sync_files` on its folder makes
/// it last, together with its neighbours.
///
/// # Errors
/// `Failed` when the disk refuses; the old content is then still there.
pub fn write_relaxed(path: &Path, bytes: &[u8]) -> Result<()> {
    let fill = |file: &mut File| file.write_all(bytes).context(|| format!("cannot write `{}`", path.display()));
    write(path, fill, false)
}

/// Writes a file so that a reader sees the old content or the new one, never a part; it lasts when this returns, but in
/// a folder that is being built, where publishing makes it last.
///
/// # Errors
/// `Failed` when the disk refuses; the old content is then still there.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    write_with(path, |file| file.write_all(bytes).context(|| format!("cannot write `{}`", path.display())))
}

/// As `write_atomic`, for content that is produced while it is written.
///
/// # Errors
/// What `fill` says, or `Failed` when the disk refuses.
pub fn write_with(path: &Path, fill: impl FnOnce(&mut File) -> Result<()>) -> Result<()> {
    write(path, fill, !is_unpublished(path))
}

fn write(path: &Path, fill: impl FnOnce(&mut File) -> Result<()>, lasting: bool) -> Result<()> {
    let cannot = || format!("cannot write `{}`", path.display());
    if is_written_to(path) {
        let mut file = OpenOptions::new().append(true).open(path).context(cannot)?;
        return fill(&mut file);
    }
    create_dir(parent(path))?;
    remove_left_overs_of(path);
    let mut partial = Partial::file(path).context(cannot)?;
    keep_facts(&partial.file, path);
    fill(&mut partial.file)?;
    if lasting {
        partial.file.sync_all().context(cannot)?;
    }
    partial.publish(path).context(cannot)?;
    if lasting { sync_dir(parent(path)) } else { Ok(()) }
}

/// Whether a path is no file that can be replaced: a device, a pipe, or a name such as `/dev/stdout` that the system gives
/// to an open file.
#[must_use]
pub fn is_written_to(path: &Path) -> bool {
    let Ok(facts) = fs::metadata(path) else { return false };
    let of_the_system = || {
        let folder = parent(path).canonicalize().unwrap_or_default();
        path.is_symlink() && (folder.starts_with("/dev") || folder.starts_with("/proc"))
    };
    !facts.is_dir() && (!facts.is_file() || of_the_system())
}

/// Gives a new file the owner, the group and the mode of the one that it replaces, as far as this process may.
fn keep_facts(new: &File, replaced: &Path) {
    let (Ok(old), Ok(now)) = (fs::symlink_metadata(replaced), new.metadata()) else { return };
    if !old.is_file() {
        return;
    }
    if (old.uid(), old.gid()) != (now.uid(), now.gid()) && fchown(new, Some(old.uid()), Some(old.gid())).is_err() {
        // Only root gives files away; the group is kept by everybody who is in it.
        let _ = fchown(new, None, Some(old.gid()));
    }
    let _ = new.set_permissions(old.permissions());
}

/// Builds a folder under a temporary name; `publish_built` puts it in its place. It is locked until then.
///
/// # Errors
/// What `fill` says, or `Failed`; nothing is left behind then.
pub fn build_dir(target: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<Partial> {
    create_dir(parent(target))?;
    remove_left_overs_of(target);
    let partial = Partial::folder(target).context(|| format!("cannot publish `{}`", target.display()))?;
    fill(partial.path())?;
    sync_files(partial.path())?;
    crash_point("publish.before_rename");
    Ok(partial)
}

/// Builds a folder under a temporary name and publishes it with one rename. An existing `target` is an error.
///
/// # Errors
/// What `fill` says, or `Failed`; nothing is left behind then.
pub fn publish_dir(target: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let partial = build_dir(target, fill)?;
    let cannot = || format!("cannot publish `{}`", target.display());
    if target.exists() {
        return Err(Error::failed(cannot()).hint("it is there already"));
    }
    partial.publish(target).context(cannot)?;
    sync_dir(parent(target))
}

/// Takes a folder away by one rename, so that a reader finds all of it or none, and removes it.
///
/// # Errors
/// `Failed` when the disk refuses.
pub fn take_away(folder: &Path) -> Result<()> {
    let cannot = || format!("cannot remove `{}`", folder.display());
    let partial = Partial::folder(folder).context(cannot)?;
    match fs::rename(folder, partial.path().join("folder")) {
        // Another process has removed it.
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        renamed => renamed.context(cannot),
    }
}

/// Whether symbolic links can be made in a folder; some file systems have none.
///
/// # Errors
/// `Failed` when nothing can be written there at all.
pub fn supports_links(folder: &Path) -> Result<bool> {
    let cannot = || format!("cannot write into `{}`", folder.display());
    let partial = Partial::folder(&folder.join("active")).context(cannot)?;
    match symlink("target", partial.path().join("link")) {
        Err(cause) if cause.kind() == io::ErrorKind::StorageFull => Err(Error::failed(cannot()).caused_by(cause)),
        linked => Ok(linked.is_ok()),
    }
}

/// Points the symbolic link `link` at the relative `target` with one rename. A folder in its place, as a copy of the project
/// without links has, makes room; where links cannot be made, a file that names the target takes its place.
///
/// # Errors
/// `Failed` when the disk refuses; the link then still points where it did.
pub fn switch_link(link: &Path, target: &str) -> Result<()> {
    switch(link, target, |target, link| symlink(target, link))
}

fn switch(link: &Path, target: &str, make: impl Fn(&str, &Path) -> io::Result<()>) -> Result<()> {
    let cannot = || format!("cannot switch `{}` to `{target}`", link.display());
    remove_left_overs_of(link);
    let partial = Partial::folder(link).context(cannot)?;
    let new = partial.path().join("link");
    if make(target, &new).is_err() {
        let mut file = File::create_new(&new).context(cannot)?;
        file.write_all(format!("{target}\n").as_bytes()).and_then(|()| file.sync_all()).context(cannot)?;
    }
    crash_point("switch.before_rename");
    if link.symlink_metadata().is_ok_and(|there| there.is_dir()) {
        fs::rename(link, partial.path().join("folder")).context(cannot)?;
    }
    fs::rename(new, link).context(cannot)?;
    sync_dir(parent(link))
}

/// Takes the kernel lock on an open file, which lasts until the file is closed or the process dies; `false` when
/// another keeps it for longer than `wait`. Who waits longer than a moment sleeps in the kernel and is woken when the lock is
/// free, instead of asking for it now and then while newcomers take it.
///
/// # Errors
/// What the kernel says, such as a file system without locks.
pub fn lock_within(file: &File, wait: Duration) -> io::Result<bool> {
    const MOMENT: Duration = Duration::from_millis(2);
    let (start, mut pause) = (Instant::now(), Duration::from_micros(50));
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(fs::TryLockError::WouldBlock) if start.elapsed() < wait.min(MOMENT) => {
                std::thread::sleep(pause);
                pause *= 2;
            }
            Err(fs::TryLockError::WouldBlock) => break,
            Err(fs::TryLockError::Error(cause)) => return Err(cause),
        }
    }
    let left = wait.saturating_sub(start.elapsed());
    if left.is_zero() {
        return Ok(false);
    }
    // The kernel's call has no limit of time: a thread makes it, and gives back what comes too late.
    let waiting = file.try_clone()?;
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let locked = waiting.lock();
        if send.send(locked).is_err() {
            let _ = waiting.unlock();
        }
    });
    match receive.recv_timeout(left) {
        Ok(locked) => locked.map(|()| true),
        Err(_) => receive.try_recv().map_or(Ok(false), |locked| locked.map(|()| true)),
    }
}

/// Whether a process keeps the lock on a file; `None` where there is no such file, or no locks.
#[must_use]
pub fn is_locked(path: &Path) -> Option<bool> {
    match File::open(path).ok()?.try_lock() {
        Ok(()) => Some(false),
        Err(fs::TryLockError::WouldBlock) => Some(true),
        Err(fs::TryLockError::Error(_)) => None,
    }
}

/// A kernel lock on a file, released when dropped or when the process dies.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock, waiting up to `wait`.
    ///
    /// # Errors
    /// `Busy`, with the holder's note, when another process keeps it; `Failed` when the disk refuses.
    pub fn take(path: &Path, note: &str, wait: Duration) -> Result<Self> {
        create_dir(parent(path))?;
        let cannot = || format!("cannot lock `{}`", path.display());
        let mut file =
            OpenOptions::new().create(true).read(true).write(true).truncate(false).open(path).context(cannot)?;
        match lock_within(&file, wait) {
            Ok(true) => {}
            Ok(false) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                return Err(Error::busy(format!("`{}` is locked by {}", path.display(), holder.trim()))
                    .hint("wait for it to finish, then run this again"));
            }
            Err(cause) => return Err(Error::failed(cannot()).caused_by(cause)),
        }
        let _ = file.set_len(0);
        let _ = file.write_all(format!("process {} ({note})\n", std::process::id()).as_bytes());
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_content_and_no_rubbish() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write_atomic(&path, b"old").unwrap();
        let failed = write_with(&path, |file| {
            file.write_all(b"half").unwrap();
            Err(Error::failed("disk full"))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_file_is_written_to_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("answers.csv");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe).unwrap()
        });
        write_atomic(&pipe, b"id,prediction\n").unwrap();
        assert_eq!(reader.join().unwrap(), b"id,prediction\n");
        assert!(!fs::symlink_metadata(&pipe).unwrap().is_file());
        write_atomic(Path::new("/dev/null"), b"gone").unwrap();
        assert!(!fs::symlink_metadata("/dev/null").unwrap().is_file());
        assert!(is_written_to(Path::new("/dev/stdout")) && !is_written_to(folder.path()));
    }

    #[test]
    fn a_replaced_file_keeps_its_mode_and_a_link_in_its_place_is_not_followed() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("answers.csv");
        fs::write(&path, "old").unwrap();
        for mode in [0o640, 0o600, 0o664] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            write_atomic(&path, b"new").unwrap();
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, mode);
        }
        let victim = folder.path().join("victim");
        fs::write(&victim, "mine").unwrap();
        fs::remove_file(&path).unwrap();
        symlink(&victim, &path).unwrap();
        write_atomic(&path, b"new").unwrap();
        assert_eq!((fs::read(&victim).unwrap(), fs::read(&path).unwrap()), (b"mine".to_vec(), b"new".to_vec()));
    }

    #[test]
    fn a_link_is_switched_whatever_is_in_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("active");
        let without_links = |_: &str, _: &Path| Err(io::Error::from(io::ErrorKind::Unsupported));
        switch_link(&link, "v1").unwrap();
        switch_link(&link, "v2").unwrap();
        assert_eq!(fs::read_link(&link).unwrap(), Path::new("v2"));
        fs::remove_file(&link).unwrap();
        fs::create_dir(&link).unwrap();
        fs::write(link.join("manifest.json"), "{}").unwrap();
        switch_link(&link, "v3").unwrap();
        assert_eq!(fs::read_link(&link).unwrap(), Path::new("v3"));
        switch(&link, "v4", without_links).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_file());
        assert_eq!(fs::read_to_string(&link).unwrap(), "v4\n");
        switch_link(&link, "v5").unwrap();
        assert_eq!(fs::read_link(&link).unwrap(), Path::new("v5"));
        assert!(supports_links(folder.path()).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_folder_is_published_once() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("v1");
        publish_dir(&target, |folder| write_atomic(&folder.join("a"), b"1")).unwrap();
        assert!(publish_dir(&target, |_| Ok(())).is_err());
        assert_eq!(fs::read(target.join("a")).unwrap(), b"1");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_lock_is_held_until_dropped() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("x.lock");
        let held = Lock::take(&path, "test", Duration::ZERO).unwrap();
        let busy = Lock::take(&path, "other", Duration::ZERO).unwrap_err();
        assert_eq!(busy.kind, crate::error::ErrorKind::Busy);
        drop(held);
        Lock::take(&path, "other", Duration::ZERO).unwrap();
    }

    #[test]
    fn a_lock_is_waited_for_and_no_longer_than_was_said() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("x.lock");
        let held = Lock::take(&path, "test", Duration::ZERO).unwrap();
        let start = Instant::now();
        assert!(Lock::take(&path, "other", Duration::from_millis(50)).is_err());
        assert!(start.elapsed() >= Duration::from_millis(50));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| Lock::take(&path, "other", Duration::from_secs(30)).map(drop));
            std::thread::sleep(Duration::from_millis(20));
            drop(held);
            waiting.join().unwrap().unwrap();
        });
        // What was waited for in vain is not kept when it comes too late.
        std::thread::sleep(Duration::from_millis(20));
        Lock::take(&path, "third", Duration::from_secs(30)).unwrap();
    }

    #[test]
    fn sha256_of_abc() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
