//! One call of the past: found by any id of it, with what it was judged by and its arguments.

use std::path::Path;

use latchgate_ledger::past::Past;
use latchgate_monitor::policy::Source;
use latchgate_monitor::steps::CallPayload;
use latchgate_wire::digest::Digest;
use latchgate_wire::entry::{Body, Call, Entry};
use latchgate_wire::principal::Principal;
use latchgate_wire::receipt::{Boundary, PayloadAt, PolicyRef, Who};
use latchgate_wire::time::Timestamp;
use serde_json::Value;
use zeroize::Zeroizing;

use super::sets::PolicyToolError;
use crate::home::files::read_private;
use crate::home::places::Places;

/// A call as its entry tells of it.
#[derive(Debug)]
pub struct PastCall {
    pub seq: u64,
    pub time: Timestamp,
    pub kind: &'static str,
    pub action: String,
    pub who: Who,
    pub policy: Option<PolicyRef>,
    pub error: Option<String>,
    pub boundary: Boundary,
    /// Absent for a denial: its arguments are not kept.
    payload: Option<PayloadAt>,
}

/// What stood between a caller and a gate, as the gate saw it: nothing, for its own user and for root.
pub fn boundary(principal: &Principal, gate_uid: u32, gate: Boundary) -> Boundary {
    match principal {
        Principal::Uid(uid) if *uid == 0 || *uid == gate_uid => Boundary::SameUser,
        Principal::Uid(_) | Principal::Agent(_) | Principal::Jail(_) => gate,
    }
}

/// Whose gate wrote this ledger.
pub(super) fn owner(ledger: &Path) -> u32 {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(ledger).map_or_else(|_| rustix::process::geteuid().as_raw(), |found| found.uid())
}

/// The call that has this id: of its trace, receipt, approval or grant, or the number of its entry.
pub(super) fn find(places: &Places, id: &str) -> Result<PastCall, PolicyToolError> {
    let mut matched = entries(places, id)?;
    let intent = matched.iter().find_map(|(entry, _)| match &entry.body {
        Body::CallOutcome(receipt) => Some(receipt.intent_seq),
        _ => None,
    });
    // A receipt names its call by the number of the intent.
    if let Some(intent) = intent {
        matched.extend(entries(places, &intent.to_string())?);
    }
    let owner = owner(&places.ledger_dir());
    first(&matched)
        .and_then(|(entry, gate)| PastCall::of(entry, |principal| boundary(principal, owner, gate)))
        .ok_or_else(|| PolicyToolError::NotRecorded(id.to_owned()))
}

/// What ran goes before what was held, and that before what was denied.
fn first(matched: &[(Entry, Boundary)]) -> Option<(&Entry, Boundary)> {
    let rank = |body: &Body| match body {
        Body::CallIntent(_) => Some(0),
        Body::CallHeld(_) => Some(1),
        Body::CallDenied(_) => Some(2),
        _ => None,
    };
    let ranked = matched.iter().filter_map(|(entry, gate)| Some((rank(&entry.body)?, entry, *gate)));
    ranked.min_by_key(|(rank, _, _)| *rank).map(|(_, entry, gate)| (entry, gate))
}

/// Entries that have this id, with the boundary of the gate that wrote each.
fn entries(places: &Places, id: &str) -> Result<Vec<(Entry, Boundary)>, PolicyToolError> {
    let dir = places.ledger_dir();
    let io = |source| PolicyToolError::Io { path: dir.clone(), source };
    let mut found = Vec::new();
    let mut gate = Boundary::SameUser;
    let seq: Option<u64> = id.parse().ok();
    let needle = seq.map_or_else(|| format!("\"{id}\""), |seq| format!("\"seq\":{seq},"));
    for segment in Past::of(&dir).segments().map_err(io)? {
        let segment = segment.map_err(io)?;
        for line in &segment.lines {
            let Ok(text) = std::str::from_utf8(&segment.bytes[line.clone()]) else { continue };
            let is_start = text.contains(STARTED);
            if !is_start && !text.contains(&needle) {
                continue;
            }
            let Ok(entry) = Entry::read(text.as_bytes()) else { continue };
            if let Body::GateStarted(started) = &entry.body {
                gate = started.boundary;
            }
            if seq.is_none_or(|seq| entry.seq == seq) && text.contains(&needle) {
                found.push((entry, gate));
            }
        }
    }
    Ok(found)
}

impl PastCall {
    fn of(entry: &Entry, seen: impl Fn(&Principal) -> Boundary) -> Option<Self> {
        let of_call = |call: &Call, kind| Self {
            seq: entry.seq,
            time: entry.time,
            kind,
            action: call.action.id.clone(),
            boundary: seen(&call.who.principal),
            who: call.who.clone(),
            policy: Some(call.policy.clone()),
            error: None,
            payload: Some(call.payload),
        };
        match &entry.body {
            Body::CallIntent(intent) => Some(of_call(&intent.call, "call.intent")),
            Body::CallHeld(held) => Some(of_call(&held.call, "call.held")),
            Body::CallDenied(denied) => Some(Self {
                seq: entry.seq,
                time: entry.time,
                kind: "call.denied",
                action: denied.action_id.clone(),
                boundary: seen(&denied.who.principal),
                who: denied.who.clone(),
                policy: denied.policy.clone(),
                error: Some(denied.error.clone()),
                payload: None,
            }),
            _ => None,
        }
    }
}

/// Arguments and plan, or why there are none.
pub(super) fn payload(places: &Places, call: &PastCall) -> Result<CallPayload, String> {
    let Some(at) = call.payload else {
        let remedy = "explain it with --action and --args";
        return Err(format!("the arguments of a call that was denied are not kept; {remedy}"));
    };
    let key = key(places).map_err(|error| error.to_string())?;
    let store = Past::of(&places.ledger_dir()).payloads(&key).map_err(|error| error.to_string())?;
    CallPayload::read(&store, at).map_err(|_| "its arguments were forgotten, or cannot be read".to_owned())
}

/// What the payloads are sealed with.
pub(super) fn key(places: &Places) -> Result<Zeroizing<[u8; 32]>, PolicyToolError> {
    let path = places.keys_dir().join("payload.key");
    let bytes =
        read_private(&path).map(Zeroizing::new).map_err(|error| PolicyToolError::Home(error.into()))?;
    let key = <[u8; 32]>::try_from(bytes.as_slice()).map(Zeroizing::new);
    key.map_err(|_| PolicyToolError::Arguments(format!("{}: expected 32 bytes", path.display())))
}

/// The files of a policy by its digest, as they were in force.
pub(super) fn policy(places: &Places, digest: &Digest) -> Result<Vec<Source>, String> {
    let bytes = Past::of(&places.ledger_dir()).policy(digest);
    let bytes = bytes.map_err(|error| format!("the policy recorded for it cannot be read: {error}"))?;
    let document: Value = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    let sources = document.get("sources").and_then(Value::as_array).into_iter().flatten();
    let text = |source: &Value, name: &str| source.get(name).and_then(Value::as_str).map(str::to_owned);
    Ok(sources
        .filter_map(|source| Some(Source { name: text(source, "name")?, text: text(source, "text")? }))
        .collect())
}

const STARTED: &str = "\"kind\":\"gate.started\"";
