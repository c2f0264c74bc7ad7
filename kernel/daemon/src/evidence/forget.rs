//! Forgetting: the keys of payloads are destroyed, behind an entry that says whose. Every signature and proof holds as before.
//!
//! The entry comes first: a crash between it and the last key is made good at the next start, which forgets again what the
//! entries of the run before say.

use std::collections::BTreeSet;

use latchgate_ledger::{Ledger, PayloadStore};
use latchgate_monitor::denial::Denial;
use latchgate_monitor::ports::{Commit, Durability, Log as _};
use latchgate_wire::api::{AuditQuery, Forgot};
use latchgate_wire::entry::{Body, Entry, Forgotten, PayloadsForgotten, Signed};
use latchgate_wire::ids::TraceId;
use latchgate_wire::receipt::PayloadAt;
use latchgate_wire::time::Timestamp;

use super::{blocking, bundle};
use crate::gate::Gate;

/// Places that one entry names: about 20 bytes each, well within a line.
const PLACES_MAX: usize = 2_000;
/// Entries looked at between two pauses of whoever scans the whole log.
const PAGE: usize = 1_000;
/// Entries of forgetting that a start does again.
const AGAIN_MAX: usize = 1_000;

/// Forgets on an operator's word.
pub async fn forget(gate: &Gate, of: Forgotten, signed: Signed, trace_id: TraceId) -> Result<Forgot, Denial> {
    let (ledger, selected) = (gate.world.ledger.clone(), of.clone());
    let places = blocking(move || select(&ledger, &selected)).await??;
    carry_out(gate, of, &places, Some(signed), Some(trace_id)).await
}

/// One entry for every so many, then the keys.
pub async fn carry_out(
    gate: &Gate,
    of: Forgotten,
    places: &[PayloadAt],
    signed: Option<Signed>,
    trace_id: Option<TraceId>,
) -> Result<Forgot, Denial> {
    let mut forgot = Forgot { payloads: places.len() as u64, log_index: Vec::new() };
    for places in places.chunks(PLACES_MAX) {
        let payloads = places.to_vec();
        let body =
            Body::PayloadsForgotten(PayloadsForgotten { of: of.clone(), payloads, signed: signed.clone() });
        let committed =
            gate.world.ledger.commit(Commit { trace_id, body, payload: Durability::Buffered }).await?;
        forgot.log_index.push(committed.seq);
        let (store, places) = (gate.world.payloads.clone(), places.to_vec());
        let destroyed = blocking(move || store.forget_all(&places)).await?;
        destroyed.map_err(|error| Denial::fault(error.to_string()))?;
    }
    Ok(forgot)
}

/// What earlier entries say is forgotten, done again where a crash came between.
pub fn again(ledger: &Ledger, store: &PayloadStore) -> Result<(), Denial> {
    let query =
        AuditQuery { kind: Some("payloads.forgotten".into()), limit: Some(AGAIN_MAX), ..Default::default() };
    let page = ledger.query(&query).map_err(bundle::unreadable)?;
    for seq in page.entries.iter().filter_map(|entry| entry["seq"].as_u64()) {
        if let Some(Body::PayloadsForgotten(forgotten)) = read(ledger, seq)?.map(|entry| entry.body) {
            let destroyed = store.forget_all(&forgotten.payloads);
            destroyed.map_err(|error| Denial::fault(error.to_string()))?;
        }
    }
    Ok(())
}

fn select(ledger: &Ledger, of: &Forgotten) -> Result<Vec<PayloadAt>, Denial> {
    match of {
        Forgotten::Receipt(id) => {
            let absent = || Denial::new(latchgate_wire::problem::Code::NotFound, "there is no such receipt");
            let finished = ledger.receipt(*id).ok_or_else(absent)?;
            let mut places: BTreeSet<_> = finished.receipt.result.iter().filter_map(|r| r.payload).collect();
            places.extend(read(ledger, finished.receipt.intent_seq)?.iter().flat_map(of_call));
            Ok(kept(ledger, places))
        }
        Forgotten::Session(id) => {
            let found = scan(ledger, 0, |entry| {
                let session = match &entry.body {
                    Body::CallHeld(held) => Some(held.call.who.session_id),
                    Body::CallIntent(intent) => Some(intent.call.who.session_id),
                    Body::CallOutcome(receipt) => Some(receipt.session_id),
                    _ => None,
                };
                Some(session == Some(*id))
            });
            Ok(found?.0)
        }
        Forgotten::Before(time) | Forgotten::Retention { before: time, .. } => {
            Ok(before(ledger, 0, *time, |_| true)?.0)
        }
    }
}

/// The payloads of calls that are over and whose entries are older, of the actions that `is_of` picks, from entry `from` on;
/// and the first entry that is not older.
pub fn before(
    ledger: &Ledger,
    from: u64,
    time: Timestamp,
    is_of: impl Fn(&str) -> bool,
) -> Result<(Vec<PayloadAt>, u64), Denial> {
    scan(ledger, from, |entry| {
        let action = match &entry.body {
            Body::CallHeld(held) => Some(&held.call.action.id),
            Body::CallIntent(intent) => Some(&intent.call.action.id),
            Body::CallOutcome(receipt) => Some(&receipt.action.id),
            _ => None,
        };
        // Time never goes back in entries.
        (entry.time < time).then(|| action.is_some_and(|action| is_of(action)))
    })
}

/// From `from` on: those that are wanted, up to the first entry of which `is_wanted` says nothing; and where that is.
fn scan(
    ledger: &Ledger,
    mut from: u64,
    is_wanted: impl Fn(&Entry) -> Option<bool>,
) -> Result<(Vec<PayloadAt>, u64), Denial> {
    let mut places = BTreeSet::new();
    loop {
        let lines = ledger.entries(from, PAGE).map_err(bundle::unreadable)?;
        if lines.is_empty() {
            return Ok((kept(ledger, places), from));
        }
        for line in &lines {
            let entry = Entry::read(line).map_err(|error| Denial::fault(format!("entry {from}: {error}")))?;
            match is_wanted(&entry) {
                None => return Ok((kept(ledger, places), from)),
                Some(true) => places.extend(of_call(&entry)),
                Some(false) => {}
            }
            from += 1;
        }
    }
}

fn of_call(entry: &Entry) -> Option<PayloadAt> {
    match &entry.body {
        Body::CallHeld(held) => Some(held.call.payload),
        Body::CallIntent(intent) => Some(intent.call.payload),
        Body::CallOutcome(receipt) => receipt.result.as_ref()?.payload,
        _ => None,
    }
}

/// Without those that a later step still needs, and those that are gone.
fn kept(ledger: &Ledger, mut places: BTreeSet<PayloadAt>) -> Vec<PayloadAt> {
    for at in ledger.payloads_in_use() {
        places.remove(&at);
    }
    let store = ledger.payloads();
    places.into_iter().filter(|at| store.holds(*at)).collect()
}

fn read(ledger: &Ledger, seq: u64) -> Result<Option<Entry>, Denial> {
    let line = ledger.entry(seq).map_err(bundle::unreadable)?;
    let entry = line.map(|line| Entry::read(&line)).transpose();
    entry.map_err(|error| Denial::fault(format!("entry {seq}: {error}")))
}
