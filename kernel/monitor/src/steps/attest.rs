//! Attest: the receipt, complete but for its place in the log and the signature.

use latchgate_wire::digest::Digest;
use latchgate_wire::ids::{ReceiptId, TraceId};
use latchgate_wire::jcs;
use latchgate_wire::receipt::{Cost, EffectStatus, Receipt, ResultKind, ResultRef};
use serde_json::Value;

use super::{StepFailure, Verified};
use crate::denial::Denial;
use crate::ports::{Clock, Entropy};

/// An unsigned receipt and the output it speaks of.
pub struct Attested {
    pub(super) receipt: Receipt,
    pub(super) trace_id: TraceId,
    pub(super) output: Value,
    pub(super) salt: latchgate_wire::digest::Salt,
    pub(super) failure: Option<StepFailure>,
    pub(super) is_read: bool,
}

impl Verified {
    /// # Errors
    /// Only if the output cannot be written as JSON.
    pub fn attest(self, clock: &impl Clock, entropy: &impl Entropy) -> Result<Attested, Denial> {
        let Self { spent, runtime, effects, verification, kind, output, failure } = self;
        let output_bytes = jcs::canonical_value(&output).map_err(|error| Denial::fault(error.to_string()))?;
        let now = clock.now();
        // A call that reached nothing has cost nothing but itself.
        let is_idle = kind != ResultKind::Success
            && effects.iter().all(|e| e.status == EffectStatus::None && e.http_status.is_none());
        let cost = if is_idle { Cost { usd_cents: 0, bytes_out: 0, ..spent.cost } } else { spent.cost };
        let receipt = Receipt {
            receipt_id: ReceiptId::new(now.as_ms().unsigned_abs(), entropy.u128()),
            intent_seq: spent.intent_seq,
            grant_id: spent.grant_id,
            action: spent.call.action,
            principal: spent.call.who.principal,
            agent: spent.call.who.agent,
            session_id: spent.call.who.session_id,
            operation: spent.call.operation,
            effects,
            verification,
            result: Some(ResultRef {
                kind,
                digest: Digest::salted(&spent.salt, &output_bytes),
                bytes: output_bytes.len() as u64,
                payload: None,
            }),
            approval: spent.approval,
            boundary: spent.boundary,
            runtime,
            cost,
            started_at: spent.started_at,
            finished_at: now,
            failure_class: failure.as_ref().map(|failure| failure.class),
        };
        Ok(Attested {
            receipt,
            trace_id: spent.trace_id,
            output,
            salt: spent.salt,
            failure,
            is_read: spent.call.is_read,
        })
    }
}
