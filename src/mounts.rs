//! Which file system holds a path, as Linux's list of mounts tells it.
//!
//! `SQLite`'s write-ahead log keeps its index in shared memory, which machines on a network file system do not share: a
//! database that two of them open there is damaged. So who opens one asks here first.

use std::fs;
use std::path::Path;

const NETWORK_FILE_SYSTEMS: [&str; 13] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "afs",
    "ceph",
    "lustre",
    "fuse.sshfs",
    "fuse.glusterfs",
    "fuse.s3fs",
    "fuse.gcsfuse",
    "fuse.rclone",
];

/// The type of the network file system on which `path` lies, or would lie; nothing when it is a local one. `path` is
/// absolute and need not exist.
#[must_use]
pub fn network_file_system(path: &Path) -> Option<String> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let real = path.ancestors().find_map(|ancestor| fs::canonicalize(ancestor).ok());
    let kind = file_system(&mounts, real.as_deref().unwrap_or(path))?;
    NETWORK_FILE_SYSTEMS.contains(&kind).then(|| kind.to_owned())
}

/// The type of the file system that holds `path`: the longest mount point above it, the last of equals.
fn file_system<'a>(mounts: &'a str, path: &Path) -> Option<&'a str> {
    let mounted = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let point = fields.next()?.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\");
        let kind = fields.next()?;
        path.starts_with(&point).then_some((point.len(), kind))
    });
    mounted.max_by_key(|(length, _)| *length).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_system_is_the_deepest_mount() {
        let mounts = "/dev/vda / ext4 rw 0 0\nhost:/x /home nfs4 rw 0 0\n/dev/vdb /home/a\\040b xfs rw 0 0\n\
                      u@h: /home/a\\040b/s fuse.sshfs rw 0 0\n";
        let of = |path: &str| file_system(mounts, Path::new(path)).unwrap();
        assert_eq!(of("/homework/t.db"), "ext4");
        assert_eq!(of("/home/c/t.db"), "nfs4");
        assert_eq!(of("/home/a b/t.db"), "xfs");
        assert_eq!(of("/home/a b/s/t.db"), "fuse.sshfs");
        assert_eq!(file_system("", Path::new("/")), None);
    }
}
