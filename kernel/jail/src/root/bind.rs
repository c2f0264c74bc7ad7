//! Binds a file or directory of the machine with all that is mounted below it, and takes rights away from each of those.
//!
//! A remount says all flags anew, and those that an outer namespace set may not be taken off: they are read first.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::StatVfsMountFlags;
use rustix::mount::{MountFlags, mount_bind_recursive, mount_remount};

use super::{directory, parent};
use crate::plan::Fill;

/// Before the new root is entered the machine's `/proc` lies in the old one, afterwards the jail's own in its place.
const MOUNTS: [&str; 2] = ["/old/proc/self/mountinfo", "/proc/self/mountinfo"];

pub(super) fn bind(source: &Path, place: &Path, access: Fill) -> io::Result<()> {
    if fs::metadata(source)?.is_dir() {
        directory(place)?;
    } else if fs::symlink_metadata(place).is_err() {
        parent(place)?;
        fs::write(place, "")?;
    }
    mount_bind_recursive(source, place)?;
    restrict_below(place, access)
}

/// The mount at `place` alone.
pub(super) fn restrict(place: &Path, access: Fill) -> io::Result<()> {
    restrict_one(place, access)
}

fn restrict_below(place: &Path, access: Fill) -> io::Result<()> {
    // What lies below first would be hidden by nothing: order is of no matter.
    mounts_below(place)?.iter().try_for_each(|mount| restrict_one(mount, access))
}

pub(super) fn restrict_one(place: &Path, access: Fill) -> io::Result<()> {
    let set = rustix::fs::statvfs(place)?.f_flag;
    let mut flags = MountFlags::BIND | MountFlags::NOSUID | MountFlags::NODEV;
    for (is_set, flag) in [
        (StatVfsMountFlags::RDONLY, MountFlags::RDONLY),
        (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
        (StatVfsMountFlags::NOATIME, MountFlags::NOATIME),
        (StatVfsMountFlags::NODIRATIME, MountFlags::NODIRATIME),
        (StatVfsMountFlags::RELATIME, MountFlags::RELATIME),
    ] {
        if set.contains(is_set) {
            flags |= flag;
        }
    }
    if access == Fill::ReadOnly {
        flags |= MountFlags::RDONLY;
    }
    Ok(mount_remount(place, flags, c"")?)
}

fn mounts_below(place: &Path) -> io::Result<Vec<PathBuf>> {
    let text = MOUNTS.iter().find_map(|path| fs::read_to_string(path).ok());
    let text = text.ok_or_else(|| io::Error::other("the mounts cannot be listed"))?;
    let points = text.lines().filter_map(|line| line.split(' ').nth(4)).map(unescaped);
    Ok(points.filter(|point| point.starts_with(place)).collect())
}

/// proc_pid_mountinfo(5): space, tab, line break and backslash stand as three octal digits.
fn unescaped(field: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let octal = (*first == b'\\').then(|| after.get(..3)).flatten();
        let code = octal.and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    use std::os::unix::ffi::OsStringExt as _;
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_the_mount_table_are_undone() {
        assert_eq!(unescaped(r"/a\040b\134c"), Path::new(r"/a b\c"));
        assert_eq!(unescaped(r"/a\9"), Path::new(r"/a\9"));
    }
}
