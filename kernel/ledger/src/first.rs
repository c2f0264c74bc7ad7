//! The first entries of a run: the gate is up, what it found, and an outcome for every call that was cut short.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use latchgate_monitor::ports::{Commit, CommitError, Durability};
use latchgate_wire::entry::{Body, GateRecovered, GateStarted};
use latchgate_wire::ids::ReceiptId;
use latchgate_wire::receipt::{
    Boundary, Effect, EffectStatus, FailureClass, Receipt, Runtime, Verification, VerificationStatus,
};
use latchgate_wire::time::Timestamp;

use crate::OpenConfig;
use crate::recover::{Loaded, OpenError, Recovery};
use crate::state::OpenCall;
use crate::writer::{Rejection, Writer};

/// `gate.started`; what was found, if it was not in order; an outcome for every call that was under way.
pub fn entries(config: &OpenConfig, loaded: &Loaded, recovery: &Recovery) -> Result<Vec<Commit>, OpenError> {
    let started = GateStarted {
        version: config.version.clone(),
        boundary: config.boundary,
        entry_key: BASE64URL.encode(config.entry_key.verifying_key().as_bytes()),
        checkpoint_size: recovery.checkpoint_size,
    };
    let mut bodies = vec![(None, Body::GateStarted(started))];
    if loaded.cut.is_some() || !recovery.unknown.is_empty() {
        let recovered = GateRecovered {
            cut_bytes: recovery.cut_bytes,
            cut_digest: loaded.cut.as_ref().map(|cut| cut.digest),
            open_intents: recovery.unknown.clone(),
        };
        bodies.push((None, Body::GateRecovered(recovered)));
    }
    let now = config.clock.now();
    for (intent_seq, open) in loaded.synced.state.open_calls() {
        let receipt = interrupted(intent_seq, open, config.boundary, now)?;
        bodies.push((open.trace_id, Body::CallOutcome(receipt)));
    }
    let commit = |(trace_id, body)| Commit { trace_id, body, payload: Durability::Buffered };
    Ok(bodies.into_iter().map(commit).collect())
}

/// Commits them; anything but success ends the start.
pub fn commit(writer: &mut Writer, first: Vec<Commit>) -> Result<(), OpenError> {
    let broken = |error| OpenError::Io { what: "writing the first entries".into(), error };
    for verdict in writer.commit(first).map_err(broken)? {
        match verdict {
            Ok(_) => {}
            Err(Rejection::Error(CommitError::Full)) => return Err(OpenError::Full),
            Err(Rejection::Error(error)) => return Err(broken(io::Error::other(error.to_string()))),
            Err(Rejection::Objection(objection)) => {
                return Err(broken(io::Error::other(objection.to_string())));
            }
        }
    }
    Ok(())
}

/// The receipt of a call that nobody saw end: it may have happened, and what it reserved counts as spent.
fn interrupted(
    intent_seq: u64,
    open: &OpenCall,
    boundary: Boundary,
    now: Timestamp,
) -> Result<Receipt, OpenError> {
    let mut entropy = [0; 16];
    getrandom::fill(&mut entropy).map_err(|error| OpenError::Io {
        what: "randomness".into(),
        error: io::Error::other(error.to_string()),
    })?;
    let made = u64::try_from(now.as_ms()).unwrap_or_default();
    let (intent, call) = (&open.intent, &open.intent.call);
    // The plan is not at hand; its target tells files from services.
    let kind = if call.operation.target.starts_with("fs:") { "fs" } else { "http.request" };
    let effect = Effect {
        kind: kind.into(),
        target: call.operation.target.clone(),
        status: EffectStatus::Unknown,
        http_status: None,
        bytes: 0,
        digest: None,
    };
    Ok(Receipt {
        receipt_id: ReceiptId::new(made, u128::from_le_bytes(entropy)),
        intent_seq,
        grant_id: intent.grant_id,
        action: call.action.clone(),
        principal: call.who.principal.clone(),
        agent: call.who.agent.clone(),
        session_id: call.who.session_id,
        operation: call.operation.clone(),
        effects: vec![effect],
        verification: Verification { status: VerificationStatus::VerificationFailed },
        result: None,
        approval: intent.approval.clone(),
        boundary,
        runtime: Runtime { duration_ms: 0, exit_code: 2, fuel_consumed: 0 },
        cost: intent.cost,
        started_at: open.time,
        finished_at: now.max(open.time),
        failure_class: Some(FailureClass::Interrupted),
    })
}
