//! The walk from the root to the directory of a path.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use latchgate_monitor::plan::FsPath;
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::failure::{Failure, shown};
use super::{Forbidden, RootError, temporary};

/// The root, open, and what must not be met below it.
pub(super) struct Base {
    dir: OwnedFd,
    forbidden: Vec<Identity>,
}

/// A file or directory, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    dev: u64,
    ino: u64,
}

/// The directory in which the last component of a path lies; only a path (`O_PATH`) to it.
pub(super) struct Parent<'a> {
    pub(super) dir: OwnedFd,
    pub(super) name: &'a str,
    pub(super) path: &'a FsPath,
}

impl Base {
    pub(super) fn new(dir: OwnedFd, path: &Path, forbidden: &[Forbidden]) -> Result<Self, RootError> {
        let base = Self { dir, forbidden: forbidden.iter().map(|f| f.identity).collect() };
        base.check().map_err(|why| RootError::unusable(path, &why))?;
        Ok(base)
    }

    /// Whether the directory still has a name.
    pub(super) fn exists(&self) -> bool {
        rustix::fs::fstat(&self.dir).is_ok_and(|stat| stat.st_nlink > 0)
    }

    fn check(&self) -> Result<(), String> {
        let magic = rustix::fs::fstatfs(&self.dir).map_err(|e| e.to_string())?.f_type;
        if let Some((_, name)) =
            KERNEL_FILE_SYSTEMS.iter().find(|(known, _)| i128::from(*known) == i128::from(magic))
        {
            return Err(format!("it lies on {name}, whose files are the kernel's own"));
        }
        if self.lies_in_forbidden().map_err(|e| e.to_string())? {
            return Err("it is, or lies in, a directory of the gate".into());
        }
        match self.enter(&self.dir, ".") {
            Ok(_) => Ok(()),
            Err(Errno::NOSYS) => Err("the kernel has no openat2 (Linux 5.6)".into()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Looks at the root and every directory above it.
    fn lies_in_forbidden(&self) -> Result<bool, Errno> {
        let mut dir = self.dir.try_clone().map_err(|e| super::failure::errno(&e))?;
        let mut identity = Identity::of(&dir)?;
        loop {
            if self.forbidden.contains(&identity) {
                return Ok(true);
            }
            dir = rustix::fs::openat(&dir, "..", DIRECTORY, Mode::empty())?;
            let above = Identity::of(&dir)?;
            if above == identity {
                return Ok(false);
            }
            identity = above;
        }
    }

    /// The directory of `path`'s last component.
    pub(super) fn parent<'a>(&self, path: &'a FsPath) -> Result<Parent<'a>, Failure> {
        let (parents, name) = match path.as_str().rsplit_once('/') {
            Some((parents, name)) => (parents, name),
            None => ("", path.as_str()),
        };
        if name.is_empty() {
            return Err(Failure::refused("the root is a directory, not a file"));
        }
        check_name(name, path)?;
        let dir = self.descend(parents, path)?;
        Ok(Parent { dir, name, path })
    }

    /// The directory that `path` names.
    pub(super) fn directory(&self, path: &FsPath) -> Result<OwnedFd, Failure> {
        self.descend(path.as_str(), path)
    }

    fn descend(&self, components: &str, path: &FsPath) -> Result<OwnedFd, Failure> {
        let failed = |error| Failure::from_errno(path, "open", error);
        let mut dir = self.enter(&self.dir, ".").map_err(failed)?;
        for name in components.split('/').filter(|name| !name.is_empty()) {
            check_name(name, path)?;
            dir = self.enter(&dir, name).map_err(failed)?;
            if self.forbidden.contains(&Identity::of(&dir).map_err(failed)?) {
                return Err(Failure::refused(format!("{} lies in a directory of the gate", shown(path))));
            }
        }
        Ok(dir)
    }

    fn enter(&self, dir: impl AsFd, name: &str) -> Result<OwnedFd, Errno> {
        rustix::fs::openat2(dir, name, DIRECTORY, Mode::empty(), RESOLVE)
    }
}

/// Names of the gate's own are nobody else's, whatever bears them.
fn check_name(name: &str, path: &FsPath) -> Result<(), Failure> {
    if temporary::is_kept(name.as_bytes()) {
        let message = format!("{} is a name that the gate keeps to itself while it writes", shown(path));
        return Err(Failure::refused(message));
    }
    Ok(())
}

impl Identity {
    pub(super) fn of(fd: impl AsFd) -> Result<Self, Errno> {
        Ok(Self::from_stat(&rustix::fs::fstat(fd)?))
    }

    pub(super) fn from_stat(stat: &rustix::fs::Stat) -> Self {
        Self { dev: stat.st_dev, ino: stat.st_ino }
    }
}

/// One component of a path: not out of its directory, over no link, onto no other mount.
pub(super) const RESOLVE: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// File systems whose files are not data but the kernel's state, by the magic numbers of `statfs(2)`. One check at the root is
/// enough, because no other mount is entered.
const KERNEL_FILE_SYSTEMS: &[(i64, &str)] = &[
    (0x9fa0, "procfs"),
    (0x6265_6572, "sysfs"),
    (0x1cd1, "devpts"),
    (0x6462_6720, "debugfs"),
    (0x7472_6163, "tracefs"),
    (0x7363_6673, "securityfs"),
    (0x6265_6570, "configfs"),
    (0xcafe_4a11, "bpf"),
    (0x0027_e0eb, "cgroup"),
    (0x6367_7270, "cgroup2"),
    (0xde5e_81e4, "efivarfs"),
    (0x4249_4e4d, "binfmt_misc"),
    (0xf97c_ff8c, "selinuxfs"),
    (0x6165_676c, "pstore"),
    (0x6573_5543, "fusectl"),
    (0x6e73_6673, "nsfs"),
    (0x1980_0202, "mqueue"),
];
