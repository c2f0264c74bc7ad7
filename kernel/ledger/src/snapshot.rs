//! What a copy of a ledger takes, while the gate runs or not: files that only grow, each up to a size that is known.
//!
//! The checkpoints are read before the size of the log is asked for, so the copy contains what they were signed over. Payloads
//! are durable before the entries that name them, so payload files as they are now hold all that the copied entries need.

use std::io;
use std::path::{Path, PathBuf};

use crate::lock::{Lock, LockError};
use crate::recover::{OpenError, io_error};
use crate::{durable, history, scan, segment};

/// A ledger as it is now. While it lives, a gate that does not run yet cannot take the ledger up.
#[derive(Debug)]
pub struct Snapshot {
    /// Entries that are copied.
    pub entries: u64,
    /// The signed note beside the log, and its copy among the keys.
    pub checkpoint: Option<Vec<u8>>,
    pub last_checkpoint: Option<Vec<u8>>,
    pub parts: Vec<Part>,
    _lock: Option<Lock>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Relative to the ledger directory.
    pub name: PathBuf,
    pub path: PathBuf,
    /// How many of its bytes are copied, from its start on.
    pub bytes: u64,
}

/// The checkpoints as they were before a running gate was asked how far it has synced.
#[derive(Debug)]
pub struct Notes {
    checkpoint: Option<Vec<u8>>,
    last_checkpoint: Option<Vec<u8>>,
    size: Option<u64>,
    /// How much there was of their history.
    history_bytes: u64,
}

impl Notes {
    /// # Errors
    /// If a file is there and cannot be read.
    pub fn read(dir: &Path, last_checkpoint: &Path) -> Result<Self, OpenError> {
        let read = |path: &Path| durable::read_if_present(path).map_err(|error| io_error(path, error));
        let (checkpoint, last) = (read(&dir.join("checkpoint"))?, read(last_checkpoint)?);
        let size = [&checkpoint, &last].into_iter().flatten().filter_map(|note| size_of(note)).max();
        let history_bytes = history::path(dir).metadata().map_or(0, |found| found.len());
        Ok(Self { checkpoint, last_checkpoint: last, size, history_bytes })
    }
}

impl Snapshot {
    /// `synced` is how many entries the running gate has synced, asked for after `notes` were read. Without it the log ends with
    /// its last whole line if no gate runs, else where the checkpoints end.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn take(dir: &Path, notes: Notes, synced: Option<u64>) -> Result<Self, OpenError> {
        let (lock, limit) = match (synced, Lock::take(&dir.join("lock"))) {
            // The gate that was asked has ended meanwhile: what it had synced is there.
            (synced, Ok(lock)) => (Some(lock), synced),
            (Some(synced), Err(_)) => (None, Some(synced)),
            (None, Err(LockError::Held { .. })) => (None, Some(notes.size.unwrap_or(0))),
            (None, Err(LockError::Io(error))) => return Err(io_error(&dir.join("lock"), error)),
        };
        let mut parts = Vec::new();
        let entries = log_parts(dir, limit.unwrap_or(u64::MAX), &mut parts)?;
        if notes.history_bytes > 0 {
            let path = history::path(dir);
            parts.push(Part { name: PathBuf::from("checkpoints"), path, bytes: notes.history_bytes });
        }
        for name in ["payload", "policy", "keys", "recovered"] {
            file_parts(dir, name, &mut parts)?;
        }
        Ok(Self {
            entries,
            checkpoint: notes.checkpoint,
            last_checkpoint: notes.last_checkpoint,
            parts,
            _lock: lock,
        })
    }
}

/// Segments up to the entry in front of `limit`; how many entries those are.
fn log_parts(dir: &Path, limit: u64, parts: &mut Vec<Part>) -> Result<u64, OpenError> {
    let log = dir.join("log");
    let segments = segment::list(&log).map_err(|error| io_error(&log, error))?;
    let mut entries = 0;
    for (first_seq, path) in segments {
        if first_seq >= limit {
            break;
        }
        let bytes = std::fs::read(&path).map_err(|error| io_error(&path, error))?;
        let wanted = usize::try_from(limit - first_seq).unwrap_or(usize::MAX);
        let lines = scan::split(&bytes).lines;
        let whole = &lines[..wanted.min(lines.len())];
        let end = whole.last().map_or(0, |line| line.end + 1);
        entries = first_seq + whole.len() as u64;
        let name = Path::new("log").join(segment::file_name(first_seq));
        parts.push(Part { name, path, bytes: end as u64 });
    }
    Ok(entries)
}

/// Whole files. Links and directories are none of the ledger's.
fn file_parts(dir: &Path, name: &str, parts: &mut Vec<Part>) -> Result<(), OpenError> {
    let folder = dir.join(name);
    let items = match std::fs::read_dir(&folder) {
        Ok(items) => items,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io_error(&folder, error)),
    };
    for item in items {
        let item = item.map_err(|error| io_error(&folder, error))?;
        let found = item.metadata().map_err(|error| io_error(&item.path(), error))?;
        let is_aside = item.path().extension().is_some_and(|extension| extension == "new");
        if found.is_file() && !is_aside {
            let name = Path::new(name).join(item.file_name());
            parts.push(Part { name, path: item.path(), bytes: found.len() });
        }
    }
    Ok(())
}

/// The second line of a signed note (C2SP tlog-checkpoint).
fn size_of(note: &[u8]) -> Option<u64> {
    std::str::from_utf8(note).ok()?.lines().nth(1)?.parse().ok()
}
