//! Calls from intent to delivery, and what makes a repeated call the same call (contract: Once).
//!
//! Outcomes are kept by their place in the log, not by value: few are ever asked for again.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use latchgate_monitor::shared;
use latchgate_wire::digest::Digest;
use latchgate_wire::entry::{Call, CallHeld, CallIntent, Entry, OutcomeResolved, Resolution};
use latchgate_wire::ids::{ApprovalId, TraceId};
use latchgate_wire::principal::Principal;
use latchgate_wire::receipt::{EffectStatus, Receipt, ResultKind};
use latchgate_wire::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::MEMORY_MS;

/// Where an earlier identical call stands; outcomes by `seq` of their entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The idempotency key belongs to another request.
    Mismatch,
    Held {
        approval_id: ApprovalId,
        request_hash: Digest,
        expires_at: Timestamp,
    },
    Running {
        intent_seq: u64,
    },
    Finished {
        seq: u64,
    },
    Unknown {
        seq: u64,
    },
}

/// A held call that a decision or an execution can still come to: its request hash and when it expires.
pub type Waiting = (Digest, Timestamp);

/// An intent whose outcome is still to come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenCall {
    #[serde(with = "shared")]
    pub intent: Arc<CallIntent>,
    pub time: Timestamp,
    pub trace_id: Option<TraceId>,
}

/// Principal, action and request hash, digested to one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RequestId(Digest);

/// Principal, action and idempotency key, digested to one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct KeyId(Digest);

impl RequestId {
    pub fn of(principal: &Principal, action_id: &str, request_hash: &Digest) -> Self {
        // The hash has one length, principals contain no line break: no two triples run together.
        let principal = principal.to_string();
        Self(Digest::concat(&[&request_hash.0, principal.as_bytes(), b"\n", action_id.as_bytes()]))
    }
}

