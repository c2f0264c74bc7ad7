//! Opening a ledger: lock, recovery, the first entries, a checkpoint, and then the threads.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePublicKey as _, EncodePublicKey as _};
use ed25519_dalek::{SigningKey, VerifyingKey};
use latchgate_monitor::ports::Clock;
use latchgate_wire::receipt::Boundary;
use zeroize::Zeroizing;

use crate::checkpoint::{self, CheckpointFiles, Notary};
use crate::disk::{Disk, RealDisk};
use crate::history::{self, History};
use crate::index::Index;
use crate::ledger::Ledger;
use crate::lock::{Lock, LockError};
use crate::payload::{self, PayloadStore};
use crate::proofread::{self, Unread};
use crate::query::Queries;
use crate::queue::{self, OnFatal, Running};
use crate::recover::{self, Expected, Known, Loaded, OpenError, Recovery, io_error};
use crate::sealed::{self, Seal, Sealing};
use crate::segment::{self, Tail};
use crate::signers::Signers;
use crate::tiles::Tiles;
use crate::view::{Synced, View};
use crate::writer::Writer;
use crate::{durable, first, indexer};

/// What a ledger is opened with.
pub struct OpenConfig {
    /// The ledger directory; made if it is not there.
    pub dir: PathBuf,
    /// The index; it may be deleted at any moment.
    pub index_dir: PathBuf,
    /// The copy of the newest checkpoint, among the keys; its directory exists.
    pub last_checkpoint: PathBuf,
    /// Gate name and ULID: no space, no `+`.
    pub origin: String,
    /// Signs entries and checkpoints.
    pub entry_key: SigningKey,
    /// What was to become the key when the gate ended: it is, if the log says so.
    pub next_key: Option<SigningKey>,
    /// Wraps the keys of payloads.
    pub payload_key: Zeroizing<[u8; 32]>,
    /// Seals the state that the next start takes up, and nothing else.
    pub state_key: Zeroizing<[u8; 32]>,
    pub clock: Arc<dyn Clock>,
    /// Of the program, for `gate.started`.
    pub version: String,
    pub boundary: Boundary,
    /// [`crate::exit_process`], but for tests.
    pub on_fatal: OnFatal,
}

/// Sizes, which tests make small.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sizes {
    pub log: segment::Sizes,
    pub payload: payload::Sizes,
    pub sealed: sealed::Sizes,
}

impl Ledger {
    /// Takes up the ledger, or makes one. Blocks: it reads and verifies the log, or of a long one what lies behind the state
    /// that was sealed last.
    ///
    /// # Errors
    /// When another process has it, when it is not the log that was signed over, or when the disk fails.
    pub fn open(config: OpenConfig) -> Result<(Self, Recovery), OpenError> {
        Self::open_on(Arc::new(RealDisk), Sizes::default(), config)
    }

    pub(crate) fn open_on(
        disk: Arc<dyn Disk>,
        sizes: Sizes,
        config: OpenConfig,
    ) -> Result<(Self, Recovery), OpenError> {
        let mut config = config;
        let next_key = config.next_key.take();
        let mut keys = vec![config.entry_key.verifying_key()];
        keys.extend(next_key.as_ref().map(SigningKey::verifying_key));
        let files =
            CheckpointFiles { beside: config.dir.join("checkpoint"), copy: config.last_checkpoint.clone() };
        let mut candidates = keys.clone();
        candidates.extend(public_keys(&config.dir));
        let mut known = known_checkpoints(&files, &candidates, &config.origin)?;
        let seal = Seal::new(&config.dir, &config.state_key, &config.origin, &config.version);
        let sealed = resumable(&seal, &config.dir, sizes.sealed, &mut known);
        let unread = sealed.as_ref().map(|sealed| Unread::of(sealed, &config.dir, seal.path()));
        let created = !config.dir.join("log").exists();
        if let (true, Some(newest)) = (created, newest(&known)) {
            let (size, checkpoint) = (newest.checkpoint.size, newest.path.clone());
            return Err(OpenError::RolledBack { entries: 0, size, checkpoint });
        }
        make_dirs(&config.dir)?;
        let lock = take_lock(&config.dir.join("lock"))?;
        let expected = Expected { origin: &config.origin, keys: &keys, known: &known };
        let loaded = recover::load(&config.dir, expected, sealed)?;
        let unread = unread.filter(|unread| unread.size == loaded.sealed);
        let mut recovery = report(&config, &loaded, &known, created);
        let last = *loaded.synced.keys.last();
        if let Some(next) = next_key.filter(|next| next.verifying_key() == last) {
            config.entry_key = next;
            recovery.took_next_key = true;
        }
        let since = loaded.synced.keys.keys().last().map_or(0, |(from, _)| *from);
        let first = first::entries(&config, &loaded, &recovery)?;
        let mut writer = take_up(disk, sizes, &config, loaded)?;
        first::commit(&mut writer, first)?;
        write_public_key(&config.dir, &config.entry_key.verifying_key(), since)
            .map_err(|error| io_error(&config.dir.join("keys"), error))?;
        let sealing = Sealing::new(seal, sizes.sealed, unread.as_ref().map(|unread| unread.size));
        let ledger = start(&config, writer, files, lock, sealing, unread)?;
        Ok((ledger, recovery))
    }
}

