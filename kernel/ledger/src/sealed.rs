//! The sealed state: what the log comes to up to some entry, kept so that a start need not read all of it again.
//!
//! ```text
//! file    FORMAT mac body    body  JSON: log, program, size and root of the tree, and everything that was folded
//! mac     HMAC-SHA256(key, FORMAT body)
//! ```
//!
//! The key seals nothing else. A state is taken up only if the tree in it, grown by the entries behind it, leads to every
//! checkpoint known: an older file of this gate gives the same state by a longer way, and no other file gives any. It may be
//! deleted at any moment; the whole log is read then.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use latchgate_wire::checkpoint::Checkpoint;
use latchgate_wire::digest::{Digest, HashKey};
use latchgate_wire::keychain::{self, Keychain};
use latchgate_wire::merkle::Frontier;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use crate::durable;
use crate::places::{KeptPlaces, Places};
use crate::proofs::RecentProofs;
use crate::recover::Known;
use crate::segment;
use crate::state::{FOLD, State};
use crate::view::Synced;

const FORMAT: &[u8; 18] = b"latchgate-state 1\n";
const MAC_BYTES: usize = 32;
/// Between one sealed state and the next: writing one takes some milliseconds, however many entries come.
const EVERY_MIN: Duration = Duration::from_secs(15);

/// How often a state is sealed, which tests change.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// A shorter log is read whole at every start: that takes no second.
    pub entries_min: u64,
    /// Entries between one sealed state and the next, but for the last of a run.
    pub every_entries: u64,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { entries_min: 16_384, every_entries: 8_192 }
    }
}

/// Writes and reads the file.
pub struct Seal {
    path: PathBuf,
    key: HashKey,
    origin: String,
    program: String,
}

/// Seals now and then, on the thread that writes checkpoints.
pub struct Sealing {
    seal: Seal,
    sizes: Sizes,
    last: Option<(u64, Instant)>,
}

/// When it is asked whether to seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    Running,
    /// Nothing follows.
    End,
}

impl Sealing {
    /// `taken_up` is the size of the sealed state that the ledger was opened with.
    pub fn new(seal: Seal, sizes: Sizes, taken_up: Option<u64>) -> Self {
        Self { seal, sizes, last: taken_up.map(|size| (size, Instant::now())) }
    }

    pub fn is_due(&self, size: u64, occasion: Occasion) -> bool {
        let is_long = size >= self.sizes.entries_min;
        is_long
            && match (self.last, occasion) {
                (None, _) => true,
                (Some((last, _)), Occasion::End) => size > last,
                (Some((last, at)), Occasion::Running) => {
                    size.saturating_sub(last) >= self.sizes.every_entries && at.elapsed() >= EVERY_MIN
                }
            }
    }

    /// A state that cannot be sealed costs the next start time, and that is all.
    pub fn seal(&mut self, synced: Synced) {
        let size = synced.tree.size();
        match self.seal.keep(synced) {
            Ok(()) => self.last = Some((size, Instant::now())),
            Err(error) => {
                tracing::error!(%error, "cannot seal the state; the next start reads more of the log")
            }
        }
    }
}

/// Why a file is not taken.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error("it cannot be read: {0}")]
    Io(io::Error),
    #[error("it is no sealed state, or one of another version")]
    Format,
    #[error("its MAC is not that of this gate's key: it was altered, cut short or sealed with another key")]
    Mac,
    #[error("it was sealed by another version of the program ({0})")]
    Program(String),
    #[error("it is of another log")]
    Origin,
    #[error("its MAC is right and its content is not: {0}")]
    Content(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    origin: String,
    program: String,
    fold: u32,
    size: u64,
    root: Digest,
    tree: Vec<Digest>,
    keys: Vec<(u64, String)>,
    /// Packed: a busy gate has hundreds of thousands of them.
    proofs: String,
    places: Vec<KeptPlaces>,
    state: State,
}

