//! The published side: what is synced, and nothing else. Readers, checkpoints and the index see the log through it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::{io, path::Path};

use latchgate_monitor::ports::Finished;
use latchgate_wire::entry::{Body, Entry, Line};
use latchgate_wire::ids::TraceId;
use latchgate_wire::keychain::Keychain;
use latchgate_wire::merkle::{Frontier, leaf_hash};
use latchgate_wire::proof::ProofError;
use latchgate_wire::receipt::Receipt;
use latchgate_wire::tile::TileError;
use tokio::sync::watch;

use crate::places::Places;
use crate::proofs::RecentProofs;
use crate::state::State;

/// The log up to its last synced entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Synced {
    pub state: State,
    pub tree: Frontier,
    pub places: Places,
    pub keys: Keychain,
    /// Proofs of the last minute, for a start that follows.
    pub proofs: RecentProofs,
}

/// Counters for `stats`.
#[derive(Debug, Default)]
pub struct Counters {
    pub batches: AtomicU64,
    pub syncs: AtomicU64,
    pub payload_syncs: AtomicU64,
    pub bytes_written: AtomicU64,
    pub checkpoint_size: AtomicU64,
}

/// Shared between the writer, which publishes, and everybody who reads.
pub struct View {
    synced: RwLock<Synced>,
    size: watch::Sender<u64>,
    /// Entries in front of this were not read at the start; each is checked when it is.
    unread: AtomicU64,
    pub counters: Counters,
}

/// Why an entry could not be read back.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("the log cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("entry {seq} cannot be read: {why}")]
    Entry { seq: u64, why: String },
    /// Even tiles that were just made from the log do not lead to the root that was signed.
    #[error("the log is not the one that was signed over: {0}")]
    Proof(ProofError),
}

impl From<TileError> for ReadError {
    fn from(error: TileError) -> Self {
        Self::Io(io::Error::new(io::ErrorKind::InvalidData, error))
    }
}

impl Synced {
    pub fn empty(log_dir: &Path, keys: Keychain) -> Self {
        let (state, tree, places) = (State::default(), Frontier::default(), Places::new(log_dir));
        Self { state, tree, places, keys, proofs: RecentProofs::default() }
    }

    /// Takes in the next entry, which is durable.
    pub fn push(&mut self, line: &Line, segment_first_seq: u64) {
        self.tree.push(leaf_hash(line.bytes()));
        self.places.push(segment_first_seq, line.bytes().len() as u64 + 1);
        self.state.apply(&line.entry);
        self.proofs.push(&line.entry);
        // Whoever took the entry in has checked it.
        let _changed = self.keys.follow(&line.entry);
    }
}

impl View {
    /// The first `unread` entries are those of a sealed state.
    pub fn new(synced: Synced, unread: u64) -> Self {
        let (size, _) = watch::channel(synced.places.size());
        let unread = AtomicU64::new(unread);
        Self { synced: RwLock::new(synced), size, unread, counters: Counters::default() }
    }

    /// Everything was read and is what it was.
    pub fn has_read_all(&self) {
        self.unread.store(0, Ordering::Release);
    }

    pub fn read(&self) -> RwLockReadGuard<'_, Synced> {
        // A panic while publishing ends the writer; what was published before stays true.
        self.synced.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Synced> {
        self.synced.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn publish(&self, lines: &[Arc<Line>], segment_first_seq: u64) {
        let size = {
            let mut synced = self.write();
            lines.iter().for_each(|line| synced.push(line, segment_first_seq));
            synced.places.size()
        };
        self.size.send_replace(size);
    }

    pub fn size(&self) -> u64 {
        *self.size.borrow()
    }

    /// The number of synced entries, as it grows.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.size.subscribe()
    }

    /// The line of an entry, without line break.
    pub fn line(&self, seq: u64) -> Result<Option<Vec<u8>>, ReadError> {
        let block = self.read().places.block(seq);
        Ok(block.map(|block| block.line(seq)).transpose()?)
    }

    /// An entry of our own log. Its signature was checked when the log was opened, or made since, or is checked now.
    pub fn entry(&self, seq: u64) -> Result<Option<Entry>, ReadError> {
        let Some(line) = self.line(seq)? else { return Ok(None) };
        let wrong = |why: String| ReadError::Entry { seq, why };
        let entry = if seq < self.unread.load(Ordering::Acquire) {
            let key = *self.read().keys.at(seq);
            Entry::open(&line, &key).map(|line| line.entry)
        } else {
            Entry::read(&line)
        };
        let entry = entry.map_err(|error| wrong(error.to_string()))?;
        if entry.seq != seq {
            return Err(wrong(format!("entry {} stands in its place", entry.seq)));
        }
        Ok(Some(entry))
    }

    /// The outcome that stands at `seq`.
    pub fn finished(&self, seq: u64) -> Result<Arc<Finished>, ReadError> {
        let wrong = |why: &str| ReadError::Entry { seq, why: why.to_owned() };
        let entry = self.entry(seq)?.ok_or_else(|| wrong("there is no such entry"))?;
        match entry.body {
            Body::CallOutcome(receipt) => Ok(self.finished_as(seq, entry.trace_id, receipt)),
            _ => Err(wrong("expected a `call.outcome`")),
        }
    }

    /// An outcome with what is known of it beside its entry.
    pub fn finished_as(&self, seq: u64, trace_id: Option<TraceId>, receipt: Receipt) -> Arc<Finished> {
        let resolution = self.read().state.resolution(receipt.intent_seq);
        Arc::new(Finished { seq, trace_id, receipt, resolution })
    }
}

/// Counts one more.
pub fn count(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}
