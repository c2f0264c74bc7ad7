//! The key that opens the store: an age identity in a private file, as it is or under a passphrase.
//!
//! Both forms are what the age tools read: `age -d -i keys/secrets.identity secrets.age`. The store itself is encrypted to the
//! identity's recipient in either case, so that replacing it takes neither passphrase nor its cost.

use std::io::Read as _;
use std::path::Path;

use age::secrecy::{ExposeSecret as _, SecretString};
use age::x25519::Identity;
use zeroize::Zeroizing;

use super::store::SecretsError;
use crate::home::files::{create_private, read_private, replace_private};
use crate::home::places::Places;

/// First bytes of an age file (C2SP age): an identity that begins so is under a passphrase.
const SEALED: &[u8] = b"age-encryption.org/v1";
/// 2^17 rounds of scrypt (OWASP: Password Storage): half a second once for each start.
const LOG_ROUNDS: u8 = 17;
/// What is accepted of a file that the age tools made: four times their usual cost.
const LOG_ROUNDS_MAX: u8 = 20;

/// How the identity lies on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// There is none yet.
    Absent,
    /// By its file's mode alone.
    File,
    Passphrase,
}

/// # Errors
/// A file that others could read, or that is none.
pub fn protection(places: &Places) -> Result<Protection, SecretsError> {
    let path = places.secrets_identity();
    if std::fs::symlink_metadata(&path).is_err() {
        return Ok(Protection::Absent);
    }
    let bytes = Zeroizing::new(read_private(&path)?);
    Ok(if bytes.starts_with(SEALED) { Protection::Passphrase } else { Protection::File })
}

/// Makes an identity where there is none.
///
/// # Errors
/// If there is one.
pub fn make(places: &Places, passphrase: Option<&str>) -> Result<Identity, SecretsError> {
    let identity = Identity::generate();
    create_private(&places.secrets_identity(), &written(&identity, passphrase)?)?;
    Ok(identity)
}

/// Puts an identity under a passphrase, or under another one.
pub fn seal(places: &Places, identity: &Identity, passphrase: &str) -> Result<(), SecretsError> {
    Ok(replace_private(&places.secrets_identity(), &written(identity, Some(passphrase))?)?)
}

/// # Errors
/// A wrong passphrase or none, or what is no identity.
pub fn open(places: &Places, passphrase: Option<&str>) -> Result<Identity, SecretsError> {
    let path = places.secrets_identity();
    let bytes = Zeroizing::new(read_private(&path)?);
    if !bytes.starts_with(SEALED) {
        return parse(&path, &bytes);
    }
    let passphrase = passphrase.ok_or_else(|| SecretsError::Locked(path.clone()))?;
    let mut key = age::scrypt::Identity::new(SecretString::from(passphrase.to_owned()));
    key.set_max_work_factor(LOG_ROUNDS_MAX);
    let wrong = || SecretsError::Passphrase(path.clone());
    let opened =
        age::Decryptor::new_buffered(&bytes[..]).map_err(|_| SecretsError::NoIdentity(path.clone()))?;
    let mut reader = opened.decrypt(std::iter::once(&key as &dyn age::Identity)).map_err(|_| wrong())?;
    // Whole from the beginning: a buffer that grows leaves copies behind.
    let mut text = Zeroizing::new(Vec::with_capacity(bytes.len()));
    reader.read_to_end(&mut text).map_err(|_| wrong())?;
    parse(&path, &text)
}

/// The line that is an identity, among comments.
fn parse(path: &Path, bytes: &[u8]) -> Result<Identity, SecretsError> {
    let none = || SecretsError::NoIdentity(path.to_owned());
    let text = std::str::from_utf8(bytes).map_err(|_| none())?;
    let line = text.lines().find(|line| !line.is_empty() && !line.starts_with('#')).ok_or_else(none)?;
    line.trim().parse().map_err(|_| none())
}

fn written(identity: &Identity, passphrase: Option<&str>) -> Result<Zeroizing<Vec<u8>>, SecretsError> {
    let text = identity.to_string();
    let line = Zeroizing::new(format!("{}\n", text.expose_secret()).into_bytes());
    let Some(passphrase) = passphrase else { return Ok(line) };
    let mut recipient = age::scrypt::Recipient::new(SecretString::from(passphrase.to_owned()));
    recipient.set_work_factor(LOG_ROUNDS);
    let sealed = age::encrypt(&recipient, &line).map_err(|error| SecretsError::Fault(error.to_string()))?;
    Ok(Zeroizing::new(sealed))
}
