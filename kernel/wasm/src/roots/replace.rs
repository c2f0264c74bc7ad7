//! Writing a file: the content becomes durable under another name and then takes the place of what the plan saw there, at once.
//!
//! Between the last look at the old content and the renaming another process may still change it; no call of the kernel does
//! both. What is kept of a replaced file are its permission bits; the owner becomes the gate, further attributes are lost.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;

use latchgate_monitor::plan::{Before, FsPath, FsStep};
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::Output;
use super::failure::{Failure, Kind, errno, shown};
use super::file::RegularFile;
use super::temporary::TemporaryName;
use super::walk::{Base, Identity, Parent, RESOLVE};

pub(super) fn replace(base: &Base, step: &FsStep, name: &TemporaryName) -> Result<Output, Failure> {
    let path = &step.path;
    let content = match step.content.as_ref().map(|content| content.bytes()) {
        Some(Ok(content)) => content,
        Some(Err(error)) => {
            return Err(Failure::refused(format!("the content to write is not base64: {error}")));
        }
        None => return Err(Failure::refused("the plan names no content to write")),
    };
    let planned =
        step.before.as_ref().ok_or_else(|| Failure::refused("the plan does not say what is replaced"))?;
    let parent = base.parent(path).map_err(|failure| without_parent(failure, path))?;
    let dir = open_directory(&parent)?;
    let old = existing(&parent, planned)?;
    let temp = Temporary::write(&parent, &dir, name, &content, old.as_ref().map(RegularFile::mode))?;
    match old {
        None => temp.rename_to_absent()?,
        Some(old) => {
            check_unchanged(&parent, &old, planned)?;
            temp.rename_over()?;
        }
    }
    Ok(Output::Written { size: content.len() as u64, is_new: *planned == Before::Absent })
}

/// Directories are not made on the way.
pub(super) fn without_parent(failure: Failure, path: &FsPath) -> Failure {
    if failure.kind != Kind::NotFound {
        return failure;
    }
    let message = format!("the directory of {} does not exist; a write creates no directories", shown(path));
    Failure::new(Kind::NotFound, message)
}

/// Opened before anything is done, so that it can be synced afterwards.
pub(super) fn open_directory(parent: &Parent<'_>) -> Result<OwnedFd, Failure> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat2(&parent.dir, ".", flags, Mode::empty(), RESOLVE)
        .map_err(|error| Failure::from_errno(parent.path, "open the directory of", error))
}

fn existing(parent: &Parent<'_>, planned: &Before) -> Result<Option<RegularFile>, Failure> {
    match (RegularFile::open(parent), planned) {
        (Ok(_), Before::Absent) => Err(Failure::changed(parent.path, "appeared")),
        (Ok(old), Before::File { .. }) if old.has_other_names() => Err(has_other_names(parent.path)),
        (Ok(old), Before::File { .. }) => Ok(Some(old)),
        (Err(failure), Before::Absent) if failure.kind == Kind::NotFound => Ok(None),
        (Err(failure), Before::File { .. }) if failure.kind == Kind::NotFound => {
            Err(Failure::changed(parent.path, "disappeared"))
        }
        (Err(failure), _) => Err(failure),
    }
}

pub(super) fn has_other_names(path: &FsPath) -> Failure {
    Failure::refused(format!(
        "{} has other names (hard links), which would keep the old content",
        shown(path)
    ))
}

/// The open file has the planned content and still bears its name.
pub(super) fn check_unchanged(
    parent: &Parent<'_>,
    old: &RegularFile,
    planned: &Before,
) -> Result<(), Failure> {
    if old.before()? != *planned {
        return Err(Failure::changed(parent.path, "changed"));
    }
    match rustix::fs::statat(&parent.dir, parent.name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if Identity::from_stat(&stat) == old.identity() => Ok(()),
        Ok(_) => Err(Failure::changed(parent.path, "was replaced")),
        Err(Errno::NOENT) => Err(Failure::changed(parent.path, "disappeared")),
        Err(error) => Err(Failure::from_errno(parent.path, "look at", error)),
    }
}

/// After a change in a directory: durable, or nobody knows.
pub(super) fn sync_directory(parent: &Parent<'_>, dir: &OwnedFd) -> Result<(), Failure> {
    rustix::fs::fsync(dir).map_err(|error| Failure::from_errno(parent.path, "make durable", error).unknown())
}

/// New content under a name of its own, removed again unless it took its place.
struct Temporary<'a> {
    parent: &'a Parent<'a>,
    dir: &'a OwnedFd,
    file: File,
    name: &'a TemporaryName,
    is_placed: bool,
}

impl<'a> Temporary<'a> {
    fn write(
        parent: &'a Parent<'a>,
        dir: &'a OwnedFd,
        name: &'a TemporaryName,
        content: &[u8],
        mode: Option<Mode>,
    ) -> Result<Self, Failure> {
        let failed = |error| Failure::from_errno(parent.path, "write", error);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // A new file gets 0644 less the umask; a replacement is nobody else's until it has the mode of what it replaces.
        let initial = if mode.is_some() { 0o600 } else { 0o644 };
        let fd =
            rustix::fs::openat2(&parent.dir, name.as_str(), flags, Mode::from_raw_mode(initial), RESOLVE)
                .map_err(failed)?;
        let mut temp = Self { parent, dir, file: File::from(fd), name, is_placed: false };
        temp.file.write_all(content).map_err(|e| failed(errno(&e)))?;
        if let Some(mode) = mode {
            rustix::fs::fchmod(&temp.file, mode).map_err(failed)?;
        }
        rustix::fs::fsync(&temp.file).map_err(failed)?;
        Ok(temp)
    }

    fn rename_to_absent(self) -> Result<(), Failure> {
        let parent = self.parent;
        match rustix::fs::renameat_with(
            &parent.dir,
            self.name.as_str(),
            &parent.dir,
            parent.name,
            RenameFlags::NOREPLACE,
        ) {
            Ok(()) => self.placed(),
            Err(Errno::EXIST) => Err(Failure::changed(parent.path, "appeared")),
            Err(error) => Err(Failure::from_errno(parent.path, "create", error)),
        }
    }

    fn rename_over(self) -> Result<(), Failure> {
        let parent = self.parent;
        rustix::fs::renameat(&parent.dir, self.name.as_str(), &parent.dir, parent.name)
            .map_err(|error| Failure::from_errno(parent.path, "replace", error))?;
        self.placed()
    }

    /// Syncs the directory, and looks whether it was our file that was renamed: its name could be taken by whoever may write
    /// in the directory.
    fn placed(mut self) -> Result<(), Failure> {
        self.is_placed = true;
        let unknown = |error| Failure::from_errno(self.parent.path, "look at", error).unknown();
        let named = rustix::fs::statat(&self.parent.dir, self.parent.name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(unknown)?;
        if Identity::from_stat(&named) != Identity::of(&self.file).map_err(unknown)? {
            return Err(Failure::changed(self.parent.path, "was replaced while it was written,").unknown());
        }
        sync_directory(self.parent, self.dir)
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if !self.is_placed
            && let Err(error) = rustix::fs::unlinkat(&self.parent.dir, self.name.as_str(), AtFlags::empty())
        {
            tracing::warn!(name = %self.name, %error, "a temporary file stays behind");
        }
    }
}
