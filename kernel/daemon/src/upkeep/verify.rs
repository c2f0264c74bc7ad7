//! Verification of a ledger on disk, by whoever has the public key. The gate need not run.

use std::path::{Path, PathBuf};

use ed25519_dalek::VerifyingKey;
use ed25519_dalek::pkcs8::DecodePublicKey as _;
use latchgate_ledger::verify::{Trust, verify};

pub use latchgate_ledger::verify::{Finding, Report};

/// What to verify, and whom to trust.
#[derive(Clone, Debug)]
pub struct VerifyOptions {
    /// A ledger directory, or a home that has one.
    pub dir: PathBuf,
    /// File with the public key (PEM, SubjectPublicKeyInfo). Without one nothing but consistency can be said.
    pub key: Option<PathBuf>,
    /// A checkpoint remembered elsewhere, which the log must contain.
    pub last_checkpoint: Option<PathBuf>,
}

/// Why nothing could be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error("{0}: there is no ledger here; give the directory of a ledger or of a gate's home")]
    NoLedger(PathBuf),
    #[error("{path} is no Ed25519 public key in PEM: {why}")]
    Key { path: PathBuf, why: String },
    #[error("{0}")]
    Ledger(String),
}

/// Reads the whole ledger and checks signatures, order, tree and meaning.
///
/// # Errors
/// [`VerifyError`] if there is nothing to check or no usable key; what is wrong with a ledger is in the report.
pub fn run(options: &VerifyOptions) -> Result<Report, VerifyError> {
    let dir = ledger_dir(&options.dir)?;
    let trust = match &options.key {
        Some(path) => Trust::Key(public_key(path)?),
        None => Trust::SelfConsistent,
    };
    let remembered = options.last_checkpoint.as_deref().filter(|path| path.exists());
    verify(&dir, trust, remembered).map_err(|error| VerifyError::Ledger(error.to_string()))
}

fn ledger_dir(dir: &Path) -> Result<PathBuf, VerifyError> {
    let candidates = [dir.to_owned(), dir.join("ledger"), dir.join("state/ledger")];
    candidates
        .into_iter()
        .find(|candidate| candidate.join("log").is_dir())
        .ok_or_else(|| VerifyError::NoLedger(dir.to_owned()))
}

fn public_key(path: &Path) -> Result<VerifyingKey, VerifyError> {
    let error = |why: String| VerifyError::Key { path: path.to_owned(), why };
    let pem = std::fs::read_to_string(path).map_err(|e| error(e.to_string()))?;
    VerifyingKey::from_public_key_pem(&pem).map_err(|e| error(e.to_string()))
}
