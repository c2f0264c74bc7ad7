//! Where the values of secrets come from: a port, asked by name when a request is about to be written and at no other time.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use zeroize::Zeroizing;

/// Gives the value of a secret for one request. The daemon implements it over `secrets.age`; values that the gate keeps
/// fresh itself (OAuth 2) may be fetched meanwhile, which is why it is asynchronous.
pub trait Vault: Send + Sync {
    /// The value of the secret `name` as it is now.
    fn secret<'a>(
        &'a self,
        name: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Secret, VaultError>> + Send + 'a>>;
}

/// A value that is wiped when dropped and that nothing prints.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes of a value.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, to be written to the wire or searched for in what comes back.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Why there is no value. Names the secret and the remedy, never a value.
#[derive(Debug, Clone, thiserror::Error)]
pub enum VaultError {
    /// No such secret has been set.
    #[error("secret {0} is not set: latchgate secrets set {0}")]
    Missing(String),
    /// It is set and cannot be had now (a store that is locked, a token endpoint that refuses).
    #[error("secret {name} cannot be had: {reason}")]
    Unavailable {
        /// Its name.
        name: String,
        /// What stands in the way, and what mends it.
        reason: String,
    },
}
