//! The private keys of a running log: the one that signs, and the one before it for what is signed late.

use std::sync::{PoisonError, RwLock};

use ed25519_dalek::SigningKey;

/// Shared by the writer, which changes them, and the checkpoint thread.
pub struct Signers(RwLock<Vec<(u64, SigningKey)>>);

impl Signers {
    pub fn new(key: SigningKey) -> Self {
        Self(RwLock::new(vec![(0, key)]))
    }

    /// The key for entry `seq` and for checkpoints over `seq` entries; `None` if there was never one.
    pub fn at(&self, seq: u64) -> Option<SigningKey> {
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        keys.iter().rev().find(|(from, _)| *from <= seq).map(|(_, key)| key.clone())
    }

    /// From entry `seq` on this key signs: to be said before anybody sees the entry in front.
    pub fn change(&self, seq: u64, key: SigningKey) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push((seq, key));
    }

    /// The entry that was to change the key was not accepted.
    pub fn change_back(&self, seq: u64) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).retain(|(from, _)| *from != seq);
    }
}
