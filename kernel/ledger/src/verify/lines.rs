//! The lines of a log, read and opened ahead of whoever checks what they mean: signatures on all cores, a bounded way in front.

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};

use ed25519_dalek::VerifyingKey;
use latchgate_wire::entry::{Entry, EntryError};

use crate::scan::{self, BATCH_LINES, Rest};

/// Batches that are open at once: what bounds the memory.
pub const AHEAD: usize = 2;

/// Part of a log, in order.
pub enum Part {
    /// The segment that is named for this entry begins.
    Begin {
        first_seq: u64,
    },
    Lines(Box<Batch>),
    /// The segment ends; `bytes` is its size.
    End {
        rest: Rest,
        bytes: u64,
    },
    Failed {
        path: PathBuf,
        error: io::Error,
    },
}

/// Whole lines, opened.
pub struct Batch {
    bytes: Arc<Vec<u8>>,
    lines: Vec<Range<usize>>,
    opened: Vec<Result<Entry, EntryError>>,
    /// What they were opened with.
    key: VerifyingKey,
}

/// The key that signs where the checking is; reading ahead may be behind it, and the batch then opens anew.
pub struct Signing(Mutex<VerifyingKey>);

impl Signing {
    pub fn new(key: VerifyingKey) -> Self {
        Self(Mutex::new(key))
    }

    pub fn change(&self, key: VerifyingKey) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = key;
    }

    fn now(&self) -> VerifyingKey {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads all segments. Signatures of entries before `trusted` are not checked.
pub fn read(segments: &[(u64, PathBuf)], trusted: u64, signing: &Signing, parts: &SyncSender<Part>) {
    let mut seq = 0;
    for (first_seq, path) in segments {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => Arc::new(bytes),
            Err(error) => {
                // Whoever listens no more has ended.
                let _ = parts.send(Part::Failed { path: path.clone(), error });
                return;
            }
        };
        if parts.send(Part::Begin { first_seq: *first_seq }).is_err() {
            return;
        }
        let split = scan::split(&bytes);
        for lines in split.lines.chunks(BATCH_LINES) {
            let key = signing.now();
            let checked = if seq + (lines.len() as u64) <= trusted { None } else { Some(&key) };
            let opened = open(&bytes, lines, checked);
            let batch = Batch { bytes: Arc::clone(&bytes), lines: lines.to_vec(), opened, key };
            seq += lines.len() as u64;
            if parts.send(Part::Lines(Box::new(batch))).is_err() {
                return;
            }
        }
        if parts.send(Part::End { rest: split.rest, bytes: bytes.len() as u64 }).is_err() {
            return;
        }
    }
}

fn open(bytes: &[u8], lines: &[Range<usize>], key: Option<&VerifyingKey>) -> Vec<Result<Entry, EntryError>> {
    let opened = match key {
        Some(key) => scan::open_all(bytes, lines, key),
        None => return scan::map_all(lines, |line| Entry::read(&bytes[line.clone()])),
    };
    opened.into_iter().map(|line| line.map(|line| line.entry)).collect()
}

impl Batch {
    /// How much of the segment it is.
    pub fn len(&self) -> u64 {
        let (first, last) = (self.lines.first(), self.lines.last());
        first.zip(last).map_or(0, |(first, last)| (last.end + 1 - first.start) as u64)
    }

    /// Each line with its entry. `each` says with which key the lines behind it are signed, where that changes.
    pub fn for_each(
        mut self,
        key: &VerifyingKey,
        mut each: impl FnMut(&[u8], Result<Entry, EntryError>) -> Option<VerifyingKey>,
    ) {
        if self.key != *key {
            self.opened = open(&self.bytes, &self.lines, Some(key));
        }
        let mut from = 0;
        while from < self.lines.len() {
            let opened = std::mem::take(&mut self.opened);
            let mut changed = None;
            for entry in opened {
                let line = self.lines.get(from).cloned().unwrap_or_default();
                from += 1;
                changed = each(&self.bytes[line], entry);
                if changed.is_some() {
                    break;
                }
            }
            match changed {
                Some(key) => self.opened = open(&self.bytes, &self.lines[from..], Some(&key)),
                None => return,
            }
        }
    }
}

/// The channel between reading and checking.
pub fn channel() -> (SyncSender<Part>, Receiver<Part>) {
    std::sync::mpsc::sync_channel(AHEAD)
}
