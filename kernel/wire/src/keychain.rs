//! The keys of one log, each from an entry on: every change is signed by the key that was and by the one that is to be.
//!
//! The new key signs `latchgate-key-v1\n<gate>\n<seq>\n<old key>\n<new key>\n`, where `seq` is that of the `key.rotated` entry and
//! keys are base64url; the old key signs the entry. The next entry, and checkpoints over more entries than `seq`, are the
//! new key's. So whoever trusts one key of a log can follow to all others, and nobody can join a key of their own to it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use crate::entry::{Body, Entry, KeyRotated, Signed};

/// Which key signs which entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keychain {
    /// Ascending by the first entry that the key signs; the first key signs from 0.
    keys: Vec<(u64, VerifyingKey)>,
}

/// Why a `key.rotated` changes no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RotationError {
    #[error("expected the key that signs here as the old one")]
    OldKey,
    #[error("the new key is no Ed25519 key")]
    NewKey,
    #[error("the new key did not sign that it takes over")]
    NotAccepted,
}

impl Keychain {
    /// Of a log whose first entry this key signed.
    pub fn of(first: VerifyingKey) -> Self {
        Self { keys: vec![(0, first)] }
    }

    /// What [`Self::keys`] gave; `None` if those are not the keys of one log, from its first entry on.
    pub fn restore(keys: Vec<(u64, VerifyingKey)>) -> Option<Self> {
        let is_whole = keys.first().is_some_and(|(from, _)| *from == 0);
        (is_whole && keys.is_sorted_by(|a, b| a.0 < b.0)).then_some(Self { keys })
    }

    /// The key that signs entry `seq`, and checkpoints over `seq` entries.
    pub fn at(&self, seq: u64) -> &VerifyingKey {
        let after = self.keys.partition_point(|(from, _)| *from <= seq);
        // Invariant: there is a key from 0 on.
        &self.keys[after.saturating_sub(1)].1
    }

    /// The key that signs now.
    pub fn last(&self) -> &VerifyingKey {
        self.at(u64::MAX)
    }

    pub fn contains(&self, key: &VerifyingKey) -> bool {
        self.keys.iter().any(|(_, known)| known == key)
    }

    /// Each key with the first entry that it signs.
    pub fn keys(&self) -> &[(u64, VerifyingKey)] {
        &self.keys
    }

    /// Takes in a verified entry. Only `key.rotated` changes anything; `true` if it did.
    ///
    /// # Errors
    /// [`RotationError`] if it does not change from the key that signs here to one that agreed.
    pub fn follow(&mut self, entry: &Entry) -> Result<bool, RotationError> {
        let Body::KeyRotated(rotated) = &entry.body else { return Ok(false) };
        if rotated.old_key != text(self.at(entry.seq)) {
            return Err(RotationError::OldKey);
        }
        let key = parse(&rotated.new_key).ok_or(RotationError::NewKey)?;
        let accepted = BASE64URL.decode(&rotated.accepted).ok();
        let accepted = accepted.and_then(|bytes| Signature::from_slice(&bytes).ok());
        let message = message(&entry.gate, entry.seq, &rotated.old_key, &rotated.new_key);
        let verified = accepted.is_some_and(|signature| key.verify_strict(&message, &signature).is_ok());
        if !verified {
            return Err(RotationError::NotAccepted);
        }
        self.keys.push((entry.seq.saturating_add(1), key));
        Ok(true)
    }
}

/// What the entry `seq` of `gate` says when `old` hands over to `new`.
pub fn rotation(gate: &str, seq: u64, old: &VerifyingKey, new: &SigningKey, signed: Signed) -> KeyRotated {
    let (old_key, new_key) = (text(old), text(&new.verifying_key()));
    let accepted = new.sign(&message(gate, seq, &old_key, &new_key));
    KeyRotated { old_key, new_key, accepted: BASE64URL.encode(accepted.to_bytes()), signed }
}

/// A public key as entries name it.
pub fn text(key: &VerifyingKey) -> String {
    BASE64URL.encode(key.as_bytes())
}

/// Reads what [`text`] writes.
pub fn parse(text: &str) -> Option<VerifyingKey> {
    let bytes: [u8; 32] = BASE64URL.decode(text).ok()?.try_into().ok()?;
    VerifyingKey::from_bytes(&bytes).ok()
}

fn message(gate: &str, seq: u64, old: &str, new: &str) -> Vec<u8> {
    format!("latchgate-key-v1\n{gate}\n{seq}\n{old}\n{new}\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::FORMAT;
    use crate::time::Timestamp;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn entry(seq: u64, rotated: KeyRotated) -> Entry {
        let time = Timestamp::from_ms(0);
        Entry { v: FORMAT, seq, time, gate: "g/1".into(), trace_id: None, body: Body::KeyRotated(rotated) }
    }

    fn signed() -> Signed {
        Signed { operator: "op".into(), jkt: "k".into(), body: "{}".into(), proof: "p".into() }
    }

    fn rotated(gate: &str, seq: u64, old: u8, new: u8) -> KeyRotated {
        rotation(gate, seq, &key(old).verifying_key(), &key(new), signed())
    }

    #[test]
    fn each_key_signs_from_the_entry_behind_its_rotation() {
        let mut chain = Keychain::of(key(1).verifying_key());
        assert_eq!(chain.follow(&entry(4, rotated("g/1", 4, 1, 2))), Ok(true));
        assert_eq!(chain.follow(&entry(9, rotated("g/1", 9, 2, 3))), Ok(true));
        for (seq, seed) in [(0, 1), (4, 1), (5, 2), (9, 2), (10, 3), (u64::MAX, 3)] {
            assert_eq!(chain.at(seq), &key(seed).verifying_key(), "{seq}");
        }
        assert_eq!(Keychain::restore(chain.keys().to_vec()), Some(chain.clone()));
        let without_first = chain.keys()[1..].to_vec();
        let backwards = chain.keys().iter().rev().copied().collect();
        for keys in [Vec::new(), without_first, backwards] {
            assert_eq!(Keychain::restore(keys), None);
        }
        assert!(chain.contains(&key(2).verifying_key()) && !chain.contains(&key(4).verifying_key()));
    }

    #[test]
    fn a_change_that_either_key_did_not_agree_to_changes_nothing() {
        let sound = rotated("g/1", 4, 1, 2);
        let cases = [
            (RotationError::OldKey, rotated("g/1", 4, 3, 2)),
            (RotationError::NewKey, KeyRotated { new_key: "x".into(), ..sound.clone() }),
            (RotationError::NotAccepted, KeyRotated { accepted: String::new(), ..sound.clone() }),
            (RotationError::NotAccepted, rotated("g/1", 5, 1, 2)),
            (RotationError::NotAccepted, rotated("g/2", 4, 1, 2)),
            (
                RotationError::NotAccepted,
                KeyRotated { accepted: rotated("g/1", 4, 1, 3).accepted, ..sound.clone() },
            ),
        ];
        for (error, rotated) in cases {
            let mut chain = Keychain::of(key(1).verifying_key());
            assert_eq!(chain.follow(&entry(4, rotated)), Err(error));
            assert_eq!(chain.last(), &key(1).verifying_key());
        }
    }
}
