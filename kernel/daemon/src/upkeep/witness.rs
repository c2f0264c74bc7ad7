//! Cosigning another gate's checkpoints: whoever holds that gate's key cannot show two pasts to those who ask for this word.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ed25519_dalek::{SigningKey, VerifyingKey};
use latchgate_wire::api::ConsistencyProof;
use latchgate_wire::checkpoint::Checkpoint;
use latchgate_wire::cosignature;
use latchgate_wire::merkle::Hash;
use latchgate_wire::proof;
use latchgate_wire::tile::{self, TileError};

use super::verify::{VerifyError, public_key};
use crate::home::files::{private_dir, replace_private};
use crate::home::keys::witness_key;
use crate::home::places::Places;
use crate::world::OsEntropy;

/// What is to be cosigned.
#[derive(Clone, Debug)]
pub struct WitnessOptions {
    /// An export or a copy of the other gate's ledger, or its checkpoint alone.
    pub source: PathBuf,
    /// The other gate's public key (PEM).
    pub key: PathBuf,
    /// What `latchgate ledger consistency --json` printed; needed where the source has no tiles.
    pub proof: Option<PathBuf>,
    /// Under what name this witness signs.
    pub name: String,
    /// POSIX seconds.
    pub at_s: u64,
}

/// A checkpoint with this witness's line.
#[derive(Clone, Debug)]
pub struct Cosigned {
    pub note: String,
    pub checkpoint: Checkpoint,
    /// The size that was cosigned before; `None` for the first time.
    pub before: Option<u64>,
    /// What others verify the line with (signed-note verifier key).
    pub verifier_key: String,
}

#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    #[error("{path}: {error}", path = path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error(transparent)]
    Key(#[from] VerifyError),
    #[error("{0}: a witness's name holds no space and no `+`")]
    Name(String),
    #[error("{path}: {why}", path = path.display())]
    Checkpoint { path: PathBuf, why: String },
    #[error("{path}: expected what `latchgate ledger consistency {old} {new} --json` prints", path = path.display())]
    Proof { path: PathBuf, old: u64, new: u64 },
    #[error(
        "there are no tiles in {source_dir} to prove that the log of {new} entries continues that of {old}; \
         give --proof with what `latchgate ledger consistency {old} {new} --json` prints",
        source_dir = dir.display()
    )]
    NoTiles { dir: PathBuf, old: u64, new: u64 },
    /// Not the log that was cosigned: the finding that a witness is for.
    #[error("NOT cosigned: {why}; the checkpoint that was cosigned before is kept in {path}", path = remembered.display())]
    Inconsistent { why: String, remembered: PathBuf },
    #[error("{0}")]
    State(String),
}

/// Checks that the checkpoint is that gate's and continues what was cosigned before, cosigns and remembers it.
///
/// # Errors
/// [`WitnessError::Inconsistent`] if it does not; then nothing is signed or forgotten.
pub fn cosign(places: &Places, options: &WitnessOptions) -> Result<Cosigned, WitnessError> {
    if !cosignature::is_name(&options.name) {
        return Err(WitnessError::Name(options.name.clone()));
    }
    let key = public_key(&options.key)?;
    let path =
        if options.source.is_dir() { options.source.join("checkpoint") } else { options.source.clone() };
    let note = read(&path)?;
    let shown = open(&path, &note, &key)?;
    let dir = places.state_dir.join("witnessed");
    private_dir(&dir).map_err(|error| WitnessError::State(error.to_string()))?;
    let name: String =
        shown.origin.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let remembered = dir.join(format!("{name}.checkpoint"));
    let before = match remembered.exists() {
        true => Some(Checkpoint::read_unverified(&read(&remembered)?).map_err(|error| {
            WitnessError::Checkpoint { path: remembered.clone(), why: error.to_string() }
        })?),
        false => None,
    };
    if let Some(before) = &before {
        continues(options, before, &shown, &remembered)?;
    }
    let signer = witness_key(places, &OsEntropy).map_err(|error| WitnessError::State(error.to_string()))?;
    let cosigned = sign(&path, &note, &options.name, &signer, options.at_s)?;
    replace_private(&remembered, cosigned.as_bytes())
        .map_err(|error| WitnessError::State(error.to_string()))?;
    Ok(Cosigned {
        note: cosigned,
        checkpoint: shown,
        before: before.map(|before| before.size),
        verifier_key: cosignature::verifier_key(&options.name, &signer.verifying_key()),
    })
}

fn read(path: &Path) -> Result<String, WitnessError> {
    fs::read_to_string(path).map_err(|error| WitnessError::Io { path: path.to_owned(), error })
}

fn open(path: &Path, note: &str, key: &VerifyingKey) -> Result<Checkpoint, WitnessError> {
    let wrong = |why: String| WitnessError::Checkpoint { path: path.to_owned(), why };
    Checkpoint::open(note, key).map_err(|error| wrong(error.to_string()))
}

fn sign(path: &Path, note: &str, name: &str, key: &SigningKey, at_s: u64) -> Result<String, WitnessError> {
    let wrong = || WitnessError::Checkpoint { path: path.to_owned(), why: "expected a signed note".into() };
    cosignature::cosign(note, name, key, at_s).ok_or_else(wrong)
}

fn continues(
    options: &WitnessOptions,
    before: &Checkpoint,
    shown: &Checkpoint,
    remembered: &Path,
) -> Result<(), WitnessError> {
    let inconsistent = |why: String| WitnessError::Inconsistent { why, remembered: remembered.to_owned() };
    let (old, new) = (before.size, shown.size);
    if new < old {
        return Err(inconsistent(format!("it is over {new} entries, the one before was over {old}")));
    }
    let hashes = match (&options.proof, old == new || old == 0) {
        (_, true) => Vec::new(),
        (Some(path), false) => from_file(path, old, new)?,
        (None, false) => from_tiles(&options.source, old, new)?,
    };
    if old == 0 {
        return Ok(());
    }
    proof::verify_consistency(old, &before.root, new, &shown.root, &hashes).map_err(|error| {
        inconsistent(format!("the log of {new} entries does not begin with that of {old}: {error}"))
    })
}

fn from_file(path: &Path, old: u64, new: u64) -> Result<Vec<Hash>, WitnessError> {
    let wrong = || WitnessError::Proof { path: path.to_owned(), old, new };
    let given: ConsistencyProof = serde_json::from_str(&read(path)?).map_err(|_| wrong())?;
    if (given.old, given.new) != (old, new) {
        return Err(wrong());
    }
    given.hashes().ok_or_else(wrong)
}

fn from_tiles(source: &Path, old: u64, new: u64) -> Result<Vec<Hash>, WitnessError> {
    let missing = || WitnessError::NoTiles { dir: source.to_owned(), old, new };
    if !source.is_dir() {
        return Err(missing());
    }
    proof::consistency(old, new, |height, index| {
        tile::node(height, index, new, |tile| {
            let bytes = fs::read(source.join("tile").join(tile.path()));
            let bytes = bytes.or_else(|_| {
                let full = fs::read(source.join("tile").join(tile.full().path()));
                full.map(|bytes| bytes.into_iter().take(usize::from(tile.width) * tile::HASH_BYTES).collect())
            });
            let bytes = bytes.map_err(|_| TileError { expected: usize::from(tile.width) * 32, found: 0 })?;
            tile.hashes(&bytes)
        })
    })
    .map_err(|_: TileError| missing())
}
