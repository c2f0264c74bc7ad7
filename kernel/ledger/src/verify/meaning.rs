//! Whether the entries make sense one after the other, by the rules that the writer admitted them by.

use std::collections::HashSet;

use latchgate_wire::digest::Digest;
use latchgate_wire::entry::{Body, Entry};

use super::decision;
use crate::proofs::ProofWindow;
use crate::state::State;

/// Rule and message.
type Fault = (&'static str, String);

/// The fold over the entries so far, and what only verification asks.
pub struct Meaning {
    /// base64url.
    key: String,
    state: State,
    proofs: ProofWindow,
    /// Every policy that was ever in force.
    policies: HashSet<Digest>,
    started_at: u64,
}

impl Meaning {
    pub fn new(key: String) -> Self {
        Self {
            key,
            state: State::default(),
            proofs: ProofWindow::default(),
            policies: HashSet::new(),
            started_at: 0,
        }
    }

    /// What is wrong with the next entry.
    pub fn entry(&mut self, entry: &Entry) -> Vec<Fault> {
        let mut faults = Vec::new();
        if let Err(objection) = self.state.admit(&entry.body, entry.time) {
            faults.push(("meaning", format!("the gate's own rules do not admit it: {objection}")));
        }
        if !self.proofs.push(entry) {
            faults.push(("proof", "its proof of possession was used before".to_owned()));
        }
        faults.extend(self.body(entry));
        self.state.apply(entry);
        faults
    }

    fn body(&mut self, entry: &Entry) -> Option<Fault> {
        match &entry.body {
            Body::GateStarted(started) => {
                self.started_at = entry.seq;
                if started.entry_key != self.key {
                    return Some(("key", "it names another key than the one that it is checked with".into()));
                }
                let is_ahead = started.checkpoint_size.is_some_and(|size| size > entry.seq);
                is_ahead
                    .then(|| ("checkpoint", "it knew a checkpoint larger than the log in front of it".into()))
            }
            Body::ConfigChanged(config) => {
                self.policies.insert(config.policy_digest);
                None
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
            Body::CallIntent(_) => {
                let oldest = self.state.open_calls().next().map(|(seq, _)| seq);
                let left = oldest.filter(|seq| *seq < self.started_at)?;
                Some(("meaning", format!("intent {left} of an earlier run has no outcome")))
            }
            Body::GateRecovered(_)
            | Body::GateStopped(_)
            | Body::OperatorsChanged(_)
            | Body::AgentsChanged(_)
            | Body::LeaseIssued(_)
            | Body::LeaseRevoked(_)
            | Body::CallHeld(_)
            | Body::CallOutcome(_)
            | Body::CallsDelivered(_)
            | Body::ClockAccepted(_)
            | Body::RefusalsCounted(_) => None,
        }
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
