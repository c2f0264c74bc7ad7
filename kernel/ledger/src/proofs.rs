//! Proofs of possession that entries carry: each works once, across restarts.

use std::collections::{HashSet, VecDeque};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use latchgate_monitor::proofs::{Mark, UsedProof};
use latchgate_wire::entry::{Body, Entry};
use latchgate_wire::receipt::ProofId;
use latchgate_wire::time::Timestamp;

/// A proof is taken up to 60 s after and 5 s before its time; an entry follows its proof.
const WINDOW_MS: i64 = 65_000;

/// The proofs of a log's last 65 seconds, in order: what the start that follows must know.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecentProofs(VecDeque<(Timestamp, UsedProof)>);

impl RecentProofs {
    /// Takes in the proof of an entry, if it has one.
    pub fn push(&mut self, entry: &Entry) {
        self.forget_before(entry.time);
        if let Some(proof) = of(&entry.body) {
            self.0.push_back((entry.time, UsedProof::of(proof)));
        }
    }

    pub fn proofs(&self) -> impl Iterator<Item = UsedProof> {
        self.0.iter().map(|(_, proof)| *proof)
    }

    /// All of it as text, each with the time of its entry.
    pub fn kept(&self) -> String {
        let bytes = self.0.iter().flat_map(|(at, UsedProof { mark, iat })| {
            let times = [at.as_ms().to_be_bytes(), iat.to_be_bytes()];
            times.into_iter().flatten().chain(mark.0)
        });
        BASE64.encode(bytes.collect::<Vec<u8>>())
    }

    /// Takes up what [`Self::kept`] gave; `None` if it is not that.
    pub fn restore(kept: &str) -> Option<Self> {
        let bytes = BASE64.decode(kept).ok()?;
        let (proofs, rest) = bytes.as_chunks::<32>();
        let read = |proof: &[u8; 32]| {
            let (at, proof) = proof.split_first_chunk::<8>()?;
            let (iat, mark) = proof.split_first_chunk::<8>()?;
            let used = UsedProof { mark: Mark(mark.try_into().ok()?), iat: i64::from_be_bytes(*iat) };
            Some((Timestamp::from_ms(i64::from_be_bytes(*at)), used))
        };
        let proofs = proofs.iter().map(read).collect::<Option<_>>()?;
        rest.is_empty().then_some(Self(proofs))
    }

    fn forget_before(&mut self, now: Timestamp) -> Vec<Mark> {
        let old = self.0.iter().take_while(|(at, _)| now.since(*at) > WINDOW_MS).count();
        self.0.drain(..old).map(|(_, proof)| proof.mark).collect()
    }
}

/// The same for whoever checks a log: no proof may be there twice.
#[derive(Clone, Debug, Default)]
pub struct ProofWindow {
    recent: RecentProofs,
    marks: HashSet<Mark>,
}

impl ProofWindow {
    /// Takes in the proof of an entry, if it has one; `false` if a proof within the window has the same key and id.
    pub fn push(&mut self, entry: &Entry) -> bool {
        for mark in self.recent.forget_before(entry.time) {
            self.marks.remove(&mark);
        }
        let Some(proof) = of(&entry.body) else { return true };
        let is_new = self.marks.insert(UsedProof::of(proof).mark);
        if is_new {
            self.recent.push(entry);
        }
        is_new
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
        Body::SecretsChanged(changed) => changed.proof.as_ref(),
        Body::CallIntent(intent) => intent.call.proof.as_ref(),
        Body::GateStarted(_)
        | Body::GateRecovered(_)
        | Body::GateStopped(_)
        | Body::JailStarted(_)
        | Body::JailConnected(_)
        | Body::JailEnded(_)
        | Body::ApprovalDecided(_)
        | Body::StandingRevoked(_)
        | Body::OperatorsChanged(_)
        | Body::AgentsChanged(_)
        | Body::CallOutcome(_)
        | Body::CallsDelivered(_)
        | Body::KeyRotated(_)
        | Body::OutcomeResolved(_)
        | Body::PayloadsForgotten(_)
        | Body::NotifyChanged(_)
        | Body::NotifyDelivered(_)
        | Body::NotifyFailed(_)
        | Body::NotifyAsked(_)
        | Body::RefusalsCounted(_) => None,
    }
}
