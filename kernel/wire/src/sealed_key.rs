//! A private P-256 key under a passphrase: PKCS#8 `ENCRYPTED PRIVATE KEY` as PEM (RFC 5958 section 3).
//!
//! The passphrase is stretched by scrypt (RFC 7914) with N = 2^17, r = 8, p = 1, which takes 128 MiB, and encrypts
//! with AES-256-CBC (PBES2, RFC 8018 section 6.2). There is no authentication tag: what another passphrase opens is no
//! key, or not the key that somebody expects.

use p256::pkcs8::spki::der::SecretDocument;
use p256::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, LineEnding, PrivateKeyInfoRef};
use pkcs8::pkcs5::pbes2::{EncryptionScheme, Kdf, Parameters, Salt, ScryptParams};
use zeroize::Zeroizing;

use crate::es256::SigningKey;

const LABEL: &str = "ENCRYPTED PRIVATE KEY";
const BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";

/// What it costs to try one passphrase.
const COST: u64 = 1 << 17;
const BLOCK_SIZE: u16 = 8;
const PARALLELISM: u16 = 1;

/// Why a key could not be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error("expected the passphrase that the key was protected with")]
    Passphrase,
    #[error("the key could not be encrypted")]
    Sealing,
}

/// Whether a PEM file holds a key that takes a passphrase to open.
pub fn is_sealed(pem: &str) -> bool {
    pem.trim_start().starts_with(BEGIN)
}

/// PEM with `\n` line ends. `entropy`: 32 bytes from a cryptographic source, used for nothing else.
///
/// # Errors
/// [`SealError::Sealing`] if the encoder fails.
pub fn seal(key: &SigningKey, passphrase: &str, entropy: &[u8; 32]) -> Result<Zeroizing<String>, SealError> {
    let sealed = encrypted(key, passphrase, entropy).ok_or(SealError::Sealing)?;
    sealed.to_pem(LABEL, LineEnding::LF).map_err(|_| SealError::Sealing)
}

/// # Errors
/// [`SealError::Passphrase`] for another passphrase, and for what is no such key.
pub fn open(pem: &str, passphrase: &str) -> Result<SigningKey, SealError> {
    p256::ecdsa::SigningKey::from_pkcs8_encrypted_pem(pem, passphrase)
        .map(SigningKey::from)
        .map_err(|_| SealError::Passphrase)
}

fn encrypted(key: &SigningKey, passphrase: &str, entropy: &[u8; 32]) -> Option<SecretDocument> {
    let (salt, iv) = entropy.split_first_chunk::<16>()?;
    let kdf = Kdf::Scrypt(ScryptParams {
        salt: Salt::new(salt).ok()?,
        cost_parameter: COST,
        block_size: BLOCK_SIZE,
        parallelization: PARALLELISM,
        key_length: None,
    });
    let iv = <[u8; 16]>::try_from(iv).ok()?;
    let parameters = Parameters { kdf, encryption: EncryptionScheme::Aes256Cbc { iv } };
    let plain = p256::ecdsa::SigningKey::from(key).to_pkcs8_der().ok()?;
    let plain = PrivateKeyInfoRef::try_from(plain.as_bytes()).ok()?;
    plain.encrypt_with_params(parameters, passphrase).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each opening takes a while, as it must.
    #[test]
    fn a_sealed_key_opens_with_its_passphrase_and_no_other() {
        let key = SigningKey::from_entropy(&[7; 32]).unwrap();
        let pem = seal(&key, "correct horse", &[9; 32]).unwrap();
        assert!(is_sealed(&pem));
        assert!(SigningKey::from_pkcs8_pem(&pem).is_err(), "it is no plain key");
        assert_eq!(open(&pem, "correct horse").unwrap().verifying_key(), key.verifying_key());
        assert_eq!(open(&pem, "correct horsf").err(), Some(SealError::Passphrase));
        assert_eq!(open("nothing", "correct horse").err(), Some(SealError::Passphrase));
    }

    #[test]
    fn a_plain_key_is_not_sealed() {
        let pem = SigningKey::from_entropy(&[7; 32]).unwrap().to_pkcs8_pem().unwrap();
        assert!(!is_sealed(&pem));
    }
}
