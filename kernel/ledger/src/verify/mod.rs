//! Offline verification of a ledger directory: signatures, order, tree, checkpoints and meaning.
//!
//! Trust comes from the caller, never from the directory. Nothing is locked or written: a copy can be checked by anybody, and
//! the log of a running gate too, whose last line may be on its way.

mod decision;
mod history;
mod lines;
mod meaning;
mod payloads;
mod replay;
mod tiles;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ed25519_dalek::VerifyingKey;
use latchgate_wire::checkpoint::Checkpoint;
use latchgate_wire::entry::{Entry, EntryError};
use latchgate_wire::jws;
use latchgate_wire::keychain::{self, Keychain};
use latchgate_wire::merkle::{Frontier, Hash, leaf_hash};

use self::history::HistoryCheck;
use self::lines::{Part, Signing};
use self::meaning::Meaning;
use self::payloads::PayloadCheck;
use self::tiles::TileCheck;
use crate::disk::RealDisk;
use crate::payload::{self, PayloadStore};
use crate::scan::{Break, Cursor, Rest};
use crate::{checkpoint, recover, segment};

/// Findings kept; a log that was replaced as a whole has no end of them.
const FINDINGS_MAX: usize = 1_000;

/// What the check rests on.
#[derive(Clone, Copy, Debug)]
pub enum Trust {
    /// Entries and checkpoints are signed by this key.
    Key(VerifyingKey),
    /// By the key that the log itself names: nothing says whose log it is.
    SelfConsistent,
}

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The entry, where it is one entry's.
    pub seq: Option<u64>,
    /// `signature`, `sequence`, `time`, `gate`, `key`, `checkpoint`, `torn`, `meaning`, `proof`, `policy`, `decision`, `tile`, `payload`.
    pub rule: &'static str,
    /// What was found and what it means.
    pub message: String,
}

/// What is checked, and against what.
pub struct Request<'a> {
    /// The ledger directory.
    pub dir: &'a Path,
    pub trust: Trust,
    /// Checkpoints kept elsewhere, all of which the log must contain.
    pub remembered: &'a [PathBuf],
    /// A checkpoint that an earlier check has reached: entries in front of it are held to its root alone, not to their
    /// signatures.
    pub since: Option<&'a Path>,
    /// Opens the payloads, where they are to be held against the entries too.
    pub payload_key: Option<&'a [u8; 32]>,
    /// Told now and then.
    pub progress: &'a (dyn Fn(Progress) + Sync),
}

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub entries: u64,
    pub bytes: u64,
    pub bytes_in_all: u64,
}

/// What verification came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub origin: Option<String>,
    /// Lines read as entries.
    pub entries: u64,
    /// The key that was given, base64url; without one the first that the log names.
    pub key: Option<String>,
    /// Every key of the log with the first entry that it signs, base64url.
    pub keys: Vec<(u64, String)>,
    /// The key came from the caller.
    pub pinned: bool,
    /// The largest checkpoint that the log contains.
    pub checkpoint_size: Option<u64>,
    /// How many checkpoints of its history are over entries of this log.
    pub checkpoints: u64,
    pub findings: Vec<Finding>,
    /// What is worth knowing and no fault.
    pub notes: Vec<String>,
}

/// Why there is nothing to check.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error("{path}: {error}", path = path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("{path}: expected the segments of a log", path = path.display())]
    NoLog { path: PathBuf },
    #[error("the log names no key that it could be checked with: {0}")]
    NoKey(String),
}

impl Report {
    /// Nothing was found.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }

    fn find(&mut self, seq: Option<u64>, rule: &'static str, message: impl Into<String>) {
        match self.findings.len() {
            0..FINDINGS_MAX => self.findings.push(Finding { seq, rule, message: message.into() }),
            FINDINGS_MAX => {
                self.notes.push(format!("more than {FINDINGS_MAX} findings; the rest is left out"))
            }
            _ => {}
        }
    }
}

