//! The one writer: a thread that owns the end of the log and the state folded from every entry it accepted.
//!
//! A batch is what waits when the writer looks. Each commit in it is judged by the state including those before it, then
//! all are appended by one write and made durable by one sync, published, and only then answered; refusals too, since they
//! may rest on entries of the same batch. A failed write or sync ends everything: nothing is assumed about the file after it.

use std::io;
use std::sync::Arc;

use ed25519_dalek::SigningKey;
use latchgate_monitor::ports::{Clock, Commit, CommitError, Committed, Durability};
use latchgate_wire::entry::{Body, Entry, EntryError, FORMAT, LINE_BYTES_MAX, Line, Signed};
use latchgate_wire::keychain;
use latchgate_wire::time::Timestamp;

use crate::payload::PayloadStore;
use crate::segment::Tail;
use crate::signers::Signers;
use crate::state::{Objection, State};
use crate::view::{View, count};

/// The room kept for the outcome of each open intent, line break included. Receipts stay below it: what grows in them is
/// the list of effects, a few hundred bytes each and bounded by the plan.
pub const OUTCOME_BYTES_RESERVED: u64 = 8 * 1024;

/// What the writer says to a commit.
pub type Verdict = Result<Committed, Rejection>;

/// Why a commit left no entry.
#[derive(Debug)]
pub enum Rejection {
    Objection(Objection),
    Error(CommitError),
}

/// The end of the log and the state behind it.
pub struct Writer {
    pub tail: Tail,
    /// Everything accepted, synced or not.
    pub state: State,
    pub view: Arc<View>,
    pub payloads: Arc<PayloadStore>,
    pub clock: Arc<dyn Clock>,
    pub signers: Arc<Signers>,
    pub origin: String,
}

/// What a batch has come to before it is durable.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    lines: Vec<Arc<Line>>,
    needs_payloads: bool,
}

impl Writer {
    /// Judges, appends and makes durable.
    ///
    /// # Errors
    /// When a write or sync failed; the writer must not be used again.
    pub fn commit(&mut self, commits: Vec<Commit>) -> io::Result<Vec<Verdict>> {
        self.make_room_to_roll()?;
        let mut batch = Batch::default();
        let mut verdicts = Vec::with_capacity(commits.len());
        for commit in commits {
            verdicts.push(self.accept(commit, &mut batch)?);
        }
        if !batch.lines.is_empty() {
            self.make_durable(&batch)?;
            self.view.publish(&batch.lines, self.tail.first_seq());
        }
        Ok(verdicts)
    }

    /// Hands the log over to another key by an entry of its own.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub fn rotate(&mut self, new: &SigningKey, signed: Signed) -> io::Result<Verdict> {
        let seq = self.state.size();
        let no_key = || io::Error::other("no key signs");
        let old = self.signers.at(seq).ok_or_else(no_key)?;
        let rotated = keychain::rotation(&self.origin, seq, &old.verifying_key(), new, signed);
        let body = Body::KeyRotated(rotated);
        self.signers.change(seq + 1, new.clone());
        let mut verdicts =
            self.commit(vec![Commit { trace_id: None, body, payload: Durability::Buffered }])?;
        let verdict = verdicts.pop().ok_or_else(no_key)?;
        if verdict.is_err() {
            self.signers.change_back(seq + 1);
        }
        Ok(verdict)
    }

    fn accept(&mut self, commit: Commit, batch: &mut Batch) -> io::Result<Verdict> {
        let now = self.now();
        if let Err(objection) = self.state.admit(&commit.body, now) {
            return Ok(Err(Rejection::Objection(objection)));
        }
        let needs_payloads = commit.payload == Durability::Synced;
        let line = match self.sign(commit, now) {
            Ok(line) => line,
            Err(error) => return Ok(Err(Rejection::Error(CommitError::Invalid(error.to_string())))),
        };
        let needed =
            batch.bytes.len() as u64 + line.bytes().len() as u64 + 1 + self.reserve_behind(&line.entry.body);
        if !self.tail.has_room(needed)? {
            return Ok(Err(Rejection::Error(CommitError::Full)));
        }
        batch.bytes.extend_from_slice(line.bytes());
        batch.bytes.push(b'\n');
        batch.needs_payloads |= needs_payloads;
        self.state.apply(&line.entry);
        let line = Arc::new(line);
        batch.lines.push(Arc::clone(&line));
        Ok(Ok(Committed { seq: line.entry.seq, time: line.entry.time, line }))
    }

    /// What must still be free behind an entry: the outcome of every intent that is then open. An outcome itself may use
    /// whatever is there, as the room was kept for it.
    fn reserve_behind(&self, body: &Body) -> u64 {
        let open = self.state.open_len() as u64;
        match body {
            Body::CallOutcome(_) => 0,
            Body::CallIntent(_) => (open + 1) * OUTCOME_BYTES_RESERVED,
            _ => open * OUTCOME_BYTES_RESERVED,
        }
    }

    fn sign(&self, commit: Commit, now: Timestamp) -> Result<Line, EntryError> {
        let entry = Entry {
            v: FORMAT,
            seq: self.state.size(),
            time: now,
            gate: self.origin.clone(),
            trace_id: commit.trace_id,
            body: commit.body,
        };
        let key = self.signers.at(entry.seq).ok_or_else(|| EntryError::Shape("no key signs it".into()))?;
        entry.sign(&key)
    }

    /// Gate time never goes back in entries.
    fn now(&self) -> Timestamp {
        let now = self.clock.now();
        self.state.last_time().map_or(now, |last| last.max(now))
    }

    fn make_room_to_roll(&mut self) -> io::Result<()> {
        let open = self.state.open_len() as u64;
        self.tail.roll(self.state.size(), LINE_BYTES_MAX as u64 + open * OUTCOME_BYTES_RESERVED)
    }

    fn make_durable(&mut self, batch: &Batch) -> io::Result<()> {
        self.payloads.check()?;
        self.tail.append(&batch.bytes)?;
        if batch.needs_payloads && self.payloads.sync()? {
            count(&self.view.counters.payload_syncs, 1);
        }
        self.tail.sync()?;
        count(&self.view.counters.batches, 1);
        count(&self.view.counters.syncs, 1);
        count(&self.view.counters.bytes_written, batch.bytes.len() as u64);
        Ok(())
    }
}
