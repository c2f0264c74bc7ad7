//! Offline verification of a ledger directory: signatures, order, tree, checkpoints and meaning.
//!
//! Trust comes from the caller, never from the directory. Nothing is locked or written: a copy can be checked by anybody, and
//! the log of a running gate too, whose last line may be on its way.

mod decision;
mod meaning;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use ed25519_dalek::VerifyingKey;
use latchgate_wire::checkpoint::Checkpoint;
use latchgate_wire::entry::{Body, Entry, EntryError, Line};
use latchgate_wire::jws;
use latchgate_wire::merkle::{Frontier, Hash, leaf_hash};

use self::meaning::Meaning;
use crate::scan::{self, BATCH_LINES, Break, Cursor, Rest};
use crate::{checkpoint, segment};

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
    /// `signature`, `sequence`, `time`, `gate`, `key`, `checkpoint`, `torn`, `meaning`, `proof`, `policy`, `decision`.
    pub rule: &'static str,
    /// What was found and what it means.
    pub message: String,
}

/// What verification came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub origin: Option<String>,
    /// Lines read as entries.
    pub entries: u64,
    /// The key that was used, base64url.
    pub key: Option<String>,
    /// The key came from the caller.
    pub pinned: bool,
    /// The largest checkpoint that the log contains.
    pub checkpoint_size: Option<u64>,
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

/// Checks the ledger in `dir`, and that it contains the checkpoint in `last_checkpoint` too, where one is given.
///
/// # Errors
/// When the log cannot be read at all. Everything else is a finding.
pub fn verify(dir: &Path, trust: Trust, last_checkpoint: Option<&Path>) -> Result<Report, VerifyError> {
    jws::install_crypto();
    let log_dir = dir.join("log");
    let io_error = |path: &Path| {
        let path = path.to_owned();
        move |error| VerifyError::Io { path, error }
    };
    // Checkpoints first: what a running gate appends meanwhile only makes the log longer.
    let files: Vec<_> =
        [Some(dir.join("checkpoint")), last_checkpoint.map(Path::to_owned)].into_iter().flatten().collect();
    let mut segments = segment::list(&log_dir).map_err(io_error(&log_dir))?;
    segments.retain(|(_, path)| path.is_file());
    let Some((_, first)) = segments.first() else { return Err(VerifyError::NoLog { path: log_dir }) };
    let (key, pinned) = match trust {
        Trust::Key(key) => (key, true),
        Trust::SelfConsistent => (key_in(&std::fs::read(first).map_err(io_error(first))?)?, false),
    };
    let mut report = Report { key: Some(BASE64URL.encode(key.as_bytes())), pinned, ..Report::default() };
    let checkpoints = read_checkpoints(&files, &key, &mut report);
    let mut check = Check::new(key, &checkpoints, report);
    let last = segments.len() - 1;
    for (index, (first_seq, path)) in segments.iter().enumerate() {
        let bytes = std::fs::read(path).map_err(io_error(path))?;
        check.segment(*first_seq, &bytes, index == last);
    }
    Ok(check.finish(&checkpoints))
}

/// The key that the first entry names.
fn key_in(segment: &[u8]) -> Result<VerifyingKey, VerifyError> {
    let no_key = |why: &str| VerifyError::NoKey(why.to_owned());
    let first = scan::split(segment).lines.first().cloned().ok_or_else(|| no_key("it is empty"))?;
    let entry = Entry::read(&segment[first]).map_err(|error| no_key(&error.to_string()))?;
    let Body::GateStarted(started) = entry.body else {
        return Err(no_key("expected `gate.started` as its first entry"));
    };
    let bytes = BASE64URL.decode(&started.entry_key).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    let key = bytes.and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok());
    key.ok_or_else(|| no_key("expected an Ed25519 key in its first entry"))
}

