//! Where the values of secrets come from: a port, asked by name when a request is about to be written and at no other time.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

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
pub struct Secret {
    bytes: Zeroizing<Vec<u8>>,
    /// None: whatever the manifest says.
    hosts: Option<Arc<[String]>>,
}

impl Secret {
    /// Takes the bytes of a value.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes: Zeroizing::new(bytes), hosts: None }
    }

    /// The same value for these hosts alone, lower case and without port, as the operator bound it; for any that a manifest
    /// names if there are none.
    #[must_use]
    pub fn bound_to(self, hosts: impl IntoIterator<Item = String>) -> Self {
        let hosts: Arc<[String]> = hosts.into_iter().collect();
        Self { hosts: (!hosts.is_empty()).then_some(hosts), ..self }
    }

    /// Whether the operator lets it go to this host. To be asked beside the manifest's own rule, before it is written.
    #[must_use]
    pub fn is_for(&self, host: &str) -> bool {
        self.hosts.as_ref().is_none_or(|hosts| hosts.iter().any(|bound| bound.eq_ignore_ascii_case(host)))
    }

    /// The bytes, to be written to the wire or searched for in what comes back.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Why there is no value. Names the secret and the remedy, never a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_value_is_for_its_hosts_alone_and_an_unbound_one_for_any() {
        let bound = Secret::new(b"value".to_vec()).bound_to(["api.example".to_owned()]);
        assert!(bound.is_for("api.example") && bound.is_for("API.example"));
        assert!(!bound.is_for("api.example.evil.test") && !bound.is_for("evil.test"));
        assert!(Secret::new(b"value".to_vec()).bound_to([]).is_for("evil.test"));
    }

    #[test]
    fn its_debug_form_shows_nothing_of_it() {
        assert_eq!(format!("{:?}", Secret::new(b"value".to_vec())), "Secret(..)");
    }
}
