//! Files as the log and the payload store write them: the seam where tests put a disk that fills up, tears and forgets.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use crate::durable;

/// Opens files.
pub trait Disk: Send + Sync {
    /// A new, empty file, durable in its directory. Mode 0600.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// An existing file, for writing.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
}

/// A file that is written in place and never shrinks while in use.
pub trait DiskFile: Send + Sync {
    fn len(&self) -> io::Result<u64>;

    /// Writes all of `bytes`; durable only after [`DiskFile::sync`].
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes `from..to` hold zeros, with blocks of its own: writing there later needs neither space nor metadata.
    ///
    /// # Errors
    /// `StorageFull` or `QuotaExceeded` if there is no room, which leaves the file as it was. After any other nothing that was not
    /// synced may be relied on.
    fn allocate(&self, from: u64, to: u64) -> io::Result<()>;

    /// Gives `from..to` blocks of its own, and nothing else: writing there later needs no space, making that durable does
    /// need metadata. Takes no time, however much it is.
    ///
    /// # Errors
    /// As [`DiskFile::allocate`].
    fn reserve(&self, from: u64, to: u64) -> io::Result<()>;

    fn truncate(&self, len: u64) -> io::Result<()>;

    /// fdatasync. Whoever gets an error must not trust the file again.
    fn sync(&self) -> io::Result<()>;
}

/// Whether the error says that the disk, the quota or the file size limit leaves no room.
pub fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

/// The disk of this machine.
#[derive(Clone, Copy, Debug)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        durable::sync_parent(path)?;
        Ok(Box::new(file))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OpenOptions::new().read(true).write(true).open(path)?))
    }
}

impl DiskFile for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn allocate(&self, from: u64, to: u64) -> io::Result<()> {
        self.reserve(from, to)?;
        write_zeros(self, from, to).or_else(|error| give_back(self, from, error))?;
        // The zeros are written, not only reserved: syncing data over them later needs no journal commit. A sync that fails is never
        // a disk without room, whatever it says: it may have lost what was written before.
        self.sync_all().map_err(|error| io::Error::other(format!("taking space ahead failed: {error}")))
    }

    fn reserve(&self, from: u64, to: u64) -> io::Result<()> {
        let reserved = match rustix::fs::fallocate(self, FallocateFlags::empty(), from, to - from) {
            Ok(()) => Ok(()),
            // Where the file system cannot reserve, writing the zeros has to do.
            Err(Errno::OPNOTSUPP) => write_zeros(self, from, to),
            Err(error) => Err(error.into()),
        };
        reserved.or_else(|error| give_back(self, from, error))
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.set_len(len)?;
        self.sync_all()
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

/// What was reserved in part goes back; nothing but zeros lies there.
fn give_back(file: &File, from: u64, error: io::Error) -> io::Result<()> {
    file.set_len(from)?;
    Err(error)
}

fn write_zeros(file: &File, from: u64, to: u64) -> io::Result<()> {
    static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
    let mut at = from;
    while at < to {
        let len = (to - at).min(ZEROS.len() as u64);
        file.write_all_at(&ZEROS[..len as usize], at)?;
        at += len;
    }
    Ok(())
}
