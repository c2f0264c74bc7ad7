//! The root below which every file operation stays, and the directories that none ever reaches.
//!
//! A path is walked from an open descriptor of the root, component by component, each opened with `openat2(2)`: beneath, no
//! symbolic or magic link, no other mount. What was checked is what is held open; no name is resolved twice. Each directory on
//! the way is compared with the forbidden ones by device and inode, so that no spelling, bind mount or rename leads into them.
//!
//! Mounts below the root are not entered: another mount may be procfs, a device tree, or a file system that the agent serves
//! itself and that never answers.

mod failure;
mod file;
mod list;
mod probe;
mod remove;
mod replace;
mod search;
mod temporary;
mod walk;

#[cfg(test)]
mod races;
#[cfg(test)]
mod tests;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use latchgate_monitor::plan::{FsOperation, FsStep};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

pub(crate) use failure::{Failure, Kind};
pub(crate) use file::RegularFile;
pub(crate) use list::{Node, NodeKind, canonical};
pub(crate) use search::{Found, canonical as canonical_matches};
pub(crate) use temporary::TemporaryName;
use walk::{Base, Identity};

/// One root, fixed by the operator. Cheap to clone.
#[derive(Clone)]
pub struct Roots(Arc<Inner>);

struct Inner {
    /// Absolute; `None` if the operator named none.
    path: Option<PathBuf>,
    forbidden: Arc<[Forbidden]>,
    base: OnceLock<Arc<Base>>,
}

/// A directory that no operation reaches. Held open so that its inode number cannot come to mean another.
struct Forbidden {
    identity: Identity,
    _held: OwnedFd,
}

/// Why a root cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RootError {
    pub message: String,
    pub remediation: String,
}

/// What an operation gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Content(Vec<u8>),
    Listing(Vec<Node>),
    Written { size: u64, is_new: bool },
    Removed,
    Found(Found),
}

impl Roots {
    /// No root: every operation is refused with the way to configure one.
    pub fn none() -> Self {
        Self(Arc::new(Inner { path: None, forbidden: Arc::new([]), base: OnceLock::new() }))
    }

    /// Opens `path` and holds it open: what is later put in its place is not the root. A path that does not exist yet, or whose
    /// directory was removed, is looked for again with each operation, and then must not contain a symbolic link, because by then others may have had a
    /// hand in it.
    ///
    /// `forbidden` are the gate's own directories; each must exist.
    ///
    /// # Errors
    /// If a forbidden directory cannot be opened, or the root is, or lies in, one of them; if it is no directory or on a file
    /// system of the kernel's own (procfs, sysfs and their like); if the kernel lacks `openat2` (Linux 5.6).
    pub fn open(path: &Path, forbidden: &[PathBuf]) -> Result<Self, RootError> {
        let forbidden: Arc<[Forbidden]> =
            forbidden.iter().map(|path| Forbidden::open(path)).collect::<Result<_, _>>()?;
        let path = std::path::absolute(path).map_err(|e| RootError::unusable(path, &e.to_string()))?;
        let base = OnceLock::new();
        match rustix::fs::open(&path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(dir) => {
                let _first = base.set(Arc::new(Base::new(dir, &path, &forbidden)?));
            }
            Err(Errno::NOENT) => {}
            Err(error) => return Err(RootError::unusable(&path, &error.to_string())),
        }
        Ok(Self(Arc::new(Inner { path: Some(path), forbidden, base })))
    }

    /// The root as it is held, or, while there is none or it was removed, as it can be found.
    fn base(&self) -> Result<Arc<Base>, RootError> {
        let inner = &*self.0;
        if let Some(base) = inner.base.get().filter(|base| base.exists()) {
            return Ok(Arc::clone(base));
        }
        let path = inner.path.as_deref().ok_or_else(RootError::absent)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let base = match rustix::fs::openat2(CWD, path, flags, Mode::empty(), resolve) {
            Ok(dir) => Arc::new(Base::new(dir, path, &inner.forbidden)?),
            Err(Errno::NOENT) => return Err(RootError::missing(path)),
            Err(error) => return Err(RootError::unusable(path, &error.to_string())),
        };
        // Held from now on, unless one that was removed is held: then what is found is found anew each time.
        let _first = inner.base.set(Arc::clone(&base));
        Ok(base)
    }

    /// The regular file of a planned read, opened and within `bytes_max`.
    pub(crate) fn open_file(&self, step: &FsStep) -> Result<RegularFile, Failure> {
        let file = RegularFile::open(&self.base()?.parent(&step.path)?)?;
        file.check_size(step.bytes_max)?;
        Ok(file)
    }

    /// Performs a planned operation; a write goes through a file of that name. Blocks.
    pub(crate) fn perform(&self, step: &FsStep, temporary: &TemporaryName) -> Result<Output, Failure> {
        let base = &*self.base()?;
        match step.operation {
            FsOperation::Read => self.open_file(step)?.read(step.bytes_max).map(Output::Content),
            FsOperation::List => list::list(base, &step.path, step.bytes_max).map(Output::Listing),
            FsOperation::Write => replace::replace(base, step, temporary),
            FsOperation::Delete => remove::remove(base, step),
            FsOperation::Search => search::search(base, step, search::BOUNDS).map(Output::Found),
        }
    }
}

impl Forbidden {
    fn open(path: &Path) -> Result<Self, RootError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened =
            rustix::fs::open(path, flags, Mode::empty()).and_then(|dir| Ok((Identity::of(&dir)?, dir)));
        match opened {
            Ok((identity, held)) => Ok(Self { identity, _held: held }),
            Err(error) => Err(RootError {
                message: format!(
                    "the gate's directory {} cannot be kept from file actions: {error}",
                    path.display()
                ),
                remediation: "create it, readable for the gate, before the gate starts".into(),
            }),
        }
    }
}

impl RootError {
    fn absent() -> Self {
        Self { message: "no root for file actions is configured".into(), remediation: START_WITH.into() }
    }

    fn missing(path: &Path) -> Self {
        Self {
            message: format!("the root for file actions, {}, does not exist", path.display()),
            remediation: format!("create it, or {START_WITH}"),
        }
    }

    fn unusable(path: &Path, why: &str) -> Self {
        Self {
            message: format!("the root for file actions, {}, cannot be used: {why}", path.display()),
            remediation: format!("mend it, or {START_WITH}"),
        }
    }
}

const START_WITH: &str = "set fs.root in latchgate.toml, or start with `latchgate up --root DIR`";
