//! Proofs of possession used within their life, by (jkt, jti): 60 s back and 5 s ahead (RFC 9449 section 11.1).
//!
//! A busy gate has hundreds of thousands of them, so each is kept as 16 bytes: its digest, cut. Two that were cut alike
//! would have the later one refused, never taken.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, PoisonError};

use latchgate_wire::digest::Digest;
use latchgate_wire::dpop;
use latchgate_wire::receipt::ProofId;
use latchgate_wire::time::Timestamp;

/// Proofs are forgotten in groups whose lives end within so many seconds of each other.
const GROUP_S: i64 = 8;

/// The proofs that were used and could still be taken.
#[derive(Default)]
pub struct ProofWindow(Mutex<Used>);

/// By the group of the last second at which a proof could be taken.
#[derive(Default)]
struct Used(BTreeMap<i64, HashSet<Mark>>);

/// A proof's key and id, digested to one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mark(pub [u8; 16]);

/// A proof that was used, as far as it must be known so as not to be taken again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsedProof {
    pub mark: Mark,
    /// When it was made, as it says, in Unix seconds.
    pub iat: i64,
}

impl ProofWindow {
    /// Marks a proof that the ledger knows as used.
    pub fn seed(&self, proof: UsedProof) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(proof);
    }

    /// True if the proof had not been used.
    #[must_use]
    pub fn burn(&self, proof: &ProofId, now: Timestamp) -> bool {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        used.forget_before(now.as_secs());
        used.insert(UsedProof::of(proof))
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.values().map(HashSet::len).sum()
    }
}

impl Used {
    /// A proof's time is its own claim: the same id under another time is the same proof, so every group is asked.
    fn insert(&mut self, UsedProof { mark, iat }: UsedProof) -> bool {
        if self.0.values().any(|group| group.contains(&mark)) {
            return false;
        }
        let last_s = iat.saturating_add(dpop::AGE_S_MAX);
        self.0.entry(last_s.div_euclid(GROUP_S)).or_default().insert(mark)
    }

    fn forget_before(&mut self, now_s: i64) {
        while self.0.first_key_value().is_some_and(|(group, _)| *group < now_s.div_euclid(GROUP_S)) {
            self.0.pop_first();
        }
    }
}

impl UsedProof {
    pub fn of(proof: &ProofId) -> Self {
        // A thumbprint has one length: no two pairs run together.
        let digest = Digest::concat(&[proof.jkt.as_bytes(), b"\n", proof.jti.as_bytes()]);
        let mut mark = [0; 16];
        mark.copy_from_slice(&digest.0[..16]);
        Self { mark: Mark(mark), iat: proof.iat }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof(jti: &str, iat: i64) -> ProofId {
        ProofId { jkt: "k".into(), jti: jti.into(), iat }
    }

    #[test]
    fn a_proof_burns_once() {
        let window = ProofWindow::default();
        let now = Timestamp::from_secs(1000);
        assert!(window.burn(&proof("a", 1000), now));
        assert!(!window.burn(&proof("a", 1000), now));
        assert!(window.burn(&proof("b", 1000), now));
    }

    #[test]
    fn a_proof_under_another_time_is_the_same_proof() {
        let window = ProofWindow::default();
        let now = Timestamp::from_secs(1000);
        assert!(window.burn(&proof("a", 950), now));
        assert!(!window.burn(&proof("a", 1004), now));
    }

    #[test]
    fn a_proof_is_remembered_as_long_as_it_could_be_taken() {
        let window = ProofWindow::default();
        assert!(window.burn(&proof("a", 1000), Timestamp::from_secs(1000)));
        assert!(!window.burn(&proof("a", 1000), Timestamp::from_secs(1000 + dpop::AGE_S_MAX)));
        assert!(window.burn(&proof("b", 1080), Timestamp::from_secs(1080)));
        assert_eq!(window.len(), 1, "only what can still be replayed is kept");
    }

    #[test]
    fn a_seeded_proof_is_used() {
        let window = ProofWindow::default();
        window.seed(UsedProof::of(&proof("a", 1000)));
        assert!(!window.burn(&proof("a", 1000), Timestamp::from_secs(1001)));
    }
}
