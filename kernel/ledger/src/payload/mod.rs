//! The payload store: arguments, plans and results, each under a key of its own that can be destroyed.
//!
//! `payload/NNNNNNNN.dat` holds records one behind the other, then the zeros of space allocated ahead. Each start opens a new
//! segment, so a place that was once given out is never written again, not even when a power cut took its bytes.

mod record;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use latchgate_monitor::ports::{PayloadError, Payloads};
use latchgate_wire::receipt::PayloadAt;

use self::record::{HEAD_LEN, Head, MasterKey, SLOT_AT, SLOT_LEN, TAG_LEN, failed};
use crate::disk::{Disk, DiskFile, is_full};

pub use self::record::PAYLOAD_BYTES_MAX;

/// Sizes, which tests make small.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    pub roll_bytes: u64,
    pub chunk_bytes: u64,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { roll_bytes: 256 << 20, chunk_bytes: 4 << 20 }
    }
}

/// A record of this size is written into space that was only reserved: filling that with zeros first, while everybody else waits
/// for a place, would write it twice.
const LARGE_BYTES: u64 = 256 << 10;

/// Encrypted records beside the log.
pub struct PayloadStore {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    sizes: Sizes,
    master: MasterKey,
    files: Mutex<Files>,
    /// Something was written since the last sync.
    is_dirty: AtomicBool,
    /// A file failed in a way that leaves in doubt what of it is durable.
    is_broken: AtomicBool,
}

struct Files {
    number: u32,
    /// Opened with the first payload: a start that stores nothing leaves no file.
    active: Option<Active>,
    /// Rolled over, but perhaps still being written or not yet synced.
    rolled: Vec<Arc<dyn DiskFile>>,
}

struct Active {
    file: Arc<dyn DiskFile>,
    next: u64,
    allocated: u64,
}

impl PayloadStore {
    pub fn open(disk: Arc<dyn Disk>, dir: &Path, master: &[u8; 32], sizes: Sizes) -> io::Result<Self> {
        let master = MasterKey::new(master).map_err(io::Error::other)?;
        let files = Files { number: next_number(dir)?, active: None, rolled: Vec::new() };
        Ok(Self {
            dir: dir.to_owned(),
            disk,
            sizes,
            master,
            files: Mutex::new(files),
            is_dirty: AtomicBool::new(false),
            is_broken: AtomicBool::new(false),
        })
    }

    /// Whether the files can still be relied on. A sync that failed tells it once, to whoever happened to call it, and takes with it
    /// what others had written: nobody's payload counts as durable after that.
    ///
    /// # Errors
    /// Once space taken ahead could not be made durable; there is no way back.
    pub fn check(&self) -> io::Result<()> {
        match self.is_broken.load(Ordering::Acquire) {
            true => Err(io::Error::other("the payload store has failed")),
            false => Ok(()),
        }
    }

    /// Makes everything durable whose `put` has returned; `false` if there was nothing to do.
    ///
    /// # Errors
    /// After an error no payload of this store may be relied on.
    pub fn sync(&self) -> io::Result<bool> {
        self.check()?;
        if !self.is_dirty.swap(false, Ordering::AcqRel) {
            return Ok(false);
        }
        let (active, rolled) = {
            let mut files = self.lock();
            let rolled = std::mem::take(&mut files.rolled);
            // Whoever still writes to a rolled file holds it: it is synced again next time.
            files.rolled = rolled.iter().filter(|file| Arc::strong_count(file) > 1).cloned().collect();
            (files.active.as_ref().map(|active| Arc::clone(&active.file)), rolled)
        };
        for file in rolled.iter().chain(&active) {
            file.sync()?;
        }
        Ok(true)
    }

