//! Payloads held against the digests that entries name them by, for whoever has the key that they are sealed with; and the
//! decisions that rested on them, judged again.

use std::collections::BTreeMap;
use std::path::Path;

use latchgate_monitor::ports::{PayloadError, Payloads as _};
use latchgate_monitor::steps::{CallPayload, ResultPayload};
use latchgate_wire::digest::Digest;
use latchgate_wire::entry::{Body, Call, Entry};
use latchgate_wire::jcs;
use latchgate_wire::receipt::{PayloadAt, ResultRef};

use super::replay::Replay;
use crate::payload::PayloadStore;
use crate::state::State;

/// What is there, and what is gone without a word.
pub struct PayloadCheck<'a> {
    store: &'a PayloadStore,
    /// Arguments of calls that are no reads, by place: the entry that names each.
    gone: BTreeMap<PayloadAt, u64>,
    replay: Replay,
}

/// Rule and message.
type Fault = (&'static str, String);

impl<'a> PayloadCheck<'a> {
    pub fn new(store: &'a PayloadStore, ledger_dir: &Path) -> Self {
        Self { store, gone: BTreeMap::new(), replay: Replay::new(ledger_dir) }
    }

    /// What is wrong with the payloads that an entry names, or with the decision that rested on them. `state` is that in front
    /// of the entry.
    pub fn entry(&mut self, entry: &Entry, state: &State) -> Option<Fault> {
        self.replay.entry(entry);
        match &entry.body {
            Body::CallHeld(held) => self.call(&held.call, entry, state),
            Body::CallIntent(intent) => self.call(&intent.call, entry, state),
            Body::CallOutcome(receipt) => self.result(receipt.result.as_ref()?).map(payload),
            Body::PayloadsForgotten(forgotten) => {
                for at in &forgotten.payloads {
                    self.gone.remove(at);
                }
                let left = forgotten.payloads.iter().find(|at| self.store.holds(**at))?;
                Some(payload(format!("the payload at {left} was to be forgotten and can still be read")))
            }
            _ => None,
        }
    }

    /// What is worth knowing about the decisions.
    pub fn notes(&self) -> Vec<String> {
        self.replay.notes()
    }

    /// Arguments of calls that no entry says are forgotten, and that are not there all the same.
    pub fn gone(&self) -> impl Iterator<Item = (u64, String)> {
        let told = |at| format!("the payload at {at} is gone, and no entry says that it was forgotten");
        self.gone.iter().map(move |(at, seq)| (*seq, told(at)))
    }

    fn call(&mut self, call: &Call, entry: &Entry, state: &State) -> Option<Fault> {
        let at = call.payload;
        match self.store.read(at) {
            // A read's payload is not synced on its own: a power cut may have taken it.
            Err(PayloadError::Gone(_)) if call.is_read => None,
            Err(PayloadError::Gone(_)) => {
                self.gone.insert(at, entry.seq);
                None
            }
            Err(error) => Some(payload(error.to_string())),
            Ok(_) => match named(self.store, call) {
                Some(stored) => self.replay.call(call, entry.time, &stored, state).map(|why| ("policy", why)),
                None => Some(payload(not_named(at))),
            },
        }
    }

    fn result(&self, result: &ResultRef) -> Option<String> {
        let at = result.payload?;
        match self.store.read(at) {
            Err(PayloadError::Gone(_)) => None,
            Err(error) => Some(error.to_string()),
            Ok(_) => (!is_named(self.store, at, result).unwrap_or(false)).then(|| not_named(at)),
        }
    }
}

/// Arguments and plan, if they are those that the entry names. What cannot even be read as such is not.
fn named(store: &PayloadStore, call: &Call) -> Option<CallPayload> {
    let stored = CallPayload::read(store, call.payload).ok()?;
    let salt = stored.salt().ok()?;
    let args = Digest::salted(&salt, &jcs::canonical_value(&stored.args).ok()?);
    (args == call.args_digest && stored.plan.digest(&salt).ok()? == call.plan.digest).then_some(stored)
}

fn is_named(store: &PayloadStore, at: PayloadAt, result: &ResultRef) -> Option<bool> {
    let stored = ResultPayload::read(store, at).ok()?;
    let output = jcs::canonical_value(&stored.output).ok()?;
    Some(Digest::salted(&stored.salt().ok()?, &output) == result.digest)
}

fn not_named(at: PayloadAt) -> String {
    format!("the payload at {at} is not the one that the entry names")
}

fn payload(why: String) -> Fault {
    ("payload", why)
}