impl KeyId {
    pub fn of(principal: &Principal, action_id: &str, key: &str) -> Self {
        let principal = principal.to_string();
        let length = (action_id.len() as u64).to_be_bytes();
        Self(Digest::concat(&[principal.as_bytes(), b"\n", &length, action_id.as_bytes(), key.as_bytes()]))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum CallRef {
    Held(ApprovalId),
    Intent(u64),
}

/// An idempotency key and the call that it names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keyed {
    request_hash: Digest,
    call: CallRef,
    at: Timestamp,
}

/// An outcome that somebody may still ask for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Done {
    seq: u64,
    at: Timestamp,
    request: RequestId,
    fate: Fate,
    /// Named by a key or an approval, so asked for by that name even when delivered.
    is_named: bool,
    /// What an operator found out, where it was unknown.
    resolution: Option<Resolution>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Fate {
    /// Something was done, or the call succeeded without effect: the answer stands.
    Answered,
    /// It failed and did nothing: it may be tried again.
    Harmless,
    /// It may have happened: it stays in the way of its like until somebody resolves it.
    Unknown,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calls {
    open: BTreeMap<u64, OpenCall>,
    done: HashMap<u64, Done>,
    by_request: HashMap<RequestId, CallRef>,
    by_key: HashMap<KeyId, Keyed>,
}

impl Calls {
    pub fn open(&self) -> impl Iterator<Item = (u64, &OpenCall)> {
        self.open.iter().map(|(seq, open)| (*seq, open))
    }

    pub fn open_len(&self) -> usize {
        self.open.len()
    }

    pub fn is_open(&self, intent_seq: u64) -> bool {
        self.open.contains_key(&intent_seq)
    }

    pub fn opened(&self, intent_seq: u64) -> Option<&OpenCall> {
        self.open.get(&intent_seq)
    }

    /// Running, or ended in a way that still has to be resolved.
    pub fn is_unsettled(&self, intent_seq: u64) -> bool {
        self.is_open(intent_seq) || self.is_unknown(intent_seq)
    }

    pub fn outcome_seq(&self, intent_seq: u64) -> Option<u64> {
        self.done.get(&intent_seq).map(|done| done.seq)
    }

    /// Where the outcomes lie that are still unknown.
    pub fn unknown(&self) -> impl Iterator<Item = u64> {
        self.done.values().filter(|done| done.fate == Fate::Unknown).map(|done| done.seq)
    }

    pub fn is_unknown(&self, intent_seq: u64) -> bool {
        self.done.get(&intent_seq).is_some_and(|done| done.fate == Fate::Unknown)
    }

    pub fn resolution(&self, intent_seq: u64) -> Option<Resolution> {
        self.done.get(&intent_seq)?.resolution
    }

    /// Somebody looked. What was not done may be tried again at once; what was done is answered so, once more.
    pub fn resolved(&mut self, resolved: &OutcomeResolved, now: Timestamp) {
        let Some(done) = self.done.get_mut(&resolved.intent_seq) else { return };
        if done.fate != Fate::Unknown {
            return;
        }
        done.resolution = Some(resolved.resolution);
        done.at = now;
        match resolved.resolution {
            Resolution::Done => done.fate = Fate::Answered,
            Resolution::NotDone => {
                done.fate = Fate::Harmless;
                let request = done.request;
                self.unjoin(request, resolved.intent_seq);
            }
        }
    }

    /// `held` says of a held call whether it still waits.
    pub fn by_key(
        &self,
        key: &KeyId,
        request_hash: &Digest,
        now: Timestamp,
        held: impl Fn(ApprovalId) -> Option<Waiting>,
    ) -> Option<Standing> {
        let keyed = self.by_key.get(key)?;
        if !self.is_remembered(keyed, now, &held) {
            return None;
        }
        if keyed.request_hash != *request_hash {
            return Some(Standing::Mismatch);
        }
        self.standing(keyed.call, now, &held)
    }

    pub fn by_request(
        &self,
        request: &RequestId,
        now: Timestamp,
        held: impl Fn(ApprovalId) -> Option<Waiting>,
    ) -> Option<Standing> {
        self.standing(*self.by_request.get(request)?, now, &held)
    }

    fn standing(
        &self,
        call: CallRef,
        now: Timestamp,
        held: &impl Fn(ApprovalId) -> Option<Waiting>,
    ) -> Option<Standing> {
        let intent_seq = match call {
            CallRef::Intent(seq) => seq,
            CallRef::Held(approval_id) => {
                let (request_hash, expires_at) = held(approval_id)?;
                return Some(Standing::Held { approval_id, request_hash, expires_at });
            }
        };
        if self.is_open(intent_seq) {
            return Some(Standing::Running { intent_seq });
        }
        let done = self.done.get(&intent_seq)?;
        match done.fate {
            Fate::Unknown => Some(Standing::Unknown { seq: done.seq }),
            Fate::Harmless => None,
            Fate::Answered if now.since(done.at) > MEMORY_MS => None,
            Fate::Answered => Some(Standing::Finished { seq: done.seq }),
        }
    }

    /// A key that was held and never executed (denied, expired, withdrawn) is free again at once, others after a day;
    /// one that was resolved a day after that.
    fn is_remembered(
        &self,
        keyed: &Keyed,
        now: Timestamp,
        held: &impl Fn(ApprovalId) -> Option<Waiting>,
    ) -> bool {
        match keyed.call {
            CallRef::Held(id) => held(id).is_some(),
            CallRef::Intent(seq) => {
                let is_answer = |done: &Done| done.resolution.is_some() && now.since(done.at) <= MEMORY_MS;
                now.since(keyed.at) <= MEMORY_MS
                    || self.is_unsettled(seq)
                    || self.done.get(&seq).is_some_and(is_answer)
            }
        }
    }

    pub fn held(&mut self, held: &CallHeld, now: Timestamp) {
        self.identify(&held.call, CallRef::Held(held.approval_id), now);
    }

    pub fn intent(&mut self, intent: &CallIntent, entry: &Entry) {
        self.identify(&intent.call, CallRef::Intent(entry.seq), entry.time);
        let open = OpenCall { intent: Arc::new(intent.clone()), time: entry.time, trace_id: entry.trace_id };
        self.open.insert(entry.seq, open);
    }

    fn identify(&mut self, call: &Call, is: CallRef, now: Timestamp) {
        let (principal, action) = (&call.who.principal, &call.action.id);
        if !call.is_read {
            self.by_request.insert(RequestId::of(principal, action, &call.request_hash), is);
        }
        if let Some(key) = &call.idempotency_key {
            let keyed = Keyed { request_hash: call.request_hash, call: is, at: now };
            self.by_key.insert(KeyId::of(principal, action, key), keyed);
        }
    }

    /// Closes the intent; `None` if it is not open.
    pub fn finished(&mut self, receipt: &Receipt, seq: u64, now: Timestamp) -> Option<OpenCall> {
        let open = self.open.remove(&receipt.intent_seq)?;
        let call = &open.intent.call;
        let done = Done {
            seq,
            at: now,
            request: RequestId::of(&call.who.principal, &call.action.id, &call.request_hash),
            fate: fate(receipt),
            is_named: call.idempotency_key.is_some() || open.intent.approval.is_some(),
            resolution: None,
        };
        let is_unknown_write = done.fate == Fate::Unknown && !call.is_read;
        let is_undelivered_write = done.fate == Fate::Answered && !call.is_read;
        if done.is_named || is_unknown_write || is_undelivered_write {
            self.done.insert(receipt.intent_seq, done);
        } else {
            self.unjoin(done.request, receipt.intent_seq);
        }
        Some(open)
    }

    pub fn delivered(&mut self, intents: &[u64]) {
        for intent_seq in intents {
            let Some(done) = self.done.get(intent_seq) else { continue };
            if done.fate == Fate::Unknown {
                continue;
            }
            let (request, is_named) = (done.request, done.is_named);
            self.unjoin(request, *intent_seq);
            if !is_named {
                self.done.remove(intent_seq);
            }
        }
    }

    /// Ends joining, unless another identical call has taken the place meanwhile.
    fn unjoin(&mut self, request: RequestId, intent_seq: u64) {
        if self.by_request.get(&request) == Some(&CallRef::Intent(intent_seq)) {
            self.by_request.remove(&request);
        }
    }

    pub fn sweep(&mut self, now: Timestamp, held: impl Fn(ApprovalId) -> Option<Waiting>) {
        self.done.retain(|_, done| done.fate == Fate::Unknown || now.since(done.at) <= MEMORY_MS);
        let mut by_request = std::mem::take(&mut self.by_request);
        by_request.retain(|_, call| self.standing(*call, now, &held).is_some());
        self.by_request = by_request;
        let mut by_key = std::mem::take(&mut self.by_key);
        by_key.retain(|_, keyed| self.is_remembered(keyed, now, &held));
        self.by_key = by_key;
    }
}

fn fate(receipt: &Receipt) -> Fate {
    let succeeded = receipt.result.as_ref().is_some_and(|result| result.kind == ResultKind::Success);
    match receipt.effect() {
        EffectStatus::Unknown => Fate::Unknown,
        EffectStatus::Done => Fate::Answered,
        EffectStatus::None if succeeded => Fate::Answered,
        EffectStatus::None => Fate::Harmless,
    }
}
