//! Taking up a log: everything is verified, held against the newest checkpoint known, and a torn end is cut.
//!
//! Within the checkpointed part nothing may fail. Beyond it lie entries that may never have been answered: the log ends at
//! the first that fails, and the bytes from there on are kept aside.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use ed25519_dalek::VerifyingKey;
use latchgate_wire::checkpoint::{Checkpoint, CheckpointError};
use latchgate_wire::digest::Digest;
use latchgate_wire::entry::{Body, Entry, EntryError, FORMAT, LINE_BYTES_MAX};
use latchgate_wire::keychain::{self, Keychain};
use latchgate_wire::merkle::Hash;

use crate::checkpoint::FileError;
use crate::durable;
use crate::scan::{self, BATCH_LINES, Cursor, Rest};
use crate::segment;
use crate::view::Synced;

/// Why a ledger is not taken up.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the ledger is in use{}; two gates cannot share {path}", holder(*pid), path = path.display())]
    Locked { path: PathBuf, pid: Option<u32> },
    #[error(
        "the ledger has {entries} entries, but the checkpoint in {checkpoint} was signed over {size}: what follows entry \
         {entries} is missing; restore the ledger directory from a backup that contains it",
        checkpoint = checkpoint.display()
    )]
    RolledBack { entries: u64, size: u64, checkpoint: PathBuf },
    #[error(
        "entry {seq} of the ledger was altered: {why}; it lies within the {size} entries that were signed over; restore \
         the ledger directory from a backup"
    )]
    Tampered { seq: u64, size: u64, why: String },
    #[error(
        "the first {size} entries of the ledger are not those that the checkpoint in {checkpoint} was signed over; \
         restore the ledger directory from a backup",
        checkpoint = checkpoint.display()
    )]
    Forked { size: u64, checkpoint: PathBuf },
    #[error(
        "the ledger has {entries} entries and no checkpoint: both copies were removed; restore `checkpoint` in the ledger \
         directory or `last-checkpoint` among the keys"
    )]
    NoCheckpoint { entries: u64 },
    #[error(
        "entry {seq} has format version {found}; this program reads up to {FORMAT}: a newer one wrote it"
    )]
    Newer { seq: u64, found: u64 },
    #[error("the checkpoint cannot be used: {0}")]
    Checkpoint(#[from] FileError),
    #[error("the ledger has no room for its first entries: the disk is full")]
    Full,
    #[error("{what}: {error}")]
    Io { what: String, error: io::Error },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" by process {pid}"))
}

/// What start-up found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// There was no ledger.
    pub created: bool,
    /// Entries found and kept.
    pub entries: u64,
    /// How many of them were taken from the sealed state, and are read behind the start.
    pub sealed: u64,
    /// Size of the newest checkpoint found.
    pub checkpoint_size: Option<u64>,
    pub cut_bytes: u64,
    /// Where the bytes cut are kept.
    pub cut_kept: Option<PathBuf>,
    /// Intents without outcome; their effects are recorded as unknown.
    pub unknown: Vec<u64>,
    /// The log had gone over to the key that was to be the next.
    pub took_next_key: bool,
    /// How far gate time lies before the last entry, or 0.
    pub clock_behind_ms: i64,
}

/// A checkpoint, the file that it was found in, and the key that signed it.
#[derive(Clone, Debug)]
pub struct Known {
    pub path: PathBuf,
    pub checkpoint: Checkpoint,
    pub key: VerifyingKey,
}

/// A verified log.
pub struct Loaded {
    pub synced: Synced,
    /// How many of its entries were taken from a sealed state, unread.
    pub sealed: u64,
    /// The segment to go on in and how much of it is entries; `None` if there is no segment.
    pub tail: Option<(u64, u64)>,
    pub cut: Option<Cut>,
}

/// What was cut from the end.
pub struct Cut {
    pub bytes: u64,
    pub digest: Digest,
    pub kept: PathBuf,
}

/// Where the log stops being one.
struct Stop {
    segment: usize,
    offset: u64,
    why: String,
}

/// The key that a log says it began with: that of its first entry, which names it. Trust comes from where it leads.
pub fn first_key(log_dir: &Path) -> Option<VerifyingKey> {
    let (_, path) = segment::list(log_dir).ok()?.into_iter().next()?;
    let mut line = Vec::new();
    let file = BufReader::new(File::open(path).ok()?);
    file.take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut line).ok()?;
    let entry = Entry::read(line.strip_suffix(b"\n")?).ok()?;
    match entry.body {
        Body::GateStarted(started) => keychain::parse(&started.entry_key),
        _ => None,
    }
}

/// What the log must be.
#[derive(Clone, Copy)]
pub struct Expected<'a> {
    pub origin: &'a str,
    /// It ends under one of these.
    pub keys: &'a [VerifyingKey],
    /// It contains all of these.
    pub known: &'a [Known],
}

