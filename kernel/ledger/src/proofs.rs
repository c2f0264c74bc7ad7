//! Proofs of possession that entries carry: each works once, across restarts.

use std::collections::{HashSet, VecDeque};

use latchgate_wire::entry::{Body, Entry};
use latchgate_wire::receipt::ProofId;
use latchgate_wire::time::Timestamp;

/// A proof is taken up to 60 s after and 5 s before its time; an entry follows its proof.
const WINDOW_MS: i64 = 65_000;

/// The proofs of a log's last 65 seconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProofWindow {
    in_order: VecDeque<(Timestamp, (String, String), ProofId)>,
    ids: HashSet<(String, String)>,
}

impl ProofWindow {
    /// Takes in the proof of an entry, if it has one; `false` if a proof within the window has the same key and id.
    pub fn push(&mut self, entry: &Entry) -> bool {
        while self.in_order.front().is_some_and(|(at, ..)| entry.time.since(*at) > WINDOW_MS) {
            if let Some((_, id, _)) = self.in_order.pop_front() {
                self.ids.remove(&id);
            }
        }
        let Some(proof) = of(&entry.body) else { return true };
        let id = (proof.jkt.clone(), proof.jti.clone());
        let is_new = self.ids.insert(id.clone());
        if is_new {
            self.in_order.push_back((entry.time, id, proof.clone()));
        }
        is_new
    }

    pub fn proofs(&self) -> impl Iterator<Item = &ProofId> {
        self.in_order.iter().map(|(_, _, proof)| proof)
    }

    /// With the time of the entry that each is from, in order, to be kept.
    pub fn kept(&self) -> Vec<(Timestamp, ProofId)> {
        self.in_order.iter().map(|(at, _, proof)| (*at, proof.clone())).collect()
    }

    /// Takes up what [`Self::kept`] gave.
    pub fn restore(kept: Vec<(Timestamp, ProofId)>) -> Self {
        let mut window = Self::default();
        for (at, proof) in kept {
            let id = (proof.jkt.clone(), proof.jti.clone());
            window.ids.insert(id.clone());
            window.in_order.push_back((at, id, proof));
        }
        window
    }
}

/// The proof that the entry used up. The refusal of a replay names a proof without using it.
fn of(body: &Body) -> Option<&ProofId> {
    match body {
        Body::LeaseIssued(issued) => issued.proof.as_ref(),
        Body::CallDenied(denied) if denied.error == "replay_detected" => None,
        Body::CallDenied(denied) => denied.proof.as_ref(),
        Body::CallHeld(held) => held.call.proof.as_ref(),
        Body::ConfigChanged(config) => config.allowance.as_ref().map(|change| &change.proof),
        Body::LeaseRevoked(revoked) => revoked.proof.as_ref(),
        Body::ClockAccepted(accepted) => accepted.proof.as_ref(),
        Body::CallIntent(intent) => intent.call.proof.as_ref(),
        Body::GateStarted(_)
        | Body::GateRecovered(_)
        | Body::GateStopped(_)
        | Body::ApprovalDecided(_)
        | Body::StandingRevoked(_)
        | Body::OperatorsChanged(_)
        | Body::AgentsChanged(_)
        | Body::CallOutcome(_)
        | Body::CallsDelivered(_)
        | Body::KeyRotated(_)
        | Body::OutcomeResolved(_)
        | Body::PayloadsForgotten(_)
        | Body::RefusalsCounted(_) => None,
    }
}
