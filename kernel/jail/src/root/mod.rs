//! The file system inside: built in memory from a [`Plan`](crate::Plan)'s mounts, then entered for good.
//!
//! ```text
//! /tmp (a file system in memory)   old/  the machine's root: sources are read from here, then it is let go of
//!                                  new/  what is built: becomes the root, and read-only
//! ```

mod bind;
mod dev;
mod proc;

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount};

use crate::plan::{Fill, Mount};

const OLD: &str = "/old";
const NEW: &str = "/new";
/// Of every file system in memory.
const CALM: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);

/// Makes the root that the mounts say, and enters it. Nothing of the old one can be reached afterwards.
///
/// # Errors
/// Naming what could not be made.
pub(crate) fn build(mounts: &[Mount]) -> Result<(), String> {
    leave_the_old().map_err(|error| format!("a new root cannot be begun: {error}"))?;
    for entry in mounts {
        make(entry).map_err(|error| format!("{}: {error}", target(entry).display()))?;
    }
    enter_the_new().map_err(|error| format!("the new root cannot be entered: {error}"))
}

fn leave_the_old() -> io::Result<()> {
    // Nothing that is mounted from here on is seen outside.
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    in_memory(Path::new("/tmp"), 0o755)?;
    std::env::set_current_dir("/tmp")?;
    fs::create_dir("old")?;
    fs::create_dir("new")?;
    rustix::process::pivot_root(".", "old")?;
    std::env::set_current_dir("/")?;
    in_memory(Path::new(NEW), 0o755)
}

fn enter_the_new() -> io::Result<()> {
    unmount(OLD, UnmountFlags::DETACH)?;
    std::env::set_current_dir(NEW)?;
    // The old root is put upon the new one, and taken off.
    rustix::process::pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    std::env::set_current_dir("/")?;
    bind::restrict(Path::new("/"), Fill::ReadOnly)
}

fn target(entry: &Mount) -> &Path {
    match entry {
        Mount::Bind { target, .. }
        | Mount::Empty { target, .. }
        | Mount::Hidden { target }
        | Mount::File { target, .. }
        | Mount::Symlink { target, .. } => target,
        Mount::Proc => Path::new("/proc"),
        Mount::Dev => Path::new("/dev"),
    }
}

fn make(entry: &Mount) -> io::Result<()> {
    let place = below(NEW, target(entry))?;
    match entry {
        Mount::Bind { source, access, .. } => bind::bind(&below(OLD, source)?, &place, *access),
        Mount::Empty { mode, .. } => {
            directory(&place)?;
            in_memory(&place, *mode)
        }
        Mount::Hidden { .. } => hide(&place),
        Mount::File { text, .. } => {
            parent(&place)?;
            fs::write(&place, text)?;
            fs::set_permissions(&place, fs::Permissions::from_mode(0o444))
        }
        Mount::Symlink { to, .. } => {
            parent(&place)?;
            std::os::unix::fs::symlink(to, &place)
        }
        Mount::Proc => proc::mount_at(&place),
        Mount::Dev => dev::mount_at(&place),
    }
}

/// An empty file or directory upon it, which cannot be changed.
fn hide(place: &Path) -> io::Result<()> {
    if fs::symlink_metadata(place)?.is_dir() {
        in_memory(place, 0o555)?;
        return bind::restrict_one(place, Fill::ReadOnly);
    }
    bind::bind(&empty_file()?, place, Fill::ReadOnly)
}

/// Outside of what is built, so that nobody inside has it under another name.
fn empty_file() -> io::Result<PathBuf> {
    let path = PathBuf::from("/empty");
    if !path.exists() {
        fs::write(&path, "")?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444))?;
    }
    Ok(path)
}

fn in_memory(place: &Path, mode: u32) -> io::Result<()> {
    let mode = std::ffi::CString::new(format!("mode={mode:o}"))?;
    Ok(mount("tmpfs", place, "tmpfs", CALM, mode.as_c_str())?)
}

fn parent(place: &Path) -> io::Result<()> {
    place.parent().map_or(Ok(()), directory)
}

fn directory(place: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(place)
}

/// Where an absolute path lies under another root.
fn below(root: &str, path: &Path) -> io::Result<PathBuf> {
    let relative = path.strip_prefix("/").map_err(|_| io::Error::other("expected an absolute path"))?;
    let climbs = relative.components().any(|part| !matches!(part, std::path::Component::Normal(_)));
    if climbs {
        return Err(io::Error::other("expected a path without `..`"));
    }
    Ok(Path::new(root).join(relative))
}