/// Reads and verifies the log in `dir/log`, and cuts what does not belong to it. What was sealed is not read again, unless
/// anything behind it is not in order.
pub fn load(dir: &Path, expected: Expected<'_>, sealed: Option<Synced>) -> Result<Loaded, OpenError> {
    if let Some(sealed) = sealed {
        let size = sealed.tree.size();
        match read(dir, expected, Some(sealed)) {
            Ok(found) if found.stop.is_none() => {
                let behind = found.reader.cursor.next_seq - size;
                tracing::info!(
                    sealed = size,
                    behind,
                    "the state is the sealed one and the entries behind it"
                );
                return found.settle(dir);
            }
            Ok(_) => tracing::warn!("the log's end is not whole; all of it is read"),
            Err(error @ (OpenError::Newer { .. } | OpenError::Io { .. })) => return Err(error),
            Err(error) => tracing::warn!(%error, "the sealed state does not fit the log; all of it is read"),
        }
    }
    read(dir, expected, None)?.settle(dir)
}

/// A log that was read, with nothing changed yet.
struct Found {
    reader: Reader,
    segments: Vec<(u64, PathBuf)>,
    /// Where the entries of each segment end.
    ends: Vec<u64>,
    stop: Option<Stop>,
    /// How many entries were not read.
    sealed: u64,
}

fn read(dir: &Path, expected: Expected<'_>, sealed: Option<Synced>) -> Result<Found, OpenError> {
    let Expected { origin, keys, known } = expected;
    let log_dir = dir.join("log");
    let segments = segment::list(&log_dir).map_err(|error| io_error(&log_dir, error))?;
    let own = *keys.first().ok_or_else(|| io_error(dir, io::Error::other("no key was given")))?;
    let first = first_key(&log_dir).unwrap_or(own);
    let (size, mut ends) = sealed.as_ref().map_or((0, Vec::new()), |sealed| {
        (sealed.tree.size(), sealed.places.ends().map(|(_, end)| end).collect())
    });
    // The segment that the sealed state ends in is read on from there.
    let (unread, from) = (ends.len().saturating_sub(1), ends.pop().unwrap_or(0));
    let mut cursor = Cursor::start(Some(origin.to_owned()));
    (cursor.next_seq, cursor.last_time) = (size, sealed.as_ref().and_then(|sealed| sealed.state.last_time()));
    let mut reader = Reader {
        cursor,
        synced: sealed.unwrap_or_else(|| Synced::empty(&log_dir, Keychain::of(first))),
        roots: known.iter().map(|known| (known.checkpoint.size, None)).collect(),
        lines_seen: 0,
    };
    if *reader.synced.keys.at(0) != first {
        let why = "it names another key than the state was sealed under".to_owned();
        return Err(OpenError::Tampered { seq: 0, size, why });
    }
    reader.note_root();
    let mut stop = None;
    for (index, (first_seq, path)) in segments.iter().enumerate().skip(unread) {
        let from = if index == unread { from } else { 0 };
        let bytes = read_from(path, from).map_err(|error| io_error(path, error))?;
        let (end, fault) = reader.segment(*first_seq, from, &bytes)?;
        ends.push(end);
        if let Some(why) = fault {
            stop = Some(Stop { segment: index, offset: end, why });
            break;
        }
    }
    if known.is_empty() && (segments.len() > 1 || reader.lines_seen > 1) {
        return Err(OpenError::NoCheckpoint { entries: reader.cursor.next_seq });
    }
    if reader.cursor.next_seq > 0 && !keys.contains(reader.synced.keys.last()) {
        let size = known.iter().map(|known| known.checkpoint.size).max().unwrap_or(0);
        let why = "its key is not this gate's, and no change of keys leads to that".to_owned();
        return Err(OpenError::Tampered { seq: 0, size, why });
    }
    reader.hold_against(known, stop.as_ref())?;
    Ok(Found { reader, segments, ends, stop, sealed: size })
}

impl Found {
    /// Cuts what does not belong to the log.
    fn settle(self, dir: &Path) -> Result<Loaded, OpenError> {
        let Self { reader, segments, ends, stop, sealed } = self;
        let next_seq = reader.cursor.next_seq;
        // A segment goes as a whole if it lies behind the stop, or bears the name of another entry than its first.
        let is_kept = |index: usize, first_seq: u64| match &stop {
            Some(stop) => {
                index < stop.segment || (index == stop.segment && (stop.offset > 0 || first_seq == next_seq))
            }
            None => true,
        };
        let (kept, gone): (Vec<_>, Vec<_>) =
            segments.iter().enumerate().partition(|(index, (first_seq, _))| is_kept(*index, *first_seq));
        let cut = stop.as_ref().map(|stop| keep_aside(dir, &segments, stop, next_seq)).transpose()?;
        for (_, (_, path)) in gone {
            std::fs::remove_file(path).map_err(|error| io_error(path, error))?;
            durable::sync_parent(path).map_err(|error| io_error(path, error))?;
        }
        let tail = kept.last().and_then(|(index, (first_seq, _))| Some((*first_seq, *ends.get(*index)?)));
        Ok(Loaded { synced: reader.synced, sealed, tail, cut })
    }
}

