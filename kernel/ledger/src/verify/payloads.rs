//! Payloads held against the digests that entries name them by, for whoever has the key that they are sealed with.

use std::collections::BTreeMap;

use latchgate_monitor::ports::{PayloadError, Payloads as _};
use latchgate_monitor::steps::{CallPayload, ResultPayload};
use latchgate_wire::digest::Digest;
use latchgate_wire::entry::{Body, Call, Entry};
use latchgate_wire::jcs;
use latchgate_wire::receipt::{PayloadAt, ResultRef};

use crate::payload::PayloadStore;

/// What is there, and what is gone without a word.
pub struct PayloadCheck<'a> {
    store: &'a PayloadStore,
    /// Arguments of calls that are no reads, by place: the entry that names each.
    gone: BTreeMap<PayloadAt, u64>,
}

impl<'a> PayloadCheck<'a> {
    pub fn new(store: &'a PayloadStore) -> Self {
        Self { store, gone: BTreeMap::new() }
    }

    /// What is wrong with the payloads that an entry names.
    pub fn entry(&mut self, entry: &Entry) -> Option<String> {
        match &entry.body {
            Body::CallHeld(held) => self.call(&held.call, entry.seq),
            Body::CallIntent(intent) => self.call(&intent.call, entry.seq),
            Body::CallOutcome(receipt) => self.result(receipt.result.as_ref()?),
            Body::PayloadsForgotten(forgotten) => {
                for at in &forgotten.payloads {
                    self.gone.remove(at);
                }
                let left = forgotten.payloads.iter().find(|at| self.store.holds(**at))?;
                Some(format!("the payload at {left} was to be forgotten and can still be read"))
            }
            _ => None,
        }
    }

    /// Arguments of calls that no entry says are forgotten, and that are not there all the same.
    pub fn gone(&self) -> impl Iterator<Item = (u64, String)> {
        let told = |at| format!("the payload at {at} is gone, and no entry says that it was forgotten");
        self.gone.iter().map(move |(at, seq)| (*seq, told(at)))
    }

    fn call(&mut self, call: &Call, seq: u64) -> Option<String> {
        let at = call.payload;
        match self.store.read(at) {
            // A read's payload is not synced on its own: a power cut may have taken it.
            Err(PayloadError::Gone(_)) if call.is_read => None,
            Err(PayloadError::Gone(_)) => {
                self.gone.insert(at, seq);
                None
            }
            Err(error) => Some(error.to_string()),
            Ok(_) => judged(at, || {
                let stored = CallPayload::read(self.store, at).ok()?;
                let salt = stored.salt().ok()?;
                let args = Digest::salted(&salt, &jcs::canonical_value(&stored.args).ok()?);
                Some(args == call.args_digest && stored.plan.digest(&salt).ok()? == call.plan.digest)
            }),
        }
    }

    fn result(&self, result: &ResultRef) -> Option<String> {
        let at = result.payload?;
        match self.store.read(at) {
            Err(PayloadError::Gone(_)) => None,
            Err(error) => Some(error.to_string()),
            Ok(_) => judged(at, || {
                let stored = ResultPayload::read(self.store, at).ok()?;
                let output = jcs::canonical_value(&stored.output).ok()?;
                Some(Digest::salted(&stored.salt().ok()?, &output) == result.digest)
            }),
        }
    }
}

/// What cannot even be read as what it should be is not what the entry names.
fn judged(at: PayloadAt, is_named: impl FnOnce() -> Option<bool>) -> Option<String> {
    let is_named = is_named().unwrap_or(false);
    (!is_named).then(|| format!("the payload at {at} is not the one that the entry names"))
}
