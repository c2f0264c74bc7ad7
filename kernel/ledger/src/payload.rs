//! The payload store: arguments, plans and results, each under a key of its own that can be destroyed.
//!
//! ```text
//! payload/NNNNNNNN.dat   records one behind the other, then zeros
//! record                 "LGP1" | body length u32 LE | key slot 60 | body | tag 16
//! key slot               nonce 12 | AES-256-GCM(master key, record key) 32 + 16
//! ```
//!
//! The body is sealed with the record's random key, which seals nothing else, so its nonce is zero. Both seals name the
//! place of the record: moved or exchanged records do not open. Zeroing the slot forgets the payload for good. Each start
//! opens a new segment, so a place that was once given out is never written again, not even when a power cut took its bytes.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use latchgate_monitor::ports::{PayloadError, Payloads};
use latchgate_wire::receipt::PayloadAt;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::disk::{Disk, DiskFile, is_full};

/// The largest payload.
pub const PAYLOAD_BYTES_MAX: usize = 64 << 20;

const MAGIC: &[u8; 4] = b"LGP1";
const TAG_LEN: usize = 16;
const SLOT_LEN: usize = NONCE_LEN + 32 + TAG_LEN;
const HEAD_LEN: usize = MAGIC.len() + 4 + SLOT_LEN;

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