/// The bytes of a file from an offset on.
fn read_from(path: &Path, offset: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

struct Reader {
    cursor: Cursor,
    synced: Synced,
    /// Root at each checkpoint's size, once the log has that size.
    roots: HashMap<u64, Option<Hash>>,
    /// Whole lines, entries or not.
    lines_seen: usize,
}

impl Reader {
    /// Takes in what a segment holds from an offset on; gives where its entries end and what is wrong there.
    fn segment(
        &mut self,
        first_seq: u64,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(u64, Option<String>), OpenError> {
        let split = scan::split(bytes);
        self.lines_seen += split.lines.len();
        if offset == 0 && first_seq != self.cursor.next_seq {
            return Ok((0, Some(format!("the segment in its place is named for entry {first_seq}"))));
        }
        let mut left = split.lines.as_slice();
        while !left.is_empty() {
            let lines = &left[..left.len().min(BATCH_LINES)];
            let opened = scan::open_all(bytes, lines, self.synced.keys.last());
            let mut taken = 0;
            for (line, range) in opened.into_iter().zip(lines) {
                taken += 1;
                let at = offset + range.start as u64;
                let line = match line {
                    Ok(line) => line,
                    Err(EntryError::Version { found }) if found > u64::from(FORMAT) => {
                        return Err(OpenError::Newer { seq: self.cursor.next_seq, found });
                    }
                    Err(error) => return Ok((at, Some(error.to_string()))),
                };
                if let Err(broken) = self.cursor.check(&line.entry) {
                    return Ok((at, Some(broken.to_string())));
                }
                // Checked on a copy: what is taken in has passed.
                let changed = match self.synced.keys.clone().follow(&line.entry) {
                    Ok(changed) => changed,
                    Err(error) => return Ok((at, Some(error.to_string()))),
                };
                self.cursor.advance(&line.entry);
                self.synced.push(&line, first_seq);
                self.note_root();
                if changed {
                    // What follows is signed by another key.
                    break;
                }
            }
            left = &left[taken..];
        }
        let fault = match split.rest {
            Rest::Empty => None,
            Rest::Torn => Some("the line is not whole".to_owned()),
        };
        Ok((offset + split.lines_end as u64, fault))
    }

    fn note_root(&mut self) {
        if let Some(root) = self.roots.get_mut(&self.cursor.next_seq) {
            *root = Some(self.synced.tree.root());
        }
    }

    /// The log contains every checkpoint known.
    fn hold_against(&self, known: &[Known], stop: Option<&Stop>) -> Result<(), OpenError> {
        let entries = self.cursor.next_seq;
        for Known { path, checkpoint, key } in known {
            let (size, path) = (checkpoint.size, path.clone());
            let signs = if size <= entries {
                self.synced.keys.at(size) == key
            } else {
                self.synced.keys.contains(key)
            };
            // Before there is an entry only the keys that were given are known.
            if entries > 0 && !signs {
                let error = CheckpointError::Unsigned(checkpoint.origin.clone());
                return Err(FileError::Note { path, error }.into());
            }
            match (self.roots.get(&size).copied().flatten(), stop) {
                (Some(root), _) if root == checkpoint.root => {}
                (Some(_), _) => return Err(OpenError::Forked { size, checkpoint: path }),
                (None, Some(stop)) => {
                    return Err(OpenError::Tampered { seq: entries, size, why: stop.why.clone() });
                }
                (None, None) => return Err(OpenError::RolledBack { entries, size, checkpoint: path }),
            }
        }
        Ok(())
    }
}

/// Keeps aside what lies behind the last entry. The writer overwrites it in the segment that it goes on in, which keeps
/// its space.
fn keep_aside(dir: &Path, segments: &[(u64, PathBuf)], stop: &Stop, next_seq: u64) -> Result<Cut, OpenError> {
    let mut bytes = Vec::new();
    for (index, (_, path)) in segments.iter().enumerate().skip(stop.segment) {
        let content = std::fs::read(path).map_err(|error| io_error(path, error))?;
        let from = if index == stop.segment { usize::try_from(stop.offset).unwrap_or(0) } else { 0 };
        bytes.extend_from_slice(trim_zeros(content.get(from..).unwrap_or_default()));
    }
    let digest = Digest::of(&bytes);
    let name = format!("{next_seq:020}-{}.bin", &digest.to_string()[7..15]);
    let kept = dir.join("recovered").join(name);
    durable::replace(&kept, &bytes).map_err(|error| io_error(&kept, error))?;
    Ok(Cut { bytes: bytes.len() as u64, digest, kept })
}

fn trim_zeros(bytes: &[u8]) -> &[u8] {
    let len = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    &bytes[..len]
}

pub fn io_error(path: &Path, error: io::Error) -> OpenError {
    OpenError::Io { what: path.display().to_string(), error }
}