    /// Destroys the key of a payload: it cannot be read any more, by anybody. The entries that name it stay valid.
    pub fn forget(&self, at: PayloadAt) -> Result<(), PayloadError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.path(at.segment))
            .map_err(|e| gone(at, &e))?;
        read_head(&file, at)?;
        let slot_at = at.offset + SLOT_AT as u64;
        file.write_all_at(&[0; SLOT_LEN], slot_at).and_then(|()| file.sync_data()).map_err(failed)
    }

    /// Whether a payload lies there that can still be read, as far as its head tells.
    pub fn holds(&self, at: PayloadAt) -> bool {
        File::open(self.path(at.segment)).is_ok_and(|file| read_head(&file, at).is_ok())
    }

    /// Destroys the keys of many, with one sync for each file. Those that are gone already are passed over.
    pub fn forget_all(&self, places: &[PayloadAt]) -> Result<(), PayloadError> {
        let mut files = BTreeMap::new();
        for at in places.iter().filter(|at| self.holds(**at)) {
            let file = match files.entry(at.segment) {
                Entry::Occupied(open) => open.into_mut(),
                Entry::Vacant(vacant) => {
                    let file = OpenOptions::new().read(true).write(true).open(self.path(at.segment));
                    vacant.insert(file.map_err(failed)?)
                }
            };
            file.write_all_at(&[0; SLOT_LEN], at.offset + SLOT_AT as u64).map_err(failed)?;
        }
        files.values().try_for_each(|file| file.sync_data().map_err(failed))
    }

    /// Gives back the space allocated ahead. Nothing may be stored afterwards.
    pub fn close(&self) -> io::Result<()> {
        let mut files = self.lock();
        let Some(active) = files.active.take() else { return Ok(()) };
        files.number = files.number.saturating_add(1);
        active.file.sync()?;
        active.file.truncate(active.next)
    }

    fn path(&self, segment: u32) -> PathBuf {
        self.dir.join(format!("{segment:08}.dat"))
    }

    fn lock(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for `len` bytes that nobody else gets. The file is written without the lock.
    fn reserve(&self, len: u64) -> io::Result<(PayloadAt, Arc<dyn DiskFile>)> {
        let mut files = self.lock();
        let is_past = |active: &Active| active.next > 0 && active.next + len > self.sizes.roll_bytes;
        if files.active.as_ref().is_some_and(is_past) {
            files.number =
                files.number.checked_add(1).ok_or_else(|| io::Error::other("no segment number is left"))?;
            let rolled = files.active.take().map(|active| active.file);
            files.rolled.extend(rolled);
        }
        let number = files.number;
        let active = match &mut files.active {
            Some(active) => active,
            none => none.insert(Active {
                file: self.disk.create(&self.path(number))?.into(),
                next: 0,
                allocated: 0,
            }),
        };
        let end = active.next + len;
        if end > active.allocated {
            let taken = self.take_ahead(active, end, len >= LARGE_BYTES);
            if taken.as_ref().is_err_and(|error| !is_full(error)) {
                self.is_broken.store(true, Ordering::Release);
            }
            active.allocated = taken?;
        }
        let at = PayloadAt { segment: number, offset: active.next };
        active.next += len;
        Ok((at, Arc::clone(&active.file)))
    }
}

impl PayloadStore {
    /// Space up to `end`, or more; up to where.
    fn take_ahead(&self, active: &Active, end: u64, is_large: bool) -> io::Result<u64> {
        let from = active.allocated;
        if is_large {
            return active.file.reserve(from, end).map(|()| end);
        }
        let chunks = from + (end - from).next_multiple_of(self.sizes.chunk_bytes);
        match active.file.allocate(from, chunks) {
            Ok(()) => Ok(chunks),
            // Near the end of the space that there is, less than a chunk will do.
            Err(error) if is_full(&error) => active.file.allocate(from, end).map(|()| end),
            Err(error) => Err(error),
        }
    }
}

impl Payloads for PayloadStore {
    fn put(&self, bytes: &[u8]) -> Result<PayloadAt, PayloadError> {
        if bytes.len() > PAYLOAD_BYTES_MAX {
            return Err(PayloadError::Failed(format!(
                "expected a payload of at most {PAYLOAD_BYTES_MAX} bytes"
            )));
        }
        let len = (HEAD_LEN + bytes.len() + TAG_LEN) as u64;
        let full_or_failed =
            |error: io::Error| if is_full(&error) { PayloadError::Full } else { failed(error) };
        let (at, file) = self.reserve(len).map_err(full_or_failed)?;
        let record = self.master.seal(at, bytes)?;
        file.write_at(&record, at.offset).map_err(full_or_failed)?;
        self.is_dirty.store(true, Ordering::Release);
        Ok(at)
    }

    fn read(&self, at: PayloadAt) -> Result<Vec<u8>, PayloadError> {
        let file = File::open(self.path(at.segment)).map_err(|error| gone(at, &error))?;
        let head = read_head(&file, at)?;
        let mut body = vec![0; head.body_len + TAG_LEN];
        file.read_exact_at(&mut body, at.offset + HEAD_LEN as u64).map_err(|error| gone(at, &error))?;
        self.master.unseal(&head, body)
    }
}

fn next_number(dir: &Path) -> io::Result<u32> {
    let mut next = 0;
    for item in std::fs::read_dir(dir)? {
        let name = item?.file_name();
        let number = name.to_str().and_then(|n| n.strip_suffix(".dat")).and_then(|n| n.parse::<u32>().ok());
        next = next.max(number.map_or(0, |number| number.saturating_add(1)));
    }
    Ok(next)
}

fn read_head(file: &File, at: PayloadAt) -> Result<Head, PayloadError> {
    let mut bytes = [0; HEAD_LEN];
    file.read_exact_at(&mut bytes, at.offset).map_err(|error| gone(at, &error))?;
    Head::read(at, bytes)
}

fn gone(at: PayloadAt, error: &io::Error) -> PayloadError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof => PayloadError::Gone(at),
        _ => failed(error),
    }
}

#[cfg(test)]
mod tests;
