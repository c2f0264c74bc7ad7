//! The directory of the cache: private, reached by its descriptor, its files replaced whole.

use std::ffi::CStr;
use std::fs::{DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};

/// Ends the name of every sealed file.
pub(super) const SUFFIX: &str = ".sealed";
/// Begins the name of a file that is being written.
const UNFINISHED: &str = "unfinished-";
/// A larger one is not worth a start's memory.
const FILE_BYTES_MAX: u64 = 512 << 20;

pub(super) struct CacheDir {
    dir: OwnedFd,
    uid: u32,
}

/// Why there is no cache.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct CacheError {
    path: PathBuf,
    why: String,
}

/// Why a file is not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("it is no regular file")]
    Kind,
    #[error("it belongs to uid {0}, not to the gate's")]
    Owner(u32),
    #[error("its mode is {0:04o}, which lets others in; 0600 was expected")]
    Mode(u32),
    #[error("it has {0} bytes, at most {FILE_BYTES_MAX} are read")]
    Size(u64),
}

impl CacheDir {
    pub(super) fn open(path: &Path) -> Result<Self, CacheError> {
        Self::opened(path).map_err(|why| CacheError { path: path.to_owned(), why })
    }

    fn opened(path: &Path) -> Result<Self, String> {
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error.to_string()),
            _ => {}
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(|error| error.to_string())?;
        let stat = rustix::fs::fstat(&dir).map_err(|error| error.to_string())?;
        let uid = rustix::process::geteuid().as_raw();
        if stat.st_uid != uid {
            return Err(format!("it belongs to uid {}, not to uid {uid} who runs the gate", stat.st_uid));
        }
        if stat.st_mode & 0o077 != 0 {
            let mode = stat.st_mode & 0o7777;
            return Err(format!("its mode is {mode:04o}, which lets others in; run: chmod 0700"));
        }
        Ok(Self { dir, uid })
    }

    /// The whole of a file, or `None` if there is none.
    pub(super) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, ReadError> {
        // Not to wait for whoever would write into a pipe.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.dir, name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(rustix::io::Errno::LOOP) => return Err(ReadError::Kind),
            Err(error) => return Err(io::Error::from(error).into()),
        };
        let size = self.check(&rustix::fs::fstat(&file).map_err(io::Error::from)?)?;
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        File::from(file).take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    fn check(&self, stat: &Stat) -> Result<u64, ReadError> {
        let size = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            Err(ReadError::Kind)
        } else if stat.st_uid != self.uid {
            Err(ReadError::Owner(stat.st_uid))
        } else if stat.st_mode & 0o7777 & !0o600 != 0 {
            Err(ReadError::Mode(stat.st_mode & 0o7777))
        } else if size > FILE_BYTES_MAX {
            Err(ReadError::Size(size))
        } else {
            Ok(size)
        }
    }

    /// Puts a file in the place of whatever has the name. Not synced: a file that a power cut tore has no right MAC.
    pub(super) fn replace(&self, name: &str, header: &[u8], code: &[u8]) -> io::Result<()> {
        if (header.len() + code.len()) as u64 > FILE_BYTES_MAX {
            return Err(io::Error::other(format!("it has more than {FILE_BYTES_MAX} bytes")));
        }
        let unfinished = unfinished_name()?;
        let written = self.write(&unfinished, header, code).and_then(|()| {
            rustix::fs::renameat(&self.dir, &unfinished, &self.dir, name).map_err(io::Error::from)
        });
        if written.is_err() {
            let _gone_or_pruned_later = rustix::fs::unlinkat(&self.dir, &unfinished, AtFlags::empty());
        }
        written
    }

    fn write(&self, name: &str, header: &[u8], code: &[u8]) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(rustix::fs::openat(&self.dir, name, flags, Mode::RUSR | Mode::WUSR)?);
        file.write_all(header)?;
        file.write_all(code)
    }

    /// Removes unfinished files, and of the sealed ones that are not `kept` the oldest, until `bytes_max` are left of them.
    pub(super) fn prune(&self, kept: &[String], bytes_max: u64) -> io::Result<()> {
        let mut unused = Vec::new();
        for entry in Dir::read_from(&self.dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let text = name.to_string_lossy();
            if text.starts_with(UNFINISHED) {
                self.remove(name);
            } else if text.ends_with(SUFFIX) && !kept.iter().any(|kept| *kept == text) {
                let stat = rustix::fs::statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
                unused.push((stat.st_mtime, u64::try_from(stat.st_size).unwrap_or(0), name.to_owned()));
            }
        }
        unused.sort();
        let mut bytes: u64 = unused.iter().map(|(_, size, _)| size).sum();
        for (_, size, name) in unused {
            if bytes <= bytes_max {
                break;
            }
            self.remove(&name);
            bytes -= size;
        }
        Ok(())
    }

    fn remove(&self, name: &CStr) {
        if let Err(error) = rustix::fs::unlinkat(&self.dir, name, AtFlags::empty()) {
            tracing::warn!(name = %name.to_string_lossy(), %error, "an old compiled module was not removed");
        }
    }
}

/// Nobody else's.
fn unfinished_name() -> io::Result<String> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(format!("{UNFINISHED}{:016x}", u64::from_le_bytes(random)))
}
