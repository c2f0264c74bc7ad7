//! Verification of a ledger on disk, by whoever has the public key. The gate need not run.

use std::path::{Path, PathBuf};

use ed25519_dalek::VerifyingKey;
use ed25519_dalek::pkcs8::DecodePublicKey as _;
use latchgate_ledger::verify::{Request, Trust, verify};
use latchgate_wire::bundle::{Bundle, BundleError, Proved};
use zeroize::Zeroizing;

pub use latchgate_ledger::verify::{Finding, Progress, Report};

/// What to verify, and whom to trust.
#[derive(Clone, Debug)]
pub struct VerifyOptions {
    /// A ledger directory, or a home that has one.
    pub dir: PathBuf,
    /// File with the public key (PEM, SubjectPublicKeyInfo). Without one nothing but consistency can be said.
    pub key: Option<PathBuf>,
    /// Checkpoints remembered elsewhere, all of which the log must contain.
    pub checkpoints: Vec<PathBuf>,
    /// A checkpoint that an earlier verification reached: what lies in front of it is held to its root.
    pub since: Option<PathBuf>,
    /// The key of the payloads, which are then held against the entries.
    pub payload_key: Option<PathBuf>,
}

/// Why nothing could be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error("{0}: there is no ledger here; give the directory of a ledger or of a gate's home")]
    NoLedger(PathBuf),
    #[error("{path} is not the key that it should be: {why}")]
    Key { path: PathBuf, why: String },
    #[error("{path} is no bundle: {why}")]
    Bundle { path: PathBuf, why: String },
    #[error("{0}")]
    Ledger(String),
}

/// Reads the whole ledger and checks signatures, order, tree and meaning.
///
/// # Errors
/// [`VerifyError`] if there is nothing to check or no usable key; what is wrong with a ledger is in the report.
pub fn run(options: &VerifyOptions, progress: &(dyn Fn(Progress) + Sync)) -> Result<Report, VerifyError> {
    let dir = ledger_dir(&options.dir)?;
    let trust = match &options.key {
        Some(path) => Trust::Key(public_key(path)?),
        None => Trust::SelfConsistent,
    };
    let since = options.since.as_deref();
    let payload_key = options.payload_key.as_deref().map(read_secret).transpose()?;
    let payload_key = payload_key.as_deref();
    let remembered = &options.checkpoints;
    let request = Request { dir: &dir, trust, remembered, since, payload_key, progress };
    verify(&request).map_err(|error| VerifyError::Ledger(error.to_string()))
}

fn read_secret(path: &Path) -> Result<Zeroizing<[u8; 32]>, VerifyError> {
    let error = |why: String| VerifyError::Key { path: path.to_owned(), why };
    let bytes = Zeroizing::new(std::fs::read(path).map_err(|e| error(e.to_string()))?);
    let mut key = Zeroizing::new([0; 32]);
    if bytes.len() != key.len() {
        return Err(error("expected 32 bytes".into()));
    }
    key.copy_from_slice(&bytes);
    Ok(key)
}

/// Checks a bundle by itself.
///
/// # Errors
/// [`VerifyError`] if the file or the key cannot be read; what does not hold is in the inner result.
pub fn bundle(file: &Path, key: &Path) -> Result<Result<Proved, BundleError>, VerifyError> {
    let io = |error: std::io::Error| VerifyError::Bundle { path: file.to_owned(), why: error.to_string() };
    let bytes = std::fs::read(file).map_err(io)?;
    let bundle: Bundle = serde_json::from_slice(&bytes)
        .map_err(|error| VerifyError::Bundle { path: file.to_owned(), why: error.to_string() })?;
    latchgate_wire::jws::install_crypto();
    Ok(bundle.prove(&public_key(key)?))
}

fn ledger_dir(dir: &Path) -> Result<PathBuf, VerifyError> {
    let candidates = [dir.to_owned(), dir.join("ledger"), dir.join("state/ledger")];
    candidates
        .into_iter()
        .find(|candidate| candidate.join("log").is_dir())
        .ok_or_else(|| VerifyError::NoLedger(dir.to_owned()))
}

/// Reads a public key.
///
/// # Errors
/// If the file is none.
pub fn public_key(path: &Path) -> Result<VerifyingKey, VerifyError> {
    let error = |why: String| VerifyError::Key { path: path.to_owned(), why };
    let pem = std::fs::read_to_string(path).map_err(|e| error(e.to_string()))?;
    VerifyingKey::from_public_key_pem(&pem).map_err(|e| error(e.to_string()))
}
