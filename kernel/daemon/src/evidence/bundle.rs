//! Proofs for whoever does not have the log: a bundle of entries, and that one size continues another.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use latchgate_ledger::{Ledger, PayloadStore, ReadError, SignedCheckpoint};
use latchgate_monitor::denial::Denial;
use latchgate_monitor::steps::{CallPayload, ResultPayload};
use latchgate_wire::api::ConsistencyProof;
use latchgate_wire::bundle::{self, Bundle, Bundled, Payload, PayloadOf};
use latchgate_wire::entry::{Body, CallIntent, Entry};
use latchgate_wire::ids::ReceiptId;
use latchgate_wire::keychain;
use latchgate_wire::problem::Code;
use latchgate_wire::receipt::Receipt;
use serde_json::{Value, json};

use super::blocking;
use crate::gate::Gate;

/// Whether a bundle holds what its entries name by digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payloads {
    LeftOut,
    Included,
}

/// The receipt and the intent that it answers.
pub async fn of_receipt(gate: &Gate, id: ReceiptId, payloads: Payloads) -> Result<Bundle, Denial> {
    let absent = || Denial::new(Code::NotFound, "there is no such receipt");
    let ledger = gate.world.ledger.clone();
    let finished = blocking(move || ledger.receipt(id)).await?.ok_or_else(absent)?;
    of_entries(gate, vec![finished.receipt.intent_seq, finished.seq], payloads).await
}

/// Any entry.
pub async fn of_entry(gate: &Gate, seq: u64, payloads: Payloads) -> Result<Bundle, Denial> {
    if seq >= gate.world.ledger.stats().entries {
        return Err(Denial::new(Code::NotFound, "there is no such entry"));
    }
    of_entries(gate, vec![seq], payloads).await
}

async fn of_entries(gate: &Gate, seqs: Vec<u64>, payloads: Payloads) -> Result<Bundle, Denial> {
    let at = checkpoint(gate).await?;
    let (ledger, store) = (gate.world.ledger.clone(), Arc::clone(&gate.world.payloads));
    blocking(move || make(&ledger, &store, &seqs, &at, payloads)).await?
}

/// A checkpoint of everything synced by now.
pub async fn checkpoint(gate: &Gate) -> Result<SignedCheckpoint, Denial> {
    gate.world.ledger.checkpoint().await.map_err(Denial::from)
}

fn make(
    ledger: &Ledger,
    store: &PayloadStore,
    seqs: &[u64],
    at: &SignedCheckpoint,
    payloads: Payloads,
) -> Result<Bundle, Denial> {
    let keys = ledger.keychain();
    let first = seqs.iter().copied().min().unwrap_or(0);
    // The changes of keys from the first entry's to the checkpoint's.
    let changes = keys.keys().iter().filter(|(from, _)| *from > first && *from <= at.checkpoint.size);
    let mut seqs: Vec<u64> = seqs.iter().copied().chain(changes.map(|(from, _)| from - 1)).collect();
    seqs.sort_unstable();
    seqs.dedup();
    let (mut entries, mut opened) = (Vec::new(), Vec::new());
    for seq in seqs {
        let proved = ledger.inclusion(seq, &at.checkpoint).map_err(unreadable)?;
        let line = Entry::read(&proved.line);
        opened.push(line.map_err(|error| Denial::fault(format!("entry {seq}: {error}")))?);
        entries.push(Bundled::new(seq, &proved.line, &proved.proof));
    }
    let payloads = match payloads {
        Payloads::LeftOut => Vec::new(),
        Payloads::Included => of_all(store, &opened)?,
    };
    let key = keychain::text(keys.at(first));
    Ok(Bundle { format: bundle::FORMAT.into(), key, checkpoint: at.note.clone(), entries, payloads })
}

fn of_all(store: &PayloadStore, entries: &[Entry]) -> Result<Vec<Payload>, Denial> {
    let mut all = Vec::new();
    for entry in entries {
        match &entry.body {
            Body::CallIntent(intent) => all.extend(of_intent(store, intent)?),
            Body::CallOutcome(receipt) => all.extend(of_outcome(store, receipt)?),
            _ => {}
        }
    }
    Ok(all)
}

fn of_intent(store: &PayloadStore, intent: &CallIntent) -> Result<[Payload; 2], Denial> {
    let stored = CallPayload::read(store, intent.call.payload)?;
    let salt = BASE64.encode(stored.salt()?.0);
    let plan = serde_json::to_value(&stored.plan).map_err(|error| Denial::fault(error.to_string()))?;
    let payload = |of, value: Value| Payload { of, salt: salt.clone(), value };
    Ok([payload(PayloadOf::Arguments, stored.args), payload(PayloadOf::Plan, plan)])
}

fn of_outcome(store: &PayloadStore, receipt: &Receipt) -> Result<Option<Payload>, Denial> {
    let Some(at) = receipt.result.as_ref().and_then(|result| result.payload) else { return Ok(None) };
    let stored = ResultPayload::read(store, at)?;
    let salt = BASE64.encode(stored.salt()?.0);
    Ok(Some(Payload { of: PayloadOf::Result, salt, value: stored.output }))
}

/// That the log of the larger size begins with that of the smaller; `None` for the newest.
pub async fn consistency(gate: &Gate, old: u64, new: Option<u64>) -> Result<ConsistencyProof, Denial> {
    let at = checkpoint(gate).await?;
    let size = at.checkpoint.size;
    let new = new.unwrap_or(size);
    if old == 0 || old > new || new > size {
        let detail = format!("expected two sizes from 1 to {size}, the smaller first");
        return Err(Denial::new(Code::BadRequest, detail));
    }
    let ledger = gate.world.ledger.clone();
    let signed = at.checkpoint.clone();
    let proved = blocking(move || ledger.consistency(old, new, &signed)).await?.map_err(unreadable)?;
    Ok(ConsistencyProof {
        old,
        old_root: BASE64.encode(proved.old_root),
        new,
        new_root: BASE64.encode(proved.new_root),
        proof: proved.proof.iter().map(|hash| BASE64.encode(hash)).collect(),
        checkpoint: at.note,
    })
}

/// A log that cannot be read is the gate's fault.
pub fn unreadable(error: ReadError) -> Denial {
    Denial::fault(error.to_string())
}

/// Everything known about a call, for whoever has to find out what became of it.
pub fn shown(store: &PayloadStore, intent: &CallIntent) -> (Value, Value) {
    match CallPayload::read(store, intent.call.payload) {
        Ok(stored) => (stored.args, serde_json::to_value(&stored.plan).unwrap_or_default()),
        // Forgotten, or lost with a read's buffer: the entry stands all the same.
        Err(_) => (json!(null), json!(null)),
    }
}

impl Payloads {
    pub fn asked(query: Option<&str>) -> Self {
        if query == Some("payloads=true") { Self::Included } else { Self::LeftOut }
    }
}