fn read_checkpoints(
    files: &[PathBuf],
    key: &VerifyingKey,
    report: &mut Report,
) -> Vec<(PathBuf, Checkpoint)> {
    let mut checkpoints = Vec::new();
    for path in files {
        match checkpoint::read(path, key, None) {
            Ok(Some(checkpoint)) => checkpoints.push((path.clone(), checkpoint)),
            Ok(None) => {
                report.find(
                    None,
                    "checkpoint",
                    format!("{}: there is no checkpoint; a cut end would not show", path.display()),
                );
            }
            Err(error) => report.find(None, "checkpoint", error.to_string()),
        }
    }
    checkpoints
}

struct Check {
    key: VerifyingKey,
    cursor: Cursor,
    tree: Frontier,
    /// Root at each checkpoint's size, once the log has it.
    roots: BTreeMap<u64, Option<Hash>>,
    meaning: Meaning,
    report: Report,
}

impl Check {
    fn new(key: VerifyingKey, checkpoints: &[(PathBuf, Checkpoint)], report: Report) -> Self {
        let roots = checkpoints.iter().map(|(_, checkpoint)| (checkpoint.size, None)).collect();
        let meaning = Meaning::new(BASE64URL.encode(key.as_bytes()));
        let mut check =
            Self { key, cursor: Cursor::start(None), tree: Frontier::default(), roots, meaning, report };
        check.note_root();
        check
    }

    fn segment(&mut self, first_seq: u64, bytes: &[u8], is_last: bool) {
        if first_seq != self.cursor.next_seq {
            let expected = self.cursor.next_seq;
            let message =
                format!("expected a segment named for entry {expected}, found one named for {first_seq}");
            self.report.find(Some(expected), "sequence", message);
        }
        let split = scan::split(bytes);
        for lines in split.lines.chunks(BATCH_LINES) {
            let opened = scan::open_all(bytes, lines, &self.key);
            for (line, range) in opened.into_iter().zip(lines) {
                self.line(line, &bytes[range.clone()]);
            }
        }
        if split.rest == Rest::Torn {
            self.torn(is_last);
        }
    }

    fn line(&mut self, opened: Result<Line, EntryError>, bytes: &[u8]) {
        self.tree.push(leaf_hash(bytes));
        self.report.entries += 1;
        let entry = match opened {
            Ok(line) => Some(line.entry),
            Err(error) => {
                self.report.find(Some(self.cursor.next_seq), "signature", error.to_string());
                Entry::read(bytes).ok()
            }
        };
        match entry {
            Some(entry) => self.entry(&entry),
            None => self.cursor.next_seq += 1,
        }
        self.note_root();
    }

    fn entry(&mut self, entry: &Entry) {
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
                return;
            }
        }
        self.cursor.advance(entry);
        for (rule, message) in self.meaning.entry(entry) {
            self.report.find(Some(entry.seq), rule, message);
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
    }

    fn finish(mut self, checkpoints: &[(PathBuf, Checkpoint)]) -> Report {
        let entries = self.report.entries;
        for (path, checkpoint) in checkpoints {
            let (path, size) = (path.display(), checkpoint.size);
            if self.cursor.gate.as_ref().is_some_and(|gate| *gate != checkpoint.origin) {
                let message = format!("{path}: it is of another log: `{}`", checkpoint.origin);
                self.report.find(None, "checkpoint", message);
            }
            match self.roots.get(&size).copied().flatten() {
                Some(root) if root == checkpoint.root => {
                    self.report.checkpoint_size = self.report.checkpoint_size.max(Some(size));
                }
                Some(_) => {
                    let message =
                        format!("{path}: the first {size} entries are not those that were signed over");
                    self.report.find(None, "checkpoint", message);
                }
                None => {
                    let message = format!(
                        "{path}: signed over {size} entries, the log has {entries}: its end was cut off"
                    );
                    self.report.find(None, "checkpoint", message);
                }
            }
        }
        self.report.origin = self.cursor.gate;
        self.report.notes.extend(self.meaning.notes());
        self.report
    }
}
