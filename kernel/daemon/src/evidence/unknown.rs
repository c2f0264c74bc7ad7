//! Outcomes that nobody knows: what there is about each, and the word of the operator who looked.

use std::sync::Arc;

use latchgate_ledger::Ledger;
use latchgate_monitor::denial::Denial;
use latchgate_monitor::ports::{Commit, Durability, Log as _};
use latchgate_wire::api::{ResolveRequest, UnknownList, UnknownOutcome};
use latchgate_wire::entry::{Body, Entry, OutcomeResolved};
use latchgate_wire::ids::{ReceiptId, TraceId};
use latchgate_wire::problem::Code;

use super::{blocking, bundle};
use crate::calls::approvals::operator_text;
use crate::gate::Gate;
use crate::people::operators::Operated;

/// All that wait for somebody to look, the oldest first.
pub async fn list(gate: &Gate) -> Result<UnknownList, Denial> {
    let (ledger, store) = (gate.world.ledger.clone(), Arc::clone(&gate.world.payloads));
    let listed = blocking(move || {
        let outcomes = ledger.unknown().into_iter().map(|seq| one(&ledger, &store, seq));
        outcomes.collect::<Result<Vec<_>, Denial>>()
    });
    Ok(UnknownList { unknown: listed.await?? })
}

fn one(ledger: &Ledger, store: &latchgate_ledger::PayloadStore, seq: u64) -> Result<UnknownOutcome, Denial> {
    let Entry { trace_id, body: Body::CallOutcome(receipt), .. } = entry(ledger, seq)? else {
        return Err(Denial::fault(format!("entry {seq} is no outcome")));
    };
    let Body::CallIntent(intent) = entry(ledger, receipt.intent_seq)?.body else {
        return Err(Denial::fault(format!("entry {} is no intent", receipt.intent_seq)));
    };
    let (arguments, plan) = bundle::shown(store, &intent);
    Ok(UnknownOutcome {
        receipt_id: receipt.receipt_id,
        log_index: seq,
        intent_seq: receipt.intent_seq,
        trace_id,
        action_id: receipt.action.id,
        title: receipt.operation.summary,
        target: receipt.operation.target,
        principal: receipt.principal,
        agent: receipt.agent,
        session_id: receipt.session_id,
        idempotency_key: intent.call.idempotency_key,
        started_at: receipt.started_at,
        finished_at: receipt.finished_at,
        failure_class: receipt.failure_class,
        effects: receipt.effects,
        arguments,
        plan,
    })
}

fn entry(ledger: &Ledger, seq: u64) -> Result<Entry, Denial> {
    let line = ledger.entry(seq).map_err(bundle::unreadable)?;
    let line = line.ok_or_else(|| Denial::fault(format!("there is no entry {seq}")))?;
    Entry::read(&line).map_err(|error| Denial::fault(format!("entry {seq}: {error}")))
}

/// Records what an operator found out. What was not done may be tried again; what was done is not repeated.
///
/// # Errors
/// 404 for a receipt that is none; 409 if it is not unknown, or was resolved.
pub async fn resolve(
    gate: &Gate,
    receipt_id: ReceiptId,
    request: ResolveRequest,
    operated: Operated,
    trace_id: TraceId,
) -> Result<u64, Denial> {
    let ledger = gate.world.ledger.clone();
    let finished = blocking(move || ledger.receipt(receipt_id)).await?;
    let finished = finished.ok_or_else(|| Denial::new(Code::NotFound, "there is no such receipt"))?;
    let body = Body::OutcomeResolved(OutcomeResolved {
        receipt_id,
        intent_seq: finished.receipt.intent_seq,
        resolution: request.resolution,
        note: operator_text("note", request.note)?,
        signed: operated.signed(),
    });
    let commit = Commit { trace_id: Some(trace_id), body, payload: Durability::Buffered };
    Ok(gate.world.ledger.commit(commit).await?.seq)
}