/// Checks a ledger.
///
/// # Errors
/// When the log cannot be read at all. Everything else is a finding.
pub fn verify(request: &Request<'_>) -> Result<Report, VerifyError> {
    jws::install_crypto();
    let log_dir = request.dir.join("log");
    let io_error = |path: &Path, error| VerifyError::Io { path: path.to_owned(), error };
    // Checkpoints first: what a running gate appends meanwhile only makes the log longer.
    let files = [request.dir.join("checkpoint")].into_iter().chain(request.remembered.iter().cloned());
    let since = request.since.map(Path::to_owned);
    let mut report = Report::default();
    let notes = read_notes(files.chain(since.clone()), &mut report);
    let history = HistoryCheck::begin(request.dir);
    let mut segments = segment::list(&log_dir).map_err(|error| io_error(&log_dir, error))?;
    segments.retain(|(_, path)| path.is_file());
    if segments.is_empty() {
        return Err(VerifyError::NoLog { path: log_dir });
    }
    let named = recover::first_key(&log_dir);
    let (first, given) = match request.trust {
        Trust::Key(key) => (named.unwrap_or(key), Some(key)),
        Trust::SelfConsistent => {
            let no_key = || VerifyError::NoKey("expected `gate.started` with an Ed25519 key first".into());
            (named.ok_or_else(no_key)?, None)
        }
    };
    report.key = Some(keychain::text(given.as_ref().unwrap_or(&first)));
    report.pinned = given.is_some();
    let trusted = notes.iter().find(|note| Some(&note.path) == since.as_ref()).map_or(0, |n| n.said.size);
    let store = request.payload_key.map(|key| payload_store(request.dir, key)).transpose()?;
    let mut check = Check::new(request.dir, first, &notes, report);
    check.history = history;
    check.payloads = store.as_ref().map(|store| PayloadCheck::new(store, request.dir));
    let bytes_in_all = segments.iter().filter_map(|(_, path)| path.metadata().ok()).map(|m| m.len()).sum();
    let mut progress = Progress { bytes_in_all, ..Progress::default() };
    let signing = Signing::new(first);
    std::thread::scope(|scope| {
        let (parts, read) = lines::channel();
        scope.spawn(|| lines::read(&segments, trusted, &signing, &{ parts }));
        let (mut ended, mut before) = (0, 0);
        for part in read {
            match part {
                Part::Begin { first_seq } => check.segment(first_seq),
                Part::Lines(batch) => {
                    let key = *check.keys.last();
                    progress.bytes += batch.len();
                    batch.for_each(&key, |bytes, opened| {
                        let changed = check.line(opened, bytes);
                        changed.inspect(|key| signing.change(*key))
                    });
                }
                Part::End { rest, bytes } => {
                    ended += 1;
                    // With the space taken ahead behind its last line.
                    before += bytes;
                    progress.bytes = before;
                    if rest == Rest::Torn {
                        check.torn(ended == segments.len());
                    }
                }
                Part::Failed { path, error } => return Err(io_error(&path, error)),
            }
            progress.entries = check.report.entries;
            (request.progress)(progress);
        }
        Ok(())
    })?;
    Ok(check.finish(&notes, given.as_ref()))
}

fn payload_store(dir: &Path, key: &[u8; 32]) -> Result<PayloadStore, VerifyError> {
    let path = dir.join("payload");
    let store = PayloadStore::open(Arc::new(RealDisk), &path, key, payload::Sizes::default());
    store.map_err(|error| VerifyError::Io { path, error })
}

/// A checkpoint as it was found, not yet held to a key.
struct Note {
    path: PathBuf,
    text: String,
    said: Checkpoint,
}

fn read_notes(files: impl Iterator<Item = PathBuf>, report: &mut Report) -> Vec<Note> {
    let mut notes = Vec::new();
    for path in files {
        match checkpoint::read_note(&path) {
            Ok(Some(text)) => match Checkpoint::read_unverified(&text) {
                Ok(said) => notes.push(Note { path, text, said }),
                Err(error) => report.find(None, "checkpoint", format!("{}: {error}", path.display())),
            },
            Ok(None) => {
                let message = format!("{}: there is no checkpoint; a cut end would not show", path.display());
                report.find(None, "checkpoint", message);
            }
            Err(error) => report.find(None, "checkpoint", error.to_string()),
        }
    }
    notes
}

struct Check<'a> {
    keys: Keychain,
    payloads: Option<PayloadCheck<'a>>,
    tiles: TileCheck,
    history: HistoryCheck,
    cursor: Cursor,
    tree: Frontier,
    /// Root at each checkpoint's size, once the log has it.
    roots: BTreeMap<u64, Option<Hash>>,
    meaning: Meaning,
    report: Report,
}

