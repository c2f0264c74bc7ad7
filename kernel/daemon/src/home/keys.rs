//! The gate's keys: made at the first start, 0600, refused when others could read them.

use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey as EntryKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, EncodePublicKey as _};
use latchgate_monitor::ports::Entropy;
use latchgate_wire::es256::SigningKey;
use latchgate_wire::ids::TraceId;
use zeroize::Zeroizing;

use super::files::{FileError, create_private, private_dir, read_private, remove_private, replace_private};
use super::places::Places;

/// What the gate signs, seals and recognises with.
pub struct Keys {
    /// Signs entries and checkpoints.
    pub entry: EntryKey,
    /// What a change of keys that was cut short left; whether it is the key, the log says.
    pub next_entry: Option<EntryKey>,
    /// Signs leases.
    pub lease: SigningKey,
    /// Wraps the keys of payloads.
    pub payload: Zeroizing<[u8; 32]>,
    /// Makes request hashes this gate's own.
    pub request: Zeroizing<[u8; 32]>,
    /// Seals the compiled modules that are kept between starts.
    pub modules: Zeroizing<[u8; 32]>,
    /// Seals the ledger's state that is kept between starts.
    pub state: Zeroizing<[u8; 32]>,
    /// The log's name: `latchgate/` and a ULID.
    pub origin: String,
}

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{0} is not the key it should be; restore it from your backup")]
    Broken(String),
    #[error("{path} holds the key of {other}, too: give each name a key of its own", path = .path.display())]
    Shared { path: std::path::PathBuf, other: String },
}

impl Keys {
    /// Reads the keys, and makes those that are missing. An entry key is not made beside an existing ledger: its entries
    /// could not be checked any more.
    pub fn load(places: &Places, entropy: &impl Entropy, now_ms: u64) -> Result<Self, KeyError> {
        let dir = places.keys_dir();
        private_dir(&dir)?;
        let entry_path = dir.join("entry.key");
        if !entry_path.exists() && places.last_checkpoint().exists() {
            return Err(KeyError::Broken(entry_path.display().to_string()));
        }
        let entry = entry_key(&entry_path, entropy)?;
        let next_path = next_entry_path(places);
        let next_entry = if next_path.exists() { Some(entry_key(&next_path, entropy)?) } else { None };
        write_public(&places.entry_public_key(), &entry)?;
        Ok(Self {
            entry,
            next_entry,
            lease: signing_key(&dir.join("lease.key"), entropy)?,
            payload: secret(&dir.join("payload.key"), entropy)?,
            request: secret(&dir.join("request.key"), entropy)?,
            modules: secret(&dir.join("modules.key"), entropy)?,
            state: secret(&dir.join("state.key"), entropy)?,
            origin: origin(&dir.join("origin"), entropy, now_ms)?,
        })
    }
}

/// A P-256 key as PKCS#8 PEM.
pub fn signing_key(path: &Path, entropy: &impl Entropy) -> Result<SigningKey, KeyError> {
    let broken = || KeyError::Broken(path.display().to_string());
    if path.exists() {
        let pem = Zeroizing::new(read_private(path)?);
        let pem = std::str::from_utf8(&pem).map_err(|_| broken())?;
        return SigningKey::from_pkcs8_pem(pem).map_err(|_| broken());
    }
    let key = loop {
        let mut bytes = Zeroizing::new([0; 32]);
        entropy.fill(bytes.as_mut());
        // All but 2^-32 of all byte strings are scalars of the curve.
        if let Ok(key) = SigningKey::from_entropy(&bytes) {
            break key;
        }
    };
    create_private(path, key.to_pkcs8_pem().map_err(|_| broken())?.as_bytes())?;
    Ok(key)
}

fn entry_key(path: &Path, entropy: &impl Entropy) -> Result<EntryKey, KeyError> {
    let broken = || KeyError::Broken(path.display().to_string());
    if path.exists() {
        let pem = Zeroizing::new(read_private(path)?);
        let pem = std::str::from_utf8(&pem).map_err(|_| broken())?;
        return EntryKey::from_pkcs8_pem(pem).map_err(|_| broken());
    }
    let mut seed = Zeroizing::new([0; 32]);
    entropy.fill(seed.as_mut());
    let key = EntryKey::from_bytes(&seed);
    create_private(path, key.to_pkcs8_pem(LineEnding::LF).map_err(|_| broken())?.as_bytes())?;
    Ok(key)
}

/// The key that cosigns other gates' checkpoints: its own, since these signatures do not say by whom they are.
pub fn witness_key(places: &Places, entropy: &impl Entropy) -> Result<EntryKey, KeyError> {
    private_dir(&places.keys_dir())?;
    entry_key(&places.keys_dir().join("witness.key"), entropy)
}

/// Where the key lies that is to be the next.
fn next_entry_path(places: &Places) -> PathBuf {
    places.keys_dir().join("entry.next.key")
}

/// Makes the key durable before anything says that it is one.
pub fn keep_next(places: &Places, key: &EntryKey) -> Result<(), KeyError> {
    let path = next_entry_path(places);
    let pem = key.to_pkcs8_pem(LineEnding::LF).map_err(|_| KeyError::Broken(path.display().to_string()))?;
    Ok(replace_private(&path, pem.as_bytes())?)
}

/// The log has gone over to it: it takes the old one's place, which is gone with that.
pub fn install_next(places: &Places, key: &EntryKey) -> Result<(), KeyError> {
    let path = places.keys_dir().join("entry.key");
    let pem = key.to_pkcs8_pem(LineEnding::LF).map_err(|_| KeyError::Broken(path.display().to_string()))?;
    replace_private(&path, pem.as_bytes())?;
    let public = places.entry_public_key();
    let pem = key.verifying_key().to_public_key_pem(LineEnding::LF);
    let pem = pem.map_err(|_| KeyError::Broken(public.display().to_string()))?;
    replace_private(&public, pem.as_bytes())?;
    drop_next(places)
}

/// It did not become the key.
pub fn drop_next(places: &Places) -> Result<(), KeyError> {
    Ok(remove_private(&next_entry_path(places))?)
}

fn write_public(path: &Path, key: &EntryKey) -> Result<(), KeyError> {
    if path.exists() {
        return Ok(());
    }
    let pem = key.verifying_key().to_public_key_pem(LineEnding::LF);
    let pem = pem.map_err(|_| KeyError::Broken(path.display().to_string()))?;
    Ok(create_private(path, pem.as_bytes())?)
}

fn secret(path: &Path, entropy: &impl Entropy) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let mut bytes = Zeroizing::new([0; 32]);
    if path.exists() {
        let read = Zeroizing::new(read_private(path)?);
        if read.len() != 32 {
            return Err(KeyError::Broken(path.display().to_string()));
        }
        bytes.copy_from_slice(&read);
        return Ok(bytes);
    }
    entropy.fill(bytes.as_mut());
    create_private(path, bytes.as_ref())?;
    Ok(bytes)
}

fn origin(path: &Path, entropy: &impl Entropy, now_ms: u64) -> Result<String, KeyError> {
    if path.exists() {
        let text = String::from_utf8(read_private(path)?);
        return match text.as_deref().map(str::trim) {
            Ok(name) if !name.is_empty() && !name.contains([' ', '+', '\n']) => Ok(name.to_owned()),
            _ => Err(KeyError::Broken(path.display().to_string())),
        };
    }
    let id = TraceId::new(now_ms, entropy.u128()).to_string();
    let name = format!("latchgate/{}", id.trim_start_matches(TraceId::PREFIX));
    create_private(path, format!("{name}\n").as_bytes())?;
    Ok(name)
}
