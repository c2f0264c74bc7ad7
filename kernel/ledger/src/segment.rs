//! Segments of the log: `log/NNNNNNNNNNNNNNNNNNNN.jsonl`, named by the `seq` of their first entry.
//!
//! The last one is written in place: blocks are allocated ahead and filled with zeros, so that an append needs no metadata
//! and a full disk is met before an entry is accepted, not while it is written. A reader stops at the first NUL. A sealed
//! segment is cut to its size.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{Disk, DiskFile, is_full};

/// Sizes, which tests make small.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// A segment that has reached this is followed by another.
    pub roll_bytes: u64,
    /// How much is allocated at once.
    pub chunk_bytes: u64,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { roll_bytes: 64 << 20, chunk_bytes: 2 << 20 }
    }
}

/// The file name of the segment that starts with this entry.
pub fn file_name(first_seq: u64) -> String {
    format!("{first_seq:020}.jsonl")
}

/// The segments of a directory in order. Names that are no segment's are passed over.
pub fn list(dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut segments = Vec::new();
    for item in std::fs::read_dir(dir)? {
        let path = item?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let first_seq = name.strip_suffix(".jsonl").filter(|n| n.len() == 20).and_then(|n| n.parse().ok());
        if let Some(first_seq) = first_seq {
            segments.push((first_seq, path));
        }
    }
    segments.sort();
    Ok(segments)
}

/// The segment that is written.
pub struct Tail {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    sizes: Sizes,
    active: Active,
}

struct Active {
    file: Box<dyn DiskFile>,
    first_seq: u64,
    written: u64,
    allocated: u64,
}

impl Tail {
    /// Starts a segment.
    pub fn create(disk: Arc<dyn Disk>, dir: &Path, first_seq: u64, sizes: Sizes) -> io::Result<Self> {
        let file = disk.create(&dir.join(file_name(first_seq)))?;
        let active = Active { file, first_seq, written: 0, allocated: 0 };
        Ok(Self { disk, dir: dir.to_owned(), sizes, active })
    }

    /// Goes on in a segment of which the first `written` bytes are entries. What lies behind them is overwritten with
    /// zeros: the space stays ours, as it may be needed for the outcomes of open intents.
    pub fn resume(
        disk: Arc<dyn Disk>,
        dir: &Path,
        first_seq: u64,
        written: u64,
        sizes: Sizes,
    ) -> io::Result<Self> {
        let file = disk.open(&dir.join(file_name(first_seq)))?;
        let len = file.len()?;
        let mut active = Active { file, first_seq, written, allocated: written };
        if len > written {
            match active.file.allocate(written, len) {
                Ok(()) => active.allocated = len,
                Err(error) if is_full(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self { disk, dir: dir.to_owned(), sizes, active })
    }

    /// The `seq` that names the segment being written.
    pub fn first_seq(&self) -> u64 {
        self.active.first_seq
    }

    /// Sees to it that this many bytes can be appended without further space; `false` if the disk has no room.
    pub fn has_room(&mut self, bytes: u64) -> io::Result<bool> {
        let active = &mut self.active;
        if active.allocated - active.written >= bytes {
            return Ok(true);
        }
        let missing = active.written + bytes - active.allocated;
        let chunks = missing.div_ceil(self.sizes.chunk_bytes);
        let wanted = active.allocated + chunks * self.sizes.chunk_bytes;
        // Near the end of the space that there is, less than a chunk will do.
        for to in [wanted, active.written + bytes] {
            match active.file.allocate(active.allocated, to) {
                Ok(()) => {
                    active.allocated = to;
                    return Ok(true);
                }
                Err(error) if is_full(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Writes at the end; durable after [`Tail::sync`].
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.active.file.write_at(bytes, self.active.written)?;
        self.active.written += bytes.len() as u64;
        Ok(())
    }

    pub fn sync(&self) -> io::Result<()> {
        self.active.file.sync()
    }

    /// Starts the next segment once this one is large enough, if there is room for `reserve` bytes in it; else this one
    /// goes on. To be called between batches, with everything synced.
    pub fn roll(&mut self, next_seq: u64, reserve: u64) -> io::Result<()> {
        if self.active.written < self.sizes.roll_bytes {
            return Ok(());
        }
        let path = self.dir.join(file_name(next_seq));
        let file = match self.disk.create(&path) {
            Ok(file) => file,
            Err(error) if is_full(&error) => return Ok(()),
            Err(error) => return Err(error),
        };
        let next = Active { file, first_seq: next_seq, written: 0, allocated: 0 };
        let mut next =
            Self { disk: Arc::clone(&self.disk), dir: self.dir.clone(), sizes: self.sizes, active: next };
        if !next.has_room(reserve.max(self.sizes.chunk_bytes))? {
            return std::fs::remove_file(&path);
        }
        self.seal()?;
        self.active = next.active;
        Ok(())
    }

    /// Gives back the space that was not used.
    pub fn seal(&mut self) -> io::Result<()> {
        self.active.file.truncate(self.active.written)?;
        self.active.allocated = self.active.written;
        Ok(())
    }
}
