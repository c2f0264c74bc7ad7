//! What the ledger says after a restart, held against what was promised and against what happened.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use latchgate_tests::{Gate, Upstream};
use serde_json::Value;

use crate::load::Answered;

/// What one look at the books adds up to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    pub entries: usize,
    pub done: usize,
    pub unknown: usize,
    pub effects: usize,
}

/// Everything that must hold after every restart, over all runs so far.
pub struct Account {
    /// Lines of the log as they were after the last restart: all of them were synced, so all of them stay.
    lines: Vec<Value>,
    promises: Vec<Answered>,
    /// Refusals for which there was no room, or no time, for an entry.
    may_be_silent: bool,
}

impl Account {
    pub fn new() -> Self {
        Self { lines: Vec::new(), promises: Vec::new(), may_be_silent: false }
    }

    /// Where the gate may say that it cannot take calls, without an entry of each.
    pub fn on_a_failing_disk() -> Self {
        Self { may_be_silent: true, ..Self::new() }
    }

    /// # Panics
    /// With the promise that was broken.
    pub fn check(&mut self, gate: &Gate, upstream: &Upstream, promises: Vec<Answered>) -> Sum {
        gate.assert_sound();
        let entries = gate.entries();
        assert_numbered(&entries);
        assert!(entries.starts_with(&self.lines), "the log begins as it did after the last restart");
        self.lines.clone_from(&entries);
        let is_kept = |answered: &Answered| !(self.may_be_silent && is_silent(&answered.body));
        self.promises.extend(promises.into_iter().filter(is_kept));
        assert_answers_stand(&entries, &self.promises);
        assert_settled(&entries);
        let sum = sum(&entries, upstream.count());
        assert_effects(&sum, upstream, &self.promises);
        sum
    }
}

/// It was refused, nothing happened, and the gate could not be asked.
fn is_silent(body: &Value) -> bool {
    let cannot = ["unavailable", "invalid_dpop"].contains(&body["error"].as_str().unwrap_or_default());
    cannot && body["effect"] == "none" && body["receipt_id"].is_null()
}

/// No number is left out and none is used twice.
pub fn assert_numbered(entries: &[Value]) {
    for (index, entry) in entries.iter().enumerate() {
        assert_eq!(entry["seq"], index, "{entry:#}");
    }
}

/// Who was answered finds his receipt, or the entry of his refusal, where the answer said it is.
pub fn assert_answers_stand(entries: &[Value], promises: &[Answered]) {
    let by = |kind: &str, member: &str| -> HashMap<String, &Value> {
        let of = entries.iter().filter(|entry| entry["kind"] == kind);
        of.map(|entry| (entry[member].as_str().unwrap_or_default().to_owned(), entry)).collect()
    };
    let (receipts, denials) = (by("call.outcome", "receipt_id"), by("call.denied", "trace_id"));
    for answered in promises {
        let body = &answered.body;
        match body["receipt_id"].as_str() {
            Some(id) => {
                let outcome = receipts.get(id).unwrap_or_else(|| panic!("receipt {id} was promised: {body}"));
                if !body["log_index"].is_null() {
                    assert_eq!(outcome["seq"], body["log_index"], "{body}");
                }
                let effect = if answered.status == 200 { "done" } else { body["effect"].as_str().unwrap() };
                assert_eq!(outcome["effects"][0]["status"], effect, "{body}\n{outcome:#}");
            }
            None => {
                let trace = body["trace_id"].as_str().unwrap();
                let denied = denials.get(trace).unwrap_or_else(|| panic!("a refusal was promised: {body}"));
                assert_eq!(denied["error"], body["error"], "{body}");
                assert_eq!(body["effect"], "none", "{body}");
            }
        }
    }
}

/// After a restart every intent before it has exactly one outcome, and no grant was used twice.
pub fn assert_settled(entries: &[Value]) {
    let mut open = BTreeMap::new();
    let mut grants = BTreeSet::new();
    for entry in entries {
        match entry["kind"].as_str().unwrap() {
            "call.intent" => {
                assert!(grants.insert(entry["grant_id"].to_string()), "a grant twice: {entry:#}");
                open.insert(entry["seq"].as_u64().unwrap(), entry);
            }
            "call.outcome" => {
                let intent = open.remove(&entry["intent_seq"].as_u64().unwrap());
                assert!(intent.is_some(), "an outcome without its intent, or a second one: {entry:#}");
            }
            _ => {}
        }
    }
    assert!(open.is_empty(), "intents without outcome: {open:#?}");
}

pub fn sum(entries: &[Value], effects: usize) -> Sum {
    let ticks =
        entries.iter().filter(|entry| entry["kind"] == "call.outcome" && entry["action"]["id"] == "tick");
    let statuses: Vec<&Value> = ticks.map(|entry| &entry["effects"][0]["status"]).collect();
    let count = |status: &str| statuses.iter().filter(|found| **found == status).count();
    Sum { entries: entries.len(), done: count("done"), unknown: count("unknown"), effects }
}

/// What the service counted is what the ledger knows to be done, and at most what it says may have been.
fn assert_effects(sum: &Sum, upstream: &Upstream, promises: &[Answered]) {
    assert!((sum.done..=sum.done + sum.unknown).contains(&sum.effects), "{sum:?}");
    let numbers: Vec<u64> =
        upstream.seen().iter().map(|seen| seen.json()["number"].as_u64().unwrap()).collect();
    let distinct: BTreeSet<u64> = numbers.iter().copied().collect();
    assert_eq!(distinct.len(), numbers.len(), "nothing happened twice");
    for answered in promises {
        let Some(number) = answered.number else { continue };
        match (answered.status, answered.body["effect"].as_str()) {
            (200, _) => assert!(distinct.contains(&number), "promised and not done: {}", answered.body),
            (_, Some("none")) => assert!(!distinct.contains(&number), "refused and done: {}", answered.body),
            (_, _) => {}
        }
    }
}
