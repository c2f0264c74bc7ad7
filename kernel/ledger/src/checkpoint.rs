//! Checkpoints: the tree's root over what is synced, signed, beside the log and as a copy among the keys.
//!
//! Written by a thread of its own, off the answer path: every 256 entries, once a second while there are new entries, on
//! request, and at the end. The log is synced before, so an honest power cut never leaves a checkpoint ahead of it; and the
//! tiles are written before, so whoever has a checkpoint finds the tiles that it needs.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use ed25519_dalek::VerifyingKey;
use latchgate_wire::checkpoint::{Checkpoint, CheckpointError};
use latchgate_wire::tile::Edge;
use tokio::sync::oneshot;

use crate::durable;
use crate::history::History;
use crate::sealed::{Occasion, Sealing};
use crate::signers::Signers;
use crate::tiles::Tiles;
use crate::view::{ReadError, Synced, View};

const EVERY_ENTRIES: u64 = 256;
const EVERY: Duration = Duration::from_secs(1);

/// The two files that hold the newest checkpoint. The copy lies apart from the log, so that a log rolled back together
/// with its checkpoint is found out.
#[derive(Clone, Debug)]
pub struct CheckpointFiles {
    pub beside: PathBuf,
    pub copy: PathBuf,
}

/// Why a checkpoint file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("{path}: {error}", path = path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("{path}: {error}", path = path.display())]
    Note { path: PathBuf, error: CheckpointError },
    #[error("{path}: expected a checkpoint of `{expected}`, found one of `{found}`", path = path.display())]
    Origin { path: PathBuf, expected: String, found: String },
}

/// The checkpoint in a file and the key that signed it, one of these, or `None` if there is no file.
pub fn read(
    path: &Path,
    keys: &[VerifyingKey],
    origin: Option<&str>,
) -> Result<Option<(Checkpoint, VerifyingKey)>, FileError> {
    let Some(note) = read_note(path)? else { return Ok(None) };
    let mut opened = Err(CheckpointError::Format);
    for key in keys {
        match Checkpoint::open(&note, key) {
            Ok(checkpoint) => {
                opened = Ok((checkpoint, *key));
                break;
            }
            Err(error) => opened = Err(error),
        }
    }
    let (checkpoint, key) = opened.map_err(|error| FileError::Note { path: path.to_owned(), error })?;
    match origin {
        Some(expected) if checkpoint.origin != expected => Err(FileError::Origin {
            path: path.to_owned(),
            expected: expected.to_owned(),
            found: checkpoint.origin,
        }),
        Some(_) | None => Ok(Some((checkpoint, key))),
    }
}

/// The text of a checkpoint file, or `None` if there is none.
pub fn read_note(path: &Path) -> Result<Option<String>, FileError> {
    let bytes =
        durable::read_if_present(path).map_err(|error| FileError::Io { path: path.to_owned(), error })?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// A checkpoint and the signed note that says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    pub checkpoint: Checkpoint,
    pub note: String,
}

/// Makes checkpoints of what is synced.
pub struct Notary {
    pub view: Arc<View>,
    pub signers: Arc<Signers>,
    pub origin: String,
    pub files: CheckpointFiles,
    pub tiles: Arc<Tiles>,
    /// How far the tiles go; not known before the first look at them, or after one could not be written.
    pub edge: Option<Edge>,
    pub last: Option<SignedCheckpoint>,
    pub sealing: Sealing,
    pub history: History,
}

impl Notary {
    /// Signs and writes a checkpoint of all that is synced now, beside the log first.
    pub fn sign(&mut self) -> io::Result<SignedCheckpoint> {
        let (checkpoint, _) = self.now(None);
        self.write(checkpoint)
    }

    /// As [`Self::sign`], once the tiles are there, and the state sealed behind it where that is due. The same again where
    /// nothing came to it.
    fn publish(&mut self, occasion: Occasion) -> io::Result<SignedCheckpoint> {
        let (checkpoint, to_seal) = self.now(Some(occasion));
        let signed = self.write_all(checkpoint)?;
        if let Some(synced) = to_seal {
            self.sealing.seal(synced);
        }
        Ok(signed)
    }

    fn write_all(&mut self, checkpoint: Checkpoint) -> io::Result<SignedCheckpoint> {
        if let Err(error) = self.write_tiles(&checkpoint) {
            self.edge = None;
            tracing::error!(%error, "cannot write the tiles; they are made again with the next checkpoint");
        }
        match &self.last {
            Some(last) if last.checkpoint == checkpoint => Ok(last.clone()),
            Some(_) | None => self.write(checkpoint),
        }
    }

    /// What there is to sign, and to seal.
    fn now(&self, occasion: Option<Occasion>) -> (Checkpoint, Option<Synced>) {
        let synced = self.view.read();
        let size = synced.tree.size();
        let checkpoint = Checkpoint { origin: self.origin.clone(), size, root: synced.tree.root() };
        let is_due = occasion.is_some_and(|occasion| self.sealing.is_due(size, occasion));
        // Copied, not written out, while the log waits for this look at it.
        (checkpoint, is_due.then(|| synced.clone()))
    }