impl Check<'_> {
    fn new(dir: &Path, first: VerifyingKey, notes: &[Note], report: Report) -> Self {
        let mut check = Self {
            keys: Keychain::of(first),
            payloads: None,
            tiles: TileCheck::new(dir),
            history: HistoryCheck::default(),
            cursor: Cursor::start(None),
            tree: Frontier::default(),
            roots: notes.iter().map(|note| (note.said.size, None)).collect(),
            meaning: Meaning::default(),
            report,
        };
        check.note_root();
        check
    }

    fn segment(&mut self, first_seq: u64) {
        if first_seq != self.cursor.next_seq {
            let expected = self.cursor.next_seq;
            let message =
                format!("expected a segment named for entry {expected}, found one named for {first_seq}");
            self.report.find(Some(expected), "sequence", message);
        }
    }

    /// Gives the key that signs from the next line on, where it changes.
    fn line(&mut self, opened: Result<Entry, EntryError>, bytes: &[u8]) -> Option<VerifyingKey> {
        let leaf = leaf_hash(bytes);
        self.tree.push(leaf);
        for tile in self.tiles.push(leaf) {
            self.report.find(None, "tile", wrong_tile(&tile));
        }
        self.report.entries += 1;
        let (entry, is_signed) = match opened {
            Ok(entry) => (Some(entry), true),
            Err(error) => {
                self.report.find(Some(self.cursor.next_seq), "signature", error.to_string());
                (Entry::read(bytes).ok(), false)
            }
        };
        let changed = match entry {
            Some(entry) => self.entry(&entry).filter(|_| is_signed),
            None => {
                self.cursor.next_seq += 1;
                None
            }
        };
        self.note_root();
        changed
    }

    fn entry(&mut self, entry: &Entry) -> Option<VerifyingKey> {
        if let Err(broken) = self.cursor.check(entry) {
            let (rule, message) = match &broken {
                Break::Seq { expected, found } if found > expected => {
                    ("sequence", format!("entries {expected} to {} are missing", found - 1))
                }
                Break::Seq { expected, .. } => {
                    ("sequence", format!("it stands in the place of entry {expected}: moved or repeated"))
                }
                Break::Time { .. } => ("time", broken.to_string()),
                Break::Gate(_) => ("gate", broken.to_string()),
            };
            self.report.find(Some(entry.seq), rule, message);
            if matches!(broken, Break::Seq { expected, found } if found < expected) {
                return None;
            }
        }
        self.cursor.advance(entry);
        let state = self.meaning.state();
        if let Some((rule, message)) =
            self.payloads.as_mut().and_then(|payloads| payloads.entry(entry, state))
        {
            self.report.find(Some(entry.seq), rule, message);
        }
        for (rule, message) in self.meaning.entry(entry, self.keys.at(entry.seq)) {
            self.report.find(Some(entry.seq), rule, message);
        }
        match self.keys.follow(entry) {
            Ok(true) => Some(*self.keys.last()),
            Ok(false) => None,
            Err(error) => {
                self.report.find(Some(entry.seq), "key", error.to_string());
                None
            }
        }
    }

    /// Behind the newest checkpoint a last line that is not whole may be on its way, or was never answered.
    fn torn(&mut self, is_last: bool) {
        let seq = self.cursor.next_seq;
        let is_signed_over = self.roots.values().any(Option::is_none);
        if is_last && !is_signed_over {
            self.report.notes.push(format!(
                "the line behind entry {} is not whole: being written, or cut short by a crash",
                seq.saturating_sub(1)
            ));
        } else {
            self.report.find(Some(seq), "torn", "expected a whole line");
        }
    }

    fn note_root(&mut self) {
        if let Some(root) = self.roots.get_mut(&self.tree.size()) {
            *root = Some(self.tree.root());
        }
        if let Some(gate) = &self.cursor.gate {
            self.history.pass(&self.tree, &self.keys, gate);
            for fault in self.history.faults.drain(..) {
                self.report.find(None, "checkpoint", fault);
            }
        }
    }

    fn finish(mut self, notes: &[Note], given: Option<&VerifyingKey>) -> Report {
        if given.is_some_and(|key| !self.keys.contains(key)) {
            let message = "signed by another key than the one given, and no change of keys leads to that";
            self.report.find(Some(0), "signature", message);
        }
        for note in notes {
            self.checkpoint(note);
        }
        self.history.finish(self.report.entries, self.cursor.gate.as_deref().unwrap_or_default());
        for fault in self.history.faults.drain(..) {
            self.report.find(None, "checkpoint", fault);
        }
        self.report.notes.append(&mut self.history.notes);
        self.report.checkpoints = self.history.found;
        for tile in self.tiles.finish() {
            self.report.find(None, "tile", wrong_tile(&tile));
        }
        for (seq, message) in self.payloads.iter().flat_map(PayloadCheck::gone) {
            self.report.find(Some(seq), "payload", message);
        }
        if self.tiles.missing > 0 {
            let missing = self.tiles.missing;
            self.report.notes.push(format!("{missing} tiles are not there; the log gives them anew"));
        }
        self.report.keys = self.keys.keys().iter().map(|(from, key)| (*from, keychain::text(key))).collect();
        self.report.origin = self.cursor.gate;
        self.report.notes.extend(self.meaning.notes());
        self.report.notes.extend(self.payloads.iter().flat_map(PayloadCheck::notes));
        self.report
    }

    fn checkpoint(&mut self, note: &Note) {
        let (entries, size, path) = (self.report.entries, note.said.size, note.path.display());
        if self.cursor.gate.as_ref().is_some_and(|gate| *gate != note.said.origin) {
            let message = format!("{path}: it is of another log: `{}`", note.said.origin);
            self.report.find(None, "checkpoint", message);
        }
        // Beyond the end of the log it may be a key's that the log has no more.
        if let Err(error) = Checkpoint::open(&note.text, self.keys.at(size)) {
            return self.report.find(None, "checkpoint", format!("{path}: {error}"));
        }
        match self.roots.get(&size).copied().flatten() {
            Some(root) if root == note.said.root => {
                self.report.checkpoint_size = self.report.checkpoint_size.max(Some(size));
            }
            Some(_) => {
                let message = format!("{path}: the first {size} entries are not those that were signed over");
                self.report.find(None, "checkpoint", message);
            }
            None => {
                let message =
                    format!("{path}: signed over {size} entries, the log has {entries}: its end was cut off");
                self.report.find(None, "checkpoint", message);
            }
        }
    }
}

fn wrong_tile(tile: &latchgate_wire::tile::Tile) -> String {
    format!("{tile} is not what the log gives: it was damaged or exchanged")
}