/// Encrypted records beside the log.
pub struct PayloadStore {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    sizes: Sizes,
    master: LessSafeKey,
    files: Mutex<Files>,
    /// Something was written since the last sync.
    is_dirty: AtomicBool,
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
        let key = UnboundKey::new(&AES_256_GCM, master)
            .map_err(|_| io::Error::other("expected a key of 32 bytes"))?;
        let files = Files { number: next_number(dir)?, active: None, rolled: Vec::new() };
        Ok(Self {
            dir: dir.to_owned(),
            disk,
            sizes,
            master: LessSafeKey::new(key),
            files: Mutex::new(files),
            is_dirty: AtomicBool::new(false),
        })
    }

    /// Makes everything durable whose `put` has returned; `false` if there was nothing to do.
    ///
    /// # Errors
    /// After an error no payload of this store may be relied on.
    pub fn sync(&self) -> io::Result<bool> {
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
        let slot_at = at.offset + (HEAD_LEN - SLOT_LEN) as u64;
        file.write_all_at(&[0; SLOT_LEN], slot_at).and_then(|()| file.sync_data()).map_err(failed)
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
        if active.next + len > active.allocated {
            let missing = active.next + len - active.allocated;
            let to = active.allocated + missing.next_multiple_of(self.sizes.chunk_bytes);
            active.file.allocate(active.allocated, to)?;
            active.allocated = to;
        }
        let at = PayloadAt { segment: number, offset: active.next };
        active.next += len;
        Ok((at, Arc::clone(&active.file)))
    }

    /// The head for a record at this place, and the body sealed.
    fn seal(&self, at: PayloadAt, bytes: &[u8]) -> Result<Vec<u8>, PayloadError> {
        let mut random = Zeroizing::new([0; NONCE_LEN + 32]);
        getrandom::fill(&mut random[..]).map_err(failed)?;
        let (nonce, record_key) = random.split_at(NONCE_LEN);
        let head = head(bytes.len())?;
        let aad = aad(at, &head);
        let mut record = Vec::with_capacity(HEAD_LEN + bytes.len() + TAG_LEN);
        record.extend_from_slice(&head);
        record.extend_from_slice(nonce);
        let mut wrapped = Zeroizing::new(record_key.to_vec());
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(failed)?;
        let tag =
            self.master.seal_in_place_separate_tag(nonce, Aad::from(aad), &mut wrapped).map_err(failed)?;
        record.extend_from_slice(&wrapped);
        record.extend_from_slice(tag.as_ref());
        let body_at = record.len();
        record.extend_from_slice(bytes);
        let key = record_key_of(record_key)?;
        let tag = key
            .seal_in_place_separate_tag(zero_nonce(), Aad::from(aad), &mut record[body_at..])
            .map_err(failed)?;
        record.extend_from_slice(tag.as_ref());
        Ok(record)
    }

    fn unseal(
        &self,
        at: PayloadAt,
        head: &[u8; HEAD_LEN],
        mut body: Vec<u8>,
    ) -> Result<Vec<u8>, PayloadError> {
        let altered =
            || PayloadError::Failed(format!("the payload at {at} was altered or belongs to another ledger"));
        let (fixed, slot) = head.split_at(HEAD_LEN - SLOT_LEN);
        let aad = aad(at, fixed);
        let (nonce, wrapped) = slot.split_at(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(failed)?;
        let mut wrapped = Zeroizing::new(wrapped.to_vec());
        let record_key =
            self.master.open_in_place(nonce, Aad::from(aad), &mut wrapped).map_err(|_| altered())?;
        let key = record_key_of(record_key)?;
        let len = key.open_in_place(zero_nonce(), Aad::from(aad), &mut body).map_err(|_| altered())?.len();
        body.truncate(len);
        Ok(body)
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
        let record = self.seal(at, bytes)?;
        file.write_at(&record, at.offset).map_err(full_or_failed)?;
        self.is_dirty.store(true, Ordering::Release);
        Ok(at)
    }

    fn read(&self, at: PayloadAt) -> Result<Vec<u8>, PayloadError> {
        let file = File::open(self.path(at.segment)).map_err(|error| gone(at, &error))?;
        let (head, body_len) = read_head(&file, at)?;
        let mut body = vec![0; body_len + TAG_LEN];
        file.read_exact_at(&mut body, at.offset + HEAD_LEN as u64).map_err(|error| gone(at, &error))?;
        self.unseal(at, &head, body)
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

/// Magic and length: what precedes the key slot.
fn head(len: usize) -> Result<[u8; HEAD_LEN - SLOT_LEN], PayloadError> {
    let mut head = [0; HEAD_LEN - SLOT_LEN];
    head[..4].copy_from_slice(MAGIC);
    head[4..].copy_from_slice(&u32::try_from(len).map_err(failed)?.to_le_bytes());
    Ok(head)
}

fn read_head(file: &File, at: PayloadAt) -> Result<([u8; HEAD_LEN], usize), PayloadError> {
    let mut head = [0; HEAD_LEN];
    file.read_exact_at(&mut head, at.offset).map_err(|error| gone(at, &error))?;
    let is_forgotten = head[HEAD_LEN - SLOT_LEN..].iter().all(|byte| *byte == 0);
    if head[..4] != *MAGIC || is_forgotten {
        return Err(PayloadError::Gone(at));
    }
    let len = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
    if len > PAYLOAD_BYTES_MAX {
        return Err(PayloadError::Failed(format!("the payload at {at} says that it has {len} bytes")));
    }
    Ok((head, len))
}

/// What both seals are bound to: the place, and magic and length.
fn aad(at: PayloadAt, head: &[u8]) -> [u8; 20] {
    let mut aad = [0; 20];
    aad[..4].copy_from_slice(&at.segment.to_be_bytes());
    aad[4..12].copy_from_slice(&at.offset.to_be_bytes());
    aad[12..].copy_from_slice(&head[..8]);
    aad
}

fn record_key_of(bytes: &[u8]) -> Result<LessSafeKey, PayloadError> {
    UnboundKey::new(&AES_256_GCM, bytes).map(LessSafeKey::new).map_err(failed)
}

fn zero_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

fn failed(error: impl std::fmt::Display) -> PayloadError {
    PayloadError::Failed(error.to_string())
}

fn gone(at: PayloadAt, error: &io::Error) -> PayloadError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof => PayloadError::Gone(at),
        _ => failed(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;

    fn store(dir: &Path) -> PayloadStore {
        let sizes = Sizes { roll_bytes: 1000, chunk_bytes: 512 };
        PayloadStore::open(Arc::new(RealDisk), dir, &[7; 32], sizes).unwrap()
    }

    #[test]
    fn payloads_are_read_back_across_segments_and_starts() {
        let dir = tempfile::tempdir().unwrap();
        let texts: Vec<Vec<u8>> = (0..20u8).map(|n| vec![n; usize::from(n) * 30]).collect();
        let first = store(dir.path());
        let places: Vec<_> = texts.iter().map(|text| first.put(text).unwrap()).collect();
        assert!(places.last().unwrap().segment > 2);
        assert!(first.sync().unwrap());
        assert!(!first.sync().unwrap(), "nothing was put since");
        first.close().unwrap();
        let second = store(dir.path());
        for (place, text) in places.iter().zip(&texts) {
            assert_eq!(&second.read(*place).unwrap(), text);
        }
    }

    #[test]
    fn a_new_start_never_writes_where_an_old_one_gave_out_places() {
        let dir = tempfile::tempdir().unwrap();
        let old = store(dir.path()).put(b"old").unwrap();
        let new = store(dir.path()).put(b"new").unwrap();
        assert_ne!(old.segment, new.segment);
    }

    #[test]
    fn a_forgotten_payload_is_gone_and_its_neighbours_stay() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let places = [b"one", b"two", b"six"].map(|text| store.put(text).unwrap());
        store.forget(places[1]).unwrap();
        assert!(matches!(store.read(places[1]), Err(PayloadError::Gone(at)) if at == places[1]));
        assert_eq!(store.read(places[0]).unwrap(), b"one");
        assert_eq!(store.read(places[2]).unwrap(), b"six");
    }

    #[test]
    fn the_file_shows_no_payload() {
        let dir = tempfile::tempdir().unwrap();
        store(dir.path()).put(b"a very particular sentence").unwrap();
        let file = std::fs::read(dir.path().join("00000000.dat")).unwrap();
        assert!(!file.windows(10).any(|window| window == b"particular"));
    }

    #[test]
    fn every_changed_byte_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let at = store.put(b"payload").unwrap();
        let path = dir.path().join("00000000.dat");
        let bytes = std::fs::read(&path).unwrap();
        for position in 0..HEAD_LEN + 7 + TAG_LEN {
            let mut altered = bytes.clone();
            altered[position] ^= 1;
            std::fs::write(&path, &altered).unwrap();
            assert!(store.read(at).is_err(), "byte {position}");
        }
    }

    #[test]
    fn a_record_copied_to_another_place_does_not_open() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let (a, b) = (store.put(b"alpha").unwrap(), store.put(b"gamma").unwrap());
        let path = dir.path().join("00000000.dat");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.copy_within(a.offset as usize..b.offset as usize, b.offset as usize);
        std::fs::write(&path, &bytes).unwrap();
        assert!(matches!(store.read(b), Err(PayloadError::Failed(_))));
    }

    #[test]
    fn another_master_key_opens_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let at = store(dir.path()).put(b"secret").unwrap();
        let other = PayloadStore::open(Arc::new(RealDisk), dir.path(), &[8; 32], Sizes::default()).unwrap();
        assert!(matches!(other.read(at), Err(PayloadError::Failed(_))));
    }

    #[test]
    fn places_that_were_never_given_out_are_gone() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        store.put(b"x").unwrap();
        for at in [PayloadAt { segment: 0, offset: 400 }, PayloadAt { segment: 9, offset: 0 }] {
            assert!(matches!(store.read(at), Err(PayloadError::Gone(_))), "{at}");
        }
    }
}