impl Seal {
    /// In the ledger's directory, for this log and this version of the program.
    pub fn new(ledger_dir: &Path, key: &[u8; 32], origin: &str, program: &str) -> Self {
        let path = ledger_dir.join("state");
        Self { path, key: HashKey::new(key), origin: origin.to_owned(), program: program.to_owned() }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Replaces the file; durable when this returns. What is sealed must be within a checkpoint that is durable.
    pub fn keep(&self, synced: Synced) -> io::Result<()> {
        let body = serde_json::to_vec(&self.body(synced)).map_err(io::Error::other)?;
        let mac = self.mac(&body);
        durable::replace(&self.path, &[&FORMAT[..], &mac.0, &body].concat())
    }

    /// What was sealed, or `None` if there is no file. Nothing of it is interpreted before its MAC is right.
    pub fn open(&self, log_dir: &Path) -> Result<Option<Synced>, SealError> {
        let Some(file) = durable::read_if_present(&self.path).map_err(SealError::Io)? else {
            return Ok(None);
        };
        let rest = file.strip_prefix(FORMAT).ok_or(SealError::Format)?;
        let (mac, body) = rest.split_at_checked(MAC_BYTES).ok_or(SealError::Mac)?;
        if !bool::from(self.mac(body).0.ct_eq(mac)) {
            return Err(SealError::Mac);
        }
        self.synced(body, log_dir).map(Some)
    }

    fn mac(&self, body: &[u8]) -> Digest {
        self.key.digest(&[FORMAT, body])
    }

    fn body(&self, synced: Synced) -> Body {
        let keys = synced.keys.keys().iter().map(|(from, key)| (*from, keychain::text(key)));
        Body {
            origin: self.origin.clone(),
            program: self.program.clone(),
            fold: FOLD,
            size: synced.tree.size(),
            root: Digest(synced.tree.root()),
            tree: synced.tree.roots().iter().copied().map(Digest).collect(),
            keys: keys.collect(),
            proofs: synced.proofs.kept(),
            places: synced.places.kept(),
            state: synced.state,
        }
    }

    fn synced(&self, body: &[u8], log_dir: &Path) -> Result<Synced, SealError> {
        #[derive(Deserialize)]
        struct Of {
            program: String,
            fold: u32,
        }
        let content = |error: serde_json::Error| SealError::Content(error.to_string());
        // Another version's state may have other members: asked before the rest is read.
        let of: Of = serde_json::from_slice(body).map_err(content)?;
        if of.program != self.program || of.fold != FOLD {
            return Err(SealError::Program(of.program));
        }
        let body: Body = serde_json::from_slice(body).map_err(content)?;
        if body.origin != self.origin {
            return Err(SealError::Origin);
        }
        let disagree = || SealError::Content("its parts do not agree".into());
        let key = |(from, text): (u64, String)| Some((from, keychain::parse(&text)?));
        let keys = body.keys.into_iter().map(key).collect::<Option<_>>();
        let tree = Frontier::of(body.size, body.tree.into_iter().map(|root| root.0).collect());
        let synced = Synced {
            places: Places::restore(log_dir, body.places, body.size),
            keys: keys.and_then(Keychain::restore).ok_or_else(disagree)?,
            tree: tree.filter(|tree| tree.root() == body.root.0).ok_or_else(disagree)?,
            proofs: RecentProofs::restore(&body.proofs).ok_or_else(disagree)?,
            state: body.state,
        };
        if synced.state.size() == body.size { Ok(synced) } else { Err(disagree()) }
    }

    /// As a checkpoint, which a sealed state is as well: this gate once had that many entries.
    pub fn known(&self, synced: &Synced) -> Known {
        let (size, root) = (synced.tree.size(), synced.tree.root());
        let checkpoint = Checkpoint { origin: self.origin.clone(), size, root };
        Known { path: self.path.clone(), checkpoint, key: *synced.keys.at(size) }
    }
}

/// Why a log cannot be read on from a state that was sealed, if so. That its tree leads to the checkpoints is seen by reading.
pub fn obstacle(synced: &Synced, log_dir: &Path, known: &[Known]) -> Option<String> {
    let size = synced.tree.size();
    match known.iter().map(|known| known.checkpoint.size).min() {
        None => return Some("there is no checkpoint to hold it against".into()),
        Some(oldest) if oldest < size => {
            return Some(format!("it is over {size} entries, and a checkpoint over {oldest}"));
        }
        Some(_) => {}
    }
    let segments = match segment::list(log_dir) {
        Ok(segments) => segments,
        Err(error) => return Some(error.to_string()),
    };
    let mut segments = segments.into_iter();
    for (first_seq, end) in synced.places.ends() {
        let found = segments.next().filter(|(named, _)| *named == first_seq);
        let bytes = found.and_then(|(_, path)| path.metadata().ok()).map(|found| found.len());
        if bytes.is_none_or(|bytes| bytes < end) {
            return Some(format!("the segment that begins with entry {first_seq} is not as it was"));
        }
    }
    None
}
