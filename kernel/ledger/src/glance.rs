//! A look at a ledger that takes no time: its last entry and its checkpoints. What lies between is for `verify`.
//!
//! Nothing is locked or written; the gate may run.

use std::path::Path;

use ed25519_dalek::VerifyingKey;
use latchgate_wire::entry::{Entry, EntryError};
use latchgate_wire::time::Timestamp;

use crate::recover::{OpenError, io_error};
use crate::{checkpoint, open, scan, segment};

/// What was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Glance {
    pub entries: u64,
    pub last_entry_at: Option<Timestamp>,
    /// Of the newest checkpoint known.
    pub checkpoint_size: Option<u64>,
}

/// Looks at the end of the log in `dir`, and at the checkpoint there and in `last_checkpoint`.
///
/// # Errors
/// What a start would refuse, as far as it can be seen from here.
pub fn glance(dir: &Path, last_checkpoint: &Path, key: &VerifyingKey) -> Result<Glance, OpenError> {
    // The checkpoints first: what was signed over is in the log by then.
    let mut keys = vec![*key];
    keys.extend(open::public_keys(dir));
    let beside = dir.join("checkpoint");
    let mut newest = None;
    for path in [beside.as_path(), last_checkpoint] {
        if let Some((found, _)) = checkpoint::read(path, &keys, None)? {
            newest = newest.max(Some((found.size, path.to_owned())));
        }
    }
    let size = newest.as_ref().map(|(size, _)| *size);
    let last = last_entry(&dir.join("log"), &keys, size.unwrap_or(0))?;
    let entries = last.as_ref().map_or(0, |last| last.seq + 1);
    match newest {
        Some((size, checkpoint)) if size > entries => {
            Err(OpenError::RolledBack { entries, size, checkpoint })
        }
        None if entries > 1 => Err(OpenError::NoCheckpoint { entries }),
        Some(_) | None => {
            Ok(Glance { entries, last_entry_at: last.map(|last| last.time), checkpoint_size: size })
        }
    }
}

/// A segment that was begun and holds nothing yet has one in front of it.
fn last_entry(log: &Path, keys: &[VerifyingKey], size: u64) -> Result<Option<Entry>, OpenError> {
    let segments = segment::list(log).map_err(|error| io_error(log, error))?;
    for (first_seq, path) in segments.iter().rev() {
        let bytes = std::fs::read(path).map_err(|error| io_error(path, error))?;
        let Some(range) = scan::split(&bytes).lines.pop() else { continue };
        // One that changes the key is signed by the key before.
        let opened = keys.iter().map(|key| Entry::open(&bytes[range.clone()], key));
        let opened = opened.reduce(|opened, other| opened.or(other)).unwrap_or(Err(EntryError::Signature));
        let line = opened.map_err(|error| OpenError::Tampered {
            seq: *first_seq,
            size,
            why: format!("the last line behind it cannot be read: {error}"),
        })?;
        return Ok(Some(line.entry));
    }
    Ok(None)
}