    fn write_tiles(&mut self, to: &Checkpoint) -> Result<(), ReadError> {
        let mut edge = match (self.edge.take(), &self.last) {
            (Some(edge), _) => edge,
            (None, Some(last)) => self.tiles.take_up(last.checkpoint.size, &last.checkpoint.root)?,
            (None, None) => Edge::default(),
        };
        if edge.size() != to.size {
            self.tiles.grow(&mut edge, to.size)?;
        }
        self.edge = Some(edge);
        Ok(())
    }

    fn write(&mut self, checkpoint: Checkpoint) -> io::Result<SignedCheckpoint> {
        let key = self.signers.at(checkpoint.size).ok_or_else(|| io::Error::other("no key signs"))?;
        let note = checkpoint.sign(&key);
        durable::replace(&self.files.beside, note.as_bytes())?;
        durable::replace(&self.files.copy, note.as_bytes())?;
        if let Err(error) = self.history.push(&note) {
            tracing::error!(%error, "cannot add the checkpoint to the history of checkpoints");
        }
        self.view.counters.checkpoint_size.store(checkpoint.size, Ordering::Release);
        let signed = SignedCheckpoint { checkpoint, note };
        self.last = Some(signed.clone());
        Ok(signed)
    }

    fn is_due(&self) -> bool {
        self.view.size() > self.view.counters.checkpoint_size.load(Ordering::Acquire)
    }
}

enum Ask {
    /// Many entries were made.
    Grown,
    Now(oneshot::Sender<Result<SignedCheckpoint, String>>),
    /// Write the last one and end.
    Finish,
    /// End as things are.
    Stop,
}

/// Asks the checkpoint thread.
#[derive(Clone)]
pub struct Asker {
    asks: Sender<Ask>,
    view: Arc<View>,
    /// An ask for the growth so far is on its way.
    is_asked: Arc<AtomicBool>,
}

impl Asker {
    /// To be called when entries were published.
    pub fn grown(&self) {
        let noted = self.view.counters.checkpoint_size.load(Ordering::Acquire);
        let is_far = self.view.size().saturating_sub(noted) >= EVERY_ENTRIES;
        if is_far && !self.is_asked.swap(true, Ordering::AcqRel) {
            // A thread that has ended writes no checkpoints; the end of the writer follows or came before.
            let _ = self.asks.send(Ask::Grown);
        }
    }

    /// A checkpoint of everything synced before the call.
    pub async fn now(&self) -> Result<SignedCheckpoint, String> {
        let (answer, note) = oneshot::channel();
        let ended = || "the ledger is closed".to_owned();
        self.asks.send(Ask::Now(answer)).map_err(|_| ended())?;
        note.await.map_err(|_| ended())?
    }
}

/// The running thread.
pub struct Thread {
    pub asker: Asker,
    handle: JoinHandle<()>,
}

impl Thread {
    pub fn start(mut notary: Notary) -> io::Result<Self> {
        let (asks, asked) = mpsc::channel();
        let is_asked = Arc::new(AtomicBool::new(false));
        let asker = Asker { asks, view: Arc::clone(&notary.view), is_asked: Arc::clone(&is_asked) };
        let handle = std::thread::Builder::new()
            .name("checkpoint".into())
            .spawn(move || run(&mut notary, &asked, &is_asked))?;
        Ok(Self { asker, handle })
    }

    /// Writes the last checkpoint and ends.
    pub fn finish(self) {
        self.end(Ask::Finish);
    }

    /// Ends without another checkpoint.
    pub fn stop(self) {
        self.end(Ask::Stop);
    }

    fn end(self, ask: Ask) {
        // If nobody listens it has ended already.
        let _ = self.asker.asks.send(ask);
        if self.handle.join().is_err() {
            tracing::error!("the checkpoint thread panicked");
        }
    }
}

fn run(notary: &mut Notary, asked: &Receiver<Ask>, is_asked: &AtomicBool) {
    // The start has signed its checkpoint and waited for no tile.
    publish(notary, Occasion::Running);
    loop {
        let ask = asked.recv_timeout(EVERY);
        is_asked.store(false, Ordering::Release);
        match ask {
            Ok(Ask::Now(answer)) => {
                let note = notary.publish(Occasion::Running).map_err(|error| error.to_string());
                // Whoever asked may have gone.
                let _ = answer.send(note);
            }
            Ok(Ask::Grown) | Err(RecvTimeoutError::Timeout) => write_if_due(notary),
            Ok(Ask::Finish) => return publish(notary, Occasion::End),
            Ok(Ask::Stop) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// A checkpoint that cannot be written is tried again: entries lose nothing by it, and the old file stays whole.
fn write_if_due(notary: &mut Notary) {
    if notary.is_due() {
        publish(notary, Occasion::Running);
    }
}

fn publish(notary: &mut Notary, occasion: Occasion) {
    if let Err(error) = notary.publish(occasion) {
        tracing::error!(%error, "cannot write the checkpoint");
    }
}