fn known_checkpoints(
    files: &CheckpointFiles,
    keys: &[VerifyingKey],
    origin: &str,
) -> Result<Vec<Known>, OpenError> {
    let mut known = Vec::new();
    for path in [&files.beside, &files.copy] {
        let found = checkpoint::read(path, keys, Some(origin))?;
        known.extend(found.map(|(checkpoint, key)| Known { path: path.clone(), checkpoint, key }));
    }
    Ok(known)
}

/// The state that was sealed, where the log can be read on from it. One that is ahead of every checkpoint is no state to go on
/// from, and a checkpoint more: the log must contain it.
fn resumable(seal: &Seal, dir: &Path, sizes: sealed::Sizes, known: &mut Vec<Known>) -> Option<Synced> {
    let log_dir = dir.join("log");
    let refused = |why: String| tracing::warn!(%why, "the sealed state is not used; the whole log is read");
    let sealed = match seal.open(&log_dir) {
        Ok(sealed) => sealed.filter(|sealed| sealed.tree.size() >= sizes.entries_min)?,
        Err(error) => {
            refused(error.to_string());
            return None;
        }
    };
    let Some(why) = sealed::obstacle(&sealed, &log_dir, known) else { return Some(sealed) };
    refused(why);
    if newest(known).is_some_and(|newest| newest.checkpoint.size < sealed.tree.size()) {
        known.push(seal.known(&sealed));
    }
    None
}

fn newest(known: &[Known]) -> Option<&Known> {
    known.iter().max_by_key(|known| known.checkpoint.size)
}

fn make_dirs(dir: &Path) -> Result<(), OpenError> {
    for name in ["", "log", "payload", "policy", "keys", "recovered"] {
        let path = dir.join(name);
        durable::create_dir(&path).map_err(|error| io_error(&path, error))?;
    }
    Ok(())
}

fn take_lock(path: &Path) -> Result<Lock, OpenError> {
    Lock::take(path).map_err(|error| match error {
        LockError::Held { pid } => OpenError::Locked { path: path.to_owned(), pid },
        LockError::Io(error) => io_error(path, error),
    })
}

fn report(config: &OpenConfig, loaded: &Loaded, known: &[Known], created: bool) -> Recovery {
    let state = &loaded.synced.state;
    Recovery {
        created,
        entries: loaded.synced.places.size(),
        sealed: loaded.sealed,
        checkpoint_size: newest(known).map(|known| known.checkpoint.size),
        cut_bytes: loaded.cut.as_ref().map_or(0, |cut| cut.bytes),
        cut_kept: loaded.cut.as_ref().map(|cut| cut.kept.clone()),
        unknown: state.open_calls().map(|(seq, _)| seq).collect(),
        took_next_key: false,
        clock_behind_ms: state.last_time().map_or(0, |last| last.since(config.clock.now()).max(0)),
    }
}

