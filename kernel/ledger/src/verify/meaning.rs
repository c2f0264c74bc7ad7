//! Whether the entries make sense one after the other, by the rules that the writer admitted them by.

use std::collections::{HashMap, HashSet};

use ed25519_dalek::VerifyingKey;
use latchgate_wire::digest::Digest;
use latchgate_wire::entry::{Body, Entry, OutcomeResolved};
use latchgate_wire::ids::ReceiptId;
use latchgate_wire::keychain;
use latchgate_wire::receipt::EffectStatus;

use super::decision;
use crate::proofs::ProofWindow;
use crate::state::State;

/// Rule and message.
type Fault = (&'static str, String);

/// The fold over the entries so far, and what only verification asks.
#[derive(Default)]
pub struct Meaning {
    state: State,
    proofs: ProofWindow,
    /// Receipts of outcomes that are still unknown, by intent.
    unknown: HashMap<u64, ReceiptId>,
    /// Every policy that was ever in force.
    policies: HashSet<Digest>,
    started_at: u64,
}

impl Meaning {
    /// What the entries so far come to.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// What is wrong with the next entry, which that key signs.
    pub fn entry(&mut self, entry: &Entry, key: &VerifyingKey) -> Vec<Fault> {
        let mut faults = Vec::new();
        if let Err(objection) = self.state.admit(&entry.body, entry.time) {
            faults.push(("meaning", format!("the gate's own rules do not admit it: {objection}")));
        }
        if !self.proofs.push(entry) {
            faults.push(("proof", "its proof of possession was used before".to_owned()));
        }
        faults.extend(self.body(entry, key));
        self.state.apply(entry);
        faults
    }

    fn body(&mut self, entry: &Entry, key: &VerifyingKey) -> Option<Fault> {
        match &entry.body {
            Body::GateStarted(started) => {
                self.started_at = entry.seq;
                if started.entry_key != keychain::text(key) {
                    return Some(("key", "it names another key than the one that signs here".into()));
                }
                let is_ahead = started.checkpoint_size.is_some_and(|size| size > entry.seq);
                is_ahead
                    .then(|| ("checkpoint", "it knew a checkpoint larger than the log in front of it".into()))
            }
            Body::ConfigChanged(config) => {
                self.policies.insert(config.policy_digest);
                let change = config.allowance.as_ref()?;
                decision::check_allowance(change, entry.time).err().map(decision)
            }
            Body::CallDenied(denied) => {
                let policy = denied.policy.as_ref()?;
                let is_known = self.policies.contains(&policy.digest);
                (!is_known).then(|| ("policy", format!("policy {} was never in force before", policy.digest)))
            }
            Body::ApprovalDecided(decided) => {
                decision::check(decided, entry.time).err().map(|why| ("decision", why))
            }
            Body::StandingRevoked(revoked) => {
                decision::check_revocation(revoked, entry.time).err().map(|why| ("decision", why))
            }
            Body::KeyRotated(rotated) => {
                decision::check_request(&rotated.signed, "/ledger/rotate-key", entry.time).err().map(decision)
            }
            Body::OutcomeResolved(resolved) => self.resolved(resolved, entry),
            Body::PayloadsForgotten(forgotten) => {
                let signed = forgotten.signed.as_ref()?;
                decision::check_request(signed, "/ledger/forget", entry.time).err().map(decision)
            }
            Body::CallOutcome(receipt) => {
                if receipt.effect() == EffectStatus::Unknown {
                    self.unknown.insert(receipt.intent_seq, receipt.receipt_id);
                }
                None
            }
            Body::CallIntent(_) => {
                let oldest = self.state.open_calls().next().map(|(seq, _)| seq);
                let left = oldest.filter(|seq| *seq < self.started_at)?;
                Some(("meaning", format!("intent {left} of an earlier run has no outcome")))
            }
            Body::NotifyAsked(asked) => {
                let route = format!("/notify/{}/{}", asked.receiver, asked.ask.as_str());
                decision::check_request(&asked.signed, &route, entry.time).err().map(decision)
            }
            Body::GateRecovered(_)
            | Body::NotifyChanged(_)
            | Body::NotifyDelivered(_)
            | Body::NotifyFailed(_)
            | Body::GateStopped(_)
            | Body::JailStarted(_)
            | Body::JailConnected(_)
            | Body::JailEnded(_)
            | Body::OperatorsChanged(_)
            | Body::AgentsChanged(_)
            | Body::SecretsChanged(_)
            | Body::LeaseIssued(_)
            | Body::LeaseRevoked(_)
            | Body::CallHeld(_)
            | Body::CallsDelivered(_)
            | Body::ClockAccepted(_)
            | Body::RefusalsCounted(_) => None,
        }
    }

    /// It names the receipt that is unknown, and says what the operator signed.
    fn resolved(&mut self, resolved: &OutcomeResolved, entry: &Entry) -> Option<Fault> {
        if self.unknown.remove(&resolved.intent_seq) != Some(resolved.receipt_id) {
            return Some(("meaning", "it names no receipt that is unknown here".into()));
        }
        decision::check_resolution(resolved, entry.time).err().map(decision)
    }

    pub fn notes(&self) -> Vec<String> {
        match self.state.open_len() {
            0 => Vec::new(),
            open => {
                vec![format!("{open} intents have no outcome yet: calls under way, or cut short by a crash")]
            }
        }
    }
}

fn decision(why: String) -> Fault {
    ("decision", why)
}
