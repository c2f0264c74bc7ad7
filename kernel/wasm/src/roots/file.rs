//! A regular file, opened without touching anything that is none: not a FIFO that would block, not a device that would act.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;

use latchgate_monitor::plan::{Before, FsPath};
use latchgate_wire::digest::Digest;
use rustix::fs::{FileType, Mode, OFlags, Stat};
use sha2::{Digest as _, Sha256};

use super::failure::{Failure, Kind, errno, shown};
use super::walk::{Identity, Parent, RESOLVE};

/// Below this, reading takes less than handing the work to another thread.
const SMALL_BYTES: u64 = 64 * 1024;

/// The largest file that is hashed, and therefore replaced or removed.
const HASHED_BYTES_MAX: u64 = 256 << 20;

pub(crate) struct RegularFile {
    pub(super) file: File,
    stat: Stat,
    pub(super) path: FsPath,
}

impl RegularFile {
    pub(super) fn open(parent: &Parent<'_>) -> Result<Self, Failure> {
        let failed = |error| Failure::from_errno(parent.path, "open", error);
        let open = |flags| -> Result<_, Failure> {
            let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let fd = rustix::fs::openat2(&parent.dir, parent.name, flags, Mode::empty(), RESOLVE)
                .map_err(failed)?;
            let stat = rustix::fs::fstat(&fd).map_err(failed)?;
            Ok((fd, stat))
        };
        // Looked at before it is opened: opening a device is an act of its own.
        let (_looked_at, before) = open(OFlags::PATH)?;
        check_regular(parent.path, &before)?;
        let (fd, stat) = open(OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
        if Identity::from_stat(&before) != Identity::from_stat(&stat) {
            return Err(Failure::changed(parent.path, "was replaced while it was opened,"));
        }
        Ok(Self { file: File::from(fd), stat, path: parent.path.clone() })
    }

    pub(super) fn size(&self) -> u64 {
        u64::try_from(self.stat.st_size).unwrap_or(0)
    }

    pub(crate) fn is_small(&self) -> bool {
        self.size() <= SMALL_BYTES
    }

    pub(super) fn identity(&self) -> Identity {
        Identity::from_stat(&self.stat)
    }

    /// Permission bits; set-id and sticky bits are not carried over.
    pub(super) fn mode(&self) -> Mode {
        Mode::from_raw_mode(self.stat.st_mode) & Mode::from_raw_mode(0o777)
    }

    pub(super) fn has_other_names(&self) -> bool {
        self.stat.st_nlink > 1
    }

    pub(super) fn check_size(&self, bytes_max: u64) -> Result<(), Failure> {
        if self.size() > bytes_max {
            return Err(self.too_large(self.size(), bytes_max));
        }
        Ok(())
    }

    /// The content, whole.
    pub(crate) fn read(mut self, bytes_max: u64) -> Result<Vec<u8>, Failure> {
        let mut content = Vec::with_capacity(usize::try_from(self.size().min(bytes_max)).unwrap_or(0));
        // The file may have grown since it was looked at.
        let read = (&mut self.file).take(bytes_max.saturating_add(1)).read_to_end(&mut content);
        read.map_err(|e| Failure::from_errno(&self.path, "read", errno(&e)))?;
        if content.len() as u64 > bytes_max {
            return Err(self.too_large(content.len() as u64, bytes_max));
        }
        Ok(content)
    }

    /// The file as plans name it.
    pub(super) fn before(&self) -> Result<Before, Failure> {
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 64 * 1024];
        let mut size = 0;
        loop {
            let n = self.file.read_at(&mut buffer, size);
            let n = n.map_err(|e| Failure::from_errno(&self.path, "read", errno(&e)))?;
            if n == 0 {
                return Ok(Before::File { digest: Digest(hash.finalize().into()), size });
            }
            size += n as u64;
            if size > HASHED_BYTES_MAX {
                return Err(self.too_large(self.size().max(size), HASHED_BYTES_MAX));
            }
            hash.update(&buffer[..n]);
        }
    }

    fn too_large(&self, bytes: u64, bytes_max: u64) -> Failure {
        let message = format!("{} has {bytes} bytes, at most {bytes_max} are accepted", shown(&self.path));
        Failure::new(Kind::TooLarge, message)
    }
}

pub(super) fn check_regular(path: &FsPath, stat: &Stat) -> Result<(), Failure> {
    let what = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => return Ok(()),
        FileType::Directory => "a directory",
        FileType::Symlink => "a symbolic link; links are not followed, and this is",
        FileType::Fifo => "a fifo",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        FileType::Unknown => "of an unknown kind",
    };
    Err(Failure::refused(format!("{} is {what}, not a regular file", shown(path))))
}