fn take_up(
    disk: Arc<dyn Disk>,
    sizes: Sizes,
    config: &OpenConfig,
    loaded: Loaded,
) -> Result<Writer, OpenError> {
    let log_dir = config.dir.join("log");
    let tail = match loaded.tail {
        Some((first_seq, written)) => {
            Tail::resume(Arc::clone(&disk), &log_dir, first_seq, written, sizes.log)
        }
        None => Tail::create(Arc::clone(&disk), &log_dir, 0, sizes.log),
    };
    let payload_dir = config.dir.join("payload");
    let payloads = PayloadStore::open(disk, &payload_dir, &config.payload_key, sizes.payload);
    Ok(Writer {
        tail: tail.map_err(|error| io_error(&log_dir, error))?,
        state: loaded.synced.state.clone(),
        view: Arc::new(View::new(loaded.synced, loaded.sealed)),
        payloads: Arc::new(payloads.map_err(|error| io_error(&payload_dir, error))?),
        clock: Arc::clone(&config.clock),
        signers: Arc::new(Signers::new(config.entry_key.clone())),
        origin: config.origin.clone(),
    })
}

/// `keys/entry-<seq>.pem`: which key signs from which entry on. For people: nothing takes its trust from there.
pub fn write_public_key(dir: &Path, key: &VerifyingKey, from_seq: u64) -> io::Result<()> {
    let path = dir.join("keys").join(format!("entry-{from_seq}.pem"));
    let pem = key.to_public_key_pem(LineEnding::LF);
    let pem = pem.map_err(|error| io::Error::other(error.to_string()))?;
    if durable::read_if_present(&path)? == Some(pem.clone().into()) {
        return Ok(());
    }
    durable::replace(&path, pem.as_bytes())
}

/// The keys that lie beside the log: hints of whose signatures to expect, and no more than that.
pub fn public_keys(dir: &Path) -> Vec<VerifyingKey> {
    let items = std::fs::read_dir(dir.join("keys")).into_iter().flatten().flatten();
    let pems = items.filter_map(|item| std::fs::read_to_string(item.path()).ok());
    pems.filter_map(|pem| VerifyingKey::from_public_key_pem(&pem).ok()).collect()
}

fn start(
    config: &OpenConfig,
    writer: Writer,
    files: CheckpointFiles,
    lock: Lock,
    sealing: Sealing,
    unread: Option<Unread>,
) -> Result<Ledger, OpenError> {
    let view = Arc::clone(&writer.view);
    let recent_proofs = view.read().proofs.proofs().collect();
    let payloads = Arc::clone(&writer.payloads);
    let tiles = Arc::new(Tiles::new(&config.dir, Arc::clone(&view)));
    let mut notary = Notary {
        view: Arc::clone(&view),
        signers: Arc::clone(&writer.signers),
        origin: config.origin.clone(),
        files,
        tiles: Arc::clone(&tiles),
        edge: None,
        last: None,
        sealing,
        history: History::open(&config.dir).map_err(|error| io_error(&history::path(&config.dir), error))?,
    };
    notary.sign().map_err(|error| io_error(&notary.files.beside, error))?;
    let thread = |error| OpenError::Io { what: "starting a thread".into(), error };
    let checkpoints = checkpoint::Thread::start(notary).map_err(thread)?;
    let asker = checkpoints.asker.clone();
    let proofread = unread
        .map(|unread| proofread::Thread::start(unread, Arc::clone(&view), Arc::clone(&config.on_fatal)))
        .transpose()
        .map_err(thread)?;
    let index = open_index(config);
    let indexed = Arc::new(AtomicU64::new(0));
    let queries = Queries { view: Arc::clone(&view), index: index.clone(), indexed: Arc::clone(&indexed) };
    let index = index
        .map(|index| indexer::Thread::start(Arc::clone(&view), index, config.origin.clone(), indexed))
        .transpose()
        .map_err(thread)?;
    let running =
        Running { writer, checkpoints, index, proofread, on_fatal: Arc::clone(&config.on_fatal), lock };
    let (queue, thread) = queue::start(running).map_err(thread)?;
    Ok(Ledger {
        queue,
        view,
        queries,
        payloads,
        checkpoints: asker,
        tiles,
        clock: Arc::clone(&config.clock),
        recent_proofs,
        dir: config.dir.clone(),
        thread: Arc::new(thread),
    })
}

/// Without an index queries are slow, and that is all.
fn open_index(config: &OpenConfig) -> Option<Index> {
    let made = durable::create_dir(&config.index_dir).map_err(|error| error.to_string());
    match made.and_then(|()| Index::open(&config.index_dir, &config.origin)) {
        Ok(index) => Some(index),
        Err(why) => {
            tracing::error!(%why, "there is no index; queries read the whole log");
            None
        }
    }
}
